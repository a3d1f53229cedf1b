/* The way of one chip from blank to retired at the factory's desk, with the real stages behind one
 * another, and what each of them says of itself. */
#include "device/testing/chip_bench.h"

#include "attest/attest.h"
#include "devauth/journal.h"
#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t NONCE[32] = {7, 7, 7};
static const uint8_t NOTHING[32];
static uint8_t all_ff[32];

static int make(void **state) {
    (void)state;
    memset(all_ff, 0xFF, sizeof all_ff);
    return 0;
}

static void measure(struct attest *attest) {
    struct bytes record;
    assert_int_equal(bench_measurements(&chip.bench, NONCE, &record), STATUS_OK);
    assert_int_equal(attest_read(record, attest), STATUS_OK);
}

static void hash_of(const uint8_t key[64], uint8_t hash[32]) {
    crypto_sha256(bytes_of(key, 64), hash);
}

static void assert_hash(const uint8_t *stated, const uint8_t key[64]) {
    uint8_t hash[32];
    hash_of(key, hash);
    assert_memory_equal(stated, hash, 32);
}

static void boot_state(struct devauth_boot_state *state) {
    struct bytes answer;
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_BOOT_STATE, &answer), STATUS_OK);
    assert_int_equal(devauth_read_boot_state(answer, state), STATUS_OK);
}

static void a_chip_goes_all_the_way(void **state) {
    struct devauth_device_info info;
    (void)state;
    chip_make(CHIP_COMPLETE);
    assert_int_equal(bench_info(&chip.bench, &info), STATUS_OK);
    assert_int_equal(info.stage, DEVAUTH_STAGE_APPLICATION);
    assert_int_equal(info.life_cycle, HAL_LIFE_SECURED);
    assert_int_equal(info.flags, DEVAUTH_FLAG_DEBUG_LOCKED | DEVAUTH_FLAG_ROOT_HASH |
                                     DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN);
    assert_int_equal(info.version, 0x01010000);
    assert_int_equal(spdm_requester_privilege(&chip.bench.requester), SPDM_PRIVILEGE_READ_ONLY);
    assert_int_equal(chip.product_starts, 1);
    assert_int_equal(chip_logged(HAL_BOOT_EVENT_BL2), IMAGE_ACCEPTED);
    assert_int_equal(chip_logged(HAL_BOOT_EVENT_PRIMARY), IMAGE_ACCEPTED);
    assert_int_equal(ram_chip.violations, 0);
    /* And again after a power failure. */
    chip_power_on();
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
}

static void devauth_measures_a_chip_without_images(void **state) {
    struct attest attest;
    (void)state;
    chip_make(CHIP_PROVISIONED);
    measure(&attest);
    assert_memory_equal(attest.image, chip.bench.device.device.image_hash, 32);
    assert_int_equal(attest.life_cycle, HAL_LIFE_PROVISIONED);
    assert_memory_equal(attest.bl2, NOTHING, 32);
    assert_memory_equal(attest.bl3, NOTHING, 32);
    assert_hash(attest.keys.enc_key_hash, chip.bench.keys.enc);
    assert_memory_equal(attest.keys.bl2_key_hash, all_ff, 32);
    assert_memory_equal(attest.keys.bl3_key_hash, all_ff, 32);
    assert_int_equal(attest.versions.stage, DEVAUTH_STAGE_DEVAUTH);
    assert_int_equal(attest.versions.bl2.major, 0);
}

/* What DevAuth looked at once changes with what it installs and is told. */
static void devauth_measures_what_it_installed(void **state) {
    struct attest attest;
    struct chip_image image;
    struct devauth_install_result result;
    (void)state;
    chip_make(CHIP_PROVISIONED);
    chip_build(&image, &chip_good_bl2);
    measure(&attest);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    /* Nobody has told the chip whose BL2 it shall start. */
    assert_int_equal(result.reason, IMAGE_REASON_KEY);
    assert_int_equal(result.target, DEVAUTH_TARGET_BL2);
    assert_memory_equal(result.digest, image.digest, 32);
    measure(&attest);
    assert_memory_equal(attest.bl2, NOTHING, 32);
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2), STATUS_OK);
    measure(&attest);
    assert_memory_equal(attest.bl2, image.digest, 32);
    assert_hash(attest.keys.bl2_key_hash, chip.bl2_key.public_key);
    assert_int_equal(attest.versions.bl2.major, 1);
    assert_int_equal(attest.versions.bl2.minor, 1);
    assert_int_equal(attest.versions.bl2.security_counter, 1);
    assert_int_equal(attest.versions.bl2.chip_counter, 0);
}

static void the_bootloader_is_authenticated_and_measured(void **state) {
    struct attest attest;
    struct chip_image bl2;
    uint8_t otp_hash[32];
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&bl2, &chip_good_bl2);
    /* Outside a session. */
    assert_int_equal(bench_connect(&chip.bench, BENCH_READ_ONLY), STATUS_OK);
    assert_int_equal(spdm_requester_get_chain(&chip.bench.requester, 0), STATUS_OK);
    assert_int_equal(bench_run(&chip.bench), STATUS_OK);
    assert_int_equal(bench_challenge(&chip.bench), STATUS_OK);
    measure(&attest);
    /* BL2's own hash is measurement 1. */
    assert_memory_equal(attest.image, bl2.digest, 32);
    assert_memory_equal(attest.bl2, bl2.digest, 32);
    assert_memory_equal(attest.bl3, NOTHING, 32);
    crypto_sha256(bytes_of(ram_chip.otp, (size_t)OTP_PUBLIC_COUNT * OTP_ENTRY_SIZE), otp_hash);
    assert_memory_equal(attest.otp, otp_hash, 32);
    assert_int_equal(attest.life_cycle, HAL_LIFE_SECURED);
    assert_int_equal(attest.flags, DEVAUTH_FLAG_DEBUG_LOCKED | DEVAUTH_FLAG_ROOT_HASH |
                                       DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN);
    assert_hash(attest.keys.enc_key_hash, chip.bench.keys.enc);
    assert_hash(attest.keys.bl2_key_hash, chip.bl2_key.public_key);
    assert_hash(attest.keys.bl3_key_hash, chip.bl3_key.public_key);
    assert_int_equal(attest.versions.stage, DEVAUTH_STAGE_BOOTLOADER);
    assert_int_equal(attest.versions.bl2.security_counter, 1);
    assert_int_equal(attest.versions.bl2.chip_counter, 1); /* raised when it ran */
    assert_int_equal(attest.versions.bl3.chip_counter, 0);
}

static void the_application_is_authenticated_and_measured(void **state) {
    struct attest attest;
    struct chip_image bl3;
    (void)state;
    chip_make(CHIP_COMPLETE);
    chip_build(&bl3, &chip_good_bl3);
    assert_int_equal(bench_connect(&chip.bench, BENCH_READ_ONLY), STATUS_OK);
    assert_int_equal(spdm_requester_get_chain(&chip.bench.requester, 0), STATUS_OK);
    assert_int_equal(bench_run(&chip.bench), STATUS_OK);
    assert_int_equal(bench_challenge(&chip.bench), STATUS_OK);
    measure(&attest);
    assert_memory_equal(attest.image, bl3.digest, 32);
    assert_memory_equal(attest.bl3, bl3.digest, 32);
    assert_int_equal(attest.versions.stage, DEVAUTH_STAGE_APPLICATION);
    assert_int_equal(attest.versions.bl3.minor, 1);
    assert_int_equal(attest.versions.bl3.security_counter, 1);
    assert_int_equal(attest.versions.bl3.chip_counter, 1);
    assert_memory_not_equal(attest.bl2, NOTHING, 32);
}

static void bl3_is_plaintext_only_where_it_is_started(void **state) {
    uint8_t plain[64];
    struct chip_image image;
    struct devauth_install_result result;
    (void)state;
    chip_make(CHIP_SECURED);
    chip_build(&image, &chip_good_bl3);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    memset(plain, chip_good_bl3.fill, sizeof plain);
    assert_false(ram_chip_flash_contains(bytes_of(plain, sizeof plain)));
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
    assert_true(ram_chip_flash_contains(bytes_of(plain, sizeof plain)));
}

static void install_update(uint8_t minor, uint32_t counter) {
    struct chip_image image;
    struct devauth_install_result result;
    struct chip_wish wish = chip_good_bl3;
    wish.fill = (uint8_t)(0x40 + minor);
    wish.minor = minor;
    wish.counter = counter;
    wish.payload_size = 3111;
    chip_build(&image, &wish);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL3, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
    assert_memory_equal(result.digest, image.digest, 32);
}

static void the_application_updates_itself(void **state) {
    struct devauth_boot_state boot;
    (void)state;
    chip_make(CHIP_COMPLETE);
    install_update(2, 3);
    boot_state(&boot);
    assert_int_equal(boot.swap, IMAGE_SWAP_TEST);
    assert_int_equal(boot.secondary.reason, IMAGE_ACCEPTED);
    assert_int_equal(boot.secondary.minor, 2);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_logged(HAL_BOOT_EVENT_SWAP), IMAGE_SWAP_TEST);
    assert_int_equal(chip_open(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.stage, DEVAUTH_STAGE_APPLICATION);
    assert_int_equal(boot.boot_reason, HAL_BOOT_REQUESTED);
    assert_int_equal(boot.primary.minor, 2);
    assert_int_equal(boot.confirmed, 1); /* it found itself healthy */
    assert_int_equal(boot.swap, IMAGE_SWAP_NONE);
    assert_int_equal(boot.secondary.minor, 1); /* encrypted again, by the key it came with */
    assert_int_equal(boot.bl3_counter, 1);
    chip_power_on();
    assert_int_equal(chip_open(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.boot_reason, HAL_BOOT_POWER_ON);
    assert_int_equal(boot.primary.minor, 2);
    assert_int_equal(boot.bl3_counter, 3); /* confirmed before it was started */
    assert_int_equal(boot.secondary.reason, IMAGE_REASON_COUNTER_LOW);
}

static void an_ill_application_is_replaced_by_the_one_before(void **state) {
    struct devauth_boot_state boot;
    struct devauth_install install = {.target = DEVAUTH_TARGET_BL3, .size = 100};
    struct devauth_install_grant grant;
    (void)state;
    chip_make(CHIP_COMPLETE);
    install_update(2, 3);
    chip.product_is_ill = true;
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_open(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.primary.minor, 2);
    assert_int_equal(boot.confirmed, 0);
    assert_int_equal(boot.swap, IMAGE_SWAP_REVERT);
    /* While it is on trial the one before is all there is: it is not overwritten. */
    assert_int_equal(chip_begin(&install, &grant), STATUS_BAD_STATE);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_logged(HAL_BOOT_EVENT_SWAP), IMAGE_SWAP_REVERT);
    assert_int_equal(chip_open(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.primary.minor, 1);
    assert_int_equal(boot.confirmed, 1);
    assert_int_equal(boot.bl3_counter, 1);
}

static void the_bootloader_stays_when_it_is_asked_to(void **state) {
    struct devauth_boot_state boot;
    struct bytes answer;
    struct bytes object;
    (void)state;
    chip_make(CHIP_COMPLETE);
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_OBJECT_ID, &answer), STATUS_OK);
    assert_int_equal(devauth_read_object_id(answer, &object), STATUS_OK);
    assert_int_equal(object.size, 0);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_STAY), STATUS_OK);
    assert_int_equal(chip_logged(HAL_BOOT_EVENT_STAY), HAL_BOOT_STAY);
    assert_int_equal(chip_open(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.stage, DEVAUTH_STAGE_BOOTLOADER);
    assert_int_equal(boot.boot_reason, HAL_BOOT_STAY);
    assert_int_equal(boot.primary.reason, IMAGE_ACCEPTED);
    assert_int_equal(chip_permit(PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3), STATUS_OK);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_open(), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
    assert_int_equal(chip_open(), STATUS_OK);
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_OBJECT_ID, &answer), STATUS_OK);
    assert_int_equal(devauth_read_object_id(answer, &object), STATUS_OK);
    assert_int_equal(object.size, 11);
    assert_memory_equal(object.data, "object 0001", 11);
}

/* Recovery, without any session. */

static enum status without_session(void) {
    return bench_connect(&chip.bench, BENCH_READ_ONLY);
}

static void a_broken_bl2_is_replaced_over_the_link(void **state) {
    struct devauth_boot_state boot;
    struct chip_image image;
    struct devauth_install_result result;
    struct chip_wish wish = chip_good_bl2;
    (void)state;
    chip_make(CHIP_COMPLETE);
    ram_chip.flash[boot_slot_offset(&chip.hal, BOOT_SLOT_BL2) + BOOT_HEADER_SIZE + 9] ^= 1;
    chip_power_on();
    assert_int_equal(ram_chip.entered, 0);
    assert_int_equal(without_session(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.stage, DEVAUTH_STAGE_BOOT_ROM);
    assert_int_equal(boot.bl2.reason, IMAGE_REASON_HASH);
    assert_int_equal(boot.primary.reason, IMAGE_ACCEPTED);
    /* Not by anybody's: signed by another, and one of before. */
    wish.other_signer = true;
    chip_build(&image, &wish);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    assert_int_equal(result.reason, IMAGE_REASON_KEY);
    wish.other_signer = false;
    wish.counter = 0;
    chip_build(&image, &wish);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    assert_int_equal(result.reason, IMAGE_REASON_COUNTER_LOW);
    chip_power_on();
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOT_ROM);
    wish.counter = 2;
    wish.minor = 2;
    chip_build(&image, &wish);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    assert_int_equal(result.reason, IMAGE_ACCEPTED);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_STAY), STATUS_OK);
    assert_int_equal(chip_open(), STATUS_OK);
    boot_state(&boot);
    assert_int_equal(boot.stage, DEVAUTH_STAGE_BOOTLOADER);
    assert_int_equal(boot.bl2.minor, 2);
    assert_int_equal(boot.bl2_counter, 2);
    assert_int_equal(ram_chip.violations, 0);
}

/* Signed, so accepted, but not for this board: the port refuses to jump. It is not the end. */
static void an_accepted_bl2_that_cannot_be_started_can_be_replaced(void **state) {
    struct chip_image image;
    struct devauth_install_result result;
    (void)state;
    chip_make(CHIP_SECURED);
    chip.refuses_to_enter = true;
    chip_power_on();
    assert_int_equal(chip_logged(HAL_BOOT_EVENT_BL2), IMAGE_ACCEPTED);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOT_ROM);
    chip_build(&image, &chip_good_bl2);
    assert_int_equal(chip_install(DEVAUTH_TARGET_BL2, bytes_of(image.data, image.size), &result),
                     STATUS_OK);
    chip.refuses_to_enter = false;
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_NORMAL), STATUS_OK);
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOTLOADER);
}

static void only_a_chip_that_knows_its_bl2_is_recovered(void **state) {
    const struct devauth_install install = {.target = DEVAUTH_TARGET_BL2, .size = 2000};
    struct devauth_install_grant grant;
    (void)state;
    chip_make(CHIP_PROVISIONED);
    chip_power_on();
    assert_int_equal(without_session(), STATUS_OK);
    assert_int_equal(chip_begin(&install, &grant), STATUS_DENIED);
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_INSTALL_FINISH, NULL), STATUS_DENIED);
    assert_int_equal(bench_command(&chip.bench, DEVAUTH_REBOOT, NULL), STATUS_DENIED);
    /* A torn validity entry does not count. */
    memcpy(ram_chip.otp[OTP_BOOT_KEY_BL2_VALID], otp_valid, 4);
    chip_power_on();
    assert_int_equal(without_session(), STATUS_OK);
    assert_int_equal(chip_begin(&install, &grant), STATUS_DENIED);
}

/* RMA. */

static void assert_nothing_is_left(void) {
    assert_int_equal(chip.latched, HAL_LIFE_RMA);
    assert_false(chip.keys_at_latch);
    assert_false(chip.flash_at_latch);
    assert_false(ram_chip.debug_is_locked);
    assert_int_equal(ram_chip.entered, 0);
}

static void rma_leaves_nothing_and_never_comes_back(void **state) {
    const struct devauth_install install = {.target = DEVAUTH_TARGET_BL2, .size = 2000};
    struct devauth_install_grant grant;
    struct devauth_device_info info;
    struct devauth_boot_state boot;
    struct chip_permit permit;
    struct devauth_permit_result result;
    (void)state;
    chip_make(CHIP_COMPLETE);
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_STAY), STATUS_OK);
    assert_int_equal(chip_open(), STATUS_OK);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_RMA, DEVAUTH_TARGET_BL3), STATUS_OK);
    ram_chip.entered = 0;
    unsigned starts = chip.starts;
    assert_int_equal(chip_send_permit(&permit, &result), STATUS_OK);
    assert_int_equal(result.command, PERMIT_RMA);
    assert_int_equal(result.life_cycle, HAL_LIFE_RMA);
    /* It has restarted by itself, and erased before it opened debug. */
    assert_int_equal(chip.starts, starts + 1);
    assert_nothing_is_left();
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(without_session(), STATUS_OK);
        assert_int_equal(bench_info(&chip.bench, &info), STATUS_OK);
        assert_int_equal(info.stage, DEVAUTH_STAGE_BOOT_ROM);
        assert_int_equal(info.life_cycle, HAL_LIFE_RMA);
        assert_int_equal(info.flags & (DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_DEBUG_LOCKED), 0);
        boot_state(&boot);
        assert_int_equal(boot.bl2.reason, IMAGE_REASON_EMPTY);
        assert_int_equal(chip_begin(&install, &grant), STATUS_DENIED);
        chip_power_on();
        assert_nothing_is_left();
    }
    /* DevAuth would make a new chip of it. */
    assert_int_equal(bench_boot(&chip.bench), STATUS_DENIED);
}

/* Debug may be open on a chip that never was secured; the way is the same. */
static void rma_of_a_provisioned_chip_by_devauth(void **state) {
    (void)state;
    chip_make(CHIP_HAS_BL2);
    assert_int_equal(chip_permit(PERMIT_RMA, DEVAUTH_TARGET_BL2), STATUS_OK);
    assert_int_equal(ram_chip.resets, 1);
    chip_power_on();
    assert_nothing_is_left();
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOT_ROM);
}

/* Firmware put into an RMA chip by its open debug port is erased again, never started. */
static void an_rma_chip_starts_nothing(void **state) {
    static struct ram_chip before;
    (void)state;
    chip_make(CHIP_COMPLETE);
    before = ram_chip;
    assert_int_equal(chip_reboot(DEVAUTH_REBOOT_STAY), STATUS_OK);
    assert_int_equal(chip_open(), STATUS_OK);
    assert_int_equal(chip_permit(PERMIT_RMA, DEVAUTH_TARGET_BL3), STATUS_OK);
    memcpy(ram_chip.flash, before.flash, sizeof ram_chip.flash);
    chip_power_on();
    assert_nothing_is_left();
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_BOOT_ROM);
}

/* An OTP that does not answer reads as RMA, so that nothing is trusted. That is no reason to erase
 * a good chip, nor to open its debug port. */
static bool otp_is_dead;
static enum status dead_otp_read(unsigned entry, uint8_t out[HAL_OTP_ENTRY_SIZE]) {
    return otp_is_dead ? STATUS_OTP : ram_chip_hal.otp_read(entry, out);
}
static enum hal_life_cycle life_cycle_of_dead_otp(void) {
    return otp_is_dead ? HAL_LIFE_RMA : ram_chip_hal.life_cycle();
}

static void an_unreadable_otp_is_not_rma(void **state) {
    static struct ram_chip before;
    (void)state;
    chip_make(CHIP_COMPLETE);
    before = ram_chip;
    chip.hal.otp_read = dead_otp_read;
    chip.hal.life_cycle = life_cycle_of_dead_otp;
    otp_is_dead = true;
    chip.latched = HAL_LIFE_BLANK;
    chip_power_on();
    assert_int_equal(chip.latched, HAL_LIFE_BLANK); /* never came that far */
    assert_memory_equal(ram_chip.otp, before.otp, sizeof before.otp);
    assert_memory_equal(ram_chip.flash, before.flash, sizeof before.flash);
    assert_true(ram_chip.has_key[HAL_KEY_ENC]);
    assert_int_equal(chip_stage(), 0);
    otp_is_dead = false;
    chip_power_on();
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
}

/* Torn marks are completed before anything depends on them. */
static void a_torn_lock_is_a_lock(void **state) {
    (void)state;
    chip_make(CHIP_HAS_BL3_KEY);
    memcpy(ram_chip.otp[OTP_LIFE_SECURED], otp_valid, 4);
    chip_power_on();
    assert_int_equal(chip.latched, HAL_LIFE_SECURED);
    assert_true(ram_chip.debug_is_locked);
    assert_memory_equal(ram_chip.otp[OTP_LIFE_SECURED], otp_valid, OTP_ENTRY_SIZE);
    assert_true(ram_chip.otp_locked[OTP_LIFE_SECURED]);
}

/* Identity. */

static void replace_chain(struct bytes blob) {
    struct journal journal;
    const struct journal_flash flash = {
        .read = ram_chip_hal.flash_read,
        .program = ram_chip_hal.flash_program,
        .erase = ram_chip_hal.flash_erase,
        .first_offset = RAM_CHIP_JOURNAL_FIRST * RAM_CHIP_PAGE,
        .page_bytes = RAM_CHIP_PAGE,
        .half_pages = RAM_CHIP_HALF_PAGES,
    };
    assert_int_equal(journal_mount(&journal, &flash), STATUS_OK);
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, blob), STATUS_OK);
}

static void assert_has_no_identity(void) {
    struct devauth_device_info info;
    assert_int_equal(bench_connect(&chip.bench, BENCH_READ_ONLY), STATUS_OK);
    assert_int_equal(bench_info(&chip.bench, &info), STATUS_OK);
    assert_int_equal(info.stage, DEVAUTH_STAGE_BOOTLOADER);
    assert_int_equal(info.flags & DEVAUTH_FLAG_ISSUED_CHAIN, 0);
    assert_int_not_equal(chip_open(), STATUS_OK);
}

static void a_chain_of_another_chip_is_not_shown(void **state) {
    struct test_identity other;
    uint8_t blob[2048];
    size_t size;
    (void)state;
    chip_make(CHIP_BOOTLOADER);
    memset(&other, 0, sizeof other);
    test_pki_issue_device(&chip.bench.pki, ram_chip.uid, chip.other_chip.public_key, &other);
    size = test_chain(blob, sizeof blob, &chip.bench.pki.root, &chip.bench.pki.device_ca,
                      test_identity_certificate(&other));
    replace_chain(bytes_of(blob, size));
    chip_power_on();
    assert_has_no_identity();
    /* Neither is something that is no chain, nor none. */
    replace_chain(bytes_of("no chain", 8));
    chip_power_on();
    assert_has_no_identity();
    replace_chain(bytes_of(NULL, 0));
    chip_power_on();
    assert_has_no_identity();
    replace_chain(bytes_of(chip.bench.issued_chain, chip.bench.issued_chain_size));
    chip_power_on();
    assert_int_equal(chip_open(), STATUS_OK);
}

static void a_chip_without_entropy_starts_nothing(void **state) {
    (void)state;
    chip_make(CHIP_COMPLETE);
    ram_chip.entropy_is_dead = true;
    chip_power_on();
    assert_int_equal(ram_chip.entered, 0);
    assert_int_equal(chip_stage(), 0);
    ram_chip.entropy_is_dead = false;
    chip_power_on();
    assert_int_equal(chip_stage(), DEVAUTH_STAGE_APPLICATION);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_chip_goes_all_the_way, make),
        cmocka_unit_test_setup(devauth_measures_a_chip_without_images, make),
        cmocka_unit_test_setup(devauth_measures_what_it_installed, make),
        cmocka_unit_test_setup(the_bootloader_is_authenticated_and_measured, make),
        cmocka_unit_test_setup(the_application_is_authenticated_and_measured, make),
        cmocka_unit_test_setup(bl3_is_plaintext_only_where_it_is_started, make),
        cmocka_unit_test_setup(the_application_updates_itself, make),
        cmocka_unit_test_setup(an_ill_application_is_replaced_by_the_one_before, make),
        cmocka_unit_test_setup(the_bootloader_stays_when_it_is_asked_to, make),
        cmocka_unit_test_setup(a_broken_bl2_is_replaced_over_the_link, make),
        cmocka_unit_test_setup(an_accepted_bl2_that_cannot_be_started_can_be_replaced, make),
        cmocka_unit_test_setup(only_a_chip_that_knows_its_bl2_is_recovered, make),
        cmocka_unit_test_setup(rma_leaves_nothing_and_never_comes_back, make),
        cmocka_unit_test_setup(rma_of_a_provisioned_chip_by_devauth, make),
        cmocka_unit_test_setup(an_rma_chip_starts_nothing, make),
        cmocka_unit_test_setup(an_unreadable_otp_is_not_rma, make),
        cmocka_unit_test_setup(a_torn_lock_is_a_lock, make),
        cmocka_unit_test_setup(a_chain_of_another_chip_is_not_shown, make),
        cmocka_unit_test_setup(a_chip_without_entropy_starts_nothing, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
