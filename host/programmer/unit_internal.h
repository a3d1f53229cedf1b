/*
 * Shared by unit.c (order of steps, failing, reporting) and unit_steps.c (what each step does).
 */
#ifndef NUSEC_PROGRAMMER_UNIT_INTERNAL_H
#define NUSEC_PROGRAMMER_UNIT_INTERNAL_H

#include "debug_port/debug_port.h"
#include "programmer/chip.h"
#include "programmer/unit.h"

struct unit {
    const struct unit_order *order;
    struct unit_result *result;
    struct debug_port *port;
    struct devauth_mailbox mailbox;
    struct chip chip;
    bool chip_is_open;
    struct devauth_device_info info;
    bool has_uid; /* taken in the journal */
    struct job_unit record;
    struct server_reservation reservation;
    struct devauth_public_keys keys;
    struct buffer csr;
    struct buffer leaf;
    bool resumed;      /* the chip has its certificate; the steps up to install are skipped */
    bool already;      /* identified before */
    bool permit_asked; /* from here on the chip may be provisioned */
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

/* Ends the attempt in journal and server, so that the chip can start a new one. */
int unit_end_attempt(struct unit *unit, const char *step, const char *reason, struct error *error);

#endif
