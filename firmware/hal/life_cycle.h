/*
 * The chip's life cycle as marks in OTP (devauth/otp_map.h), for ports without a hardware one: a
 * port's `life_cycle` and `life_cycle_advance` call these with its own OTP functions.
 *
 *     blank -> provisioned -> secured -> retiring -> retired
 *     blank, provisioned, secured -> rma
 *
 * A mark that is neither erased nor complete was torn by a power cut. It counts as reached, so that
 * a cut never leaves a chip in an earlier state than the one being entered; advancing to the
 * state the chip already reads as completes the mark.
 */
#ifndef NUSEC_HAL_LIFE_CYCLE_H
#define NUSEC_HAL_LIFE_CYCLE_H

#include "hal/hal.h"

struct life_cycle_otp {
    enum status (*read)(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]);
    enum status (*program)(unsigned entry, const uint8_t data[HAL_OTP_ENTRY_SIZE]);
    enum status (*lock)(unsigned entry);
};

/* RMA if OTP cannot be read: no keys, nothing trusted. */
enum hal_life_cycle life_cycle_read(const struct life_cycle_otp *otp);

/* DENIED unless `to` is the state reached (then its mark is completed), the next one, or RMA. */
MUST_USE enum status life_cycle_advance(const struct life_cycle_otp *otp, enum hal_life_cycle to);

#endif
