#include "boot/boot_trailer.h"

#define SPARES 4

static uint32_t spare_offset(const struct image_trailer_layout *layout, unsigned spare) {
    return image_trailer_swap_offset(layout, (uint16_t)(layout->sectors_max - 1 - spare / 2),
                                     1 - spare % 2);
}

/* 0xFFFF: erased or torn. */
static uint32_t read_event(const uint8_t cell[IMAGE_TRAILER_CELL_SIZE]) {
    struct reader reader;
    reader_init(&reader, bytes_of(cell, IMAGE_TRAILER_CELL_SIZE));
    uint16_t event = read_u16le(&reader);
    uint16_t complement = read_u16le(&reader);
    uint32_t rest = read_u32le(&reader);
    bool is_whole = (event ^ complement) == 0xFFFF && rest == 0xFFFFFFFFu;
    return is_whole ? event : 0xFFFFu;
}

static void apply(struct boot_trailer *trailer, uint32_t event) {
    switch (event) {
    case BOOT_EVENT_COPY_DONE: trailer->is_finished = true; break;
    case BOOT_EVENT_CONFIRMED: trailer->is_confirmed = true; break;
    case 0xFFFFu: break;
    default: trailer->noted = event >= trailer->noted ? event + 1 : trailer->noted; break;
    }
}

enum status boot_trailer_read(const struct hal *hal, enum boot_slot slot,
                              struct boot_trailer *trailer) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    struct boot_area area;
    const struct image_source source = boot_slot_source(&area, hal, slot);
    *trailer = (struct boot_trailer){.noted = 0};
    enum status status = image_trailer_read(&source, &layout, &trailer->cells);
    trailer->is_finished = trailer->cells.copy_done == IMAGE_TRAILER_SET;
    trailer->is_confirmed = trailer->cells.image_ok != IMAGE_TRAILER_UNSET;
    for (unsigned i = 0; i < SPARES && status == STATUS_OK; i++) {
        uint8_t cell[IMAGE_TRAILER_CELL_SIZE];
        status = boot_slot_read(hal, slot, spare_offset(&layout, i), cell, sizeof cell);
        if (status == STATUS_OK) {
            apply(trailer, read_event(cell));
        }
    }
    return status;
}

enum status boot_trailer_write(const struct hal *hal, enum boot_slot slot,
                               const struct image_trailer_cell *cell) {
    return boot_slot_program(hal, slot, cell->offset, cell->data, cell->size);
}

/* FLASH also for a cell that is not erased: one that a cut tore is not programmed again. */
static enum status write_free(const struct hal *hal, const struct image_trailer_cell *cell) {
    uint8_t now[IMAGE_TRAILER_CELL_SIZE];
    uint8_t all = 0xFF;
    enum status status = boot_slot_read(hal, BOOT_SLOT_PRIMARY, cell->offset, now, sizeof now);
    for (size_t i = 0; i < sizeof now && status == STATUS_OK; i++) {
        all &= now[i];
    }
    if (status == STATUS_OK && all != 0xFF) {
        status = STATUS_FLASH;
    }
    return status == STATUS_OK ? boot_trailer_write(hal, BOOT_SLOT_PRIMARY, cell) : status;
}

static enum status note(const struct hal *hal, uint32_t event) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    enum status status = STATUS_FLASH;
    for (unsigned i = 0; i < SPARES && status == STATUS_FLASH; i++) {
        struct image_trailer_cell cell = image_trailer_set_status(spare_offset(&layout, i), 0);
        struct writer writer;
        writer_init(&writer, cell.data, sizeof cell.data);
        write_u16le(&writer, (uint16_t)event);
        write_u16le(&writer, (uint16_t)~event);
        write_u32le(&writer, 0xFFFFFFFFu);
        status = write_free(hal, &cell);
    }
    return status;
}

enum status boot_trailer_record(const struct hal *hal, const struct image_trailer_cell *cell,
                                uint32_t event) {
    enum status status = write_free(hal, cell);
    return status == STATUS_FLASH ? note(hal, event) : status;
}

bool boot_trailer_is_under_way(const struct boot_trailer *primary) {
    return primary->cells.magic == IMAGE_TRAILER_SET && !primary->is_finished &&
           primary->cells.swap_info == IMAGE_TRAILER_SET &&
           primary->cells.swap_size == IMAGE_TRAILER_SET;
}

/* The magic is last: without it nothing was asked. */
enum status boot_trailer_request(const struct hal *hal, enum image_swap swap) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    const struct image_trailer_cell image_ok =
        image_trailer_set_flag(&layout, IMAGE_TRAILER_IMAGE_OK);
    const struct image_trailer_cell magic = image_trailer_set_magic(&layout);
    enum status status = boot_slot_erase_trailer(hal, BOOT_SLOT_SECONDARY);
    if (status == STATUS_OK && swap == IMAGE_SWAP_PERMANENT) {
        status = boot_trailer_write(hal, BOOT_SLOT_SECONDARY, &image_ok);
    }
    if (status == STATUS_OK) {
        status = boot_trailer_write(hal, BOOT_SLOT_SECONDARY, &magic);
    }
    return status;
}

enum status boot_request_install(const struct hal *hal) {
    struct image_report report;
    /* Without an image to go back to there is nothing to test against. */
    enum status status = boot_verify(hal, BOOT_SLOT_PRIMARY, &report);
    return boot_trailer_request(hal, status == STATUS_OK ? IMAGE_SWAP_TEST : IMAGE_SWAP_PERMANENT);
}

static enum image_trailer_state settled(bool is_set) {
    return is_set ? IMAGE_TRAILER_SET : IMAGE_TRAILER_UNSET;
}

enum status boot_swap_wanted(const struct hal *hal, enum image_swap *swap) {
    struct boot_trailer primary;
    struct boot_trailer secondary;
    *swap = IMAGE_SWAP_NONE;
    enum status status = boot_trailer_read(hal, BOOT_SLOT_PRIMARY, &primary);
    if (status == STATUS_OK) {
        status = boot_trailer_read(hal, BOOT_SLOT_SECONDARY, &secondary);
    }
    if (status != STATUS_OK) {
        return status;
    }
    primary.cells.copy_done = settled(primary.is_finished);
    primary.cells.image_ok = settled(primary.is_confirmed);
    /* A request that a power cut tore asks for nothing, and must not keep an image that was not
     * confirmed. */
    secondary.cells.magic = settled(secondary.cells.magic == IMAGE_TRAILER_SET);
    *swap = image_trailer_decide(&primary.cells, &secondary.cells);
    return STATUS_OK;
}

static bool is_on_trial(const struct boot_trailer *primary) {
    return primary->cells.magic == IMAGE_TRAILER_SET && primary->is_finished &&
           !primary->is_confirmed;
}

enum status boot_confirm(const struct hal *hal) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    struct boot_trailer primary;
    enum status status = boot_trailer_read(hal, BOOT_SLOT_PRIMARY, &primary);
    if (status != STATUS_OK || !is_on_trial(&primary)) {
        return status;
    }
    const struct image_trailer_cell image_ok =
        image_trailer_set_flag(&layout, IMAGE_TRAILER_IMAGE_OK);
    return boot_trailer_record(hal, &image_ok, BOOT_EVENT_CONFIRMED);
}

bool boot_is_confirmed(const struct hal *hal) {
    struct boot_trailer primary;
    return boot_trailer_read(hal, BOOT_SLOT_PRIMARY, &primary) == STATUS_OK &&
           !is_on_trial(&primary);
}
