/*
 * What is known about uploaded firmware; the octets are files (server/blobs.h).
 */
#ifndef NUSEC_STORE_FIRMWARE_H
#define NUSEC_STORE_FIRMWARE_H

#include "base/buffer.h"
#include "store/store_job.h"

#include <stdint.h>

#define STORE_MANIFEST_MAX 512

struct store_firmware {
    char id[STORE_ID_MAX + 1]; /* "fw-" and the first 16 digits of sha256 */
    char kind[STORE_ID_MAX + 1];
    char family[STORE_NAME_MAX + 1];
    char version[STORE_NAME_MAX + 1];
    uint64_t size;
    uint8_t sha256[32];
    uint64_t counter;
    uint8_t manifest[STORE_MANIFEST_MAX]; /* signed; manifest_size 0 for kinds without one */
    size_t manifest_size;
    uint64_t created;
};

/* 1: stored; 0: the same octets are there under the same names; under other names
 * ERROR_CONFLICT. */
int store_firmware_insert(struct store_db *db, const struct store_firmware *firmware,
                          struct error *error);
/* ERROR_NOT_FOUND. */
int store_firmware_find(struct store_db *db, const char *id, struct store_firmware *firmware,
                        struct error *error);
typedef void store_firmware_visitor(void *context, const struct store_firmware *firmware);
int store_firmware_list(struct store_db *db, store_firmware_visitor *visit, void *context,
                        struct error *error);

/* 1 if an open job of the programmer uses it (or it is programmer software), 0, -1 error. */
int store_firmware_is_for(struct store_db *db, const struct store_firmware *firmware,
                          const char *programmer_id, struct error *error);

#endif
