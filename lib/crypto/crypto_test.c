#include "crypto/crypto_test.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t digit(char c) {
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (uint8_t)(c - 'a' + 10);
    }
    assert_in_range(c, 'A', 'F');
    return (uint8_t)(c - 'A' + 10);
}

size_t test_hex(const char *hex, uint8_t *out, size_t capacity) {
    size_t size = 0;
    for (; hex[2 * size] != '\0'; size++) {
        assert_true(size < capacity);
        out[size] = (uint8_t)(digit(hex[2 * size]) << 4 | digit(hex[2 * size + 1]));
    }
    return size;
}

void test_hex_exact(const char *hex, uint8_t *out, size_t size) {
    assert_int_equal(test_hex(hex, out, size), size);
}

void test_assert_all_zero(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(data[i], 0);
    }
}

static enum status system_entropy(void *context, uint8_t *out, size_t size) {
    FILE *random = context;
    return fread(out, 1, size, random) == size ? STATUS_OK : STATUS_NO_ENTROPY;
}

int main(void) {
    FILE *random = fopen("/dev/urandom", "rb");
    if (random == NULL || crypto_init(system_entropy, random) != STATUS_OK) {
        return EXIT_FAILURE;
    }
    int failed = crypto_test_symmetric() + crypto_test_p256() + crypto_test_chain();
    printf("arena peak %zu bytes\n", crypto_arena_peak());
    (void)fclose(random);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
