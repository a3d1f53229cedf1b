/* Installing images: what is refused at the beginning, on the way and at the end, and what a chip
 * does with bytes nobody would send. */
#include "device/testing/chip_bench.h"

#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct chip_image image;
static struct ram_chip before;

static struct bytes data_of(const struct chip_image *of) {
    return bytes_of(of->data, of->size);
}

static void assert_flash_unchanged(void) {
    assert_memory_equal(ram_chip.flash, before.flash, sizeof before.flash);
}

static const uint8_t *slot_of(enum boot_slot slot) {
    return &ram_chip.flash[boot_slot_offset(&chip.hal, slot)];
}

static void assert_no_swap_wanted(void) {
    enum image_swap swap = IMAGE_SWAP_TEST;
    assert_int_equal(boot_swap_wanted(&chip.hal, &swap), STATUS_OK);
    assert_int_equal(swap, IMAGE_SWAP_NONE);
}

/* Beginning. */

static void only_the_images_of_the_stage(void **state) {
    static const struct {
        enum chip_state state;
        uint8_t target; /* that may be installed */
    } STAGES[] = {{CHIP_PROVISIONED, DEVAUTH_TARGET_BL2},
                  {CHIP_BOOTLOADER, DEVAUTH_TARGET_BL3},
                  {CHIP_COMPLETE, DEVAUTH_TARGET_BL3}};
    (void)state;
    for (size_t i = 0; i < sizeof STAGES / sizeof STAGES[0]; i++) {
        struct devauth_install_grant grant;
        struct devauth_install install = {.size = 2000};
        chip_make(STAGES[i].state);
        before = ram_chip;
        install.target = (uint8_t)(STAGES[i].target ^ 3u); /* the other of the two */
        assert_int_equal(chip_begin(&install, &grant), STATUS_UNSUPPORTED);
        install.target = 0;
        assert_int_equal(chip_begin(&install, &grant), STATUS_INVALID);
        install.target = 3;
        assert_int_equal(chip_begin(&install, &grant), STATUS_INVALID);
        install.target = STAGES[i].target;
        install.size = 0;
        assert_int_equal(chip_begin(&install, &grant), STATUS_INVALID);
        assert_flash_unchanged();
        install.size = 1;
        assert_int_equal(chip_begin(&install, &grant), STATUS_OK);
        assert_int_equal(grant.block_size, BULK_BLOCK_MAX);
        assert_true(grant.window >= grant.block_size);
        assert_int_equal(grant.offset, 0);
    }
}

static void nothing_larger_than_its_slot(void **state) {
    static const struct {
        enum chip_state state;
        uint8_t target;
    } STAGES[] = {{CHIP_PROVISIONED, DEVAUTH_TARGET_BL2}, {CHIP_BOOTLOADER, DEVAUTH_TARGET_BL3}};
    (void)state;
    for (size_t i = 0; i < sizeof STAGES / sizeof STAGES[0]; i++) {
        struct devauth_install_grant grant;
        struct devauth_install install = {.target = STAGES[i].target};
        chip_make(STAGES[i].state);
        uint32_t most = CHIP_IMAGE_MAX;
        if (STAGES[i].target == DEVAUTH_TARGET_BL3) {
            const struct image_trailer_layout layout = {.slot_size = CHIP_IMAGE_MAX,
                                                        .page_size = RAM_CHIP_PAGE,
                                                        .sectors_max = RAM_CHIP_SLOT_PAGES,
                                                        .content_key_size = 32};
            most -= image_trailer_reserved(&layout);
        }
        before = ram_chip;
        install.size = most + 1;
        assert_int_equal(chip_begin(&install, &grant), STATUS_NO_SPACE);
        install.size = UINT32_MAX;
        assert_int_equal(chip_begin(&install, &grant), STATUS_NO_SPACE);
        assert_flash_unchanged();
        install.size = most;
        assert_int_equal(chip_begin(&install, &grant), STATUS_OK);
    }
}

static void a_slot_full_of_image_is_written_to_its_end(void **state) {
    struct devauth_install_result result;
    static uint8_t noise[CHIP_IMAGE_MAX];
    (void)state;
    chip_make(CHIP_PROVISIONED);
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, bytes_of(noise, sizeof noise), &result),
                     STATUS_OK);
    assert_int_equal(result.reason, IMAGE_REASON_HEADER);
    assert_memory_equal(slot_of(BOOT_SLOT_BL2), noise, sizeof noise);
    assert_int_equal(*slot_of(BOOT_SLOT_PRIMARY), 0xFF);
    assert_int_equal(ram_chip.violations, 0);
}

/* On the way. */

static void begin(enum devauth_target target, struct bytes data,
                  struct devauth_install_grant *grant) {
    const struct devauth_install install = chip_announce(target, data);
    assert_int_equal(chip_begin(&install, grant), STATUS_OK);
}

/* Blocks of any length, a unit or a page boundary anywhere in them. */
static void blocks_of_all_lengths(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    struct chip_state_message answer;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    begin(DEVAUTH_TARGET_BL3, data_of(&image), &grant);
    size_t at = 0;
    for (size_t length = 1; at < image.size; length = length % 41 + 1) {
        size_t size = length < image.size - at ? length : image.size - at;
        assert_true(chip_send_block(grant.transfer, (uint32_t)at,
                                    bytes_slice(data_of(&image), at, size), &answer));
        at += size;
        assert_int_equal(answer.received, at);
        assert_int_equal(answer.status, 0);
    }
    assert_int_equal(chip_finish(&result), STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
    assert_memory_equal(slot_of(BOOT_SLOT_SECONDARY), image.data, image.size);
    assert_int_equal(ram_chip.violations, 0);
}

static void gaps_and_repetitions_are_not_taken(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    struct chip_state_message answer;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    struct bytes data = data_of(&image);
    begin(DEVAUTH_TARGET_BL3, data, &grant);
    assert_true(chip_send_block(grant.transfer, 8, bytes_slice(data, 8, 100), &answer));
    assert_int_equal(answer.received, 0);
    assert_true(chip_send_block(grant.transfer, 0, bytes_slice(data, 0, 100), &answer));
    assert_int_equal(answer.received, 100);
    for (unsigned again = 0; again < 3; again++) {
        assert_true(chip_send_block(grant.transfer, 0, bytes_slice(data, 0, 100), &answer));
        assert_int_equal(answer.received, 100);
    }
    assert_true(chip_send_block(grant.transfer, 99, bytes_slice(data, 99, 100), &answer));
    assert_int_equal(answer.received, 100);
    assert_true(chip_send_block(grant.transfer, UINT32_MAX, bytes_slice(data, 0, 100), &answer));
    assert_int_equal(answer.received, 100);
    assert_int_equal(answer.status, 0);
    /* An incomplete image is not finished, and the attempt ends it. */
    assert_int_equal(chip_finish(&result), STATUS_BAD_STATE);
    assert_false(chip_send_block(grant.transfer, 100, bytes_slice(data, 100, 100), &answer));
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data, &result), STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
}

static void more_than_was_announced_ends_it(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    struct chip_state_message answer;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    struct bytes data = bytes_slice(data_of(&image), 0, 100);
    begin(DEVAUTH_TARGET_BL3, data, &grant);
    assert_true(chip_send_block(grant.transfer, 0, bytes_slice(data, 0, 96), &answer));
    assert_true(chip_send_block(grant.transfer, 96, bytes_of(image.data, 5), &answer));
    assert_int_equal(answer.status, STATUS_INVALID);
    assert_true(chip_send_block(grant.transfer, 96, bytes_of(image.data, 4), &answer));
    assert_int_equal(answer.status, STATUS_INVALID);
    assert_int_equal(chip_finish(&result), STATUS_BAD_STATE);
    assert_int_equal(slot_of(BOOT_SLOT_SECONDARY)[96], 0xFF);
}

static void bytes_of_no_transfer_are_dropped(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_grant newer;
    struct devauth_install_result result;
    struct chip_state_message answer;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    struct bytes data = data_of(&image);
    before = ram_chip;
    for (unsigned transfer = 0; transfer < 256; transfer++) {
        assert_false(chip_send_block((uint8_t)transfer, 0, bytes_slice(data, 0, 8), &answer));
    }
    assert_int_equal(chip_finish(&result), STATUS_BAD_STATE);
    assert_flash_unchanged();
    begin(DEVAUTH_TARGET_BL3, data, &grant);
    assert_false(
        chip_send_block((uint8_t)(grant.transfer + 1), 0, bytes_slice(data, 0, 8), &answer));
    assert_true(chip_send_block(grant.transfer, 0, bytes_slice(data, 0, 1000), &answer));
    /* A new beginning: an empty slot again, and the bytes of the old one are nobody's. */
    begin(DEVAUTH_TARGET_BL3, data, &newer);
    assert_int_not_equal(newer.transfer, grant.transfer);
    assert_int_equal(*slot_of(BOOT_SLOT_SECONDARY), 0xFF);
    assert_false(chip_send_block(grant.transfer, 1000, bytes_slice(data, 1000, 8), &answer));
    assert_false(chip_send_block(grant.transfer, 0, bytes_slice(data, 0, 8), &answer));
    assert_int_equal(chip_send(&newer, data), STATUS_OK);
    assert_int_equal(chip_finish(&result), STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
    /* Finished is finished. */
    assert_int_equal(chip_finish(&result), STATUS_BAD_STATE);
    assert_false(chip_send_block(newer.transfer, 0, bytes_slice(data, 0, 8), &answer));
    /* A beginning that is refused leaves the running transfer alone. */
    begin(DEVAUTH_TARGET_BL3, data, &grant);
    const struct devauth_install wrong = {.target = DEVAUTH_TARGET_BL2, .size = 9};
    assert_int_equal(chip_begin(&wrong, &newer), STATUS_UNSUPPORTED);
    assert_int_equal(chip_send(&grant, data), STATUS_OK);
}

/* The programmer's session may break in between; the chip still has what it has. */
static void a_transfer_outlives_a_session(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    struct chip_state_message answer;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    struct bytes data = data_of(&image);
    begin(DEVAUTH_TARGET_BL3, data, &grant);
    for (uint32_t at = 0; at < data.size; at += 500) {
        if (at == 1000) {
            assert_int_equal(chip_open(), STATUS_OK);
        }
        uint32_t size = data.size - at < 500 ? (uint32_t)data.size - at : 500;
        assert_true(chip_send_block(grant.transfer, at, bytes_slice(data, at, size), &answer));
    }
    assert_int_equal(chip_finish(&result), STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
}

/* A cell that a power cut left half programmed may look erased. The second attempt erases it, also
 * in a page in which nothing else was written. */
static void a_weak_cell_costs_one_attempt(void **state) {
    /* In the middle; first in its page; and, with a size of a page and a little, first in its page
     * and written by INSTALL_FINISH. */
    static const struct {
        size_t payload_size;
        uint32_t at;
    } CASES[] = {{2077, 1100}, {2077, RAM_CHIP_PAGE}, {672, RAM_CHIP_PAGE}};
    struct devauth_install_result result;
    (void)state;
    chip_make(CHIP_SECURED);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct chip_wish wish = chip_good_bl3;
        wish.payload_size = CASES[i].payload_size;
        chip_build(&image, &wish);
        assert_true(image.size > RAM_CHIP_PAGE);
        assert_int_equal(boot_erase_slot(&chip.hal, BOOT_SLOT_SECONDARY), STATUS_OK);
        chip.weak_cell = boot_slot_offset(&chip.hal, BOOT_SLOT_SECONDARY) + CASES[i].at;
        assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_FLASH);
        assert_no_swap_wanted();
        assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_OK);
        assert_int_equal(result.reason, IMAGE_ACCEPTED);
        assert_int_equal(chip.weak_cell, CHIP_NOWHERE);
    }
    assert_true(image.size <= RAM_CHIP_PAGE + 8); /* the last case is what it says */
}

/* End. */

static void bytes_that_were_not_announced(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    struct bytes data = data_of(&image);
    struct devauth_install install = chip_announce(DEVAUTH_TARGET_BL3, data);
    install.sha256[0] ^= 1;
    assert_int_equal(chip_begin(&install, &grant), STATUS_OK);
    assert_int_equal(chip_send(&grant, data), STATUS_OK);
    assert_int_equal(chip_finish(&result), STATUS_MISMATCH);
    assert_no_swap_wanted();
    install.sha256[0] ^= 1;
    image.data[image.size - 1] ^= 1;
    assert_int_equal(chip_begin(&install, &grant), STATUS_OK);
    assert_int_equal(chip_send(&grant, data), STATUS_OK);
    assert_int_equal(chip_finish(&result), STATUS_MISMATCH);
    assert_no_swap_wanted();
    /* Shorter and longer than announced. */
    image.data[image.size - 1] ^= 1;
    install = chip_announce(DEVAUTH_TARGET_BL3, data);
    install.size--;
    assert_int_equal(chip_begin(&install, &grant), STATUS_OK);
    assert_int_equal(chip_send(&grant, data), STATUS_INVALID);
    install.size += 2;
    assert_int_equal(chip_begin(&install, &grant), STATUS_OK);
    assert_int_equal(chip_send(&grant, data), STATUS_OK);
    assert_int_equal(chip_finish(&result), STATUS_BAD_STATE);
    assert_no_swap_wanted();
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOTLOADER);
}

static const struct refusal {
    struct chip_wish wish;
    enum image_reason reason;
} BL3_REFUSALS[] = {
    {{.counter = 4, .is_plain = true}, IMAGE_REASON_ENCRYPTION},
    {{.counter = 4, .is_clear = true}, IMAGE_REASON_HASH},
    {{.counter = 4, .other_device = true}, IMAGE_REASON_CONTENT_KEY},
    {{.counter = 4, .other_signer = true}, IMAGE_REASON_KEY},
    {{.counter = 3}, IMAGE_REASON_COUNTER_LOW},
    {{.counter = 0}, IMAGE_REASON_COUNTER_LOW},
    {{.counter = 256}, IMAGE_REASON_COUNTER_HIGH},
    {{.counter = UINT32_MAX}, IMAGE_REASON_COUNTER_HIGH},
};

/* By the bootloader of an empty chip and by an application that runs: the chip goes on as it was.
 */
static void refused_applications(void **state) {
    static const enum chip_state STATES[] = {CHIP_SECURED, CHIP_COMPLETE};
    (void)state;
    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        struct devauth_install_result result;
        chip_make(STATES[i]);
        unsigned stage = chip_stage();
        assert_int_equal(ram_chip_hal.counter_raise(HAL_COUNTER_BL3, 4), STATUS_OK);
        if (stage == DEVAUTH_STAGE_APPLICATION) {
            assert_int_equal(chip_open(), STATUS_OK);
        }
        for (size_t j = 0; j < sizeof BL3_REFUSALS / sizeof BL3_REFUSALS[0]; j++) {
            struct chip_wish wish = BL3_REFUSALS[j].wish;
            wish.target = DEVAUTH_TARGET_BL3;
            wish.fill = 0x44;
            wish.payload_size = 1234;
            chip_build(&image, &wish);
            assert_int_equal(chip_open(), STATUS_OK);
            assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_OK);
            assert_int_equal(result.reason, BL3_REFUSALS[j].reason);
            assert_int_equal(result.target, DEVAUTH_TARGET_BL3);
            assert_no_swap_wanted();
        }
        /* A BL2 is no BL3. */
        chip_build(&image, &chip_good_bl2);
        assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_OK);
        assert_int_not_equal(result.reason, IMAGE_ACCEPTED);
        assert_no_swap_wanted();
        assert_int_equal(ram_chip.violations, 0);
    }
}

/* The application that runs is older than the chip's counter now: refused images do not make it go
 * away, but a chip that starts again has nothing to start. */
static void refused_updates_leave_the_application(void **state) {
    struct devauth_install_result result;
    struct chip_wish wish = chip_good_bl3;
    (void)state;
    chip_make(CHIP_COMPLETE);
    wish.other_signer = true;
    wish.counter = 9;
    chip_build(&image, &wish);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_OK);
    assert_int_equal(result.reason, IMAGE_REASON_KEY);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
}

static void refused_bootloaders(void **state) {
    static const struct refusal REFUSALS[] = {
        {{.target = DEVAUTH_TARGET_BL2, .counter = 1, .other_signer = true}, IMAGE_REASON_KEY},
        {{.target = DEVAUTH_TARGET_BL2, .counter = 64}, IMAGE_REASON_COUNTER_HIGH},
        {{.target = DEVAUTH_TARGET_BL2, .counter = 1}, IMAGE_REASON_COUNTER_LOW},
        {{.target = DEVAUTH_TARGET_BL3, .counter = 1}, IMAGE_REASON_ENCRYPTION},
    };
    struct devauth_install_result result;
    (void)state;
    chip_make(CHIP_HAS_BL2);
    assert_int_equal(ram_chip_hal.counter_raise(HAL_COUNTER_BL2, 2), STATUS_OK);
    for (size_t i = 0; i < sizeof REFUSALS / sizeof REFUSALS[0]; i++) {
        struct chip_wish wish = REFUSALS[i].wish;
        wish.payload_size = 500;
        chip_build(&image, &wish);
        assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, data_of(&image), &result), STATUS_OK);
        assert_int_equal(result.reason, REFUSALS[i].reason);
    }
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOT_ROM);
}

/* The announcement may be honest and the image altered before: samples of every part of it. */
static void altered_images(void **state) {
    struct devauth_install_result result;
    unsigned refused = 0;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    uint32_t tlvs = BOOT_HEADER_SIZE + 2080;
    for (size_t i = 0; i < image.size; i += i < 36 || i >= tlvs ? 5 : 211) {
        image.data[i] ^= 0x08;
        assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_OK);
        assert_int_not_equal(result.reason, IMAGE_ACCEPTED);
        image.data[i] ^= 0x08;
        refused++;
    }
    assert_true(refused > 60);
    assert_no_swap_wanted();
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, data_of(&image), &result), STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
}

static void requests_that_are_malformed(void **state) {
    uint8_t payload[64] = {1, DEVAUTH_INSTALL_BEGIN, DEVAUTH_TARGET_BL3, 0x10};
    static const uint8_t WITH_A_BODY[][3] = {{1, DEVAUTH_INSTALL_FINISH, 0},
                                             {1, DEVAUTH_BOOT_STATE, 0},
                                             {1, DEVAUTH_OBJECT_ID, 0},
                                             {1, DEVAUTH_REBOOT, 2}};
    (void)state;
    chip_make(CHIP_COMPLETE);
    before = ram_chip;
    for (size_t size = 2; size < sizeof payload; size++) {
        enum status status = bench_vendor(&chip.bench, bytes_of(payload, size), NULL);
        if (size == 2 + 37) {
            continue; /* a good one: slot erased */
        }
        assert_true(status == STATUS_INVALID || status == STATUS_TRUNCATED);
    }
    for (size_t i = 0; i < sizeof WITH_A_BODY / sizeof WITH_A_BODY[0]; i++) {
        enum status status = bench_vendor(&chip.bench, bytes_of(WITH_A_BODY[i], 3), NULL);
        assert_true(status == STATUS_INVALID || status == STATUS_TRUNCATED);
    }
    assert_int_equal(ram_chip.resets, before.resets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_images_of_the_stage),
        cmocka_unit_test(nothing_larger_than_its_slot),
        cmocka_unit_test(a_slot_full_of_image_is_written_to_its_end),
        cmocka_unit_test(blocks_of_all_lengths),
        cmocka_unit_test(gaps_and_repetitions_are_not_taken),
        cmocka_unit_test(more_than_was_announced_ends_it),
        cmocka_unit_test(bytes_of_no_transfer_are_dropped),
        cmocka_unit_test(a_transfer_outlives_a_session),
        cmocka_unit_test(a_weak_cell_costs_one_attempt),
        cmocka_unit_test(bytes_that_were_not_announced),
        cmocka_unit_test(refused_applications),
        cmocka_unit_test(refused_updates_leave_the_application),
        cmocka_unit_test(refused_bootloaders),
        cmocka_unit_test(altered_images),
        cmocka_unit_test(requests_that_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
