/*
 * Whole units with firmware on a virtual board: the real boot_rom, DevAuth, bootloader and
 * application, images signed and encrypted for the chip, its debug port locked in the end. What a
 * chip can do wrong on purpose is in unit_boot_test.c.
 *
 * On the native board; with NUSEC_TEST_BOARD=m23 on the Cortex-M one under QEMU, where it takes
 * long, for a look at the times.
 */
#include "programmer/unit.h"

#include "base/json.h"
#include "crypto/crypto.h"
#include "programmer/testing/fake_line.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/noisy_line.h"
#include "virtual_board/testing_virtual_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Patience where an answer is going to be missing; a busy machine must not use it up. */
#define SHORT_ANSWER_MS 1500
/* Pages of 2 KiB: BL2's slot, and the one BL3 is started from (docs/formats/virtual_board.md). */
#define PAGE          2048u
#define BL2_OFFSET    0u
#define PRIMARY_FIRST 44u

static const char *const boot_steps[] = {
    "bl2_challenge", "bl2_install",   "bl2_key",     "bl2_start",   "bl3_key", "lock",
    "debug_refused", "bl3_challenge", "bl3_install", "application", "record"};
#define STEP_COUNT (sizeof boot_steps / sizeof boot_steps[0])

struct fixture {
    enum board_kind kind;
    struct buffer devauth;
    struct buffer bl2;
    struct buffer bl3;
    struct fake_line *line;
    struct testing_board board;
};

struct plan {
    struct fixture *fixture;
    const char *stop_at; /* the daemon is stopped when this step begins */
    const char *cut_at;  /* the board loses power then */
    const char *uart;
    int answer_ms;
    char seen[512];
    double began[32]; /* of each step, for print_times */
    unsigned count;
};

static void on_progress(void *context, const struct unit_progress *progress) {
    struct plan *plan = context;
    size_t size = strlen(plan->seen);
    assert_true(progress->percent <= 100);
    if (progress->message[0] == '\0' && plan->count < 32) {
        plan->began[plan->count++] = progress->seconds;
        (void)snprintf(plan->seen + size, sizeof plan->seen - size, "%s ", progress->state);
    }
    if (plan->stop_at != NULL && strcmp(progress->state, plan->stop_at) == 0)
        atomic_store(&plan->fixture->line->programmer.stop, true);
    if (plan->cut_at != NULL && strcmp(progress->state, plan->cut_at) == 0) {
        plan->cut_at = NULL;
        assert_string_equal(testing_board_control(&plan->fixture->board, "power-cut"), "ok");
    }
}

static enum board_kind kind_wanted(void) {
    const char *wanted = getenv("NUSEC_TEST_BOARD");
    return wanted != NULL && strcmp(wanted, "m23") == 0 ? BOARD_QEMU : BOARD_NATIVE;
}

static int setup_job(void **state, const char *debug) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->kind = kind_wanted();
    const char *folder = testing_board_firmware(fixture->kind);
    scratch_read(folder, "devauth.bin", &fixture->devauth);
    scratch_read(folder, "bootloader.bin", &fixture->bl2);
    scratch_read(folder, "application.bin", &fixture->bl3);
    const struct fake_line_plan plan = {
        .debug = debug,
        .chip_family = fixture->kind == BOARD_NATIVE ? "NATIVE" : "AN505-M23",
        .devauth = &fixture->devauth,
        .bl2 = &fixture->bl2,
        .bl3 = &fixture->bl3,
    };
    fixture->line = fake_line_make(&plan);
    testing_board_make(&fixture->board, fixture->kind);
    assert_int_equal(testing_board_start(&fixture->board), -1);
    *state = fixture;
    return 0;
}

static int setup(void **state) {
    return setup_job(state, NULL);
}

static int setup_open(void **state) {
    return setup_job(state, "open");
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    testing_board_remove(&fixture->board);
    fake_line_free(fixture->line);
    buffer_free(&fixture->devauth);
    buffer_free(&fixture->bl2);
    buffer_free(&fixture->bl3);
    free(fixture);
    return 0;
}

static void start_over(struct fixture *fixture) {
    fake_line_start_over(fixture->line);
    testing_board_remove(&fixture->board);
    testing_board_make(&fixture->board, fixture->kind);
    assert_int_equal(testing_board_start(&fixture->board), -1);
}

static void run(struct fixture *fixture, struct plan *plan, struct unit_result *result) {
    struct error error;
    struct fake_line *line = fixture->line;
    char debug[128];
    char uart[128];
    struct job *job = programmer_job_use(&line->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    (void)snprintf(debug, sizeof debug, "%s", testing_board_endpoint(&fixture->board, "debug"));
    (void)snprintf(uart, sizeof uart, "%s",
                   plan->uart != NULL ? plan->uart
                                      : testing_board_endpoint(&fixture->board, "uart"));
    plan->fixture = fixture;
    image_store_open(&line->images, line->directory, line->programmer.server);
    const struct unit_order order = {
        .job = job,
        .server = line->programmer.server,
        .identity = &line->programmer.identity,
        .key_store = &line->programmer.key_store,
        .firmware = &line->firmware,
        .images = &line->images,
        .clock = &oem_clock,
        .stop = &line->programmer.stop,
        .site = {"left", debug, uart},
        .answer_ms = plan->answer_ms,
        .start_ms = plan->answer_ms * 2,
        .on_progress = on_progress,
        .context = plan,
    };
    unit_run(&order, result);
    image_store_close(&line->images);
    programmer_job_release(&line->programmer, job);
}

static void expect_end(const struct unit_result *result, enum unit_end end) {
    if (result->end != end)
        fail_msg("ended as %d at %s: %s", (int)result->end, result->step, result->error.message);
}

static void expect_settled(struct fixture *fixture, uint32_t done) {
    struct error error;
    struct job_numbers numbers;
    struct job *job = programmer_job_use(&fixture->line->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    assert_int_equal(job_sync(job, fixture->line->programmer.server, &error), 0);
    job_journal_numbers(job->journal, &numbers);
    programmer_job_release(&fixture->line->programmer, job);
    assert_int_equal(numbers.done, done);
    assert_int_equal(numbers.booting, 0);
    assert_int_equal(numbers.open, 0);
    assert_int_equal(numbers.unreported, 0);
    assert_int_equal(numbers.remaining, FAKE_LINE_COUNT - done);
    assert_int_equal(fake_server.used, done);
    assert_int_equal(fake_server_done(), done);
}

static void finish_chip(struct fixture *fixture) {
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    if (result.end != UNIT_END_ALREADY_DONE)
        expect_end(&result, UNIT_END_DONE);
    expect_settled(fixture, 1);
}

static void power_on(struct fixture *fixture) {
    assert_string_equal(testing_board_control(&fixture->board, "power-on"), "ok");
}

static void print_times(const struct plan *plan, const struct unit_result *result) {
    if (getenv("NUSEC_TEST_BOARD") == NULL)
        return;
    char names[sizeof plan->seen];
    char *rest = NULL;
    memcpy(names, plan->seen, sizeof names);
    const char *name = strtok_r(names, " ", &rest);
    for (unsigned i = 0; i + 1 < plan->count && name != NULL; i++) {
        (void)printf("%-14s %6.2f s\n", name, plan->began[i + 1] - plan->began[i]);
        name = strtok_r(NULL, " ", &rest);
    }
    (void)printf("whole unit %.2f s, link %.2f s, %llu bytes\n", result->seconds, result->link_s,
                 (unsigned long long)result->link_bytes);
}

static void test_blank_chip(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct plan again = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    print_times(&plan, &result);
    for (size_t i = 0; i < STEP_COUNT; i++)
        assert_non_null(strstr(plan.seen, boot_steps[i]));
    assert_non_null(strstr(testing_board_control(&fixture->board, "status"), "debug=locked"));
    expect_settled(fixture, 1);
    run(fixture, &again, &result);
    expect_end(&result, UNIT_END_ALREADY_DONE);
    assert_string_equal(again.seen, "attach session ");
    /* and it still starts by itself */
    assert_string_equal(testing_board_control(&fixture->board, "power-cut"), "ok");
    power_on(fixture);
    fake_line_restart(fixture->line);
    run(fixture, &again, &result);
    expect_end(&result, UNIT_END_ALREADY_DONE);
    expect_settled(fixture, 1);
}

static void test_debug_left_open(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_null(strstr(plan.seen, "lock "));
    assert_non_null(strstr(testing_board_control(&fixture->board, "status"), "debug=open"));
    expect_settled(fixture, 1);
}

static void test_stopped_at_every_step(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct plan plan = {.stop_at = boot_steps[i]};
        struct unit_result result;
        run(fixture, &plan, &result);
        expect_end(&result, UNIT_END_OPEN);
        assert_string_equal(result.step, boot_steps[i]);
        fake_line_restart(fixture->line);
    }
    finish_chip(fixture);
}

static void test_power_cut_at_every_step(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct plan plan = {.cut_at = boot_steps[i], .answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        run(fixture, &plan, &result);
        assert_null(plan.cut_at);
        power_on(fixture);
        fake_line_restart(fixture->line);
        if (result.end == UNIT_END_DONE || result.end == UNIT_END_ALREADY_DONE)
            break;
    }
    finish_chip(fixture);
}

/* Power fails in the middle of a flash or OTP operation, in each phase of a unit. */
static void test_torn_writes(void **state) {
    struct fixture *fixture = *state;
    static const unsigned places[] = {1, 7, 40, 170, 330, 700};
    unsigned torn = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct plan stopped = {.stop_at = "bl2_install"};
        struct plan plan = {.answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        char command[24];
        run(fixture, &stopped, &result);
        fake_line_restart(fixture->line);
        (void)snprintf(command, sizeof command, "tear %u", places[i]);
        assert_string_equal(testing_board_control(&fixture->board, command), "ok");
        run(fixture, &plan, &result);
        torn += testing_board_status(&fixture->board, "torn") == 1 ? 1 : 0;
        assert_string_equal(testing_board_control(&fixture->board, "power-cut"), "ok");
        power_on(fixture);
        fake_line_restart(fixture->line);
        finish_chip(fixture);
        start_over(fixture);
    }
    assert_true(torn >= 4);
}

/* So many times a chip may have to be put in again on a line like this. */
#define NOISY_RUNS 4

static void noise(struct fixture *fixture, enum noise kind, unsigned period) {
    char endpoint[128];
    struct plan plan = {.answer_ms = SHORT_ANSWER_MS};
    struct unit_result result;
    struct noisy_line *line = noisy_line_start(
        fixture->line->directory, testing_board_endpoint(&fixture->board, "uart"), kind, period);
    (void)snprintf(endpoint, sizeof endpoint, "%s", noisy_line_endpoint(line));
    plan.uart = endpoint;
    for (int i = 0; i < NOISY_RUNS; i++) {
        run(fixture, &plan, &result);
        if (result.end == UNIT_END_DONE)
            break;
    }
    assert_true(noisy_line_stop(line) > 0);
    fake_line_restart(fixture->line);
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

static void damage(struct fixture *fixture, uint32_t offset) {
    uint8_t byte = 0;
    assert_string_equal(testing_board_control(&fixture->board, "power-cut"), "ok");
    testing_board_peek(&fixture->board, offset, &byte, 1);
    byte ^= 0x10;
    testing_board_poke(&fixture->board, offset, &byte, 1);
    power_on(fixture);
}

/* Secured chips whose flash went bad are repaired over the UART. */
static void test_broken_bl3(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {.stop_at = "record"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture->line);
    damage(fixture, PRIMARY_FIRST * PAGE + 0x404);
    plan = (struct plan){0};
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_non_null(strstr(plan.seen, "bl3_install"));
    expect_settled(fixture, 1);
}

static void test_broken_bl2(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {.stop_at = "bl3_challenge"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture->line);
    damage(fixture, BL2_OFFSET + 0x404);
    plan = (struct plan){0};
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_non_null(strstr(plan.seen, "bl2_install bl2_start"));
    expect_settled(fixture, 1);
}

static json_t *chip_call(struct fixture *fixture, control_method_function *method,
                         const char *uid) {
    struct error error;
    char debug[128];
    (void)snprintf(debug, sizeof debug, "%s", testing_board_endpoint(&fixture->board, "debug"));
    json_t *params = json_pack("{s:{s:s,s:s,s:s}}", "site", "name", "left", "debug", debug, "uart",
                               testing_board_endpoint(&fixture->board, "uart"));
    if (uid != NULL)
        (void)json_object_set_new(params, "uid", json_string(uid));
    json_t *result = oem_call(&fixture->line->programmer, method, params, &error);
    if (result == NULL)
        fail_msg("%s: %s", error_name(error.code), error.message);
    return result;
}

static void expect_text(const json_t *object, const char *key, const char *value) {
    assert_string_equal(json_string_value(json_object_get(object, key)), value);
}

static void test_show_and_rma(void **state) {
    struct fixture *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    json_t *shown = chip_call(fixture, programmer_chip_show, NULL);
    expect_text(shown, "stage", "application");
    expect_text(shown, "life_cycle", "secured");
    expect_text(shown, "chain", "verified");
    expect_text(json_object_get(json_object_get(shown, "boot"), "primary"), "version", "2.1.0+7");
    assert_int_equal(json_array_size(json_object_get(shown, "measurements")), 7);
    json_decref(shown);
    fake_server.rma_authorised = true;
    json_decref(chip_call(fixture, programmer_chip_rma, result.uid));
    shown = chip_call(fixture, programmer_chip_show, NULL);
    expect_text(shown, "stage", "boot_rom");
    expect_text(shown, "life_cycle", "rma");
    json_decref(shown);
    assert_non_null(strstr(testing_board_control(&fixture->board, "status"), "debug=open"));
}

int main(int argc, char **argv) {
    if (argc > 1) /* one case, by name */
        cmocka_set_test_filter(argv[1]);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_blank_chip),
        cmocka_unit_test_setup_teardown(test_debug_left_open, setup_open, teardown),
        CASE(test_stopped_at_every_step),
        CASE(test_power_cut_at_every_step),
        CASE(test_torn_writes),
        CASE(test_garbage_between_bytes),
        CASE(test_flipped_bits),
        CASE(test_lost_bytes),
        CASE(test_broken_bl3),
        CASE(test_broken_bl2),
        CASE(test_show_and_rma),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
