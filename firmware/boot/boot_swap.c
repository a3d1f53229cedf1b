#include "boot/boot_swap.h"

#include "base/secret.h"
#include "boot/boot_trailer.h"
#include "image/image_encrypt.h"

#include <string.h>

#define CHUNK 256
/* A page that refuses once was left half programmed by a cut; a page that refuses twice is broken.
 */
#define COPY_ATTEMPTS 2

/* One of the two images on its way: where its payload is, and the key it is encrypted with in the
 * secondary slot. Without a key it travels as it is. */
struct traveller {
    bool has_key;
    uint32_t payload_start;
    uint32_t payload_end;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
};

struct swap {
    const struct hal *hal;
    struct image_trailer_layout layout;
    uint32_t pages;            /* of the larger image */
    uint32_t position;         /* operations done */
    struct traveller incoming; /* from the secondary slot */
    struct traveller outgoing; /* from the primary slot */
};

static enum status crypt_chunk(const struct traveller *traveller, uint32_t offset, uint8_t *data,
                               size_t size) {
    uint32_t end = offset + (uint32_t)size;
    if (!traveller->has_key || end <= traveller->payload_start ||
        offset >= traveller->payload_end) {
        return STATUS_OK;
    }
    uint32_t from = offset < traveller->payload_start ? traveller->payload_start : offset;
    uint32_t to = end > traveller->payload_end ? traveller->payload_end : end;
    return image_payload_crypt(bytes_of(traveller->key, sizeof traveller->key),
                               from - traveller->payload_start, &data[from - offset], to - from);
}

struct copy {
    enum boot_slot from;
    uint32_t from_page;
    enum boot_slot to;
    uint32_t to_page;
    const struct traveller *traveller; /* NULL: as it is */
    uint32_t image_page;               /* of the image, for its traveller */
};

static enum status copy_contents(const struct swap *swap, const struct copy *copy) {
    const uint32_t page = swap->layout.page_size;
    uint8_t chunk[CHUNK];
    enum status status = STATUS_OK;
    for (uint32_t done = 0; done < page && status == STATUS_OK; done += CHUNK) {
        status = boot_slot_read(swap->hal, copy->from, copy->from_page * page + done, chunk,
                                sizeof chunk);
        if (status == STATUS_OK && copy->traveller != NULL) {
            status =
                crypt_chunk(copy->traveller, copy->image_page * page + done, chunk, sizeof chunk);
        }
        if (status == STATUS_OK) {
            status = boot_slot_program(swap->hal, copy->to, copy->to_page * page + done, chunk,
                                       sizeof chunk);
        }
    }
    secret_wipe(chunk, sizeof chunk);
    return status;
}

static enum status copy_page(const struct swap *swap, const struct copy *copy) {
    bool is_blank = false;
    enum status status = boot_slot_page_is_blank(swap->hal, copy->to, copy->to_page, &is_blank);
    for (unsigned i = 0;
         i < COPY_ATTEMPTS && (i == 0 ? status == STATUS_OK : status == STATUS_FLASH); i++) {
        status = is_blank && i == 0 ? STATUS_OK
                                    : boot_slot_erase_page(swap->hal, copy->to, copy->to_page);
        if (status == STATUS_OK) {
            status = copy_contents(swap, copy);
        }
    }
    return status;
}

static uint32_t operation_count(const struct swap *swap) {
    return 3 * swap->pages;
}

static enum status run_operation(const struct swap *swap) {
    if (swap->position < swap->pages) {
        uint32_t to = swap->pages - swap->position;
        const struct copy move = {BOOT_SLOT_PRIMARY, to - 1, BOOT_SLOT_PRIMARY, to, NULL, 0};
        return copy_page(swap, &move);
    }
    uint32_t page = (swap->position - swap->pages) / 2;
    if ((swap->position - swap->pages) % 2 == 0) {
        const struct copy in = {BOOT_SLOT_SECONDARY, page, BOOT_SLOT_PRIMARY, page,
                                &swap->incoming,     page};
        return copy_page(swap, &in);
    }
    const struct copy out = {BOOT_SLOT_PRIMARY, page + 1, BOOT_SLOT_SECONDARY, page,
                             &swap->outgoing,   page};
    return copy_page(swap, &out);
}

static struct image_trailer_cell operation_cell(const struct swap *swap, uint32_t operation) {
    if (operation < swap->pages) {
        return image_trailer_set_status(
            image_trailer_move_offset(&swap->layout, (uint16_t)operation), 1);
    }
    uint32_t index = operation - swap->pages;
    unsigned step = index % 2;
    return image_trailer_set_status(
        image_trailer_swap_offset(&swap->layout, (uint16_t)(index / 2), step), (uint8_t)(step + 1));
}

/* Where the headers are depends on how far the swap got: the first pages of both images are the
 * first to be exchanged. */
static enum status find_payload(const struct swap *swap, enum boot_slot slot, uint32_t page,
                                struct traveller *traveller) {
    uint8_t raw[IMAGE_HEADER_SIZE];
    struct image_header header;
    if (!traveller->has_key) {
        return STATUS_OK;
    }
    enum status status =
        boot_slot_read(swap->hal, slot, page * swap->layout.page_size, raw, sizeof raw);
    if (status == STATUS_OK) {
        status = image_header_parse(bytes_of(raw, sizeof raw), &header);
    }
    if (status == STATUS_OK) {
        traveller->payload_start = header.header_size;
        traveller->payload_end = header.header_size + header.payload_size;
    }
    return status;
}

static enum status find_payloads(struct swap *swap) {
    bool first_came_in = swap->position > swap->pages;
    bool first_went_out = swap->position > swap->pages + 1;
    enum status status = find_payload(swap, first_came_in ? BOOT_SLOT_PRIMARY : BOOT_SLOT_SECONDARY,
                                      0, &swap->incoming);
    if (status == STATUS_OK) {
        status = first_went_out ? find_payload(swap, BOOT_SLOT_SECONDARY, 0, &swap->outgoing)
                                : find_payload(swap, BOOT_SLOT_PRIMARY, 1, &swap->outgoing);
    }
    return status;
}

static enum status run(struct swap *swap) {
    bool knows_payloads = false;
    enum status status = STATUS_OK;
    if (swap->position == 0) {
        /* The request has done its work; the cells of the next one must be free. */
        status = boot_slot_erase_trailer(swap->hal, BOOT_SLOT_SECONDARY);
    }
    while (swap->position < operation_count(swap) && status == STATUS_OK) {
        if (swap->position >= swap->pages && !knows_payloads) {
            status = find_payloads(swap);
            knows_payloads = true;
        }
        if (status == STATUS_OK) {
            status = run_operation(swap);
        }
        if (status == STATUS_OK) {
            const struct image_trailer_cell cell = operation_cell(swap, swap->position);
            status = boot_trailer_record(swap->hal, &cell, swap->position);
            swap->position++;
        }
    }
    if (status == STATUS_OK) {
        const struct image_trailer_cell cell =
            image_trailer_set_flag(&swap->layout, IMAGE_TRAILER_COPY_DONE);
        status = boot_trailer_record(swap->hal, &cell, BOOT_EVENT_COPY_DONE);
    }
    return status;
}

static void forget(struct swap *swap) {
    secret_wipe(swap, sizeof *swap);
}

/* The image that is to go, if there is one: its size and its key. */
static uint32_t know_outgoing(struct swap *swap) {
    struct boot_area area;
    struct image_header header;
    struct image_tlv_iterator iterator;
    const struct image_source source = boot_slot_source(&area, swap->hal, BOOT_SLOT_PRIMARY);
    enum status status =
        boot_content_key(swap->hal, BOOT_SLOT_PRIMARY, &header, swap->outgoing.key);
    if (status == STATUS_OK) {
        status = image_tlv_open(&iterator, &source, &header);
    }
    swap->outgoing.has_key = status == STATUS_OK;
    uint32_t most = swap->layout.slot_size - image_trailer_reserved(&swap->layout);
    /* What does not fit is no image of ours; it goes piecewise, as it is. */
    if (status != STATUS_OK || iterator.end > most) {
        swap->outgoing.has_key = false;
        return 0;
    }
    return iterator.end;
}

static enum status write_key(const struct swap *swap, enum image_trailer_field field,
                             const struct traveller *traveller) {
    if (!traveller->has_key) {
        return STATUS_OK;
    }
    struct image_trailer_cell cell = image_trailer_set_key(&swap->layout, field, traveller->key);
    enum status status = boot_trailer_write(swap->hal, BOOT_SLOT_PRIMARY, &cell);
    secret_wipe(&cell, sizeof cell);
    return status;
}

/* Everything a resumption needs; the magic is last and makes it count. */
static enum status write_beginning(const struct swap *swap, enum image_swap type, uint32_t size) {
    const struct image_trailer_cell cells[] = {
        image_trailer_set_swap_info(&swap->layout, type, 0),
        image_trailer_set_swap_size(&swap->layout, size),
        image_trailer_set_flag(&swap->layout, IMAGE_TRAILER_IMAGE_OK),
        image_trailer_set_magic(&swap->layout),
    };
    enum status status = boot_slot_erase_trailer(swap->hal, BOOT_SLOT_PRIMARY);
    if (status == STATUS_OK) {
        status = write_key(swap, IMAGE_TRAILER_KEY_0, &swap->outgoing);
    }
    if (status == STATUS_OK) {
        status = write_key(swap, IMAGE_TRAILER_KEY_1, &swap->incoming);
    }
    for (size_t i = 0; i < sizeof cells / sizeof cells[0] && status == STATUS_OK; i++) {
        if (i != 2 || type == IMAGE_SWAP_PERMANENT) {
            status = boot_trailer_write(swap->hal, BOOT_SLOT_PRIMARY, &cells[i]);
        }
    }
    return status;
}

static uint32_t pages_of(const struct swap *swap, uint32_t size) {
    return (size + swap->layout.page_size - 1) / swap->layout.page_size;
}

enum status boot_swap(const struct hal *hal, enum image_swap type, uint32_t new_size) {
    struct swap swap = {.hal = hal, .layout = boot_trailer_layout(hal)};
    struct image_header header;
    uint32_t old_size = know_outgoing(&swap);
    uint32_t size = new_size > old_size ? new_size : old_size;
    enum status status = boot_content_key(hal, BOOT_SLOT_SECONDARY, &header, swap.incoming.key);
    swap.incoming.has_key = true;
    swap.pages = pages_of(&swap, size);
    if (status == STATUS_OK) {
        status = write_beginning(&swap, type, size);
    }
    if (status == STATUS_OK) {
        status = run(&swap);
    }
    forget(&swap);
    return status;
}

static enum status read_key(const struct swap *swap, enum image_trailer_field field,
                            struct traveller *traveller) {
    struct boot_area area;
    const struct image_source source = boot_slot_source(&area, swap->hal, BOOT_SLOT_PRIMARY);
    enum status status = image_trailer_read_key(&source, &swap->layout, field, traveller->key);
    traveller->has_key = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* One more than the last operation whose cell is not erased, or that was noted in a spare. */
static enum status find_position(struct swap *swap, uint32_t noted) {
    enum status status = STATUS_OK;
    swap->position = noted;
    for (uint32_t i = noted; i < operation_count(swap) && status == STATUS_OK; i++) {
        const struct image_trailer_cell place = operation_cell(swap, i);
        uint8_t cell[IMAGE_TRAILER_CELL_SIZE];
        uint8_t all = 0xFF;
        status = boot_slot_read(swap->hal, BOOT_SLOT_PRIMARY, place.offset, cell, sizeof cell);
        for (size_t j = 0; j < sizeof cell; j++) {
            all &= cell[j];
        }
        if (status == STATUS_OK && all != 0xFF) {
            swap->position = i + 1;
        }
    }
    return status;
}

enum status boot_swap_resume(const struct hal *hal, enum image_swap *type) {
    struct swap swap = {.hal = hal, .layout = boot_trailer_layout(hal)};
    struct boot_trailer trailer;
    *type = IMAGE_SWAP_NONE;
    enum status status = boot_trailer_read(hal, BOOT_SLOT_PRIMARY, &trailer);
    if (status != STATUS_OK || !boot_trailer_is_under_way(&trailer)) {
        return status;
    }
    *type = trailer.cells.swap;
    swap.pages = pages_of(&swap, trailer.cells.swap_size_bytes);
    status = find_position(&swap, trailer.noted);
    if (status == STATUS_OK) {
        status = read_key(&swap, IMAGE_TRAILER_KEY_0, &swap.outgoing);
    }
    if (status == STATUS_OK) {
        status = read_key(&swap, IMAGE_TRAILER_KEY_1, &swap.incoming);
    }
    if (status == STATUS_OK) {
        status = run(&swap);
    }
    forget(&swap);
    return status;
}
