#include "base/buffer.h"

#include "base/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* realloc may leave the old copy behind unwiped, hence malloc, copy, wipe, free. */
static bool grow(struct buffer *buffer, size_t more) {
    if (buffer->failed || more > SIZE_MAX / 2 - buffer->size) {
        buffer->failed = true;
        return false;
    }
    size_t needed = buffer->size + more + 1;
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *data = malloc(capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    if (buffer->size != 0)
        memcpy(data, buffer->data, buffer->size);
    secret_wipe(buffer->data, buffer->capacity);
    free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size) {
    if (!grow(buffer, size))
        return NULL;
    uint8_t *place = buffer->data + buffer->size;
    buffer->size += size;
    buffer->data[buffer->size] = 0;
    return place;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size) {
    uint8_t *place = buffer_reserve(buffer, size);
    if (place != NULL && size != 0)
        memcpy(place, data, size);
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0)
        buffer->failed = true;
    uint8_t *place = buffer_reserve(buffer, size < 0 ? 0 : (size_t)size);
    if (place != NULL)
        vsnprintf((char *)place, (size_t)size + 1, format, again);
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t size) {
    if (size > buffer->size)
        size = buffer->size;
    if (size == 0)
        return;
    size_t left = buffer->size - size;
    memmove(buffer->data, buffer->data + size, left);
    secret_wipe(buffer->data + left, size);
    buffer->size = left;
}

void buffer_clear(struct buffer *buffer) {
    secret_wipe(buffer->data, buffer->size);
    buffer->size = 0;
}

void buffer_free(struct buffer *buffer) {
    secret_wipe(buffer->data, buffer->capacity);
    free(buffer->data);
    memset(buffer, 0, sizeof(*buffer));
}

struct bytes buffer_bytes(const struct buffer *buffer) {
    return bytes_of(buffer->data, buffer->size);
}

const char *buffer_text(const struct buffer *buffer) {
    return buffer->data == NULL ? "" : (const char *)buffer->data;
}

int buffer_check(const struct buffer *buffer, struct error *error) {
    if (buffer->failed)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    return 0;
}
