/*
 * One unit: a chip at a site goes from blank to identified, and on to its firmware if the job has
 * some.
 *
 *   attach       who is there? debug port, core halted, unless the chip is past needing it
 *   load         DevAuth into SRAM, its slot-0 key hash read back, debug port released
 *   session      UART: privileged session with exactly that key; which chip is it, may it be made?
 *   reserve      counted in the journal, then at the server
 *   keys         AUTH, ENC and TLS keys, in the chip
 *   csr          PKCS#10 with the server's nonce, every field checked
 *   certificate  issued by the server, checked, noted in the journal
 *   install      into slot 0
 *   verify       a new session that only the issued certificate can open
 *   root_hash    permit of the command authority, OTP
 *   confirm      OTP read back; the unit is identified
 *
 *   bl2_challenge  measurements under the server's nonce buy this chip's BL2
 *   bl2_install    DevAuth writes it
 *   bl2_key        permit, OTP: from now on the chip starts BL2 signed with this key
 *   bl2_start      reset; BL2 answers on the issued chain
 *   bl3_key        permit, OTP
 *   lock           permit, OTP: secured; reset
 *   debug_refused  the debug port keeps us out
 *   bl3_challenge  measurements that show all this buy this chip's BL3
 *   bl3_install    BL2 writes it, encrypted
 *   application    reset; BL2 decrypts and starts it; it proves the chip's key
 *   record         its measurements, signed by this programmer, are the server's proof; done
 *
 * A chip that is past a step skips it: what the chip says decides, the journal only says which chip
 * it must be. A lost link is taken up again from the step that lost it.
 *
 * How a unit ends that did not come to its end:
 *
 *   before its permit was asked for, or that was clearly refused   failed: the chip can start anew
 *   later, before it was identified                                open
 *   identified or beyond                                           open: it resumes where it stood
 *   likewise, and the server clearly refused it, or its debug
 *   port is open after it was locked                               failed, and stays counted
 *
 * An open unit resumes when its chip comes back.
 */
#ifndef NUSEC_PROGRAMMER_UNIT_H
#define NUSEC_PROGRAMMER_UNIT_H

#include "base/clock.h"
#include "programmer/firmware.h"
#include "programmer/image_store.h"
#include "programmer/job.h"

#include <stdatomic.h>

struct unit_site {
    const char *name;
    const char *debug;
    const char *uart;
    const char *serial; /* what the line calls the board in it; NULL: nothing */
};

struct unit_progress {
    const char *unit_id; /* "" before the reservation */
    const char *uid;     /* upper-case hex, "" before the session */
    const char *state;   /* a step, or "done", "planned", "failed", "open" */
    unsigned percent;
    double seconds;
    const char *message; /* may be "" */
};
typedef void unit_progress_function(void *context, const struct unit_progress *progress);

enum unit_mode {
    UNIT_MAKE,
    UNIT_DRY_RUN, /* up to where something would be counted or written for good */
};

struct unit_order {
    enum unit_mode mode;
    struct job *job;
    struct server *server;
    const struct identity *identity;
    const struct key_store *key_store;
    const struct firmware *firmware; /* DevAuth */
    struct image_store *images;      /* BL2, BL3 */
    const struct clock *clock;
    const atomic_bool *stop;
    struct unit_site site;
    int answer_ms; /* patience with the chip; 0: the default of chip_link.h */
    int start_ms;  /* most patience with a chip that starts; 0: what a slow one needs */
    unit_progress_function *on_progress;
    void *context;
};

/* More than there are steps. */
#define UNIT_STEPS_MAX 24

enum unit_end {
    UNIT_END_IDENTIFIED, /* made, or resumed to its end; the job has no firmware */
    UNIT_END_ALREADY,    /* likewise, but before; nothing was done or counted */
    UNIT_END_DONE,       /* made, or resumed to its end, with firmware */
    UNIT_END_ALREADY_DONE,
    UNIT_END_PLANNED, /* dry run */
    UNIT_END_FAILED,
    UNIT_END_OPEN, /* not over: the chip has to come back */
};

struct unit_result {
    enum unit_end end;
    bool resumed;
    bool reported; /* the server knows the end */
    char unit_id[JOB_UNIT_ID_MAX + 1];
    char uid[2 * JOB_UID_SIZE + 1];
    char step[JOB_STEP_MAX + 1]; /* where it failed or would begin; "done" */
    char message[128];           /* in words; may be empty */
    struct error error;          /* of a FAILED or OPEN unit */
    double seconds;
    /* Where the time went: debug port, waiting for the chip, waiting for the server. */
    double debug_s;
    double link_s;
    double server_s;
    uint64_t link_bytes;
    struct server_step steps[UNIT_STEPS_MAX]; /* those that ran, in order, retries included */
    size_t step_count;
};

/* Runs in the site's own thread; always fills `result`. */
void unit_run(const struct unit_order *order, struct unit_result *result);

#endif
