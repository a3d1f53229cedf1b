/* The counter against ledgers in files; the TPM's is a number here (tpm_test.c has a real one). */
#include "programmer/counter.h"

#include "crypto/crypto.h"
#include "programmer/job_journal.h"
#include "programmer/key_store_backend.h"
#include "programmer/testing/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE 41

/* A TPM's counter. */
struct number {
    uint64_t value;
    bool exists;
    bool is_away;
    unsigned raises_to_fail; /* the next so many raises do nothing: power was cut */
};

static int number_state(const struct number *number, struct error *error) {
    if (number->is_away)
        return error_set(error, ERROR_HSM_UNAVAILABLE, "the TPM does not answer");
    if (!number->exists)
        return error_set(error, ERROR_NOT_FOUND, "the counter is gone from the TPM");
    return 0;
}

static int number_make(void *keys, uint32_t *index, uint64_t *value, struct error *error) {
    struct number *number = keys;
    (void)error;
    *number = (struct number){.value = BASE, .exists = true};
    *index = 7;
    *value = BASE;
    return 0;
}

static int number_read(void *keys, uint32_t index, uint64_t *value, struct error *error) {
    const struct number *number = keys;
    assert_int_equal(index, 7);
    *value = number->value;
    return number_state(number, error);
}

static int number_raise(void *keys, uint32_t index, struct error *error) {
    struct number *number = keys;
    assert_int_equal(index, 7);
    if (number_state(number, error) != 0)
        return -1;
    if (number->raises_to_fail > 0) {
        number->raises_to_fail--;
        return error_set(error, ERROR_HSM_UNAVAILABLE, "the TPM does not answer");
    }
    number->value++;
    return 0;
}

static const struct key_store_backend backend = {
    .counter_make = number_make, .counter_read = number_read, .counter_raise = number_raise};
static const struct key_store_backend without = {0};

struct fixture {
    char *directory;
    struct number number;
    struct key_store store;
    struct counter *counter;
    struct job_journal *journals[2];
};

static struct error error;

static char *path_of(const struct fixture *fixture, const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    return path;
}

/* As a daemon that starts: the two ledgers that are there, then the counter. */
static void start(struct fixture *fixture) {
    static const char *const names[] = {"a", "b"};
    assert_int_equal(
        counter_open(&fixture->counter, &fixture->store, fixture->directory, false, &error), 0);
    for (int i = 0; i < 2; i++) {
        uint64_t last = 0;
        uint64_t units = 0;
        assert_int_equal(
            job_journal_open(path_of(fixture, names[i]), &fixture->journals[i], &error), 0);
        job_journal_counted(fixture->journals[i], &last, &units);
        job_journal_use_counter(fixture->journals[i], fixture->counter);
        counter_add(fixture->counter, last, units);
    }
    counter_settle(fixture->counter);
}

static void stop(struct fixture *fixture) {
    counter_close(fixture->counter);
    job_journal_close(fixture->journals[0]);
    job_journal_close(fixture->journals[1]);
    fixture->counter = NULL;
    fixture->journals[0] = fixture->journals[1] = NULL;
}

static void restart(struct fixture *fixture) {
    stop(fixture);
    start(fixture);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->directory = scratch_make();
    fixture->store = (struct key_store){.backend = &backend, .keys = &fixture->number};
    assert_int_equal(
        counter_open(&fixture->counter, &fixture->store, fixture->directory, true, &error), 0);
    counter_close(fixture->counter);
    start(fixture);
    for (int i = 0; i < 2; i++)
        assert_int_equal(job_journal_imported(fixture->journals[i], "job", 1, 100, 1, &error), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    stop(fixture);
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

/* One chip more under a job. */
static int reserve(struct fixture *fixture, int job) {
    static uint8_t next;
    uint8_t uid[JOB_UID_SIZE] = {(uint8_t)(job + 1), ++next};
    struct job_unit unit;
    return job_journal_reserve(fixture->journals[job], uid, &unit, &error);
}

static void keep(const struct fixture *fixture, const char *name, struct buffer *copy) {
    scratch_read(fixture->directory, name, copy);
}

static void put_back(const struct fixture *fixture, const char *name, struct buffer *copy) {
    scratch_write(fixture->directory, name, buffer_bytes(copy));
    buffer_free(copy);
}

static void expect_agreed(struct fixture *fixture) {
    assert_int_equal(counter_check(fixture->counter, &error), 0);
    assert_int_equal(counter_problem(fixture->counter, &error), 0);
}

static void expect_rolled_back(struct fixture *fixture) {
    assert_int_equal(counter_check(fixture->counter, &error), -1);
    assert_int_equal(error.code, ERROR_LEDGER_ROLLED_BACK);
    assert_int_equal(counter_problem(fixture->counter, &error), -1);
    assert_int_equal(error.code, ERROR_LEDGER_ROLLED_BACK);
    uint64_t before = fixture->number.value;
    assert_int_equal(reserve(fixture, 0), -1);
    assert_int_equal(error.code, ERROR_LEDGER_ROLLED_BACK);
    assert_int_equal(reserve(fixture, 1), -1);
    assert_int_equal(fixture->number.value, before);
}

static void every_reservation_is_counted_once(void **state) {
    struct fixture *fixture = *state;
    expect_agreed(fixture);
    for (int i = 0; i < 6; i++)
        assert_int_equal(reserve(fixture, i % 2), 0);
    assert_int_equal(fixture->number.value, BASE + 6);
    restart(fixture);
    expect_agreed(fixture);
    assert_int_equal(reserve(fixture, 1), 0);
    assert_int_equal(fixture->number.value, BASE + 7);
}

static void an_open_unit_is_not_counted_again(void **state) {
    struct fixture *fixture = *state;
    const uint8_t uid[JOB_UID_SIZE] = {9};
    struct job_unit unit;
    assert_int_equal(job_journal_reserve(fixture->journals[0], uid, &unit, &error), 0);
    assert_int_equal(job_journal_reserve(fixture->journals[0], uid, &unit, &error), 0);
    assert_int_equal(fixture->number.value, BASE + 1);
}

static void an_older_copy_of_everything_is_found(void **state) {
    struct fixture *fixture = *state;
    struct buffer a = {0};
    struct buffer b = {0};
    assert_int_equal(reserve(fixture, 0), 0);
    keep(fixture, "a", &a);
    keep(fixture, "b", &b);
    assert_int_equal(reserve(fixture, 0), 0);
    stop(fixture);
    put_back(fixture, "a", &a);
    put_back(fixture, "b", &b);
    start(fixture);
    expect_rolled_back(fixture);
}

/* The newest reservation stands in the other ledger, so the highest value alone would not do. */
static void an_older_copy_of_one_job_is_found(void **state) {
    struct fixture *fixture = *state;
    struct buffer a = {0};
    keep(fixture, "a", &a);
    assert_int_equal(reserve(fixture, 0), 0);
    assert_int_equal(reserve(fixture, 1), 0);
    stop(fixture);
    put_back(fixture, "a", &a);
    start(fixture);
    expect_rolled_back(fixture);
    restart(fixture);
    expect_rolled_back(fixture);
}

static void a_job_that_was_taken_away_is_found(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(reserve(fixture, 0), 0);
    assert_int_equal(reserve(fixture, 1), 0);
    stop(fixture);
    assert_int_equal(unlink(path_of(fixture, "a")), 0);
    start(fixture);
    assert_int_equal(job_journal_imported(fixture->journals[0], "job", 1, 100, 1, &error), 0);
    expect_rolled_back(fixture);
}

static void a_copy_that_runs_elsewhere_is_found(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(reserve(fixture, 0), 0);
    fixture->number.value++; /* another daemon's */
    expect_rolled_back(fixture);
}

/* Between the ledger and the TPM the power fails: nothing was lost, nothing is counted twice. */
static void a_torn_reservation_is_no_older_copy(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(reserve(fixture, 0), 0);
    fixture->number.raises_to_fail = 1;
    assert_int_equal(reserve(fixture, 1), -1);
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
    assert_int_equal(fixture->number.value, BASE + 1);
    restart(fixture);
    expect_agreed(fixture);
    assert_int_equal(fixture->number.value, BASE + 2);
    fixture->number.raises_to_fail = 1;
    assert_int_equal(reserve(fixture, 0), -1);
    assert_int_equal(reserve(fixture, 0), 0); /* without a restart as well */
    assert_int_equal(fixture->number.value, BASE + 4);
    restart(fixture);
    expect_agreed(fixture);
}

/* The same chip again, before any other: it is open already, and the TPM still behind. */
static void a_torn_reservation_is_made_up_for_by_its_own_chip(void **state) {
    struct fixture *fixture = *state;
    const uint8_t uid[JOB_UID_SIZE] = {9};
    struct job_unit unit;
    fixture->number.raises_to_fail = 2;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(job_journal_reserve(fixture->journals[0], uid, &unit, &error), -1);
        assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
        assert_int_equal(fixture->number.value, BASE);
    }
    assert_int_equal(job_journal_reserve(fixture->journals[0], uid, &unit, &error), 0);
    assert_int_equal(fixture->number.value, BASE + 1);
    restart(fixture);
    expect_agreed(fixture);
}

/* A copy from just before the TPM was raised, put back after: the unit is in it. */
static void a_copy_from_within_a_reservation_loses_nothing(void **state) {
    struct fixture *fixture = *state;
    struct buffer a = {0};
    fixture->number.raises_to_fail = 1;
    assert_int_equal(reserve(fixture, 0), -1);
    keep(fixture, "a", &a);
    expect_agreed(fixture);
    stop(fixture);
    put_back(fixture, "a", &a);
    start(fixture);
    expect_agreed(fixture);
    struct job_numbers numbers;
    job_journal_numbers(fixture->journals[0], &numbers);
    assert_int_equal(numbers.remaining, 99);
}

static void a_tpm_that_is_away_is_not_a_rolled_back_ledger(void **state) {
    struct fixture *fixture = *state;
    fixture->number.is_away = true;
    assert_int_equal(counter_check(fixture->counter, &error), -1);
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
    assert_int_equal(reserve(fixture, 0), -1);
    assert_int_equal(error.code, ERROR_HSM_UNAVAILABLE);
    fixture->number.is_away = false;
    expect_agreed(fixture);
    assert_int_equal(reserve(fixture, 0), 0);
}

static void a_counter_that_is_gone_is_found(void **state) {
    struct fixture *fixture = *state;
    fixture->number.exists = false;
    expect_rolled_back(fixture);
}

static void a_missing_record_is_found(void **state) {
    struct fixture *fixture = *state;
    stop(fixture);
    assert_int_equal(unlink(path_of(fixture, "counter.json")), 0);
    start(fixture);
    expect_rolled_back(fixture);
}

static void a_broken_record_is_refused(void **state) {
    static const char *const texts[] = {
        "", "{}", "{\"format\":2,\"index\":7,\"base\":41,\"forgotten\":0,\"forgetting\":\"\"}",
        "{\"format\":1,\"index\":7,\"base\":-1,\"forgotten\":0,\"forgetting\":\"\"}",
        "{\"format\":1,\"index\":7,\"base\":41,\"forgotten\":0}"};
    struct fixture *fixture = *state;
    struct counter *counter = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        scratch_write(fixture->directory, "counter.json", bytes_of(texts[i], strlen(texts[i])));
        assert_int_equal(counter_open(&counter, &fixture->store, fixture->directory, true, &error),
                         -1);
        assert_null(counter);
    }
}

static void a_ledger_that_cannot_be_read_stops_everything(void **state) {
    struct fixture *fixture = *state;
    const struct error why = {.code = ERROR_LEDGER_DIVERGED, .message = "line 3"};
    counter_spoil(fixture->counter, &why);
    expect_rolled_back(fixture);
}

/* Cut before the ledger was removed, and after. */
static void a_forgotten_job_is_not_missed(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(reserve(fixture, 0), 0);
    assert_int_equal(reserve(fixture, 0), 0);
    assert_int_equal(reserve(fixture, 1), 0);
    assert_null(counter_forgetting(fixture->counter));
    assert_int_equal(counter_forget(fixture->counter, "job-a", 2, &error), 0);
    stop(fixture);
    assert_int_equal(
        counter_open(&fixture->counter, &fixture->store, fixture->directory, false, &error), 0);
    assert_string_equal(counter_forgetting(fixture->counter), "job-a");
    assert_int_equal(unlink(path_of(fixture, "a")), 0);
    assert_int_equal(counter_forgotten(fixture->counter, &error), 0);
    assert_null(counter_forgetting(fixture->counter));
    restart(fixture);
    expect_agreed(fixture);
    assert_int_equal(reserve(fixture, 1), 0);
    restart(fixture);
    expect_agreed(fixture);
}

static void a_key_store_without_counter_has_none(void **state) {
    struct fixture *fixture = *state;
    const struct key_store software = {.backend = &without};
    struct counter *counter = NULL;
    uint64_t value = 1;
    assert_int_equal(counter_open(&counter, &software, fixture->directory, true, &error), 0);
    assert_null(counter);
    counter_add(NULL, 1, 1);
    counter_settle(NULL);
    assert_int_equal(counter_check(NULL, &error), 0);
    assert_int_equal(counter_begin(NULL, &value, &error), 0);
    assert_int_equal(counter_commit(NULL, &error), 0);
}

#define WITH_LEDGERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LEDGERS(every_reservation_is_counted_once),
        WITH_LEDGERS(an_open_unit_is_not_counted_again),
        WITH_LEDGERS(an_older_copy_of_everything_is_found),
        WITH_LEDGERS(an_older_copy_of_one_job_is_found),
        WITH_LEDGERS(a_job_that_was_taken_away_is_found),
        WITH_LEDGERS(a_copy_that_runs_elsewhere_is_found),
        WITH_LEDGERS(a_torn_reservation_is_no_older_copy),
        WITH_LEDGERS(a_torn_reservation_is_made_up_for_by_its_own_chip),
        WITH_LEDGERS(a_copy_from_within_a_reservation_loses_nothing),
        WITH_LEDGERS(a_tpm_that_is_away_is_not_a_rolled_back_ledger),
        WITH_LEDGERS(a_counter_that_is_gone_is_found),
        WITH_LEDGERS(a_missing_record_is_found),
        WITH_LEDGERS(a_broken_record_is_refused),
        WITH_LEDGERS(a_ledger_that_cannot_be_read_stops_everything),
        WITH_LEDGERS(a_forgotten_job_is_not_missed),
        WITH_LEDGERS(a_key_store_without_counter_has_none),
    };
    if (crypto_init(NULL, NULL) != STATUS_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
