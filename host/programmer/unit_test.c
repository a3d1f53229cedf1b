/*
 * Whole units against the native virtual board and a server in memory, cut off at every point:
 * whatever happens, the chip can be finished afterwards, it counts once, and there are never more
 * valid certificates than chips.
 */
#include "programmer/unit.h"

#include "base/encoding.h"
#include "base/json.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "programmer/programmer.h"
#include "programmer/recovery.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/noisy_line.h"
#include "programmer/testing/oem.h"
#include "virtual_board/testing_virtual_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT  3
#define FAMILY "NATIVE"
/* Patience where an answer is going to be missing; long enough for a board that makes keys on a
 * busy machine, because a false alarm costs a retry. */
#define SHORT_ANSWER_MS 1500

static const char *const step_names[] = {"attach", "load",      "session",     "reserve",
                                         "keys",   "csr",       "certificate", "install",
                                         "verify", "root_hash", "confirm"};
#define STEP_COUNT (sizeof step_names / sizeof step_names[0])

struct fixture {
    char *directory;
    struct programmer programmer;
    struct oem oem;
    struct package package;
    struct testing_board board;
    struct firmware firmware;
};

/* What a test does to the unit while it runs. */
struct plan {
    const char *serial;
    struct fixture *fixture;
    const char *stop_at; /* the daemon is stopped when this step begins */
    const char *cut_at;  /* the board loses power then */
    const char *uart;    /* another endpoint than the board's */
    int answer_ms;       /* 0: the default */
    unsigned events;
};

static void on_progress(void *context, const struct unit_progress *progress) {
    struct plan *plan = context;
    plan->events++;
    assert_true(progress->percent <= 100);
    if (plan->stop_at != NULL && strcmp(progress->state, plan->stop_at) == 0)
        atomic_store(&plan->fixture->programmer.stop, true);
    if (plan->cut_at != NULL && strcmp(progress->state, plan->cut_at) == 0) {
        plan->cut_at = NULL;
        assert_string_equal(testing_board_control(&plan->fixture->board, "power-cut"), "ok");
    }
}

static void firmware_offer(struct fixture *fixture) {
    struct buffer *image = &fake_server.firmware;
    char id[17];
    uint8_t digest[32];
    scratch_read(testing_board_firmware(BOARD_NATIVE), "devauth.bin", image);
    boot_key_manifest(&fixture->oem.boot_key, MANIFEST_KIND_DEVAUTH, FAMILY, 1, buffer_bytes(image),
                      &fake_server.firmware_manifest);
    crypto_sha256(buffer_bytes(image), digest);
    hex_encode(bytes_of(digest, 8), id);
    (void)snprintf(fixture->package.devauth_id, sizeof fixture->package.devauth_id, "fw-%s", id);
}

static void import(struct fixture *fixture) {
    struct error error;
    struct buffer encoded = {0};
    oem_seal(&fixture->oem, &fixture->package, &encoded);
    json_t *result =
        oem_call(&fixture->programmer, programmer_package_import,
                 json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&encoded))), &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    json_decref(result);
    buffer_free(&encoded);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error error;
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    oem_open_programmer(&fixture->programmer, fixture->directory);
    oem_make(&fixture->oem, fixture->directory);
    fake_server_reset(&fixture->oem);
    fake_server.job_known = true;
    oem_prepare(&fixture->oem, &fixture->programmer);
    fixture->package = oem_package(&fixture->oem, 1, COUNT, FAMILY, "");
    firmware_offer(fixture);
    import(fixture);
    const struct firmware_order order = {
        .state_directory = fixture->directory,
        .id = fixture->package.devauth_id,
        .chip_family = FAMILY,
        .boot_key = fixture->oem.boot_key.public_key,
    };
    if (firmware_get(fixture->programmer.server, &order, &fixture->firmware, &error) != 0)
        fail_msg("%s", error.message);
    testing_board_make(&fixture->board, BOARD_NATIVE);
    assert_int_equal(testing_board_start(&fixture->board), -1);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    testing_board_remove(&fixture->board);
    firmware_free(&fixture->firmware);
    programmer_close(&fixture->programmer);
    oem_free(&fixture->oem);
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

/* A chip that never saw a programmer. */
static void new_board(struct fixture *fixture) {
    testing_board_remove(&fixture->board);
    testing_board_make(&fixture->board, BOARD_NATIVE);
    assert_int_equal(testing_board_start(&fixture->board), -1);
}

static void run(struct fixture *fixture, struct plan *plan, struct unit_result *result) {
    struct error error;
    char debug[128];
    char uart[128];
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    (void)snprintf(debug, sizeof debug, "%s", testing_board_endpoint(&fixture->board, "debug"));
    (void)snprintf(uart, sizeof uart, "%s",
                   plan->uart != NULL ? plan->uart
                                      : testing_board_endpoint(&fixture->board, "uart"));
    plan->fixture = fixture;
    const struct unit_order order = {
        .job = job,
        .server = fixture->programmer.server,
        .identity = &fixture->programmer.identity,
        .key_store = &fixture->programmer.key_store,
        .firmware = &fixture->firmware,
        .clock = &oem_clock,
        .stop = &fixture->programmer.stop,
        .site = {"left", debug, uart, plan->serial},
        .answer_ms = plan->answer_ms,
        .on_progress = on_progress,
        .context = plan,
    };
    unit_run(&order, result);
    programmer_job_release(&fixture->programmer, job);
}

static void expect_end(const struct unit_result *result, enum unit_end end) {
    if (result->end != end)
        fail_msg("ended as %d at %s: %s", (int)result->end, result->step, result->error.message);
}

/* The daemon is gone and comes back; so does the server. */
static void restart(struct fixture *fixture) {
    struct error error;
    programmer_close(&fixture->programmer);
    fake_server.fault = FAKE_NO_FAULT;
    fake_server.fault_call = 0;
    oem_open_programmer(&fixture->programmer, fixture->directory);
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    if (recovery_run(job, fixture->programmer.server, &error) != 0)
        fail_msg("%s", error.message);
    programmer_job_release(&fixture->programmer, job);
}

static void numbers_of(struct fixture *fixture, struct job_numbers *numbers,
                       struct ledger_head *head) {
    struct error error;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    assert_int_equal(job_sync(job, fixture->programmer.server, &error), 0);
    job_journal_numbers(job->journal, numbers);
    job_journal_head(job->journal, head);
    programmer_job_release(&fixture->programmer, job);
}

/* Both sides agree: so many chips, each counted once, nothing open, nothing left over. */
static void expect_settled(struct fixture *fixture, uint32_t identified) {
    struct job_numbers numbers;
    struct ledger_head head;
    numbers_of(fixture, &numbers, &head);
    assert_int_equal(numbers.identified, identified);
    assert_int_equal(numbers.remaining, COUNT - identified);
    assert_int_equal(numbers.open, 0);
    assert_int_equal(numbers.unreported, 0);
    assert_int_equal(fake_server.used, identified);
    assert_int_equal(fake_server_identified(), identified);
    assert_int_equal(fake_server_valid_certificates(), identified);
    assert_int_equal(head.sequence, fake_server.ledger.sequence);
    assert_memory_equal(head.hash, fake_server.ledger.hash, 32);
}

/* Never more than one certificate for one chip, at no time. */
static void expect_bounded(struct fixture *fixture) {
    struct job_numbers numbers;
    struct ledger_head head;
    assert_true(fake_server_valid_certificates() <= 1);
    assert_true(fake_server.used <= 1);
    numbers_of(fixture, &numbers, &head);
    assert_true(numbers.remaining >= COUNT - 1);
}

static void finish_chip(struct fixture *fixture) {
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    if (result.end != UNIT_END_ALREADY)
        expect_end(&result, UNIT_END_IDENTIFIED);
    expect_settled(fixture, 1);
}

/* The server hears how long each step took, in the result as well, and the board's serial number.
 */
static void test_the_line_is_told(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {.serial = "SN 1"};
    struct unit_result result;
    uint64_t sum = 0;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_IDENTIFIED);
    assert_int_equal(result.step_count, STEP_COUNT);
    assert_int_equal(fake_server.step_count, STEP_COUNT);
    assert_string_equal(result.steps[0].name, "attach");
    assert_string_equal(result.steps[STEP_COUNT - 1].name, "confirm");
    for (size_t i = 0; i < result.step_count; i++)
        sum += result.steps[i].milliseconds;
    assert_true(sum > 0 && (double)sum <= result.seconds * 1000.0 + 1.0);
    assert_string_equal(fake_server.serial, "SN 1");
    assert_string_equal(fake_server.site, "left");
}

static void test_blank_chip(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_IDENTIFIED);
    assert_true(result.reported);
    assert_false(result.resumed);
    assert_string_equal(result.step, "done");
    assert_int_equal(strlen(result.uid), 32);
    assert_true(plan.events >= STEP_COUNT + 1);
    assert_true(result.link_bytes > 5000);
    expect_settled(fixture, 1);
    /* again: nothing is made, nothing is counted */
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_ALREADY);
    expect_settled(fixture, 1);
    restart(fixture);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_ALREADY);
    expect_settled(fixture, 1);
}

static void test_job_ends_at_its_count(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    for (uint32_t i = 1; i <= COUNT; i++) {
        run(fixture, &plan, &result);
        expect_end(&result, UNIT_END_IDENTIFIED);
        expect_settled(fixture, i);
        new_board(fixture);
    }
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_int_equal(result.error.code, ERROR_JOB_FULL);
    assert_string_equal(result.step, "reserve");
    expect_settled(fixture, COUNT);
}

static void test_stopped_at_every_step(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct plan plan = {.stop_at = step_names[i]};
        struct unit_result result;
        run(fixture, &plan, &result);
        assert_int_not_equal(result.end, UNIT_END_IDENTIFIED);
        restart(fixture);
        expect_bounded(fixture);
    }
    finish_chip(fixture);
}

static void reimport(struct fixture *fixture) {
    fixture->package.sequence++;
    import(fixture);
}

/* The programmer and the server forget the job and get it anew. */
static void start_over(struct fixture *fixture) {
    char path[160];
    programmer_close(&fixture->programmer);
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/ledger", fixture->directory);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/acknowledged.json",
                   fixture->directory);
    (void)unlink(path); /* not there if nothing was ever sent */
    fake_server_reset(&fixture->oem);
    fake_server.job_known = true;
    oem_open_programmer(&fixture->programmer, fixture->directory);
    reimport(fixture);
}

/* Calls of a unit: reserve, certify, permit, report, and the ledger around them. */
#define CALLS_MAX 14

static void server_fault_at_every_call(struct fixture *fixture, enum fake_fault fault,
                                       unsigned span, enum error_code refusal) {
    unsigned hits = 0;
    for (unsigned call = 1; call <= CALLS_MAX; call++) {
        struct plan plan = {0};
        struct unit_result result;
        unsigned before = fake_server.calls;
        fake_server.fault = fault;
        fake_server.refusal = refusal;
        fake_server.fault_call = before + call;
        fake_server.fault_span = span;
        run(fixture, &plan, &result);
        bool hit = fake_server.calls >= before + call;
        hits += hit ? 1 : 0;
        /* A clear no ends the unit: an open one could never be closed. */
        assert_true(refusal != ERROR_DENIED || result.end != UNIT_END_OPEN);
        restart(fixture);
        expect_bounded(fixture);
        finish_chip(fixture);
        if (!hit)
            break;
        start_over(fixture);
        new_board(fixture);
    }
    assert_true(hits >= 4);
}

static void test_server_away_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_AWAY, 1, ERROR_NONE);
}

static void test_server_gone_from_every_call_on(void **state) {
    server_fault_at_every_call(*state, FAKE_AWAY, 1000, ERROR_NONE);
}

static void test_answer_lost_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_ANSWER_LOST, 1, ERROR_NONE);
}

static void test_server_refuses_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_REFUSES, 1, ERROR_DENIED);
}

static void test_job_paused_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_REFUSES, 1, ERROR_JOB_PAUSED);
}

static void power_on(struct fixture *fixture) {
    assert_string_equal(testing_board_control(&fixture->board, "power-on"), "ok");
}

static void test_power_cut_at_every_step(void **state) {
    struct fixture *fixture = *state;
    /* "load" is over before its event could cut anything but the debug port */
    for (size_t i = 1; i < STEP_COUNT; i++) {
        struct plan plan = {.cut_at = step_names[i], .answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        /* On a busy machine a run may end in a timeout before it gets to the step. */
        for (unsigned attempt = 0; attempt < 3 && plan.cut_at != NULL; attempt++)
            run(fixture, &plan, &result);
        assert_null(plan.cut_at); /* something was cut */
        power_on(fixture);
        restart(fixture);
        expect_bounded(fixture);
        if (result.end == UNIT_END_IDENTIFIED || result.end == UNIT_END_ALREADY)
            break;
    }
    finish_chip(fixture);
}

/* How many flash and OTP operations a whole unit takes. */
static unsigned count_operations(struct fixture *fixture) {
    long before = testing_board_status(&fixture->board, "operations");
    finish_chip(fixture);
    long after = testing_board_status(&fixture->board, "operations");
    assert_true(after > before + 8);
    return (unsigned)(after - before);
}

/* Power fails in the middle of a flash or OTP operation and tears the cell: among the first, the
 * last (where OTP is written), and some in between. */
#define TORN_EDGE    3
#define TORN_BETWEEN 2

static unsigned torn_operation(unsigned index, unsigned operations) {
    if (index < TORN_EDGE)
        return index + 1;
    if (index < 2 * TORN_EDGE)
        return operations - (index - TORN_EDGE);
    return TORN_EDGE +
           (index - 2 * TORN_EDGE + 1) * (operations - 2 * TORN_EDGE) / (TORN_BETWEEN + 1);
}

static void test_torn_writes(void **state) {
    struct fixture *fixture = *state;
    unsigned operations = count_operations(fixture);
    for (unsigned i = 0; i < 2 * TORN_EDGE + TORN_BETWEEN; i++) {
        struct plan plan = {.answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        char command[24];
        start_over(fixture);
        new_board(fixture);
        (void)snprintf(command, sizeof command, "tear %u", torn_operation(i, operations));
        assert_string_equal(testing_board_control(&fixture->board, command), "ok");
        run(fixture, &plan, &result);
        assert_int_equal(testing_board_status(&fixture->board, "torn"), 1);
        power_on(fixture);
        restart(fixture);
        expect_bounded(fixture);
        finish_chip(fixture);
    }
}

static void noise(struct fixture *fixture, enum noise kind, unsigned period) {
    char endpoint[128];
    struct plan plan = {.answer_ms = SHORT_ANSWER_MS};
    struct unit_result result;
    struct noisy_line *line = noisy_line_start(
        fixture->directory, testing_board_endpoint(&fixture->board, "uart"), kind, period);
    (void)snprintf(endpoint, sizeof endpoint, "%s", noisy_line_endpoint(line));
    plan.uart = endpoint;
    run(fixture, &plan, &result);
    assert_true(noisy_line_stop(line) > 0); /* the line was noisy indeed */
    restart(fixture);
    expect_bounded(fixture);
    finish_chip(fixture);
}

static void test_garbage_between_bytes(void **state) {
    noise(*state, NOISE_INSERT, 4001);
}

static void test_flipped_bits(void **state) {
    noise(*state, NOISE_FLIP, 5003);
}

static void test_lost_bytes(void **state) {
    noise(*state, NOISE_DROP, 6007);
}

static void test_dead_line(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {.uart = "unix:/nonexistent/uart"};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_string_equal(result.step, "session");
    expect_settled(fixture, 0);
    finish_chip(fixture);
}

static void test_no_debug_port(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    assert_int_equal(testing_board_stop(&fixture->board), 0);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_string_equal(result.step, "attach");
    expect_settled(fixture, 0);
}

static void test_uid_not_listed(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    uint8_t uids[32] = {0};
    fixture->package.uids = uids;
    fixture->package.uid_count = 2;
    reimport(fixture);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_int_equal(result.error.code, ERROR_UID_NOT_LISTED);
    expect_settled(fixture, 0);
    assert_int_equal(hex_decode(result.uid, uids + 16, 16), 0);
    reimport(fixture);
    finish_chip(fixture);
}

static void test_other_family(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    (void)snprintf(fixture->package.chip_family, sizeof fixture->package.chip_family, "OTHER");
    reimport(fixture);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_int_equal(result.error.code, ERROR_DEVICE_REFUSED);
    assert_string_equal(result.step, "session");
    expect_settled(fixture, 0);
}

/* A chip that was made under another job, or by somebody else. */
static void test_chip_with_a_foreign_identity(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    finish_chip(fixture);
    start_over(fixture);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_int_equal(result.error.code, ERROR_DEVICE_REFUSED);
    assert_string_equal(result.step, "session");
    expect_settled(fixture, 0);
}

static void board_create(const struct testing_board *board, const char *uid) {
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl(NUSEC_VIRTUAL_BOARD, NUSEC_VIRTUAL_BOARD, "--state", board->directory,
                    "--native", "--uid", uid, "create", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A blank chip that shows the UID of one that is identified: a copy. */
static void test_copied_uid(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    char uid[33];
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_IDENTIFIED);
    memcpy(uid, result.uid, sizeof uid);
    testing_board_remove(&fixture->board);
    testing_board_make(&fixture->board, BOARD_NATIVE);
    board_create(&fixture->board, uid);
    assert_int_equal(testing_board_start(&fixture->board), -1);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_FAILED);
    assert_string_equal(result.uid, uid);
    assert_int_equal(result.error.code, ERROR_UID_UNDER_OTHER_KEY);
    expect_settled(fixture, 1);
}

int main(int argc, char **argv) {
    if (argc > 1) /* one case, by name */
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_line_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blank_chip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_ends_at_its_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_away_at_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_gone_from_every_call_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_lost_at_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_refuses_at_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_paused_at_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_cut_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_between_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_debug_port, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uid_not_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_family, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chip_with_a_foreign_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copied_uid, setup, teardown),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
