/*
 * The trailers as the boot code reads them: lib/image's cells, and what became of cells that a
 * power cut left neither erased nor programmed.
 *
 * A cell that was being programmed when the power went may read as erased and still refuse to be
 * programmed again. What it should have said is then noted in a spare cell: the last cells of the
 * swap status, which no image is long enough to need. A spare holds event u16, its complement u16,
 * FF x 4; one that does not is itself torn, and skipped.
 */
#ifndef NUSEC_BOOT_BOOT_TRAILER_H
#define NUSEC_BOOT_BOOT_TRAILER_H

#include "boot/boot_slot.h"

/* Events below this are numbers of swap operations that were done. */
#define BOOT_EVENT_COPY_DONE 0xFFF0u
#define BOOT_EVENT_CONFIRMED 0xFFF1u

struct boot_trailer {
    struct image_trailer cells;
    /* With torn cells and notes taken into account. A torn copy_done is set again (in a spare), and
     * the image gets its start; a torn image_ok was being set, and counts. */
    bool is_finished;
    bool is_confirmed;
    /* One more than the last operation noted as done in a spare; 0: none. */
    uint32_t noted;
};

MUST_USE enum status boot_trailer_read(const struct hal *hal, enum boot_slot slot,
                                       struct boot_trailer *trailer);

MUST_USE enum status boot_trailer_write(const struct hal *hal, enum boot_slot slot,
                                        const struct image_trailer_cell *cell);

/* Into the primary trailer; if the cell refuses, `event` goes to a spare. */
MUST_USE enum status boot_trailer_record(const struct hal *hal,
                                         const struct image_trailer_cell *cell, uint32_t event);

/* A swap was begun and is not finished. */
bool boot_trailer_is_under_way(const struct boot_trailer *primary);

/* Asks for the secondary image for good. */
MUST_USE enum status boot_trailer_request(const struct hal *hal, enum image_swap swap);

#endif
