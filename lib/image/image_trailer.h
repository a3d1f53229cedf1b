/*
 * The trailer at the end of a slot: what a swap (swap-move, BOOT_MAX_ALIGN 8) was asked to do, how
 * far it got, and whether the new image was confirmed (docs/formats/image.md; MCUboot's layout).
 *
 * Nothing in a trailer is authenticated: whoever writes flash writes it. It chooses between images
 * that image_verify has accepted, never whether one is accepted.
 *
 * Every field is an 8-byte cell (the magic two, a content key two or four), programmed at most once
 * between erases, the rest of a cell left erased. A cell in any other form is BAD: torn by a power
 * cut, or tampered with; it neither asks for a swap nor confirms one.
 *
 * Reading: image_trailer_read on each slot, image_trailer_decide. Writing: image_trailer_set_*
 * gives offset and bytes for the port's flash_program.
 */
#ifndef NUSEC_IMAGE_IMAGE_TRAILER_H
#define NUSEC_IMAGE_IMAGE_TRAILER_H

#include "image/image_source.h"

#define IMAGE_TRAILER_CELL_SIZE  8
#define IMAGE_TRAILER_MAGIC_SIZE 16
#define IMAGE_TRAILER_CELL_MAX   32

struct image_trailer_layout {
    uint32_t slot_size;       /* a whole number of pages */
    uint32_t page_size;       /* erase granularity */
    uint16_t sectors_max;     /* swap status has room for a slot of this many pages */
    uint8_t content_key_size; /* 0, 16 or 32: room for the keys of an interrupted swap */
};

enum image_trailer_field {
    IMAGE_TRAILER_MAGIC,
    IMAGE_TRAILER_IMAGE_OK,
    IMAGE_TRAILER_COPY_DONE,
    IMAGE_TRAILER_SWAP_INFO,
    IMAGE_TRAILER_SWAP_SIZE,
    IMAGE_TRAILER_KEY_0, /* of the image in the primary slot */
    IMAGE_TRAILER_KEY_1, /* of the image in the secondary slot */
};

enum image_trailer_state {
    IMAGE_TRAILER_UNSET = 0, /* erased */
    IMAGE_TRAILER_SET = 1,
    IMAGE_TRAILER_BAD = 2,
};

enum image_swap {
    IMAGE_SWAP_NONE = 1,
    IMAGE_SWAP_TEST = 2,      /* back again at the next boot unless confirmed */
    IMAGE_SWAP_PERMANENT = 3, /* confirmed beforehand */
    IMAGE_SWAP_REVERT = 4,    /* the tested image was not confirmed */
};

struct image_trailer {
    enum image_trailer_state magic;
    enum image_trailer_state image_ok;
    enum image_trailer_state copy_done;
    enum image_trailer_state swap_info;
    enum image_trailer_state swap_size;
    enum image_swap swap;     /* NONE unless swap_info is SET */
    uint8_t swap_image;       /* image number, 0 to 15 */
    uint32_t swap_size_bytes; /* 0 unless swap_size is SET */
};

/* What to program where. */
struct image_trailer_cell {
    uint32_t offset; /* from the start of the slot */
    size_t size;
    uint8_t data[IMAGE_TRAILER_CELL_MAX];
};

/* OK if a trailer fits the slot and leaves room; the other functions need a layout that passed. */
MUST_USE enum status image_trailer_check(const struct image_trailer_layout *layout);

uint32_t image_trailer_size(const struct image_trailer_layout *layout);

/*
 * Bytes at the end of a slot that an image must leave free for swap-move: the pages the trailer
 * touches and one page more, which the move needs. image_policy.reserved_size.
 */
uint32_t image_trailer_reserved(const struct image_trailer_layout *layout);

uint32_t image_trailer_offset(const struct image_trailer_layout *layout,
                              enum image_trailer_field field);

/* Swap status: a cell for moving page `index` up by one, and two for swapping it. */
uint32_t image_trailer_move_offset(const struct image_trailer_layout *layout, uint16_t index);
uint32_t image_trailer_swap_offset(const struct image_trailer_layout *layout, uint16_t index,
                                   unsigned step);

/* Only fails if the source does; damage is a state of the field it hit. */
MUST_USE enum status image_trailer_read(const struct image_source *source,
                                        const struct image_trailer_layout *layout,
                                        struct image_trailer *trailer);

/* `key` has layout->content_key_size bytes. NOT_FOUND if the field is erased. */
MUST_USE enum status image_trailer_read_key(const struct image_source *source,
                                            const struct image_trailer_layout *layout,
                                            enum image_trailer_field field, uint8_t *key);

/* What the two trailers ask for, when no swap was interrupted. */
enum image_swap image_trailer_decide(const struct image_trailer *primary,
                                     const struct image_trailer *secondary);

struct image_trailer_cell image_trailer_set_magic(const struct image_trailer_layout *layout);
/* IMAGE_OK or COPY_DONE. */
struct image_trailer_cell image_trailer_set_flag(const struct image_trailer_layout *layout,
                                                 enum image_trailer_field field);
struct image_trailer_cell image_trailer_set_swap_info(const struct image_trailer_layout *layout,
                                                      enum image_swap swap, uint8_t image);
struct image_trailer_cell image_trailer_set_swap_size(const struct image_trailer_layout *layout,
                                                      uint32_t size_bytes);
/* KEY_0 or KEY_1; `key` has layout->content_key_size bytes. Wipe the cell after use. */
struct image_trailer_cell image_trailer_set_key(const struct image_trailer_layout *layout,
                                                enum image_trailer_field field, const uint8_t *key);
/* A status cell at `offset`, from image_trailer_move_offset or image_trailer_swap_offset. */
struct image_trailer_cell image_trailer_set_status(uint32_t offset, uint8_t value);

#endif
