/*
 * Bounded, typed access to JSON from outside, over jansson. Every failure is ERROR_BAD_REQUEST and
 * names the member. What is returned is borrowed from the object unless it says otherwise.
 */
#ifndef NUSEC_HOST_BASE_JSON_H
#define NUSEC_HOST_BASE_JSON_H

#include "base/buffer.h"

#include <jansson.h>

/* One JSON object, nothing behind it, duplicate keys refused, nesting bounded by jansson. A new
 * reference: json_decref it. NULL on failure. */
json_t *json_parse_object(struct bytes text, struct error *error);

/* Compact text appended to `out`. */
int json_write(const json_t *value, struct buffer *out, struct error *error);

/* Required members. */
int json_read_string(const json_t *object, const char *key, const char **value,
                     struct error *error);
int json_read_u64(const json_t *object, const char *key, uint64_t *value, struct error *error);
int json_read_u32(const json_t *object, const char *key, uint32_t *value, struct error *error);
int json_read_bool(const json_t *object, const char *key, bool *value, struct error *error);
/* At most `limit` elements. */
int json_read_array(const json_t *object, const char *key, size_t limit, json_t **value,
                    struct error *error);
/* Exactly `size` bytes in hexadecimal. */
int json_read_hex(const json_t *object, const char *key, uint8_t *out, size_t size,
                  struct error *error);
/* Base64, at most `capacity` bytes. */
int json_read_base64(const json_t *object, const char *key, uint8_t *out, size_t capacity,
                     size_t *size, struct error *error);
int json_read_base64_buffer(const json_t *object, const char *key, size_t limit, struct buffer *out,
                            struct error *error);

/* Optional members: absent or null leaves `value` as it was; a wrong type is an error. */
int json_read_optional_string(const json_t *object, const char *key, const char **value,
                              struct error *error);
int json_read_optional_u64(const json_t *object, const char *key, uint64_t *value,
                           struct error *error);

/* New references, NULL when out of memory (json_object_set_new then fails and says so). */
json_t *json_hex(struct bytes value);
json_t *json_base64(struct bytes value);

#endif
