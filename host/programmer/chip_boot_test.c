/* Images on their way to a chip: good and bad cables, chips that stop, end it, or talk nonsense. */
#include "programmer/chip_boot.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "programmer/testing/fake_line.h"
#include "programmer/testing/noisy_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_SIZE ((size_t)100000)
/* Patience; a lost block costs a second of silence, so it has to be more. */
#define ANSWER_MS 3000

struct transfer {
    struct fake_line *line;
    struct chip chip;
    uint8_t *bytes;
    size_t done; /* of the last progress */
    unsigned calls;
    size_t dies_at; /* the chip says nothing from here on; 0: it does not */
};

/* boot_rom of a secured chip: it takes a BL2 from anybody. */
static int setup(void **state) {
    struct transfer *transfer = calloc(1, sizeof *transfer);
    assert_non_null(transfer);
    const struct fake_line_plan plan = {0};
    transfer->line = fake_line_make(&plan);
    memcpy(transfer->line->chip.otp[OTP_LIFE_SECURED], otp_valid, OTP_ENTRY_SIZE);
    fake_chip_restart(&transfer->line->chip);
    transfer->bytes = malloc(IMAGE_SIZE);
    assert_non_null(transfer->bytes);
    assert_int_equal(crypto_random(transfer->bytes, IMAGE_SIZE), STATUS_OK);
    *state = transfer;
    return 0;
}

static int teardown(void **state) {
    struct transfer *transfer = *state;
    chip_close(&transfer->chip);
    fake_line_free(transfer->line);
    free(transfer->bytes);
    free(transfer);
    return 0;
}

static void plug_in(struct transfer *transfer, const char *uart) {
    struct devauth_device_info info;
    struct error error = {0};
    const struct chip_options options = {
        .identity = &transfer->line->programmer.identity,
        .key_store = &transfer->line->programmer.key_store,
        .clock = &oem_clock,
        .stop = &transfer->line->programmer.stop,
        .answer_ms = ANSWER_MS,
    };
    int failed = chip_open(&transfer->chip, uart, &options, &error);
    assert_int_equal(failed, 0);
    for (int i = 0; i < 5; i++)
        if ((failed = chip_meet(&transfer->chip, 500, &info, &error)) == 0)
            break;
    if (failed != 0)
        fail_msg("%s", error.message);
}

static void on_bytes(void *context, size_t done, size_t total) {
    struct transfer *transfer = context;
    assert_int_equal(total, IMAGE_SIZE);
    assert_true(done > transfer->done && done <= total);
    transfer->done = done;
    transfer->calls++;
    if (transfer->dies_at != 0 && done >= transfer->dies_at)
        transfer->line->chip.is_dead = true;
}

static int install(struct transfer *transfer, struct error *error) {
    static const uint8_t digest[32];
    const struct chip_image image = {
        .target = DEVAUTH_TARGET_BL2,
        .bytes = bytes_of(transfer->bytes, IMAGE_SIZE),
        .digest = digest,
        .progress = on_bytes,
        .context = transfer,
    };
    transfer->done = 0;
    return chip_install_image(&transfer->chip, &image, error);
}

/* Every byte arrives; that they are no image is the next thing, and is said. */
static void expect_arrived(struct transfer *transfer) {
    struct error error = {0};
    const struct buffer *slot = &transfer->line->chip.slots[0];
    assert_int_equal(install(transfer, &error), -1);
    if (error.code != ERROR_IMAGE_REFUSED)
        fail_msg("%s: %s", error_name(error.code), error.message);
    assert_non_null(strstr(error.message, "header"));
    assert_int_equal(transfer->done, IMAGE_SIZE);
    assert_int_equal(slot->size, IMAGE_SIZE);
    assert_memory_equal(slot->data, transfer->bytes, IMAGE_SIZE);
}

static void test_all_bytes_arrive(void **state) {
    struct transfer *transfer = *state;
    plug_in(transfer, fake_chip_uart(&transfer->line->chip));
    expect_arrived(transfer);
    assert_true(transfer->calls > IMAGE_SIZE / BULK_BLOCK_MAX / 4);
    expect_arrived(transfer); /* and once more */
}

static void noise(struct transfer *transfer, enum noise kind, unsigned period) {
    struct error error = {0};
    struct noisy_line *line = noisy_line_start(transfer->line->directory,
                                               fake_chip_uart(&transfer->line->chip), kind, period);
    char endpoint[160];
    (void)snprintf(endpoint, sizeof endpoint, "%s", noisy_line_endpoint(line));
    plug_in(transfer, endpoint);
    /* Before and behind the bytes a lost message costs a step, which the caller repeats. */
    for (int i = 0; i < 4; i++) {
        if (install(transfer, &error) != 0 && error.code == ERROR_IMAGE_REFUSED)
            break;
        assert_int_equal(error.code, ERROR_DEVICE_LINK);
        chip_close(&transfer->chip);
        plug_in(transfer, endpoint);
    }
    assert_int_equal(error.code, ERROR_IMAGE_REFUSED);
    assert_memory_equal(transfer->line->chip.slots[0].data, transfer->bytes, IMAGE_SIZE);
    chip_close(&transfer->chip);
    assert_true(noisy_line_stop(line) > 10);
}

static void test_garbage_between_bytes(void **state) {
    noise(*state, NOISE_INSERT, 5003);
}

static void test_flipped_bits(void **state) {
    noise(*state, NOISE_FLIP, 7001);
}

static void test_lost_bytes(void **state) {
    noise(*state, NOISE_DROP, 9001);
}

static void test_chip_dies_on_the_way(void **state) {
    struct transfer *transfer = *state;
    struct error error = {0};
    plug_in(transfer, fake_chip_uart(&transfer->line->chip));
    transfer->dies_at = IMAGE_SIZE / 2;
    uint64_t begin = clock_monotonic_ms();
    assert_int_equal(install(transfer, &error), -1);
    assert_int_equal(error.code, ERROR_DEVICE_LINK);
    assert_true(clock_monotonic_ms() - begin >= ANSWER_MS);
    assert_true(clock_monotonic_ms() - begin < (uint64_t)3 * ANSWER_MS);
    assert_true(transfer->done < IMAGE_SIZE);
}

static void test_stopped_on_the_way(void **state) {
    struct transfer *transfer = *state;
    struct error error = {0};
    plug_in(transfer, fake_chip_uart(&transfer->line->chip));
    atomic_store(&transfer->line->programmer.stop, true);
    transfer->line->chip.is_dead = true;
    assert_int_equal(install(transfer, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
}

static void test_flash_fails(void **state) {
    struct transfer *transfer = *state;
    struct error error = {0};
    plug_in(transfer, fake_chip_uart(&transfer->line->chip));
    transfer->line->chip.flash_fails_at = 5000;
    assert_int_equal(install(transfer, &error), -1);
    assert_int_equal(error.code, ERROR_DEVICE_REFUSED);
    assert_non_null(strstr(error.message, "flash"));
    transfer->line->chip.flash_fails_at = 0;
    expect_arrived(transfer);
}

static void test_grant_that_makes_no_sense(void **state) {
    struct transfer *transfer = *state;
    struct error error = {0};
    plug_in(transfer, fake_chip_uart(&transfer->line->chip));
    transfer->line->chip.grants_nonsense = true;
    assert_int_equal(install(transfer, &error), -1);
    assert_int_equal(error.code, ERROR_DEVICE_LINK);
    assert_int_equal(transfer->calls, 0);
}

/* Life cycle blank: a chip like this wants DevAuth, and takes nothing from its boot_rom's link. */
static void test_refused_from_the_beginning(void **state) {
    struct transfer *transfer = *state;
    struct error error = {0};
    memset(transfer->line->chip.otp[OTP_LIFE_SECURED], 0xFF, OTP_ENTRY_SIZE);
    fake_chip_restart(&transfer->line->chip);
    plug_in(transfer, fake_chip_uart(&transfer->line->chip));
    assert_int_equal(install(transfer, &error), -1);
    assert_int_equal(error.code, ERROR_DEVICE_REFUSED);
    assert_int_equal(transfer->calls, 0);
}

int main(int argc, char **argv) {
    if (argc > 1) /* one case, by name */
        cmocka_set_test_filter(argv[1]);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_all_bytes_arrive),
        CASE(test_garbage_between_bytes),
        CASE(test_flipped_bits),
        CASE(test_lost_bytes),
        CASE(test_chip_dies_on_the_way),
        CASE(test_stopped_on_the_way),
        CASE(test_flash_fails),
        CASE(test_grant_that_makes_no_sense),
        CASE(test_refused_from_the_beginning),
    };
    return crypto_init(NULL, NULL) == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
