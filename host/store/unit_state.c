#include "store/unit_state.h"

const struct unit_transition unit_transitions[] = {
    {UNIT_NONE, UNIT_EVENT_RESERVE, UNIT_GUARD_JOB_OPEN, UNIT_RESERVED},
    {UNIT_RESERVED, UNIT_EVENT_CERTIFICATE, UNIT_GUARD_FIRST_KEY, UNIT_RESERVED},
    {UNIT_RESERVED, UNIT_EVENT_PERMIT, UNIT_GUARD_CERTIFIED, UNIT_RESERVED},
    {UNIT_RESERVED, UNIT_EVENT_IDENTIFIED, UNIT_GUARD_PERMITTED, UNIT_IDENTIFIED},
    {UNIT_RESERVED, UNIT_EVENT_FAILED, UNIT_GUARD_NONE, UNIT_FAILED},
    {UNIT_RESERVED, UNIT_EVENT_SUPERSEDE, UNIT_GUARD_NO_PERMIT, UNIT_SUPERSEDED},
    {UNIT_RESERVED, UNIT_EVENT_SCRAP, UNIT_GUARD_NONE, UNIT_SCRAPPED},
    {UNIT_FAILED, UNIT_EVENT_SUPERSEDE, UNIT_GUARD_NEW_ATTEMPT, UNIT_SUPERSEDED},
    {UNIT_FAILED, UNIT_EVENT_SCRAP, UNIT_GUARD_NONE, UNIT_SCRAPPED},
    {UNIT_IDENTIFIED, UNIT_EVENT_IMAGE, UNIT_GUARD_ATTESTED, UNIT_IDENTIFIED},
    {UNIT_IDENTIFIED, UNIT_EVENT_BOOT_KEY, UNIT_GUARD_CERTIFIED, UNIT_IDENTIFIED},
    {UNIT_IDENTIFIED, UNIT_EVENT_OBJECT_ID, UNIT_GUARD_CERTIFIED, UNIT_IDENTIFIED},
    {UNIT_IDENTIFIED, UNIT_EVENT_LOCK, UNIT_GUARD_BOOT_KEYS, UNIT_SECURED},
    {UNIT_IDENTIFIED, UNIT_EVENT_RECORD, UNIT_GUARD_OPEN_DEBUG, UNIT_DONE},
    {UNIT_IDENTIFIED, UNIT_EVENT_FAILED, UNIT_GUARD_FIRMWARE, UNIT_FAILED},
    {UNIT_IDENTIFIED, UNIT_EVENT_SCRAP, UNIT_GUARD_FIRMWARE, UNIT_SCRAPPED},
    {UNIT_SECURED, UNIT_EVENT_LOCK, UNIT_GUARD_BOOT_KEYS, UNIT_SECURED},
    {UNIT_SECURED, UNIT_EVENT_OBJECT_ID, UNIT_GUARD_CERTIFIED, UNIT_SECURED},
    {UNIT_SECURED, UNIT_EVENT_IMAGE, UNIT_GUARD_ATTESTED, UNIT_SECURED},
    {UNIT_SECURED, UNIT_EVENT_RECORD, UNIT_GUARD_ATTESTED, UNIT_DONE},
    {UNIT_SECURED, UNIT_EVENT_FAILED, UNIT_GUARD_NONE, UNIT_FAILED},
    {UNIT_SECURED, UNIT_EVENT_SCRAP, UNIT_GUARD_NONE, UNIT_SCRAPPED},
};

const size_t unit_transition_count = sizeof unit_transitions / sizeof unit_transitions[0];

const struct unit_transition *unit_transition_find(enum unit_state state, enum unit_event event) {
    for (size_t i = 0; i < unit_transition_count; i++)
        if (unit_transitions[i].state == state && unit_transitions[i].event == event)
            return &unit_transitions[i];
    return NULL;
}

const char *unit_state_name(enum unit_state state) {
    switch (state) {
    case UNIT_NONE: return "none";
    case UNIT_RESERVED: return "reserved";
    case UNIT_IDENTIFIED: return "identified";
    case UNIT_FAILED: return "failed";
    case UNIT_SUPERSEDED: return "superseded";
    case UNIT_SECURED: return "secured";
    case UNIT_DONE: return "done";
    case UNIT_SCRAPPED: return "scrapped";
    case UNIT_STATES: break;
    }
    return "unknown";
}

const char *unit_event_name(enum unit_event event) {
    switch (event) {
    case UNIT_EVENT_RESERVE: return "reserved";
    case UNIT_EVENT_CERTIFICATE: return "certificate";
    case UNIT_EVENT_PERMIT: return "permit";
    case UNIT_EVENT_IDENTIFIED: return "identified";
    case UNIT_EVENT_FAILED: return "failed";
    case UNIT_EVENT_SUPERSEDE: return "superseded";
    case UNIT_EVENT_IMAGE: return "image";
    case UNIT_EVENT_BOOT_KEY: return "boot_key";
    case UNIT_EVENT_LOCK: return "secured";
    case UNIT_EVENT_RECORD: return "done";
    case UNIT_EVENT_OBJECT_ID: return "object_id";
    case UNIT_EVENT_SCRAP: return "scrapped";
    case UNIT_EVENTS: break;
    }
    return "unknown";
}
