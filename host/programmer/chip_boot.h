/*
 * A chip and its firmware: installing, what it found at its start, what it measures, starting again
 * in the next stage. Beside chip.h, which has the session.
 */
#ifndef NUSEC_PROGRAMMER_CHIP_BOOT_H
#define NUSEC_PROGRAMMER_CHIP_BOOT_H

#include "programmer/chip.h"

/* INSTALL_BEGIN, the bytes, INSTALL_FINISH. An image, header to last TLV. */
struct chip_image {
    enum devauth_target target;
    struct bytes bytes;
    const uint8_t *digest;        /* the MCUboot hash the chip must find in it */
    bool key_hash_missing;        /* the chip cannot know whose key signed it yet: refusing nothing
                                     but the key is all it can do */
    chip_link_progress *progress; /* may be NULL */
    void *context;
};
/* ERROR_IMAGE_REFUSED names the chip's reason; ERROR_DEVICE_UNTRUSTED if it took something else
 * than was sent. May be repeated. Without a session only boot_rom listens. */
int chip_install_image(struct chip *chip, const struct chip_image *image, struct error *error);

/* Needs no session; proves nothing without one. */
int chip_boot_state(struct chip *chip, struct devauth_boot_state *state, struct error *error);

/* All measurements, signed with this nonce: the transcript, appended, as a third party needs it. */
int chip_measure(struct chip *chip, const uint8_t nonce[32], struct buffer *transcript,
                 struct error *error);

/* Connects and lets the chip prove its AUTH key in an SPDM CHALLENGE. Drops a session. */
int chip_challenge(struct chip *chip, struct error *error);

/* Inside a session, which is over then. An answer that was lost may come from a chip that did it.
 */
int chip_reboot(struct chip *chip, enum devauth_reboot mode, struct error *error);

struct chip_arrival {
    const struct devauth_device_info *before; /* must be the same chip: UID, family */
    enum devauth_stage_id stage;              /* awaited */
    bool or_later;                            /* a stage that this one starts will do */
    int patience_ms;
};
/*
 * Polls until the chip answers in the awaited stage. ERROR_DEVICE_LINK if it does not come back in
 * time, ERROR_IMAGE_REFUSED if an earlier stage answers instead and stays (with its reason, from
 * BOOT_STATE), ERROR_DEVICE_UNTRUSTED if another chip answers. The session is gone.
 */
int chip_await(struct chip *chip, const struct chip_arrival *arrival,
               struct devauth_device_info *info, struct error *error);

#endif
