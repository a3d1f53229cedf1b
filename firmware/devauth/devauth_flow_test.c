/* The identity flow of one chip, from blank to provisioned, over real frames. */
#include "attest/attest.h"
#include "devauth/testing/bench.h"

#include "devauth/certificate.h"
#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;

static int make(void **state) {
    (void)state;
    bench_make(&bench);
    return 0;
}

static void info_of_blank_chip_needs_no_session(void **state) {
    struct devauth_device_info info;
    (void)state;
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_READ_ONLY), STATUS_OK);
    assert_int_equal(bench_info(&bench, &info), STATUS_OK);
    assert_memory_equal(info.uid, ram_chip.uid, sizeof info.uid);
    assert_string_equal(info.family, "RAM-CHIP");
    assert_int_equal(info.stage, DEVAUTH_STAGE_DEVAUTH);
    assert_int_equal(info.life_cycle, HAL_LIFE_BLANK);
    assert_int_equal(info.flags, 0);
    assert_int_equal(info.version, 7);
    assert_int_equal(info.link_payload_max, DEVAUTH_LINK_MAX);
}

static void blank_chip_becomes_provisioned(void **state) {
    struct devauth_device_info info;
    uint8_t hash[32];
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    assert_int_equal(bench_info(&bench, &info), STATUS_OK);
    assert_int_equal(info.life_cycle, HAL_LIFE_PROVISIONED);
    assert_int_equal(info.flags,
                     DEVAUTH_FLAG_ROOT_HASH | DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN);
    crypto_sha256(test_identity_certificate(&bench.pki.root), hash);
    assert_memory_equal(ram_chip.otp[OTP_ROOT_HASH], hash, 32);
    crypto_sha256(bytes_of(bench.pki.command_authority.public_key, 64), hash);
    assert_memory_equal(ram_chip.otp[OTP_COMMAND_KEY_A_HASH], hash, 32);
    crypto_sha256(test_identity_certificate(&bench.pki.programmer), hash);
    assert_memory_equal(ram_chip.otp[OTP_NULINK3_CERT_HASH], hash, 32);
    for (unsigned entry = 0; entry < 8; entry++) {
        assert_true(ram_chip.otp_locked[entry]);
    }
    assert_true(ram_chip.otp_locked[OTP_IDENTITY_VALID]);
    assert_true(ram_chip.otp_locked[OTP_LIFE_PROVISIONED]);
    assert_int_equal(ram_chip.violations, 0);
}

static void provisioned_chip_starts_on_its_issued_chain(void **state) {
    uint8_t auth_hash[32];
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    crypto_sha256(bytes_of(bench.keys.auth, 64), auth_hash);
    assert_memory_equal(bench.key_hash, auth_hash, 32);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    struct bytes chain = spdm_requester_chain(&bench.requester);
    assert_int_equal(chain.size, bench.issued_chain_size);
    assert_memory_equal(chain.data, bench.issued_chain, chain.size);
}

static void private_keys_are_not_in_flash_or_messages(void **state) {
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    for (unsigned role = 0; role < HAL_KEY_ROLES; role++) {
        assert_false(ram_chip_flash_contains(bytes_of(ram_chip.private_key[role], 32)));
    }
}

static void read_out_of_otp(void **state) {
    uint8_t buffer[8];
    struct writer writer;
    struct bytes answer;
    struct bytes entries;
    uint8_t hash[32];
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_otp_read(&writer, OTP_ROOT_HASH, 4);
    assert_int_equal(bench_vendor(&bench, writer_bytes(&writer), &answer), STATUS_OK);
    assert_int_equal(devauth_read_otp_entries(answer, 4, &entries), STATUS_OK);
    crypto_sha256(test_identity_certificate(&bench.pki.root), hash);
    assert_memory_equal(entries.data, hash, 32);
}

static void measurements_tell_what_happened(void **state) {
    static const uint8_t nonce[32] = {9};
    static const uint8_t none[32];
    struct bytes record;
    struct attest attest;
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    assert_int_equal(spdm_requester_measurements(&bench.requester, SPDM_MEASUREMENT_ALL, nonce),
                     STATUS_OK);
    assert_int_equal(bench_run(&bench), STATUS_OK);
    assert_int_equal(
        spdm_measurement_verify(spdm_requester_measurement_transcript(&bench.requester),
                                bench.keys.auth, nonce, &record),
        STATUS_OK);
    assert_int_equal(attest_read(record, &attest), STATUS_OK);
    assert_memory_equal(attest.image, bench.device.device.image_hash, 32);
    assert_int_equal(attest.life_cycle, HAL_LIFE_PROVISIONED);
    assert_int_equal(attest.flags,
                     DEVAUTH_FLAG_ROOT_HASH | DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN);
    assert_int_equal(attest.versions.stage, DEVAUTH_STAGE_DEVAUTH);
    assert_memory_equal(attest.bl2, none, 32);
    assert_int_equal(attest.keys.bl2_key_hash[0], 0xFF);
    assert_int_not_equal(attest.keys.enc_key_hash[0], 0xFF);
}

static void longer_packets_after_agreement(void **state) {
    uint8_t buffer[8];
    struct writer writer;
    struct bytes answer;
    uint16_t agreed = 0;
    (void)state;
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_READ_ONLY), STATUS_OK);
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_link_payload(&writer, 1000);
    assert_int_equal(bench_vendor(&bench, writer_bytes(&writer), &answer), STATUS_OK);
    assert_int_equal(devauth_read_link_payload(answer, &agreed), STATUS_OK);
    assert_int_equal(agreed, DEVAUTH_LINK_MAX);
    assert_int_equal(bench.link.endpoint.payload_max, DEVAUTH_LINK_MAX);
    mctp_set_payload(&bench.endpoint, agreed);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
}

static void reboot_wipes_and_resets(void **state) {
    static const uint8_t zero[CRYPTO_PRIVATE_KEY_SIZE];
    (void)state;
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_READ_ONLY), STATUS_OK);
    assert_memory_not_equal(bench.device.ephemeral_private, zero, sizeof zero);
    assert_int_equal(bench_command(&bench, DEVAUTH_REBOOT, NULL), STATUS_OK);
    assert_int_equal(ram_chip.resets, 1);
    assert_memory_equal(bench.device.ephemeral_private, zero, sizeof zero);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(info_of_blank_chip_needs_no_session, make),
        cmocka_unit_test_setup(blank_chip_becomes_provisioned, make),
        cmocka_unit_test_setup(provisioned_chip_starts_on_its_issued_chain, make),
        cmocka_unit_test_setup(private_keys_are_not_in_flash_or_messages, make),
        cmocka_unit_test_setup(read_out_of_otp, make),
        cmocka_unit_test_setup(measurements_tell_what_happened, make),
        cmocka_unit_test_setup(longer_packets_after_agreement, make),
        cmocka_unit_test_setup(reboot_wipes_and_resets, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
