/*
 * Shared by unit.c (order of steps, failing, reporting) and the files that say what each step does:
 *
 *   unit_reach.c        finding the chip, sessions, starting it again
 *   unit_steps.c        identity
 *   unit_boot_steps.c   images and starts
 *   unit_lock_steps.c   what cannot be undone: boot keys, lock, and its proof
 *   unit_record_step.c  the unit record
 */
#ifndef NUSEC_PROGRAMMER_UNIT_INTERNAL_H
#define NUSEC_PROGRAMMER_UNIT_INTERNAL_H

#include "debug_port/debug_port.h"
#include "programmer/chip_boot.h"
#include "programmer/job_boot.h"
#include "programmer/unit.h"

/* What a chip with an identity says of its firmware, inside a session. */
struct unit_look {
    bool has_bl2_key; /* in OTP */
    bool has_bl3_key;
    struct devauth_boot_state state;
};

struct unit {
    const struct unit_order *order;
    struct unit_result *result;
    struct job_boot boot;
    uint64_t began_ms;
    unsigned percent;
    unsigned percent_end; /* of the running step */
    const char *step;
    struct debug_port *port;
    struct devauth_mailbox mailbox;
    struct chip chip;
    bool chip_is_open;
    struct devauth_device_info info;
    struct unit_look look;
    bool has_uid; /* taken in the journal */
    struct job_unit record;
    struct server_reservation reservation;
    struct devauth_public_keys keys;
    struct buffer csr;
    struct buffer leaf;
    struct server_image image; /* of the target in work */
    struct buffer image_bytes;
    bool past_devauth; /* the chip starts without debug port: nothing of identity is left to do */
    bool resumed;      /* the chip has its certificate; the steps up to install are skipped */
    bool already;      /* was at its end before */
    bool permit_asked; /* from here on the chip may be provisioned */
    bool is_ours;      /* the chip has proven the certificate of this unit, in this run */
    bool is_lost;      /* what was seen ends the unit, whatever the error code */
    uint64_t step_began_ms;
    bool step_runs;
    uint64_t debug_us;
    uint64_t server_us;
};

typedef int unit_step_function(struct unit *unit, struct error *error);

unit_step_function unit_attach;
unit_step_function unit_load;
unit_step_function unit_session;
unit_step_function unit_reserve;
unit_step_function unit_keys;
unit_step_function unit_csr;
unit_step_function unit_certificate;
unit_step_function unit_install;
unit_step_function unit_verify;
unit_step_function unit_root_hash;
unit_step_function unit_confirm;
unit_step_function unit_bl2_challenge;
unit_step_function unit_bl2_install;
unit_step_function unit_bl2_key;
unit_step_function unit_bl2_start;
unit_step_function unit_bl3_key;
unit_step_function unit_lock;
unit_step_function unit_debug_refused;
unit_step_function unit_bl3_challenge;
unit_step_function unit_bl3_install;
unit_step_function unit_application;
unit_step_function unit_record;

/* unit.c */

/* Tells the caller of unit_run. */
void unit_report(struct unit *unit, const char *state, const char *message);

/* Ends the attempt in journal and server, so that the chip can start a new one. */
int unit_end_attempt(struct unit *unit, const char *step, const char *reason, struct error *error);

uint32_t unit_milliseconds(const struct unit *unit);

/* What the server is told of site, serial number and times so far. Borrows from the unit. */
struct server_line unit_line(struct unit *unit);

/* unit_reach.c */

/* Opens the UART if it is not, with what is known of the chip. */
int unit_open_chip(struct unit *unit, struct error *error);

/* Does nothing inside a session. Else meets the chip, which must be the one of this unit, and opens
 * a session with the stage that is there; boot_rom has none. */
int unit_reach(struct unit *unit, struct error *error);

/* Asks again inside the session who is there: a chip that became another one on the way is a
 * program that plays chips. */
int unit_refresh(struct unit *unit, struct error *error);

/* Fills `look`. */
int unit_look(struct unit *unit, struct error *error);

/* The patience a step wants with a starting chip, as far as the order allows. */
int unit_start_ms(const struct unit *unit, int patience_ms);

/* REBOOT and a session with the stage that comes up, which must be `stage`. */
int unit_restart(struct unit *unit, enum devauth_reboot mode, enum devauth_stage_id stage,
                 int patience_ms, struct error *error);

/* unit_steps.c */

/* Lets the chip execute a permit: its nonce goes to the server, what comes back to the chip. */
int unit_permit(struct unit *unit, uint8_t permit, const char *command, struct error *error);

/* The server read the request and said no; whatever else goes wrong leaves it open. */
bool unit_is_refusal(enum error_code code);

/* Which of its steps a unit with a chip like this still needs. */
bool unit_needs_debug(const struct unit *unit);
bool unit_needs_identity(const struct unit *unit);
bool unit_needs_proof(const struct unit *unit);
bool unit_needs_bl2_challenge(const struct unit *unit);
bool unit_needs_bl2_install(const struct unit *unit);
bool unit_needs_bl2_key(const struct unit *unit);
bool unit_needs_bl2_start(const struct unit *unit);
bool unit_needs_bl3_key(const struct unit *unit);
bool unit_needs_lock(const struct unit *unit);
bool unit_needs_debug_refused(const struct unit *unit);
bool unit_needs_bl3(const struct unit *unit);
bool unit_needs_application(const struct unit *unit);
bool unit_needs_record(const struct unit *unit);

#endif
