#include "device/device_otp.h"

#include "devauth/otp_map.h"

#include <string.h>

#define HASH_SIZE 32

/* Entry `index` of a 32-byte value. */
static const uint8_t *part_of(const uint8_t *value, unsigned index) {
    return bytes_slice(bytes_of(value, HASH_SIZE), (size_t)index * OTP_ENTRY_SIZE, OTP_ENTRY_SIZE)
        .data;
}

/* OTP unless the entry can still become `data`: bits only ever go from 1 to 0. */
static enum status check_entry(const struct hal *hal, unsigned entry, const uint8_t *data) {
    uint8_t now[OTP_ENTRY_SIZE];
    enum status status = hal->otp_read(entry, now);
    for (unsigned i = 0; i < OTP_ENTRY_SIZE && status == STATUS_OK; i++) {
        if ((data[i] & (uint8_t)~now[i]) != 0) {
            status = STATUS_OTP;
        }
    }
    return status;
}

/* Program, read back, lock; all three may find their work done before a power cut. */
static enum status write_entry(const struct hal *hal, unsigned entry, const uint8_t *data) {
    uint8_t now[OTP_ENTRY_SIZE];
    enum status status = hal->otp_program(entry, data);
    if (status == STATUS_OK) {
        status = hal->otp_read(entry, now);
    }
    if (status == STATUS_OK && memcmp(now, data, sizeof now) != 0) {
        status = STATUS_OTP;
    }
    return status == STATUS_OK ? hal->otp_lock(entry) : status;
}

enum status device_otp_write_group(const struct hal *hal, const struct device_otp_value *values,
                                   size_t count, unsigned valid) {
    enum status status = STATUS_OK;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < count * OTP_HASH_ENTRIES && status == STATUS_OK; i++) {
            const struct device_otp_value *value = &values[i / OTP_HASH_ENTRIES];
            unsigned part = i % OTP_HASH_ENTRIES;
            const uint8_t *data = part_of(value->value, part);
            status = pass == 0 ? check_entry(hal, value->first + part, data)
                               : write_entry(hal, value->first + part, data);
        }
    }
    return status == STATUS_OK ? write_entry(hal, valid, otp_valid) : status;
}
