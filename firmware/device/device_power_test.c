/*
 * Power cuts: every OTP, flash and key operation of each permit, of installing, and of what the
 * boot ROM finishes, is cut once before it and once in its middle. Afterwards the chip starts, is
 * in a state it was led to, and the same step completes what was begun.
 */
#include "device/testing/chip_bench.h"

#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct ram_chip chip_before;
static struct chip_bench bench_before;

static void remember(void) {
    chip_before = ram_chip;
    bench_before = chip;
}

static void go_back(void) {
    ram_chip = chip_before;
    chip = bench_before;
}

/* A session with whoever answers, from the state remembered. */
static void start_again(void) {
    go_back();
    if (chip.bench.turn == NULL) {
        assert_int_equal(chip_load_devauth(), STATUS_OK);
        return;
    }
    chip_power_on();
    assert_int_equal(chip_open(), STATUS_OK);
}

/* After a cut: DevAuth has to be loaded again, other stages start by themselves. */
static void recover(void) {
    if (bench_before.bench.turn == NULL) {
        assert_int_equal(chip_load_devauth(), STATUS_OK);
    } else {
        chip_power_on();
        assert_int_equal(chip_open(), STATUS_OK);
    }
}

typedef enum status step_function(void);
typedef void check_function(void);

struct scenario {
    const char *name;
    step_function *step;
    check_function *after_cut; /* may be NULL */
    check_function *complete;
    bool is_repeated; /* the step is taken again after the cut */
};

static unsigned cut_everywhere(const struct scenario *scenario) {
    static const enum ram_chip_cut KINDS[] = {RAM_CHIP_CUT_BEFORE, RAM_CHIP_CUT_TORN};
    unsigned cuts = 0;
    remember();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned at = 1;; at++) {
            start_again();
            ram_chip_arm(at, KINDS[kind]);
            enum status status = scenario->step();
            if (!ram_chip.is_dead) {
                assert_int_equal(status, STATUS_OK);
                break;
            }
            cuts++;
            assert_int_not_equal(status, STATUS_OK);
            recover();
            if (scenario->after_cut != NULL) {
                scenario->after_cut();
            }
            if (scenario->is_repeated) {
                assert_int_equal(scenario->step(), STATUS_OK);
            }
            scenario->complete();
            assert_int_equal(ram_chip.violations, 0);
        }
    }
    printf("%s: %u cuts\n", scenario->name, cuts);
    return cuts;
}

static void assert_entry(unsigned entry, const uint8_t *data) {
    assert_memory_equal(ram_chip.otp[entry], data, OTP_ENTRY_SIZE);
    assert_true(ram_chip.otp_locked[entry]);
}

static void assert_hash_written(unsigned first, unsigned valid, const uint8_t key[64]) {
    uint8_t hash[32];
    crypto_sha256(bytes_of(key, 64), hash);
    for (unsigned i = 0; i < OTP_HASH_ENTRIES; i++) {
        assert_entry(first + i, &hash[(size_t)i * OTP_ENTRY_SIZE]);
    }
    assert_entry(valid, otp_valid);
}

/* Boot key hashes. Five entries: two words and a lock each. */

static enum status write_bl2_key(void) {
    return chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2);
}
static void bl2_key_is_written(void) {
    assert_hash_written(OTP_BOOT_KEY_BL2_HASH, OTP_BOOT_KEY_BL2_VALID, chip.bl2_key.public_key);
}

static enum status write_bl3_key(void) {
    return chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3);
}
static void bl3_key_is_written(void) {
    assert_hash_written(OTP_BOOT_KEY_BL3_HASH, OTP_BOOT_KEY_BL3_VALID, chip.bl3_key.public_key);
}

/* A hash that was begun takes no other value, not even by a good permit. */
static void a_begun_key_is_not_another(void) {
    struct chip_permit permit;
    if (memcmp(ram_chip.otp[OTP_BOOT_KEY_BL3_HASH], otp_erased, OTP_ENTRY_SIZE) == 0) {
        return;
    }
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3),
                     STATUS_OK);
    memset(permit.key_hash.key_hash, 0xFF, sizeof permit.key_hash.key_hash);
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_OTP);
}

static void boot_keys_survive_every_cut(void **state) {
    static const struct scenario BL2 = {"BL2 key hash", write_bl2_key, NULL, bl2_key_is_written,
                                        true};
    static const struct scenario BL3 = {"BL3 key hash", write_bl3_key, a_begun_key_is_not_another,
                                        bl3_key_is_written, true};
    (void)state;
    chip_make(CHIP_PROVISIONED);
    assert_int_equal(cut_everywhere(&BL2), 2 * 15);
    chip_make(CHIP_BOOTLOADER);
    assert_int_equal(cut_everywhere(&BL3), 2 * 15);
}

/* LOCK. One mark: two words and a lock. */

static unsigned locked_by_start;

static enum status send_lock(void) {
    return chip_permit(PERMIT_LOCK, DEVAUTH_TARGET_BL3);
}

/* The boot ROM completes the mark before it decides the debug lock: what is begun is done. */
static void lock_is_whole_or_not_there(void) {
    if (memcmp(ram_chip.otp[OTP_LIFE_SECURED], otp_erased, OTP_ENTRY_SIZE) == 0) {
        assert_int_equal(chip.latched, HAL_LIFE_PROVISIONED);
        assert_false(ram_chip.debug_is_locked);
        return;
    }
    locked_by_start++;
    assert_int_equal(chip.latched, HAL_LIFE_SECURED);
    assert_true(ram_chip.debug_is_locked);
    assert_entry(OTP_LIFE_SECURED, otp_valid);
}

static void lock_is_complete(void) {
    assert_entry(OTP_LIFE_SECURED, otp_valid);
    assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_SECURED);
}

static void lock_survives_every_cut(void **state) {
    static const struct scenario LOCK = {"LOCK", send_lock, lock_is_whole_or_not_there,
                                         lock_is_complete, true};
    (void)state;
    chip_make(CHIP_HAS_BL3_KEY);
    locked_by_start = 0;
    assert_int_equal(cut_everywhere(&LOCK), 2 * 3);
    assert_int_equal(locked_by_start, 5); /* all but the cut before the first word */
}

/* RMA. The mark (three operations) and three keys by the bootloader; everything else by the ROM. */

static enum status send_rma(void) {
    return chip_permit(PERMIT_RMA, DEVAUTH_TARGET_BL3);
}

static void assert_nothing_is_left(void) {
    assert_int_equal(chip.latched, HAL_LIFE_RMA);
    assert_false(chip.keys_at_latch);
    assert_false(chip.flash_at_latch);
    assert_false(ram_chip.debug_is_locked);
    assert_entry(OTP_LIFE_RMA, otp_valid);
    assert_int_equal(ram_chip.entered, 0);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOT_ROM);
}

static void assert_chip_lives(void) {
    assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_SECURED);
    assert_true(ram_chip.debug_is_locked);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
}

/* The cut is anywhere between the permit and the last erased page; a second one follows while the
 * ROM finishes. Until that is done debug is not opened. */
static unsigned cut_rma(enum ram_chip_cut kind, unsigned second_every) {
    unsigned cuts = 0;
    for (unsigned at = 1;; at++) {
        go_back();
        chip.latched = HAL_LIFE_BLANK;
        chip_power_on();
        assert_int_equal(chip_open(), STATUS_OK);
        assert_int_equal(chip_reboot(DEVAUTH_REBOOT_STAY), STATUS_OK);
        assert_int_equal(chip_open(), STATUS_OK);
        ram_chip_arm(at, kind);
        enum status status = send_rma();
        if (!ram_chip.is_dead) {
            assert_int_equal(status, STATUS_OK);
            assert_nothing_is_left();
            return cuts;
        }
        cuts++;
        assert_int_equal(chip.latched, HAL_LIFE_SECURED);
        bool was_begun = memcmp(ram_chip.otp[OTP_LIFE_RMA], otp_erased, OTP_ENTRY_SIZE) != 0;
        if (was_begun && second_every != 0 && at % second_every == 0) {
            chip.cut_start_at = 1 + at % 5;
            chip.cut_start_kind = kind;
            chip_power_on();
            if (ram_chip.is_dead) {
                assert_int_equal(chip.latched, HAL_LIFE_SECURED);
                cuts++;
            }
        }
        chip_power_on();
        if (was_begun) {
            assert_nothing_is_left();
        } else {
            assert_chip_lives();
            assert_int_equal(at, 1);
        }
        assert_int_equal(ram_chip.violations, 0);
    }
}

static void rma_survives_every_cut(void **state) {
    (void)state;
    chip_make(CHIP_COMPLETE);
    remember();
    unsigned clean = cut_rma(RAM_CHIP_CUT_BEFORE, 3);
    unsigned torn = cut_rma(RAM_CHIP_CUT_TORN, 2);
    printf("RMA: %u and %u cuts\n", clean, torn);
    /* 3 for the mark, 3 keys, BL2 and BL3 pages with something in them, 8 pages of journal. */
    assert_true(clean > 3 + 3 + 4 + 8 && torn > 3 + 3 + 4 + 8);
}

/* OBJECT_ID: the old one or the new one. */

static enum status write_object_id(void) {
    return chip_permit(PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3);
}

static void object_id_is_written(void) {
    struct bytes answer;
    struct bytes object;
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_OBJECT_ID, &answer), STATUS_OK);
    assert_int_equal(devauth_read_object_id(answer, &object), STATUS_OK);
    assert_int_equal(object.size, 11);
}

static void object_id_is_old_or_new(void) {
    struct bytes answer;
    struct bytes object;
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_OBJECT_ID, &answer), STATUS_OK);
    assert_int_equal(devauth_read_object_id(answer, &object), STATUS_OK);
    assert_true(object.size == 0 || object.size == 11);
}

static void object_id_survives_every_cut(void **state) {
    static const struct scenario OBJECT_ID = {"OBJECT_ID", write_object_id, object_id_is_old_or_new,
                                              object_id_is_written, true};
    (void)state;
    chip_make(CHIP_BOOTLOADER);
    assert_true(cut_everywhere(&OBJECT_ID) >= 2 * 3);
}

/* Installing. */

static struct chip_image image;

static enum status install(enum devauth_target target) {
    struct devauth_install_result result;
    enum status status = chip_install(target, bytes_of(image.data, image.size), &result);
    /* A cell that a cut left half programmed may look erased: once more erases all. */
    if (status == STATUS_FLASH && !ram_chip.is_dead) {
        status = chip_install(target, bytes_of(image.data, image.size), &result);
    }
    return status == STATUS_OK && result.reason != IMAGE_ACCEPTED ? STATUS_INVALID : status;
}

static enum status install_bl2(void) {
    return install(DEVAUTH_TARGET_BL2);
}
static enum status install_bl3(void) {
    return install(DEVAUTH_TARGET_BL3);
}

static void bl2_starts(void) {
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOTLOADER);
}

static void bl3_starts(void) {
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
}

static void installing_survives_every_cut(void **state) {
    static const struct scenario BL2 = {"BL2", install_bl2, NULL, bl2_starts, true};
    static const struct scenario BL3 = {"BL3", install_bl3, NULL, bl3_starts, true};
    struct chip_wish wish = chip_good_bl2;
    (void)state;
    chip_make(CHIP_HAS_BL2); /* the new one goes over the old one */
    wish.payload_size = 300;
    wish.fill = 0x61;
    chip_build(&image, &wish);
    assert_true(cut_everywhere(&BL2) > 2 * 50);
    chip_make(CHIP_SECURED);
    wish = chip_good_bl3;
    wish.payload_size = 300;
    chip_build(&image, &wish);
    assert_true(cut_everywhere(&BL3) > 2 * 50);
}

/* The application's update: until the new image has been swapped in and confirmed, any cut leaves
 * an application that runs. Which of the two, says the version. */
static unsigned old_ones;
static unsigned new_ones;

static unsigned version_of_running(void) {
    struct devauth_device_info info;
    assert_int_equal(bench_info(&chip.bench, &info), STATUS_OK);
    assert_int_equal(info.stage, DEVAUTH_STAGE_APPLICATION);
    return info.version >> 16 & 0xFF;
}

static void one_of_the_two_runs(void) {
    unsigned version = version_of_running();
    assert_true(version == 1 || version == 2);
    old_ones += version == 1 ? 1 : 0;
    new_ones += version == 2 ? 1 : 0;
}

static void the_update_runs(void) {
    assert_int_equal(chip_open(), STATUS_OK);
    if (version_of_running() == 1) {
        assert_int_equal(install_bl3(), STATUS_OK);
        assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
        assert_int_equal(chip_open(), STATUS_OK);
    }
    assert_int_equal(version_of_running(), 2);
}

static void updates_survive_every_cut(void **state) {
    static const struct scenario UPDATE = {"update", install_bl3, one_of_the_two_runs,
                                           the_update_runs, false};
    struct chip_wish wish = chip_good_bl3;
    (void)state;
    chip_make(CHIP_COMPLETE);
    wish.payload_size = 300;
    wish.minor = 2;
    wish.counter = 2;
    chip_build(&image, &wish);
    old_ones = 0;
    new_ones = 0;
    unsigned cuts = cut_everywhere(&UPDATE);
    assert_true(cuts > 2 * 50);
    assert_int_equal(old_ones + new_ones, cuts);
    /* Nothing but the very last unit, the magic, makes it the new one. */
    assert_true(old_ones > cuts - 4);
}

/* The start that swaps and the application that confirms: cut at every operation, twice at some. */
static void the_first_start_survives_every_cut(void **state) {
    static const enum ram_chip_cut KINDS[] = {RAM_CHIP_CUT_BEFORE, RAM_CHIP_CUT_TORN};
    struct chip_wish wish = chip_good_bl3;
    unsigned cuts = 0;
    (void)state;
    chip_make(CHIP_COMPLETE);
    wish.payload_size = 300;
    wish.minor = 2;
    wish.counter = 2;
    chip_build(&image, &wish);
    assert_int_equal(install_bl3(), STATUS_OK);
    remember();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned at = 1;; at++) {
            go_back();
            chip.cut_start_at = at;
            chip.cut_start_kind = KINDS[kind];
            chip_power_on();
            if (!ram_chip.is_dead) {
                break;
            }
            cuts++;
            if (at % 9 == 0) {
                chip.cut_start_at = 1 + at % 31;
                chip.cut_start_kind = KINDS[kind];
                chip_power_on();
                cuts += ram_chip.is_dead ? 1 : 0;
            }
            chip_power_on();
            assert_int_equal(chip_open(), STATUS_OK);
            one_of_the_two_runs();
            the_update_runs();
            assert_true(boot_is_confirmed(&chip.hal));
            assert_int_equal(ram_chip.violations, 0);
        }
    }
    printf("first start: %u cuts\n", cuts);
    assert_true(cuts > 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_keys_survive_every_cut),
        cmocka_unit_test(lock_survives_every_cut),
        cmocka_unit_test(rma_survives_every_cut),
        cmocka_unit_test(object_id_survives_every_cut),
        cmocka_unit_test(installing_survives_every_cut),
        cmocka_unit_test(updates_survive_every_cut),
        cmocka_unit_test(the_first_start_survives_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
