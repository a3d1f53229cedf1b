#include "programmer/job_journal.h"

#include "crypto/crypto.h"
#include "programmer/ledger_file.h"
#include "programmer/unit_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RUN_LOT_SIZE 16

struct job_journal {
    pthread_mutex_t mutex;
    struct ledger_file *file;
    struct unit_table units;
    uint64_t package_sequence;
    uint32_t count;
    struct counter *counter; /* NULL: none */
    uint64_t counter_last;
    uint64_t counter_units;
};

/* What an entry type does to its unit. */
enum entry_type {
    ENTRY_IMPORTED,
    ENTRY_RUN,
    ENTRY_RESERVING,
    ENTRY_RESERVED,
    ENTRY_REFUSED,
    ENTRY_ISSUED,
    ENTRY_IDENTIFIED,
    ENTRY_FAILED,
    ENTRY_REPORTED,
    ENTRY_BEGUN,
    ENTRY_ENDED,
    ENTRY_SECURED,
    ENTRY_RECORDED,
    ENTRY_DONE,
    ENTRY_SCRAPPED,
    ENTRY_TYPES
};

#define FROM(state) (1U << (state))
#define FROM_BOOT   (FROM(JOB_UNIT_IDENTIFIED) | FROM(JOB_UNIT_SECURED))
static const struct {
    const char *name;
    unsigned from; /* states the unit may be in */
    enum job_unit_state to;
} transitions[ENTRY_TYPES] = {
    [ENTRY_IMPORTED] = {"imported", 0, JOB_UNIT_NONE},
    [ENTRY_RUN] = {"run", 0, JOB_UNIT_NONE},
    [ENTRY_RESERVING] = {"reserving",
                         FROM(JOB_UNIT_NONE) | FROM(JOB_UNIT_FAILED) | FROM(JOB_UNIT_REFUSED),
                         JOB_UNIT_RESERVING},
    [ENTRY_RESERVED] = {"reserved", FROM(JOB_UNIT_RESERVING), JOB_UNIT_RESERVED},
    [ENTRY_REFUSED] = {"refused", FROM(JOB_UNIT_RESERVING), JOB_UNIT_REFUSED},
    [ENTRY_ISSUED] = {"issued", FROM(JOB_UNIT_RESERVED), JOB_UNIT_ISSUED},
    [ENTRY_IDENTIFIED] = {"identified", FROM(JOB_UNIT_ISSUED), JOB_UNIT_IDENTIFIED},
    [ENTRY_FAILED] = {"failed",
                      FROM(JOB_UNIT_RESERVED) | FROM(JOB_UNIT_ISSUED) | FROM_BOOT |
                          FROM(JOB_UNIT_RECORDED),
                      JOB_UNIT_FAILED},
    /* keep the state: NONE */
    [ENTRY_REPORTED] = {"reported",
                        FROM(JOB_UNIT_IDENTIFIED) | FROM(JOB_UNIT_FAILED) | FROM(JOB_UNIT_SCRAPPED),
                        JOB_UNIT_NONE},
    [ENTRY_BEGUN] = {"begun", FROM_BOOT, JOB_UNIT_NONE},
    [ENTRY_ENDED] = {"ended", FROM_BOOT, JOB_UNIT_NONE},
    [ENTRY_SECURED] = {"secured", FROM(JOB_UNIT_IDENTIFIED), JOB_UNIT_SECURED},
    [ENTRY_RECORDED] = {"recorded", FROM_BOOT | FROM(JOB_UNIT_RECORDED), JOB_UNIT_RECORDED},
    [ENTRY_DONE] = {"done", FROM(JOB_UNIT_RECORDED), JOB_UNIT_DONE},
    [ENTRY_SCRAPPED] = {"scrapped",
                        FROM(JOB_UNIT_RESERVING) | FROM(JOB_UNIT_RESERVED) | FROM(JOB_UNIT_ISSUED) |
                            FROM_BOOT | FROM(JOB_UNIT_RECORDED) | FROM(JOB_UNIT_FAILED),
                        JOB_UNIT_SCRAPPED},
};

const char *job_unit_state_name(enum job_unit_state state) {
    static const char *const names[] = {
        [JOB_UNIT_NONE] = "none",
        [JOB_UNIT_RESERVING] = "reserving",
        [JOB_UNIT_RESERVED] = "reserved",
        [JOB_UNIT_ISSUED] = "issued",
        [JOB_UNIT_IDENTIFIED] = "identified",
        [JOB_UNIT_FAILED] = "failed",
        [JOB_UNIT_REFUSED] = "refused",
        [JOB_UNIT_SECURED] = "secured",
        [JOB_UNIT_RECORDED] = "recorded",
        [JOB_UNIT_DONE] = "done",
        [JOB_UNIT_SCRAPPED] = "scrapped",
    };
    return names[state];
}

bool job_unit_may_be_scrapped(enum job_unit_state state) {
    return (FROM(state) & transitions[ENTRY_SCRAPPED].from) != 0;
}

static int entry_type_of(const char *name) {
    for (int type = 0; type < ENTRY_TYPES; type++)
        if (strcmp(transitions[type].name, name) == 0)
            return type;
    return -1;
}

static int digest_take(const struct ledger_entry *entry, const char *key, uint8_t out[32]) {
    struct bytes digest;
    if (ledger_body_bytes(entry, key, &digest) != 0 || digest.size != 32)
        return -1;
    memcpy(out, digest.data, 32);
    return 0;
}

static int milliseconds_take(const struct ledger_entry *entry, struct job_unit *unit) {
    uint64_t number = 0;
    if (ledger_body_number(entry, "milliseconds", &number) != 0 || number > UINT32_MAX)
        return -1;
    unit->milliseconds = (uint32_t)number;
    return 0;
}

static int attempt_take(const struct ledger_entry *entry, struct job_unit *unit) {
    uint64_t number = 0;
    if (ledger_body_number(entry, "attempt", &number) != 0 || number == 0 || number > UINT32_MAX)
        return -1;
    unit->attempt = (uint32_t)number;
    unit->reported = false;
    unit->unit_id[0] = '\0';
    return 0;
}

static int step_take(const struct ledger_entry *entry, struct job_unit *unit) {
    return ledger_body_text(entry, "step", unit->step, sizeof unit->step);
}

/* Only of a scrapped unit the server says whether it still counts. */
static void reported_take(const struct ledger_entry *entry, struct job_unit *unit) {
    uint64_t counted = 1;
    unit->reported = true;
    if (ledger_body_number(entry, "counted", &counted) == 0)
        unit->given_back = counted == 0;
}

/* Body members an entry type needs are taken into the unit; -1 if one is missing. */
static int body_take(enum entry_type type, const struct ledger_entry *entry,
                     struct job_unit *unit) {
    switch (type) {
    case ENTRY_RESERVING: return attempt_take(entry, unit);
    case ENTRY_RESERVED:
        return ledger_body_text(entry, "unit", unit->unit_id, sizeof unit->unit_id);
    case ENTRY_REFUSED: return ledger_body_text(entry, "reason", unit->reason, sizeof unit->reason);
    case ENTRY_ISSUED: return digest_take(entry, "certificate", unit->certificate_sha256);
    case ENTRY_FAILED:
        unit->reported = false;
        if (step_take(entry, unit) != 0 ||
            ledger_body_text(entry, "reason", unit->reason, sizeof unit->reason) != 0)
            return -1;
        return milliseconds_take(entry, unit);
    case ENTRY_IDENTIFIED: unit->is_identified = true; return milliseconds_take(entry, unit);
    case ENTRY_REPORTED: reported_take(entry, unit); return 0;
    case ENTRY_BEGUN:
    case ENTRY_ENDED: return step_take(entry, unit);
    case ENTRY_SECURED: return 0;
    case ENTRY_RECORDED:
        unit->reported = false;
        if (digest_take(entry, "record", unit->record_sha256) != 0)
            return -1;
        return milliseconds_take(entry, unit);
    case ENTRY_DONE: unit->reported = true; return 0;
    case ENTRY_SCRAPPED:
        unit->reported = false;
        return ledger_body_text(entry, "reason", unit->reason, sizeof unit->reason);
    default: return -1;
    }
}

/* The counter's value at a reservation, if the programmer had a counter; it only rises. */
static const char *counter_take(struct job_journal *journal, const struct ledger_entry *entry) {
    uint64_t value = 0;
    if (ledger_body_number(entry, "counter", &value) != 0)
        return NULL;
    if (value <= journal->counter_last)
        return "a counter that does not rise";
    journal->counter_last = value;
    journal->counter_units++;
    return NULL;
}

/* NULL if it applies, else why it does not. */
static const char *entry_apply(void *context, const struct ledger_entry *entry) {
    struct job_journal *journal = context;
    int type = entry_type_of(entry->type);
    struct bytes uid;
    uint64_t count = 0;
    uint64_t sequence = 0;
    if (type < 0)
        return "an unknown entry type";
    if (type == ENTRY_IMPORTED) {
        if (ledger_body_number(entry, "count", &count) != 0 || count > UINT32_MAX ||
            ledger_body_number(entry, "sequence", &sequence) != 0)
            return "an import without its count";
        journal->count = (uint32_t)count;
        journal->package_sequence = sequence;
        return NULL;
    }
    if (type == ENTRY_RUN)
        return NULL;
    if (ledger_body_bytes(entry, "uid", &uid) != 0 || uid.size != JOB_UID_SIZE)
        return "an entry without its UID";
    struct job_unit *unit = unit_table_add(&journal->units, uid.data);
    if (unit == NULL)
        return "out of memory";
    if ((FROM(unit->state) & transitions[type].from) == 0)
        return "an entry its unit is not in a state for";
    if (body_take((enum entry_type)type, entry, unit) != 0)
        return "an entry with a member missing";
    if (transitions[type].to != JOB_UNIT_NONE)
        unit->state = transitions[type].to;
    unit->updated_s = entry->time;
    return type == ENTRY_RESERVING ? counter_take(journal, entry) : NULL;
}

int job_journal_open(const char *path, struct job_journal **journal, struct error *error) {
    struct job_journal *opened = calloc(1, sizeof *opened);
    *journal = NULL;
    if (opened == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    (void)pthread_mutex_init(&opened->mutex, NULL);
    if (ledger_file_open(path, entry_apply, opened, &opened->file, error) != 0) {
        job_journal_close(opened);
        return -1;
    }
    *journal = opened;
    return 0;
}

void job_journal_close(struct job_journal *journal) {
    if (journal == NULL)
        return;
    ledger_file_close(journal->file);
    unit_table_free(&journal->units);
    (void)pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

void job_journal_use_counter(struct job_journal *journal, struct counter *counter) {
    journal->counter = counter;
}

void job_journal_counted(struct job_journal *journal, uint64_t *last, uint64_t *units) {
    (void)pthread_mutex_lock(&journal->mutex);
    *last = journal->counter_last;
    *units = journal->counter_units;
    (void)pthread_mutex_unlock(&journal->mutex);
}

static int entry_append(struct job_journal *journal, enum entry_type type,
                        const struct ledger_member *members, size_t member_count,
                        struct error *error) {
    return ledger_file_append(journal->file, transitions[type].name, members, member_count, error);
}

static struct ledger_member member_bytes(const char *key, const void *data, size_t size) {
    return (struct ledger_member){.key = key, .kind = LEDGER_BYTES, .bytes = bytes_of(data, size)};
}

static struct ledger_member member_number(const char *key, uint64_t number) {
    return (struct ledger_member){.key = key, .kind = LEDGER_NUMBER, .number = number};
}

static struct ledger_member member_text(const char *key, const char *text) {
    return (struct ledger_member){.key = key, .kind = LEDGER_TEXT, .text = text};
}

int job_journal_imported(struct job_journal *journal, const char *job_id, uint64_t sequence,
                         uint32_t count, uint64_t expiry_s, struct error *error) {
    const struct ledger_member members[] = {
        member_text("job", job_id),
        member_number("sequence", sequence),
        member_number("count", count),
        member_number("expiry", expiry_s),
    };
    (void)pthread_mutex_lock(&journal->mutex);
    int failed = entry_append(journal, ENTRY_IMPORTED, members, 4, error);
    (void)pthread_mutex_unlock(&journal->mutex);
    return failed;
}

int job_journal_run(struct job_journal *journal, struct error *error) {
    uint8_t lot[RUN_LOT_SIZE];
    if (crypto_random(lot, sizeof lot) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    const struct ledger_member members[] = {member_bytes("lot", lot, sizeof lot)};
    (void)pthread_mutex_lock(&journal->mutex);
    int failed = entry_append(journal, ENTRY_RUN, members, 1, error);
    (void)pthread_mutex_unlock(&journal->mutex);
    return failed;
}

int job_journal_take(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE],
                     struct job_unit *unit, struct error *error) {
    int failed = 0;
    (void)pthread_mutex_lock(&journal->mutex);
    struct job_unit *known = unit_table_add(&journal->units, uid);
    if (known == NULL) {
        failed = error_set(error, ERROR_INTERNAL, "out of memory");
    } else if (known->in_work) {
        failed = error_set(error, ERROR_BUSY, "another site has a chip with the same UID");
        (void)error_hint(error, "one chip wired to two sites, or a copied chip: look at both");
    } else {
        known->in_work = true;
        *unit = *known;
    }
    (void)pthread_mutex_unlock(&journal->mutex);
    return failed;
}

void job_journal_give(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE]) {
    (void)pthread_mutex_lock(&journal->mutex);
    struct job_unit *known = unit_table_find(&journal->units, uid);
    if (known != NULL)
        known->in_work = false;
    (void)pthread_mutex_unlock(&journal->mutex);
}

static bool unit_is_open(const struct job_unit *unit) {
    return unit->state == JOB_UNIT_RESERVING || unit->state == JOB_UNIT_RESERVED ||
           unit->state == JOB_UNIT_ISSUED;
}

static bool unit_is_booting(const struct job_unit *unit) {
    return unit->state == JOB_UNIT_IDENTIFIED || unit->state == JOB_UNIT_SECURED;
}

static bool unit_is_done(const struct job_unit *unit) {
    return unit->state == JOB_UNIT_RECORDED || unit->state == JOB_UNIT_DONE;
}

/* There is something to tell the server. */
static bool unit_is_unreported(const struct job_unit *unit) {
    return !unit->reported && (unit_is_booting(unit) || unit_is_done(unit) ||
                               unit->state == JOB_UNIT_FAILED || unit->state == JOB_UNIT_SCRAPPED);
}

/* What has been IDENTIFIED stays counted whatever becomes of it; a chip that was not, and failed,
 * only until the server knows. One that was scrapped, until the server gives it back. */
static bool unit_is_counted(const struct job_unit *unit) {
    return unit_is_open(unit) || unit->is_identified ||
           (unit->state == JOB_UNIT_FAILED && !unit->reported) ||
           (unit->state == JOB_UNIT_SCRAPPED && !unit->given_back);
}

static void numbers_take(const struct job_journal *journal, struct job_numbers *numbers) {
    *numbers = (struct job_numbers){.count = journal->count, .sequence = journal->package_sequence};
    uint32_t taken = 0;
    for (size_t i = 0; i < journal->units.count; i++) {
        const struct job_unit *unit = &journal->units.units[i];
        numbers->open += unit_is_open(unit) ? 1 : 0;
        numbers->booting += unit_is_booting(unit) ? 1 : 0;
        numbers->done += unit_is_done(unit) ? 1 : 0;
        numbers->identified += unit_is_booting(unit) || unit_is_done(unit) ? 1 : 0;
        numbers->failed += unit->state == JOB_UNIT_FAILED ? 1 : 0;
        numbers->scrapped += unit->state == JOB_UNIT_SCRAPPED ? 1 : 0;
        numbers->unreported += unit_is_unreported(unit) ? 1 : 0;
        taken += unit_is_counted(unit) ? 1 : 0;
    }
    numbers->remaining = taken < journal->count ? journal->count - taken : 0;
}

void job_journal_numbers(struct job_journal *journal, struct job_numbers *numbers) {
    (void)pthread_mutex_lock(&journal->mutex);
    numbers_take(journal, numbers);
    (void)pthread_mutex_unlock(&journal->mutex);
}

/* The entry is on disk before the counter rises: counter.h. If that fails, the unit stays counted,
 * and is not asked for before the TPM was raised to it. */
static int reserving_append(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE],
                            uint32_t attempt, struct error *error) {
    uint64_t value = 0;
    if (counter_begin(journal->counter, &value, error) != 0)
        return -1;
    const struct ledger_member members[] = {
        member_bytes("uid", uid, JOB_UID_SIZE),
        member_number("attempt", attempt),
        member_number("counter", value),
    };
    size_t count = journal->counter != NULL ? 3 : 2;
    if (entry_append(journal, ENTRY_RESERVING, members, count, error) == 0)
        return counter_commit(journal->counter, error);
    counter_abandon(journal->counter);
    return -1;
}

/* A failed attempt may have left a certificate behind, and a refusal may have been for the number
 * itself, so the next attempt always gets a new one. */
static int reserve_locked(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE],
                          struct error *error) {
    const struct job_unit *known = unit_table_find(&journal->units, uid);
    uint32_t attempt = 1;
    if (known != NULL && known->state != JOB_UNIT_NONE) {
        /* Its entry may be the one that the TPM was not raised to: counter.h. */
        if (unit_is_open(known))
            return counter_check(journal->counter, error);
        if (known->state == JOB_UNIT_SCRAPPED)
            return error_set(error, ERROR_UNIT_SCRAPPED, "this chip was scrapped");
        if (known->is_identified)
            return error_set(error, ERROR_ALREADY_IDENTIFIED, "this chip has its identity already");
        attempt = known->attempt + 1;
    }
    struct job_numbers numbers;
    numbers_take(journal, &numbers);
    bool counted = known != NULL && known->state == JOB_UNIT_FAILED && !known->reported;
    if (numbers.remaining == 0 && !counted) {
        (void)error_set(error, ERROR_JOB_FULL, "all %u units of the job are made or in work",
                        numbers.count);
        return error_hint(error, "ask the OEM for a job with more units");
    }
    return reserving_append(journal, uid, attempt, error);
}

int job_journal_reserve(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE],
                        struct job_unit *unit, struct error *error) {
    (void)pthread_mutex_lock(&journal->mutex);
    int failed = reserve_locked(journal, uid, error);
    const struct job_unit *known = unit_table_find(&journal->units, uid);
    if (known != NULL)
        *unit = *known;
    (void)pthread_mutex_unlock(&journal->mutex);
    return failed;
}

/* Appends an entry of `unit` if its state allows; members[0] is filled here. */
static int unit_append(struct job_journal *journal, struct job_unit *unit, enum entry_type type,
                       struct ledger_member *members, size_t member_count, struct error *error) {
    members[0] = member_bytes("uid", unit->uid, JOB_UID_SIZE);
    (void)pthread_mutex_lock(&journal->mutex);
    const struct job_unit *known = unit_table_find(&journal->units, unit->uid);
    int failed = -1;
    if (known == NULL || (FROM(known->state) & transitions[type].from) == 0)
        (void)error_set(error, ERROR_INTERNAL, "the unit is %s, which \"%s\" cannot follow",
                        known != NULL ? job_unit_state_name(known->state) : "unknown",
                        transitions[type].name);
    else
        failed = entry_append(journal, type, members, member_count, error);
    known = unit_table_find(&journal->units, unit->uid);
    if (known != NULL)
        *unit = *known;
    (void)pthread_mutex_unlock(&journal->mutex);
    return failed;
}

int job_journal_reserved(struct job_journal *journal, struct job_unit *unit, const char *unit_id,
                         struct error *error) {
    struct ledger_member members[2] = {{0}, member_text("unit", unit_id)};
    return unit_append(journal, unit, ENTRY_RESERVED, members, 2, error);
}

/* `reason` as the ledger takes it: bounded, printable. */
static void reason_clean(const char *reason, char out[JOB_REASON_MAX + 1]) {
    size_t size = 0;
    for (; reason[size] != '\0' && size < JOB_REASON_MAX; size++)
        out[size] = reason[size] >= ' ' && reason[size] <= '~' ? reason[size] : '?';
    out[size] = '\0';
}

int job_journal_refused(struct job_journal *journal, struct job_unit *unit, const char *reason,
                        struct error *error) {
    char clean[JOB_REASON_MAX + 1];
    reason_clean(reason, clean);
    struct ledger_member members[2] = {{0}, member_text("reason", clean)};
    return unit_append(journal, unit, ENTRY_REFUSED, members, 2, error);
}

int job_journal_issued(struct job_journal *journal, struct job_unit *unit,
                       const uint8_t certificate_sha256[32], struct error *error) {
    struct ledger_member members[2] = {{0}, member_bytes("certificate", certificate_sha256, 32)};
    return unit_append(journal, unit, ENTRY_ISSUED, members, 2, error);
}

int job_journal_identified(struct job_journal *journal, struct job_unit *unit,
                           uint32_t milliseconds, struct error *error) {
    struct ledger_member members[3] = {{0},
                                       member_bytes("certificate", unit->certificate_sha256, 32),
                                       member_number("milliseconds", milliseconds)};
    return unit_append(journal, unit, ENTRY_IDENTIFIED, members, 3, error);
}

int job_journal_failed(struct job_journal *journal, struct job_unit *unit, const char *step,
                       const char *reason, uint32_t milliseconds, struct error *error) {
    char clean[JOB_REASON_MAX + 1];
    reason_clean(reason, clean);
    struct ledger_member members[4] = {{0},
                                       member_text("step", step),
                                       member_text("reason", clean),
                                       member_number("milliseconds", milliseconds)};
    return unit_append(journal, unit, ENTRY_FAILED, members, 4, error);
}

int job_journal_reported(struct job_journal *journal, struct job_unit *unit, struct error *error) {
    struct ledger_member members[2] = {{0}, member_text("state", job_unit_state_name(unit->state))};
    return unit_append(journal, unit, ENTRY_REPORTED, members, 2, error);
}

static int step_append(struct job_journal *journal, struct job_unit *unit, enum entry_type type,
                       const char *step, struct error *error) {
    struct ledger_member members[2] = {{0}, member_text("step", step)};
    return unit_append(journal, unit, type, members, 2, error);
}

int job_journal_begun(struct job_journal *journal, struct job_unit *unit, const char *step,
                      struct error *error) {
    return step_append(journal, unit, ENTRY_BEGUN, step, error);
}

int job_journal_ended(struct job_journal *journal, struct job_unit *unit, const char *step,
                      struct error *error) {
    return step_append(journal, unit, ENTRY_ENDED, step, error);
}

int job_journal_secured(struct job_journal *journal, struct job_unit *unit, struct error *error) {
    struct ledger_member members[1] = {{0}};
    return unit_append(journal, unit, ENTRY_SECURED, members, 1, error);
}

int job_journal_recorded(struct job_journal *journal, struct job_unit *unit,
                         const uint8_t record_sha256[32], uint32_t milliseconds,
                         struct error *error) {
    struct ledger_member members[3] = {{0},
                                       member_bytes("record", record_sha256, 32),
                                       member_number("milliseconds", milliseconds)};
    return unit_append(journal, unit, ENTRY_RECORDED, members, 3, error);
}

int job_journal_done(struct job_journal *journal, struct job_unit *unit, struct error *error) {
    struct ledger_member members[2] = {{0}, member_bytes("record", unit->record_sha256, 32)};
    return unit_append(journal, unit, ENTRY_DONE, members, 2, error);
}

int job_journal_scrapped(struct job_journal *journal, struct job_unit *unit, const char *reason,
                         struct error *error) {
    char clean[JOB_REASON_MAX + 1];
    reason_clean(reason, clean);
    struct ledger_member members[2] = {{0}, member_text("reason", clean)};
    return unit_append(journal, unit, ENTRY_SCRAPPED, members, 2, error);
}

int job_journal_scrap_reported(struct job_journal *journal, struct job_unit *unit, bool is_counted,
                               struct error *error) {
    struct ledger_member members[3] = {{0},
                                       member_text("state", job_unit_state_name(unit->state)),
                                       member_number("counted", is_counted ? 1 : 0)};
    return unit_append(journal, unit, ENTRY_REPORTED, members, 3, error);
}

bool job_journal_unit(struct job_journal *journal, size_t index, struct job_unit *unit) {
    (void)pthread_mutex_lock(&journal->mutex);
    bool found = index < journal->units.count;
    if (found)
        *unit = journal->units.units[index];
    (void)pthread_mutex_unlock(&journal->mutex);
    return found;
}

void job_journal_head(struct job_journal *journal, struct ledger_head *head) {
    (void)pthread_mutex_lock(&journal->mutex);
    ledger_file_head(journal->file, head);
    (void)pthread_mutex_unlock(&journal->mutex);
}

bool job_journal_hash(struct job_journal *journal, uint64_t sequence,
                      uint8_t hash[LEDGER_HASH_SIZE]) {
    (void)pthread_mutex_lock(&journal->mutex);
    bool found = ledger_file_hash(journal->file, sequence, hash);
    (void)pthread_mutex_unlock(&journal->mutex);
    return found;
}

int job_journal_line(struct job_journal *journal, uint64_t sequence, struct buffer *out,
                     struct error *error) {
    (void)pthread_mutex_lock(&journal->mutex);
    int failed = ledger_file_line(journal->file, sequence, out, error);
    (void)pthread_mutex_unlock(&journal->mutex);
    return failed;
}
