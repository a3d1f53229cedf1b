/*
 * The life of a unit on the server: one table, the same as in docs/formats/database.md.
 * Not to be confused with the life cycle of the chip.
 */
#ifndef NUSEC_STORE_UNIT_STATE_H
#define NUSEC_STORE_UNIT_STATE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Stored; never renumber. */
enum unit_state {
    UNIT_NONE = 0, /* no row: not stored */
    UNIT_RESERVED = 1,
    UNIT_IDENTIFIED = 2,
    UNIT_FAILED = 3,
    UNIT_SUPERSEDED = 4, /* a later attempt took its place */
    UNIT_SECURED = 5,    /* the lock permit was issued */
    UNIT_DONE = 6,       /* the unit record was accepted */
    UNIT_SCRAPPED = 7,   /* given up for good, by the line or by the OEM */
    UNIT_STATES = 8,
};

enum unit_event {
    UNIT_EVENT_RESERVE,
    UNIT_EVENT_CERTIFICATE,
    UNIT_EVENT_PERMIT,
    UNIT_EVENT_IDENTIFIED,
    UNIT_EVENT_FAILED,
    UNIT_EVENT_SUPERSEDE,
    UNIT_EVENT_IMAGE,    /* a chip's own image was released */
    UNIT_EVENT_BOOT_KEY, /* permit for a boot key's hash */
    UNIT_EVENT_LOCK,     /* permit to lock debug */
    UNIT_EVENT_RECORD,   /* chip and programmer signed what was made */
    UNIT_EVENT_OBJECT_ID,
    UNIT_EVENT_SCRAP,
    UNIT_EVENTS
};

/* What must hold besides the state. */
enum unit_guard {
    UNIT_GUARD_NONE,
    UNIT_GUARD_JOB_OPEN,    /* job active, not expired, room in its count, UID listed */
    UNIT_GUARD_FIRST_KEY,   /* no certificate yet, and the UID has none under another job */
    UNIT_GUARD_CERTIFIED,   /* the certificate was issued and still stands */
    UNIT_GUARD_PERMITTED,   /* permit issued and the certificate read back is the one issued */
    UNIT_GUARD_NEW_ATTEMPT, /* the new attempt has a higher number, same job; never secured */
    UNIT_GUARD_NO_PERMIT,   /* as NEW_ATTEMPT, and nothing irreversible was permitted */
    UNIT_GUARD_ATTESTED,    /* fresh measurements of this chip are what was ordered */
    UNIT_GUARD_BOOT_KEYS,   /* permits for both boot keys were issued */
    UNIT_GUARD_OPEN_DEBUG,  /* attested, and the job leaves debug open */
    UNIT_GUARD_FIRMWARE,    /* the job has firmware: an identity is not the end of the unit */
};

struct unit_transition {
    enum unit_state state;
    enum unit_event event;
    enum unit_guard guard;
    enum unit_state next;
};

extern const struct unit_transition unit_transitions[];
extern const size_t unit_transition_count;

/* The row of the table for (state, event), NULL when the event is not allowed in this state. */
const struct unit_transition *unit_transition_find(enum unit_state state, enum unit_event event);

/* "reserved", ...; "unknown" for anything else. */
const char *unit_state_name(enum unit_state state);
const char *unit_event_name(enum unit_event event);

#endif
