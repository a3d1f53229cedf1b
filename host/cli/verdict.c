#include "cli/verdict.h"

#include "base/error.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *state;
    enum verdict_bin bin;
} states[] = {
    {"identified", VERDICT_PASS},     {"done", VERDICT_PASS},
    {"golden", VERDICT_PASS},         {"already_identified", VERDICT_BEFORE},
    {"already_done", VERDICT_BEFORE}, {"planned", VERDICT_PLANNED},
    {"open", VERDICT_AGAIN},
};

static const struct {
    enum error_code code;
    enum verdict_bin bin;
} codes[] = {
    {ERROR_DEVICE_LINK, VERDICT_CONTACT},
    {ERROR_DEVICE_DEBUG, VERDICT_CONTACT},
    {ERROR_TIMEOUT, VERDICT_CONTACT},
    {ERROR_UID_DENIED, VERDICT_REFUSED},
    {ERROR_UID_NOT_LISTED, VERDICT_REFUSED},
    {ERROR_UID_UNDER_OTHER_KEY, VERDICT_REFUSED},
    {ERROR_KEY_UNDER_OTHER_UID, VERDICT_REFUSED},
    {ERROR_ALREADY_IDENTIFIED, VERDICT_REFUSED},
    {ERROR_RETRY_LIMIT, VERDICT_REFUSED},
    {ERROR_UNIT_SCRAPPED, VERDICT_REFUSED},
    {ERROR_DENIED, VERDICT_REFUSED},
    {ERROR_OFFLINE, VERDICT_LINE},
    {ERROR_UNAUTHENTICATED, VERDICT_LINE},
    {ERROR_JOB_PAUSED, VERDICT_LINE},
    {ERROR_JOB_CLOSED, VERDICT_LINE},
    {ERROR_JOB_FULL, VERDICT_LINE},
    {ERROR_UNKNOWN_JOB, VERDICT_LINE},
    {ERROR_WRONG_TOKEN, VERDICT_LINE},
    {ERROR_EXPIRED, VERDICT_LINE},
    {ERROR_REVOKED, VERDICT_LINE},
    {ERROR_LEDGER_DIVERGED, VERDICT_LINE},
    {ERROR_PROGRAMMER_ROLLED_BACK, VERDICT_LINE},
    {ERROR_SERVER_ROLLED_BACK, VERDICT_LINE},
    {ERROR_LEDGER_ROLLED_BACK, VERDICT_LINE},
    {ERROR_HSM_UNAVAILABLE, VERDICT_LINE},
    {ERROR_STORAGE, VERDICT_LINE},
    {ERROR_STORAGE_FULL, VERDICT_LINE},
    {ERROR_BUSY, VERDICT_LINE},
    {ERROR_CONFLICT, VERDICT_LINE}, /* the serial number */
    {ERROR_INTERNAL, VERDICT_LINE},
};

static const char *const actions[] = {
    [VERDICT_PLANNED] = "",
    [VERDICT_PASS] = "",
    [VERDICT_BEFORE] = "",
    [VERDICT_AGAIN] = "put the same board in again: it goes on where it stopped",
    [VERDICT_CONTACT] = "check power, cables and socket, then the same board again",
    [VERDICT_CHIP] = "red box: this chip failed, do not ship it",
    [VERDICT_REFUSED] = "red box: this chip may not be made under this job, ask the OEM",
    [VERDICT_LINE] = "keep the board, nothing is wrong with it: see to the line",
};

static enum verdict_bin bin_of(const char *state, const char *code) {
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(states[i].state, state) == 0)
            return states[i].bin;
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(error_name(codes[i].code), code) == 0)
            return codes[i].bin;
    }
    return VERDICT_CHIP;
}

struct verdict verdict_of(const json_t *unit) {
    const char *state = json_string_value(json_object_get(unit, "state"));
    const char *code = json_string_value(json_object_get(unit, "code"));
    enum verdict_bin bin = bin_of(state == NULL ? "" : state, code == NULL ? "" : code);

    return (struct verdict){.bin = bin,
                            .is_pass = bin == VERDICT_PASS || bin == VERDICT_BEFORE ||
                                       bin == VERDICT_PLANNED,
                            .action = actions[bin]};
}
