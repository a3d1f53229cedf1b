/*
 * The static memory of the crypto implementation: everything Mbed TLS allocates lies in one array,
 * so a chip can hide it from a debugger and its size is known. First fit; memory is wiped when
 * freed. Not thread safe: one device, one thread. crypto_arena_calloc and crypto_arena_free are
 * declared in mbedtls_config/device_mbedtls.h, whose macros point the library at them.
 */
#ifndef NUSEC_CRYPTO_PSA_ARENA_H
#define NUSEC_CRYPTO_PSA_ARENA_H

#include <stddef.h>

/*
 * What is allocated is mostly pointers. A chain of four beside the DRBG peaks at 150 of them; the
 * rest is for names with many parts, and a chain that needs more is refused with NO_MEMORY.
 */
#define CRYPTO_ARENA_SIZE (512 * sizeof(void *))

/* Forgets every allocation and the peak. */
void crypto_arena_reset(void);

#endif
