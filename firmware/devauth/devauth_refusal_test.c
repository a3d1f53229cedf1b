/* What DevAuth refuses: sessions without authority, foreign permits, requests and chains. */
#include "devauth/testing/bench.h"

#include "cose/cbor.h"
#include "cose/cose_sign1.h"
#include "devauth/certificate.h"
#include "devauth/devauth_identity.h"
#include "devauth/devauth_permit.h"
#include "devauth/oid.h"
#include "devauth/otp_map.h"
#include "spdm/spdm_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;

/* A blank chip, DevAuth running. */
static int booted(void **state) {
    (void)state;
    bench_make(&bench);
    return bench_boot(&bench) == STATUS_OK ? 0 : -1;
}

/* A privileged session on the issued chain, a good permit prepared. */
static int ready_for_permit(void **state) {
    if (booted(state) != 0 || bench_certify(&bench) != STATUS_OK ||
        bench_open(&bench, BENCH_PRIVILEGED) != STATUS_OK) {
        return -1;
    }
    return bench_prepare_permit(&bench) == STATUS_OK ? 0 : -1;
}

static void assert_still_blank(void) {
    assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_BLANK);
    for (unsigned entry = 0; entry < OTP_PUBLIC_COUNT; entry++) {
        assert_memory_equal(ram_chip.otp[entry], otp_erased, OTP_ENTRY_SIZE);
    }
}

static enum status otp_read_status(uint8_t first, uint8_t count) {
    uint8_t buffer[8];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_otp_read(&writer, first, count);
    return bench_vendor(&bench, writer_bytes(&writer), NULL);
}

static void nothing_but_info_without_session(void **state) {
    (void)state;
    assert_int_equal(bench_connect(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_command(&bench, DEVAUTH_DEVICE_INFO, NULL), STATUS_OK);
    assert_int_equal(bench_command(&bench, DEVAUTH_GENERATE_KEYS, NULL), STATUS_DENIED);
    assert_int_equal(bench_command(&bench, DEVAUTH_PUBLIC_KEYS, NULL), STATUS_DENIED);
    assert_int_equal(bench_command(&bench, DEVAUTH_REBOOT, NULL), STATUS_DENIED);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_DENIED);
    assert_int_equal(bench_send_permit(&bench), STATUS_DENIED);
    assert_int_equal(otp_read_status(0, 1), STATUS_DENIED);
    assert_int_equal(ram_chip.resets, 0);
    assert_still_blank();
}

static void read_only_session_changes_nothing(void **state) {
    struct bytes csr;
    static const uint8_t nonce[32];
    (void)state;
    assert_int_equal(bench_certify(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_READ_ONLY), STATUS_OK);
    assert_int_equal(bench_generate_keys(&bench), STATUS_DENIED);
    assert_int_equal(bench_get_csr(&bench, nonce, &csr), STATUS_PEER_ERROR);
    assert_int_equal(bench_set_certificate(&bench), STATUS_PEER_ERROR);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    assert_int_equal(bench_send_permit(&bench), STATUS_DENIED);
    assert_still_blank();
}

static void foreign_programmers_get_no_session(void **state) {
    struct test_identity *programmer = &bench.pki.programmer;
    (void)state;
    /* Same OEM and role, but not the one the chip was started for. */
    test_identity_make_key(programmer);
    test_identity_certify(programmer, &bench.pki.operations_ca, TEST_LEAF, oid_eku_programmer);
    bench.programmer_chain_size =
        test_chain(bench.programmer_chain, sizeof bench.programmer_chain, &bench.pki.root,
                   &bench.pki.operations_ca, test_identity_certificate(programmer));
    assert_int_not_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    /* The one it was started for, but in another role. */
    test_identity_certify(programmer, &bench.pki.operations_ca, TEST_LEAF, oid_eku_gateway);
    bench.programmer_chain_size =
        test_chain(bench.programmer_chain, sizeof bench.programmer_chain, &bench.pki.root,
                   &bench.pki.operations_ca, test_identity_certificate(programmer));
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_not_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    /* Another OEM's. */
    struct test_identity root = bench.pki.root;
    test_pki_make(&bench.pki);
    bench.programmer_chain_size =
        test_chain(bench.programmer_chain, sizeof bench.programmer_chain, &bench.pki.root,
                   &bench.pki.operations_ca, test_identity_certificate(programmer));
    assert_int_equal(bench_boot_with(&bench, test_identity_certificate(&root),
                                     test_identity_certificate(programmer)),
                     STATUS_OK);
    assert_int_not_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
}

static void bad_parameter_blocks_do_not_start(void **state) {
    struct bytes root = test_identity_certificate(&bench.pki.root);
    struct bytes programmer = test_identity_certificate(&bench.pki.programmer);
    uint8_t two_roots[1300];
    struct writer writer;
    uint8_t key_hash[32];
    (void)state;
    writer_init(&writer, two_roots, sizeof two_roots);
    write_bytes(&writer, root);
    write_bytes(&writer, root);
    assert_int_equal(bench_boot_with(&bench, writer_bytes(&writer), programmer),
                     STATUS_BAD_CERTIFICATE);
    assert_int_not_equal(bench_boot_with(&bench, bytes_of("no DER", 6), programmer), STATUS_OK);
    const struct devauth_start garbage = {.parameter_block = bytes_of("garbage!", 8)};
    assert_int_not_equal(devauth_device_start(&bench.device, &ram_chip_hal, &garbage, key_hash),
                         STATUS_OK);
}

static void provisioned_chip_takes_no_other_root(void **state) {
    struct test_pki other;
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    test_pki_make(&other);
    assert_int_equal(bench_boot_with(&bench, test_identity_certificate(&other.root),
                                     test_identity_certificate(&other.programmer)),
                     STATUS_MISMATCH);
}

static void retired_chip_does_not_start(void **state) {
    (void)state;
    memcpy(ram_chip.otp[OTP_LIFE_RETIRED], otp_valid, OTP_ENTRY_SIZE);
    assert_int_equal(bench_boot(&bench), STATUS_DENIED);
    memset(ram_chip.otp, 0xFF, sizeof ram_chip.otp);
    ram_chip.otp[OTP_LIFE_RMA][3] = 0; /* torn counts as reached */
    assert_int_equal(bench_boot(&bench), STATUS_DENIED);
}

static void no_keys_under_a_debugger(void **state) {
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    ram_chip.debugger_attached = true;
    assert_int_equal(bench_generate_keys(&bench), STATUS_DEBUGGED);
    assert_false(ram_chip.has_key[HAL_KEY_AUTH]);
    ram_chip.debugger_attached = false;
    ram_chip.attach_during_key_generation = true;
    assert_int_equal(bench_generate_keys(&bench), STATUS_DEBUGGED);
    for (unsigned role = 0; role < HAL_KEY_ROLES; role++) {
        assert_false(ram_chip.has_key[role]);
    }
    ram_chip.attach_during_key_generation = false;
    ram_chip.debugger_was_attached = true; /* the bootstrap: over before this request */
    assert_int_equal(bench_generate_keys(&bench), STATUS_OK);
}

static void new_keys_end_the_old_identity(void **state) {
    struct devauth_public_keys old;
    struct devauth_device_info info;
    (void)state;
    assert_int_equal(bench_certify(&bench), STATUS_OK);
    assert_int_equal(bench_info(&bench, &info), STATUS_OK);
    assert_true((info.flags & DEVAUTH_FLAG_ISSUED_CHAIN) != 0);
    old = bench.keys;
    assert_int_equal(bench_generate_keys(&bench), STATUS_OK);
    assert_memory_not_equal(&old.auth, &bench.keys.auth, 64);
    assert_memory_not_equal(&old.enc, &bench.keys.enc, 64);
    assert_memory_not_equal(&old.tls, &bench.keys.tls, 64);
    assert_int_equal(bench_info(&bench, &info), STATUS_OK);
    assert_int_equal(info.flags & DEVAUTH_FLAG_ISSUED_CHAIN, 0);
    assert_int_equal(bench_set_certificate(&bench), STATUS_PEER_ERROR);
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_false(bench.device.device.chain_is_issued);
}

static void provisioned_chip_makes_no_new_keys(void **state) {
    (void)state;
    assert_int_equal(bench_provision(&bench), STATUS_OK);
    struct devauth_public_keys old = bench.keys;
    assert_int_equal(bench_generate_keys(&bench), STATUS_BAD_STATE);
    assert_memory_equal(ram_chip.public_key[HAL_KEY_AUTH], old.auth, 64);
}

static void no_csr_without_keys(void **state) {
    static const uint8_t nonce[32];
    struct bytes csr;
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_get_csr(&bench, nonce, &csr), STATUS_PEER_ERROR);
    assert_int_equal(bench_command(&bench, DEVAUTH_PUBLIC_KEYS, NULL), STATUS_NOT_FOUND);
}

/* Of every altered RequesterInfo only one with another nonce may give a CSR. */
static void csr_only_for_what_the_chip_knows(void **state) {
    uint8_t info[CERTIFICATE_REQUESTER_INFO_MAX];
    uint8_t csr[CERTIFICATE_CSR_MAX];
    static const uint8_t nonce[32] = {0};
    struct writer writer;
    struct writer out;
    unsigned accepted = 0;
    (void)state;
    assert_int_equal(bench_certify(&bench), STATUS_OK);
    writer_init(&writer, info, sizeof info);
    certificate_write_requester_info(&writer, ram_chip.uid, bench.keys.auth, nonce);
    for (size_t i = 0; i < writer.size; i++) {
        info[i] ^= 0x01;
        writer_init(&out, csr, sizeof csr);
        if (devauth_identity_csr(&bench.device, writer_bytes(&writer), &out) == STATUS_OK) {
            accepted++;
            assert_true(i >= writer.size - sizeof nonce);
        }
        info[i] ^= 0x01;
    }
    assert_int_equal(accepted, sizeof nonce);
    for (size_t size = 0; size < writer.size; size++) {
        writer_init(&out, csr, sizeof csr);
        assert_int_not_equal(devauth_identity_csr(&bench.device, bytes_of(info, size), &out),
                             STATUS_OK);
    }
}

static enum status store_chain(const struct test_identity *root, const struct test_identity *ca,
                               const struct test_identity *leaf) {
    bench.issued_chain_size = test_chain(bench.issued_chain, sizeof bench.issued_chain, root, ca,
                                         test_identity_certificate(leaf));
    return devauth_identity_set_certificate(&bench.device, 0,
                                            bytes_of(bench.issued_chain, bench.issued_chain_size));
}

static void only_the_own_certificate_is_stored(void **state) {
    struct test_identity leaf;
    struct test_pki other;
    uint8_t uid[16];
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_generate_keys(&bench), STATUS_OK);
    test_pki_make(&other);
    const struct test_pki *pki = &bench.pki;

    test_pki_issue_device(pki, ram_chip.uid, bench.keys.enc, &leaf); /* another key of ours */
    assert_int_equal(store_chain(&pki->root, &pki->device_ca, &leaf), STATUS_MISMATCH);
    memcpy(uid, ram_chip.uid, sizeof uid);
    uid[15] ^= 1;
    test_pki_issue_device(pki, uid, bench.keys.auth, &leaf);
    assert_int_equal(store_chain(&pki->root, &pki->device_ca, &leaf), STATUS_MISMATCH);
    test_pki_issue_device(&other, ram_chip.uid, bench.keys.auth, &leaf);
    assert_int_equal(store_chain(&other.root, &other.device_ca, &leaf), STATUS_BAD_CERTIFICATE);
    assert_int_equal(store_chain(&pki->root, &other.device_ca, &leaf), STATUS_BAD_CERTIFICATE);
    test_identity_certify(&leaf, &pki->device_ca, TEST_LEAF, oid_eku_programmer);
    assert_int_equal(store_chain(&pki->root, &pki->device_ca, &leaf), STATUS_BAD_CERTIFICATE);
    test_identity_certify(&leaf, &pki->device_ca, TEST_LEAF, bytes_of(NULL, 0));
    assert_int_equal(store_chain(&pki->root, &pki->device_ca, &leaf), STATUS_BAD_CERTIFICATE);
    assert_false(bench.device.device.chain_is_issued);

    test_pki_issue_device(pki, ram_chip.uid, bench.keys.auth, &leaf);
    assert_int_equal(store_chain(&pki->root, &pki->device_ca, &leaf), STATUS_OK);
    assert_int_equal(devauth_identity_set_certificate(
                         &bench.device, 1, bytes_of(bench.issued_chain, bench.issued_chain_size)),
                     STATUS_INVALID);
}

static void altered_chains_are_not_stored(void **state) {
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_generate_keys(&bench), STATUS_OK);
    bench_issue(&bench);
    for (size_t i = 0; i < bench.issued_chain_size; i += 3) {
        bench.issued_chain[i] ^= 0x01;
        assert_int_not_equal(
            devauth_identity_set_certificate(&bench.device, 0,
                                             bytes_of(bench.issued_chain, bench.issued_chain_size)),
            STATUS_OK);
        bench.issued_chain[i] ^= 0x01;
    }
    assert_false(bench.device.device.chain_is_issued);
    assert_int_equal(bench_set_certificate(&bench), STATUS_OK);
}

/* Gives a permit to the device, past the session, with the prepared nonce outstanding. */
static enum status execute(struct bytes permit) {
    static uint8_t answer[16];
    struct writer response;
    writer_init(&response, answer, sizeof answer);
    bench.device.privilege = SPDM_PRIVILEGE_PRIVILEGED;
    bench.device.device.nonce.is_outstanding = true;
    bench.device.device.nonce.command = PERMIT_ROOT_HASH;
    memcpy(bench.device.device.nonce.value, bench.permit.nonce, 32);
    return devauth_permit_command(&bench.device.device, permit, &response);
}

static void no_root_hash_before_the_chain_is_read_back(void **state) {
    static const uint8_t nonce[32];
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_generate_keys(&bench), STATUS_OK);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    assert_int_equal(bench_send_permit(&bench), STATUS_BAD_STATE);
    bench_issue(&bench);
    assert_int_equal(bench_set_certificate(&bench), STATUS_OK);
    /* The chain is there, but this session began without it; signing with it does not change
     * that. */
    assert_int_equal(spdm_requester_measurements(&bench.requester, SPDM_MEASUREMENT_ALL, nonce),
                     STATUS_OK);
    (void)bench_run(&bench);
    assert_true(bench.device.device.chain_is_issued);
    assert_int_equal(execute(bytes_of("", 0)), STATUS_BAD_STATE);
    assert_still_blank();
}

static void permit_of_another_chip_key_or_root(void **state) {
    (void)state;
    bench.permit.uid[0] ^= 1;
    assert_int_equal(bench_send_permit(&bench), STATUS_MISMATCH);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    bench.permit.auth_key_hash[31] ^= 1;
    assert_int_equal(bench_send_permit(&bench), STATUS_MISMATCH);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    bench.permit_arguments.root_hash[0] ^= 1;
    assert_int_equal(bench_send_permit(&bench), STATUS_MISMATCH);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    bench.permit_arguments.command_key_hash[0] ^= 1;
    assert_int_equal(bench_send_permit(&bench), STATUS_MISMATCH);
    assert_still_blank();
}

static void nonce_is_used_once(void **state) {
    (void)state;
    bench.permit.nonce[0] ^= 1;
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
    /* The wrong attempt has used up the right nonce too. */
    bench.permit.nonce[0] ^= 1;
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
    assert_still_blank();
    /* Only the newest nonce counts. */
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    struct permit older = bench.permit;
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    struct permit newer = bench.permit;
    bench.permit = older;
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
    bench.permit = newer;
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
    assert_int_equal(bench_prepare_permit(&bench), STATUS_OK);
    assert_int_equal(bench_send_permit(&bench), STATUS_OK);
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
}

static void nonce_dies_with_a_reset(void **state) {
    (void)state;
    assert_int_equal(bench_boot(&bench), STATUS_OK);
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
    assert_still_blank();
}

static void nonces_only_for_commands_of_this_stage(void **state) {
    static const uint8_t COMMANDS[] = {0, PERMIT_LOCK, PERMIT_DECOMMISSION, 7, 32, 255};
    uint8_t answer[64];
    struct writer response;
    (void)state;
    for (size_t i = 0; i < sizeof COMMANDS; i++) {
        writer_init(&response, answer, sizeof answer);
        assert_int_equal(
            device_permit_nonce(&bench.device.device, bytes_of(&COMMANDS[i], 1), &response),
            STATUS_UNSUPPORTED);
        assert_int_equal(response.size, 0);
    }
    /* And asking for one has ended the one before. */
    assert_int_equal(bench_send_permit(&bench), STATUS_REPLAYED);
}

static void altered_permits(void **state) {
    uint8_t permit[2048];
    (void)state;
    size_t size = bench_encode_permit(&bench, &bench.pki.command_authority, permit, sizeof permit);
    for (size_t i = 0; i < size; i++) {
        permit[i] ^= 0x01;
        assert_int_not_equal(execute(bytes_of(permit, size)), STATUS_OK);
        permit[i] ^= 0x01;
    }
    for (size_t cut = 0; cut < size; cut += 5) {
        assert_int_not_equal(execute(bytes_of(permit, cut)), STATUS_OK);
    }
    permit[size] = 0;
    assert_int_not_equal(execute(bytes_of(permit, size + 1)), STATUS_OK);
    assert_still_blank();
    assert_int_equal(execute(bytes_of(permit, size)), STATUS_OK);
}

static void permits_by_the_wrong_authority(void **state) {
    uint8_t permit[2048];
    struct test_identity other = bench.pki.command_authority;
    (void)state;
    test_identity_certify(&other, &bench.pki.operations_ca, TEST_LEAF, oid_eku_job_authority);
    size_t size = bench_encode_permit(&bench, &other, permit, sizeof permit);
    assert_int_equal(execute(bytes_of(permit, size)), STATUS_BAD_CERTIFICATE);
    test_identity_certify(&other, &bench.pki.operations_ca, TEST_LEAF, bytes_of(NULL, 0));
    size = bench_encode_permit(&bench, &other, permit, sizeof permit);
    assert_int_equal(execute(bytes_of(permit, size)), STATUS_BAD_CERTIFICATE);
    /* Signed by the programmer, who has a certificate too. */
    size = bench_encode_permit(&bench, &bench.pki.programmer, permit, sizeof permit);
    assert_int_equal(execute(bytes_of(permit, size)), STATUS_BAD_CERTIFICATE);
    /* The right certificate, another key. */
    other = bench.pki.command_authority;
    memcpy(other.private_key, bench.pki.programmer.private_key, 32);
    size = bench_encode_permit(&bench, &other, permit, sizeof permit);
    assert_int_equal(execute(bytes_of(permit, size)), STATUS_BAD_SIGNATURE);
    /* Another OEM's authority and CA. */
    struct test_pki saved = bench.pki;
    test_pki_make(&bench.pki);
    size = bench_encode_permit(&bench, &bench.pki.command_authority, permit, sizeof permit);
    bench.pki = saved;
    assert_int_equal(execute(bytes_of(permit, size)), STATUS_BAD_CERTIFICATE);
    assert_still_blank();
}

static enum status sign_as_authority(void *context, const uint8_t digest[32],
                                     uint8_t signature[64]) {
    (void)context;
    return crypto_p256_sign(bench.pki.command_authority.private_key, digest, signature);
}

static void permits_of_another_shape(void **state) {
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    uint8_t permit[2048];
    struct writer inner;
    struct writer writer;
    const struct bytes chain[] = {test_identity_certificate(&bench.pki.command_authority),
                                  test_identity_certificate(&bench.pki.operations_ca)};
    (void)state;
    writer_init(&inner, payload, sizeof payload);
    permit_write_root_hash(&inner, &bench.permit, &bench.permit_arguments);
    /* No certificates. */
    writer_init(&writer, permit, sizeof permit);
    assert_int_equal(
        cose_sign1_write(&writer, NULL, 0, writer_bytes(&inner), sign_as_authority, NULL),
        STATUS_OK);
    assert_int_equal(execute(writer_bytes(&writer)), STATUS_BAD_CERTIFICATE);
    /* Another command in the very same map: {1: 1, ...} to {1: 3, ...}. */
    assert_int_equal(payload[2], PERMIT_ROOT_HASH);
    payload[2] = PERMIT_LOCK;
    writer_init(&writer, permit, sizeof permit);
    assert_int_equal(
        cose_sign1_write(&writer, chain, 2, writer_bytes(&inner), sign_as_authority, NULL),
        STATUS_OK);
    assert_int_equal(execute(writer_bytes(&writer)), STATUS_REPLAYED);
    payload[2] = PERMIT_ROOT_HASH;
    /* Bytes after the map, signed. */
    write_u8(&inner, 0);
    writer_init(&writer, permit, sizeof permit);
    assert_int_equal(
        cose_sign1_write(&writer, chain, 2, writer_bytes(&inner), sign_as_authority, NULL),
        STATUS_OK);
    assert_int_equal(execute(writer_bytes(&writer)), STATUS_INVALID);
    assert_still_blank();
}

static void foreign_otp_contents_are_left_alone(void **state) {
    (void)state;
    ram_chip.otp[OTP_NULINK3_CERT_HASH + 3][7] = 0x00;
    assert_int_equal(bench_send_permit(&bench), STATUS_OTP);
    /* Found before anything was written. */
    assert_memory_equal(ram_chip.otp[OTP_ROOT_HASH], otp_erased, OTP_ENTRY_SIZE);
    assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_BLANK);
}

static void secret_otp_is_not_read(void **state) {
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    assert_int_equal(otp_read_status(0, 64), STATUS_OK);
    assert_int_equal(otp_read_status(128, 64), STATUS_OK);
    assert_int_equal(otp_read_status(OTP_SECRET_FIRST, 1), STATUS_DENIED);
    assert_int_equal(otp_read_status(OTP_SECRET_FIRST - 1, 2), STATUS_DENIED);
    assert_int_equal(otp_read_status(255, 1), STATUS_DENIED);
    assert_int_equal(otp_read_status(0, 0), STATUS_INVALID);
    assert_int_equal(otp_read_status(0, 65), STATUS_INVALID);
    assert_int_equal(otp_read_status(255, 2), STATUS_INVALID);
}

static void garbage_commands(void **state) {
    static const uint8_t bodies[][3] = {
        {1, DEVAUTH_DEVICE_INFO, 0}, {1, DEVAUTH_PUBLIC_KEYS, 0},   {1, DEVAUTH_GENERATE_KEYS, 0},
        {1, DEVAUTH_REBOOT, 2},      {1, DEVAUTH_INSTALL_BEGIN, 1}, {1, DEVAUTH_INSTALL_FINISH, 0},
        {1, DEVAUTH_BOOT_STATE, 0},  {1, DEVAUTH_OBJECT_ID, 0},     {1, DEVAUTH_LINK_PAYLOAD, 64}};
    uint8_t payload[2] = {1, 0};
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_PRIVILEGED), STATUS_OK);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        enum status status = bench_vendor(&bench, bytes_of(bodies[i], 3), NULL);
        assert_true(status == STATUS_INVALID || status == STATUS_TRUNCATED);
    }
    for (unsigned command = 0; command < 256; command++) {
        if (command >= DEVAUTH_DEVICE_INFO && command <= DEVAUTH_OBJECT_ID) {
            continue;
        }
        payload[1] = (uint8_t)command;
        assert_int_equal(bench_vendor(&bench, bytes_of(payload, 2), NULL), STATUS_UNSUPPORTED);
    }
    payload[0] = 2;
    payload[1] = DEVAUTH_DEVICE_INFO;
    assert_int_equal(bench_vendor(&bench, bytes_of(payload, 2), NULL), STATUS_UNSUPPORTED);
    payload[0] = 1;
    assert_int_equal(bench_vendor(&bench, bytes_of(payload, 1), NULL), STATUS_TRUNCATED);
    assert_int_equal(ram_chip.resets, 0);
    /* And it is still there. */
    assert_int_equal(bench_command(&bench, DEVAUTH_DEVICE_INFO, NULL), STATUS_OK);
}

static void payload_below_the_baseline(void **state) {
    uint8_t buffer[8];
    struct writer writer;
    (void)state;
    assert_int_equal(bench_open(&bench, BENCH_READ_ONLY), STATUS_OK);
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_link_payload(&writer, DEVAUTH_LINK_BASELINE - 1);
    assert_int_equal(bench_vendor(&bench, writer_bytes(&writer), NULL), STATUS_INVALID);
    assert_int_equal(bench.link.endpoint.payload_max, DEVAUTH_LINK_BASELINE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_but_info_without_session, booted),
        cmocka_unit_test_setup(read_only_session_changes_nothing, booted),
        cmocka_unit_test_setup(foreign_programmers_get_no_session, booted),
        cmocka_unit_test_setup(bad_parameter_blocks_do_not_start, booted),
        cmocka_unit_test_setup(provisioned_chip_takes_no_other_root, booted),
        cmocka_unit_test_setup(retired_chip_does_not_start, booted),
        cmocka_unit_test_setup(no_keys_under_a_debugger, booted),
        cmocka_unit_test_setup(new_keys_end_the_old_identity, booted),
        cmocka_unit_test_setup(provisioned_chip_makes_no_new_keys, booted),
        cmocka_unit_test_setup(no_csr_without_keys, booted),
        cmocka_unit_test_setup(csr_only_for_what_the_chip_knows, booted),
        cmocka_unit_test_setup(only_the_own_certificate_is_stored, booted),
        cmocka_unit_test_setup(altered_chains_are_not_stored, booted),
        cmocka_unit_test_setup(no_root_hash_before_the_chain_is_read_back, booted),
        cmocka_unit_test_setup(permit_of_another_chip_key_or_root, ready_for_permit),
        cmocka_unit_test_setup(nonce_is_used_once, ready_for_permit),
        cmocka_unit_test_setup(nonce_dies_with_a_reset, ready_for_permit),
        cmocka_unit_test_setup(nonces_only_for_commands_of_this_stage, ready_for_permit),
        cmocka_unit_test_setup(altered_permits, ready_for_permit),
        cmocka_unit_test_setup(permits_by_the_wrong_authority, ready_for_permit),
        cmocka_unit_test_setup(permits_of_another_shape, ready_for_permit),
        cmocka_unit_test_setup(foreign_otp_contents_are_left_alone, ready_for_permit),
        cmocka_unit_test_setup(secret_otp_is_not_read, booted),
        cmocka_unit_test_setup(garbage_commands, booted),
        cmocka_unit_test_setup(payload_below_the_baseline, booted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
