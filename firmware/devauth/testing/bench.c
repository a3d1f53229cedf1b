#include "devauth/testing/bench.h"

#include "board/devauth_image.h"
#include "cose/cose_sign1.h"
#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "spdm/spdm_chain.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 2000

static const uint8_t IMAGE[] = "the DevAuth image of this test";

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

void bench_make(struct bench *bench) {
    memset(bench, 0, sizeof *bench);
    ram_chip_make(0x10);
    require(crypto_init(ram_chip_hal.entropy, NULL) == STATUS_OK);
    test_pki_make(&bench->pki);
    bench->programmer_chain_size =
        test_chain(bench->programmer_chain, sizeof bench->programmer_chain, &bench->pki.root,
                   &bench->pki.operations_ca, test_identity_certificate(&bench->pki.programmer));
}

static void sent(void *context) {
    struct bench *bench = context;
    uint16_t payload = devauth_device_sent(&bench->device);
    if (payload != 0) {
        device_link_set_payload(&bench->link, payload);
    }
}

static enum status handle(void *context, uint8_t type, uint8_t *message, size_t size,
                          struct writer *response, uint8_t *response_type) {
    struct bench *bench = context;
    return devauth_device_handle(&bench->device, type, message, size, response, response_type);
}

/* A self-signed chain is good when the mailbox vouches for its key, which the requester checks;
 * any other must lead from the OEM's root to a device certificate. */
static enum status verify_chain(void *context, struct bytes blob, uint8_t public_key[64]) {
    struct bench *bench = context;
    struct bytes certificates;
    struct bytes first;
    struct bytes rest;
    struct bytes subject;
    uint8_t root_hash[32];
    enum status status = spdm_chain_parse(blob, &certificates);
    if (status == STATUS_OK) {
        status = crypto_certificate_split(certificates, &first, &rest);
    }
    if (status == STATUS_OK && rest.size == 0) {
        return certificate_read_names(first, &subject, public_key);
    }
    crypto_sha256(test_identity_certificate(&bench->pki.root), root_hash);
    return status == STATUS_OK
               ? crypto_chain_verify(certificates, root_hash, oid_eku_device, public_key)
               : status;
}

static enum status sign_as_programmer(void *context, const uint8_t digest[32],
                                      uint8_t signature[64]) {
    struct bench *bench = context;
    return crypto_p256_sign(bench->pki.programmer.private_key, digest, signature);
}

static const struct spdm_requester_ops OPERATIONS = {
    .verify_chain = verify_chain,
    .sign = sign_as_programmer,
};

void bench_plug_in(struct bench *bench) {
    mctp_serial_init(&bench->deframer);
    mctp_init(&bench->endpoint, MCTP_REQUESTER, MCTP_EID_PROGRAMMER, MCTP_EID_DEVICE,
              bench->receive_buffer, sizeof bench->receive_buffer);
}

enum status bench_boot_with(struct bench *bench, struct bytes root, struct bytes requester) {
    uint8_t block[2048];
    struct writer writer;
    const struct devauth_parameters parameters = {.root = root, .requester = requester};
    writer_init(&writer, block, sizeof block);
    devauth_parameters_write(&writer, &parameters);
    require(writer_check(&writer) == STATUS_OK);
    const struct devauth_start start = {
        .parameter_block = bytes_of(block, sizeof block),
        .image = bytes_of(IMAGE, sizeof IMAGE),
        .version = 7,
    };
    ram_chip_power_on();
    bench_plug_in(bench);
    enum status status =
        devauth_device_start(&bench->device, &ram_chip_hal, &start, bench->key_hash);
    device_link_start(&bench->link, &ram_chip_hal, handle, sent, bench);
    return status;
}

enum status bench_boot(struct bench *bench) {
    return bench_boot_with(bench, test_identity_certificate(&bench->pki.root),
                           test_identity_certificate(&bench->pki.programmer));
}

void bench_put_message(struct bench *bench, uint8_t type, struct bytes message,
                       enum bench_tag tag) {
    uint8_t packet[MCTP_PACKET_MAX];
    struct writer packet_writer;
    struct writer frame;
    if (tag == BENCH_TAG_NEW) {
        mctp_send(&bench->endpoint, type, message);
    } else {
        mctp_send_again(&bench->endpoint, type, message);
    }
    for (;;) {
        writer_init(&packet_writer, packet, sizeof packet);
        if (mctp_send_next(&bench->endpoint, &packet_writer) != STATUS_OK) {
            return;
        }
        writer_init(&frame, &ram_chip.rx[ram_chip.rx_size], sizeof ram_chip.rx - ram_chip.rx_size);
        require(mctp_serial_frame(writer_bytes(&packet_writer), &frame) == STATUS_OK);
        ram_chip.rx_size += frame.size;
    }
}

bool bench_take_message(struct bench *bench, struct mctp_message *message) {
    bool taken = false;
    for (size_t i = 0; i < ram_chip.tx_size && !taken; i++) {
        struct bytes packet;
        taken = mctp_serial_receive(&bench->deframer, ram_chip.tx[i], &packet) &&
                mctp_receive(&bench->endpoint, packet, message) == STATUS_OK;
    }
    ram_chip.tx_size = 0;
    return taken;
}

static enum status failure_of(const struct bench *bench) {
    struct spdm_peer_error error = spdm_requester_peer_error(&bench->requester);
    if (error.code == SPDM_ERROR_VENDOR) {
        return error.vendor_status;
    }
    return spdm_requester_failure(&bench->requester);
}

void bench_put(struct bench *bench) {
    static uint8_t buffer[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    writer_init(&writer, buffer, sizeof buffer);
    if (spdm_requester_output(&bench->requester, &writer, &type) == STATUS_OK) {
        bench_put_message(bench, type, writer_bytes(&writer), BENCH_TAG_NEW);
    }
}

void bench_take(struct bench *bench) {
    struct mctp_message message;
    enum status status = STATUS_LINK;
    if (bench_take_message(bench, &message)) {
        status = spdm_requester_input(&bench->requester, message.type, message.body, message.size);
    }
    if (status != STATUS_OK && spdm_requester_state(&bench->requester) == SPDM_REQUESTER_WAIT) {
        spdm_requester_abort(&bench->requester, status);
    }
}

bool bench_is_running(const struct bench *bench) {
    enum spdm_requester_state state = spdm_requester_state(&bench->requester);
    return state == SPDM_REQUESTER_SEND || state == SPDM_REQUESTER_WAIT;
}

enum status bench_result(const struct bench *bench) {
    return spdm_requester_state(&bench->requester) == SPDM_REQUESTER_DONE ? STATUS_OK
                                                                          : failure_of(bench);
}

void bench_turn(struct bench *bench) {
    if (bench->turn != NULL) {
        bench->turn(bench);
        return;
    }
    while (device_link_poll(&bench->link) == DEVICE_LINK_ACTIVE) {
    }
}

enum status bench_run(struct bench *bench) {
    for (unsigned round = 0; round < ROUNDS_MAX && bench_is_running(bench); round++) {
        bench_put(bench);
        bench_turn(bench);
        bench_take(bench);
    }
    return bench_result(bench);
}

static enum status run_if_started(struct bench *bench, enum status started) {
    return started == STATUS_OK ? bench_run(bench) : started;
}

enum status bench_start_connect(struct bench *bench, enum bench_session session) {
    bool is_mutual = session == BENCH_PRIVILEGED;
    const struct spdm_requester_config config = {
        .ops = &OPERATIONS,
        .context = bench,
        .capabilities = is_mutual ? SPDM_CAPS_REQUESTER_MUTUAL : SPDM_CAPS_REQUESTER,
        .chain = is_mutual ? bytes_of(bench->programmer_chain, bench->programmer_chain_size)
                           : bytes_of(NULL, 0),
        .certificate_portion = 512,
    };
    uint8_t expected[32];
    memcpy(expected, bench->key_hash, sizeof expected);
    if (bench->expects_issued_chain || bench->device.device.chain_is_issued) {
        crypto_sha256(bytes_of(bench->keys.auth, 64), expected);
    }
    spdm_requester_init(&bench->requester, &config);
    spdm_requester_expect_key(&bench->requester, expected);
    return spdm_requester_connect(&bench->requester);
}

enum status bench_connect(struct bench *bench, enum bench_session session) {
    return run_if_started(bench, bench_start_connect(bench, session));
}

enum status bench_challenge(struct bench *bench) {
    return run_if_started(bench, spdm_requester_challenge(&bench->requester));
}

enum status bench_measurements(struct bench *bench, const uint8_t nonce[32], struct bytes *record) {
    enum status status = run_if_started(
        bench, spdm_requester_measurements(&bench->requester, SPDM_MEASUREMENT_ALL, nonce));
    return status == STATUS_OK
               ? spdm_measurement_verify(spdm_requester_measurement_transcript(&bench->requester),
                                         bench->keys.auth, nonce, record)
               : status;
}

enum status bench_open(struct bench *bench, enum bench_session session) {
    enum status status = bench_connect(bench, session);
    if (status == STATUS_OK) {
        status = run_if_started(bench, spdm_requester_get_chain(&bench->requester, 0));
    }
    if (status == STATUS_OK) {
        status = run_if_started(bench, spdm_requester_open_session(&bench->requester));
    }
    return status;
}

enum status bench_vendor(struct bench *bench, struct bytes payload, struct bytes *answer) {
    enum status status = run_if_started(bench, spdm_requester_vendor(&bench->requester, payload));
    if (status == STATUS_OK && answer != NULL) {
        *answer = spdm_requester_result(&bench->requester);
    }
    return status;
}

enum status bench_command(struct bench *bench, enum devauth_command command, struct bytes *answer) {
    uint8_t buffer[8];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_simple(&writer, command);
    return bench_vendor(bench, writer_bytes(&writer), answer);
}

enum status bench_info(struct bench *bench, struct devauth_device_info *info) {
    struct bytes answer;
    enum status status = bench_command(bench, DEVAUTH_DEVICE_INFO, &answer);
    return status == STATUS_OK ? devauth_read_device_info(answer, info) : status;
}

enum status bench_generate_keys(struct bench *bench) {
    struct bytes answer;
    enum status status = bench_command(bench, DEVAUTH_GENERATE_KEYS, &answer);
    return status == STATUS_OK
               ? devauth_read_public_keys(answer, DEVAUTH_GENERATE_KEYS, &bench->keys)
               : status;
}

enum status bench_get_csr(struct bench *bench, const uint8_t nonce[32], struct bytes *csr) {
    static uint8_t info[CERTIFICATE_REQUESTER_INFO_MAX];
    struct writer writer;
    writer_init(&writer, info, sizeof info);
    certificate_write_requester_info(&writer, ram_chip.uid, bench->keys.auth, nonce);
    enum status status =
        run_if_started(bench, spdm_requester_get_csr(&bench->requester, writer_bytes(&writer)));
    if (status == STATUS_OK) {
        *csr = spdm_requester_result(&bench->requester);
    }
    return status;
}

void bench_issue(struct bench *bench) {
    test_pki_issue_device(&bench->pki, ram_chip.uid, bench->keys.auth, &bench->device_identity);
    bench->issued_chain_size =
        test_chain(bench->issued_chain, sizeof bench->issued_chain, &bench->pki.root,
                   &bench->pki.device_ca, test_identity_certificate(&bench->device_identity));
}

enum status bench_set_certificate(struct bench *bench) {
    return run_if_started(
        bench, spdm_requester_set_certificate(
                   &bench->requester, 0, bytes_of(bench->issued_chain, bench->issued_chain_size)));
}

enum status bench_prepare_permit(struct bench *bench) {
    uint8_t buffer[8];
    struct writer writer;
    struct bytes answer;
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_permit_nonce(&writer, PERMIT_ROOT_HASH);
    enum status status = bench_vendor(bench, writer_bytes(&writer), &answer);
    if (status == STATUS_OK) {
        status = devauth_read_permit_nonce(answer, bench->permit.nonce);
    }
    memcpy(bench->permit.uid, ram_chip.uid, sizeof ram_chip.uid);
    crypto_sha256(bytes_of(bench->keys.auth, 64), bench->permit.auth_key_hash);
    crypto_sha256(test_identity_certificate(&bench->pki.root), bench->permit_arguments.root_hash);
    crypto_sha256(bytes_of(bench->pki.command_authority.public_key, 64),
                  bench->permit_arguments.command_key_hash);
    return status;
}

static enum status sign_as(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct test_identity *authority = context;
    return crypto_p256_sign(authority->private_key, digest, signature);
}

size_t bench_encode_permit(struct bench *bench, const struct test_identity *authority, uint8_t *out,
                           size_t capacity) {
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct test_identity signer = *authority;
    struct writer inner;
    struct writer writer;
    const struct bytes chain[] = {test_identity_certificate(authority),
                                  test_identity_certificate(&bench->pki.operations_ca)};
    writer_init(&inner, payload, sizeof payload);
    permit_write_root_hash(&inner, &bench->permit, &bench->permit_arguments);
    require(writer_check(&inner) == STATUS_OK);
    writer_init(&writer, out, capacity);
    require(cose_sign1_write(&writer, chain, 2, writer_bytes(&inner), sign_as, &signer) ==
            STATUS_OK);
    return writer.size;
}

enum status bench_send_permit(struct bench *bench) {
    uint8_t permit[2048];
    uint8_t request[2100];
    struct writer writer;
    size_t size = bench_encode_permit(bench, &bench->pki.command_authority, permit, sizeof permit);
    writer_init(&writer, request, sizeof request);
    devauth_request_permit_execute(&writer, bytes_of(permit, size));
    return bench_vendor(bench, writer_bytes(&writer), NULL);
}

enum status bench_certify(struct bench *bench) {
    static const uint8_t nonce[32] = {1, 2, 3};
    struct bytes csr;
    enum status status = bench_open(bench, BENCH_PRIVILEGED);
    if (status == STATUS_OK) {
        status = bench_generate_keys(bench);
    }
    if (status == STATUS_OK) {
        status = bench_get_csr(bench, nonce, &csr);
    }
    if (status == STATUS_OK) {
        bench_issue(bench);
        status = bench_set_certificate(bench);
    }
    return status;
}

enum status bench_provision(struct bench *bench) {
    enum status status = bench_boot(bench);
    if (status == STATUS_OK) {
        status = bench_certify(bench);
    }
    if (status == STATUS_OK) {
        status = bench_open(bench, BENCH_PRIVILEGED);
    }
    if (status == STATUS_OK) {
        status = bench_prepare_permit(bench);
    }
    return status == STATUS_OK ? bench_send_permit(bench) : status;
}
