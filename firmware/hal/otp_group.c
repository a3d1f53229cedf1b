#include "hal/otp_group.h"

#include "devauth/otp_map.h"

#include <string.h>

static enum status check_valid(const struct hal *hal, unsigned valid) {
    uint8_t mark[OTP_ENTRY_SIZE];
    enum status status = hal->otp_read(valid, mark);
    return status == STATUS_OK && memcmp(mark, otp_valid, sizeof mark) != 0 ? STATUS_NOT_FOUND
                                                                            : status;
}

bool otp_group_is_valid(const struct hal *hal, unsigned valid) {
    return check_valid(hal, valid) == STATUS_OK;
}

enum status otp_group_read_hash(const struct hal *hal, unsigned first, unsigned valid,
                                uint8_t hash[OTP_GROUP_HASH_SIZE]) {
    struct writer writer;
    enum status status = check_valid(hal, valid);
    writer_init(&writer, hash, OTP_GROUP_HASH_SIZE);
    for (unsigned i = 0; i < OTP_HASH_ENTRIES && status == STATUS_OK; i++) {
        status = hal->otp_read(first + i, write_reserve(&writer, OTP_ENTRY_SIZE));
    }
    if (status != STATUS_OK) {
        memset(hash, 0xFF, OTP_GROUP_HASH_SIZE);
    }
    return status;
}
