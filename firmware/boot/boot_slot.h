/*
 * Slots as sources for lib/image, and raw flash within a slot: for this folder and whoever
 * installs.
 */
#ifndef NUSEC_BOOT_BOOT_SLOT_H
#define NUSEC_BOOT_BOOT_SLOT_H

#include "boot/boot.h"

/* Context of a slot's source; must outlive it. */
struct boot_area {
    const struct hal *hal;
    uint32_t offset;
};
struct image_source boot_slot_source(struct boot_area *area, const struct hal *hal,
                                     enum boot_slot slot);

struct image_trailer_layout boot_trailer_layout(const struct hal *hal);

/* Offsets in a slot, whole pages or whole units. */
MUST_USE enum status boot_slot_read(const struct hal *hal, enum boot_slot slot, uint32_t offset,
                                    uint8_t *out, size_t size);
/* Units that are all FF are left erased. */
MUST_USE enum status boot_slot_program(const struct hal *hal, enum boot_slot slot, uint32_t offset,
                                       const uint8_t *data, size_t size);
MUST_USE enum status boot_slot_erase_page(const struct hal *hal, enum boot_slot slot,
                                          uint32_t page);
/* Reads FF throughout. A cut may have left units that read so and still cannot be programmed. */
MUST_USE enum status boot_slot_page_is_blank(const struct hal *hal, enum boot_slot slot,
                                             uint32_t page, bool *is_blank);
/* The pages of the trailer. */
MUST_USE enum status boot_slot_erase_trailer(const struct hal *hal, enum boot_slot slot);

/* The content key of the image in a slot, wrapped for this chip, and the image's header. `key` is
 * zeroed on any status but OK; wipe it after use. */
MUST_USE enum status boot_content_key(const struct hal *hal, enum boot_slot slot,
                                      struct image_header *header,
                                      uint8_t key[IMAGE_CONTENT_KEY_MAX]);

#endif
