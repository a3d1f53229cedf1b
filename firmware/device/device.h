/*
 * What every stage with an identity does on the link in the same way: who the chip is on its issued
 * chain, what it measures, permits after ROOT_HASH, installing images, restarting. DevAuth, the
 * bootloader and the application each hold one `struct device` and add their own to it.
 *
 *     device_start          once
 *     device_run_command    from the responder's vendor operation, with the stage's table
 *     device_measurements   from its measurement operation
 *     device_handle_bulk    for MCTP messages of lib/bulk
 *     device_sent           when an answer has left
 *
 * Rules: docs/formats/devauth.md. Nothing here needs X.509 path validation.
 */
#ifndef NUSEC_DEVICE_DEVICE_H
#define NUSEC_DEVICE_DEVICE_H

#include "boot/boot.h"
#include "bulk/bulk.h"
#include "devauth/devauth.h"
#include "devauth/journal.h"
#include "spdm/spdm_responder.h"

/* One-use permit nonce. */
struct device_nonce {
    bool is_outstanding;
    uint8_t command; /* enum permit_command it was asked for */
    uint8_t value[DEVAUTH_NONCE_SIZE];
};

/* An image on its way in. */
struct device_install {
    struct bulk_receiver receiver;
    struct devauth_install wanted;
    enum boot_slot slot;
    uint8_t next_transfer;
    bool flash_failed; /* the last transfer met a cell that refused: erase also what looks blank */
    struct crypto_sha256 hash;
    uint8_t held[8]; /* bytes of a unit that is not complete yet */
    size_t held_size;
};

/* What differs between stages. */
struct device_rules {
    enum devauth_stage_id stage;
    uint32_t permits; /* 1 << enum permit_command for those executed */
    uint8_t install;  /* enum devauth_target that may be installed; 0: none */
    uint8_t boot_key; /* enum devauth_target whose key hash a permit may write; 0: none */
    bool install_needs_confirmed; /* the running image must not be on trial */
};

struct device {
    const struct hal *hal;
    const struct device_rules *rules;
    uint32_t version;
    uint8_t uid[HAL_UID_SIZE];
    struct journal journal;
    struct device_nonce nonce;
    struct device_install install;
    /* What the image slots hold, as far as somebody has looked since it changed. */
    bool knows_images;
    struct image_report bl2;
    struct image_report bl3;
    /* Measurement 1 where the stage is no image in a slot (DevAuth). */
    uint8_t image_hash[CRYPTO_DIGEST_SIZE];
    bool chain_is_issued;                /* for DEVICE_INFO; kept by the stage */
    uint8_t key[CRYPTO_PUBLIC_KEY_SIZE]; /* room for a permit's authority */
    /* What the last answer promised. */
    uint16_t pending_payload;
    bool pending_reboot;
    enum hal_boot_reason reboot_reason;
};

/* Mounts the journal. `hal` and `rules` must outlive the device. */
MUST_USE enum status device_start(struct device *device, const struct hal *hal,
                                  const struct device_rules *rules, uint32_t version);

/* Who may use a command. */
enum device_access { DEVICE_ANYONE, DEVICE_SESSION, DEVICE_PRIVILEGED };

typedef enum status device_command_function(struct device *device, struct bytes body,
                                            struct writer *response);

struct device_command {
    uint8_t command; /* enum devauth_command */
    enum device_access access;
    device_command_function *run;
};

/* Runs the first row that fits. DENIED without the session it needs, UNSUPPORTED without a row. */
MUST_USE enum status device_run_command(struct device *device, const struct device_command *table,
                                        size_t count, enum spdm_privilege privilege,
                                        struct bytes payload, struct writer *response);

/* The commands themselves. */
device_command_function device_info;
device_command_function device_public_keys;
device_command_function device_permit_nonce;
device_command_function device_permit_execute;
device_command_function device_otp_read;
device_command_function device_reboot;
device_command_function device_link_payload;
device_command_function device_install_begin;
device_command_function device_install_finish;
device_command_function device_boot_state;
device_command_function device_object_id;

/* All seven measurement blocks. */
MUST_USE enum status device_measurements(struct device *device, struct writer *blocks);

/* One MCTP message of type BULK_MCTP_TYPE; BUSY: nothing to answer. */
MUST_USE enum status device_handle_bulk(struct device *device, struct bytes message,
                                        struct writer *response);

/* Keeps what the last answer promised: returns the link payload agreed on (0: unchanged); resets
 * the chip after REBOOT or RMA, and then does not return. `wipe` is called before that. */
uint16_t device_sent(struct device *device, void (*wipe)(void *context), void *context);

/* NOT_FOUND unless all three keys exist. */
MUST_USE enum status device_read_public_keys(const struct hal *hal,
                                             struct devauth_public_keys *keys);

/* Looks at BL2's and the primary slot unless that was done since they last changed. */
void device_look_at_images(struct device *device);

#endif
