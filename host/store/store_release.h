/*
 * Releases: what makes a BL2 or BL3 upload an image, the same for every device; and uploads under
 * way.
 */
#ifndef NUSEC_STORE_RELEASE_H
#define NUSEC_STORE_RELEASE_H

#include "store/store_firmware.h"

#define STORE_WRAPPED_KEY_MAX 64

struct store_release {
    char firmware_id[STORE_ID_MAX + 1];
    uint64_t security_counter;
    uint64_t header_size;
    uint8_t image_digest[32]; /* what is signed for each device */
    uint8_t body_sha256[32];  /* header, payload as distributed, protected TLVs: a blob */
    uint64_t body_size;
    uint8_t content_key[STORE_WRAPPED_KEY_MAX]; /* wrapped by the content KEK; size 0: plain */
    size_t content_key_size;
};

/* In the same transaction as store_firmware_insert. */
int store_release_insert(struct store_db *db, const struct store_release *release,
                         struct error *error);
/* ERROR_NOT_FOUND. */
int store_release_find(struct store_db *db, const char *firmware_id, struct store_release *release,
                       struct error *error);

struct store_upload {
    char id[STORE_ID_MAX + 1];
    char kind[STORE_ID_MAX + 1];
    char family[STORE_NAME_MAX + 1];
    char version[STORE_NAME_MAX + 1];
    uint64_t security_counter;
    uint64_t header_size;
    uint64_t size;
    uint8_t sha256[32];
    char actor[2 * STORE_NAME_MAX + 1];
    uint64_t created;
};

/* 1: inserted; 0: this actor is uploading these octets already, and `upload` is that upload. */
int store_upload_begin(struct store_db *db, struct store_upload *upload, struct error *error);
/* ERROR_NOT_FOUND; ERROR_DENIED for somebody else's. */
int store_upload_find(struct store_db *db, const char *id, const char *actor,
                      struct store_upload *upload, struct error *error);
int store_upload_end(struct store_db *db, const char *id, struct error *error);
/* How many are under way; and the ids of those begun before `before`, at most `capacity`. */
int store_upload_count(struct store_db *db, uint64_t *count, struct error *error);
int store_upload_stale(struct store_db *db, uint64_t before, char ids[][STORE_ID_MAX + 1],
                       size_t capacity, size_t *count, struct error *error);

#endif
