/*
 * Hexadecimal and base64 (RFC 4648, standard alphabet, padded), strict both ways: exactly one text
 * for each value is accepted, no blanks, no line breaks.
 */
#ifndef NUSEC_HOST_BASE_ENCODING_H
#define NUSEC_HOST_BASE_ENCODING_H

#include "base/buffer.h"

/* `text` has 2 * input.size + 1 bytes. */
void hex_encode(struct bytes input, char *text);
void hex_encode_upper(struct bytes input, char *text);
/* Exactly `size` bytes from exactly 2 * size digits of either case. -1 otherwise, `out` zeroed. */
int hex_decode(const char *text, uint8_t *out, size_t size);

/* A new string, the caller frees it; NULL when out of memory. */
char *base64_encode(struct bytes input);
/* At most `capacity` bytes. -1 if the text is not base64 or is longer; `out` zeroed, size 0. */
int base64_decode(const char *text, uint8_t *out, size_t capacity, size_t *size);
/* Appends to `out`, refusing more than `limit` bytes. */
int base64_decode_buffer(const char *text, size_t limit, struct buffer *out, struct error *error);

#endif
