/*
 * A growable byte buffer on the heap.
 *
 * Zero-initialise it (`struct buffer buffer = {0};`), append, then buffer_free, which wipes. Memory
 * that growth leaves behind is wiped too, so a buffer may hold a secret. An allocation failure
 * sticks (`failed`), like a writer's: check once with buffer_check.
 */
#ifndef NUSEC_HOST_BASE_BUFFER_H
#define NUSEC_HOST_BASE_BUFFER_H

#include "base/bytes.h"
#include "base/error.h"

struct buffer {
    uint8_t *data; /* NULL until something was appended; always one zero byte behind `size` */
    size_t size;
    size_t capacity;
    bool failed;
};

void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_print(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `size` uninitialised bytes at the end, NULL on failure. Valid until the next append. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
/* Removes `size` bytes from the front; all of them if there are fewer. */
void buffer_consume(struct buffer *buffer, size_t size);
/* Size becomes 0, contents are wiped, capacity stays. */
void buffer_clear(struct buffer *buffer);
/* Wipes and frees; the buffer is empty and usable again. */
void buffer_free(struct buffer *buffer);
struct bytes buffer_bytes(const struct buffer *buffer);
/* The contents as text (zero-terminated); "" when empty. */
const char *buffer_text(const struct buffer *buffer);
int buffer_check(const struct buffer *buffer, struct error *error);

#endif
