/*
 * Power cuts: each flash, key and OTP operation of the flow is cut, once before it and once in its
 * middle; afterwards the chip must be able to go on, and never be in a state it was not led to.
 */
#include "devauth/testing/bench.h"

#include "devauth/oid.h"
#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;
static struct bench bench_before;
static struct ram_chip chip_before;

static void remember(void) {
    bench_before = bench;
    chip_before = ram_chip;
}

static void go_back(void) {
    bench = bench_before;
    ram_chip = chip_before;
}

static void assert_provisioned(void) {
    uint8_t hash[32];
    assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_PROVISIONED);
    crypto_sha256(test_identity_certificate(&bench.pki.root), hash);
    assert_memory_equal(ram_chip.otp[OTP_ROOT_HASH], hash, 32);
    crypto_sha256(test_identity_certificate(&bench.pki.programmer), hash);
    assert_memory_equal(ram_chip.otp[OTP_NULINK3_CERT_HASH], hash, 32);
    assert_memory_equal(ram_chip.otp[OTP_IDENTITY_VALID], otp_valid, OTP_ENTRY_SIZE);
    assert_memory_equal(ram_chip.otp[OTP_LIFE_PROVISIONED], otp_valid, OTP_ENTRY_SIZE);
    assert_true(ram_chip.otp_locked[OTP_ROOT_HASH + 3]);
    assert_true(ram_chip.otp_locked[OTP_IDENTITY_VALID]);
    assert_true(ram_chip.otp_locked[OTP_LIFE_PROVISIONED]);
}

/* Cuts of the last mark: the chip is provisioned already, and its next start completes it. */
static unsigned finished_by_start;

static unsigned cut_root_hash(enum ram_chip_cut kind) {
    unsigned cuts = 0;
    finished_by_start = 0;
    for (unsigned at = 1;; at++) {
        go_back();
        ram_chip_arm(at, kind);
        enum status status = bench_send_permit(&bench);
        if (!ram_chip.is_dead) {
            assert_int_equal(status, STATUS_OK);
            break;
        }
        cuts++;
        assert_int_not_equal(status, STATUS_OK);
        assert_int_equal(bench_boot(&bench), STATUS_OK);
        if (ram_chip_hal.life_cycle() == HAL_LIFE_PROVISIONED) {
            finished_by_start++;
            assert_provisioned();
        }
        assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
        assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
        assert_int_equal(bench_send_permit(&bench), STATUS_OK);
        assert_provisioned();
    }
    return cuts;
}

static void root_hash_survives_every_cut(void **state) {
    (void)state;
    bench_make(&bench);
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_certify(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    remember();
    /* 12 hash entries, validity, life cycle: two words and a lock each. */
    assert_int_equal(cut_root_hash(RAM_CHIP_CUT_BEFORE), 14 * 3);
    assert_int_equal(finished_by_start, 2); /* before the second word, before the lock */
    assert_int_equal(cut_root_hash(RAM_CHIP_CUT_TORN), 14 * 3);
    assert_int_equal(finished_by_start, 3);
}

/* The programmer that began is written down; another one cannot finish in its name. */
static void another_programmer_cannot_finish(void **state) {
    (void)state;
    bench_make(&bench);
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_certify(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    ram_chip_arm(3 * 12, RAM_CHIP_CUT_BEFORE); /* the last lock of the last hash */
    assert_int_not_equal(bench_send_permit(&bench), STATUS_OK);
    assert_true(ram_chip.is_dead);
    test_identity_make_key(&bench.pki.programmer);
    test_identity_certify(&bench.pki.programmer, &bench.pki.operations_ca, TEST_LEAF,
                          oid_eku_programmer);
    bench.programmer_chain_size =
        test_chain(bench.programmer_chain, sizeof bench.programmer_chain, &bench.pki.root,
                   &bench.pki.operations_ca, test_identity_certificate(&bench.pki.programmer));
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    assert_int_equal(bench_send_permit(&bench), STATUS_OTP);
    assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_BLANK);
}

static unsigned cut_certificate(enum ram_chip_cut kind) {
    unsigned cuts = 0;
    for (unsigned at = 1;; at++) {
        go_back();
        ram_chip_arm(at, kind);
        enum status status = bench_set_certificate(&bench);
        if (!ram_chip.is_dead) {
            assert_int_equal(status, STATUS_OK);
            break;
        }
        cuts++;
        assert_int_equal(bench_boot(&bench), STATUS_OK);
        assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
        assert_int_equal(bench_set_certificate(&bench), STATUS_OK);
        assert_int_equal(bench_boot(&bench), STATUS_OK);
        assert_true(bench.device.device.chain_is_issued);
        assert_int_equal(ram_chip.violations, 0);
    }
    return cuts;
}

static void certificate_survives_every_cut(void **state) {
    (void)state;
    bench_make(&bench);
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_generate_keys(&bench), STATUS_OK);
    bench_issue(&bench);
    remember();
    assert_true(cut_certificate(RAM_CHIP_CUT_BEFORE) > 100);
    assert_true(cut_certificate(RAM_CHIP_CUT_TORN) > 100);
}

static unsigned cut_keys(enum ram_chip_cut kind) {
    unsigned cuts = 0;
    for (unsigned at = 1;; at++) {
        go_back();
        ram_chip_arm(at, kind);
        enum status status = bench_generate_keys(&bench);
        if (!ram_chip.is_dead) {
            assert_int_equal(status, STATUS_OK);
            break;
        }
        cuts++;
        assert_int_not_equal(status, STATUS_OK);
        assert_int_equal(bench_boot(&bench), STATUS_OK);
        assert_int_equal(bench_certify(&bench), STATUS_OK);
        assert_int_equal(ram_chip.violations, 0);
    }
    return cuts;
}

static void keys_survive_every_cut(void **state) {
    (void)state;
    bench_make(&bench);
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_certify(&bench), STATUS_OK);
    remember();
    /* Remove the chain (2 cells), destroy three keys, generate three. */
    assert_int_equal(cut_keys(RAM_CHIP_CUT_BEFORE), 8);
    assert_int_equal(cut_keys(RAM_CHIP_CUT_TORN), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_hash_survives_every_cut),
        cmocka_unit_test(another_programmer_cannot_finish),
        cmocka_unit_test(certificate_survives_every_cut),
        cmocka_unit_test(keys_survive_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
