#include "hal/counter.h"

#include "devauth/otp_map.h"

#include <string.h>

#define BITS_PER_ENTRY (8u * HAL_OTP_ENTRY_SIZE)

static const struct {
    unsigned first;
    uint32_t max;
} COUNTERS[HAL_COUNTERS] = {
    [HAL_COUNTER_BL2] = {OTP_COUNTER_BL2, 63},
    [HAL_COUNTER_BL3] = {OTP_COUNTER_BL3, 255},
};

uint32_t counter_otp_max(enum hal_counter counter) {
    return COUNTERS[counter].max;
}

/* Cleared bits at the start of an entry, without a gap. */
static uint32_t cleared_bits(const uint8_t data[HAL_OTP_ENTRY_SIZE]) {
    uint32_t count = 0;
    while (count < BITS_PER_ENTRY && ((uint32_t)data[count / 8] >> (count % 8) & 1u) == 0) {
        count++;
    }
    return count;
}

enum status counter_otp_read(const struct counter_otp *otp, enum hal_counter counter,
                             uint32_t *value) {
    uint32_t count = 0;
    uint32_t in_entry = BITS_PER_ENTRY;
    *value = COUNTERS[counter].max; /* what cannot be read allows nothing old */
    for (unsigned entry = COUNTERS[counter].first; in_entry == BITS_PER_ENTRY; entry++) {
        uint8_t data[HAL_OTP_ENTRY_SIZE];
        if (count >= COUNTERS[counter].max) {
            break;
        }
        enum status status = otp->read(entry, data);
        if (status != STATUS_OK) {
            return status;
        }
        in_entry = cleared_bits(data);
        count += in_entry;
    }
    *value = count < COUNTERS[counter].max ? count : COUNTERS[counter].max;
    return STATUS_OK;
}

/* Clears the first `bits` bits of an entry and leaves what is cleared already. */
static enum status clear_bits(const struct counter_otp *otp, unsigned entry, uint32_t bits) {
    uint8_t data[HAL_OTP_ENTRY_SIZE];
    enum status status = otp->read(entry, data);
    for (uint32_t i = 0; i < bits; i++) {
        data[i / 8] &= (uint8_t) ~(1u << (i % 8));
    }
    return status == STATUS_OK ? otp->program(entry, data) : status;
}

enum status counter_otp_raise(const struct counter_otp *otp, enum hal_counter counter,
                              uint32_t value) {
    uint32_t now = 0;
    if (value > COUNTERS[counter].max) {
        return STATUS_INVALID;
    }
    enum status status = counter_otp_read(otp, counter, &now);
    if (status != STATUS_OK || now >= value) {
        return status;
    }
    /* Lowest entry first, so that a cut leaves no gap. */
    for (uint32_t done = 0; done < value && status == STATUS_OK; done += BITS_PER_ENTRY) {
        uint32_t bits = value - done < BITS_PER_ENTRY ? value - done : BITS_PER_ENTRY;
        if (now < done + bits) {
            status = clear_bits(otp, COUNTERS[counter].first + done / BITS_PER_ENTRY, bits);
        }
    }
    if (status == STATUS_OK) {
        status = counter_otp_read(otp, counter, &now);
    }
    return status == STATUS_OK && now < value ? STATUS_OTP : status;
}
