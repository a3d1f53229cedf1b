/*
 * The static memory of the crypto implementation: everything Mbed TLS allocates lies in one array,
 * so a chip can hide it from a debugger and its size is known. First fit; memory is wiped when
 * freed. Not thread safe: one device, one thread. crypto_arena_calloc and crypto_arena_free are
 * declared in mbedtls_config/device_mbedtls.h, whose macros point the library at them.
 */
#ifndef NUSEC_CRYPTO_PSA_ARENA_H
#define NUSEC_CRYPTO_PSA_ARENA_H

#include <stddef.h>

/* Peaks: a chain of three plus the DRBG, about half of this; pointers are twice as wide natively.
 */
#define CRYPTO_ARENA_SIZE (1024 * sizeof(void *))

/* Forgets every allocation and the peak. */
void crypto_arena_reset(void);

#endif
