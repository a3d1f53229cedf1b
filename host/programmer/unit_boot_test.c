/*
 * Units with firmware, against a chip and a server in memory: what a hostile or broken chip, cable,
 * server or power supply can do, and that the chip can be finished afterwards whenever it should.
 */
#include "programmer/unit.h"

#include "crypto/crypto.h"
#include "programmer/job_file.h"
#include "programmer/programmer.h"
#include "programmer/recovery.h"
#include "programmer/testing/fake_chip.h"
#include "programmer/testing/fake_line.h"
#include "programmer/testing/fake_server.h"
#include "programmer/testing/noisy_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT FAKE_LINE_COUNT
/* Patience where an answer is going to be missing. */
#define SHORT_ANSWER_MS 400

static const char *const step_names[] = {
    "attach",        "load",        "session",     "reserve",   "keys",    "csr",
    "certificate",   "install",     "verify",      "root_hash", "confirm", "bl2_challenge",
    "bl2_install",   "bl2_key",     "bl2_start",   "bl3_key",   "lock",    "debug_refused",
    "bl3_challenge", "bl3_install", "application", "record"};
#define STEP_COUNT (sizeof step_names / sizeof step_names[0])

/* What a test does to the unit while it runs. */
struct plan {
    struct fake_line *fixture;
    const char *stop_at;        /* the daemon is stopped when this step begins */
    const char *restart_at;     /* the chip loses power then */
    const char *close_debug_at; /* the debug server goes away then */
    const char *arm_at;         /* the fault is armed for the next message then */
    enum fake_chip_fault fault;
    const char *uart; /* another endpoint than the chip's */
    enum unit_mode mode;
    int answer_ms;
    unsigned steps; /* begun */
    char seen[512]; /* their names */
};

static void step_seen(struct plan *plan, const char *step) {
    size_t size = strlen(plan->seen);
    plan->steps++;
    (void)snprintf(plan->seen + size, sizeof plan->seen - size, "%s ", step);
}

static bool is_now(const char **wanted, const struct unit_progress *progress) {
    bool now = *wanted != NULL && strcmp(progress->state, *wanted) == 0;
    if (now)
        *wanted = NULL;
    return now;
}

static void on_progress(void *context, const struct unit_progress *progress) {
    struct plan *plan = context;
    assert_true(progress->percent <= 100);
    if (progress->message[0] == '\0')
        step_seen(plan, progress->state);
    if (is_now(&plan->stop_at, progress))
        atomic_store(&plan->fixture->programmer.stop, true);
    if (is_now(&plan->restart_at, progress))
        fake_chip_restart(&plan->fixture->chip);
    if (is_now(&plan->close_debug_at, progress))
        fake_chip_close_debug(&plan->fixture->chip);
    if (is_now(&plan->arm_at, progress))
        fake_chip_arm(&plan->fixture->chip, plan->fault, 1);
}

static int setup(void **state) {
    const struct fake_line_plan plan = {0};
    *state = fake_line_make(&plan);
    return 0;
}

static int setup_open(void **state) {
    const struct fake_line_plan plan = {.debug = "open"};
    *state = fake_line_make(&plan);
    return 0;
}

static int teardown(void **state) {
    fake_line_free(*state);
    return 0;
}

static void run(struct fake_line *fixture, struct plan *plan, struct unit_result *result) {
    struct error error;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    plan->fixture = fixture;
    image_store_open(&fixture->images, fixture->directory, fixture->programmer.server);
    const struct unit_order order = {
        .mode = plan->mode,
        .job = job,
        .server = fixture->programmer.server,
        .identity = &fixture->programmer.identity,
        .key_store = &fixture->programmer.key_store,
        .firmware = &fixture->firmware,
        .images = &fixture->images,
        .clock = &oem_clock,
        .stop = &fixture->programmer.stop,
        .site = {"left", fake_chip_debug(&fixture->chip),
                 plan->uart != NULL ? plan->uart : fake_chip_uart(&fixture->chip)},
        .answer_ms = plan->answer_ms,
        .on_progress = on_progress,
        .context = plan,
    };
    unit_run(&order, result);
    image_store_close(&fixture->images);
    programmer_job_release(&fixture->programmer, job);
}

static void expect_end(const struct unit_result *result, enum unit_end end) {
    if (result->end != end)
        fail_msg("ended as %d at %s: %s", (int)result->end, result->step, result->error.message);
}

static void expect_error(const struct unit_result *result, enum unit_end end, const char *step,
                         enum error_code code) {
    expect_end(result, end);
    if (result->error.code != code)
        fail_msg("%s: %s", error_name(result->error.code), result->error.message);
    assert_string_equal(result->step, step);
}

static void numbers_of(struct fake_line *fixture, struct job_numbers *numbers) {
    struct error error;
    struct ledger_head head;
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    assert_int_equal(job_sync(job, fixture->programmer.server, &error), 0);
    job_journal_numbers(job->journal, numbers);
    job_journal_head(job->journal, &head);
    assert_int_equal(head.sequence, fake_server.ledger.sequence);
    assert_memory_equal(head.hash, fake_server.ledger.hash, 32);
    programmer_job_release(&fixture->programmer, job);
}

static struct job_unit unit_of(struct fake_line *fixture, const uint8_t uid[16]) {
    struct error error;
    struct job_unit unit = {0};
    struct job *job = programmer_job_use(&fixture->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    for (size_t i = 0; job_journal_unit(job->journal, i, &unit); i++)
        if (memcmp(unit.uid, uid, 16) == 0)
            break;
    programmer_job_release(&fixture->programmer, job);
    return unit;
}

/* Both sides agree: so many chips, each counted once and finished, nothing open, nothing left. */
static void expect_settled(struct fake_line *fixture, uint32_t done) {
    struct job_numbers numbers;
    numbers_of(fixture, &numbers);
    assert_int_equal(numbers.done, done);
    assert_int_equal(numbers.identified, done);
    assert_int_equal(numbers.booting, 0);
    assert_int_equal(numbers.remaining, COUNT - done);
    assert_int_equal(numbers.open, 0);
    assert_int_equal(numbers.unreported, 0);
    assert_int_equal(fake_server.used, done);
    assert_int_equal(fake_server_done(), done);
    assert_int_equal(fake_server_valid_certificates(), done);
}

static void expect_bounded(struct fake_line *fixture) {
    struct job_numbers numbers;
    assert_true(fake_server_valid_certificates() <= 1);
    assert_true(fake_server.used <= 1);
    numbers_of(fixture, &numbers);
    assert_true(numbers.remaining >= COUNT - 1);
}

/* Whatever was done to it, the chip gets to its end, and once. */
static void finish_chip(struct fake_line *fixture) {
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    if (result.end != UNIT_END_ALREADY_DONE)
        expect_end(&result, UNIT_END_DONE);
    assert_true(fake_chip_stage(&fixture->chip) == DEVAUTH_STAGE_APPLICATION);
    expect_settled(fixture, 1);
}

static void test_blank_chip(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct plan again = {0};
    struct unit_result result;
    char all[512] = "";
    for (size_t i = 0; i < STEP_COUNT; i++)
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", step_names[i]);
    (void)snprintf(all + strlen(all), sizeof all - strlen(all), "done ");
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_string_equal(plan.seen, all);
    assert_true(result.reported);
    assert_false(result.resumed);
    assert_int_equal(fake_chip_stage(&fixture->chip), DEVAUTH_STAGE_APPLICATION);
    assert_int_equal(fake_chip_life(&fixture->chip), 2);
    assert_true(fixture->chip.debug_locked);
    assert_int_equal(unit_of(fixture, fixture->chip.uid).state, JOB_UNIT_DONE);
    expect_settled(fixture, 1);
    /* again: nothing is made, nothing is counted, and no debug port is asked for */
    run(fixture, &again, &result);
    expect_end(&result, UNIT_END_ALREADY_DONE);
    assert_string_equal(again.seen, "attach session ");
    fake_line_restart(fixture);
    run(fixture, &again, &result);
    expect_end(&result, UNIT_END_ALREADY_DONE);
    expect_settled(fixture, 1);
}

static void test_debug_left_open(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_null(strstr(plan.seen, "lock "));
    assert_null(strstr(plan.seen, "debug_refused"));
    assert_int_equal(fake_chip_life(&fixture->chip), 1);
    expect_settled(fixture, 1);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_ALREADY_DONE);
    expect_settled(fixture, 1);
}

static void test_job_ends_at_its_count(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    for (uint32_t i = 1; i <= COUNT; i++) {
        run(fixture, &plan, &result);
        expect_end(&result, UNIT_END_DONE);
        expect_settled(fixture, i);
        fake_line_new_chip(fixture);
    }
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "reserve", ERROR_JOB_FULL);
    expect_settled(fixture, COUNT);
}

static void test_stopped_at_every_step(void **state) {
    struct fake_line *fixture = *state;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct plan plan = {.stop_at = step_names[i]};
        struct unit_result result;
        run(fixture, &plan, &result);
        assert_int_not_equal(result.end, UNIT_END_DONE);
        fake_line_restart(fixture);
        expect_bounded(fixture);
    }
    finish_chip(fixture);
}

static void test_power_lost_at_every_step(void **state) {
    struct fake_line *fixture = *state;
    for (size_t i = 2; i < STEP_COUNT; i++) {
        struct plan plan = {.restart_at = step_names[i], .answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        run(fixture, &plan, &result);
        assert_null(plan.restart_at); /* it was lost indeed */
        fake_line_restart(fixture);
        expect_bounded(fixture);
        finish_chip(fixture);
        fake_line_start_over(fixture);
        fake_line_new_chip(fixture);
    }
}

/* The message after each step's beginning is lost, or its answer. */
static void fault_at_every_step(struct fake_line *fixture, enum fake_chip_fault fault) {
    for (size_t i = 2; i < STEP_COUNT; i++) {
        struct plan plan = {.arm_at = step_names[i], .fault = fault, .answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        run(fixture, &plan, &result);
        assert_null(plan.arm_at);
        assert_true(fixture->chip.fault_hit);
        fake_line_restart(fixture);
        expect_bounded(fixture);
        finish_chip(fixture);
        fake_line_start_over(fixture);
        fake_line_new_chip(fixture);
    }
}

static void test_request_lost_at_every_step(void **state) {
    fault_at_every_step(*state, CHIP_LOSES_REQUEST);
}

static void test_answer_lost_at_every_step(void **state) {
    fault_at_every_step(*state, CHIP_LOSES_ANSWER);
}

static void test_power_lost_within_every_step(void **state) {
    fault_at_every_step(*state, CHIP_LOSES_POWER);
}

/* Any message of a whole unit, not only the first of a step. */
static void fault_at_messages(struct fake_line *fixture, enum fake_chip_fault fault,
                              unsigned stride) {
    unsigned hits = 0;
    for (unsigned message = 1 + stride / 2;; message += stride) {
        struct plan plan = {.answer_ms = SHORT_ANSWER_MS};
        struct unit_result result;
        fake_chip_arm(&fixture->chip, fault, message);
        run(fixture, &plan, &result);
        bool hit = fixture->chip.fault_hit;
        hits += hit ? 1 : 0;
        fake_chip_arm(&fixture->chip, CHIP_NO_FAULT, 0);
        fake_line_restart(fixture);
        expect_bounded(fixture);
        finish_chip(fixture);
        if (!hit)
            break;
        fake_line_start_over(fixture);
        fake_line_new_chip(fixture);
    }
    assert_true(hits >= 8);
}

static void test_answers_lost(void **state) {
    fault_at_messages(*state, CHIP_LOSES_ANSWER, 7);
}

static void test_power_lost(void **state) {
    fault_at_messages(*state, CHIP_LOSES_POWER, 11);
}

#define CALLS_MAX 40

static void server_fault_at_every_call(struct fake_line *fixture, enum fake_fault fault,
                                       unsigned span) {
    unsigned hits = 0;
    for (unsigned call = 1; call <= CALLS_MAX; call++) {
        struct plan plan = {0};
        struct unit_result result;
        unsigned before = fake_server.calls;
        fake_server.fault = fault;
        fake_server.refusal = ERROR_DENIED;
        fake_server.fault_call = before + call;
        fake_server.fault_span = span;
        run(fixture, &plan, &result);
        bool hit = fake_server.calls >= before + call;
        hits += hit ? 1 : 0;
        fake_line_restart(fixture);
        expect_bounded(fixture);
        if (fault != FAKE_REFUSES || result.end == UNIT_END_DONE)
            finish_chip(fixture);
        else /* a clear no ends the unit: an open one could never be closed */
            assert_int_not_equal(result.end, UNIT_END_OPEN);
        if (!hit)
            break;
        fake_line_start_over(fixture);
        fake_line_new_chip(fixture);
    }
    assert_true(hits >= 12);
}

static void test_server_away_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_AWAY, 1);
}

static void test_server_gone_from_every_call_on(void **state) {
    server_fault_at_every_call(*state, FAKE_AWAY, 1000);
}

static void test_server_answer_lost_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_ANSWER_LOST, 1);
}

static void test_server_refuses_at_every_call(void **state) {
    server_fault_at_every_call(*state, FAKE_REFUSES, 1);
}

/* A unit that failed with an identity stays counted, and its chip is not taken again. */
static void expect_lost(struct fake_line *fixture, const struct unit_result *result) {
    struct plan plan = {0};
    struct unit_result again;
    struct job_numbers numbers;
    assert_int_equal(result->end, UNIT_END_FAILED);
    assert_true(result->reported);
    numbers_of(fixture, &numbers);
    assert_int_equal(numbers.failed, 1);
    assert_int_equal(numbers.remaining, COUNT - 1);
    assert_int_equal(fake_server.used, 1);
    assert_int_equal(fake_server_valid_certificates(), 0);
    run(fixture, &plan, &again);
    expect_error(&again, UNIT_END_FAILED, "session", ERROR_DEVICE_REFUSED);
    assert_non_null(strstr(again.error.message, "failed at"));
    numbers_of(fixture, &numbers);
    assert_int_equal(numbers.remaining, COUNT - 1);
}

static void test_chip_lies_in_its_measurements(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.lies_about_bl2 = true;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "bl3_challenge", ERROR_ATTESTATION_REFUSED);
    expect_lost(fixture, &result);
}

static void test_debug_still_open_after_lock(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.debug_stays_open = true;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "debug_refused", ERROR_DEVICE_UNTRUSTED);
    expect_lost(fixture, &result);
}

static void test_lock_that_never_comes(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.never_locks = true;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "lock", ERROR_DEVICE_UNTRUSTED);
    expect_lost(fixture, &result);
}

/* Opens a unit that did not end well, and finishes it once the reason is gone. */
static void expect_open_and_finish(struct fake_line *fixture, const struct unit_result *result,
                                   const char *step, enum error_code code) {
    expect_error(result, UNIT_END_OPEN, step, code);
    fake_line_restart(fixture);
    expect_bounded(fixture);
    finish_chip(fixture);
}

static void test_lock_not_executed(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.ignores_lock = true;
    run(fixture, &plan, &result);
    fixture->chip.ignores_lock = false;
    expect_open_and_finish(fixture, &result, "lock", ERROR_DEVICE_UNTRUSTED);
}

/* A debug server that is down keeps everybody out of an open chip, too. */
static void test_no_proof_without_debug_server(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.close_debug_at = "lock"};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_OPEN, "debug_refused", ERROR_DEVICE_DEBUG);
    assert_int_equal(fake_chip_life(&fixture->chip), 2);
    /* it is still away */
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_OPEN, "debug_refused", ERROR_DEVICE_DEBUG);
    assert_int_equal(fake_server_done(), 0);
}

static void test_no_proof_by_a_silent_debug_server(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "debug_refused"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fixture->chip.debug_is_silent = true;
    run(fixture, &plan, &result);
    fixture->chip.debug_is_silent = false;
    expect_open_and_finish(fixture, &result, "debug_refused", ERROR_DEVICE_DEBUG);
}

static void test_chip_refuses_bl2(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.refuses_image = IMAGE_REASON_HASH;
    run(fixture, &plan, &result);
    assert_non_null(strstr(result.error.message, "hash"));
    fixture->chip.refuses_image = 0;
    expect_open_and_finish(fixture, &result, "bl2_install", ERROR_IMAGE_REFUSED);
}

static void test_chip_refuses_bl3(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "bl3_install"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fixture->chip.refuses_image = IMAGE_REASON_COUNTER_LOW;
    run(fixture, &plan, &result);
    assert_non_null(strstr(result.error.message, "counter_low"));
    fixture->chip.refuses_image = 0;
    expect_open_and_finish(fixture, &result, "bl3_install", ERROR_IMAGE_REFUSED);
}

static void test_chip_lies_about_the_digest(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.lies_about_digest = true;
    run(fixture, &plan, &result);
    fixture->chip.lies_about_digest = false;
    expect_open_and_finish(fixture, &result, "bl2_install", ERROR_DEVICE_UNTRUSTED);
}

/* BL2 signed with another key than goes to OTP: seen before the chip would be left without BL2. */
static void test_bl2_of_another_key(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fake_server.serves_other_tlvs = true;
    run(fixture, &plan, &result);
    assert_non_null(strstr(result.error.message, "key"));
    fake_server.serves_other_tlvs = false;
    expect_open_and_finish(fixture, &result, "bl2_key", ERROR_IMAGE_REFUSED);
}

static void test_server_sends_another_body(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fake_server.serves_other_body = true;
    run(fixture, &plan, &result);
    fake_server.serves_other_body = false;
    expect_open_and_finish(fixture, &result, "bl2_challenge", ERROR_UNTRUSTED_SOFTWARE);
}

static void test_server_gives_another_firmware(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fake_server.images[0].id[4] = '7';
    run(fixture, &plan, &result);
    fake_server.images[0].id[4] = '0';
    expect_open_and_finish(fixture, &result, "bl2_challenge", ERROR_UNTRUSTED_SOFTWARE);
}

/* A body that was altered on this machine's disk is fetched again. */
static void test_cached_body_is_verified(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    scratch_write(fixture->directory, "firmware/fw-00000000000000b2.body", bytes_of("x", 1));
    fake_line_new_chip(fixture);
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    expect_settled(fixture, 2);
}

static void test_chip_changes_its_uid(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "bl2_start"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    plan.stop_at = NULL;
    fixture->chip.changes_uid = true;
    fake_chip_restart(&fixture->chip); /* comes back with another */
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "session", ERROR_DEVICE_REFUSED);
    fixture->chip.changes_uid = true;
    fake_chip_restart(&fixture->chip); /* and back again */
    finish_chip(fixture);
}

static void test_chip_swapped_in_mid_unit(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.changes_uid = true; /* at the first reset, which is bl2_start's */
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_OPEN, "bl2_start", ERROR_DEVICE_UNTRUSTED);
    fixture->chip.changes_uid = true;
    fake_chip_restart(&fixture->chip);
    finish_chip(fixture);
}

/* A blank chip that shows the UID of one with an identity: a copy. The unit is not its. */
static void test_copied_uid(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "bl3_key"};
    struct unit_result result;
    uint8_t uid[16];
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    plan.stop_at = NULL;
    /* the same memory, without what makes it the original */
    memcpy(uid, fixture->chip.uid, 16);
    uint8_t otp[sizeof fixture->chip.otp];
    size_t issued_size = fixture->chip.issued_size;
    memcpy(otp, fixture->chip.otp, sizeof otp);
    memset(fixture->chip.otp, 0xFF, sizeof otp);
    fixture->chip.issued_size = 0;
    fake_chip_restart(&fixture->chip);
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "session", ERROR_UID_UNDER_OTHER_KEY);
    assert_int_equal(unit_of(fixture, uid).state, JOB_UNIT_IDENTIFIED);
    /* the original goes on */
    memcpy(fixture->chip.otp, otp, sizeof otp);
    fixture->chip.issued_size = issued_size;
    fake_chip_restart(&fixture->chip);
    finish_chip(fixture);
}

/* The chip of another job, or of another programmer. */
static void test_foreign_chip(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    finish_chip(fixture);
    fake_line_start_over(fixture);
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "session", ERROR_DEVICE_REFUSED);
    assert_int_equal(fake_server.used, 0);
}

static void test_nonces_expire(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fake_server.expires = 2;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    expect_settled(fixture, 1);
    fake_line_new_chip(fixture);
    fake_server.expires = 100;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_OPEN, "bl2_challenge", ERROR_CHALLENGE_EXPIRED);
    fake_server.expires = 0;
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    expect_settled(fixture, 2);
}

/* The server is away when the record is due: it is kept, and sent without the chip. */
static void test_record_is_sent_later(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "record"};
    struct unit_result result;
    struct job_unit unit;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 2; /* challenge, then the record */
    fake_server.fault_span = 1000;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_OPEN, "record", ERROR_OFFLINE);
    unit = unit_of(fixture, fixture->chip.uid);
    assert_int_equal(unit.state, JOB_UNIT_RECORDED);
    assert_int_equal(fake_server_done(), 0);
    fake_line_restart(fixture);
    assert_int_equal(unit_of(fixture, fixture->chip.uid).state, JOB_UNIT_DONE);
    expect_settled(fixture, 1);
    finish_chip(fixture);
}

/* It has grown too old for the server meanwhile: the chip is asked again. */
static void test_record_grows_old(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "record"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 2;
    fake_server.fault_span = 1000;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_OPEN, "record", ERROR_OFFLINE);
    fake_server.expires = 2;
    fake_line_restart(fixture);
    assert_int_equal(unit_of(fixture, fixture->chip.uid).state, JOB_UNIT_RECORDED);
    finish_chip(fixture);
}

/* The record file is gone or damaged: the same. */
static void test_record_lost_here(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "record"};
    struct unit_result result;
    char name[128];
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fake_server.fault = FAKE_AWAY;
    fake_server.fault_call = fake_server.calls + 2;
    fake_server.fault_span = 1000;
    run(fixture, &plan, &result);
    (void)snprintf(name, sizeof name, "jobs/" OEM_JOB_ID "/units/%s.record", result.uid);
    scratch_write(fixture->directory, name, bytes_of("nonsense", 8));
    fake_line_restart(fixture);
    finish_chip(fixture);
}

/* A secured chip whose firmware is broken is repaired, not started over. */
static void test_secured_chip_with_broken_bl3(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "record"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fixture->chip.slots[1].data[2000] ^= 1;
    fake_chip_restart(&fixture->chip);
    assert_int_equal(fake_chip_stage(&fixture->chip), DEVAUTH_STAGE_BOOTLOADER);
    plan = (struct plan){0};
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_non_null(strstr(plan.seen, "bl3_install"));
    assert_null(strstr(plan.seen, "lock "));
    assert_null(strstr(plan.seen, "load"));
    expect_settled(fixture, 1);
}

static void test_secured_chip_with_broken_bl2(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {.stop_at = "bl3_install"};
    struct unit_result result;
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    fixture->chip.slots[0].data[2000] ^= 1;
    fake_chip_restart(&fixture->chip);
    assert_int_equal(fake_chip_stage(&fixture->chip), DEVAUTH_STAGE_BOOT_ROM);
    plan = (struct plan){0};
    run(fixture, &plan, &result);
    expect_end(&result, UNIT_END_DONE);
    assert_non_null(strstr(plan.seen, "bl2_install bl2_start"));
    assert_null(strstr(plan.seen, "load"));
    expect_settled(fixture, 1);
}

static void test_application_that_does_not_start(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.stays_in_bootloader = true;
    run(fixture, &plan, &result);
    fixture->chip.stays_in_bootloader = false;
    expect_open_and_finish(fixture, &result, "application", ERROR_IMAGE_REFUSED);
}

static void test_devauth_that_does_not_ask(void **state) {
    struct fake_line *fixture = *state;
    struct plan plan = {0};
    struct unit_result result;
    fixture->chip.session_without_ask = true;
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "session", ERROR_DEVICE_UNTRUSTED);
    assert_int_equal(fake_server.used, 0);
}

static void test_dry_run(void **state) {
    struct fake_line *fixture = *state;
    struct plan dry = {.mode = UNIT_DRY_RUN};
    struct plan plan = {.stop_at = "bl3_key"};
    struct unit_result result;
    run(fixture, &dry, &result);
    expect_end(&result, UNIT_END_PLANNED);
    assert_string_equal(result.step, "reserve");
    assert_int_equal(fake_server.used, 0);
    assert_int_equal(fake_chip_stage(&fixture->chip), DEVAUTH_STAGE_BOOT_ROM);
    assert_false(fixture->chip.has_keys);
    expect_settled(fixture, 0);
    run(fixture, &plan, &result);
    fake_line_restart(fixture);
    run(fixture, &dry, &result);
    expect_end(&result, UNIT_END_PLANNED);
    assert_string_equal(result.step, "bl3_key");
    assert_int_equal(unit_of(fixture, fixture->chip.uid).state, JOB_UNIT_IDENTIFIED);
    finish_chip(fixture);
    run(fixture, &dry, &result);
    expect_end(&result, UNIT_END_PLANNED);
    assert_string_equal(result.step, "done");
    expect_settled(fixture, 1);
}

static void noise(struct fake_line *fixture, enum noise kind, unsigned period) {
    char endpoint[160];
    struct plan plan = {.answer_ms = 1500};
    struct unit_result result;
    struct noisy_line *line =
        noisy_line_start(fixture->directory, fake_chip_uart(&fixture->chip), kind, period);
    (void)snprintf(endpoint, sizeof endpoint, "%s", noisy_line_endpoint(line));
    plan.uart = endpoint;
    run(fixture, &plan, &result);
    assert_true(noisy_line_stop(line) > 0);
    fake_line_restart(fixture);
    expect_bounded(fixture);
    finish_chip(fixture);
}

static void test_garbage_between_bytes(void **state) {
    noise(*state, NOISE_INSERT, 2003);
}

static void test_flipped_bits(void **state) {
    noise(*state, NOISE_FLIP, 3001);
}

static void test_lost_bytes(void **state) {
    noise(*state, NOISE_DROP, 4001);
}

/* Only one of BL2 and BL3, or a setting from the future. */
static void settings_refused(struct fake_line *fixture) {
    struct plan plan = {0};
    struct unit_result result;
    fixture->package.sequence++;
    fake_line_import(fixture);
    run(fixture, &plan, &result);
    expect_error(&result, UNIT_END_FAILED, "attach", ERROR_BAD_PACKAGE);
    assert_int_equal(fake_server.used, 0);
}

static void test_contradicting_settings(void **state) {
    struct fake_line *fixture = *state;
    fake_line_setting(fixture, "debug", "ajar");
    settings_refused(fixture);
    fixture->package.setting_count = 1;
    settings_refused(fixture);
}

int main(int argc, char **argv) {
    if (argc > 1) /* one case, by name */
        cmocka_set_test_filter(argv[1]);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_blank_chip),
        cmocka_unit_test_setup_teardown(test_debug_left_open, setup_open, teardown),
        CASE(test_job_ends_at_its_count),
        CASE(test_stopped_at_every_step),
        CASE(test_power_lost_at_every_step),
        CASE(test_request_lost_at_every_step),
        CASE(test_answer_lost_at_every_step),
        CASE(test_power_lost_within_every_step),
        CASE(test_answers_lost),
        CASE(test_power_lost),
        CASE(test_server_away_at_every_call),
        CASE(test_server_gone_from_every_call_on),
        CASE(test_server_answer_lost_at_every_call),
        CASE(test_server_refuses_at_every_call),
        CASE(test_chip_lies_in_its_measurements),
        CASE(test_debug_still_open_after_lock),
        CASE(test_lock_that_never_comes),
        CASE(test_lock_not_executed),
        CASE(test_no_proof_without_debug_server),
        CASE(test_no_proof_by_a_silent_debug_server),
        CASE(test_chip_refuses_bl2),
        CASE(test_chip_refuses_bl3),
        CASE(test_chip_lies_about_the_digest),
        CASE(test_bl2_of_another_key),
        CASE(test_server_sends_another_body),
        CASE(test_server_gives_another_firmware),
        CASE(test_cached_body_is_verified),
        CASE(test_chip_changes_its_uid),
        CASE(test_chip_swapped_in_mid_unit),
        CASE(test_copied_uid),
        CASE(test_foreign_chip),
        CASE(test_nonces_expire),
        CASE(test_record_is_sent_later),
        CASE(test_record_grows_old),
        CASE(test_record_lost_here),
        CASE(test_secured_chip_with_broken_bl3),
        CASE(test_secured_chip_with_broken_bl2),
        CASE(test_application_that_does_not_start),
        CASE(test_devauth_that_does_not_ask),
        CASE(test_dry_run),
        CASE(test_garbage_between_bytes),
        CASE(test_flipped_bits),
        CASE(test_lost_bytes),
        CASE(test_contradicting_settings),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
