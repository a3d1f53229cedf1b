/* Uploads against a server in memory, linked in place of the HTTP client: it keeps what arrives,
 * and at any call it can be away, lose its answer, or answer nonsense. */
#include "cli/firmware.h"

#include "cli/command.h"

#include "base/encoding.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE      400000u
#define RANGE_MAX 100000u

enum fault { NO_FAULT, AWAY, ANSWER_LOST, NONSENSE, REFUSES, OTHER_DIGEST, HALF_RANGE };

static struct {
    struct buffer arrived;
    bool is_begun;
    uint64_t size;
    char sha256_hex[65];
    int64_t counter;
    unsigned calls;
    unsigned ranges; /* stored */
    unsigned fault_call;
    unsigned fault_span;
    enum fault fault;
    int last_status;
} server;

static void server_reset(void) {
    buffer_free(&server.arrived);
    memset(&server, 0, sizeof(server));
}

static bool fault_hits(enum fault fault) {
    unsigned span = server.fault_span == 0 ? 1 : server.fault_span;

    return server.fault == fault && server.calls >= server.fault_call &&
           server.calls < server.fault_call + span;
}

static int offline(struct error *error) {
    server.last_status = 0;
    return error_set(error, ERROR_OFFLINE, "test: no answer");
}

static int call_begin(struct error *error) {
    server.calls++;
    server.last_status = 200;
    if (fault_hits(AWAY))
        return offline(error);
    if (fault_hits(REFUSES)) {
        server.last_status = 403;
        return error_set(error, ERROR_DENIED, "test: refused");
    }
    return 0;
}

static json_t *state(void) {
    return json_pack("{s:s,s:I,s:I,s:I}", "upload_id", "up-1", "offset",
                     (json_int_t)(fault_hits(NONSENSE) ? SIZE + 1 : server.arrived.size), "size",
                     (json_int_t)server.size, "range_max", (json_int_t)RANGE_MAX);
}

static json_t *begin(const json_t *request) {
    const char *sha256 = json_string_value(json_object_get(request, "sha256_hex"));

    if (!server.is_begun || strcmp(sha256, server.sha256_hex) != 0) {
        buffer_clear(&server.arrived);
        (void)snprintf(server.sha256_hex, sizeof(server.sha256_hex), "%s", sha256);
    }
    server.is_begun = true;
    server.size = (uint64_t)json_integer_value(json_object_get(request, "size"));
    server.counter = json_object_get(request, "security_counter") == NULL
                         ? -1
                         : json_integer_value(json_object_get(request, "security_counter"));
    return state();
}

static json_t *finish(struct error *error) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    char hex[65];

    if (!server.is_begun) {
        server.last_status = 404;
        (void)error_set(error, ERROR_NOT_FOUND, "test: no such upload");
        return NULL;
    }
    if (fault_hits(OTHER_DIGEST))
        server.arrived.data[0] ^= 1;
    crypto_sha256(buffer_bytes(&server.arrived), digest);
    hex_encode(bytes_of(digest, sizeof(digest)), hex);
    server.is_begun = false;
    return json_pack("{s:s,s:s}", "id", "fw-1", "sha256_hex", hex);
}

int http_client_post(struct http_client *client, const char *path, const json_t *request,
                     json_t **answer, struct error *error) {
    (void)client;
    *answer = NULL;
    if (call_begin(error) != 0)
        return -1;
    *answer = strcmp(path, "/v1/uploads") == 0 ? begin(request) : finish(error);
    if (*answer != NULL && fault_hits(ANSWER_LOST)) {
        json_decref(*answer);
        *answer = NULL;
        return offline(error);
    }
    return *answer == NULL ? -1 : 0;
}

int http_client_send(struct http_client *client, const char *method, const char *path,
                     const char *content_type, struct bytes body, struct http_answer *answer,
                     struct error *error) {
    static const char prefix[] = "/v1/uploads/up-1?offset=";

    (void)client;
    memset(answer, 0, sizeof(*answer));
    assert_string_equal(method, "PUT");
    assert_string_equal(content_type, "application/octet-stream");
    assert_memory_equal(path, prefix, strlen(prefix));
    uint64_t offset = strtoull(path + strlen(prefix), NULL, 10);
    assert_in_range(body.size, 1, RANGE_MAX);
    if (call_begin(error) != 0)
        return -1;
    if (offset != server.arrived.size) {
        server.last_status = 409;
        return error_set(error, ERROR_CONFLICT, "test: another offset");
    }
    buffer_append(&server.arrived, body.data, fault_hits(HALF_RANGE) ? body.size / 2 : body.size);
    server.ranges++;
    if (fault_hits(ANSWER_LOST) || fault_hits(HALF_RANGE))
        return offline(error);
    buffer_print(&answer->body, fault_hits(NONSENSE) ? "{\"offset\":1}" : "{\"offset\":%zu}",
                 server.arrived.size);
    return 0;
}

void http_answer_clear(struct http_answer *answer) {
    buffer_free(&answer->body);
}

bool http_client_is_transient(const struct http_client *client, const struct error *error) {
    (void)client;
    return server.last_status == 0 && error->code == ERROR_OFFLINE;
}

/* Without the encoding of the real one, which is in command.c with everything else. */
char *command_path(const char *format, ...) {
    struct buffer text = {0};
    va_list arguments;

    va_start(arguments, format);
    for (const char *at = format; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            buffer_append_text(&text, va_arg(arguments, const char *));
            at++;
        } else {
            buffer_append(&text, at, 1);
        }
    }
    va_end(arguments);
    char *path = strdup(buffer_text(&text));
    buffer_free(&text);
    return path;
}

static char file[64];
static uint8_t contents[SIZE];

static int start(void **state_) {
    struct error error;

    (void)state_;
    for (size_t i = 0; i < SIZE; i++)
        contents[i] = (uint8_t)(i * 31 + i / 977);
    (void)snprintf(file, sizeof(file), "/tmp/nusec_firmware_test_%d", (int)getpid());
    return file_write_durable(file, bytes_of(contents, SIZE), 0600, &error);
}

static int stop(void **state_) {
    (void)state_;
    server_reset();
    return unlink(file);
}

struct seen {
    uint64_t done[64];
    unsigned count;
};

static void see(void *context, uint64_t done, uint64_t total) {
    struct seen *seen = context;

    assert_int_equal(total, SIZE);
    assert_true(seen->count < 64);
    seen->done[seen->count++] = done;
}

static json_t *upload(struct seen *seen, const uint64_t *counter, struct error *error) {
    const struct firmware_upload request = {.path = file,
                                            .kind = "bl3",
                                            .family = "F",
                                            .version = "1.0.0",
                                            .security_counter = counter,
                                            .progress = seen == NULL ? NULL : see,
                                            .context = seen,
                                            .pause_ms = 1};

    return firmware_upload(NULL, &request, error);
}

static void expect_stored(json_t *answer) {
    assert_non_null(answer);
    assert_int_equal(server.arrived.size, SIZE);
    assert_memory_equal(server.arrived.data, contents, SIZE);
    json_decref(answer);
}

static void a_file_goes_up_in_ranges_with_progress(void **state_) {
    const uint64_t counter = 7;
    struct seen seen = {.count = 0};
    struct error error;

    (void)state_;
    server_reset();
    expect_stored(upload(&seen, &counter, &error));
    assert_int_equal(server.counter, 7);
    assert_int_equal(server.ranges, 4);
    assert_int_equal(seen.count, 5);
    for (unsigned i = 0; i < seen.count; i++)
        assert_int_equal(seen.done[i], i * RANGE_MAX);
    server_reset();
    expect_stored(upload(NULL, NULL, &error));
    assert_int_equal(server.counter, -1);
}

/* Any one call fails in any way: the command still ends with the file stored, and nothing that was
 * stored is sent again. */
static void one_lost_call_costs_at_most_a_range(void **state_) {
    static const enum fault faults[] = {AWAY, ANSWER_LOST, HALF_RANGE};
    unsigned recovered = 0;
    struct error error;

    (void)state_;
    for (size_t f = 0; f < 3; f++) {
        for (unsigned call = 2; call <= 6; call++) {
            server_reset();
            server.fault = faults[f];
            server.fault_call = call;
            expect_stored(upload(NULL, NULL, &error));
            recovered += server.calls > 6 ? 1 : 0;
            assert_in_range(server.ranges, 4, 9);
        }
    }
    assert_true(recovered >= 14); /* HALF_RANGE does not hit the last call, which is no range */
}

static void a_server_that_stays_away_ends_it_and_the_next_run_goes_on(void **state_) {
    struct seen seen = {.count = 0};
    struct error error;

    (void)state_;
    server_reset();
    server.fault = AWAY;
    server.fault_call = 4; /* two ranges are there */
    server.fault_span = 1000;
    assert_null(upload(NULL, NULL, &error));
    assert_int_equal(error.code, ERROR_OFFLINE);
    assert_non_null(strstr(error.message, "200000 of 400000"));
    assert_non_null(strstr(error.hint, "repeat"));
    assert_true(server.calls < 20);
    server.fault = NO_FAULT;
    expect_stored(upload(&seen, NULL, &error));
    assert_int_equal(seen.done[0], 2 * RANGE_MAX);
    assert_int_equal(server.ranges, 4);
}

static void a_refusal_is_not_repeated(void **state_) {
    struct error error;

    (void)state_;
    for (unsigned call = 1; call <= 6; call++) {
        server_reset();
        server.fault = REFUSES;
        server.fault_call = call;
        assert_null(upload(NULL, NULL, &error));
        assert_int_equal(error.code, ERROR_DENIED);
        assert_int_equal(server.calls, call);
    }
}

static void nonsense_is_refused(void **state_) {
    struct error error;

    (void)state_;
    for (unsigned call = 1; call <= 2; call++) {
        server_reset();
        server.fault = NONSENSE;
        server.fault_call = call;
        assert_null(upload(NULL, NULL, &error));
        assert_int_equal(error.code, ERROR_BAD_REQUEST);
    }
}

static void another_digest_is_altered(void **state_) {
    struct error error;

    (void)state_;
    server_reset();
    server.fault = OTHER_DIGEST;
    server.fault_call = 6;
    assert_null(upload(NULL, NULL, &error));
    assert_int_equal(error.code, ERROR_ALTERED);
}

static void another_file_is_another_upload(void **state_) {
    struct error error;

    (void)state_;
    server_reset();
    server.fault = AWAY;
    server.fault_call = 4;
    server.fault_span = 1000;
    assert_null(upload(NULL, NULL, &error));
    server.fault = NO_FAULT;
    contents[0] ^= 1;
    assert_int_equal(file_write_durable(file, bytes_of(contents, SIZE), 0600, &error), 0);
    expect_stored(upload(NULL, NULL, &error));
}

static void files_that_cannot_be_sent(void **state_) {
    const struct firmware_upload none = {
        .path = "/nonexistent/file", .kind = "bl3", .family = "F", .version = "1"};
    const struct firmware_upload empty = {
        .path = "/dev/null", .kind = "bl3", .family = "F", .version = "1"};
    struct error error;

    (void)state_;
    server_reset();
    assert_null(firmware_upload(NULL, &none, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_null(firmware_upload(NULL, &empty, &error));
    assert_int_equal(error.code, ERROR_USAGE);
    assert_int_equal(server.calls, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_goes_up_in_ranges_with_progress),
        cmocka_unit_test(one_lost_call_costs_at_most_a_range),
        cmocka_unit_test(a_server_that_stays_away_ends_it_and_the_next_run_goes_on),
        cmocka_unit_test(a_refusal_is_not_repeated),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(another_digest_is_altered),
        cmocka_unit_test(another_file_is_another_upload),
        cmocka_unit_test(files_that_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
