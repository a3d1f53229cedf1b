/*
 * The one way to erase and the one way to compare secrets.
 */
#ifndef NUSEC_BASE_SECRET_H
#define NUSEC_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroes memory in a way the compiler may not remove. secret_wipe(NULL, 0) is safe. */
void secret_wipe(void *memory, size_t size);

/* Time depends on `size` only, never on the contents. */
bool secret_equal(const void *a, const void *b, size_t size);

#endif
