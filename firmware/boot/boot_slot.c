#include "boot/boot_slot.h"

#include <string.h>

#define CHUNK 64

static uint32_t first_page(const struct hal *hal, enum boot_slot slot) {
    switch (slot) {
    case BOOT_SLOT_BL2: return hal->flash->bl2_first;
    case BOOT_SLOT_PRIMARY: return hal->flash->primary_first;
    case BOOT_SLOT_SECONDARY:
    case BOOT_SLOTS: break;
    }
    return hal->flash->secondary_first;
}

uint32_t boot_slot_offset(const struct hal *hal, enum boot_slot slot) {
    return first_page(hal, slot) * hal->flash->page_bytes;
}

uint32_t boot_slot_size(const struct hal *hal, enum boot_slot slot) {
    return (slot == BOOT_SLOT_BL2 ? hal->flash->bl2_pages : hal->flash->slot_pages) *
           hal->flash->page_bytes;
}

static enum status read_area(void *context, uint32_t offset, uint8_t *out, size_t size) {
    const struct boot_area *area = context;
    return area->hal->flash_read(area->offset + offset, out, size);
}

struct image_source boot_slot_source(struct boot_area *area, const struct hal *hal,
                                     enum boot_slot slot) {
    *area = (struct boot_area){.hal = hal, .offset = boot_slot_offset(hal, slot)};
    return (struct image_source){
        .read = read_area, .context = area, .size = boot_slot_size(hal, slot)};
}

struct image_trailer_layout boot_trailer_layout(const struct hal *hal) {
    return (struct image_trailer_layout){
        .slot_size = boot_slot_size(hal, BOOT_SLOT_PRIMARY),
        .page_size = hal->flash->page_bytes,
        .sectors_max = (uint16_t)hal->flash->slot_pages,
        .content_key_size = BOOT_CONTENT_KEY_SIZE,
    };
}

enum status boot_slot_read(const struct hal *hal, enum boot_slot slot, uint32_t offset,
                           uint8_t *out, size_t size) {
    return hal->flash_read(boot_slot_offset(hal, slot) + offset, out, size);
}

static bool is_erased(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

enum status boot_slot_program(const struct hal *hal, enum boot_slot slot, uint32_t offset,
                              const uint8_t *data, size_t size) {
    const size_t unit = hal->flash->unit_bytes;
    struct bytes all = bytes_of(data, size);
    enum status status = STATUS_OK;
    for (size_t done = 0; done < size && status == STATUS_OK; done += unit) {
        const uint8_t *here = bytes_slice(all, done, unit).data;
        if (!is_erased(here, unit)) {
            status = hal->flash_program(boot_slot_offset(hal, slot) + offset + (uint32_t)done, here,
                                        unit);
        }
    }
    return status;
}

enum status boot_slot_erase_page(const struct hal *hal, enum boot_slot slot, uint32_t page) {
    return hal->flash_erase(boot_slot_offset(hal, slot) + page * hal->flash->page_bytes);
}

enum status boot_slot_page_is_blank(const struct hal *hal, enum boot_slot slot, uint32_t page,
                                    bool *is_blank) {
    uint8_t chunk[CHUNK];
    uint32_t start = page * hal->flash->page_bytes;
    enum status status = STATUS_OK;
    *is_blank = true;
    for (uint32_t done = 0; done < hal->flash->page_bytes && *is_blank; done += CHUNK) {
        status = boot_slot_read(hal, slot, start + done, chunk, sizeof chunk);
        *is_blank = status == STATUS_OK && is_erased(chunk, sizeof chunk);
    }
    return status;
}

static enum status erase_from(const struct hal *hal, enum boot_slot slot, uint32_t first,
                              uint32_t count, bool even_blank) {
    enum status status = STATUS_OK;
    for (uint32_t page = first; page < first + count && status == STATUS_OK; page++) {
        bool is_blank = false;
        status = boot_slot_page_is_blank(hal, slot, page, &is_blank);
        if (status == STATUS_OK && (even_blank || !is_blank)) {
            status = boot_slot_erase_page(hal, slot, page);
        }
    }
    return status;
}

enum status boot_slot_erase_trailer(const struct hal *hal, enum boot_slot slot) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    uint32_t pages = image_trailer_reserved(&layout) / layout.page_size - 1;
    /* A cell that a cut left looking erased could not be programmed: no page is spared. */
    return erase_from(hal, slot, hal->flash->slot_pages - pages, pages, true);
}

enum status boot_erase_slot(const struct hal *hal, enum boot_slot slot) {
    uint32_t pages = boot_slot_size(hal, slot) / hal->flash->page_bytes;
    return erase_from(hal, slot, 0, pages, false);
}

enum status boot_erase_everything(const struct hal *hal) {
    enum status status = STATUS_OK;
    for (unsigned slot = 0; slot < BOOT_SLOTS && status == STATUS_OK; slot++) {
        status = boot_erase_slot(hal, (enum boot_slot)slot);
    }
    for (uint32_t i = 0; i < 2 * hal->flash->journal_pages && status == STATUS_OK; i++) {
        status = hal->flash_erase((hal->flash->journal_first + i) * hal->flash->page_bytes);
    }
    return status;
}
