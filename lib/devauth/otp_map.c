#include "devauth/otp_map.h"

const uint8_t otp_valid[OTP_ENTRY_SIZE] = {'N', 'S', 'E', 'C', 'O', 'T', 'P', '1'};
const uint8_t otp_erased[OTP_ENTRY_SIZE] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
