/* The swap in the board's own slots, where a trailer is three pages and page numbers need more than
 * a byte: an image that fills a slot, and power cuts at samples and wherever the trailers are
 * written. */
#include "boot/boot_trailer.h"
#include "boot/testing/boot_bench.h"

#include <string.h>

enum { OLD = 0x11, NEW = 0x77 };

static uint8_t snapshot[BOARD_ERASED_SIZE];
static struct bench_image old_cipher;
static struct bench_image old_plain;
static struct bench_image new_cipher;
static struct bench_image new_plain;

static void build(struct bench_image *cipher, struct bench_image *plain, uint8_t fill,
                  size_t payload_size, uint32_t counter) {
    const struct bench_plan plan = {.slot = BOOT_SLOT_SECONDARY,
                                    .fill = fill,
                                    .payload_size = payload_size,
                                    .counter = counter};
    bench_build(cipher, &plan);
    bench_decrypt(cipher, plain);
}

static void clean_boot(void) {
    assert_false(testing_board_run(BOARD_FAULT_NONE, 0, bench_boot, NULL));
}

static void put_both(size_t old_size, size_t new_size) {
    bench_chip();
    boot_bench.hal.flash = &flash_model_geometry;
    build(&old_cipher, &old_plain, OLD, old_size, 1);
    build(&new_cipher, &new_plain, NEW, new_size, 2);
    bench_put(BOOT_SLOT_PRIMARY, &old_plain);
    bench_put(BOOT_SLOT_SECONDARY, &new_cipher);
    clean_boot();
    assert_int_equal(boot_request_install(&boot_bench.hal), STATUS_OK);
    memcpy(snapshot, testing_board_file(), sizeof snapshot);
}

static bool is_revert_due(void) {
    enum image_swap swap = IMAGE_SWAP_NONE;
    assert_int_equal(boot_swap_wanted(&boot_bench.hal, &swap), STATUS_OK);
    return swap == IMAGE_SWAP_REVERT;
}

static void swapped_and_back(void) {
    if (!is_revert_due()) {
        clean_boot();
        assert_true(bench_started(NEW));
        assert_true(bench_holds(BOOT_SLOT_PRIMARY, &new_plain));
        assert_true(bench_holds(BOOT_SLOT_SECONDARY, &old_cipher));
    }
    clean_boot();
    assert_true(bench_started(OLD));
    assert_true(bench_holds(BOOT_SLOT_PRIMARY, &old_plain));
    assert_true(bench_holds(BOOT_SLOT_SECONDARY, &new_cipher));
}

/* Every operation at the beginning and at the end, and samples between. */
static void cut_at_samples(enum board_fault kind, unsigned samples) {
    enum { DENSE = 40 };
    unsigned cuts = 0;
    memcpy(testing_board_file(), snapshot, sizeof snapshot);
    clean_boot();
    uint32_t total = board_register_read(BOARD_REGISTER_OPERATIONS);
    assert_true(total > 2 * DENSE);
    for (uint32_t n = 1; n <= total;
         n += n < DENSE || n > total - DENSE ? 1 : (total - 2 * DENSE) / samples) {
        memcpy(testing_board_file(), snapshot, sizeof snapshot);
        assert_true(testing_board_run(kind, n, bench_boot, NULL));
        cuts++;
        swapped_and_back();
    }
    assert_true(cuts > samples);
}

static void swaps_survive_in_the_boards_slots(void **state) {
    (void)state;
    put_both(3000, 20000);
    cut_at_samples(BOARD_FAULT_STOP, 300);
    cut_at_samples(BOARD_FAULT_TEAR, 300);
}

static void an_image_may_fill_the_slot(void **state) {
    struct image_report report;
    (void)state;
    put_both(3000, 3000);
    const struct image_trailer_layout layout = boot_trailer_layout(&boot_bench.hal);
    uint32_t room = layout.slot_size - image_trailer_reserved(&layout);
    size_t tlvs = new_cipher.size - BOOT_HEADER_SIZE - 3008;
    /* Signatures differ in length by up to two bytes: whole blocks that fit in any case. */
    size_t most = (room - BOOT_HEADER_SIZE - tlvs - 2) / 16 * 16;
    assert_true(most > 450000);
    put_both(3000, most);
    assert_int_equal(boot_verify(&boot_bench.hal, BOOT_SLOT_SECONDARY, &report), STATUS_OK);
    uint32_t at = 1;
    for (unsigned i = 0; i < 10; i++, at = at * 3 + 1) {
        assert_true(testing_board_run(i % 2 == 0 ? BOARD_FAULT_STOP : BOARD_FAULT_TEAR, at,
                                      bench_boot, NULL));
    }
    swapped_and_back();
    put_both(3000, most + 32);
    assert_int_equal(boot_verify(&boot_bench.hal, BOOT_SLOT_SECONDARY, &report), STATUS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swaps_survive_in_the_boards_slots),
        cmocka_unit_test(an_image_may_fill_the_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
