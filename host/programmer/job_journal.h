/*
 * What this programmer did under one job: an append-only, hash-chained ledger on disk and, replayed
 * from it, the state of every unit. The server keeps its own; entries are sent to it and the two
 * chains must agree (docs/formats/programmer_state.md).
 *
 * An entry is on disk before the call that made it returns (ledger_file.h), and the calls come
 * before what they announce: a unit is counted before the server is asked, a certificate is noted
 * before the chip gets it.
 *
 * Unit states (the transition table is in job_journal.c):
 *
 *     -> RESERVING -> RESERVED -> ISSUED -> IDENTIFIED -> SECURED -> RECORDED -> DONE
 *           |            \___________\__________\____________\__________\____> FAILED
 *           \-> REFUSED (-> RESERVING, next attempt)
 *
 *     any of these but NONE, REFUSED, DONE -> SCRAPPED, for good
 *
 * A job without firmware ends at IDENTIFIED, one with firmware at DONE; one that leaves debug open
 * has no SECURED. A unit that FAILED before IDENTIFIED may start anew (RESERVING, next attempt);
 * after that its chip is lost to the job and stays counted.
 *
 * Remaining = count of the job less the units that are in work, identified or beyond, lost, failed
 * without the server knowing it yet, or scrapped without the server having given the count back.
 * The server's own number may be lower, and it decides.
 *
 * Thread-safe; the calls of one unit come from one thread at a time.
 */
#ifndef NUSEC_PROGRAMMER_JOB_JOURNAL_H
#define NUSEC_PROGRAMMER_JOB_JOURNAL_H

#include "base/buffer.h"
#include "base/ledger.h"
#include "programmer/counter.h"

#define JOB_UID_SIZE    16
#define JOB_UNIT_ID_MAX 32
#define JOB_STEP_MAX    15
#define JOB_REASON_MAX  159

enum job_unit_state {
    JOB_UNIT_NONE,
    JOB_UNIT_RESERVING, /* counted here; the server's answer is not known */
    JOB_UNIT_RESERVED,
    JOB_UNIT_ISSUED, /* the certificate exists and may be in the chip */
    JOB_UNIT_IDENTIFIED,
    JOB_UNIT_FAILED,
    JOB_UNIT_REFUSED,  /* the server said no; nothing is counted */
    JOB_UNIT_SECURED,  /* debug is locked for good */
    JOB_UNIT_RECORDED, /* the chip is finished; its record is signed and kept (job_file.h) */
    JOB_UNIT_DONE,     /* the server has the record */
    JOB_UNIT_SCRAPPED, /* given up for good, here or by the OEM */
};
const char *job_unit_state_name(enum job_unit_state state);

struct job_unit {
    uint8_t uid[JOB_UID_SIZE];
    uint32_t attempt;
    enum job_unit_state state;
    bool reported;      /* the server has acknowledged IDENTIFIED, FAILED, DONE or SCRAPPED */
    bool given_back;    /* SCRAPPED: the server has given its count back */
    bool is_identified; /* has been IDENTIFIED: counted for good */
    char unit_id[JOB_UNIT_ID_MAX + 1];
    uint8_t certificate_sha256[32]; /* from ISSUED on */
    char step[JOB_STEP_MAX + 1]; /* FAILED: where; else the last one begun that cannot be undone */
    uint8_t record_sha256[32];   /* from RECORDED on */
    char reason[JOB_REASON_MAX + 1];
    uint32_t milliseconds;
    uint64_t updated_s;
    bool in_work; /* in a site's hands now; not stored */
};

struct job_journal;

/* Creates the file when it is missing. ERROR_LEDGER_DIVERGED for a damaged one. */
int job_journal_open(const char *path, struct job_journal **journal, struct error *error);
void job_journal_close(struct job_journal *journal);

/* From now on reservations are counted by `counter` (borrowed, NULL: none) as well. */
void job_journal_use_counter(struct job_journal *journal, struct counter *counter);
/* How many reservations it counted, ever, and its value at the last one. */
void job_journal_counted(struct job_journal *journal, uint64_t *last, uint64_t *units);

/* An import; `count` is the job's count from now on. */
int job_journal_imported(struct job_journal *journal, const char *job_id, uint64_t sequence,
                         uint32_t count, uint64_t expiry_s, struct error *error);

/* The daemon has started: a number drawn by lot, so that two of them which go on from copies of one
 * ledger never write the same. */
int job_journal_run(struct job_journal *journal, struct error *error);

/*
 * Only one thread works on a UID at a time: two sites that show the same UID mean a copied chip.
 * ERROR_BUSY if it is taken. `unit` is its state so far, NONE for a new UID.
 */
int job_journal_take(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE],
                     struct job_unit *unit, struct error *error);
void job_journal_give(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE]);

/*
 * Takes one from the remaining count for this UID, or takes up its unit that is still open.
 * `unit` is the result. ERROR_JOB_FULL when nothing remains, ERROR_ALREADY_IDENTIFIED if the UID is
 * identified already, ERROR_LEDGER_ROLLED_BACK if ledgers and counter disagree.
 */
int job_journal_reserve(struct job_journal *journal, const uint8_t uid[JOB_UID_SIZE],
                        struct job_unit *unit, struct error *error);

/* Each appends one entry and updates `unit`; ERROR_INTERNAL if the unit is not in a state for it.
 */
int job_journal_reserved(struct job_journal *journal, struct job_unit *unit, const char *unit_id,
                         struct error *error);
int job_journal_refused(struct job_journal *journal, struct job_unit *unit, const char *reason,
                        struct error *error);
int job_journal_issued(struct job_journal *journal, struct job_unit *unit,
                       const uint8_t certificate_sha256[32], struct error *error);
int job_journal_identified(struct job_journal *journal, struct job_unit *unit,
                           uint32_t milliseconds, struct error *error);
int job_journal_failed(struct job_journal *journal, struct job_unit *unit, const char *step,
                       const char *reason, uint32_t milliseconds, struct error *error);
int job_journal_reported(struct job_journal *journal, struct job_unit *unit, struct error *error);
/* A step that cannot be undone is about to be done, and was seen to have been done. */
int job_journal_begun(struct job_journal *journal, struct job_unit *unit, const char *step,
                      struct error *error);
int job_journal_ended(struct job_journal *journal, struct job_unit *unit, const char *step,
                      struct error *error);
int job_journal_secured(struct job_journal *journal, struct job_unit *unit, struct error *error);
/* Again when the server did not take the last record. */
int job_journal_recorded(struct job_journal *journal, struct job_unit *unit,
                         const uint8_t record_sha256[32], uint32_t milliseconds,
                         struct error *error);
int job_journal_done(struct job_journal *journal, struct job_unit *unit, struct error *error);
int job_journal_scrapped(struct job_journal *journal, struct job_unit *unit, const char *reason,
                         struct error *error);
/* The server knows it, and holds its count or not. */
int job_journal_scrap_reported(struct job_journal *journal, struct job_unit *unit, bool is_counted,
                               struct error *error);
/* The states that SCRAPPED may follow. */
bool job_unit_may_be_scrapped(enum job_unit_state state);

struct job_numbers {
    uint64_t sequence; /* of the newest package imported */
    uint32_t count;
    uint32_t remaining;
    uint32_t open;       /* RESERVING, RESERVED, ISSUED */
    uint32_t identified; /* IDENTIFIED or beyond, not FAILED */
    uint32_t booting;    /* of these: IDENTIFIED, SECURED: a job with firmware has to finish them */
    uint32_t done;       /* of these: RECORDED, DONE */
    uint32_t failed;
    uint32_t scrapped;
    uint32_t unreported; /* final, the server does not know yet */
};
void job_journal_numbers(struct job_journal *journal, struct job_numbers *numbers);

/* A copy of the unit at `index` (order of first appearance); false behind the last. */
bool job_journal_unit(struct job_journal *journal, size_t index, struct job_unit *unit);

/* The head, and the hash of entry `sequence` (1..head; zero bytes for 0; false behind the head). */
void job_journal_head(struct job_journal *journal, struct ledger_head *head);
bool job_journal_hash(struct job_journal *journal, uint64_t sequence,
                      uint8_t hash[LEDGER_HASH_SIZE]);
/* The base64 of entry `sequence` as stored, appended to `out`. */
int job_journal_line(struct job_journal *journal, uint64_t sequence, struct buffer *out,
                     struct error *error);

#endif
