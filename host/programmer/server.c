#include "programmer/server.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/json.h"
#include "base/log.h"
#include "base/scrap_statement.h"
#include "cose/permit.h"
#include "http/http_client.h"
#include "programmer/software.h"
#include "programmer/tls_key.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL_MAX         16
#define FIRST_PAUSE_MS   250
#define LONGEST_PAUSE_MS 8000
#define PAUSE_SLICE_MS   100
#define CONNECT_MS       4000
#define REQUEST_MS       20000
#define PATH_MAX_SIZE    192
#define SIGNED_TIME_MAX  4096
#define MANIFEST_LIMIT   4096

struct server {
    struct http_client_options client_options;
    char *root_path;
    char *url;
    struct identity identity;
    struct tls_identity tls;
    const struct key_store *key_store;
    const atomic_bool *stop;
    pthread_mutex_t mutex;
    struct http_client *idle[POOL_MAX];
    size_t idle_count;
};

static int server_fill(struct server *server, const struct server_options *options,
                       struct error *error) {
    (void)pthread_mutex_init(&server->mutex, NULL);
    server->stop = options->stop;
    server->key_store = options->key_store;
    server->url = strdup(options->url);
    server->root_path = identity_root_path(options->directory);
    if (server->url == NULL || server->root_path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    if (identity_copy(&server->identity, options->identity, error) != 0)
        return -1;
    server->tls.key = tls_key_new(options->key_store, error);
    if (server->tls.key == NULL)
        return -1;
    server->tls.certificate = buffer_bytes(&server->identity.programmer);
    server->tls.operations_ca = buffer_bytes(&server->identity.operations_ca);
    server->client_options = (struct http_client_options){
        .base_url = server->url,
        .ca_path = server->root_path,
        .tls_setup = tls_key_setup,
        .tls_user = &server->tls,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = REQUEST_MS,
        .response_limit = SOFTWARE_SIZE_MAX + 4096,
    };
    return 0;
}

struct server *server_open(const struct server_options *options, struct error *error) {
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    if (server_fill(server, options, error) == 0)
        return server;
    server_close(server);
    return NULL;
}

void server_close(struct server *server) {
    if (server == NULL)
        return;
    for (size_t i = 0; i < server->idle_count; i++)
        http_client_free(server->idle[i]);
    EVP_PKEY_free(server->tls.key);
    identity_free(&server->identity);
    free(server->root_path);
    free(server->url);
    (void)pthread_mutex_destroy(&server->mutex);
    free(server);
}

static struct http_client *client_take(struct server *server, struct error *error) {
    struct http_client *client = NULL;
    (void)pthread_mutex_lock(&server->mutex);
    if (server->idle_count > 0)
        client = server->idle[--server->idle_count];
    (void)pthread_mutex_unlock(&server->mutex);
    return client != NULL ? client : http_client_create(&server->client_options, error);
}

static void client_give(struct server *server, struct http_client *client) {
    (void)pthread_mutex_lock(&server->mutex);
    bool kept = server->idle_count < POOL_MAX;
    if (kept)
        server->idle[server->idle_count++] = client;
    (void)pthread_mutex_unlock(&server->mutex);
    if (!kept)
        http_client_free(client);
}

/* False when the wait was cut short. */
static bool pause_ms(const struct server *server, long duration) {
    for (; duration > 0 && !atomic_load(server->stop); duration -= PAUSE_SLICE_MS) {
        struct timespec slice = {.tv_nsec = PAUSE_SLICE_MS * 1000000L};
        (void)nanosleep(&slice, NULL);
    }
    return !atomic_load(server->stop);
}

struct request {
    const char *method;
    const char *path;
    struct bytes body; /* JSON; empty for GET */
    long patience_ms;
};

/* The connection's trouble is not the reader's: name the server, once. */
static int transient_error(const struct request *request, struct error *error) {
    error->code = ERROR_OFFLINE; /* a time-out, too: whoever asks has to treat both alike */
    (void)error_prefix(error, "the server is not available");
    (void)error_hint(error, "check the network and the server, then start again");
    log_warn("server.unavailable", "path", request->path, "error", error->message);
    return -1;
}

static int request_send(struct server *server, const struct request *request,
                        struct http_answer *answer, struct error *error) {
    struct http_client *client = client_take(server, error);
    if (client == NULL)
        return -1;
    uint64_t end = clock_monotonic_ms() + (uint64_t)request->patience_ms;
    long wait = FIRST_PAUSE_MS;
    const char *type = request->body.size > 0 ? "application/json" : NULL;
    int failed;
    bool transient = false;
    for (;;) {
        failed = http_client_send(client, request->method, request->path, type, request->body,
                                  answer, error);
        transient = failed != 0 && http_client_is_transient(client, error);
        if (!transient || clock_monotonic_ms() + (uint64_t)wait > end || !pause_ms(server, wait))
            break;
        http_answer_clear(answer);
        wait = wait * 2 < LONGEST_PAUSE_MS ? wait * 2 : LONGEST_PAUSE_MS;
    }
    if (failed != 0)
        http_client_free(client); /* a fresh connection next time */
    else
        client_give(server, client);
    return transient ? transient_error(request, error) : failed;
}

/* A new reference, NULL on failure. */
static json_t *exchange(struct server *server, const struct request *request, struct error *error) {
    struct http_answer answer = {0};
    json_t *object = NULL;
    if (request_send(server, request, &answer, error) == 0)
        object = json_parse_object(buffer_bytes(&answer.body), error);
    http_answer_clear(&answer);
    return object;
}

static json_t *call_get(struct server *server, const char *path, long patience_ms,
                        struct error *error) {
    const struct request request = {.method = "GET", .path = path, .patience_ms = patience_ms};
    return exchange(server, &request, error);
}

/* Takes over `body`, which is NULL when memory ran out in making it. */
static json_t *call_post(struct server *server, const char *path, json_t *body, long patience_ms,
                         struct error *error) {
    struct buffer text = {0};
    json_t *object = NULL;
    if (body == NULL) {
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    } else if (json_write(body, &text, error) == 0) {
        const struct request request = {.method = "POST",
                                        .path = path,
                                        .body = buffer_bytes(&text),
                                        .patience_ms = patience_ms};
        object = exchange(server, &request, error);
    }
    buffer_free(&text); /* may hold the token; buffer_free wipes */
    json_decref(body);
    return object;
}

int server_time(struct server *server, const uint8_t nonce[32], struct buffer *signed_time,
                struct error *error) {
    char path[PATH_MAX_SIZE];
    char hex[65];
    hex_encode(bytes_of(nonce, 32), hex);
    (void)snprintf(path, sizeof path, "/v1/time?nonce=%s", hex);
    json_t *answer = call_get(server, path, SERVER_PATIENCE_PROMPT_MS, error);
    if (answer == NULL)
        return -1;
    int failed = json_read_base64_buffer(answer, "signed_b64", SIGNED_TIME_MAX, signed_time, error);
    json_decref(answer);
    return failed;
}

int server_activate(struct server *server, const struct package *package, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/activate", package->job_id);
    json_t *body = json_pack("{s:o,s:I}", "token_b64",
                             json_base64(bytes_of(package->token, PACKAGE_TOKEN_SIZE)), "sequence",
                             (json_int_t)package->sequence);
    json_t *answer = call_post(server, path, body, SERVER_PATIENCE_PROMPT_MS, error);
    json_decref(answer);
    return answer != NULL ? 0 : -1;
}

static int reservation_read(const json_t *answer, struct server_reservation *reservation,
                            struct error *error) {
    const char *unit_id = NULL;
    uint8_t check[16];
    if (json_read_string(answer, "unit_id", &unit_id, error) != 0 ||
        json_read_hex(answer, "nonce_hex", reservation->nonce, 32, error) != 0)
        return -1;
    /* It goes into URL paths. */
    if (hex_decode(unit_id, check, sizeof check) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "the server's unit id is not 32 hex digits");
    (void)snprintf(reservation->unit_id, sizeof reservation->unit_id, "%s", unit_id);
    return 0;
}

static void text_put(json_t *object, const char *member, const char *text) {
    if (text != NULL && text[0] != '\0')
        (void)json_object_set_new(object, member, json_string(text));
}

static void place_put(json_t *object, const struct server_line *line) {
    if (line == NULL)
        return;
    text_put(object, "site", line->site);
    text_put(object, "serial", line->serial);
}

static void line_put(json_t *body, const struct server_line *line) {
    if (line == NULL)
        return;
    json_t *object = json_object();
    json_t *steps = json_object();
    place_put(object, line);
    for (size_t i = 0; i < line->step_count; i++)
        (void)json_object_set_new(steps, line->steps[i].name,
                                  json_integer(line->steps[i].milliseconds));
    (void)json_object_set_new(object, "steps", steps);
    (void)json_object_set_new(body, "line", object);
}

int server_reserve(struct server *server, const struct package *package, const uint8_t uid[16],
                   uint32_t attempt, const struct server_line *line,
                   struct server_reservation *reservation, struct error *error) {
    char path[PATH_MAX_SIZE];
    char uid_text[33];
    hex_encode_upper(bytes_of(uid, 16), uid_text);
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/units", package->job_id);
    json_t *body =
        json_pack("{s:s,s:I,s:o}", "uid", uid_text, "attempt", (json_int_t)attempt, "token_b64",
                  json_base64(bytes_of(package->token, PACKAGE_TOKEN_SIZE)));
    place_put(body, line);
    json_t *answer = call_post(server, path, body, SERVER_PATIENCE_UNIT_MS, error);
    if (answer == NULL)
        return -1;
    int failed = reservation_read(answer, reservation, error);
    json_decref(answer);
    return failed;
}

int server_certify(struct server *server, const char *unit_id, struct bytes csr,
                   struct buffer *leaf, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/units/%s/certificate", unit_id);
    json_t *answer = call_post(server, path, json_pack("{s:o}", "csr_b64", json_base64(csr)),
                               SERVER_PATIENCE_UNIT_MS, error);
    if (answer == NULL)
        return -1;
    int failed = json_read_base64_buffer(answer, "certificate_b64", X509_DER_MAX, leaf, error);
    json_decref(answer);
    return failed;
}

static int permit_ask(struct server *server, const char *path, const char *command,
                      const uint8_t device_nonce[32], const uint8_t auth_key_hash[32],
                      long patience_ms, struct buffer *permit, struct error *error) {
    json_t *body = json_pack("{s:s,s:o,s:o}", "command", command, "device_nonce_hex",
                             json_hex(bytes_of(device_nonce, 32)), "auth_key_hash_hex",
                             json_hex(bytes_of(auth_key_hash, 32)));
    json_t *answer = call_post(server, path, body, patience_ms, error);
    if (answer == NULL)
        return -1;
    int failed = json_read_base64_buffer(answer, "permit_b64", PERMIT_MAX, permit, error);
    json_decref(answer);
    return failed;
}

int server_permit(struct server *server, const char *unit_id, const char *command,
                  const uint8_t device_nonce[32], const uint8_t auth_key_hash[32],
                  struct buffer *permit, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/units/%s/permits", unit_id);
    return permit_ask(server, path, command, device_nonce, auth_key_hash, SERVER_PATIENCE_UNIT_MS,
                      permit, error);
}

int server_permit_rma(struct server *server, const uint8_t uid[16], const uint8_t device_nonce[32],
                      const uint8_t auth_key_hash[32], struct buffer *permit, struct error *error) {
    char path[PATH_MAX_SIZE];
    char uid_text[33];
    hex_encode_upper(bytes_of(uid, 16), uid_text);
    (void)snprintf(path, sizeof path, "/v1/devices/%s/permits", uid_text);
    return permit_ask(server, path, "rma", device_nonce, auth_key_hash, SERVER_PATIENCE_PROMPT_MS,
                      permit, error);
}

int server_challenge(struct server *server, const char *unit_id, const char *step,
                     uint8_t nonce[32], struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/units/%s/challenges", unit_id);
    json_t *answer =
        call_post(server, path, json_pack("{s:s}", "step", step), SERVER_PATIENCE_UNIT_MS, error);
    if (answer == NULL)
        return -1;
    int failed = json_read_hex(answer, "nonce_hex", nonce, 32, error);
    json_decref(answer);
    return failed;
}

static int image_read(const json_t *answer, struct server_image *image, struct error *error) {
    const char *firmware_id = NULL;
    if (json_read_string(answer, "firmware_id", &firmware_id, error) != 0 ||
        json_read_u32(answer, "body_size", &image->body_size, error) != 0 ||
        json_read_hex(answer, "body_sha256_hex", image->body_sha256, 32, error) != 0 ||
        json_read_hex(answer, "image_digest_hex", image->digest, 32, error) != 0 ||
        json_read_hex(answer, "key_hash_hex", image->key_hash, 32, error) != 0 ||
        json_read_base64_buffer(answer, "tlvs_b64", SERVER_TLVS_MAX, &image->tlvs, error) != 0)
        return -1;
    if (strlen(firmware_id) >= sizeof image->firmware_id)
        return error_set(error, ERROR_BAD_REQUEST, "the server's firmware id is too long");
    (void)snprintf(image->firmware_id, sizeof image->firmware_id, "%s", firmware_id);
    return 0;
}

int server_image(struct server *server, const char *unit_id, const char *target,
                 const uint8_t nonce[32], struct bytes transcript, struct server_image *image,
                 struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/units/%s/images", unit_id);
    json_t *body =
        json_pack("{s:s,s:o,s:o}", "target", target, "nonce_hex", json_hex(bytes_of(nonce, 32)),
                  "transcript_b64", json_base64(transcript));
    json_t *answer = call_post(server, path, body, SERVER_PATIENCE_UNIT_MS, error);
    *image = (struct server_image){0};
    if (answer == NULL)
        return -1;
    int failed = image_read(answer, image, error);
    json_decref(answer);
    if (failed != 0)
        buffer_free(&image->tlvs);
    return failed;
}

int server_record(struct server *server, const char *unit_id, struct bytes record,
                  const struct server_line *line, long patience_ms, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/units/%s/record", unit_id);
    json_t *body = json_pack("{s:o}", "record_b64", json_base64(record));
    line_put(body, line);
    json_t *answer = call_post(server, path, body, patience_ms, error);
    json_decref(answer);
    return answer != NULL ? 0 : -1;
}

/* Signed again with each repetition: any signature of the same words will do. */
static int scrap_sign(const struct server *server, const char *unit_id,
                      const struct server_outcome *outcome, json_t *body, struct error *error) {
    uint8_t id[16];
    uint8_t digest[32];
    uint8_t signature[64];
    if (strlen(outcome->reason) > SCRAP_REASON_MAX || hex_decode(unit_id, id, sizeof id) != 0)
        return error_set(error, ERROR_INTERNAL, "the unit to be scrapped has no id, or no reason");
    scrap_statement_digest(id, outcome->scrapped_uid, outcome->reason, digest);
    if (key_store_sign(server->key_store, digest, signature, error) != 0)
        return -1;
    (void)json_object_set_new(body, "signature_hex",
                              json_hex(bytes_of(signature, sizeof signature)));
    return 0;
}

int server_report(struct server *server, const char *unit_id, const struct server_outcome *outcome,
                  long patience_ms, bool *is_counted, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/units/%s/status", unit_id);
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:f}", "state", outcome->state, "step", outcome->step, "reason",
                  outcome->reason, "seconds", (double)outcome->milliseconds / 1000.0);
    line_put(body, outcome->line);
    if (outcome->certificate_sha256 != NULL)
        (void)json_object_set_new(body, "certificate_sha256_hex",
                                  json_hex(bytes_of(outcome->certificate_sha256, 32)));
    if (outcome->scrapped_uid != NULL && scrap_sign(server, unit_id, outcome, body, error) != 0) {
        json_decref(body);
        return -1;
    }
    json_t *answer = call_post(server, path, body, patience_ms, error);
    int failed = answer != NULL ? json_read_bool(answer, "counted", is_counted, error) : -1;
    json_decref(answer);
    return failed;
}

static int firmware_manifest(struct server *server, const char *firmware_id,
                             struct buffer *manifest, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/firmware/%s", firmware_id);
    json_t *answer = call_get(server, path, SERVER_PATIENCE_UNIT_MS, error);
    if (answer == NULL)
        return -1;
    int failed = json_read_base64_buffer(answer, "manifest_b64", MANIFEST_LIMIT, manifest, error);
    json_decref(answer);
    return failed;
}

int server_image_body(struct server *server, const char *firmware_id, struct buffer *body,
                      struct error *error) {
    char path[PATH_MAX_SIZE];
    struct http_answer answer = {0};
    (void)snprintf(path, sizeof path, "/v1/firmware/%s/content", firmware_id);
    const struct request request = {
        .method = "GET", .path = path, .patience_ms = SERVER_PATIENCE_UNIT_MS};
    int failed = request_send(server, &request, &answer, error);
    if (failed == 0) {
        buffer_append(body, answer.body.data, answer.body.size);
        failed = buffer_check(body, error);
    }
    http_answer_clear(&answer);
    return failed;
}

int server_firmware(struct server *server, const char *firmware_id, struct buffer *manifest,
                    struct buffer *content, struct error *error) {
    if (firmware_manifest(server, firmware_id, manifest, error) != 0)
        return -1;
    return server_image_body(server, firmware_id, content, error);
}

int server_ledger_agree(struct server *server, const char *job_id, const struct ledger_head *head,
                        const struct ledger_head *acknowledged, struct ledger_head *theirs,
                        struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/ledger/agree", job_id);
    json_t *body =
        json_pack("{s:I,s:o,s:I,s:o}", "head_sequence", (json_int_t)head->sequence, "head_hash_hex",
                  json_hex(bytes_of(head->hash, sizeof head->hash)), "acknowledged_sequence",
                  (json_int_t)acknowledged->sequence, "acknowledged_hash_hex",
                  json_hex(bytes_of(acknowledged->hash, sizeof acknowledged->hash)));
    json_t *answer = call_post(server, path, body, SERVER_PATIENCE_PROMPT_MS, error);
    if (answer == NULL)
        return -1;
    int failed = json_read_u64(answer, "head_sequence", &theirs->sequence, error);
    if (failed == 0)
        failed = json_read_hex(answer, "head_hash_hex", theirs->hash, sizeof theirs->hash, error);
    json_decref(answer);
    return failed;
}

int server_ledger_append(struct server *server, const char *job_id, uint64_t from_sequence,
                         const json_t *lines, struct error *error) {
    char path[PATH_MAX_SIZE];
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/ledger", job_id);
    json_t *body =
        json_pack("{s:I,s:O}", "from_sequence", (json_int_t)from_sequence, "entries_b64", lines);
    json_t *answer = call_post(server, path, body, SERVER_PATIENCE_PROMPT_MS, error);
    json_decref(answer);
    return answer != NULL ? 0 : -1;
}
