/* Who may ask what, and bad requests: each refusal has its own status and code. */
#include "server/test_world.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "crypto/crypto.h"
#include "server/api.h"
#include "x509/key.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct test_world world;
static struct test_programmer programmer;

static int begin(void **state) {
    (void)state;
    test_world_begin(&world);
    test_programmer_make(&world, "line-1", true, &programmer);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_programmer_free(&programmer);
    test_world_end(&world);
    return 0;
}

/* A self-made CA that copies our names, and a client certificate of it. */
static void make_foreign(char certificate[192], char key[192]) {
    char command[1200];

    snprintf(certificate, 192, "%s/foreign.pem", world.directory);
    snprintf(key, 192, "%s/foreign.key", world.directory);
    snprintf(
        command, sizeof command,
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
        "fca.key -out fca.pem -days 2 -subj '/O=Test Ltd/CN=NuSEC Operations CA' 2>/dev/null "
        "&& openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout foreign.key "
        "-out foreign.csr -subj '/O=Test Ltd/CN=admin' 2>/dev/null && openssl x509 -req -in "
        "foreign.csr -CA fca.pem -CAkey fca.key -CAcreateserial -days 1 -out foreign.pem "
        "2>/dev/null",
        world.directory);
    assert_int_equal(test_shell(command), 0);
}

static void expect_no_tls(struct http_client *client) {
    struct http_answer answer;
    struct error error = {0};

    assert_int_equal(
        http_client_send(client, "GET", "/v1/whoami", NULL, bytes_of(NULL, 0), &answer, &error),
        -1);
    assert_int_equal(answer.status, 0);
    assert_true(error.code == ERROR_UNAUTHENTICATED || error.code == ERROR_OFFLINE);
    http_answer_clear(&answer);
    http_client_free(client);
}

static void no_certificate_is_refused(void **state) {
    (void)state;
    expect_no_tls(test_client(&world, NULL, NULL));
}

static void foreign_ca_is_refused(void **state) {
    char certificate[192], key[192];

    (void)state;
    make_foreign(certificate, key);
    expect_no_tls(test_client(&world, certificate, key));
}

static void roles_are_told_apart(void **state) {
    struct http_client *auditor = test_operator(&world, "anna", "auditor");
    struct http_client *factory = test_operator(&world, "carl", "cm-operator");
    json_t *who = test_get(auditor, "/v1/whoami");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(who, "role")), "auditor");
    assert_string_equal(json_string_value(json_object_get(who, "subject")), "anna");
    json_decref(who);
    json_decref(test_get(auditor, "/v1/events"));
    test_expect(auditor, "POST", "/v1/jobs", "{}", 403, "denied");
    test_expect(auditor, "GET", "/v1/time", NULL, 403, "denied");
    test_expect(factory, "GET", "/v1/events", NULL, 403, "denied");
    test_expect(factory, "GET", "/v1/programmers", NULL, 403, "denied");
    test_expect(programmer.client, "POST", "/v1/programmers", "{}", 403, "denied");
    test_expect(programmer.client, "GET", "/v1/devices", NULL, 403, "denied");
    test_expect(world.admin, "POST", "/v1/jobs/job-00000000/units", "{}", 403, "denied");
    http_client_free(auditor);
    http_client_free(factory);
}

/* Every route refuses every role that the table does not name: nothing is open by accident. */
static void every_route_denies_by_default(void **state) {
    struct http_client *clients[] = {test_operator(&world, "o1", "oem-operator"),
                                     test_operator(&world, "o2", "cm-operator"),
                                     test_operator(&world, "o3", "auditor"), programmer.client};
    const unsigned client_roles[] = {ROLE_OPERATOR, ROLE_CM_OPERATOR, ROLE_AUDITOR,
                                     ROLE_PROGRAMMER};
    unsigned denied = 0;

    (void)state;
    for (size_t i = 0; i < api_route_count; i++)
        for (size_t j = 0; j < 4; j++) {
            if ((api_routes[i].roles & client_roles[j]) != 0)
                continue;
            test_expect(clients[j], api_routes[i].method, api_routes[i].pattern, NULL, 403,
                        "denied");
            denied++;
        }
    assert_true(denied > 40);
    for (size_t j = 0; j < 3; j++)
        http_client_free(clients[j]);
}

static void revoked_operator_is_locked_out_at_once(void **state) {
    struct http_client *client = test_operator(&world, "rita", "oem-operator");
    char command[600];

    (void)state;
    json_decref(test_get(client, "/v1/jobs"));
    snprintf(command, sizeof command,
             "%s operator revoke --data %s --name rita --role oem-operator", NUSEC_SERVER_PATH,
             world.data);
    assert_int_equal(test_shell(command), 0);
    test_expect(client, "GET", "/v1/jobs", NULL, 403, "revoked");
    http_client_free(client);
}

static void revoked_programmer_is_locked_out_at_once(void **state) {
    struct test_programmer other;
    char path[128];

    (void)state;
    test_programmer_make(&world, "line-2", false, &other);
    json_decref(test_get(other.client, "/v1/whoami"));
    snprintf(path, sizeof path, "/v1/programmers/%s/revoke", other.id);
    json_decref(test_post(world.admin, path, json_object()));
    test_expect(other.client, "GET", "/v1/whoami", NULL, 403, "revoked");
    json_decref(test_post(world.admin, path, json_object())); /* repeating is fine */
    test_programmer_free(&other);
}

static void unknown_routes_and_methods(void **state) {
    (void)state;
    test_expect(world.admin, "GET", "/v1/nothing", NULL, 404, "not_found");
    test_expect(world.admin, "GET", "/v1/jobs/", NULL, 404, "not_found");
    test_expect(world.admin, "GET", "/v1/jobs/a/b/c", NULL, 404, "not_found");
    test_expect(world.admin, "DELETE", "/v1/jobs", NULL, 405, "method_not_allowed");
    test_expect(world.admin, "GET", "/v1/jobs/job-00000000", NULL, 404, "unknown_job");
    test_expect(world.admin, "GET", "/v1/devices/zz", NULL, 400, "bad_request");
}

static void bad_json_is_refused(void **state) {
    (void)state;
    test_expect(world.admin, "POST", "/v1/jobs", "", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs", "{", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs", "[]", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs", "{} x", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs", "{\"a\":1,\"a\":2}", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/jobs", "{\"product\":7}", 400, "bad_request");
    test_expect(world.admin, "POST", "/v1/programmers",
                "{\"name\":\"x\",\"csr_pem\":\"no\",\"assurance\":\"software\"}", 400, "bad_csr");
    test_expect(world.admin, "POST", "/v1/programmers",
                "{\"name\":\"x\",\"csr_pem\":\"no\",\"assurance\":\"hsm\"}", 400, "bad_request");
}

static void a_tpm_that_is_only_claimed_is_refused(void **state) {
    (void)state;
    test_expect(world.admin, "POST", "/v1/programmers",
                "{\"name\":\"x\",\"csr_pem\":\"no\",\"assurance\":\"tpm\"}", 403,
                "assurance_unproven");
}

/* A limit for each route, and a limit before anything reaches a route. */
static void oversized_bodies_are_refused(void **state) {
    size_t size = (size_t)9 << 20;
    char *body = malloc(size + 1);
    struct http_answer answer;
    struct error error = {0};

    (void)state;
    memset(body, ' ', size);
    body[5000] = '\0';
    test_expect(world.admin, "POST", "/v1/devices/00000000000000000000000000000000/revoke", body,
                413, "too_large");
    body[5000] = ' ';
    body[size] = '\0';
    assert_int_equal(http_client_send(world.admin, "PUT", "/v1/uploads/up-00000000?offset=0",
                                      "application/octet-stream", bytes_of(body, size), &answer,
                                      &error),
                     -1);
    assert_true(answer.status == 413 || answer.status == 0); /* or cut off while sending */
    http_answer_clear(&answer);
    free(body);
    json_decref(test_get(world.admin, "/v1/whoami"));
}

static void test_put(struct http_client *client, const char *path, unsigned offset,
                     struct bytes octets, int status, const char *code) {
    struct http_answer answer;
    struct error error = {0};
    char text[192];

    snprintf(text, sizeof text, "%s?offset=%u", path, offset);
    (void)http_client_send(client, "PUT", text, "application/octet-stream", octets, &answer,
                           &error);
    assert_int_equal(answer.status, status);
    if (code != NULL)
        assert_non_null(strstr(buffer_text(&answer.body), code));
    http_answer_clear(&answer);
}

static void orders_are_checked(void **state) {
    char body[512];
    static const struct {
        const char *count;
        const char *expires;
        const char *family;
        const char *extra;
        int status;
        const char *code;
    } cases[] = {
        {"0", "9999999999", "TEST", "", 409, "count_zero"},
        {"-1", "9999999999", "TEST", "", 400, "bad_request"},
        {"1e3", "9999999999", "TEST", "", 400, "bad_request"},
        {"99999999", "9999999999", "TEST", "", 400, "bad_request"},
        {"1", "1000", "TEST", "", 400, "bad_request"},
        {"1", "9999999999", "OTHER", "", 409, "conflict"},
        {"1", "9999999999", "TEST", ",\"uids\":[\"12\"]", 400, "bad_request"},
        {"1", "9999999999", "TEST", ",\"uids\":7", 400, "bad_request"},
        {"1", "9999999999", "TEST", ",\"assurance\":\"tpm\"", 403, "assurance_too_low"},
        {"1", "9999999999", "TEST", ",\"assurance\":\"none\"", 400, "bad_request"},
        {"1", "9999999999", "TEST", ",\"bl2_id\":\"fw-1\"", 400, "bad_request"},
        {"1", "9999999999", "TEST", ",\"bl2_id\":\"fw-1\",\"bl3_id\":\"fw-2\"", 404, "not_found"},
        {"1", "9999999999", "TEST", ",\"debug\":\"open\"", 400, "bad_request"},
        {"1", "9999999999", "TEST", ",\"debug\":\"ajar\"", 400, "bad_request"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body,
                 "{\"product\":\"p\",\"programmer_id\":\"%s\",\"count\":%s,\"expires\":%s,"
                 "\"chip_family\":\"%s\",\"devauth_id\":\"%s\"%s}",
                 programmer.id, cases[i].count, cases[i].expires, cases[i].family, world.devauth_id,
                 cases[i].extra);
        test_expect(world.admin, "POST", "/v1/jobs", body, cases[i].status, cases[i].code);
    }
}

static int upload_body(char body[512], const char *kind, const char *family, const char *version,
                       struct bytes octets) {
    uint8_t digest[32];
    char hex[65];

    crypto_sha256(octets, digest);
    hex_encode(bytes_of(digest, sizeof digest), hex);
    return snprintf(body, 512,
                    "{\"kind\":\"%s\",\"family\":\"%s\",\"version\":\"%s\",\"size\":%zu,"
                    "\"sha256_hex\":\"%s\"}",
                    kind, family, version, octets.size, hex);
}

static void firmware_is_kept_once(void **state) {
    uint8_t octets[TEST_IMAGE_SIZE];
    struct bytes image = test_devauth_image(octets);
    char path[128], body[512];
    json_t *object;
    json_t *list;

    (void)state;
    object = test_upload(world.admin, "devauth", "1.0", 0, image);
    assert_string_equal(json_string_value(json_object_get(object, "id")), world.devauth_id);
    json_decref(object);
    /* The same octets under another version are refused at the end, when they are known. */
    object = test_upload_begin(world.admin, "devauth", "2.0", 0, image);
    snprintf(path, sizeof path, "/v1/uploads/%s",
             json_string_value(json_object_get(object, "upload_id")));
    json_decref(object);
    test_put(world.admin, path, 0, image, 200, NULL);
    snprintf(path + strlen(path), 16, "/finish");
    test_expect(world.admin, "POST", path, "{}", 409, "conflict");
    (void)upload_body(body, "bios", "T", "1", image);
    test_expect(world.admin, "POST", "/v1/uploads", body, 400, "bad_request");
    (void)upload_body(body, "bl2", "T", "1.0", image);
    test_expect(world.admin, "POST", "/v1/uploads", body, 400, "bad_request");
    (void)upload_body(body, "devauth", "T", "1", bytes_of(octets, 0));
    test_expect(world.admin, "POST", "/v1/uploads", body, 413, "too_large");
    list = test_get(world.admin, "/v1/firmware");
    assert_int_equal(json_array_size(json_object_get(list, "firmware")), 1);
    json_decref(list);
}

static void uploads_go_on_where_they_stopped(void **state) {
    static uint8_t payload[5000];
    struct bytes all = bytes_of(payload, sizeof payload);
    char path[128], finish[160];
    json_t *object;
    json_t *again;

    (void)state;
    memset(payload, 7, sizeof payload);
    object = test_upload_begin(world.admin, "bl3", "1.2.3+4", 9, all);
    snprintf(path, sizeof path, "/v1/uploads/%s",
             json_string_value(json_object_get(object, "upload_id")));
    snprintf(finish, sizeof finish, "%s/finish", path);
    test_put(world.admin, path, 0, bytes_slice(all, 0, 3000), 200, NULL);
    test_put(world.admin, path, 0, bytes_slice(all, 0, 3000), 409, "conflict");
    test_put(world.admin, path, 3001, bytes_slice(all, 3001, 10), 409, "conflict");
    test_put(world.admin, path, 3000, bytes_of(payload, 2001), 413, "too_large");
    test_expect(world.admin, "POST", finish, "{}", 409, "conflict");
    /* Begun again, it is the same upload. */
    again = test_upload_begin(world.admin, "bl3", "1.2.3+4", 9, all);
    assert_string_equal(json_string_value(json_object_get(object, "upload_id")),
                        json_string_value(json_object_get(again, "upload_id")));
    assert_int_equal(json_integer_value(json_object_get(again, "offset")), 3000);
    json_decref(again);
    json_decref(object);
    test_put(world.admin, path, 3000, bytes_slice(all, 3000, 2000), 200, NULL);
    object = test_post(world.admin, finish, json_object());
    assert_int_equal(json_integer_value(json_object_get(object, "security_counter")), 9);
    assert_true(json_integer_value(json_object_get(object, "body_size")) > 5000);
    json_decref(object);
    test_expect(world.admin, "GET", path, NULL, 404, "not_found");
}

static void uploads_that_are_not_what_was_announced(void **state) {
    static uint8_t payload[3000];
    struct bytes all = bytes_of(payload, sizeof payload);
    struct test_programmer other;
    char path[128], finish[160];
    json_t *object;

    (void)state;
    memset(payload, 9, sizeof payload);
    object = test_upload_begin(world.admin, "bl2", "1.0.0", 1, all);
    snprintf(path, sizeof path, "/v1/uploads/%s",
             json_string_value(json_object_get(object, "upload_id")));
    snprintf(finish, sizeof finish, "%s/finish", path);
    json_decref(object);
    payload[2999] ^= 1;
    test_put(world.admin, path, 0, all, 200, NULL);
    test_expect(world.admin, "POST", finish, "{}", 400, "altered");
    test_expect(world.admin, "POST", finish, "{}", 404, "not_found");
    test_programmer_make(&world, "line-9", false, &other);
    test_put(other.client, path, 0, all, 403, "denied");
    test_programmer_free(&other);
    test_put(world.admin, "/v1/uploads/up-00000000", 0, all, 404, "not_found");
    test_put(world.admin, "/v1/uploads/..%2Fx", 0, all, 404, "not_found");
}

#define RACERS 6

struct racer {
    struct http_client *client;
    char path[160];
    int status;
};

static void *put_first_range(void *context) {
    struct racer *racer = context;
    uint8_t octets[1000] = {1};
    struct http_answer answer;
    struct error error;

    (void)http_client_send(racer->client, "PUT", racer->path, "application/octet-stream",
                           bytes_of(octets, sizeof octets), &answer, &error);
    racer->status = answer.status;
    http_answer_clear(&answer);
    return NULL;
}

/* The same range from many at once is taken once. */
static void parallel_ranges(void **state) {
    uint8_t payload[2000] = {1};
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    unsigned taken = 0;
    char path[128], certificate[300], key[300];
    json_t *object;

    (void)state;
    snprintf(certificate, sizeof certificate, "%s/admin/client.pem", world.directory);
    snprintf(key, sizeof key, "%s/admin/client.key", world.directory);
    object = test_upload_begin(world.admin, "bl3", "3.0.0", 1, bytes_of(payload, sizeof payload));
    snprintf(path, sizeof path, "/v1/uploads/%s",
             json_string_value(json_object_get(object, "upload_id")));
    json_decref(object);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.client = test_client(&world, certificate, key)};
        snprintf(racers[i].path, sizeof racers[i].path, "%s?offset=0", path);
        assert_int_equal(pthread_create(&threads[i], NULL, put_first_range, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        http_client_free(racers[i].client);
        taken += racers[i].status == 200;
        assert_true(racers[i].status == 200 || racers[i].status == 409);
    }
    assert_int_equal(taken, 1);
    object = test_get(world.admin, path);
    assert_int_equal(json_integer_value(json_object_get(object, "offset")), 1000);
    json_decref(object);
}

static unsigned begin_upload(unsigned number) {
    char text[32], digest[65];
    struct error error;
    json_t *answer = NULL, *request;

    snprintf(text, sizeof text, "%u", number);
    snprintf(digest, sizeof digest, "%064u", number);
    request = json_pack("{s:s, s:s, s:s, s:i, s:s}", "kind", "programmer", "family", "T", "version",
                        text, "size", 1000, "sha256_hex", digest);
    (void)http_client_post(world.admin, "/v1/uploads", request, &answer, &error);
    json_decref(request);
    json_decref(answer);
    return (unsigned)http_client_last_status(world.admin);
}

/* Their number is bounded, and forgotten ones make room: with their octets. */
static void forgotten_uploads(void **state) {
    uint8_t octets[1000] = {2};
    char path[128], part[300];
    unsigned status = 201, begun = 0;
    json_t *object;

    (void)state;
    object = test_upload_begin(world.admin, "bl3", "4.0.0", 1, bytes_of(octets, sizeof octets));
    snprintf(path, sizeof path, "/v1/uploads/%s",
             json_string_value(json_object_get(object, "upload_id")));
    snprintf(part, sizeof part, "%s/firmware/%s.part", world.data,
             json_string_value(json_object_get(object, "upload_id")));
    json_decref(object);
    test_put(world.admin, path, 0, bytes_of(octets, 500), 200, NULL);
    assert_int_equal(access(part, F_OK), 0);
    for (begun = 0; begun < 40 && status == 201; begun++)
        status = begin_upload(begun);
    assert_int_equal(status, 503);
    assert_in_range(begun, 20, 33);
    assert_int_equal(test_sql_number(&world, "UPDATE uploads SET created=1 RETURNING 1"), 1);
    assert_int_equal(begin_upload(100), 201);
    assert_int_equal(access(part, F_OK), -1);
    test_expect(world.admin, "GET", path, NULL, 404, "not_found");
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM uploads"), 1);
}

static void releases_fit_the_chip(void **state) {
    static const struct {
        const char *kind;
        const char *version;
        unsigned counter;
        unsigned size;
        int status;
    } cases[] = {
        {"bl2", "1.0.0", 64, 1000, 400},  {"bl3", "1.0.0", 256, 1000, 400},
        {"bl2", "1.0", 1, 1000, 400},     {"bl3", "1.0.0x", 1, 1000, 400},
        {"bl3", "256.0.0", 1, 1000, 400}, {"bl2", "1.0.0", 1, 90000, 413},
        {"bl3", "1.0.0", 1, 470000, 413}, {"bl3", "1.0.0+", 1, 1000, 400},
        {"bl3", " 1.0.0", 1, 1000, 400},  {"bl3", "1.0.0+ 1", 1, 1000, 400},
        {"bl3", "-1.0.0", 1, 1000, 400},  {"bl3", "01.0.0", 1, 1000, 400},
        {"bl3", "1..0", 1, 1000, 400},    {"bl3", "1.0.65536", 1, 1000, 400},
        {"bl3", "1.0.0.0", 1, 1000, 400}, {"bl3", "1.0.0+4294967296", 1, 1000, 400},
    };
    char body[512];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(body, sizeof body,
                 "{\"kind\":\"%s\",\"family\":\"TEST\",\"version\":\"%s\",\"size\":%u,"
                 "\"security_counter\":%u,\"sha256_hex\":\"%064u\"}",
                 cases[i].kind, cases[i].version, cases[i].size, cases[i].counter, (unsigned)i);
        test_expect(world.admin, "POST", "/v1/uploads", body, cases[i].status,
                    cases[i].status == 400 ? "bad_request" : "too_large");
    }
}

static void programmer_sees_only_firmware_of_its_jobs(void **state) {
    struct test_programmer other;
    struct test_job job;
    struct http_answer answer;
    struct error error = {0};
    char path[128];

    (void)state;
    test_programmer_make(&world, "line-3", false, &other);
    snprintf(path, sizeof path, "/v1/firmware/%s/content", world.devauth_id);
    test_expect(other.client, "GET", path, NULL, 403, "denied");
    test_job_make(&world, &other, 1, NULL, &job);
    assert_int_equal(
        http_client_send(other.client, "GET", path, NULL, bytes_of(NULL, 0), &answer, &error), 0);
    assert_int_equal(answer.body.size, TEST_IMAGE_SIZE);
    http_answer_clear(&answer);
    /* Without an agreed key nothing can be exported to it. */
    snprintf(path, sizeof path, "/v1/jobs/%s/export", job.id);
    test_expect(world.admin, "POST", path, "{}", 409, "not_prepared");
    test_programmer_free(&other);
}

static void agreement_needs_the_programmers_signature(void **state) {
    char path[128], body[400];
    uint8_t point[65] = {4}, signature[64] = {1};
    char *point_text = base64_encode(bytes_of(point, 65));
    char *signature_text = base64_encode(bytes_of(signature, 64));

    (void)state;
    snprintf(path, sizeof path, "/v1/programmers/%s/agreement", programmer.id);
    snprintf(body, sizeof body, "{\"point_b64\":\"%s\",\"signature_b64\":\"%s\"}", point_text,
             signature_text);
    test_expect(world.admin, "POST", path, body, 400, "altered");
    snprintf(body, sizeof body, "{\"point_b64\":\"AAAA\",\"signature_b64\":\"%s\"}",
             signature_text);
    test_expect(world.admin, "POST", path, body, 400, "bad_request");
    free(point_text);
    free(signature_text);
}

static void signed_time_needs_a_nonce(void **state) {
    json_t *answer;

    (void)state;
    test_expect(programmer.client, "GET", "/v1/time", NULL, 400, "bad_request");
    test_expect(programmer.client, "GET", "/v1/time?nonce=12", NULL, 400, "bad_request");
    answer = test_get(programmer.client, "/v1/time?nonce=000102030405060708090a0b0c0d0e0f"
                                         "101112131415161718191a1b1c1d1e1f");
    assert_true(json_integer_value(json_object_get(answer, "time")) > 1700000000);
    assert_non_null(json_object_get(answer, "signed_b64"));
    json_decref(answer);
}

/* Certificates that only the holder of the CA key can make, each with one thing wrong. The test
 * borrows the server's token: SoftHSM has one per process, so the programmers' is closed. */
static struct http_client *client_of_ca(const struct authority *authority, const char *name,
                                        enum x509_profile profile, uint64_t now) {
    char certificate[192], key_path[192];
    struct buffer key = {0}, der = {0}, pem = {0};
    uint8_t public_key[64];
    struct error error;
    const struct authority_leaf leaf = {
        .profile = profile, .common_name = name, .public_key = public_key, .now = now, .days = 1};

    snprintf(certificate, sizeof certificate, "%s/%s.pem", world.directory, name);
    snprintf(key_path, sizeof key_path, "%s/%s.key", world.directory, name);
    assert_int_equal(x509_file_key_generate(&key, public_key, &error), 0);
    assert_int_equal(server_authority_issue(authority, &leaf, &der, &error), 0);
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&der), &pem, &error), 0);
    assert_int_equal(file_write_durable(certificate, buffer_bytes(&pem), 0600, &error), 0);
    assert_int_equal(file_write_durable(key_path, buffer_bytes(&key), 0600, &error), 0);
    buffer_free(&key);
    buffer_free(&der);
    buffer_free(&pem);
    return test_client(&world, certificate, key_path);
}

static void certificates_of_our_ca_are_not_enough(void **state) {
    uint64_t now = clock_now_s(&clock_system);
    struct http_client *unregistered, *server_role;
    struct authority authority;
    struct server_data data;
    struct error error;

    (void)state;
    hsm_close(world.key_store);
    world.key_store = NULL;
    assert_int_equal(server_data_load(&data, world.data, &error), 0);
    assert_int_equal(server_authority_open(&authority, &data, &error), 0);
    expect_no_tls(
        client_of_ca(&authority, "expired", X509_PROFILE_OEM_ADMIN, now - UINT64_C(432000)));
    expect_no_tls(client_of_ca(&authority, "future", X509_PROFILE_OEM_ADMIN, now + 86400));
    /* A job authority's certificate is no TLS client's. */
    expect_no_tls(client_of_ca(&authority, "signer", X509_PROFILE_JOB_AUTHORITY, now));
    unregistered = client_of_ca(&authority, "stranger", X509_PROFILE_OEM_ADMIN, now);
    server_role = client_of_ca(&authority, "gateway", X509_PROFILE_GATEWAY, now);
    test_expect(unregistered, "GET", "/v1/whoami", NULL, 403, "denied");
    test_expect(server_role, "GET", "/v1/whoami", NULL, 403, "denied");
    http_client_free(unregistered);
    http_client_free(server_role);
    server_authority_close(&authority);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_certificate_is_refused),
        cmocka_unit_test(foreign_ca_is_refused),
        cmocka_unit_test(roles_are_told_apart),
        cmocka_unit_test(every_route_denies_by_default),
        cmocka_unit_test(revoked_operator_is_locked_out_at_once),
        cmocka_unit_test(revoked_programmer_is_locked_out_at_once),
        cmocka_unit_test(unknown_routes_and_methods),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(a_tpm_that_is_only_claimed_is_refused),
        cmocka_unit_test(oversized_bodies_are_refused),
        cmocka_unit_test(orders_are_checked),
        cmocka_unit_test(firmware_is_kept_once),
        cmocka_unit_test(uploads_go_on_where_they_stopped),
        cmocka_unit_test(uploads_that_are_not_what_was_announced),
        cmocka_unit_test(parallel_ranges),
        cmocka_unit_test(forgotten_uploads),
        cmocka_unit_test(releases_fit_the_chip),
        cmocka_unit_test(programmer_sees_only_firmware_of_its_jobs),
        cmocka_unit_test(agreement_needs_the_programmers_signature),
        cmocka_unit_test(signed_time_needs_a_nonce),
        cmocka_unit_test(certificates_of_our_ca_are_not_enough),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
