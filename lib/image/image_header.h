/*
 * The 32-byte header at the start of every image (docs/formats/image.md; MCUboot's format).
 *
 * Parsing accepts only what this code does: a parsed header is in range, its flags are known and
 * its sizes add up without overflow. Whether they fit a slot is image_verify's question.
 */
#ifndef NUSEC_IMAGE_IMAGE_HEADER_H
#define NUSEC_IMAGE_IMAGE_HEADER_H

#include "base/bytes.h"

#define IMAGE_HEADER_SIZE 32
#define IMAGE_MAGIC       0x96F3B83Du

#define IMAGE_FLAG_AES_128      0x00000004u
#define IMAGE_FLAG_AES_256      0x00000008u
#define IMAGE_FLAG_NON_BOOTABLE 0x00000010u
#define IMAGE_FLAG_RAM_LOAD     0x00000020u
#define IMAGE_FLAG_ROM_FIXED    0x00000100u

/* Content key sizes; 0 where the image is not meant to be encrypted. */
#define IMAGE_CONTENT_KEY_MAX 32

struct image_version {
    uint8_t major;
    uint8_t minor;
    uint16_t revision;
    uint32_t build;
};

struct image_header {
    uint32_t load_address;   /* 0 unless a flag gives it a meaning */
    uint16_t header_size;    /* the payload starts here */
    uint16_t protected_size; /* protected TLV area with its info; 0 if there is none */
    uint32_t payload_size;
    uint32_t flags;
    struct image_version version;
};

/*
 * Exactly IMAGE_HEADER_SIZE bytes. NOT_FOUND if the magic is not there, UNSUPPORTED for flags we do
 * not know or that contradict each other, INVALID for sizes that cannot be and for non-zero
 * padding. `header` is zeroed on any status but OK.
 */
MUST_USE enum status image_header_parse(struct bytes input, struct image_header *header);

void image_header_write(struct writer *writer, const struct image_header *header);

/* Offset of the first TLV area, which is the end of the payload. */
uint32_t image_header_tlv_offset(const struct image_header *header);

/* 16 or 32 as the flags say, 0 for an image not meant to be encrypted. */
size_t image_header_content_key_size(const struct image_header *header);

/* Less than, equal to or greater than 0; the build number does not count, as in MCUboot. */
int image_version_compare(const struct image_version *a, const struct image_version *b);

#endif
