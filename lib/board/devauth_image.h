/*
 * What a programmer and a chip exchange over the debug port to start DevAuth on a blank chip: the
 * image header, the parameter block, the mailbox. docs/formats/devauth_image.md is the standard.
 *
 * The programmer parses the header of a (signed, already verified) devauth.bin, writes image and
 * parameter block where the header says, clears the mailbox, starts the CPU at `entry` and polls
 * the mailbox. DevAuth reads the parameter block and fills the mailbox.
 */
#ifndef NUSEC_BOARD_DEVAUTH_IMAGE_H
#define NUSEC_BOARD_DEVAUTH_IMAGE_H

#include "base/bytes.h"

#define DEVAUTH_IMAGE_HEADER_SIZE 64
#define DEVAUTH_IMAGE_FAMILY_SIZE 16
#define DEVAUTH_MAILBOX_SIZE      44
#define DEVAUTH_PARAMETERS_HEADER 16

struct devauth_image_header {
    char family[DEVAUTH_IMAGE_FAMILY_SIZE]; /* ASCII, NUL padded */
    uint32_t load_address;
    uint32_t image_size; /* of the whole file, header included */
    uint32_t entry;      /* Thumb bit set */
    uint32_t stack_top;
    uint32_t parameters_address;
    uint32_t parameters_capacity;
    uint32_t mailbox_address;
    uint32_t version;
};

/*
 * Parses and checks the header at the start of `image`: sizes agree with the file, the entry is in
 * the image and odd, image, parameter block and mailbox do not overlap. INVALID, TRUNCATED or
 * UNSUPPORTED (another header version) otherwise.
 */
MUST_USE enum status devauth_image_parse(struct bytes image, struct devauth_image_header *header);

/* Encodes a header; `out` has DEVAUTH_IMAGE_HEADER_SIZE bytes. */
void devauth_image_write(const struct devauth_image_header *header,
                         uint8_t out[DEVAUTH_IMAGE_HEADER_SIZE]);

/* Root certificate and requester (programmer) leaf certificate, both DER. */
struct devauth_parameters {
    struct bytes root;
    struct bytes requester;
};

/* Borrows from `block`, which may be longer than its contents. INVALID or TRUNCATED. */
MUST_USE enum status devauth_parameters_parse(struct bytes block,
                                              struct devauth_parameters *parameters);

/* Check with writer_check: NO_SPACE if the block does not fit. */
void devauth_parameters_write(struct writer *writer, const struct devauth_parameters *parameters);

enum devauth_mailbox_state {
    DEVAUTH_MAILBOX_EMPTY = 0, /* cleared by the programmer, not written by DevAuth yet */
    DEVAUTH_MAILBOX_READY = 1,
    DEVAUTH_MAILBOX_FAILED = 2,
};

struct devauth_mailbox {
    enum devauth_mailbox_state state;
    uint32_t status;      /* enum status of the start */
    uint8_t key_hash[32]; /* SHA-256 of the ephemeral slot-0 public key, X || Y */
};

/* DevAuth writes the magic last: EMPTY while it is zero. INVALID for anything but a mailbox. */
MUST_USE enum status devauth_mailbox_parse(const uint8_t mailbox[DEVAUTH_MAILBOX_SIZE],
                                           struct devauth_mailbox *out);

void devauth_mailbox_write(const struct devauth_mailbox *mailbox,
                           uint8_t out[DEVAUTH_MAILBOX_SIZE]);

#endif
