/*
 * One unit: a chip at a site goes from blank to identified.
 *
 *   attach     debug port, core halted
 *   load       DevAuth into SRAM, its slot-0 key hash read back, debug port released
 *   session    UART: privileged session with exactly that key; which chip is it, may it be made?
 *   reserve    counted in the journal, then at the server
 *   keys       AUTH, ENC and TLS keys, in the chip
 *   csr        PKCS#10 with the server's nonce, every field checked
 *   certificate  issued by the server, checked, noted in the journal
 *   install    into slot 0
 *   verify     a new session that only the issued certificate can open
 *   root_hash  permit of the command authority, OTP
 *   confirm    OTP read back
 *   done       journal, server, ledger
 *
 * A lost link is taken up again from the step that lost it. A unit that ends before its permit was
 * asked for, or whose permit the server clearly refused, is failed, and its chip can start anew;
 * otherwise it stays open and resumes when the chip comes back, because the chip may have its
 * identity for good.
 */
#ifndef NUSEC_PROGRAMMER_UNIT_H
#define NUSEC_PROGRAMMER_UNIT_H

#include "base/clock.h"
#include "programmer/firmware.h"
#include "programmer/job.h"

#include <stdatomic.h>

struct unit_site {
    const char *name;
    const char *debug;
    const char *uart;
};

struct unit_progress {
    const char *unit_id; /* "" before the reservation */
    const char *uid;     /* upper-case hex, "" before the session */
    const char *state;   /* a step, or "failed", "open" */
    unsigned percent;
    double seconds;
    const char *message; /* may be "" */
};
typedef void unit_progress_function(void *context, const struct unit_progress *progress);

struct unit_order {
    struct job *job;
    struct server *server;
    const struct identity *identity;
    const struct key_store *key_store;
    const struct firmware *firmware;
    const struct clock *clock;
    const atomic_bool *stop;
    struct unit_site site;
    int answer_ms; /* patience with the chip; 0: the default of chip_link.h */
    unit_progress_function *on_progress;
    void *context;
};

enum unit_end {
    UNIT_END_IDENTIFIED, /* made, or resumed to its end */
    UNIT_END_ALREADY,    /* was identified before; nothing was done or counted */
    UNIT_END_FAILED,
    UNIT_END_OPEN, /* not over: the chip has to come back */
};

struct unit_result {
    enum unit_end end;
    bool resumed;
    bool reported; /* the server knows the end */
    char unit_id[JOB_UNIT_ID_MAX + 1];
    char uid[2 * JOB_UID_SIZE + 1];
    char step[JOB_STEP_MAX + 1]; /* where it failed; "done" */
    struct error error;          /* of a FAILED or OPEN unit */
    double seconds;
    /* Where the time went: debug port, waiting for the chip, waiting for the server. */
    double debug_s;
    double link_s;
    double server_s;
    uint64_t link_bytes;
};

/* Runs in the site's own thread; always fills `result`. */
void unit_run(const struct unit_order *order, struct unit_result *result);

#endif
