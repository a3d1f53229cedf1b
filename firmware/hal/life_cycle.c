#include "hal/life_cycle.h"

#include "devauth/otp_map.h"

#include <string.h>

_Static_assert(OTP_ENTRIES == HAL_OTP_ENTRIES && OTP_ENTRY_SIZE == HAL_OTP_ENTRY_SIZE,
               "the OTP map and the HAL speak of the same OTP");

/* Furthest first: the first mark found decides. RMA is reachable from everywhere but retired. */
static const struct {
    enum hal_life_cycle state;
    unsigned entry;
} MARKS[] = {
    {HAL_LIFE_RMA, OTP_LIFE_RMA},
    {HAL_LIFE_RETIRED, OTP_LIFE_RETIRED},
    {HAL_LIFE_RETIRING, OTP_LIFE_RETIRING},
    {HAL_LIFE_SECURED, OTP_LIFE_SECURED},
    {HAL_LIFE_PROVISIONED, OTP_LIFE_PROVISIONED},
};
#define MARK_COUNT (sizeof MARKS / sizeof MARKS[0])

enum hal_life_cycle life_cycle_read(const struct life_cycle_otp *otp) {
    for (size_t i = 0; i < MARK_COUNT; i++) {
        uint8_t mark[OTP_ENTRY_SIZE];
        if (otp->read(MARKS[i].entry, mark) != STATUS_OK) {
            return HAL_LIFE_RMA;
        }
        if (memcmp(mark, otp_erased, sizeof mark) != 0) {
            return MARKS[i].state;
        }
    }
    return HAL_LIFE_BLANK;
}

static bool is_allowed(enum hal_life_cycle from, enum hal_life_cycle to) {
    if (to == from) {
        return to != HAL_LIFE_BLANK;
    }
    if (to == HAL_LIFE_RMA) {
        return from != HAL_LIFE_RETIRED && from != HAL_LIFE_RETIRING;
    }
    return from != HAL_LIFE_RMA && (int)to == (int)from + 1;
}

enum status life_cycle_advance(const struct life_cycle_otp *otp, enum hal_life_cycle to) {
    if (!is_allowed(life_cycle_read(otp), to)) {
        return STATUS_DENIED;
    }
    for (size_t i = 0; i < MARK_COUNT; i++) {
        uint8_t mark[OTP_ENTRY_SIZE];
        if (MARKS[i].state != to) {
            continue;
        }
        enum status status = otp->program(MARKS[i].entry, otp_valid);
        if (status == STATUS_OK) {
            status = otp->read(MARKS[i].entry, mark);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (memcmp(mark, otp_valid, sizeof mark) != 0) {
            return STATUS_OTP;
        }
        return otp->lock(MARKS[i].entry);
    }
    return STATUS_DENIED;
}
