#include "cli/firmware.h"

#include "cli/command.h"

#include "base/encoding.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Smaller than the server's limit: after an interruption at most this much is sent again, and a
 * progress bar moves. */
#define RANGE_SIZE ((size_t)128 << 10)
#define PAUSE_MS   250u
#define TRIES      5u /* of one range */

/* One upload under way. */
struct transfer {
    struct http_client *client;
    const struct firmware_upload *request;
    struct bytes contents;
    char sha256_hex[65];
    char *id; /* the server's name of the upload */
    uint64_t offset;
    uint64_t range_max;
};

static int out_of_memory(struct error *error) {
    return error_set(error, ERROR_INTERNAL, "out of memory");
}

static json_t *begin_request(const struct transfer *transfer) {
    const struct firmware_upload *request = transfer->request;
    json_t *object =
        json_pack("{s:s,s:s,s:s,s:I,s:s}", "kind", request->kind, "family", request->family,
                  "version", request->version, "size", (json_int_t)transfer->contents.size,
                  "sha256_hex", transfer->sha256_hex);

    if (request->security_counter != NULL)
        (void)json_object_set_new(object, "security_counter",
                                  json_integer((json_int_t)*request->security_counter));
    return object;
}

static void report(const struct transfer *transfer) {
    if (transfer->request->progress != NULL)
        transfer->request->progress(transfer->request->context, transfer->offset,
                                    transfer->contents.size);
}

static int take_state(struct transfer *transfer, const json_t *answer, struct error *error) {
    const char *id = NULL;

    if (json_read_string(answer, "upload_id", &id, error) != 0 ||
        json_read_u64(answer, "offset", &transfer->offset, error) != 0 ||
        json_read_u64(answer, "range_max", &transfer->range_max, error) != 0)
        return -1;
    if (transfer->offset > transfer->contents.size || transfer->range_max == 0)
        return error_set(error, ERROR_BAD_REQUEST, "the server's answer makes no sense");
    free(transfer->id);
    transfer->id = strdup(id);
    return transfer->id == NULL ? out_of_memory(error) : 0;
}

/* A new upload, or where the same one stands. */
static int begin(struct transfer *transfer, struct error *error) {
    json_t *request = begin_request(transfer);
    json_t *answer = NULL;
    int result = request == NULL
                     ? out_of_memory(error)
                     : http_client_post(transfer->client, "/v1/uploads", request, &answer, error);

    if (result == 0)
        result = take_state(transfer, answer, error);
    json_decref(request);
    json_decref(answer);
    if (result == 0)
        report(transfer);
    return result;
}

static int send_range(struct transfer *transfer, struct error *error) {
    struct http_answer answer = {0};
    json_t *object = NULL;
    uint64_t next = 0;
    char offset[24];
    size_t size = transfer->contents.size - (size_t)transfer->offset;
    int result = -1;

    if (size > RANGE_SIZE)
        size = RANGE_SIZE;
    if (size > transfer->range_max)
        size = (size_t)transfer->range_max;
    (void)snprintf(offset, sizeof(offset), "%llu", (unsigned long long)transfer->offset);
    char *path = command_path("/v1/uploads/%s?offset=%s", transfer->id, offset);
    if (path == NULL)
        (void)out_of_memory(error);
    else if (http_client_send(transfer->client, "PUT", path, "application/octet-stream",
                              bytes_slice(transfer->contents, (size_t)transfer->offset, size),
                              &answer, error) == 0 &&
             (object = json_parse_object(buffer_bytes(&answer.body), error)) != NULL)
        result = json_read_u64(object, "offset", &next, error);
    if (result == 0 && next != transfer->offset + size)
        result = error_set(error, ERROR_BAD_REQUEST, "the server's answer makes no sense");
    if (result == 0)
        transfer->offset = next;
    json_decref(object);
    http_answer_clear(&answer);
    free(path);
    return result;
}

static void pause_for(unsigned milliseconds) {
    const struct timespec time = {.tv_sec = milliseconds / 1000,
                                  .tv_nsec = (long)(milliseconds % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

/* Whether what failed may be taken up again: no answer, or somebody else sent or finished it. */
static bool may_go_on(const struct transfer *transfer, const struct error *error) {
    return error->code == ERROR_CONFLICT || error->code == ERROR_NOT_FOUND ||
           http_client_is_transient(transfer->client, error);
}

static int go_on_later(const struct transfer *transfer, struct error *error) {
    (void)error_prefix(error, "at %llu of %zu bytes", (unsigned long long)transfer->offset,
                       transfer->contents.size);
    return error_hint(error, "repeat the command: it goes on where it stopped");
}

/* All ranges from where the server is. After a failure the server is asked where that is. */
static int send_ranges(struct transfer *transfer, struct error *error) {
    const unsigned first_pause =
        transfer->request->pause_ms == 0 ? PAUSE_MS : transfer->request->pause_ms;
    unsigned tries = 0;

    while (transfer->offset < transfer->contents.size) {
        uint64_t before = transfer->offset;
        if (send_range(transfer, error) == 0) {
            tries = 0;
            report(transfer);
            continue;
        }
        do {
            if (!may_go_on(transfer, error))
                return -1;
            if (++tries == TRIES)
                return go_on_later(transfer, error);
            pause_for(first_pause << (tries - 1));
        } while (begin(transfer, error) != 0);
        if (transfer->offset > before)
            tries = 0;
    }
    return 0;
}

static json_t *finish(const struct transfer *transfer, struct error *error) {
    char *path = command_path("/v1/uploads/%s/finish", transfer->id);
    const char *sha256 = NULL;
    json_t *answer = NULL;

    if (path == NULL)
        (void)out_of_memory(error);
    else
        (void)http_client_post(transfer->client, path, NULL, &answer, error);
    free(path);
    if (answer == NULL)
        return NULL;
    if (json_read_string(answer, "sha256_hex", &sha256, error) != 0 ||
        (strcmp(sha256, transfer->sha256_hex) != 0 &&
         error_set(error, ERROR_ALTERED, "the server stored something else: SHA-256 %.64s",
                   sha256) != 0)) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

json_t *firmware_upload(struct http_client *client, const struct firmware_upload *upload,
                        struct error *error) {
    struct transfer transfer = {.client = client, .request = upload};
    struct buffer contents = {0};
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    json_t *answer = NULL;

    if (file_read(upload->path, FIRMWARE_LIMIT, &contents, error) != 0)
        goto done;
    transfer.contents = buffer_bytes(&contents);
    if (contents.size == 0) {
        (void)error_set(error, ERROR_USAGE, "%s is empty", upload->path);
        goto done;
    }
    crypto_sha256(transfer.contents, digest);
    hex_encode(bytes_of(digest, sizeof(digest)), transfer.sha256_hex);
    /* Twice, because the answer to finish may be lost; the same content again is no error. */
    for (int i = 0; i < 2 && answer == NULL; i++) {
        if ((i > 0 && !http_client_is_transient(client, error)) || begin(&transfer, error) != 0 ||
            send_ranges(&transfer, error) != 0)
            break;
        answer = finish(&transfer, error);
    }
done:
    free(transfer.id);
    buffer_free(&contents);
    return answer;
}
