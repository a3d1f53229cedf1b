/* Uploads in bounded ranges: a file grows beside the firmware, its digest is checked at the end. */
#include "server/service.h"

#include "base/encoding.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALE_S       (UINT64_C(7) * 24 * 3600)
#define UNDER_WAY_MAX 32u

static struct server_path upload_path(const struct service *service, const char *id) {
    struct server_path path;

    snprintf(path.text, sizeof path.text, "%.430s/firmware/%s.part", service->data.directory, id);
    return path;
}

/* What has arrived; 0 when nothing has. */
static uint64_t arrived(const struct service *service, const char *id) {
    struct stat status;

    return stat(upload_path(service, id).text, &status) == 0 ? (uint64_t)status.st_size : 0;
}

struct begin_write {
    struct service *service;
    struct store_upload *upload;
    char stale[UNDER_WAY_MAX][STORE_ID_MAX + 1];
    size_t stale_count;
};

/* Forgotten ones make room. Their files go first: a file without a row would stay for ever, and may
 * hold what nobody is to read; a row without a file is an upload at offset 0. */
static int begin_upload(struct store_db *db, void *context, struct error *error) {
    struct begin_write *write = context;
    uint64_t count;
    uint64_t before = write->upload->created > STALE_S ? write->upload->created - STALE_S : 0;

    if (store_upload_stale(db, before, write->stale, UNDER_WAY_MAX, &write->stale_count, error) !=
        0)
        return -1;
    for (size_t i = 0; i < write->stale_count; i++) {
        (void)unlink(upload_path(write->service, write->stale[i]).text);
        if (store_upload_end(db, write->stale[i], error) != 0)
            return -1;
    }
    if (store_upload_count(db, &count, error) != 0)
        return -1;
    if (count >= UNDER_WAY_MAX)
        return error_set(error, ERROR_BUSY, "%u uploads are under way", UNDER_WAY_MAX);
    return store_upload_begin(db, write->upload, error) < 0 ? -1 : 0;
}

static int check_upload(const struct store_upload *upload, struct error *error) {
    if (!service_firmware_kind_is_known(upload->kind))
        return error_set(error, ERROR_BAD_REQUEST, "kind must be devauth, programmer, bl2 or bl3");
    if (service_check_text("family", upload->family, error) != 0 ||
        service_check_text("version", upload->version, error) != 0)
        return -1;
    if (upload->size == 0 || upload->size > SERVICE_FIRMWARE_MAX)
        return error_set(error, ERROR_TOO_LARGE, "firmware has 1 to %zu bytes",
                         SERVICE_FIRMWARE_MAX);
    return service_is_release_kind(upload->kind) ? service_release_check(upload, error) : 0;
}

int service_upload_begin(struct service *service, struct store_upload *upload, uint64_t *offset,
                         struct error *error) {
    struct begin_write write = {.service = service, .upload = upload};

    upload->created = service_now(service);
    if (check_upload(upload, error) != 0 || service_new_id("up-", upload->id, error) != 0 ||
        store_run(service->store, begin_upload, &write, error) != 0)
        return -1;
    *offset = arrived(service, upload->id);
    return 0;
}

int service_upload_find(struct service *service, struct store_db *reader, const char *id,
                        const char *actor, struct store_upload *upload, uint64_t *offset,
                        struct error *error) {
    if (store_upload_find(reader, id, actor, upload, error) != 0)
        return -1;
    *offset = arrived(service, upload->id);
    return 0;
}

static int append(const char *path, uint64_t offset, struct bytes octets, struct error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t done = 0;

    if (fd < 0)
        return error_set_errno(error, errno, path);
    while (done < octets.size) {
        ssize_t written =
            pwrite(fd, octets.data + done, octets.size - done, (off_t)(offset + done));

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            error_set_errno(error, errno, path);
            (void)ftruncate(fd, (off_t)offset); /* a range is there whole or not at all */
            close(fd);
            return -1;
        }
        done += (size_t)written;
    }
    if (close(fd) != 0)
        return error_set_errno(error, errno, path);
    return 0;
}

int service_upload_range(struct service *service, struct store_db *reader, const char *id,
                         const char *actor, uint64_t offset, struct bytes octets, uint64_t *next,
                         struct error *error) {
    struct store_upload upload;
    int result = -1;

    /* One range at a time: two with the same offset must not both be taken. */
    pthread_mutex_lock(&service->upload_mutex);
    if (service_upload_find(service, reader, id, actor, &upload, next, error) == 0) {
        if (offset != *next)
            (void)error_set(error, ERROR_CONFLICT, "the upload is at offset %llu",
                            (unsigned long long)*next);
        else if (octets.size == 0 || octets.size > SERVICE_RANGE_MAX ||
                 octets.size > upload.size - offset)
            (void)error_set(error, ERROR_TOO_LARGE, "a range has 1 to %zu bytes, inside of %llu",
                            SERVICE_RANGE_MAX, (unsigned long long)upload.size);
        else
            result = append(upload_path(service, id).text, offset, octets, error);
    }
    pthread_mutex_unlock(&service->upload_mutex);
    if (result == 0)
        *next = offset + octets.size;
    return result;
}

struct end_write {
    const char *id;
};

static int end_upload(struct store_db *db, void *context, struct error *error) {
    const struct end_write *write = context;

    return store_upload_end(db, write->id, error);
}

static int give_up(struct service *service, const char *id, struct error *error) {
    struct end_write write = {id};

    (void)unlink(upload_path(service, id).text);
    return store_run(service->store, end_upload, &write, error);
}

static int check_octets(struct service *service, const struct store_upload *upload,
                        struct bytes octets, struct error *error) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct error ignored;

    crypto_sha256(octets, digest);
    if (memcmp(digest, upload->sha256, sizeof digest) == 0)
        return 0;
    (void)give_up(service, upload->id, &ignored);
    error_set(error, ERROR_ALTERED, "what arrived is not what was announced");
    return error_hint(error, "the upload was dropped; begin again");
}

static int finish(struct service *service, struct store_db *reader, const char *id,
                  const char *actor, struct service_upload *result, struct error *error) {
    struct store_upload upload;
    struct buffer octets = {0};
    uint64_t offset;
    int failed = -1;

    if (service_upload_find(service, reader, id, actor, &upload, &offset, error) != 0)
        return -1;
    if (offset != upload.size)
        return error_set(error, ERROR_CONFLICT, "the upload is at offset %llu of %llu",
                         (unsigned long long)offset, (unsigned long long)upload.size);
    if (file_read(upload_path(service, id).text, SERVICE_FIRMWARE_MAX, &octets, error) == 0 &&
        check_octets(service, &upload, buffer_bytes(&octets), error) == 0) {
        result->kind = upload.kind;
        result->family = upload.family;
        result->version = upload.version;
        result->octets = buffer_bytes(&octets);
        result->upload = &upload;
        failed = service_firmware_upload(service, result, error);
    }
    buffer_free(&octets);
    return failed == 0 ? give_up(service, id, error) : -1;
}

int service_upload_finish(struct service *service, struct store_db *reader, const char *id,
                          const char *actor, struct service_upload *result, struct error *error) {
    int failed;

    /* Once: a second one would find the file gone under its hands. */
    pthread_mutex_lock(&service->upload_mutex);
    failed = finish(service, reader, id, actor, result, error);
    pthread_mutex_unlock(&service->upload_mutex);
    return failed;
}
