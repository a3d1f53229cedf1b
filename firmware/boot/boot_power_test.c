/* Power cuts at every flash and OTP operation of every kind of swap, clean and torn, and a second
 * cut during the recovery. */
#include "boot/testing/boot_bench.h"

#include <stdio.h>
#include <string.h>

enum { OLD = 0x11, NEW = 0x77 };

static uint8_t snapshot[BOARD_ERASED_SIZE];
static struct bench_image image;

static void save(void) {
    memcpy(snapshot, testing_board_file(), sizeof snapshot);
}

static void restore(void) {
    memcpy(testing_board_file(), snapshot, sizeof snapshot);
}

static void put(enum boot_slot slot, uint8_t fill, size_t payload_size, uint32_t counter) {
    const struct bench_plan plan = {.slot = slot,
                                    .fill = fill,
                                    .payload_size = payload_size,
                                    .counter = counter,
                                    .minor = (uint8_t)counter};
    bench_build(&image, &plan);
    bench_put(slot, &image);
}

static void clean_boot(void) {
    assert_false(testing_board_run(BOARD_FAULT_NONE, 0, bench_boot, NULL));
}

static void request(void *unused) {
    (void)unused;
    assert_int_equal(boot_request_install(&boot_bench.hal), STATUS_OK);
}

static void confirm(void *unused) {
    (void)unused;
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
}

static uint32_t counter(void) {
    uint32_t value = 0;
    assert_int_equal(boot_bench.hal.counter_read(HAL_COUNTER_BL3, &value), STATUS_OK);
    return value;
}

/* The cut came when all was written and only the start was missing: that was the image's chance. */
static bool trial_is_over;

static void note_trial(void) {
    enum image_swap swap = IMAGE_SWAP_NONE;
    assert_int_equal(boot_swap_wanted(&boot_bench.hal, &swap), STATUS_OK);
    trial_is_over = swap == IMAGE_SWAP_REVERT;
}

static void old_one_runs(void) {
    assert_true(bench_started(OLD));
    assert_int_equal(counter(), 1);
    clean_boot();
    assert_true(bench_started(OLD));
}

struct scenario {
    const char *name;
    void (*work)(void *unused);
    void (*check)(void); /* after the cut and one undisturbed start */
};

/* Cuts once at every operation, and for every seventh a second time while it recovers. */
static void cut_everywhere(const struct scenario *scenario) {
    static const enum board_fault KINDS[] = {BOARD_FAULT_STOP, BOARD_FAULT_TEAR};
    unsigned cuts = 0;
    unsigned second_cuts = 0;
    unsigned trials_over = 0;
    unsigned starts = 0; /* where the second cut came too late */
    save();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1;; n++) {
            restore();
            if (!testing_board_run(KINDS[kind], n, scenario->work, NULL)) {
                break;
            }
            cuts++;
            if (n % 7 == 0) {
                bool cut = testing_board_run(KINDS[(n / 7) % 2], 1 + n % 97, bench_boot, NULL);
                second_cuts += cut ? 1 : 0;
                starts += cut ? 0 : 1;
            }
            note_trial();
            trials_over += trial_is_over ? 1 : 0;
            clean_boot();
            scenario->check();
        }
    }
    printf("%s: %u cuts, %u second cuts\n", scenario->name, cuts, second_cuts);
    assert_true(cuts > 40 && second_cuts > 10);
    assert_true(scenario->check == old_one_runs || trials_over <= starts + 2);
}

static int chip(void **state) {
    (void)state;
    bench_chip();
    return 0;
}

static void new_one_runs_then_old_one_again(void) {
    assert_true(bench_started(trial_is_over ? OLD : NEW));
    assert_int_equal(counter(), 1);
    clean_boot(); /* not confirmed */
    assert_true(bench_started(OLD));
    clean_boot();
    assert_true(bench_started(OLD));
}

static void a_test_swap_survives(void **state) {
    const struct scenario scenario = {"test swap", bench_boot, new_one_runs_then_old_one_again};
    (void)state;
    put(BOOT_SLOT_PRIMARY, OLD, 1500, 1);
    clean_boot();
    put(BOOT_SLOT_SECONDARY, NEW, 3100, 2);
    request(NULL);
    cut_everywhere(&scenario);
}

static void new_one_stays(void) {
    assert_true(bench_started(NEW));
    assert_int_equal(counter(), 2);
    clean_boot();
    assert_true(bench_started(NEW));
}

static void a_first_installation_survives(void **state) {
    const struct scenario scenario = {"first installation", bench_boot, new_one_stays};
    (void)state;
    put(BOOT_SLOT_SECONDARY, NEW, 1500, 2);
    request(NULL);
    cut_everywhere(&scenario);
}

static void a_revert_survives(void **state) {
    const struct scenario scenario = {"revert", bench_boot, old_one_runs};
    (void)state;
    put(BOOT_SLOT_PRIMARY, OLD, 1500, 1);
    clean_boot();
    put(BOOT_SLOT_SECONDARY, NEW, 1500, 2);
    request(NULL);
    clean_boot();
    assert_true(bench_started(NEW));
    cut_everywhere(&scenario);
}

/* Either the request was not made, and the old one runs, or it was. */
static void old_or_new_runs(void) {
    assert_true(bench_started(OLD) || bench_started(NEW));
}

static void a_request_survives(void **state) {
    static const enum board_fault KINDS[] = {BOARD_FAULT_STOP, BOARD_FAULT_TEAR};
    unsigned cuts = 0;
    (void)state;
    put(BOOT_SLOT_PRIMARY, OLD, 1500, 1);
    put(BOOT_SLOT_SECONDARY, NEW, 1500, 2);
    save();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1;; n++, cuts++) {
            restore();
            if (!testing_board_run(KINDS[kind], n, request, NULL)) {
                break;
            }
            clean_boot();
            old_or_new_runs();
        }
    }
    assert_true(cuts >= 4);
}

static void a_confirmation_survives(void **state) {
    unsigned cuts = 0;
    (void)state;
    put(BOOT_SLOT_PRIMARY, OLD, 1500, 1);
    put(BOOT_SLOT_SECONDARY, NEW, 1500, 2);
    request(NULL);
    clean_boot();
    save();
    /* Torn differently each time: the noise depends on the operation's number. */
    for (uint32_t n = 1; n <= 200; n++, cuts++) {
        restore();
        board_register_write(BOARD_REGISTER_OPERATIONS, n);
        assert_true(testing_board_run(BOARD_FAULT_TEAR, 1, confirm, NULL));
        clean_boot();
        old_or_new_runs();
        uint8_t fill = bench_started(NEW) ? NEW : OLD;
        confirm(NULL);
        clean_boot();
        assert_true(bench_started(fill));
    }
    assert_int_equal(cuts, 200);
    restore();
    confirm(NULL);
    clean_boot();
    assert_true(bench_started(NEW));
    assert_int_equal(counter(), 2);
}

/* A status cell that was left looking erased refuses to be programmed: its spare takes over. */
static void cells_that_refuse_are_noted_elsewhere(void **state) {
    const struct image_trailer_layout layout = {
        .slot_size = BENCH_IMAGE_MAX,
        .page_size = BOARD_FLASH_PAGE,
        .sectors_max = BENCH_SLOT_PAGES,
        .content_key_size = BOOT_CONTENT_KEY_SIZE,
    };
    unsigned cuts = 0;
    (void)state;
    put(BOOT_SLOT_PRIMARY, OLD, 1500, 1);
    put(BOOT_SLOT_SECONDARY, NEW, 1500, 2);
    request(NULL);
    save();
    for (uint32_t n = 1;; n++) {
        restore();
        if (!testing_board_run(BOARD_FAULT_STOP, n, bench_boot, NULL)) {
            break;
        }
        cuts++;
        /* Every status cell and flag that is still erased refuses from now on, one at a time. */
        for (unsigned i = 0; i < 3; i++) {
            uint32_t at = i == 2 ? image_trailer_offset(&layout, IMAGE_TRAILER_COPY_DONE)
                                 : image_trailer_swap_offset(&layout, 0, i);
            uint32_t unit = (boot_slot_offset(&boot_bench.hal, BOOT_SLOT_PRIMARY) + at) / 8;
            if (*bench_flash(BOOT_SLOT_PRIMARY, at) == 0xFF && n % 3 == i) {
                testing_board_file()[BOARD_UNITS_OFFSET + unit / 8] &= (uint8_t) ~(1u << unit % 8);
            }
        }
        if (testing_board_run(BOARD_FAULT_STOP, 1 + n % 300, bench_boot, NULL)) {
            clean_boot();
        }
        assert_true(bench_started(NEW) || bench_started(OLD));
    }
    assert_true(cuts > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_test_swap_survives, chip),
        cmocka_unit_test_setup(a_first_installation_survives, chip),
        cmocka_unit_test_setup(a_revert_survives, chip),
        cmocka_unit_test_setup(a_request_survives, chip),
        cmocka_unit_test_setup(a_confirmation_survives, chip),
        cmocka_unit_test_setup(cells_that_refuse_are_noted_elsewhere, chip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
