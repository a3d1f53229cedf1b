/* What is started and what is not: every reason, tampering, versions, the ways of a swap. */
#include "boot/testing/boot_bench.h"

#include "devauth/otp_map.h"

#include <string.h>

enum { OLD = 0x11, NEW = 0x77 };

static struct bench_image image;

static const struct bench_plan OLD_PLAN = {
    .slot = BOOT_SLOT_PRIMARY, .fill = OLD, .payload_size = 1500, .counter = 1, .minor = 1};
static const struct bench_plan NEW_PLAN = {
    .slot = BOOT_SLOT_SECONDARY, .fill = NEW, .payload_size = 3100, .counter = 2, .minor = 2};
static const struct bench_plan BL2_PLAN = {
    .slot = BOOT_SLOT_BL2, .fill = 0x33, .payload_size = 1500, .counter = 1};

static void put(const struct bench_plan *plan) {
    bench_build(&image, plan);
    bench_put(plan->slot, &image);
}

static void request(void) {
    assert_int_equal(boot_request_install(&boot_bench.hal), STATUS_OK);
}

static int chip(void **state) {
    (void)state;
    bench_chip();
    return 0;
}

static void nothing_is_started_from_an_empty_chip(void **state) {
    struct boot_findings findings;
    (void)state;
    bench_boot(NULL);
    assert_int_equal(boot_bench.entered, UINT32_MAX);
    assert_int_equal(bench_logged(HAL_BOOT_EVENT_PRIMARY), IMAGE_REASON_EMPTY);
    boot_start_bl2(&boot_bench.hal, &findings);
    assert_int_equal(boot_bench.entered, UINT32_MAX);
    assert_int_equal(findings.bl2.reason, IMAGE_REASON_EMPTY);
}

static void bl2_is_started_behind_its_header(void **state) {
    struct boot_findings findings;
    (void)state;
    put(&BL2_PLAN);
    boot_start_bl2(&boot_bench.hal, &findings);
    assert_int_equal(boot_bench.entered, BOOT_HEADER_SIZE);
    assert_int_equal(findings.bl2.reason, IMAGE_ACCEPTED);
}

/* Every byte of header, TLVs, and samples of the payload: a bit flipped anywhere is refused. */
static void no_altered_bl2_is_started(void **state) {
    struct boot_findings findings;
    size_t flipped = 0;
    (void)state;
    put(&BL2_PLAN);
    for (size_t i = 0; i < image.size; i += i < 64 || i > BOOT_HEADER_SIZE + 1500 ? 1 : 97) {
        *bench_flash(BOOT_SLOT_BL2, (uint32_t)i) ^= 0x04;
        boot_start_bl2(&boot_bench.hal, &findings);
        assert_int_equal(boot_bench.entered, UINT32_MAX);
        assert_int_not_equal(findings.bl2.reason, IMAGE_ACCEPTED);
        *bench_flash(BOOT_SLOT_BL2, (uint32_t)i) ^= 0x04;
        flipped++;
    }
    assert_true(flipped > 200);
}

static void no_altered_application_is_started(void **state) {
    (void)state;
    put(&OLD_PLAN);
    for (size_t i = 0; i < image.size; i += i < 64 || i > BOOT_HEADER_SIZE + 1500 ? 1 : 97) {
        /* The wrapped content key is not covered by the signature; it plays no part in a start. */
        *bench_flash(BOOT_SLOT_PRIMARY, (uint32_t)i) ^= 0x04;
        bench_boot(NULL);
        if (boot_bench.entered != UINT32_MAX) {
            assert_true(i > image.size - 4 - IMAGE_WRAPPED_KEY_OVERHEAD - BOOT_CONTENT_KEY_SIZE);
        }
        *bench_flash(BOOT_SLOT_PRIMARY, (uint32_t)i) ^= 0x04;
    }
    bench_boot(NULL);
    assert_true(bench_started(OLD));
}

static void reasons_are_logged(void **state) {
    static const struct {
        struct bench_plan plan;
        enum image_reason reason;
    } CASES[] = {
        {{.slot = BOOT_SLOT_PRIMARY,
          .fill = OLD,
          .payload_size = 1500,
          .counter = 1,
          .other_signer = true},
         IMAGE_REASON_KEY},
        {{.slot = BOOT_SLOT_PRIMARY, .fill = OLD, .payload_size = 1500, .counter = 0},
         IMAGE_REASON_COUNTER_LOW},
        {{.slot = BOOT_SLOT_PRIMARY, .fill = OLD, .payload_size = 1500, .counter = 256},
         IMAGE_REASON_COUNTER_HIGH},
        {{.slot = BOOT_SLOT_BL2, .fill = OLD, .payload_size = 1500, .counter = 1},
         IMAGE_REASON_ENCRYPTION},
        {{.slot = BOOT_SLOT_PRIMARY, .fill = OLD, .payload_size = 6 * 2048 - 1024, .counter = 1},
         IMAGE_REASON_SIZE},
        {{.slot = BOOT_SLOT_SECONDARY, .fill = OLD, .payload_size = 1500, .counter = 1},
         IMAGE_REASON_HASH},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bench_chip();
        assert_int_equal(boot_bench.hal.counter_raise(HAL_COUNTER_BL3, 1), STATUS_OK);
        bench_build(&image, &CASES[i].plan);
        bench_put(BOOT_SLOT_PRIMARY, &image);
        bench_boot(NULL);
        assert_int_equal(boot_bench.entered, UINT32_MAX);
        assert_int_equal(bench_logged(HAL_BOOT_EVENT_PRIMARY), CASES[i].reason);
    }
}

/* One byte changed for each check that looks at the bytes of an image, wherever it lies. */
static void every_check_has_its_reason(void **state) {
    enum { TLVS = BOOT_HEADER_SIZE + 1504, DIGEST = TLVS + 16, KEY = DIGEST + 36, SIGN = KEY + 95 };
    static const struct {
        uint32_t offset;
        uint8_t change;
        enum image_reason reason;
    } CASES[] = {
        {0, 0x01, IMAGE_REASON_HEADER},             /* magic */
        {4, 0x01, IMAGE_REASON_HEADER},             /* load address */
        {16, 0x10, IMAGE_REASON_FLAGS},             /* not bootable */
        {18, 0x01, IMAGE_REASON_FLAGS},             /* unknown */
        {9, 0x02, IMAGE_REASON_HEADER_SIZE},        /* vector table elsewhere */
        {14, 0x10, IMAGE_REASON_SIZE},              /* payload of a megabyte more */
        {TLVS, 0x01, IMAGE_REASON_TLV_FORMAT},      /* info of the protected area */
        {TLVS + 4, 0x10, IMAGE_REASON_TLV_FORMAT},  /* a dependency of 4 bytes */
        {TLVS + 4, 0xF0, IMAGE_REASON_TLV_MISSING}, /* a vendor entry in place of the counter */
        {KEY, 0x12, IMAGE_REASON_TLV_DUPLICATE},    /* a second hash */
        {TLVS + 8, 0x02, IMAGE_REASON_HASH},        /* the counter itself */
        {TLVS + 13, 0x01, IMAGE_REASON_TLV_FORMAT}, /* info of the unprotected area */
        {DIGEST, 0x01, IMAGE_REASON_TLV_UNKNOWN},   /* type 11 */
        {DIGEST, 0x12, IMAGE_REASON_TLV_FORMAT},    /* type 2 with the size of a hash */
        {DIGEST + 4, 0x01, IMAGE_REASON_HASH},      /* stated hash */
        {KEY + 4 + 60, 0x01, IMAGE_REASON_KEY},     /* public key */
        {SIGN + 4 + 20, 0x01, IMAGE_REASON_SIGNATURE},
        {BOOT_HEADER_SIZE + 700, 0x01, IMAGE_REASON_HASH},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof CASES / sizeof CASES[0]; i++) {
        size_t at = i / 2;
        bool is_update = i % 2 == 1;
        bench_chip();
        const struct bench_plan plan = {.slot = is_update ? BOOT_SLOT_SECONDARY : BOOT_SLOT_PRIMARY,
                                        .fill = NEW,
                                        .payload_size = 1504,
                                        .counter = 1};
        if (is_update) {
            put(&OLD_PLAN);
        }
        bench_build(&image, &plan);
        image.data[CASES[at].offset] ^= CASES[at].change;
        bench_put(plan.slot, &image);
        if (is_update) {
            request();
        }
        bench_boot(NULL);
        assert_int_equal(
            bench_logged(is_update ? HAL_BOOT_EVENT_SECONDARY : HAL_BOOT_EVENT_PRIMARY),
            CASES[at].reason);
        assert_int_equal(bench_started(OLD), is_update);
        assert_false(bench_started(NEW));
    }
}

static void a_chip_without_key_hash_starts_nothing(void **state) {
    struct boot_findings findings;
    struct image_report report;
    (void)state;
    put(&BL2_PLAN);
    put(&OLD_PLAN);
    /* As before the BOOT_KEY_HASH permits. */
    memset(testing_board_file() + BOARD_OTP_OFFSET + (size_t)8 * OTP_BOOT_KEY_BL2_VALID, 0xFF, 16);
    assert_int_equal(boot_verify(&boot_bench.hal, BOOT_SLOT_BL2, &report), STATUS_NOT_FOUND);
    assert_int_equal(report.reason, IMAGE_REASON_KEY);
    boot_start_bl2(&boot_bench.hal, &findings);
    bench_boot(NULL);
    assert_int_equal(boot_bench.entered, UINT32_MAX);
    /* A torn validity entry is none. */
    memset(testing_board_file() + BOARD_OTP_OFFSET + (size_t)8 * OTP_BOOT_KEY_BL2_VALID, 0x4E, 8);
    boot_start_bl2(&boot_bench.hal, &findings);
    assert_int_equal(boot_bench.entered, UINT32_MAX);
}

static enum hal_life_cycle life_cycle;
static unsigned readings_before_the_truth;

/* A reading that was disturbed says "secured". */
static enum hal_life_cycle disturbed_life_cycle(void) {
    if (readings_before_the_truth == 0) {
        return life_cycle;
    }
    readings_before_the_truth--;
    return HAL_LIFE_SECURED;
}

static void only_a_living_chip_starts_firmware(void **state) {
    struct boot_findings findings;
    (void)state;
    put(&BL2_PLAN);
    put(&OLD_PLAN);
    boot_bench.hal.life_cycle = disturbed_life_cycle;
    for (int at = HAL_LIFE_BLANK; at <= HAL_LIFE_RMA; at++) {
        bool is_living = at == HAL_LIFE_PROVISIONED || at == HAL_LIFE_SECURED;
        life_cycle = (enum hal_life_cycle)at;
        boot_bench.entered = UINT32_MAX;
        boot_start_bl2(&boot_bench.hal, &findings);
        assert_int_equal(boot_bench.entered != UINT32_MAX, is_living);
        bench_boot(NULL);
        assert_int_equal(boot_bench.entered != UINT32_MAX, is_living);
        for (unsigned disturbed = 1; disturbed <= 3 && !is_living; disturbed++) {
            readings_before_the_truth = disturbed;
            bench_boot(NULL);
            assert_int_equal(boot_bench.entered, UINT32_MAX);
        }
        readings_before_the_truth = 0;
    }
}

static unsigned counter_readings;

static enum status disturbed_counter(enum hal_counter counter, uint32_t *value) {
    enum status status = otp_model_counter_read(counter, value);
    if (counter_readings++ % 2 == 0) {
        *value = 0;
    }
    return status;
}

static void one_disturbed_counter_lets_nothing_older_in(void **state) {
    (void)state;
    put(&OLD_PLAN);
    assert_int_equal(boot_bench.hal.counter_raise(HAL_COUNTER_BL3, 2), STATUS_OK);
    boot_bench.hal.counter_read = disturbed_counter;
    for (unsigned first = 0; first < 2; first++) {
        counter_readings = first;
        bench_boot(NULL);
        assert_int_equal(boot_bench.entered, UINT32_MAX);
        assert_int_equal(bench_logged(HAL_BOOT_EVENT_PRIMARY), IMAGE_REASON_COUNTER_LOW);
    }
}

static void an_update_is_tested_and_confirmed(void **state) {
    (void)state;
    put(&OLD_PLAN);
    bench_boot(NULL);
    assert_true(bench_started(OLD));
    put(&NEW_PLAN);
    bench_boot(NULL);
    assert_true(bench_started(OLD)); /* not asked for yet */
    request();
    bench_boot(NULL);
    assert_true(bench_started(NEW));
    assert_int_equal(bench_logged(HAL_BOOT_EVENT_SWAP), IMAGE_SWAP_TEST);
    assert_false(boot_is_confirmed(&boot_bench.hal));
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
    assert_true(boot_is_confirmed(&boot_bench.hal));
    for (unsigned i = 0; i < 3; i++) {
        uint32_t counter = 0;
        bench_boot(NULL);
        assert_true(bench_started(NEW));
        assert_int_equal(boot_bench.hal.counter_read(HAL_COUNTER_BL3, &counter), STATUS_OK);
        assert_int_equal(counter, 2);
    }
}

static void an_update_not_confirmed_is_reverted(void **state) {
    uint32_t counter = 9;
    (void)state;
    put(&OLD_PLAN);
    bench_boot(NULL);
    put(&NEW_PLAN);
    request();
    bench_boot(NULL);
    assert_true(bench_started(NEW));
    assert_int_equal(boot_bench.hal.counter_read(HAL_COUNTER_BL3, &counter), STATUS_OK);
    assert_int_equal(counter, 1);
    bench_boot(NULL);
    assert_true(bench_started(OLD));
    assert_int_equal(bench_logged(HAL_BOOT_EVENT_SWAP), IMAGE_SWAP_REVERT);
    assert_true(boot_is_confirmed(&boot_bench.hal));
    bench_boot(NULL);
    assert_true(bench_started(OLD));
}

/* Images come back from the secondary slot as they went there, whatever their sizes. */
static void images_survive_the_way_there_and_back(void **state) {
    static const size_t SIZES[][2] = {{1500, 3100}, {3100, 1500}, {9000, 100}, {1024, 9216}};
    static struct bench_image old_cipher;
    static struct bench_image old_plain;
    static struct bench_image new_cipher;
    static struct bench_image new_plain;
    (void)state;
    for (size_t i = 0; i < 2 * sizeof SIZES / sizeof SIZES[0]; i++) {
        const struct bench_plan old_plan = {.slot = BOOT_SLOT_SECONDARY,
                                            .fill = OLD,
                                            .payload_size = SIZES[i / 2][0],
                                            .counter = 1};
        const struct bench_plan new_plan = {.slot = BOOT_SLOT_SECONDARY,
                                            .fill = NEW,
                                            .payload_size = SIZES[i / 2][1] + i % 2,
                                            .is_unpadded = i % 2 == 1,
                                            .counter = 2};
        bench_chip();
        bench_build(&old_cipher, &old_plan);
        bench_decrypt(&old_cipher, &old_plain);
        bench_build(&new_cipher, &new_plan);
        bench_decrypt(&new_cipher, &new_plain);
        bench_put(BOOT_SLOT_PRIMARY, &old_plain);
        bench_put(BOOT_SLOT_SECONDARY, &new_cipher);
        request();
        bench_boot(NULL);
        assert_true(bench_started(NEW));
        assert_true(bench_holds(BOOT_SLOT_PRIMARY, &new_plain));
        assert_true(bench_holds(BOOT_SLOT_SECONDARY, &old_cipher));
        bench_boot(NULL);
        assert_true(bench_started(OLD));
        assert_true(bench_holds(BOOT_SLOT_PRIMARY, &old_plain));
        assert_true(bench_holds(BOOT_SLOT_SECONDARY, &new_cipher));
    }
}

static void updates_that_are_refused_leave_the_old_one(void **state) {
    static const struct {
        struct bench_plan plan;
        enum image_reason reason;
    } CASES[] = {
        {{.slot = BOOT_SLOT_SECONDARY,
          .fill = NEW,
          .payload_size = 1500,
          .counter = 2,
          .minor = 2,
          .other_signer = true},
         IMAGE_REASON_KEY},
        {{.slot = BOOT_SLOT_SECONDARY,
          .fill = NEW,
          .payload_size = 1500,
          .counter = 2,
          .minor = 2,
          .other_device = true},
         IMAGE_REASON_CONTENT_KEY},
        {{.slot = BOOT_SLOT_SECONDARY, .fill = NEW, .payload_size = 1500, .counter = 0, .minor = 2},
         IMAGE_REASON_COUNTER_LOW},
        {{.slot = BOOT_SLOT_PRIMARY, .fill = NEW, .payload_size = 1500, .counter = 2, .minor = 2},
         IMAGE_REASON_HASH}, /* plaintext */
        {{.slot = BOOT_SLOT_BL2, .fill = NEW, .payload_size = 1500, .counter = 2, .minor = 2},
         IMAGE_REASON_ENCRYPTION},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        enum image_swap swap = IMAGE_SWAP_TEST;
        bench_chip();
        put(&OLD_PLAN);
        bench_boot(NULL);
        bench_build(&image, &CASES[i].plan);
        bench_put(BOOT_SLOT_SECONDARY, &image);
        request();
        bench_boot(NULL);
        assert_true(bench_started(OLD));
        assert_int_equal(bench_logged(HAL_BOOT_EVENT_SECONDARY), CASES[i].reason);
        /* And it is not tried again. */
        assert_int_equal(boot_swap_wanted(&boot_bench.hal, &swap), STATUS_OK);
        assert_int_equal(swap, IMAGE_SWAP_NONE);
    }
}

static void a_first_image_needs_no_confirmation(void **state) {
    uint32_t counter = 0;
    (void)state;
    put(&NEW_PLAN);
    request();
    bench_boot(NULL);
    assert_true(bench_started(NEW));
    assert_true(boot_is_confirmed(&boot_bench.hal));
    assert_int_equal(boot_bench.hal.counter_read(HAL_COUNTER_BL3, &counter), STATUS_OK);
    assert_int_equal(counter, 2);
    bench_boot(NULL);
    assert_true(bench_started(NEW));
}

static void a_broken_primary_falls_back(void **state) {
    (void)state;
    put(&OLD_PLAN);
    put(&NEW_PLAN);
    request();
    bench_boot(NULL);
    assert_int_equal(boot_confirm(&boot_bench.hal), STATUS_OK);
    *bench_flash(BOOT_SLOT_PRIMARY, BOOT_HEADER_SIZE + 700) ^= 1;
    bench_boot(NULL);
    assert_true(bench_started(OLD));
    assert_int_equal(bench_logged(HAL_BOOT_EVENT_SWAP), IMAGE_SWAP_REVERT);
}

static void the_bootloader_stays_when_asked(void **state) {
    struct boot_findings findings;
    (void)state;
    put(&OLD_PLAN);
    boot_start_bl3(&boot_bench.hal, BOOT_STAY, &findings);
    assert_int_equal(boot_bench.entered, UINT32_MAX);
    assert_int_equal(findings.primary.reason, IMAGE_ACCEPTED);
    assert_int_equal(findings.primary.header.version.minor, 1);
}

/* Trailers choose between accepted images and never make one accepted. */
static void no_trailer_makes_an_image_start(void **state) {
    uint32_t start = BENCH_SLOT_SIZE - BOARD_FLASH_PAGE;
    uint32_t noise = 7;
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct bench_plan bad = NEW_PLAN;
        bad.other_signer = true;
        bad.payload_size = 1500;
        bench_chip();
        put(&OLD_PLAN);
        put(&bad);
        request();
        for (uint32_t i = 0; i < BOARD_FLASH_PAGE; i++) {
            noise = noise * 1664525u + 1013904223u;
            bool is_hit = (noise >> 28) < round % 16;
            if (is_hit && (round < 20 || i < BOARD_FLASH_PAGE - 16)) {
                *bench_flash(round % 2 == 0 ? BOOT_SLOT_PRIMARY : BOOT_SLOT_SECONDARY, start + i) ^=
                    (uint8_t)(noise >> 16);
            }
        }
        for (unsigned boots = 0; boots < 3; boots++) {
            bench_boot(NULL);
            assert_false(bench_started(NEW));
        }
    }
}

static void erasing_everything_leaves_nothing(void **state) {
    (void)state;
    put(&BL2_PLAN);
    put(&OLD_PLAN);
    put(&NEW_PLAN);
    request();
    *bench_flash(BOOT_SLOT_BL2, 3 * BENCH_SLOT_SIZE) = 0; /* the journal */
    assert_int_equal(boot_erase_everything(&boot_bench.hal), STATUS_OK);
    for (uint32_t i = 0; i < 3 * BENCH_SLOT_SIZE + 2 * BOARD_FLASH_PAGE; i++) {
        assert_int_equal(*bench_flash(BOOT_SLOT_BL2, i), 0xFF);
    }
    assert_int_equal(boot_erase_everything(&boot_bench.hal), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_started_from_an_empty_chip, chip),
        cmocka_unit_test_setup(bl2_is_started_behind_its_header, chip),
        cmocka_unit_test_setup(no_altered_bl2_is_started, chip),
        cmocka_unit_test_setup(no_altered_application_is_started, chip),
        cmocka_unit_test_setup(reasons_are_logged, chip),
        cmocka_unit_test_setup(every_check_has_its_reason, chip),
        cmocka_unit_test_setup(a_chip_without_key_hash_starts_nothing, chip),
        cmocka_unit_test_setup(only_a_living_chip_starts_firmware, chip),
        cmocka_unit_test_setup(one_disturbed_counter_lets_nothing_older_in, chip),
        cmocka_unit_test_setup(an_update_is_tested_and_confirmed, chip),
        cmocka_unit_test_setup(an_update_not_confirmed_is_reverted, chip),
        cmocka_unit_test_setup(images_survive_the_way_there_and_back, chip),
        cmocka_unit_test_setup(updates_that_are_refused_leave_the_old_one, chip),
        cmocka_unit_test_setup(a_first_image_needs_no_confirmation, chip),
        cmocka_unit_test_setup(a_broken_primary_falls_back, chip),
        cmocka_unit_test_setup(the_bootloader_stays_when_asked, chip),
        cmocka_unit_test_setup(no_trailer_makes_an_image_start, chip),
        cmocka_unit_test_setup(erasing_everything_leaves_nothing, chip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
