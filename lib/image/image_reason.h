/*
 * Why an image was refused, for boot logs, `nusec firmware inspect` and tests. One append-only
 * list: the numbers travel in boot logs. Acceptance is a distant constant, like STATUS_OK.
 */
#ifndef NUSEC_IMAGE_IMAGE_REASON_H
#define NUSEC_IMAGE_IMAGE_REASON_H

enum image_reason {
    IMAGE_ACCEPTED = 0x6A95C35A,

    IMAGE_REASON_READ = 1,          /* the slot could not be read */
    IMAGE_REASON_EMPTY = 2,         /* erased flash where the header should be */
    IMAGE_REASON_HEADER = 3,        /* no image, or a header that cannot be */
    IMAGE_REASON_FLAGS = 4,         /* not bootable from this slot, or not something we do */
    IMAGE_REASON_HEADER_SIZE = 5,   /* the vector table would not lie where the stage jumps to */
    IMAGE_REASON_SIZE = 6,          /* does not fit the slot beside its trailer */
    IMAGE_REASON_TLV_FORMAT = 7,    /* an area or an entry breaks its bounds or its size */
    IMAGE_REASON_TLV_UNKNOWN = 8,   /* an unprotected entry we do not know, or one misplaced */
    IMAGE_REASON_TLV_DUPLICATE = 9, /* two entries where the format has one */
    IMAGE_REASON_TLV_MISSING = 10,  /* hash, key, signature or security counter not there */
    IMAGE_REASON_ENCRYPTION = 11,   /* plain where encrypted is required, or the other way round */
    IMAGE_REASON_HASH = 12,         /* contents changed, or decrypted with the wrong key */
    IMAGE_REASON_KEY = 13,          /* signed by somebody else's key */
    IMAGE_REASON_SIGNATURE = 14,
    IMAGE_REASON_COUNTER_LOW = 15,  /* older than the chip allows */
    IMAGE_REASON_COUNTER_HIGH = 16, /* more than the chip can count */
    IMAGE_REASON_DEPENDENCY = 17,   /* needs another image in a newer version */
    IMAGE_REASON_CONTENT_KEY = 18,  /* the content key was not wrapped for this device */
};

/* A short lower-case name ("counter_low"); never NULL. */
const char *image_reason_name(enum image_reason reason);

#endif
