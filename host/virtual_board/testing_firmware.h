/*
 * For tests: firmware in a virtual board's flash, and the OTP and ENC key it needs, put there
 * behind the chip's back as a factory line would have left them. Keys are made by the test; a board
 * must have no power meanwhile. Fails the running cmocka test by itself.
 */
#ifndef NUSEC_VIRTUAL_BOARD_TESTING_FIRMWARE_H
#define NUSEC_VIRTUAL_BOARD_TESTING_FIRMWARE_H

#include "virtual_board/testing_virtual_board.h"

#include "base/buffer.h"

/* New keys: of BL2, of BL3, of nobody in particular, and the chip's ENC key. Once, first. */
void testing_firmware_start(void);

enum testing_slot { TESTING_BL2, TESTING_PRIMARY, TESTING_SECONDARY };

/* Of a slot in flash.img. */
uint32_t testing_slot_offset(enum testing_slot slot);

/* Life cycle provisioned, both key hashes in OTP, ENC key in the key store. */
void testing_firmware_provision(const struct testing_board *board);
/* The key hashes alone, for a chip that has its identity; what is encrypted is not for it. */
void testing_firmware_put_key_hashes(const struct testing_board *board);
/* One OTP mark, validity entry or life-cycle state (devauth/otp_map.h). */
void testing_firmware_mark(const struct testing_board *board, unsigned entry);

enum testing_signer { TESTING_OEM, TESTING_STRANGER };

struct testing_image {
    enum testing_slot slot; /* BL2: plain; primary: plain, flagged as encrypted; secondary: so */
    struct bytes payload;
    uint32_t counter;
    uint8_t minor; /* of the version */
    enum testing_signer signer;
};

/* Programs it at the start of its slot; in the secondary slot it is asked for (test swap). */
void testing_firmware_put(const struct testing_board *board, const struct testing_image *image);

/* bootloader.bin or application.bin of that kind of board. */
void testing_firmware_load(enum board_kind kind, const char *name, struct buffer *payload);

#endif
