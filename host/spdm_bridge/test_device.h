/*
 * A device for tests: our responder behind an MCTP serial line, with keys from files. Not part of
 * any product: measurements are constants and SET_CERTIFICATE stores nothing.
 */
#ifndef NUSEC_SPDM_BRIDGE_TEST_DEVICE_H
#define NUSEC_SPDM_BRIDGE_TEST_DEVICE_H

#include "base/bytes.h"
#include "base/error.h"

struct test_device {
    struct bytes chain;      /* certificates (DER, root first) of slot 0 */
    uint8_t private_key[32]; /* of the last of them */
    struct bytes
        requester_root; /* certificate that a requester's chain must begin with, or empty */
};

/* Answers what comes in on `fd` until the other end hangs up. */
int test_device_serve(const struct test_device *device, int fd, struct error *error);

#endif
