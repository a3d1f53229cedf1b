/* Trailers that somebody wrote, and flash that fails: whatever happens, only an accepted image is
 * started, and while both images are whole, one of them is. */
#include "boot/boot_trailer.h"
#include "boot/testing/boot_bench.h"

#include <stdio.h>
#include <string.h>

enum { OLD = 0x11, NEW = 0x77 };
/* Of a bench slot: everything up to the first status cell. */
#define TRAILER_SIZE 304u

static uint8_t snapshot[BOARD_ERASED_SIZE];
static struct bench_image new_cipher;
static struct bench_image new_plain;
static struct bench_image old_plain;

static void save(void) {
    memcpy(snapshot, testing_board_file(), sizeof snapshot);
}

static void restore(void) {
    memcpy(testing_board_file(), snapshot, sizeof snapshot);
}

static void build(struct bench_image *cipher, struct bench_image *plain, uint8_t fill,
                  uint32_t counter) {
    const struct bench_plan plan = {
        .slot = BOOT_SLOT_SECONDARY, .fill = fill, .payload_size = 1500, .counter = counter};
    bench_build(cipher, &plan);
    bench_decrypt(cipher, plain);
}

/* Both images with the same counter, so that each could follow the other; an update asked for. */
static int chip(void **state) {
    static struct bench_image old_cipher;
    (void)state;
    bench_chip();
    build(&old_cipher, &old_plain, OLD, 1);
    build(&new_cipher, &new_plain, NEW, 1);
    bench_put(BOOT_SLOT_PRIMARY, &old_plain);
    bench_put(BOOT_SLOT_SECONDARY, &new_cipher);
    return boot_request_install(&boot_bench.hal) == STATUS_OK ? 0 : -1;
}

static void clean_boot(void) {
    assert_false(testing_board_run(BOARD_FAULT_NONE, 0, bench_boot, NULL));
}

/* Nothing, or one of the two that were signed, byte by byte. */
static bool starts_what_it_may(void) {
    if (boot_bench.entered == UINT32_MAX) {
        return false;
    }
    assert_true(bench_started(OLD) ? bench_holds(BOOT_SLOT_PRIMARY, &old_plain)
                                   : bench_holds(BOOT_SLOT_PRIMARY, &new_plain));
    return true;
}

enum wholeness { BOTH_WHOLE, UNDER_WAY };

/* Every byte of both trailers: a bit turned, all bits cleared, "set", and erased. */
static void alter_every_byte(enum wholeness wholeness) {
    unsigned altered = 0;
    save();
    for (uint32_t i = 0; i < 2 * 4 * TRAILER_SIZE; i++) {
        enum boot_slot slot = i % 2 == 0 ? BOOT_SLOT_PRIMARY : BOOT_SLOT_SECONDARY;
        uint32_t offset = BENCH_SLOT_SIZE - 1 - i / 8;
        restore();
        uint8_t *byte = bench_flash(slot, offset);
        const uint8_t values[] = {(uint8_t)(*byte ^ (1u << offset % 8)), 0x00, 0x01, 0xFF};
        if (*byte == values[i / 2 % 4]) {
            continue;
        }
        *byte = values[i / 2 % 4];
        altered++;
        for (unsigned boots = 0; boots < 2; boots++) {
            clean_boot();
            bool has_started = starts_what_it_may();
            assert_true(has_started || wholeness == UNDER_WAY);
        }
    }
    assert_true(altered > 1000);
}

static void a_request_may_be_altered(void **state) {
    (void)state;
    const struct image_trailer_layout layout = boot_trailer_layout(&boot_bench.hal);
    assert_int_equal(image_trailer_size(&layout), TRAILER_SIZE);
    alter_every_byte(BOTH_WHOLE);
}

static void a_trial_may_be_altered(void **state) {
    (void)state;
    clean_boot();
    assert_true(bench_started(NEW));
    alter_every_byte(BOTH_WHOLE);
}

static void a_confirmation_may_be_altered(void **state) {
    (void)state;
    clean_boot();
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
    clean_boot();
    assert_true(bench_started(NEW));
    alter_every_byte(BOTH_WHOLE);
}

static void a_swap_under_way_may_be_altered(void **state) {
    static const uint32_t PLACES[] = {60, 250, 500, 650};
    (void)state;
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        static uint8_t beginning[BOARD_ERASED_SIZE];
        memcpy(beginning, testing_board_file(), sizeof beginning);
        assert_true(testing_board_run(BOARD_FAULT_STOP, PLACES[i], bench_boot, NULL));
        alter_every_byte(UNDER_WAY);
        memcpy(testing_board_file(), beginning, sizeof beginning);
    }
}

/* Noise all over both trailers. */
static void trailers_may_be_noise(void **state) {
    uint32_t noise = 7;
    unsigned starts = 0;
    (void)state;
    save();
    for (unsigned round = 0; round < 300; round++) {
        restore();
        for (uint32_t i = 0; i < 2 * TRAILER_SIZE; i++) {
            noise = noise * 1664525u + 1013904223u;
            /* The magic stays in most rounds: without it nothing else is looked at. */
            if (i / 2 >= 16 || round % 8 == 0) {
                *bench_flash(i % 2 == 0 ? BOOT_SLOT_PRIMARY : BOOT_SLOT_SECONDARY,
                             BENCH_SLOT_SIZE - 1 - i / 2) = (uint8_t)(noise >> 24);
            }
        }
        clean_boot();
        starts += starts_what_it_may() ? 1 : 0;
        clean_boot();
        starts += starts_what_it_may() ? 1 : 0;
    }
    assert_true(starts > 300);
}

/* Flash that cannot be read, once. */
static uint32_t reads;
static uint32_t failing_read;

static enum status read_or_fail(uint32_t offset, uint8_t *out, size_t size) {
    reads++;
    return reads == failing_read ? STATUS_FLASH : flash_model_read(offset, out, size);
}

/* Boots with read number `n` failing; false if there were fewer. */
static bool boot_with_failing_read(uint32_t n) {
    reads = 0;
    failing_read = n;
    clean_boot();
    failing_read = 0;
    return reads >= n;
}

static void a_failed_read_loses_nothing(void **state) {
    unsigned failures = 0;
    unsigned refused = 0;
    (void)state;
    boot_bench.hal.flash_read = read_or_fail;
    save();
    for (uint32_t n = 1;; n++) {
        restore();
        if (!boot_with_failing_read(n)) {
            break;
        }
        failures++;
        refused += starts_what_it_may() ? 0 : 1;
        clean_boot();
        assert_true(starts_what_it_may());
    }
    printf("%u failed reads, %u times nothing started\n", failures, refused);
    assert_true(failures > 200 && refused > 20);
}

/* It is no reason to go back to an older image either. */
static void a_failed_read_changes_no_image(void **state) {
    unsigned failures = 0;
    (void)state;
    clean_boot();
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
    clean_boot();
    assert_true(bench_started(NEW));
    boot_bench.hal.flash_read = read_or_fail;
    save();
    for (uint32_t n = 1; boot_with_failing_read(n); n++) {
        failures++;
        assert_false(bench_started(OLD));
        clean_boot();
        assert_true(bench_started(NEW));
        restore();
    }
    assert_true(failures > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_request_may_be_altered, chip),
        cmocka_unit_test_setup(a_trial_may_be_altered, chip),
        cmocka_unit_test_setup(a_confirmation_may_be_altered, chip),
        cmocka_unit_test_setup(a_swap_under_way_may_be_altered, chip),
        cmocka_unit_test_setup(trailers_may_be_noise, chip),
        cmocka_unit_test_setup(a_failed_read_loses_nothing, chip),
        cmocka_unit_test_setup(a_failed_read_changes_no_image, chip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
