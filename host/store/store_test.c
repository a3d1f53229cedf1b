/* The database by itself: group commit, append-only tables, full disk, counting in many threads. */
#include "store/store_device.h"
#include "store/store_event.h"
#include "store/store_firmware.h"
#include "store/store_programmer.h"
#include "store/store_unit.h"
#include "store/unit_state.h"

#include "base/buffer.h"
#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define JOB        "job-1"
#define PROGRAMMER "prog-1"
#define NOW        1795000000u

static char path[64];
static struct error error;

static int begin(void **state) {
    struct store *store;

    char directory[] = "/tmp/nusec-store-XXXXXX";

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/db", directory);
    store = store_open(path, NULL, &error);
    assert_non_null(store);
    *state = store;
    return 0;
}

static int end(void **state) {
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[80];

    store_close(*state);
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

static int run_sql(struct store_db *db, void *context, struct error *failure) {
    return store_script(db, context, failure);
}

static int64_t number(struct store *store, const char *sql) {
    struct store_db *reader = store_reader_open(store, &error);
    sqlite3_stmt *row;
    int64_t value;

    assert_non_null(reader);
    assert_int_equal(store_query(reader, &row, &error, sql, ""), 0);
    assert_int_equal(store_step(reader, row, &error), 1);
    value = store_column_number(row, 0);
    store_done(row);
    store_db_close(reader);
    return value;
}

/* A programmer, a firmware and an active job of `count` units with an all-zero token. */
static int make_job(struct store_db *db, void *context, struct error *failure) {
    const unsigned *count = context;
    struct store_programmer programmer = {.id = PROGRAMMER, .name = "line", .assurance = "tpm"};
    struct store_firmware firmware = {
        .id = "fw-1", .kind = "devauth", .family = "T", .version = "1"};
    struct store_job job = {.id = JOB,
                            .product = "p",
                            .programmer_id = PROGRAMMER,
                            .count = *count,
                            .expires = NOW + 1000,
                            .chip_family = "T",
                            .devauth_id = "fw-1",
                            .assurance = "software",
                            .state = JOB_CREATED};
    static const uint8_t certificate[1];

    if (store_programmer_insert(db, &programmer, bytes_of(certificate, 1), failure) != 0 ||
        store_firmware_insert(db, &firmware, failure) != 1 ||
        store_job_insert(db, &job, NULL, 0, failure) != 0)
        return -1;
    job.state = JOB_ACTIVE;
    job.sequence = 1;
    return store_job_save(db, &job, failure);
}

static struct store_reservation reservation_of(unsigned number_of_chip, uint32_t attempt) {
    struct store_reservation reservation = {
        .job_id = JOB, .programmer_id = PROGRAMMER, .attempt = attempt, .now = NOW};

    memcpy(reservation.uid, &number_of_chip, sizeof number_of_chip);
    reservation.nonce[0] = (uint8_t)number_of_chip;
    return reservation;
}

static void the_state_table_is_the_documented_one(void **state) {
    struct buffer document = {0};
    size_t rows = 0;

    (void)state;
    assert_int_equal(file_read("../../docs/formats/database.md", 1 << 20, &document, &error), 0);
    for (size_t i = 0; i < unit_transition_count; i++) {
        const struct unit_transition *row = &unit_transitions[i];
        char line[160];

        snprintf(line, sizeof line, "| %s | %s |", unit_state_name(row->state),
                 unit_event_name(row->event));
        if (strstr(buffer_text(&document), line) == NULL)
            fail_msg("not documented: %s", line);
        assert_ptr_equal(unit_transition_find(row->state, row->event), row);
    }
    for (const char *at = buffer_text(&document); (at = strstr(at, "<!-- transition -->")) != NULL;
         at++)
        rows++;
    assert_int_equal(rows, unit_transition_count);
    buffer_free(&document);
}

/* What the table does not allow is not allowed: every pair is tried. */
static void everything_else_is_refused(void **state) {
    unsigned allowed = 0;

    (void)state;
    for (int unit = UNIT_NONE; unit < UNIT_STATES; unit++)
        for (int event = UNIT_EVENT_RESERVE; event < UNIT_EVENTS; event++)
            allowed += unit_transition_find((enum unit_state)unit, (enum unit_event)event) != NULL;
    assert_int_equal(allowed, unit_transition_count);
    for (int event = UNIT_EVENT_RESERVE; event < UNIT_EVENTS; event++) {
        assert_null(unit_transition_find(UNIT_DONE, (enum unit_event)event));
        assert_null(unit_transition_find(UNIT_SUPERSEDED, (enum unit_event)event));
        assert_null(unit_transition_find(UNIT_SCRAPPED, (enum unit_event)event));
    }
}

static void events_and_ledgers_are_append_only(void **state) {
    static const char *const attempts[] = {
        "UPDATE events SET actor='nobody'",
        "DELETE FROM events",
        "UPDATE ledger_server SET entry=x'00'",
        "DELETE FROM ledger_server",
        "UPDATE ledger_programmer SET entry=x'00'",
        "DELETE FROM ledger_programmer",
        "UPDATE records SET record=x'00'",
        "DELETE FROM records",
        "REPLACE INTO events(id, time, type, actor, subject) VALUES(1, 0, 'x', 'x', 'x')",
    };
    char fill[] = "INSERT INTO events(time, type, actor, subject) VALUES(1,'a','b','c');"
                  "INSERT INTO ledger_server VALUES('j',1,x'01',x'02');"
                  "INSERT INTO ledger_programmer VALUES('j',1,x'01',x'02');"
                  "INSERT INTO records VALUES(x'01',x'02','s',1)";

    assert_int_equal(store_run(*state, run_sql, fill, &error), 0);
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        char sql[200];

        snprintf(sql, sizeof sql, "%s", attempts[i]);
        if (store_run(*state, run_sql, sql, &error) == 0)
            fail_msg("possible: %s", sql);
        assert_non_null(strstr(error.detail, "append-only"));
    }
    assert_int_equal(number(*state, "SELECT count(*) FROM events WHERE actor='b'"), 1);
}

struct counted_write {
    struct store_write write;
    char sql[128];
    int fail_after;
    atomic_int *done;
};

static int insert_then_maybe_fail(struct store_db *db, void *context, struct error *failure) {
    struct counted_write *counted = context;

    if (store_script(db, counted->sql, failure) != 0)
        return -1;
    return counted->fail_after != 0 ? error_set(failure, ERROR_CONFLICT, "on purpose") : 0;
}

static void count_done(struct store_write *write) {
    atomic_fetch_add(((struct counted_write *)write)->done, 1);
}

/* One that fails after it changed something must leave nothing, and take nobody with it. */
static void a_failing_write_takes_no_other_with_it(void **state) {
    enum { COUNT = 200 };
    struct counted_write *writes = calloc(COUNT, sizeof *writes);
    struct store_statistics statistics;
    atomic_int done = 0;

    for (int i = 0; i < COUNT; i++) {
        writes[i].write.run = insert_then_maybe_fail;
        writes[i].write.context = &writes[i];
        writes[i].write.done = count_done;
        writes[i].done = &done;
        writes[i].fail_after = i % 10 == 3;
        snprintf(writes[i].sql, sizeof writes[i].sql,
                 "INSERT INTO events(time, type, actor, subject) VALUES(%d,'t','a','s')", i);
        store_submit(*state, &writes[i].write);
    }
    while (atomic_load(&done) < COUNT)
        usleep(1000);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(writes[i].write.result, writes[i].fail_after != 0 ? -1 : 0);
    assert_int_equal(number(*state, "SELECT count(*) FROM events"), COUNT - COUNT / 10);
    assert_int_equal(number(*state, "SELECT count(*) FROM events WHERE time%10=3"), 0);
    store_statistics(*state, &statistics);
    assert_int_equal(statistics.writes, COUNT);
    free(writes);
}

static void a_full_disk_changes_nothing(void **state) {
    char limit[] = "PRAGMA max_page_count=1", free_again[] = "PRAGMA max_page_count=1000000";
    char insert[] = "INSERT INTO events(time, type, actor, subject, detail)"
                    " VALUES(1,'a','b','c',zeroblob(200000))";
    int64_t before = number(*state, "SELECT count(*) FROM events");

    assert_int_equal(store_run(*state, run_sql, limit, &error), 0);
    assert_int_equal(store_run(*state, run_sql, insert, &error), -1);
    assert_int_equal(error.code, ERROR_STORAGE_FULL);
    assert_int_equal(error_http_status(error.code), 503);
    assert_true(error.hint[0] != '\0');
    assert_int_equal(number(*state, "SELECT count(*) FROM events"), before);
    assert_int_equal(store_run(*state, run_sql, free_again, &error), 0);
    assert_int_equal(store_run(*state, run_sql, insert, &error), 0);
}

struct contender {
    struct store *store;
    unsigned first_chip;
    unsigned chips;
    unsigned won;
    unsigned full;
};

static void *reserve_many(void *context) {
    struct contender *contender = context;

    for (unsigned i = 0; i < contender->chips; i++) {
        struct store_reservation reservation = reservation_of(contender->first_chip + i, 1);
        struct error mine;

        if (store_run(contender->store, store_unit_reserve, &reservation, &mine) == 0)
            contender->won++;
        else if (mine.code == ERROR_JOB_FULL)
            contender->full++;
    }
    return NULL;
}

static void the_count_holds_in_many_threads(void **state) {
    enum { THREADS = 8, CHIPS = 40 };
    struct contender contenders[THREADS];
    pthread_t threads[THREADS];
    unsigned count = 100, won = 0, full = 0;

    assert_int_equal(store_run(*state, make_job, &count, &error), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        /* Half of the threads want the same chips as their neighbour: one UID counts once. */
        contenders[i] = (struct contender){*state, i / 2 * CHIPS, CHIPS, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, reserve_many, &contenders[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        won += contenders[i].won;
        full += contenders[i].full;
    }
    assert_int_equal(number(*state, "SELECT used FROM jobs"), 100);
    assert_int_equal(number(*state, "SELECT count(*) FROM units WHERE counted=1"), 100);
    assert_int_equal(number(*state, "SELECT count(DISTINCT uid) FROM units"), 100);
    assert_true(won >= 100 && full > 0 && won + full == THREADS * CHIPS);
    assert_int_equal(number(*state, "SELECT max(sequence) FROM ledger_server"), 100);
}

static void closing_keeps_everything(void **state) {
    struct store_reservation reservation = reservation_of(7, 1), again;
    unsigned count = 3;

    assert_int_equal(store_run(*state, make_job, &count, &error), 0);
    assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), 0);
    assert_int_equal(reservation.remaining, 2);
    store_close(*state);
    *state = store_open(path, NULL, &error);
    assert_non_null(*state);
    again = reservation_of(7, 1);
    again.nonce[0] = 99; /* the nonce of the first stays */
    assert_int_equal(store_run(*state, store_unit_reserve, &again, &error), 0);
    assert_int_equal(again.remaining, 2);
    assert_int_equal(again.unit.nonce[0], 7);
    assert_memory_equal(again.unit.id, reservation.unit.id, UNIT_ID_SIZE);
}

static void a_newer_schema_is_refused(void **state) {
    char newer[] = "PRAGMA user_version=99";
    struct store *second;

    assert_int_equal(store_run(*state, run_sql, newer, &error), 0);
    second = store_open(path, NULL, &error);
    assert_null(second);
    assert_int_equal(error.code, ERROR_UNSUPPORTED);
}

/* A database as testdata/`name` left it, at `path`. */
static void restore(const char *name) {
    struct buffer sql = {0};
    sqlite3 *db = NULL;

    assert_int_equal(file_read(name, 1 << 20, &sql, &error), 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, buffer_text(&sql), NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    buffer_free(&sql);
}

/* Every table with its columns, every index and trigger. */
static void describe(struct store *store, struct buffer *out) {
    struct store_db *reader = store_reader_open(store, &error);
    sqlite3_stmt *row;
    char text[200];

    assert_non_null(reader);
    assert_int_equal(store_query(reader, &row, &error,
                                 "SELECT s.type || ' ' || s.name || ' ' || coalesce(c.name, '')"
                                 " FROM sqlite_master s LEFT JOIN pragma_table_info(s.name) c"
                                 " ORDER BY 1",
                                 ""),
                     0);
    while (store_step(reader, row, &error) == 1) {
        store_column_text(row, 0, text, sizeof text);
        buffer_append_text(out, text);
        buffer_append_text(out, "\n");
    }
    store_done(row);
    store_db_close(reader);
}

static void an_older_database_is_brought_up(void **state) {
    static const uint8_t uid[STORE_UID_SIZE] = {1};
    struct buffer fresh = {0}, upgraded = {0};
    struct store_reservation reservation = reservation_of(2, 1);
    struct store_device device;
    struct store_job job;
    struct store *store;
    struct store_db *reader;

    describe(*state, &fresh);
    store_close(*state);
    unlink(path);
    restore("testdata/schema_1.sql");
    *state = store = store_open(path, NULL, &error);
    assert_non_null(store);
    assert_int_equal(number(store, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
    describe(store, &upgraded);
    assert_true(fresh.size > 1000);
    assert_string_equal(buffer_text(&upgraded), buffer_text(&fresh));
    buffer_free(&fresh);
    buffer_free(&upgraded);
    /* The job is what it was, one that ends with identities, and goes on. */
    reader = store_reader_open(store, &error);
    assert_int_equal(store_job_find(reader, JOB, &job, &error), 0);
    assert_int_equal(job.used, 1);
    assert_string_equal(job.bl2_id, "");
    assert_false(job.debug_open);
    assert_int_equal(store_device_find(reader, uid, &device, &error), 0);
    assert_int_equal(device.unit_state, UNIT_IDENTIFIED);
    store_db_close(reader);
    assert_int_equal(store_run(store, store_unit_reserve, &reservation, &error), 0);
    assert_int_equal(reservation.remaining, 1);
    /* Opened once more there is nothing left to do. */
    store_close(store);
    *state = store_open(path, NULL, &error);
    assert_non_null(*state);
    assert_int_equal(number(*state, "SELECT count(*) FROM units"), 2);
}

static void reservations_are_refused_by_reason(void **state) {
    struct store_reservation reservation = reservation_of(1, 1);
    unsigned count = 1;

    assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), -1);
    assert_int_equal(error.code, ERROR_UNKNOWN_JOB);
    assert_int_equal(store_run(*state, make_job, &count, &error), 0);
    reservation.programmer_id = "prog-2";
    assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), -1);
    assert_int_equal(error.code, ERROR_DENIED);
    reservation.programmer_id = PROGRAMMER;
    reservation.token_hash[31] = 1;
    assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), -1);
    assert_int_equal(error.code, ERROR_WRONG_TOKEN);
    reservation.token_hash[31] = 0;
    reservation.now = NOW + 1000;
    assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), -1);
    assert_int_equal(error.code, ERROR_EXPIRED);
    reservation.now = NOW;
    assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), 0);
    assert_int_equal(reservation.remaining, 0);
}

struct seen {
    size_t count;
    struct store_unit last;
};

static void see(void *context, const struct store_unit *unit) {
    struct seen *seen = context;

    seen->count++;
    seen->last = *unit;
}

/* Page by page, every unit once, also those that were reserved in one second. */
static void units_are_read_in_pages(void **state) {
    struct store_db *db;
    struct store_reservation reservation;
    struct seen seen = {0};
    size_t before = 0;
    unsigned count = 7;

    assert_int_equal(store_run(*state, make_job, &count, &error), 0);
    for (uint32_t uid = 1; uid <= 7; uid++) {
        reservation = reservation_of(uid, 1);
        assert_int_equal(store_run(*state, store_unit_reserve, &reservation, &error), 0);
    }
    db = store_db_open(path, STORE_READ, &error);
    assert_non_null(db);
    const char *job = reservation.job_id;
    do {
        before = seen.count;
        assert_int_equal(
            store_unit_page(db, job, before > 0 ? &seen.last : NULL, 3, see, &seen, &error), 0);
        assert_true(seen.count <= before + 3);
    } while (seen.count > before);
    assert_int_equal(seen.count, 7);
    assert_int_equal(store_unit_page(db, "job-other", NULL, 3, see, &seen, &error), 0);
    assert_int_equal(seen.count, 7);
    store_db_close(db);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_table_is_the_documented_one),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test_setup_teardown(events_and_ledgers_are_append_only, begin, end),
        cmocka_unit_test_setup_teardown(a_failing_write_takes_no_other_with_it, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(the_count_holds_in_many_threads, begin, end),
        cmocka_unit_test_setup_teardown(closing_keeps_everything, begin, end),
        cmocka_unit_test_setup_teardown(units_are_read_in_pages, begin, end),
        cmocka_unit_test_setup_teardown(a_newer_schema_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_older_database_is_brought_up, begin, end),
        cmocka_unit_test_setup_teardown(reservations_are_refused_by_reason, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
