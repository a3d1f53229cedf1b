/*
 * The vectors that every implementation of the port passes: crypto_psa_test and crypto_openssl_test
 * are these same files linked with one and the other. Each function runs a group and returns the
 * number of failed tests.
 */
#ifndef NUSEC_CRYPTO_CRYPTO_TEST_H
#define NUSEC_CRYPTO_CRYPTO_TEST_H

/* cmocka.h needs these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/crypto.h"

#define assert_status(call, expected) assert_int_equal((call), (expected))

/* Decodes into `out` and returns the size; fails the test if the text is not hex or does not fit.
 */
size_t test_hex(const char *hex, uint8_t *out, size_t capacity);
/* Exactly `size` bytes. */
void test_hex_exact(const char *hex, uint8_t *out, size_t size);
void test_assert_all_zero(const uint8_t *data, size_t size);

int crypto_test_symmetric(void);
int crypto_test_p256(void);
int crypto_test_chain(void);

#endif
