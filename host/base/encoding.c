#include "base/encoding.h"

#include "base/secret.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static void encode_with(const char *digits, struct bytes input, char *text) {
    for (size_t i = 0; i < input.size; i++) {
        text[2 * i] = digits[input.data[i] >> 4];
        text[2 * i + 1] = digits[input.data[i] & 15];
    }
    text[2 * input.size] = '\0';
}

void hex_encode(struct bytes input, char *text) {
    encode_with("0123456789abcdef", input, text);
}

void hex_encode_upper(struct bytes input, char *text) {
    encode_with("0123456789ABCDEF", input, text);
}

static int digit_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, uint8_t *out, size_t size) {
    if (strlen(text) != 2 * size) {
        memset(out, 0, size);
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            memset(out, 0, size);
            return -1;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

char *base64_encode(struct bytes input) {
    if (input.size > (size_t)(INT32_MAX / 4) * 3 - 3)
        return NULL;
    char *text = malloc((input.size + 2) / 3 * 4 + 1);
    if (text == NULL)
        return NULL;
    text[0] = '\0';
    if (input.size != 0)
        EVP_EncodeBlock((unsigned char *)text, input.data, (int)input.size);
    return text;
}

/* Decodes to whole groups: EVP_DecodeBlock writes zero bytes for the padding. */
static int decode_groups(const char *text, size_t length, uint8_t *groups, size_t *size) {
    if (length % 4 != 0 || length > INT32_MAX)
        return -1;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ') /* EVP_DecodeBlock trims blanks at both ends */
            return -1;
    int written = EVP_DecodeBlock(groups, (const unsigned char *)text, (int)length);
    if (written < 0)
        return -1;
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    *size = (size_t)written - padding;
    return 0;
}

int base64_decode_buffer(const char *text, size_t limit, struct buffer *out, struct error *error) {
    size_t length = strlen(text);
    if (length / 4 * 3 > limit + 2)
        return error_set(error, ERROR_TOO_LARGE, "more than %zu bytes of base64", limit);
    uint8_t *groups = malloc(length / 4 * 3 + 1);
    if (groups == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    size_t size = 0;
    int result = decode_groups(text, length, groups, &size);
    /* Decoders ignore the unused bits before the padding, and '=' in the middle: only a text that
     * encodes back to itself is the one text of its value. */
    char *again = result == 0 ? base64_encode(bytes_of(groups, size)) : NULL;
    if (again == NULL || strcmp(again, text) != 0)
        result = error_set(error, ERROR_BAD_REQUEST, "not base64");
    else if (size > limit)
        result = error_set(error, ERROR_TOO_LARGE, "more than %zu bytes of base64", limit);
    else {
        buffer_append(out, groups, size);
        result = buffer_check(out, error);
    }
    secret_wipe(groups, length / 4 * 3 + 1);
    if (again != NULL)
        secret_wipe(again, strlen(again));
    free(groups);
    free(again);
    return result;
}

int base64_decode(const char *text, uint8_t *out, size_t capacity, size_t *size) {
    struct buffer buffer = {0};
    struct error error;
    memset(out, 0, capacity);
    *size = 0;
    int result = base64_decode_buffer(text, capacity, &buffer, &error);
    if (result == 0 && buffer.size != 0) {
        memcpy(out, buffer.data, buffer.size);
        *size = buffer.size;
    }
    buffer_free(&buffer);
    return result;
}
