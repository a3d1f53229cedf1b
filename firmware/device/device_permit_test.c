/* Permits after ROOT_HASH: one attempt for each way in which a permit can be wrong, on each stage
 * that executes permits; nothing may change, and the good one must work afterwards. */
#include "device/testing/chip_bench.h"

#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ram_chip before;

static void remember(void) {
    before = ram_chip;
}

static void assert_unchanged(void) {
    assert_memory_equal(ram_chip.otp, before.otp, sizeof before.otp);
    assert_memory_equal(ram_chip.otp_locked, before.otp_locked, sizeof before.otp_locked);
    assert_memory_equal(ram_chip.flash, before.flash, sizeof before.flash);
    assert_memory_equal(ram_chip.has_key, before.has_key, sizeof before.has_key);
    assert_int_equal(ram_chip.resets, before.resets);
}

/* What is executed where. */
struct subject {
    enum chip_state state;
    uint8_t command;
    enum devauth_target target;
};

static const struct subject SUBJECTS[] = {
    {CHIP_PROVISIONED, PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2},
    {CHIP_PROVISIONED, PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL2},
    {CHIP_PROVISIONED, PERMIT_RMA, DEVAUTH_TARGET_BL2},
    {CHIP_BOOTLOADER, PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3},
    {CHIP_HAS_BL3_KEY, PERMIT_LOCK, DEVAUTH_TARGET_BL3},
    {CHIP_BOOTLOADER, PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3},
    {CHIP_SECURED, PERMIT_RMA, DEVAUTH_TARGET_BL3},
};
#define SUBJECT_COUNT (sizeof SUBJECTS / sizeof SUBJECTS[0])

static enum status prepare(const struct subject *subject, struct chip_permit *permit) {
    return chip_prepare_permit(permit, subject->command, subject->target);
}

static void assert_good_one_works(const struct subject *subject) {
    struct chip_permit permit;
    struct devauth_permit_result result;
    assert_unchanged();
    assert_int_equal(prepare(subject, &permit), STATUS_OK);
    assert_int_equal(chip_send_permit(&permit, &result), STATUS_OK);
    assert_int_equal(result.command, subject->command);
    assert_int_equal(result.life_cycle, ram_chip_hal.life_cycle());
    assert_int_equal(ram_chip.violations, 0);
}

static void by_another_key(struct chip_permit *permit) {
    permit->signer = &chip.stranger;
    permit->certificate = &chip.stranger;
}
static void forged(struct chip_permit *permit) {
    permit->signer = &chip.stranger;
}
static void by_the_issuer(struct chip_permit *permit) {
    permit->signer = &chip.bench.pki.operations_ca;
    permit->certificate = &chip.bench.pki.operations_ca;
}
static void by_the_programmer(struct chip_permit *permit) {
    permit->signer = &chip.bench.pki.programmer;
    permit->certificate = &chip.bench.pki.programmer;
}
static void for_another_chip(struct chip_permit *permit) {
    permit->statement.uid[15] ^= 1;
}
static void for_another_key(struct chip_permit *permit) {
    permit->statement.auth_key_hash[0] ^= 1;
}
static void with_another_nonce(struct chip_permit *permit) {
    permit->statement.nonce[31] ^= 1;
}
static void for_another_command(struct chip_permit *permit) {
    permit->command = permit->command == PERMIT_RMA ? PERMIT_LOCK : PERMIT_RMA;
}
static void without_certificate(struct chip_permit *permit) {
    permit->chain_count = 0;
}
static void with_a_whole_chain(struct chip_permit *permit) {
    permit->chain_count = 2;
}

static const struct mischief {
    void (*spoil)(struct chip_permit *permit);
    enum status expected;
} MISCHIEFS[] = {
    {by_another_key, STATUS_DENIED},       {by_the_issuer, STATUS_DENIED},
    {by_the_programmer, STATUS_DENIED},    {forged, STATUS_BAD_SIGNATURE},
    {for_another_chip, STATUS_MISMATCH},   {for_another_key, STATUS_MISMATCH},
    {with_another_nonce, STATUS_REPLAYED}, {for_another_command, STATUS_REPLAYED},
    {without_certificate, STATUS_INVALID}, {with_a_whole_chain, STATUS_INVALID},
};

static void wrong_permits(void **state) {
    (void)state;
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        chip_make(SUBJECTS[i].state);
        remember();
        for (size_t j = 0; j < sizeof MISCHIEFS / sizeof MISCHIEFS[0]; j++) {
            struct chip_permit permit;
            assert_int_equal(prepare(&SUBJECTS[i], &permit), STATUS_OK);
            MISCHIEFS[j].spoil(&permit);
            assert_int_equal(chip_send_permit(&permit, NULL), MISCHIEFS[j].expected);
            assert_unchanged();
        }
        assert_good_one_works(&SUBJECTS[i]);
    }
}

/* Used, superseded, spoilt by another attempt, from before a reset, never asked for. */
static void replayed_permits(void **state) {
    uint8_t encoded[2300];
    (void)state;
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        struct chip_permit permit;
        uint8_t nonce[32];
        chip_make(SUBJECTS[i].state);
        remember();
        chip_fill_permit(&permit, SUBJECTS[i].command, SUBJECTS[i].target);
        enum status never_asked = chip_send_permit(&permit, NULL);
        /* DevAuth takes it for a ROOT_HASH, whose chain it is not. */
        assert_true(never_asked == STATUS_REPLAYED || never_asked == STATUS_BAD_CERTIFICATE);

        assert_int_equal(prepare(&SUBJECTS[i], &permit), STATUS_OK);
        assert_int_equal(chip_ask_nonce(SUBJECTS[i].command, nonce), STATUS_OK);
        assert_memory_not_equal(nonce, permit.statement.nonce, sizeof nonce);
        assert_int_equal(chip_send_permit(&permit, NULL), STATUS_REPLAYED);

        assert_int_equal(prepare(&SUBJECTS[i], &permit), STATUS_OK);
        assert_int_not_equal(chip_execute(bytes_of("garbage", 7), NULL), STATUS_OK);
        never_asked = chip_send_permit(&permit, NULL);
        assert_true(never_asked == STATUS_REPLAYED || never_asked == STATUS_BAD_CERTIFICATE);

        /* A nonce for another command of the stage. */
        uint8_t other = SUBJECTS[i].command == PERMIT_RMA ? PERMIT_OBJECT_ID : PERMIT_RMA;
        chip_fill_permit(&permit, SUBJECTS[i].command, SUBJECTS[i].target);
        assert_int_equal(chip_ask_nonce(other, permit.statement.nonce), STATUS_OK);
        assert_int_equal(chip_send_permit(&permit, NULL), STATUS_REPLAYED);
        assert_unchanged();

        if (SUBJECTS[i].command != PERMIT_RMA) {
            assert_int_equal(prepare(&SUBJECTS[i], &permit), STATUS_OK);
            size_t size = chip_encode_permit(&permit, encoded, sizeof encoded);
            assert_int_equal(chip_execute(bytes_of(encoded, size), NULL), STATUS_OK);
            remember();
            enum status again = chip_execute(bytes_of(encoded, size), NULL);
            assert_true(again == STATUS_REPLAYED || again == STATUS_BAD_CERTIFICATE);
            assert_unchanged();
        }
    }
}

static void a_nonce_dies_with_a_reset(void **state) {
    struct chip_permit permit;
    (void)state;
    chip_make(CHIP_HAS_BL3_KEY);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_LOCK, DEVAUTH_TARGET_BL3), STATUS_OK);
    chip_power_on();
    assert_int_equal(chip_open(), STATUS_OK);
    remember();
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_REPLAYED);
    assert_unchanged();
}

/* The nonce belongs to the chip, not to the session: the server may be slow. */
static void a_nonce_survives_a_session(void **state) {
    struct chip_permit permit;
    (void)state;
    chip_make(CHIP_HAS_BL3_KEY);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_LOCK, DEVAUTH_TARGET_BL3), STATUS_OK);
    assert_int_equal(chip_open(), STATUS_OK);
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_OK);
}

/* One bit of any byte; any truncation; a byte too many. */
static void altered_permits(void **state) {
    static const size_t PICKED[] = {0, 3, 4};
    uint8_t encoded[2300];
    (void)state;
    for (size_t i = 0; i < sizeof PICKED / sizeof PICKED[0]; i++) {
        const struct subject *subject = &SUBJECTS[PICKED[i]];
        struct chip_permit permit;
        size_t size = 1;
        chip_make(subject->state);
        remember();
        for (size_t at = 0; at < size; at++) {
            assert_int_equal(prepare(subject, &permit), STATUS_OK);
            size = chip_encode_permit(&permit, encoded, sizeof encoded - 1);
            encoded[at] ^= (uint8_t)(1u << at % 8);
            assert_int_not_equal(chip_execute(bytes_of(encoded, size), NULL), STATUS_OK);
            if (at % 16 == 0) {
                assert_int_equal(prepare(subject, &permit), STATUS_OK);
                size = chip_encode_permit(&permit, encoded, sizeof encoded - 1);
                assert_int_not_equal(chip_execute(bytes_of(encoded, at), NULL), STATUS_OK);
            }
        }
        assert_true(size > 500);
        assert_int_equal(prepare(subject, &permit), STATUS_OK);
        size = chip_encode_permit(&permit, encoded, sizeof encoded - 1);
        encoded[size] = 0;
        assert_int_equal(chip_execute(bytes_of(encoded, size + 1), NULL), STATUS_INVALID);
        assert_good_one_works(subject);
    }
}

/* Which stage gives nonces for what. */
static void only_commands_of_the_stage(void **state) {
    static const struct {
        enum chip_state state;
        unsigned commands; /* 1 << command */
    } STAGES[] = {
        {CHIP_PROVISIONED, 1u << PERMIT_ROOT_HASH | 1u << PERMIT_BOOT_KEY_HASH | 1u << PERMIT_RMA |
                               1u << PERMIT_OBJECT_ID},
        {CHIP_BOOTLOADER, 1u << PERMIT_BOOT_KEY_HASH | 1u << PERMIT_LOCK | 1u << PERMIT_RMA |
                              1u << PERMIT_OBJECT_ID},
        {CHIP_COMPLETE, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof STAGES / sizeof STAGES[0]; i++) {
        chip_make(STAGES[i].state);
        for (unsigned command = 0; command < 256; command++) {
            uint8_t nonce[32];
            bool is_executed = command < 8 && (STAGES[i].commands >> command & 1u) != 0;
            assert_int_equal(chip_ask_nonce((uint8_t)command, nonce),
                             is_executed ? STATUS_OK : STATUS_UNSUPPORTED);
        }
    }
    /* The application knows no permits at all; nor does the boot ROM. */
    assert_int_equal(chip_execute(bytes_of("permit", 6), NULL), STATUS_UNSUPPORTED);
    ram_chip.flash[boot_slot_offset(&chip.hal, BOOT_SLOT_BL2)] ^= 1;
    chip_power_on();
    uint8_t nonce[32];
    assert_int_equal(bench_connect(&chip.bench, BENCH_READ_ONLY), STATUS_OK);
    assert_int_equal(chip_ask_nonce(PERMIT_RMA, nonce), STATUS_UNSUPPORTED);
    assert_int_equal(chip_execute(bytes_of("permit", 6), NULL), STATUS_UNSUPPORTED);
}

static void nothing_but_questions_without_a_session(void **state) {
    static const enum chip_state STATES[] = {CHIP_PROVISIONED, CHIP_BOOTLOADER, CHIP_COMPLETE};
    static const struct devauth_install INSTALL = {.target = DEVAUTH_TARGET_BL3, .size = 2000};
    static const struct devauth_install INSTALL_BL2 = {.target = DEVAUTH_TARGET_BL2, .size = 2000};
    (void)state;
    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        struct chip_permit permit;
        struct devauth_install_grant grant;
        uint8_t nonce[32];
        uint8_t otp_read[] = {1, DEVAUTH_OTP_READ, 0, 1};
        chip_make(STATES[i]);
        bool has_permits = STATES[i] != CHIP_COMPLETE;
        enum status refused = has_permits ? STATUS_DENIED : STATUS_UNSUPPORTED;
        if (has_permits) {
            assert_int_equal(chip_prepare_permit(&permit, PERMIT_RMA, DEVAUTH_TARGET_BL3),
                             STATUS_OK);
        }
        remember();
        assert_int_equal(bench_connect(&chip.bench, BENCH_READ_ONLY), STATUS_OK);
        assert_int_equal(chip_ask_nonce(PERMIT_RMA, nonce), refused);
        if (has_permits) {
            assert_int_equal(chip_send_permit(&permit, NULL), refused);
        }
        assert_int_equal(chip_begin(&INSTALL, &grant), STATUS_DENIED);
        assert_int_equal(chip_begin(&INSTALL_BL2, &grant), STATUS_DENIED);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_INSTALL_FINISH, NULL), STATUS_DENIED);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_OBJECT_ID, NULL), STATUS_DENIED);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_PUBLIC_KEYS, NULL), STATUS_DENIED);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_REBOOT, NULL), STATUS_DENIED);
        assert_int_equal(bench_vendor(&chip.bench, bytes_of(otp_read, sizeof otp_read), NULL),
                         STATUS_DENIED);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_GENERATE_KEYS, NULL),
                         STATES[i] == CHIP_PROVISIONED ? STATUS_DENIED : STATUS_UNSUPPORTED);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_DEVICE_INFO, NULL), STATUS_OK);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_BOOT_STATE, NULL), STATUS_OK);
        assert_unchanged();
    }
}

/* Sessions behind DevAuth are never mutual, whatever the requester offers. */
static void later_sessions_are_read_only(void **state) {
    static const enum chip_state STATES[] = {CHIP_BOOTLOADER, CHIP_COMPLETE};
    (void)state;
    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        chip_make(STATES[i]);
        assert_int_equal(bench_open(&chip.bench, BENCH_PRIVILEGED), STATUS_OK);
        assert_int_equal(spdm_requester_privilege(&chip.bench.requester), SPDM_PRIVILEGE_READ_ONLY);
    }
}

static void wrong_arguments(void **state) {
    struct chip_permit permit;
    (void)state;
    chip_make(CHIP_PROVISIONED);
    remember();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3), STATUS_UNSUPPORTED);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2),
                     STATUS_OK);
    permit.key_hash.target = 3;
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_INVALID);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL2), STATUS_OK);
    permit.object_id_size = 0;
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_INVALID);
    assert_unchanged();
    chip_make(CHIP_BOOTLOADER);
    remember();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2), STATUS_UNSUPPORTED);
    assert_unchanged();
}

static void wrong_life_cycles(void **state) {
    (void)state;
    /* Blank: there is no authority yet. */
    chip_make(CHIP_BLANK);
    assert_int_equal(bench_boot(&chip.bench), STATUS_OK);
    assert_int_equal(bench_certify(&chip.bench), STATUS_OK);
    assert_int_equal(bench_open(&chip.bench, BENCH_PRIVILEGED), STATUS_OK);
    remember();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2), STATUS_DENIED);
    assert_int_equal(chip_permit(PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL2), STATUS_DENIED);
    assert_int_equal(chip_permit(PERMIT_RMA, DEVAUTH_TARGET_BL2), STATUS_DENIED);
    assert_unchanged();
    /* Provisioned, but one of the two keys is not known: it could start nothing, for good. */
    chip_make(CHIP_BOOTLOADER);
    remember();
    assert_int_equal(chip_permit(PERMIT_LOCK, DEVAUTH_TARGET_BL3), STATUS_BAD_STATE);
    assert_unchanged();
    memcpy(ram_chip.otp[OTP_BOOT_KEY_BL3_VALID], otp_valid, 4); /* torn */
    remember();
    assert_int_equal(chip_permit(PERMIT_LOCK, DEVAUTH_TARGET_BL3), STATUS_BAD_STATE);
    assert_unchanged();
    /* Secured: keys are settled. */
    chip_make(CHIP_SECURED);
    remember();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3), STATUS_BAD_STATE);
    assert_int_equal(chip_permit(PERMIT_LOCK, DEVAUTH_TARGET_BL3), STATUS_OK); /* it is */
    assert_unchanged();
    /* DevAuth may only start here where debug still lets it be loaded, and changes as little. */
    assert_int_equal(chip_load_devauth(), STATUS_OK);
    remember();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2), STATUS_BAD_STATE);
    assert_unchanged();
}

static void retiring_chips_execute_nothing(void **state) {
    static const uint8_t COMMANDS[] = {PERMIT_BOOT_KEY_HASH, PERMIT_LOCK, PERMIT_RMA,
                                       PERMIT_OBJECT_ID};
    (void)state;
    chip_make(CHIP_SECURED);
    assert_int_equal(ram_chip_hal.life_cycle_advance(HAL_LIFE_RETIRING), STATUS_OK);
    remember();
    for (size_t i = 0; i < sizeof COMMANDS; i++) {
        assert_int_equal(chip_permit(COMMANDS[i], DEVAUTH_TARGET_BL3), STATUS_BAD_STATE);
    }
    assert_unchanged();
}

static void a_key_hash_is_written_once(void **state) {
    struct chip_permit permit;
    (void)state;
    chip_make(CHIP_HAS_BL3_KEY);
    for (unsigned i = 0; i < OTP_HASH_ENTRIES; i++) {
        assert_true(ram_chip.otp_locked[OTP_BOOT_KEY_BL3_HASH + i]);
    }
    assert_true(ram_chip.otp_locked[OTP_BOOT_KEY_BL3_VALID]);
    remember();
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3),
                     STATUS_OK);
    permit.key_hash.key_hash[31] ^= 0x10;
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_OTP);
    /* All bits cleared: OTP could hold it, the lock does not let it. */
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3),
                     STATUS_OK);
    memset(permit.key_hash.key_hash, 0, 32);
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_OTP);
    assert_unchanged();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3), STATUS_OK);
    assert_unchanged();
}

static void foreign_otp_contents_are_left_alone(void **state) {
    (void)state;
    chip_make(CHIP_BOOTLOADER);
    memset(ram_chip.otp[OTP_BOOT_KEY_BL3_HASH + 3], 0, OTP_ENTRY_SIZE);
    ram_chip.otp[OTP_BOOT_KEY_BL3_HASH + 3][0] = 0xFF;
    remember();
    assert_int_equal(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3), STATUS_OTP);
    /* Found before anything was written. */
    assert_unchanged();
}

/* Slot B counts when its validity entry says so, and then slot A counts as well. */
static void the_second_authority(void **state) {
    struct chip_permit permit;
    uint8_t hash[32];
    (void)state;
    chip_make(CHIP_BOOTLOADER);
    crypto_sha256(bytes_of(chip.stranger.public_key, 64), hash);
    memcpy(ram_chip.otp[OTP_COMMAND_KEY_B_HASH], hash, sizeof hash);
    for (unsigned torn = 0; torn < 2; torn++) {
        remember();
        assert_int_equal(chip_prepare_permit(&permit, PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3),
                         STATUS_OK);
        by_another_key(&permit);
        assert_int_equal(chip_send_permit(&permit, NULL), STATUS_DENIED);
        assert_unchanged();
        memcpy(ram_chip.otp[OTP_COMMAND_KEY_B_VALID], otp_valid, 4);
    }
    memcpy(ram_chip.otp[OTP_COMMAND_KEY_B_VALID], otp_valid, OTP_ENTRY_SIZE);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3), STATUS_OK);
    by_another_key(&permit);
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_OK);
    assert_int_equal(chip_permit(PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3), STATUS_OK);
}

/* A command key that OTP does not count any more, because the group is not valid. */
static void no_authority_without_its_validity(void **state) {
    (void)state;
    chip_make(CHIP_BOOTLOADER);
    memset(ram_chip.otp[OTP_IDENTITY_VALID], 0, 4);
    remember();
    assert_int_equal(chip_permit(PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3), STATUS_DENIED);
    assert_unchanged();
}

static void object_ids_replace_one_another(void **state) {
    struct chip_permit permit;
    struct bytes answer;
    struct bytes object;
    (void)state;
    chip_make(CHIP_BOOTLOADER);
    for (unsigned size = 1; size <= PERMIT_OBJECT_ID_MAX; size += 21) {
        assert_int_equal(chip_prepare_permit(&permit, PERMIT_OBJECT_ID, DEVAUTH_TARGET_BL3),
                         STATUS_OK);
        memset(permit.object_id, (int)size, sizeof permit.object_id);
        permit.object_id_size = size;
        assert_int_equal(chip_send_permit(&permit, NULL), STATUS_OK);
        assert_int_equal(bench_command(&chip.bench, DEVAUTH_OBJECT_ID, &answer), STATUS_OK);
        assert_int_equal(devauth_read_object_id(answer, &object), STATUS_OK);
        assert_int_equal(object.size, size);
        assert_int_equal(object.data[size - 1], size);
    }
    /* The identity beside it is untouched. */
    chip_power_on();
    assert_int_equal(chip_open(), STATUS_OK);
}

/* The mark is in, a key refuses to go: the chip restarts all the same, and the ROM goes on. */
static enum status no_key_destroy(enum hal_key_role role) {
    return role == HAL_KEY_TLS ? STATUS_FLASH : ram_chip_hal.key_destroy(role);
}

static void rma_goes_on_in_the_rom(void **state) {
    struct chip_permit permit;
    (void)state;
    chip_make(CHIP_SECURED);
    assert_int_equal(chip_prepare_permit(&permit, PERMIT_RMA, DEVAUTH_TARGET_BL3), STATUS_OK);
    chip.hal.key_destroy = no_key_destroy;
    chip.latched = HAL_LIFE_SECURED;
    unsigned starts = chip.starts;
    assert_int_equal(chip_send_permit(&permit, NULL), STATUS_FLASH);
    assert_int_equal(chip.starts, starts + 1);
    assert_int_equal(chip.latched, HAL_LIFE_SECURED); /* debug is not opened over a key */
    assert_true(ram_chip.has_key[HAL_KEY_TLS]);
    chip.hal.key_destroy = ram_chip_hal.key_destroy;
    chip_power_on();
    assert_int_equal(chip.latched, HAL_LIFE_RMA);
    assert_false(chip.keys_at_latch || chip.flash_at_latch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_permits),
        cmocka_unit_test(replayed_permits),
        cmocka_unit_test(a_nonce_dies_with_a_reset),
        cmocka_unit_test(a_nonce_survives_a_session),
        cmocka_unit_test(altered_permits),
        cmocka_unit_test(only_commands_of_the_stage),
        cmocka_unit_test(nothing_but_questions_without_a_session),
        cmocka_unit_test(later_sessions_are_read_only),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(wrong_life_cycles),
        cmocka_unit_test(retiring_chips_execute_nothing),
        cmocka_unit_test(a_key_hash_is_written_once),
        cmocka_unit_test(foreign_otp_contents_are_left_alone),
        cmocka_unit_test(the_second_authority),
        cmocka_unit_test(no_authority_without_its_validity),
        cmocka_unit_test(object_ids_replace_one_another),
        cmocka_unit_test(rma_goes_on_in_the_rom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
