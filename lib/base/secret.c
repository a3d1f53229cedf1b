#include "base/secret.h"

#include <stdint.h>
#include <string.h>

void secret_wipe(void *memory, size_t size) {
    if (size > 0) {
        memset(memory, 0, size);
        /* The asm may read the memory, so the compiler cannot drop the memset as a dead store. */
        __asm__ volatile("" : : "r"(memory) : "memory");
    }
}

bool secret_equal(const void *a, const void *b, size_t size) {
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < size; i++) {
        difference |= (uint8_t)(left[i] ^ right[i]);
    }
    return difference == 0;
}
