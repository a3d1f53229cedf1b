/*
 * Where an image is read from: a slot in flash, a file in memory, a decrypting view of either.
 *
 * Offsets are from the start of the slot. `read` is only called with runs inside `size` bytes, so
 * that a port needs no check of its own; everything in lib/image reads through image_source_read.
 */
#ifndef NUSEC_IMAGE_IMAGE_SOURCE_H
#define NUSEC_IMAGE_IMAGE_SOURCE_H

#include "base/bytes.h"

struct image_source {
    /* Fills `out` or returns the reason (FLASH); `out` is then not used. */
    enum status (*read)(void *context, uint32_t offset, uint8_t *out, size_t size);
    void *context;
    uint32_t size; /* bytes of the whole slot, trailer included */
};

/* TRUNCATED if the run is not inside the slot; `out` is zeroed on any status but OK. */
MUST_USE enum status image_source_read(const struct image_source *source, uint32_t offset,
                                       uint8_t *out, size_t size);

/* A source over `*memory`, at most 4 GiB, which must outlive it. */
struct image_source image_source_of(const struct bytes *memory);

#endif
