/*
 * Bodies of firmware images (header, payload, protected TLVs; BL3 encrypted): the same for every
 * chip of a job, so each is fetched once and kept in firmware/ of the state directory. What makes
 * an image of it, the TLVs of one chip, comes with every unit (server_image).
 *
 * A body is nobody's secret and proves itself in the chip; here it is only held against the
 * SHA-256 that came with the TLVs, every time it is taken.
 *
 *     image_store_open(&store, directory, server)
 *     image_store_make(&store, &image, &out, error)     any thread; one fetches, the others wait
 *     image_store_close(&store)
 */
#ifndef NUSEC_PROGRAMMER_IMAGE_STORE_H
#define NUSEC_PROGRAMMER_IMAGE_STORE_H

#include "base/buffer.h"
#include "programmer/server.h"

#include <pthread.h>

/* BL2's slot is 88 KiB, BL3's 460 KiB. */
#define IMAGE_BODY_MAX ((size_t)1 << 20)

struct image_store {
    const char *state_directory; /* borrowed */
    struct server *server;       /* borrowed */
    pthread_mutex_t mutex;
};

void image_store_open(struct image_store *store, const char *state_directory,
                      struct server *server);
void image_store_close(struct image_store *store);

/* Appends the whole image for one chip to `out`. ERROR_UNTRUSTED_SOFTWARE if the server sends
 * another body than it announced; ERROR_OFFLINE if it is not here and the server is away. */
int image_store_make(struct image_store *store, const struct server_image *image,
                     struct buffer *out, struct error *error);

#endif
