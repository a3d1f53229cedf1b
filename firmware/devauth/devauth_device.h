/*
 * DevAuth without its main loop: the device behind the SPDM responder, in memory the caller gives.
 * devauth_stage.c runs it on a chip, the tests run it against a HAL in RAM.
 *
 * Calling sequence: devauth_device_start once (also says which key to expect in slot 0), then
 * devauth_device_handle for every message, and devauth_device_sent when its answer has left.
 *
 * Rules (docs/formats/devauth.md):
 * - Slot 0 answers with a self-signed ephemeral certificate until an issued chain for this AUTH key
 *   and UID, under the loaded root, is in the journal; then with that, for new sessions.
 * - The loaded root counts only while OTP holds none; afterwards it must be the one OTP names.
 * - AUTH signs SPDM transcripts and the chip's own PKCS #10, nothing else.
 * - BL2 is installed here, and its key hash written; everything about BL3 is the bootloader's.
 * - The root hash goes to OTP only in a privileged session that was opened on the issued chain:
 *   whoever asks has read the chain back and verified that the chip owns its key.
 */
#ifndef NUSEC_DEVAUTH_DEVAUTH_DEVICE_H
#define NUSEC_DEVAUTH_DEVAUTH_DEVICE_H

#include "hal/hal.h"

#include "crypto/crypto.h"
#include "device/device.h"
#include "spdm/spdm_responder.h"

struct devauth_device {
    struct device device; /* first: the commands of firmware/device find the rest behind it */
    struct spdm_responder responder;
    enum spdm_privilege privilege; /* of the vendor command that is being executed */

    /* loaded at bootstrap */
    uint8_t root_hash[CRYPTO_DIGEST_SIZE];
    uint8_t requester_hash[CRYPTO_DIGEST_SIZE]; /* SHA-256 of the programmer's certificate */

    /* slot 0 */
    uint8_t ephemeral_private[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t ephemeral_public[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t chain[SPDM_CHAIN_MAX]; /* CertChain blob slot 0 answers with */
    size_t chain_size;

    bool session_on_issued_chain; /* the chain was issued when the current session was opened */

    /* The requester's chain while SPDM fetches it; between handshakes room to put a permit's
     * chain together. */
    uint8_t scratch[SPDM_CHAIN_MAX];
};

struct devauth_start {
    struct bytes parameter_block; /* board/devauth_image.h */
    struct bytes image;           /* what measurement 1 is taken of */
    uint32_t version;
};

/*
 * `key_hash` is SHA-256 of slot 0's public key. MISMATCH: the loaded root is not the one in OTP.
 * DENIED: the chip is retired or in RMA. INVALID, TRUNCATED, BAD_CERTIFICATE: parameter block.
 */
MUST_USE enum status devauth_device_start(struct devauth_device *device, const struct hal *hal,
                                          const struct devauth_start *start,
                                          uint8_t key_hash[CRYPTO_DIGEST_SIZE]);

/* Shape of device_link_handler; `context` is the device. */
enum status devauth_device_handle(void *context, uint8_t type, uint8_t *message, size_t size,
                                  struct writer *response, uint8_t *response_type);

/* What the last answer promised: the link payload agreed on (0 = unchanged). Resets the chip after
 * REBOOT and then does not return. */
uint16_t devauth_device_sent(struct devauth_device *device);

#endif
