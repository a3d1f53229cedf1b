#include "crypto/psa/arena.h"

#include "base/secret.h"
#include "crypto/crypto.h"

#include <mbedtls/build_info.h>
#include <stdalign.h>
#include <string.h>

#define UNIT    sizeof(struct block)
#define USED    1u /* lowest bit of block.units; the size is in the bits above */
#define MARK(u) ((u) << 1)

/* The arena is a row of blocks, each this header and its memory; `units` counts both. */
struct block {
    alignas(2 * sizeof(void *)) size_t units;
};

/* A section of its own, for linker scripts that place it where a debugger cannot read. */
static struct block crypto_arena[CRYPTO_ARENA_SIZE / sizeof(struct block)];
static const size_t ARENA_UNITS = sizeof crypto_arena / sizeof crypto_arena[0];
static size_t peak_units;

static size_t units_of(size_t index) {
    return crypto_arena[index].units >> 1;
}

static bool is_used(size_t index) {
    return (crypto_arena[index].units & USED) != 0;
}

void crypto_arena_reset(void) {
    secret_wipe(crypto_arena, sizeof crypto_arena);
    crypto_arena[0].units = MARK(ARENA_UNITS);
    peak_units = 0;
}

/* Joins the free blocks that follow a free block. */
static void join_free(size_t index) {
    size_t next = index + units_of(index);
    while (next < ARENA_UNITS && !is_used(next)) {
        crypto_arena[index].units = MARK(units_of(index) + units_of(next));
        next = index + units_of(index);
    }
}

static void *take(size_t index, size_t units) {
    if (units_of(index) > units) {
        crypto_arena[index + units].units = MARK(units_of(index) - units);
    }
    crypto_arena[index].units = MARK(units) | USED;
    if (index + units > peak_units) {
        peak_units = index + units;
    }
    memset(&crypto_arena[index + 1], 0, (units - 1) * UNIT);
    return &crypto_arena[index + 1];
}

void *crypto_arena_calloc(size_t count, size_t size) {
    if (size != 0 && count > sizeof crypto_arena / size) {
        return NULL;
    }
    size_t units = 1 + (count * size + UNIT - 1) / UNIT;
    for (size_t index = 0; index < ARENA_UNITS; index += units_of(index)) {
        if (!is_used(index)) {
            join_free(index);
            if (units_of(index) >= units) {
                return take(index, units);
            }
        }
    }
    return NULL;
}

void crypto_arena_free(void *memory) {
    if (memory == NULL) {
        return;
    }
    struct block *block = (struct block *)memory - 1;
    size_t index = (size_t)(block - crypto_arena);
    secret_wipe(memory, (units_of(index) - 1) * UNIT);
    block->units &= ~(size_t)USED;
}

size_t crypto_arena_peak(void) {
    return peak_units * UNIT;
}
