/*
 * The TLV areas behind the payload: protected (covered by hash and signature), then unprotected.
 *
 *     image_tlv_open(&iterator, &source, &header)      both areas are there and fit the slot
 *     while ((status = image_tlv_next(&iterator, &tlv)) == STATUS_OK)
 *         image_tlv_read(&iterator, &tlv, buffer, capacity)
 *     status is NOT_FOUND at the regular end, anything else refuses the image
 *
 * Nothing is read outside the areas the infos state; an entry never reaches over the end of its
 * area. Entries are found by offset and read on demand, so that no copy of an area is needed.
 */
#ifndef NUSEC_IMAGE_IMAGE_TLV_H
#define NUSEC_IMAGE_IMAGE_TLV_H

#include "image/image_header.h"
#include "image/image_source.h"

#define IMAGE_TLV_INFO_SIZE            4
#define IMAGE_TLV_ENTRY_SIZE           4 /* type and size, in front of the data */
#define IMAGE_TLV_INFO_MAGIC           0x6907
#define IMAGE_TLV_PROTECTED_INFO_MAGIC 0x6908

enum image_tlv_type {
    IMAGE_TLV_KEY_HASH = 0x01,   /* SHA-256 of the signer's SubjectPublicKeyInfo */
    IMAGE_TLV_PUBLIC_KEY = 0x02, /* that SubjectPublicKeyInfo itself */
    IMAGE_TLV_SHA_256 = 0x10,
    IMAGE_TLV_ECDSA = 0x22,     /* DER Ecdsa-Sig-Value over the image hash */
    IMAGE_TLV_ENC_EC256 = 0x32, /* the content key for one device, image_encrypt.h */
    IMAGE_TLV_DEPENDENCY = 0x40,
    IMAGE_TLV_SECURITY_COUNTER = 0x50,
};

enum image_tlv_area { IMAGE_TLV_PROTECTED, IMAGE_TLV_UNPROTECTED };

struct image_tlv {
    enum image_tlv_area area;
    uint16_t type;
    uint16_t size;   /* of the data */
    uint32_t offset; /* of the data, from the start of the slot */
};

struct image_tlv_iterator {
    const struct image_source *source;
    uint32_t position;
    uint32_t unprotected; /* where the unprotected area starts */
    uint32_t end;         /* of the image: the first byte behind its last TLV */
};

/*
 * Reads both area infos. INVALID if a magic or a size is not the one the header calls for,
 * TRUNCATED if an area is not inside the slot, or the source's own status.
 */
MUST_USE enum status image_tlv_open(struct image_tlv_iterator *iterator,
                                    const struct image_source *source,
                                    const struct image_header *header);

/* The next entry of either area; NOT_FOUND behind the last, INVALID if it leaves its area. */
MUST_USE enum status image_tlv_next(struct image_tlv_iterator *iterator, struct image_tlv *tlv);

/* Copies the data; NO_SPACE if it is not exactly `size` bytes. */
MUST_USE enum status image_tlv_read(const struct image_tlv_iterator *iterator,
                                    const struct image_tlv *tlv, uint8_t *out, size_t size);

/* For writers: entry head and data. */
void image_tlv_write(struct writer *writer, uint16_t type, struct bytes data);

#endif
