/* Power cuts at every flash and OTP operation of every kind of swap, clean and torn, and a second
 * cut during the recovery. */
#include "boot/boot_trailer.h"
#include "boot/testing/boot_bench.h"

#include <stdio.h>
#include <string.h>

enum { OLD = 0x11, NEW = 0x77 };

static uint8_t snapshot[BOARD_ERASED_SIZE];
static uint8_t snapshot[BOARD_ERASED_SIZE];

/* Both images in both forms: what is in a slot afterwards is compared byte by byte. */
static struct pair {
    struct bench_image cipher;
    struct bench_image plain;
} old_image, new_image;

static void save(void) {
    memcpy(snapshot, testing_board_file(), sizeof snapshot);
}

static void restore(void) {
    memcpy(testing_board_file(), snapshot, sizeof snapshot);
}

static void build(struct pair *pair, uint8_t fill, size_t payload_size, uint32_t counter) {
    const struct bench_plan plan = {.slot = BOOT_SLOT_SECONDARY,
                                    .fill = fill,
                                    .payload_size = payload_size,
                                    .counter = counter,
                                    .minor = (uint8_t)counter};
    bench_build(&pair->cipher, &plan);
    bench_decrypt(&pair->cipher, &pair->plain);
}

/* OLD in the primary slot, which was started once; NEW in the secondary, not asked for. */
static void put_both(size_t old_size, size_t new_size) {
    build(&old_image, OLD, old_size, 1);
    build(&new_image, NEW, new_size, 2);
    bench_put(BOOT_SLOT_PRIMARY, &old_image.plain);
    assert_false(testing_board_run(BOARD_FAULT_NONE, 0, bench_boot, NULL));
    bench_put(BOOT_SLOT_SECONDARY, &new_image.cipher);
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
    for (unsigned i = 0; i < 2; i++) {
        assert_true(bench_started(OLD));
        assert_int_equal(counter(), 1);
        assert_true(bench_holds(BOOT_SLOT_PRIMARY, &old_image.plain));
        clean_boot();
    }
}

struct scenario {
    const char *name;
    void (*work)(void *unused);
    void (*check)(void); /* after the cut and one undisturbed start */
};

/* Cuts once at every operation, and for every other one a second time while it recovers. */
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
            if (n % 2 == 0) {
                uint32_t second = 1 + n * 131 % 401;
                bool cut = testing_board_run(KINDS[(n / 2) % 2], second, bench_boot, NULL);
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
    if (!trial_is_over) {
        assert_true(bench_holds(BOOT_SLOT_PRIMARY, &new_image.plain));
        assert_true(bench_holds(BOOT_SLOT_SECONDARY, &old_image.cipher));
    }
    clean_boot(); /* not confirmed */
    old_one_runs();
    assert_true(bench_holds(BOOT_SLOT_SECONDARY, &new_image.cipher));
}

static void a_test_swap_survives(void **state) {
    const struct scenario scenario = {"test swap", bench_boot, new_one_runs_then_old_one_again};
    (void)state;
    put_both(1500, 3100);
    request(NULL);
    cut_everywhere(&scenario);
}

static void a_shrinking_test_swap_survives(void **state) {
    const struct scenario scenario = {"shrinking test swap", bench_boot,
                                      new_one_runs_then_old_one_again};
    (void)state;
    put_both(6000, 100);
    request(NULL);
    cut_everywhere(&scenario);
}

static void new_one_stays(void) {
    for (unsigned i = 0; i < 2; i++) {
        assert_true(bench_started(NEW));
        assert_int_equal(counter(), 2);
        assert_true(bench_holds(BOOT_SLOT_PRIMARY, &new_image.plain));
        clean_boot();
    }
}

static void a_permanent_swap_survives(void **state) {
    const struct scenario scenario = {"permanent swap", bench_boot, new_one_stays};
    (void)state;
    put_both(1500, 1500);
    assert_int_equal(boot_trailer_request(&boot_bench.hal, IMAGE_SWAP_PERMANENT), STATUS_OK);
    cut_everywhere(&scenario);
}

static void a_first_installation_survives(void **state) {
    const struct scenario scenario = {"first installation", bench_boot, new_one_stays};
    (void)state;
    build(&new_image, NEW, 1500, 2);
    bench_put(BOOT_SLOT_SECONDARY, &new_image.cipher);
    request(NULL);
    cut_everywhere(&scenario);
}

static void a_revert_survives(void **state) {
    const struct scenario scenario = {"revert", bench_boot, old_one_runs};
    (void)state;
    put_both(1500, 1500);
    request(NULL);
    clean_boot();
    assert_true(bench_started(NEW));
    cut_everywhere(&scenario);
}

/* The secondary image takes the place of a primary one that is refused. */
static void falling_back_survives(void **state) {
    const struct scenario scenario = {"falling back", bench_boot, old_one_runs};
    (void)state;
    put_both(1500, 1500);
    request(NULL);
    clean_boot();
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
    *bench_flash(BOOT_SLOT_PRIMARY, BOOT_HEADER_SIZE + 700) ^= 1;
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
    put_both(1500, 1500);
    save();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1;; n++, cuts++) {
            restore();
            if (!testing_board_run(KINDS[kind], n, request, NULL)) {
                break;
            }
            clean_boot();
            old_or_new_runs();
            if (bench_started(OLD)) {
                request(NULL);
                clean_boot();
            }
            assert_true(bench_started(NEW));
        }
    }
    assert_true(cuts >= 4);
}

static void a_confirmation_survives(void **state) {
    unsigned cuts = 0;
    (void)state;
    put_both(1500, 1500);
    request(NULL);
    clean_boot();
    save();
    assert_true(testing_board_run(BOARD_FAULT_STOP, 1, confirm, NULL));
    clean_boot();
    assert_true(bench_started(OLD));
    /* Torn differently each time: the noise depends on the operation's number. */
    for (uint32_t n = 1; n <= 200; n++, cuts++) {
        restore();
        board_register_write(BOARD_REGISTER_OPERATIONS, n);
        assert_true(testing_board_run(BOARD_FAULT_TEAR, 1, confirm, NULL));
        if (n % 2 == 0) {
            (void)testing_board_run(BOARD_FAULT_TEAR, 1, confirm, NULL);
        }
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
    new_one_stays();
}

static void erase(void *unused) {
    (void)unused;
    assert_int_equal(boot_erase_everything(&boot_bench.hal), STATUS_OK);
}

static void erasing_everything_survives(void **state) {
    static const enum board_fault KINDS[] = {BOARD_FAULT_STOP, BOARD_FAULT_TEAR};
    unsigned cuts = 0;
    (void)state;
    put_both(1500, 3100);
    request(NULL);
    save();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint32_t n = 1;; n++, cuts++) {
            restore();
            bool was_cut = testing_board_run(KINDS[kind], n, erase, NULL);
            if (was_cut) {
                erase(NULL);
            }
            for (uint32_t i = 0; i < 3 * BENCH_SLOT_SIZE + 2 * BOARD_FLASH_PAGE; i++) {
                assert_int_equal(*bench_flash(BOOT_SLOT_BL2, i), 0xFF);
            }
            if (!was_cut) {
                break;
            }
        }
    }
    assert_true(cuts >= 14);
}

/* Offsets in the primary slot that refuse to be programmed although they read as erased. */
static uint32_t refusing[2];

static enum status program(uint32_t offset, const uint8_t *data, size_t size) {
    uint32_t at = offset - boot_slot_offset(&boot_bench.hal, BOOT_SLOT_PRIMARY);
    bool is_refused = at == refusing[0] || at == refusing[1];
    return is_refused ? STATUS_FLASH : flash_model_program(offset, data, size);
}

/* The cells of a swap of two pages, in the order they are written, and a flag. */
static uint32_t cell_of(const struct image_trailer_layout *layout, unsigned index) {
    switch (index) {
    case 0:
    case 1: return image_trailer_move_offset(layout, (uint16_t)index);
    case 6: return image_trailer_offset(layout, IMAGE_TRAILER_COPY_DONE);
    default: return image_trailer_swap_offset(layout, (uint16_t)((index - 2) / 2), index % 2);
    }
}

/* A cut left one of the cells, or one of them and its first spare, so that it looks erased and
 * refuses: the swap still survives another cut anywhere. */
static void cells_that_refuse_are_noted_elsewhere(void **state) {
    const struct image_trailer_layout layout = boot_trailer_layout(&boot_bench.hal);
    unsigned cuts = 0;
    (void)state;
    put_both(1500, 1500);
    request(NULL);
    boot_bench.hal.flash_program = program;
    save();
    for (unsigned index = 0; index < 2 * 7; index++) {
        refusing[0] = cell_of(&layout, index / 2);
        refusing[1] = index % 2 == 0 ? UINT32_MAX
                                     : image_trailer_swap_offset(&layout, BENCH_SLOT_PAGES - 1, 1);
        for (uint32_t n = 1 + index;; n += 11) {
            restore();
            bool was_cut = testing_board_run(BOARD_FAULT_STOP, n, bench_boot, NULL);
            note_trial();
            if (was_cut) {
                clean_boot();
            } else {
                trial_is_over = false;
            }
            /* The cell was asked for, and is still as erased as it looked. */
            assert_int_equal(*bench_flash(BOOT_SLOT_PRIMARY, refusing[0]), 0xFF);
            new_one_runs_then_old_one_again();
            if (!was_cut) {
                break;
            }
            cuts++;
        }
    }
    assert_true(cuts > 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_test_swap_survives, chip),
        cmocka_unit_test_setup(a_shrinking_test_swap_survives, chip),
        cmocka_unit_test_setup(a_permanent_swap_survives, chip),
        cmocka_unit_test_setup(a_first_installation_survives, chip),
        cmocka_unit_test_setup(a_revert_survives, chip),
        cmocka_unit_test_setup(falling_back_survives, chip),
        cmocka_unit_test_setup(a_request_survives, chip),
        cmocka_unit_test_setup(a_confirmation_survives, chip),
        cmocka_unit_test_setup(erasing_everything_survives, chip),
        cmocka_unit_test_setup(cells_that_refuse_are_noted_elsewhere, chip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
