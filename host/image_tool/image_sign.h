/*
 * Signing an image on the desk, with keys from files: what imgtool sign does, for developers'
 * boards. Production images are signed by the server, per device.
 */
#ifndef NUSEC_IMAGE_TOOL_IMAGE_SIGN_H
#define NUSEC_IMAGE_TOOL_IMAGE_SIGN_H

#include "image/image_write.h"
#include "image_tool/image_key.h"

enum image_fill {
    IMAGE_FILL_NONE,    /* the image alone */
    IMAGE_FILL_TEST,    /* a whole slot that asks for a test swap (imgtool --pad) */
    IMAGE_FILL_CONFIRM, /* for a permanent one (imgtool --pad --confirm) */
};

struct image_order {
    struct image_plan plan;
    const struct image_key *key; /* private */
    enum image_key_form form;
    const uint8_t *encrypt_for; /* the device's ENC public key, or NULL: plain */
    bool is_clear;              /* with encrypt_for: flag and key, but the payload in plaintext */
    uint32_t slot_size;         /* 0: not bounded here */
    enum image_fill fill;
};

/*
 * Appends the signed image. ERROR_USAGE if the order contradicts itself or the payload is no raw
 * binary, ERROR_TOO_LARGE if the image does not fit the slot beside its trailer. The result was
 * read back and judged before it is given out.
 */
int image_sign(const struct image_order *order, struct bytes payload, struct buffer *image,
               struct error *error);

/* "1.2.3" or "1.2.3+4"; ERROR_USAGE. */
int image_version_parse(const char *text, struct image_version *version, struct error *error);

/* "1:1.0.5", or as imgtool has it "(1, 1.0.5+0)": image number and least version. ERROR_USAGE. */
int image_dependency_parse(const char *text, struct image_dependency *dependency,
                           struct error *error);

#endif
