#include "cli/firmware.h"

#include "cli/command.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A range that fits any connection; the server takes up to a MiB. */
#define RANGE_SIZE ((size_t)256 << 10)

struct transfer {
    struct http_client *client;
    struct bytes contents;
    char *path;      /* of the upload */
    uint64_t offset; /* where to go on */
};

static void show_progress(const struct transfer *transfer) {
    if (command_common.json || !isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r%3u %%  %llu of %zu bytes",
                  (unsigned)(100 * transfer->offset / transfer->contents.size),
                  (unsigned long long)transfer->offset, transfer->contents.size);
    if (transfer->offset == transfer->contents.size)
        (void)fputc('\n', stderr);
}

static int read_upload(struct transfer *transfer, json_t *answer, struct error *error) {
    const char *id = NULL;
    int result = -1;

    if (json_read_string(answer, "upload_id", &id, error) == 0 &&
        json_read_u64(answer, "offset", &transfer->offset, error) == 0) {
        transfer->path = command_path("/v1/uploads/%s", id);
        result = transfer->path != NULL ? 0 : error_set(error, ERROR_INTERNAL, "out of memory");
    }
    if (result == 0 && transfer->offset > transfer->contents.size)
        result = error_set(error, ERROR_BAD_REQUEST, "the server is beyond the end of the file");
    json_decref(answer);
    return result;
}

/* The same octets begun again are the same upload: an interruption costs one range. */
static int begin(struct transfer *transfer, const struct firmware_upload *upload,
                 struct error *error) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    json_t *answer = NULL;

    crypto_sha256(transfer->contents, digest);
    json_t *request =
        json_pack("{s:s,s:s,s:s,s:I,s:o}", "kind", upload->kind, "family", upload->family,
                  "version", upload->version, "size", (json_int_t)transfer->contents.size,
                  "sha256_hex", json_hex(bytes_of(digest, sizeof(digest))));
    if (upload->has_counter)
        (void)json_object_set_new(request, "security_counter",
                                  json_integer((json_int_t)upload->counter));
    int result = http_client_post(transfer->client, "/v1/uploads", request, &answer, error);
    json_decref(request);
    return result == 0 ? read_upload(transfer, answer, error) : -1;
}

static int send_range(struct transfer *transfer, struct error *error) {
    size_t left = transfer->contents.size - (size_t)transfer->offset;
    struct bytes range = bytes_slice(transfer->contents, (size_t)transfer->offset,
                                     left < RANGE_SIZE ? left : RANGE_SIZE);
    struct http_answer answer = {0};
    char path[192];

    (void)snprintf(path, sizeof(path), "%.150s?offset=%llu", transfer->path,
                   (unsigned long long)transfer->offset);
    int result = http_client_send(transfer->client, "PUT", path, "application/octet-stream", range,
                                  &answer, error);
    http_answer_clear(&answer);
    if (result == 0)
        transfer->offset += range.size;
    return result;
}

static json_t *finish(struct transfer *transfer, struct error *error) {
    json_t *request = json_object();
    json_t *answer = NULL;
    char path[192];

    (void)snprintf(path, sizeof(path), "%.150s/finish", transfer->path);
    if (http_client_post(transfer->client, path, request, &answer, error) != 0)
        answer = NULL;
    json_decref(request);
    return answer;
}

json_t *firmware_upload(struct http_client *client, const struct firmware_upload *upload,
                        struct error *error) {
    struct buffer contents = {0};
    struct transfer transfer = {.client = client};
    json_t *answer = NULL;
    int result = file_read(upload->path, FIRMWARE_LIMIT, &contents, error);

    transfer.contents = buffer_bytes(&contents);
    if (result == 0)
        result = begin(&transfer, upload, error);
    while (result == 0 && transfer.offset < transfer.contents.size) {
        show_progress(&transfer);
        result = send_range(&transfer, error);
    }
    if (result == 0) {
        show_progress(&transfer);
        answer = finish(&transfer, error);
    } else if (transfer.path != NULL) {
        (void)error_hint(error, "repeat the command: it goes on where it stopped");
    }
    buffer_free(&contents);
    free(transfer.path);
    return answer;
}
