/* The journal: counting, states, and every way its file can be hurt. */
#include "programmer/job_journal.h"

#include "base/encoding.h"
#include "programmer/testing/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define UNIT_ID "00112233445566778899aabbccddeeff"

struct fixture {
    char *directory;
    char path[128];
    struct job_journal *journal;
};

static const uint8_t certificate[32] = {1, 2, 3};

static void reopen(struct fixture *fixture) {
    struct error error = {0};
    job_journal_close(fixture->journal);
    fixture->journal = NULL;
    if (job_journal_open(fixture->path, &fixture->journal, &error) != 0)
        fail_msg("%s", error.message);
}

static int setup(void **state) {
    struct error error = {0};
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/ledger", fixture->directory);
    reopen(fixture);
    if (job_journal_imported(fixture->journal, "job-1", 7, 3, 2000000000, &error) != 0)
        fail_msg("%s", error.message);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    job_journal_close(fixture->journal);
    scratch_remove(fixture->directory);
    free(fixture);
    return 0;
}

static const uint8_t *uid_of(unsigned number) {
    static uint8_t uids[256][16];
    (void)snprintf((char *)uids[number], 16, "uid%u", number);
    return uids[number];
}

static uint32_t remaining(const struct fixture *fixture) {
    struct job_numbers numbers;
    job_journal_numbers(fixture->journal, &numbers);
    return numbers.remaining;
}

static void reserve(struct fixture *fixture, unsigned number, struct job_unit *unit) {
    struct error error;
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(number), unit, &error), 0);
    assert_int_equal(unit->state, JOB_UNIT_RESERVING);
    assert_int_equal(job_journal_reserved(fixture->journal, unit, UNIT_ID, &error), 0);
}

static void identify(struct fixture *fixture, unsigned number) {
    struct error error;
    struct job_unit unit;
    reserve(fixture, number, &unit);
    assert_int_equal(job_journal_issued(fixture->journal, &unit, certificate, &error), 0);
    assert_int_equal(job_journal_identified(fixture->journal, &unit, 12, &error), 0);
    assert_int_equal(job_journal_reported(fixture->journal, &unit, &error), 0);
}

static void test_counts_each_uid_once(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    assert_int_equal(remaining(fixture), 3);
    identify(fixture, 1);
    assert_int_equal(remaining(fixture), 2);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), -1);
    assert_int_equal(error.code, ERROR_ALREADY_IDENTIFIED);
    identify(fixture, 2);
    reserve(fixture, 3, &unit);
    assert_int_equal(remaining(fixture), 0);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(4), &unit, &error), -1);
    assert_int_equal(error.code, ERROR_JOB_FULL);
    /* the open one is taken up, not taken again */
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(3), &unit, &error), 0);
    assert_int_equal(unit.state, JOB_UNIT_RESERVED);
    assert_int_equal(unit.attempt, 1);
    assert_int_equal(remaining(fixture), 0);
}

/* A failed unit gives its count back only when the server knows. */
static void test_failed_gives_back_when_reported(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    reserve(fixture, 1, &unit);
    assert_int_equal(
        job_journal_failed(fixture->journal, &unit, "keys", "device_link: gone", 3, &error), 0);
    assert_int_equal(remaining(fixture), 2);
    reopen(fixture);
    assert_int_equal(remaining(fixture), 2);
    assert_int_equal(job_journal_take(fixture->journal, uid_of(1), &unit, &error), 0);
    assert_string_equal(unit.step, "keys");
    assert_string_equal(unit.reason, "device_link: gone");
    assert_false(unit.reported);
    assert_int_equal(job_journal_reported(fixture->journal, &unit, &error), 0);
    assert_int_equal(remaining(fixture), 3);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), 0);
    assert_int_equal(unit.attempt, 2);
    assert_int_equal(remaining(fixture), 2);
    job_journal_give(fixture->journal, uid_of(1));
}

static void test_failed_chip_keeps_its_place(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    identify(fixture, 1);
    identify(fixture, 2);
    reserve(fixture, 3, &unit);
    assert_int_equal(job_journal_failed(fixture->journal, &unit, "csr", "x", 3, &error), 0);
    assert_int_equal(remaining(fixture), 0);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(4), &unit, &error), -1);
    assert_int_equal(error.code, ERROR_JOB_FULL);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(3), &unit, &error), 0);
    assert_int_equal(unit.attempt, 2);
    assert_int_equal(remaining(fixture), 0);
}

static void test_refused_counts_nothing(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), 0);
    assert_int_equal(remaining(fixture), 2);
    assert_int_equal(job_journal_refused(fixture->journal, &unit, "uid_not_listed", &error), 0);
    assert_int_equal(remaining(fixture), 3);
    reopen(fixture);
    assert_int_equal(remaining(fixture), 3);
}

/* States are entered only as the table says. */
static void test_wrong_order(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit = {.uid = {9}};
    struct ledger_head before;
    struct ledger_head after;
    assert_int_equal(job_journal_reserved(fixture->journal, &unit, UNIT_ID, &error), -1);
    reserve(fixture, 1, &unit);
    job_journal_head(fixture->journal, &before);
    assert_int_equal(job_journal_identified(fixture->journal, &unit, 1, &error), -1);
    assert_int_equal(job_journal_reported(fixture->journal, &unit, &error), -1);
    assert_int_equal(job_journal_refused(fixture->journal, &unit, "x", &error), -1);
    assert_int_equal(job_journal_reserved(fixture->journal, &unit, UNIT_ID, &error), -1);
    assert_int_equal(job_journal_issued(fixture->journal, &unit, certificate, &error), 0);
    assert_int_equal(job_journal_issued(fixture->journal, &unit, certificate, &error), -1);
    job_journal_head(fixture->journal, &after);
    assert_int_equal(after.sequence, before.sequence + 1);
}

static const uint8_t record[32] = {9, 8, 7};

static void numbers_expect(const struct fixture *fixture, uint32_t left, uint32_t booting,
                           uint32_t done, uint32_t unreported) {
    struct job_numbers numbers;
    job_journal_numbers(fixture->journal, &numbers);
    assert_int_equal(numbers.remaining, left);
    assert_int_equal(numbers.booting, booting);
    assert_int_equal(numbers.done, done);
    assert_int_equal(numbers.identified, booting + done);
    assert_int_equal(numbers.unreported, unreported);
}

static struct job_unit unit_now(const struct fixture *fixture) {
    struct job_unit unit;
    assert_true(job_journal_unit(fixture->journal, 0, &unit));
    return unit;
}

static void test_firmware_to_its_end(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    identify(fixture, 1);
    struct job_unit unit = unit_now(fixture);
    numbers_expect(fixture, 2, 1, 0, 0);
    assert_int_equal(job_journal_begun(fixture->journal, &unit, "lock", &error), 0);
    assert_string_equal(unit.step, "lock");
    assert_int_equal(unit.state, JOB_UNIT_IDENTIFIED);
    reopen(fixture);
    assert_string_equal(unit_now(fixture).step, "lock");
    assert_int_equal(job_journal_secured(fixture->journal, &unit, &error), 0);
    assert_int_equal(job_journal_ended(fixture->journal, &unit, "debug_refused", &error), 0);
    numbers_expect(fixture, 2, 1, 0, 0);
    assert_int_equal(job_journal_recorded(fixture->journal, &unit, record, 99, &error), 0);
    assert_false(unit.reported);
    numbers_expect(fixture, 2, 0, 1, 1);
    reopen(fixture);
    unit = unit_now(fixture);
    assert_int_equal(unit.state, JOB_UNIT_RECORDED);
    assert_memory_equal(unit.record_sha256, record, 32);
    assert_int_equal(unit.milliseconds, 99);
    /* a newer record takes its place */
    assert_int_equal(job_journal_recorded(fixture->journal, &unit, certificate, 100, &error), 0);
    assert_int_equal(job_journal_done(fixture->journal, &unit, &error), 0);
    assert_true(unit.reported);
    numbers_expect(fixture, 2, 0, 1, 0);
    reopen(fixture);
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_DONE);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), -1);
    assert_int_equal(error.code, ERROR_ALREADY_IDENTIFIED);
    numbers_expect(fixture, 2, 0, 1, 0);
}

/* What had its identity stays counted, and its chip does not start anew. */
static void test_failed_with_an_identity(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    identify(fixture, 1);
    struct job_unit unit = unit_now(fixture);
    assert_int_equal(job_journal_secured(fixture->journal, &unit, &error), 0);
    assert_int_equal(job_journal_failed(fixture->journal, &unit, "bl3_challenge", "why", 5, &error),
                     0);
    assert_false(unit.reported);
    numbers_expect(fixture, 2, 0, 0, 1);
    assert_int_equal(job_journal_reported(fixture->journal, &unit, &error), 0);
    numbers_expect(fixture, 2, 0, 0, 0);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), -1);
    assert_int_equal(error.code, ERROR_ALREADY_IDENTIFIED);
    reopen(fixture);
    numbers_expect(fixture, 2, 0, 0, 0);
    assert_true(unit_now(fixture).is_identified);
}

static void test_firmware_in_the_wrong_order(void **state) {
    struct fixture *fixture = *state;
    struct job_journal *journal = fixture->journal;
    struct error error = {0};
    struct job_unit unit;
    reserve(fixture, 1, &unit);
    assert_int_equal(job_journal_begun(journal, &unit, "lock", &error), -1);
    assert_int_equal(job_journal_ended(journal, &unit, "lock", &error), -1);
    assert_int_equal(job_journal_secured(journal, &unit, &error), -1);
    assert_int_equal(job_journal_recorded(journal, &unit, record, 1, &error), -1);
    assert_int_equal(job_journal_done(journal, &unit, &error), -1);
    assert_int_equal(error.code, ERROR_INTERNAL);
    assert_int_equal(job_journal_issued(journal, &unit, certificate, &error), 0);
    assert_int_equal(job_journal_identified(journal, &unit, 1, &error), 0);
    assert_int_equal(job_journal_done(journal, &unit, &error), -1);
    assert_int_equal(job_journal_secured(journal, &unit, &error), 0);
    assert_int_equal(job_journal_secured(journal, &unit, &error), -1);
    assert_int_equal(job_journal_recorded(journal, &unit, record, 1, &error), 0);
    assert_int_equal(job_journal_begun(journal, &unit, "lock", &error), -1);
    assert_int_equal(job_journal_done(journal, &unit, &error), 0);
    assert_int_equal(job_journal_recorded(journal, &unit, record, 1, &error), -1);
    assert_int_equal(job_journal_failed(journal, &unit, "record", "why", 1, &error), -1);
    reopen(fixture); /* nothing of what was refused is in it */
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_DONE);
}

/* Given up for good: counted until the server says that it is not, and what has an identity always.
 */
static void test_scrapped(void **state) {
    struct fixture *fixture = *state;
    struct job_journal *journal = fixture->journal;
    struct error error = {0};
    struct job_unit unit;
    reserve(fixture, 1, &unit);
    assert_int_equal(job_journal_scrapped(journal, &unit, "bent", &error), 0);
    assert_int_equal(job_journal_scrapped(journal, &unit, "bent", &error), -1);
    assert_int_equal(error.code, ERROR_INTERNAL);
    assert_int_equal(job_journal_issued(journal, &unit, certificate, &error), -1);
    assert_int_equal(job_journal_failed(journal, &unit, "csr", "x", 1, &error), -1);
    numbers_expect(fixture, 2, 0, 0, 1);
    assert_int_equal(job_journal_scrap_reported(journal, &unit, true, &error), 0);
    numbers_expect(fixture, 2, 0, 0, 0);
    reserve(fixture, 2, &unit);
    assert_int_equal(job_journal_scrapped(journal, &unit, "bent", &error), 0);
    assert_int_equal(job_journal_scrap_reported(journal, &unit, false, &error), 0);
    numbers_expect(fixture, 2, 0, 0, 0);
    identify(fixture, 3);
    assert_true(job_journal_unit(journal, 2, &unit));
    assert_int_equal(job_journal_scrapped(journal, &unit, "bent", &error), 0);
    assert_int_equal(job_journal_scrap_reported(journal, &unit, false, &error), 0);
    numbers_expect(fixture, 1, 0, 0, 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(job_journal_reserve(journal, uid_of(i), &unit, &error), -1);
        assert_int_equal(error.code, ERROR_UNIT_SCRAPPED);
    }
    reopen(fixture);
    numbers_expect(fixture, 1, 0, 0, 0);
    assert_int_equal(unit_now(fixture).state, JOB_UNIT_SCRAPPED);
    assert_string_equal(unit_now(fixture).reason, "bent");
}

static void test_one_worker_per_uid(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    assert_int_equal(job_journal_take(fixture->journal, uid_of(1), &unit, &error), 0);
    assert_int_equal(unit.state, JOB_UNIT_NONE);
    assert_int_equal(job_journal_take(fixture->journal, uid_of(1), &unit, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
    assert_int_equal(job_journal_take(fixture->journal, uid_of(2), &unit, &error), 0);
    job_journal_give(fixture->journal, uid_of(1));
    assert_int_equal(job_journal_take(fixture->journal, uid_of(1), &unit, &error), 0);
    assert_int_equal(remaining(fixture), 3);
}

static void test_survives_reopening(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    struct ledger_head before;
    struct ledger_head after;
    identify(fixture, 1);
    reserve(fixture, 2, &unit);
    assert_int_equal(job_journal_issued(fixture->journal, &unit, certificate, &error), 0);
    job_journal_head(fixture->journal, &before);
    reopen(fixture);
    job_journal_head(fixture->journal, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(remaining(fixture), 1);
    assert_int_equal(job_journal_take(fixture->journal, uid_of(2), &unit, &error), 0);
    assert_int_equal(unit.state, JOB_UNIT_ISSUED);
    assert_string_equal(unit.unit_id, UNIT_ID);
    assert_memory_equal(unit.certificate_sha256, certificate, 32);
    assert_int_equal(job_journal_identified(fixture->journal, &unit, 1, &error), 0);
}

/* Cut anywhere: the whole lines count, the cut one never happened. */
static void test_torn_at_every_byte(void **state) {
    struct fixture *fixture = *state;
    struct buffer whole = {0};
    struct buffer rest = {0};
    struct ledger_head head;
    struct error error = {0};
    struct job_unit unit;
    scratch_read(fixture->directory, "ledger", &whole);
    size_t first = whole.size;
    reserve(fixture, 1, &unit);
    scratch_read(fixture->directory, "ledger", &whole);
    for (size_t size = 0; size < whole.size; size++) {
        scratch_write(fixture->directory, "ledger", bytes_of(whole.data, size));
        reopen(fixture);
        job_journal_head(fixture->journal, &head);
        size_t lines = 0;
        for (size_t i = 0; i < size; i++)
            lines += whole.data[i] == '\n' ? 1 : 0;
        assert_int_equal(head.sequence, lines);
        assert_int_equal(remaining(fixture), lines == 0 ? 0 : (lines == 1 ? 3 : 2));
        scratch_read(fixture->directory, "ledger", &rest);
        assert_true(rest.size == 0 || rest.data[rest.size - 1] == '\n');
        /* and it can be written again */
        if (size >= first)
            assert_int_equal(job_journal_reserve(fixture->journal, uid_of(9), &unit, &error), 0);
    }
    buffer_free(&whole);
    buffer_free(&rest);
}

static void expect_damage(struct fixture *fixture, struct bytes contents, const char *line) {
    struct error error = {0};
    struct job_journal *journal = NULL;
    scratch_write(fixture->directory, "ledger", contents);
    assert_int_equal(job_journal_open(fixture->path, &journal, &error), -1);
    assert_null(journal);
    assert_int_equal(error.code, ERROR_LEDGER_DIVERGED);
    if (strstr(error.message, line) == NULL)
        fail_msg("\"%s\" does not name %s", error.message, line);
}

/* Every byte of a finished line matters, the line break too. */
static void test_edited_at_every_byte(void **state) {
    struct fixture *fixture = *state;
    struct buffer whole = {0};
    identify(fixture, 1);
    identify(fixture, 2);
    scratch_read(fixture->directory, "ledger", &whole);
    unsigned line = 1;
    for (size_t i = 0; i + 1 < whole.size; i++) {
        char name[24]; /* the last line break is a torn write instead */
        (void)snprintf(name, sizeof name, "line %u ", line);
        line += whole.data[i] == '\n' ? 1 : 0;
        uint8_t old = whole.data[i];
        whole.data[i] = old == 'A' ? 'B' : 'A';
        expect_damage(fixture, buffer_bytes(&whole), name);
        whole.data[i] = old;
    }
    buffer_free(&whole);
}

static void test_lines_removed_swapped_repeated(void **state) {
    struct fixture *fixture = *state;
    struct buffer whole = {0};
    struct buffer other = {0};
    identify(fixture, 1);
    scratch_read(fixture->directory, "ledger", &whole);
    const char *text = buffer_text(&whole);
    size_t first = (size_t)(strchr(text, '\n') - text) + 1;
    size_t second = (size_t)(strchr(text + first, '\n') - text) + 1;
    expect_damage(fixture, bytes_of(text + first, whole.size - first), "line 1 ");
    buffer_append(&other, text, first);
    buffer_append(&other, text + second, whole.size - second);
    expect_damage(fixture, buffer_bytes(&other), "line 2 ");
    buffer_clear(&other);
    buffer_append(&other, text, second);
    buffer_append(&other, text + first, whole.size - first);
    expect_damage(fixture, buffer_bytes(&other), "line 3 ");
    buffer_clear(&other);
    buffer_append(&other, text, whole.size);
    buffer_append(&other, "\n", 1);
    expect_damage(fixture, buffer_bytes(&other), "line 7 ");
    buffer_free(&whole);
    buffer_free(&other);
}

/* An entry that does not follow from the ones before, though its chain is right. */
static void test_forged_entries(void **state) {
    struct fixture *fixture = *state;
    static const uint8_t uid[16] = {1};
    const struct ledger_member with_uid = {
        .key = "uid", .kind = LEDGER_BYTES, .bytes = {uid, sizeof uid}};
    const struct ledger_member attempt = {.key = "attempt", .kind = LEDGER_NUMBER, .number = 0};
    const struct ledger_member pairs[2] = {with_uid, attempt};
    static const char *const types[] = {"identified", "reserving", "released", "reported"};
    struct ledger_entry parsed;
    char check[17];
    struct buffer whole = {0};
    struct error error = {0};
    scratch_read(fixture->directory, "ledger", &whole);
    size_t size = whole.size;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct ledger_head head;
        struct buffer entry = {0};
        job_journal_head(fixture->journal, &head);
        assert_int_equal(ledger_append(&head, 1, types[i], pairs, 2, &entry, &error), 0);
        char *line = base64_encode(buffer_bytes(&entry));
        assert_int_equal(ledger_parse(buffer_bytes(&entry), &parsed, &error), 0);
        hex_encode(bytes_of(parsed.hash, 8), check);
        buffer_print(&whole, "%s %s\n", line, check);
        expect_damage(fixture, buffer_bytes(&whole), "line 2 ");
        whole.size = size;
        free(line);
        buffer_free(&entry);
    }
    buffer_free(&whole);
}

/* A full disk: the call fails, nothing half-written stays, and it works again with room. */
static void test_disk_full(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    struct buffer before = {0};
    struct buffer after = {0};
    struct rlimit old;
    scratch_read(fixture->directory, "ledger", &before);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit tight = {before.size + 20, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(remaining(fixture), 3);
    scratch_read(fixture->directory, "ledger", &after);
    assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(1), &unit, &error), 0);
    reopen(fixture);
    assert_int_equal(remaining(fixture), 2);
    buffer_free(&before);
    buffer_free(&after);
}

static void test_many_units(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    assert_int_equal(job_journal_imported(fixture->journal, "job-1", 8, 200, 2000000000, &error),
                     0);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(job_journal_reserve(fixture->journal, uid_of(i), &unit, &error), 0);
        assert_memory_equal(unit.uid, uid_of(i), 16);
    }
    assert_int_equal(job_journal_reserve(fixture->journal, uid_of(201), &unit, &error), -1);
    reopen(fixture);
    for (size_t i = 0; i < 200; i++) {
        assert_true(job_journal_unit(fixture->journal, i, &unit));
        assert_memory_equal(unit.uid, uid_of((unsigned)i), 16);
    }
    assert_false(job_journal_unit(fixture->journal, 200, &unit));
}

/* Text from elsewhere cannot break the file or the log. */
static void test_odd_reason(void **state) {
    struct fixture *fixture = *state;
    struct error error = {0};
    struct job_unit unit;
    char reason[1000];
    memset(reason, '\n', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    reserve(fixture, 1, &unit);
    assert_int_equal(job_journal_failed(fixture->journal, &unit, "csr", reason, 1, &error), 0);
    reopen(fixture);
    assert_true(job_journal_unit(fixture->journal, 0, &unit));
    assert_int_equal(strlen(unit.reason), JOB_REASON_MAX);
    assert_null(strchr(unit.reason, '\n'));
}

int main(void) {
    /* writing beyond RLIMIT_FSIZE must be an error, not a signal */
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts_each_uid_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_gives_back_when_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_chip_keeps_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_counts_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_firmware_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_with_an_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_firmware_in_the_wrong_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scrapped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_worker_per_uid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_survives_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_edited_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_removed_swapped_repeated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_units, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_reason, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
