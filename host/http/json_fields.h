/*
 * Fields of JSON objects as the API uses them: required members of a known type, and binary values
 * as base64 (suffix _b64) or hexadecimal (suffix _hex).
 *
 * A getter that fails fills `error` with code "bad_json" and the member's name, and returns -1;
 * on success it returns 0. Strings are borrowed from the object.
 */
#ifndef NUSEC_HTTP_JSON_FIELDS_H
#define NUSEC_HTTP_JSON_FIELDS_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

int json_get_string(const json_t *object, const char *name, const char **value,
                    struct error *error);
/* Absent or null: `fallback`. */
int json_get_string_or(const json_t *object, const char *name, const char *fallback,
                       const char **value, struct error *error);
/* 0 <= value <= maximum. */
int json_get_uint(const json_t *object, const char *name, uint64_t maximum, uint64_t *value,
                  struct error *error);
int json_get_uint_or(const json_t *object, const char *name, uint64_t maximum, uint64_t fallback,
                     uint64_t *value, struct error *error);

/* Hexadecimal of exactly `size` bytes, either case. */
int json_get_hex(const json_t *object, const char *name, uint8_t *out, size_t size,
                 struct error *error);
/* Base64 (RFC 4648 4, padded) of at most `capacity` bytes; `size` receives the number. */
int json_get_base64(const json_t *object, const char *name, uint8_t *out, size_t capacity,
                    size_t *size, struct error *error);
/* The same into fresh memory, freed by the caller with free(). */
int json_get_base64_new(const json_t *object, const char *name, size_t maximum, uint8_t **out,
                        size_t *size, struct error *error);

/* Sets a member; 0, or -1 without memory. */
int json_set_hex(json_t *object, const char *name, const uint8_t *data, size_t size);
int json_set_base64(json_t *object, const char *name, const uint8_t *data, size_t size);

/* A JSON string, new reference; NULL without memory. For array elements. */
json_t *json_base64(const uint8_t *data, size_t size);
/* Decodes a JSON string value into fresh memory, freed by the caller; -1 if it is not base64. */
int json_base64_value(const json_t *value, size_t maximum, uint8_t **out, size_t *size,
                      struct error *error);

/* Text of at least 2 * size + 1; lower or upper case. */
void hex_lower(const uint8_t *data, size_t size, char *text);
void hex_upper(const uint8_t *data, size_t size, char *text);
/* Exactly 2 * size digits of either case followed by NUL; else -1. */
int hex_decode(const char *text, uint8_t *out, size_t size);

#endif
