#include "image/image_trailer.h"

#include <string.h>

#define ERASED   0xFF
#define FLAG_SET 0x01

static const uint8_t MAGIC[IMAGE_TRAILER_MAGIC_SIZE] = {
    0x77, 0xC2, 0x95, 0xF3, 0x60, 0xD2, 0xEF, 0x7F, 0x35, 0x52, 0x50, 0x0F, 0x2C, 0xB6, 0x79, 0x80};

/* Distance of a field's start from the end of the slot; keys lie below swap_size. */
static uint32_t from_end(const struct image_trailer_layout *layout,
                         enum image_trailer_field field) {
    switch (field) {
    case IMAGE_TRAILER_MAGIC: return 16;
    case IMAGE_TRAILER_IMAGE_OK: return 24;
    case IMAGE_TRAILER_COPY_DONE: return 32;
    case IMAGE_TRAILER_SWAP_INFO: return 40;
    case IMAGE_TRAILER_SWAP_SIZE: return 48;
    case IMAGE_TRAILER_KEY_0: return 48 + (uint32_t)layout->content_key_size;
    case IMAGE_TRAILER_KEY_1: break;
    }
    return 48 + 2 * (uint32_t)layout->content_key_size;
}

uint32_t image_trailer_size(const struct image_trailer_layout *layout) {
    return from_end(layout, IMAGE_TRAILER_KEY_1) +
           3 * (uint32_t)layout->sectors_max * IMAGE_TRAILER_CELL_SIZE;
}

uint32_t image_trailer_reserved(const struct image_trailer_layout *layout) {
    uint32_t size = image_trailer_size(layout);
    uint32_t pages = (size + layout->page_size - 1) / layout->page_size;
    return (pages + 1) * layout->page_size;
}

enum status image_trailer_check(const struct image_trailer_layout *layout) {
    bool key_fits = layout->content_key_size == 0 || layout->content_key_size == 16 ||
                    layout->content_key_size == 32;
    if (!key_fits || layout->page_size < IMAGE_TRAILER_CELL_SIZE ||
        layout->page_size % IMAGE_TRAILER_CELL_SIZE != 0 ||
        layout->slot_size % layout->page_size != 0 ||
        layout->slot_size / layout->page_size > layout->sectors_max) {
        return STATUS_INVALID;
    }
    /* Compared in pages: reserved bytes may not fit 32 bits for a layout that is refused here. */
    uint32_t pages = image_trailer_size(layout) / layout->page_size + 2;
    return pages < layout->slot_size / layout->page_size ? STATUS_OK : STATUS_NO_SPACE;
}

uint32_t image_trailer_offset(const struct image_trailer_layout *layout,
                              enum image_trailer_field field) {
    return layout->slot_size - from_end(layout, field);
}

static uint32_t status_start(const struct image_trailer_layout *layout) {
    return layout->slot_size - image_trailer_size(layout);
}

uint32_t image_trailer_move_offset(const struct image_trailer_layout *layout, uint16_t index) {
    return status_start(layout) + (uint32_t)index * IMAGE_TRAILER_CELL_SIZE;
}

uint32_t image_trailer_swap_offset(const struct image_trailer_layout *layout, uint16_t index,
                                   unsigned step) {
    uint32_t cell = layout->sectors_max + 2 * (uint32_t)index + (step != 0 ? 1u : 0u);
    return status_start(layout) + cell * IMAGE_TRAILER_CELL_SIZE;
}

static bool is_erased(const uint8_t *data, size_t from, size_t size) {
    for (size_t i = from; i < size; i++) {
        if (data[i] != ERASED) {
            return false;
        }
    }
    return true;
}

static enum image_trailer_state flag_state(const uint8_t cell[IMAGE_TRAILER_CELL_SIZE]) {
    if (is_erased(cell, 0, IMAGE_TRAILER_CELL_SIZE)) {
        return IMAGE_TRAILER_UNSET;
    }
    bool set = cell[0] == FLAG_SET && is_erased(cell, 1, IMAGE_TRAILER_CELL_SIZE);
    return set ? IMAGE_TRAILER_SET : IMAGE_TRAILER_BAD;
}

static enum image_trailer_state magic_state(const uint8_t magic[IMAGE_TRAILER_MAGIC_SIZE]) {
    if (is_erased(magic, 0, IMAGE_TRAILER_MAGIC_SIZE)) {
        return IMAGE_TRAILER_UNSET;
    }
    return memcmp(magic, MAGIC, sizeof MAGIC) == 0 ? IMAGE_TRAILER_SET : IMAGE_TRAILER_BAD;
}

static void parse_swap_info(const uint8_t cell[IMAGE_TRAILER_CELL_SIZE],
                            struct image_trailer *trailer) {
    uint8_t type = cell[0] & 0x0F;
    bool known =
        type == IMAGE_SWAP_TEST || type == IMAGE_SWAP_PERMANENT || type == IMAGE_SWAP_REVERT;
    trailer->swap = IMAGE_SWAP_NONE;
    trailer->swap_image = 0;
    if (is_erased(cell, 0, IMAGE_TRAILER_CELL_SIZE)) {
        trailer->swap_info = IMAGE_TRAILER_UNSET;
    } else if (known && is_erased(cell, 1, IMAGE_TRAILER_CELL_SIZE)) {
        trailer->swap_info = IMAGE_TRAILER_SET;
        trailer->swap = (enum image_swap)type;
        trailer->swap_image = cell[0] >> 4;
    } else {
        trailer->swap_info = IMAGE_TRAILER_BAD;
    }
}

static void parse_swap_size(const uint8_t cell[IMAGE_TRAILER_CELL_SIZE],
                            const struct image_trailer_layout *layout,
                            struct image_trailer *trailer) {
    struct reader reader;
    reader_init(&reader, bytes_of(cell, IMAGE_TRAILER_CELL_SIZE));
    uint32_t size = read_u32le(&reader);
    trailer->swap_size_bytes = 0;
    if (is_erased(cell, 0, IMAGE_TRAILER_CELL_SIZE)) {
        trailer->swap_size = IMAGE_TRAILER_UNSET;
    } else if (is_erased(cell, 4, IMAGE_TRAILER_CELL_SIZE) &&
               size <= layout->slot_size - image_trailer_reserved(layout)) {
        trailer->swap_size = IMAGE_TRAILER_SET;
        trailer->swap_size_bytes = size;
    } else {
        trailer->swap_size = IMAGE_TRAILER_BAD;
    }
}

enum status image_trailer_read(const struct image_source *source,
                               const struct image_trailer_layout *layout,
                               struct image_trailer *trailer) {
    /* swap_size, swap_info, copy_done, image_ok, magic: one run, lowest first. */
    uint8_t swap_size[IMAGE_TRAILER_CELL_SIZE];
    uint8_t swap_info[IMAGE_TRAILER_CELL_SIZE];
    uint8_t copy_done[IMAGE_TRAILER_CELL_SIZE];
    uint8_t image_ok[IMAGE_TRAILER_CELL_SIZE];
    uint8_t magic[IMAGE_TRAILER_MAGIC_SIZE];
    uint8_t raw[4 * IMAGE_TRAILER_CELL_SIZE + IMAGE_TRAILER_MAGIC_SIZE];
    struct reader reader;
    memset(trailer, 0, sizeof *trailer);
    trailer->swap = IMAGE_SWAP_NONE;
    enum status status = image_source_read(
        source, image_trailer_offset(layout, IMAGE_TRAILER_SWAP_SIZE), raw, sizeof raw);
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, bytes_of(raw, sizeof raw));
    read_copy(&reader, swap_size, sizeof swap_size);
    read_copy(&reader, swap_info, sizeof swap_info);
    read_copy(&reader, copy_done, sizeof copy_done);
    read_copy(&reader, image_ok, sizeof image_ok);
    read_copy(&reader, magic, sizeof magic);
    parse_swap_size(swap_size, layout, trailer);
    parse_swap_info(swap_info, trailer);
    trailer->copy_done = flag_state(copy_done);
    trailer->image_ok = flag_state(image_ok);
    trailer->magic = magic_state(magic);
    return reader_finish(&reader);
}

enum status image_trailer_read_key(const struct image_source *source,
                                   const struct image_trailer_layout *layout,
                                   enum image_trailer_field field, uint8_t *key) {
    if (layout->content_key_size == 0) {
        return STATUS_NOT_FOUND;
    }
    enum status status = image_source_read(source, image_trailer_offset(layout, field), key,
                                           layout->content_key_size);
    if (status == STATUS_OK && is_erased(key, 0, layout->content_key_size)) {
        memset(key, 0, layout->content_key_size);
        status = STATUS_NOT_FOUND;
    }
    return status;
}

/* The first row that fits; ANY matches every state. */
enum { ANY = -1 };

static const struct rule {
    int primary_magic;
    int primary_image_ok;
    int primary_copy_done;
    int secondary_magic;
    int secondary_image_ok;
    enum image_swap swap;
} RULES[] = {
    {ANY, ANY, ANY, IMAGE_TRAILER_SET, IMAGE_TRAILER_UNSET, IMAGE_SWAP_TEST},
    {ANY, ANY, ANY, IMAGE_TRAILER_SET, IMAGE_TRAILER_SET, IMAGE_SWAP_PERMANENT},
    {IMAGE_TRAILER_SET, IMAGE_TRAILER_UNSET, IMAGE_TRAILER_SET, IMAGE_TRAILER_UNSET, ANY,
     IMAGE_SWAP_REVERT},
};

static bool fits(int wanted, enum image_trailer_state state) {
    return wanted == ANY || wanted == (int)state;
}

enum image_swap image_trailer_decide(const struct image_trailer *primary,
                                     const struct image_trailer *secondary) {
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
        if (fits(RULES[i].primary_magic, primary->magic) &&
            fits(RULES[i].primary_image_ok, primary->image_ok) &&
            fits(RULES[i].primary_copy_done, primary->copy_done) &&
            fits(RULES[i].secondary_magic, secondary->magic) &&
            fits(RULES[i].secondary_image_ok, secondary->image_ok)) {
            return RULES[i].swap;
        }
    }
    return IMAGE_SWAP_NONE;
}

static struct image_trailer_cell cell_at(uint32_t offset, const uint8_t *data, size_t size) {
    struct image_trailer_cell cell = {.offset = offset, .size = IMAGE_TRAILER_CELL_SIZE};
    memset(cell.data, ERASED, sizeof cell.data);
    memcpy(cell.data, data, size);
    if (size > IMAGE_TRAILER_CELL_SIZE) {
        cell.size = size;
    }
    return cell;
}

struct image_trailer_cell image_trailer_set_magic(const struct image_trailer_layout *layout) {
    return cell_at(image_trailer_offset(layout, IMAGE_TRAILER_MAGIC), MAGIC, sizeof MAGIC);
}

struct image_trailer_cell image_trailer_set_flag(const struct image_trailer_layout *layout,
                                                 enum image_trailer_field field) {
    const uint8_t set = FLAG_SET;
    return cell_at(image_trailer_offset(layout, field), &set, sizeof set);
}

struct image_trailer_cell image_trailer_set_swap_info(const struct image_trailer_layout *layout,
                                                      enum image_swap swap, uint8_t image) {
    const uint8_t info = (uint8_t)((unsigned)swap | (unsigned)image << 4);
    return cell_at(image_trailer_offset(layout, IMAGE_TRAILER_SWAP_INFO), &info, sizeof info);
}

struct image_trailer_cell image_trailer_set_swap_size(const struct image_trailer_layout *layout,
                                                      uint32_t size_bytes) {
    uint8_t raw[4];
    struct writer writer;
    writer_init(&writer, raw, sizeof raw);
    write_u32le(&writer, size_bytes);
    return cell_at(image_trailer_offset(layout, IMAGE_TRAILER_SWAP_SIZE), raw, sizeof raw);
}

struct image_trailer_cell image_trailer_set_key(const struct image_trailer_layout *layout,
                                                enum image_trailer_field field,
                                                const uint8_t *key) {
    return cell_at(image_trailer_offset(layout, field), key, layout->content_key_size);
}

struct image_trailer_cell image_trailer_set_status(uint32_t offset, uint8_t value) {
    return cell_at(offset, &value, sizeof value);
}
