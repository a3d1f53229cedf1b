/*
 * What a boot would say to an image, asked on the desk: lib/image's own verification with the
 * policy of a chip, or of no chip in particular.
 *
 *     question = what is known: stage, signer's key, device's key, counter of the chip
 *     image_judge(file, &question, &verdict)
 *     verdict.state ACCEPTED | REFUSED (verdict.reason, as in the boot log) | UNDECIDED
 *
 * UNDECIDED is for what the desk cannot know: who may sign if no key was given, and what is inside
 * an encrypted image without the device's private key. Everything else was then found good.
 */
#ifndef NUSEC_IMAGE_TOOL_IMAGE_JUDGE_H
#define NUSEC_IMAGE_TOOL_IMAGE_JUDGE_H

#include "image/image_trailer.h"
#include "image/image_verify.h"
#include "image_tool/image_key.h"

enum image_stage {
    IMAGE_STAGE_ANY, /* no chip in particular: any header size, encrypted or not, any counter */
    IMAGE_STAGE_BL2, /* as boot_rom judges BL2 */
    IMAGE_STAGE_BL3, /* as the bootloader judges BL3 */
};

struct image_question {
    enum image_stage stage;
    const uint8_t *public_key;      /* X || Y of the only key that may sign; NULL: not known */
    const struct image_key *device; /* the device's private ENC key; NULL: not known */
    bool is_clear;                  /* the payload is in plaintext: it is from a primary slot */
    uint32_t counter_minimum;       /* the chip's counter */
    uint32_t slot_size;             /* 0: the stage's, or as large as the file */
};

enum image_verdict_state { IMAGE_VERDICT_REFUSED, IMAGE_VERDICT_UNDECIDED, IMAGE_VERDICT_ACCEPTED };

enum image_payload_state {
    IMAGE_PAYLOAD_PLAIN,     /* not meant to be encrypted */
    IMAGE_PAYLOAD_CLEAR,     /* meant to be, and lies there in plaintext: for a primary slot */
    IMAGE_PAYLOAD_ENCRYPTED, /* and opened with the device's key */
    IMAGE_PAYLOAD_UNOPENED,  /* ciphertext, or damaged: not to be told apart without the key */
};

enum {
    IMAGE_NEEDS_SIGNER = 0x01, /* the signer's key, to decide */
    IMAGE_NEEDS_DEVICE = 0x02, /* the device's key, to look inside */
};

struct image_verdict {
    enum image_verdict_state state;
    enum image_reason reason; /* IMAGE_ACCEPTED unless REFUSED */
    enum image_payload_state payload;
    unsigned needs;             /* IMAGE_NEEDS_* */
    struct image_report report; /* of the verification; digest is zero if the payload is unopened */
};

/* Any bytes; nothing is read outside of them. */
void image_judge(struct bytes file, const struct image_question *question,
                 struct image_verdict *verdict);

/* Whether the wrapped content key is for the device; nobody who starts a clear image asks. */
bool image_is_wrapped_for(struct bytes file, const struct image_key *device);

/* The trailer's layout if the file can be a whole slot (of pages of 2 KiB, or smaller ones). */
int image_slot_layout(size_t file_size, size_t content_key_size,
                      struct image_trailer_layout *layout);

/* What an engineer can do about it; never NULL. */
const char *image_reason_hint(enum image_reason reason);

#endif
