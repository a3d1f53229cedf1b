#include "base/json.h"

#include "base/encoding.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

json_t *json_parse_object(struct bytes text, struct error *error) {
    json_error_t where;
    json_t *value = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &where);
    if (value == NULL) {
        error_set(error, ERROR_BAD_REQUEST, "not JSON: %s (byte %d)", where.text, where.position);
        return NULL;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        error_set(error, ERROR_BAD_REQUEST, "not a JSON object");
        return NULL;
    }
    return value;
}

static int append_dump(const char *text, size_t size, void *context) {
    struct buffer *out = context;
    buffer_append(out, text, size);
    return out->failed ? -1 : 0;
}

int json_write(const json_t *value, struct buffer *out, struct error *error) {
    if (value == NULL || json_dump_callback(value, append_dump, out, JSON_COMPACT) != 0)
        return error_set(error, ERROR_INTERNAL, "cannot write JSON");
    return 0;
}

static int wrong(struct error *error, const char *key, const char *expected) {
    return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is not %s", key, expected);
}

static int required(const json_t *object, const char *key, const json_t **member,
                    struct error *error) {
    *member = json_object_get(object, key);
    if (*member == NULL || json_is_null(*member))
        return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is missing", key);
    return 0;
}

int json_read_string(const json_t *object, const char *key, const char **value,
                     struct error *error) {
    const json_t *member;
    *value = NULL;
    if (required(object, key, &member, error) != 0)
        return -1;
    if (!json_is_string(member))
        return wrong(error, key, "a string");
    *value = json_string_value(member);
    return 0;
}

int json_read_u64(const json_t *object, const char *key, uint64_t *value, struct error *error) {
    const json_t *member;
    *value = 0;
    if (required(object, key, &member, error) != 0)
        return -1;
    if (!json_is_integer(member) || json_integer_value(member) < 0)
        return wrong(error, key, "a whole number");
    *value = (uint64_t)json_integer_value(member);
    return 0;
}

int json_read_u32(const json_t *object, const char *key, uint32_t *value, struct error *error) {
    uint64_t wide;
    *value = 0;
    if (json_read_u64(object, key, &wide, error) != 0)
        return -1;
    if (wide > UINT32_MAX)
        return wrong(error, key, "below 4294967296");
    *value = (uint32_t)wide;
    return 0;
}

int json_read_bool(const json_t *object, const char *key, bool *value, struct error *error) {
    const json_t *member;
    *value = false;
    if (required(object, key, &member, error) != 0)
        return -1;
    if (!json_is_boolean(member))
        return wrong(error, key, "true or false");
    *value = json_is_true(member);
    return 0;
}

int json_read_array(const json_t *object, const char *key, size_t limit, json_t **value,
                    struct error *error) {
    const json_t *member;
    *value = NULL;
    if (required(object, key, &member, error) != 0)
        return -1;
    if (!json_is_array(member))
        return wrong(error, key, "an array");
    if (json_array_size(member) > limit)
        return error_set(error, ERROR_BAD_REQUEST, "\"%s\" has more than %zu elements", key, limit);
    *value = json_object_get(object, key);
    return 0;
}

int json_read_hex(const json_t *object, const char *key, uint8_t *out, size_t size,
                  struct error *error) {
    const char *text;
    memset(out, 0, size);
    if (json_read_string(object, key, &text, error) != 0)
        return -1;
    if (hex_decode(text, out, size) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is not %zu hexadecimal digits", key,
                         2 * size);
    return 0;
}

int json_read_base64_buffer(const json_t *object, const char *key, size_t limit, struct buffer *out,
                            struct error *error) {
    const char *text;
    if (json_read_string(object, key, &text, error) != 0)
        return -1;
    if (base64_decode_buffer(text, limit, out, error) != 0)
        return error_prefix(error, "\"%s\"", key);
    return 0;
}

int json_read_base64(const json_t *object, const char *key, uint8_t *out, size_t capacity,
                     size_t *size, struct error *error) {
    struct buffer buffer = {0};
    memset(out, 0, capacity);
    *size = 0;
    int result = json_read_base64_buffer(object, key, capacity, &buffer, error);
    if (result == 0 && buffer.size != 0) {
        memcpy(out, buffer.data, buffer.size);
        *size = buffer.size;
    }
    buffer_free(&buffer);
    return result;
}

static bool is_absent(const json_t *object, const char *key) {
    const json_t *member = json_object_get(object, key);
    return member == NULL || json_is_null(member);
}

int json_read_optional_string(const json_t *object, const char *key, const char **value,
                              struct error *error) {
    return is_absent(object, key) ? 0 : json_read_string(object, key, value, error);
}

int json_read_optional_u64(const json_t *object, const char *key, uint64_t *value,
                           struct error *error) {
    return is_absent(object, key) ? 0 : json_read_u64(object, key, value, error);
}

static json_t *string_and_free(char *text) {
    if (text == NULL)
        return NULL;
    json_t *value = json_string(text);
    secret_wipe(text, strlen(text));
    free(text);
    return value;
}

json_t *json_hex(struct bytes value) {
    char *text = malloc(2 * value.size + 1);
    if (text != NULL)
        hex_encode(value, text);
    return string_and_free(text);
}

json_t *json_base64(struct bytes value) {
    return string_and_free(base64_encode(value));
}
