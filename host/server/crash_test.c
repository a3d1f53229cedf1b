/* SIGKILL at random points, a token that goes away: nothing is lost, nothing is counted twice. */
#include "server/test_world.h"

#include "base/encoding.h"
#include "base/ledger.h"
#include "crypto/crypto.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define UNITS 60
#define KILLS 12

static struct test_world world;
static struct test_programmer programmer;
static struct error error;

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

static uint32_t random_below(uint32_t bound) {
    uint8_t octets[4];

    assert_int_equal(crypto_random(octets, sizeof octets), STATUS_OK);
    return (uint32_t)(octets[0] | octets[1] << 8 | octets[2] << 16) % bound;
}

/* A process of its own that kills the server at some moment during the next requests. */
static pid_t start_killer(void) {
    pid_t killer = fork();

    if (killer == 0) {
        usleep(random_below(25000));
        kill(world.server, SIGKILL);
        _exit(0);
    }
    return killer;
}

struct campaign {
    pid_t killer; /* 0: none is out */
    unsigned kills;
};

static void restart(struct campaign *campaign) {
    assert_int_not_equal(campaign->killer, 0);
    assert_int_equal(waitpid(campaign->killer, NULL, 0), campaign->killer);
    campaign->killer = 0;
    campaign->kills++;
    test_server_kill(&world);
    test_server_start(&world);
    test_programmer_connect(&world, &programmer);
}

/* What a programmer does after a restart: the same step again until it was answered. */
static void unit_through_crashes(struct campaign *campaign, const struct test_job *job,
                                 struct test_chip *chip) {
    uint8_t nonce[32];

    assert_int_equal(crypto_random(nonce, sizeof nonce), STATUS_OK);
    while (test_reserve(&programmer, job, chip, 1, &error) != 201)
        restart(campaign);
    while (test_certify(&programmer, chip, &error) != 200) {
        /* The chip signs its request anew, so an answer that was lost cannot be asked for again:
         * the certificate is read from the device table by whoever resumes. Here: a new attempt. */
        if (error.code == ERROR_UID_UNDER_OTHER_KEY) {
            while (test_status(&programmer, chip, "failed", &error) != 200)
                restart(campaign);
            while (test_reserve(&programmer, job, chip, 2, &error) != 201)
                restart(campaign);
            continue;
        }
        restart(campaign);
    }
    while (test_permit(&programmer, chip, nonce, &error) != 200)
        restart(campaign);
    while (test_status(&programmer, chip, "identified", &error) != 200)
        restart(campaign);
}

/* Both ends of the server's ledger, and every hash between. */
static void check_ledger(const struct test_job *job) {
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;
    char path[200];
    struct ledger_head head = {0};
    struct ledger_entry entry;

    snprintf(path, sizeof path, "%s/server.db", world.data);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT entry FROM ledger_server WHERE job_id=?"
                                        " ORDER BY sequence",
                                        -1, &row, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(row, 1, job->id, -1, SQLITE_STATIC);
    while (sqlite3_step(row) == SQLITE_ROW)
        assert_int_equal(ledger_extend(&head,
                                       bytes_of(sqlite3_column_blob(row, 0),
                                                (size_t)sqlite3_column_bytes(row, 0)),
                                       &entry, &error),
                         0);
    sqlite3_finalize(row);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT ledger_sequence, ledger_hash FROM jobs WHERE id=?",
                                        -1, &row, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(row, 1, job->id, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(row, 0), head.sequence);
    assert_memory_equal(sqlite3_column_blob(row, 1), head.hash, LEDGER_HASH_SIZE);
    sqlite3_finalize(row);
    sqlite3_close(db);
    assert_true(head.sequence >= UINT64_C(4) * UNITS);
}

static void check_device(const struct test_chip *chip) {
    char path[128], uid[33];
    json_t *row;

    hex_encode_upper(bytes_of(chip->uid, 16), uid);
    snprintf(path, sizeof path, "/v1/devices/%s", uid);
    row = test_get(world.admin, path);
    assert_string_equal(json_string_value(json_object_get(row, "unit_state")), "identified");
    assert_string_equal(json_string_value(json_object_get(row, "certificate_state")), "valid");
    assert_string_equal(json_string_value(json_object_get(row, "certificate_sha256_hex")),
                        chip->certificate_hash_hex);
    json_decref(row);
}

static void killed_at_random_points(void **state) {
    struct campaign campaign = {0};
    struct test_chip *chips = calloc(UNITS, sizeof *chips);
    struct test_job job;

    (void)state;
    test_job_make(&world, &programmer, UNITS, NULL, &job);
    test_job_export(&world, &programmer, &job);
    test_job_activate(&programmer, &job);
    for (int i = 0; i < UNITS; i++) {
        test_chip_make(&chips[i]);
        if (campaign.killer == 0 && campaign.kills < KILLS)
            campaign.killer = start_killer();
        unit_through_crashes(&campaign, &job, &chips[i]);
    }
    if (campaign.killer != 0)
        restart(&campaign);
    assert_true(campaign.kills >= 5);
    assert_int_equal(test_count(&world, &job, "identified"), UNITS);
    assert_int_equal(test_count(&world, &job, "remaining"), 0);
    assert_int_equal(test_count(&world, &job, "reserved"), 0);
    assert_int_equal(
        test_sql_number(&world, "SELECT count(*) FROM certificates WHERE state='valid'"), UNITS);
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM units WHERE counted=1"), UNITS);
    assert_int_equal(test_sql_number(&world, "SELECT used FROM jobs"), UNITS);
    check_ledger(&job);
    for (int i = 0; i < UNITS; i++) {
        check_device(&chips[i]);
        test_chip_free(&chips[i]);
    }
    free(chips);
}

static void move_tokens(const char *from, const char *to) {
    char source[200], target[200];

    snprintf(source, sizeof source, "%s/%s", world.data, from);
    snprintf(target, sizeof target, "%s/%s", world.data, to);
    assert_int_equal(rename(source, target), 0);
}

static void a_token_that_goes_away_and_comes_back(void **state) {
    struct test_job job;
    struct test_chip chip;
    char path[128];
    int64_t packages;

    (void)state;
    test_job_make(&world, &programmer, 3, NULL, &job);
    test_job_export(&world, &programmer, &job);
    test_job_activate(&programmer, &job);
    packages = test_sql_number(&world, "SELECT max(sequence) FROM jobs");
    snprintf(path, sizeof path, "/v1/jobs/%s/export", job.id);
    move_tokens("tokens", "tokens.away");
    test_expect(world.admin, "POST", path, "{}", 503, "hsm_unavailable");
    /* Nothing half-written: the older package is still the right one. */
    assert_int_equal(test_sql_number(&world, "SELECT max(sequence) FROM jobs"), packages);
    move_tokens("tokens.away", "tokens");
    test_chip_make(&chip);
    test_unit(&programmer, &job, &chip);
    test_job_export(&world, &programmer, &job);
    json_decref(test_get(world.admin, "/healthz"));
    test_chip_free(&chip);
}

static void a_clean_stop_and_start_keeps_everything(void **state) {
    int64_t events = test_sql_number(&world, "SELECT count(*) FROM events");

    (void)state;
    test_server_stop(&world);
    test_server_start(&world);
    test_programmer_connect(&world, &programmer);
    assert_true(events > UNITS);
    assert_int_equal(test_sql_number(&world, "SELECT count(*) FROM events"), events);
    json_decref(test_get(programmer.client, "/v1/whoami"));
}

/* A connection that sends a request, sometimes not all of it, and goes away: closed, or cut (RST,
 * which may also lose the request). */
static void send_and_vanish(SSL_CTX *context, const char *request, bool is_cut) {
    const struct linger cut = {.l_onoff = is_cut, .l_linger = 0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    SSL *ssl = SSL_new(context);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(strrchr(world.url, ':') + 1, NULL, 10));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_true(SSL_write(ssl, request, (int)strlen(request)) > 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &cut, sizeof cut);
    usleep(random_below(3000));
    close(fd);
    SSL_free(ssl);
}

/* Requests whose client is gone while they wait for a worker, the token or a commit. */
static void clients_that_vanish_hurt_nobody(void **state) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct test_job job;
    struct test_chip chip;
    char request[700], body[300], uid[33];

    (void)state;
    assert_int_equal(SSL_CTX_use_certificate_chain_file(context, programmer.certificate_path), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, programmer.key_path, SSL_FILETYPE_PEM),
                     1);
    test_job_make(&world, &programmer, 1000, NULL, &job);
    test_job_export(&world, &programmer, &job);
    test_job_activate(&programmer, &job);
    for (int i = 0; i < 150; i++) {
        test_chip_make(&chip);
        hex_encode_upper(bytes_of(chip.uid, 16), uid);
        snprintf(body, sizeof body, "{\"uid\":\"%s\",\"token_b64\":\"%s\"}", uid, job.token_b64);
        snprintf(request, sizeof request,
                 "POST /v1/jobs/%s/units HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 job.id, i % 5 == 0 ? strlen(body) + 1 : strlen(body), body);
        send_and_vanish(context, request, i % 2 == 0);
        test_chip_free(&chip);
    }
    SSL_CTX_free(context);
    test_chip_make(&chip);
    test_unit(&programmer, &job, &chip);
    assert_true(test_count(&world, &job, "reserved") > 50);
    assert_int_equal(test_sql_number(&world, "SELECT max(used - (SELECT count(*) FROM units WHERE "
                                             "job_id=jobs.id)) FROM jobs WHERE count=1000"),
                     0);
    test_chip_free(&chip);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random_points),
        cmocka_unit_test(a_token_that_goes_away_and_comes_back),
        cmocka_unit_test(clients_that_vanish_hurt_nobody),
        cmocka_unit_test(a_clean_stop_and_start_keeps_everything),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
