#include "programmer/image_store.h"

#include "base/file.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "programmer/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void image_store_open(struct image_store *store, const char *state_directory,
                      struct server *server) {
    *store = (struct image_store){.state_directory = state_directory, .server = server};
    (void)pthread_mutex_init(&store->mutex, NULL);
}

void image_store_close(struct image_store *store) {
    (void)pthread_mutex_destroy(&store->mutex);
}

/* "firmware/<id>.body" in the state directory; a new string. */
static char *body_path(const struct image_store *store, const char *firmware_id) {
    char name[64];
    char *directory = path_join(store->state_directory, "firmware");
    (void)snprintf(name, sizeof name, "%s.body", firmware_id);
    char *path = directory != NULL ? path_join(directory, name) : NULL;
    free(directory);
    return path;
}

static bool is_body_of(const struct server_image *image, struct bytes body) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(body, digest);
    return body.size == image->body_size && memcmp(digest, image->body_sha256, sizeof digest) == 0;
}

static int body_download(struct image_store *store, const struct server_image *image,
                         const char *path, struct buffer *body, struct error *error) {
    struct error unkept = {0};
    if (server_image_body(store->server, image->firmware_id, body, error) != 0)
        return -1;
    if (!is_body_of(image, buffer_bytes(body)))
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "the server's firmware %s is not what it announced", image->firmware_id);
    char *directory = path_join(store->state_directory, "firmware");
    /* The copy saves a download; without it the body is as good. */
    if (directory == NULL || directory_create_private(directory, &unkept) != 0 ||
        file_write_durable(path, buffer_bytes(body), 0600, &unkept) != 0)
        log_error_event("firmware.cache", &unkept);
    free(directory);
    return 0;
}

static int body_get(struct image_store *store, const struct server_image *image,
                    struct buffer *body, struct error *error) {
    struct error uncached;
    char *path = body_path(store, image->firmware_id);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = 0;
    if (file_read(path, IMAGE_BODY_MAX, body, &uncached) != 0 ||
        !is_body_of(image, buffer_bytes(body))) {
        buffer_clear(body);
        failed = body_download(store, image, path, body, error);
    }
    free(path);
    return failed;
}

int image_store_make(struct image_store *store, const struct server_image *image,
                     struct buffer *out, struct error *error) {
    struct buffer body = {0};
    /* It becomes a file name and a part of a URL. */
    if (!job_id_is_safe(image->firmware_id))
        return error_set(error, ERROR_BAD_REQUEST, "the firmware id is none");
    (void)pthread_mutex_lock(&store->mutex);
    int failed = body_get(store, image, &body, error);
    (void)pthread_mutex_unlock(&store->mutex);
    if (failed == 0) {
        buffer_append(out, body.data, body.size);
        buffer_append(out, image->tlvs.data, image->tlvs.size);
        failed = buffer_check(out, error);
    }
    buffer_free(&body);
    return failed;
}
