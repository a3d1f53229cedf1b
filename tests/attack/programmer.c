#include "attack/programmer.h"

#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "devauth/certificate.h"
#include "devauth/oid.h"
#include "devauth/otp_map.h"
#include "spdm/spdm_chain.h"
#include "x509/device_csr.h"

#include <string.h>

#define READ_CHUNK  512
#define PERMIT_SIZE 2048

const char *programmer_step_name(enum programmer_step step) {
    static const char *const names[] = {"connect", "session",   "keys",    "csr", "install",
                                        "verify",  "root_hash", "confirm", "done"};
    return names[step];
}

/* The self-signed certificate counts for nothing but its key, which the mailbox vouches for. */
static enum status verify_chain(void *context, struct bytes blob, uint8_t public_key[64]) {
    struct programmer *programmer = context;
    struct bytes certificates;
    struct bytes first;
    struct bytes rest;
    struct bytes subject;
    uint8_t root_hash[32];
    enum status status = spdm_chain_parse(blob, &certificates);

    if (status == STATUS_OK)
        status = crypto_certificate_split(certificates, &first, &rest);
    if (status != STATUS_OK)
        return status;
    if (rest.size == 0)
        return certificate_read_names(first, &subject, public_key);
    crypto_sha256(test_identity_certificate(&programmer->pki->root), root_hash);
    return crypto_chain_verify(certificates, root_hash, oid_eku_device, public_key);
}

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct programmer *programmer = context;

    return crypto_p256_sign(programmer->pki->programmer.private_key, digest, signature);
}

static const struct spdm_requester_ops operations = {.verify_chain = verify_chain, .sign = sign};

void programmer_init(struct programmer *programmer, const struct test_pki *pki,
                     const struct wire *wire) {
    memset(programmer, 0, sizeof(*programmer));
    programmer->pki = pki;
    programmer->wire = wire;
    programmer->own_chain_size =
        test_chain(programmer->own_chain, sizeof(programmer->own_chain), &pki->root,
                   &pki->operations_ca, test_identity_certificate(&pki->programmer));
    mctp_serial_init(&programmer->deframer);
    mctp_init(&programmer->endpoint, MCTP_REQUESTER, MCTP_EID_PROGRAMMER, MCTP_EID_DEVICE,
              programmer->reassembly, sizeof(programmer->reassembly));
}

static void send_request(struct programmer *programmer) {
    static uint8_t buffer[SPDM_RECORD_MAX];
    uint8_t packet[MCTP_PACKET_MAX];
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    struct writer message;
    struct writer packet_writer;
    struct writer frame_writer;
    uint8_t type = 0;

    writer_init(&message, buffer, sizeof(buffer));
    if (spdm_requester_output(&programmer->requester, &message, &type) != STATUS_OK)
        return; /* the state says so */
    mctp_send(&programmer->endpoint, type, writer_bytes(&message));
    for (;;) {
        writer_init(&packet_writer, packet, sizeof(packet));
        writer_init(&frame_writer, frame, sizeof(frame));
        if (mctp_send_next(&programmer->endpoint, &packet_writer) != STATUS_OK ||
            mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer) != STATUS_OK)
            return;
        programmer->wire->send(programmer->wire->context, writer_bytes(&frame_writer));
    }
}

static void take_byte(struct programmer *programmer, uint8_t byte) {
    struct bytes packet;
    struct mctp_message message;

    if (!mctp_serial_receive(&programmer->deframer, byte, &packet) ||
        mctp_receive(&programmer->endpoint, packet, &message) != STATUS_OK ||
        spdm_requester_state(&programmer->requester) != SPDM_REQUESTER_WAIT)
        return;
    enum status taken =
        spdm_requester_input(&programmer->requester, message.type, message.body, message.size);
    (void)taken; /* in the state, too */
}

static void receive_answer(struct programmer *programmer) {
    uint8_t chunk[READ_CHUNK];

    while (spdm_requester_state(&programmer->requester) == SPDM_REQUESTER_WAIT) {
        size_t size = programmer->wire->receive(programmer->wire->context, chunk, sizeof(chunk));
        if (size == 0)
            spdm_requester_abort(&programmer->requester, STATUS_LINK);
        for (size_t i = 0; i < size; i++)
            take_byte(programmer, chunk[i]);
    }
}

static enum status run(struct programmer *programmer, enum status started) {
    const struct spdm_requester *requester = &programmer->requester;

    if (started != STATUS_OK)
        return started;
    for (;;) {
        switch (spdm_requester_state(requester)) {
        case SPDM_REQUESTER_SEND: send_request(programmer); break;
        case SPDM_REQUESTER_WAIT: receive_answer(programmer); break;
        case SPDM_REQUESTER_DONE: return STATUS_OK;
        default:
            return spdm_requester_peer_error(requester).code == SPDM_ERROR_VENDOR
                       ? spdm_requester_peer_error(requester).vendor_status
                       : spdm_requester_failure(requester);
        }
    }
}

static enum status vendor(struct programmer *programmer, const struct writer *request,
                          struct bytes *answer) {
    enum status status = writer_check(request);

    if (status == STATUS_OK)
        status =
            run(programmer, spdm_requester_vendor(&programmer->requester, writer_bytes(request)));
    *answer = spdm_requester_result(&programmer->requester);
    return status;
}

/* Packets as long as the chip takes them, as the real programmer agrees on. */
static enum status agree_payload(struct programmer *programmer) {
    uint8_t buffer[8];
    struct writer request;
    struct bytes answer;
    uint16_t agreed = 0;

    writer_init(&request, buffer, sizeof(buffer));
    devauth_request_link_payload(&request, MCTP_PAYLOAD_MAX);
    enum status status = vendor(programmer, &request, &answer);
    if (status == STATUS_OK)
        status = devauth_read_link_payload(answer, &agreed);
    if (status == STATUS_OK)
        mctp_set_payload(&programmer->endpoint, agreed);
    return status;
}

static enum status connect_chip(struct programmer *programmer) {
    const struct spdm_requester_config config = {
        .ops = &operations,
        .context = programmer,
        .capabilities = SPDM_CAPS_REQUESTER_MUTUAL,
        .chain = bytes_of(programmer->own_chain, programmer->own_chain_size),
    };

    mctp_set_payload(&programmer->endpoint, MCTP_PAYLOAD_BASELINE);
    spdm_requester_init(&programmer->requester, &config);
    spdm_requester_expect_key(&programmer->requester, programmer->key_hash);
    enum status status = run(programmer, spdm_requester_connect(&programmer->requester));
    return status == STATUS_OK ? agree_payload(programmer) : status;
}

static enum status open_session(struct programmer *programmer) {
    struct spdm_requester *requester = &programmer->requester;
    enum status status = run(programmer, spdm_requester_get_chain(requester, DEVAUTH_SLOT));

    if (status == STATUS_OK)
        status = run(programmer, spdm_requester_open_session(requester));
    if (status == STATUS_OK && spdm_requester_privilege(requester) != SPDM_PRIVILEGE_PRIVILEGED)
        status = STATUS_DENIED;
    return status;
}

static enum status generate_keys(struct programmer *programmer) {
    uint8_t buffer[8];
    struct writer request;
    struct bytes answer;

    writer_init(&request, buffer, sizeof(buffer));
    devauth_request_simple(&request, DEVAUTH_GENERATE_KEYS);
    enum status status = vendor(programmer, &request, &answer);
    return status == STATUS_OK
               ? devauth_read_public_keys(answer, DEVAUTH_GENERATE_KEYS, &programmer->keys)
               : status;
}

/* The authority: the request must be for this reservation, and then its key is certified. */
static enum status issue(struct programmer *programmer, struct bytes request,
                         const uint8_t nonce[32]) {
    struct device_csr csr;
    struct error error;

    if (device_csr_read(request, &csr, &error) != 0 ||
        memcmp(csr.uid, programmer->uid, sizeof(csr.uid)) != 0 ||
        memcmp(csr.nonce, nonce, sizeof(csr.nonce)) != 0)
        return STATUS_BAD_SIGNATURE;
    test_pki_issue_device(programmer->pki, csr.uid, csr.auth_key, &programmer->device);
    programmer->issued_chain_size = test_chain(
        programmer->issued_chain, sizeof(programmer->issued_chain), &programmer->pki->root,
        &programmer->pki->device_ca, test_identity_certificate(&programmer->device));
    programmer->issued.exists = true;
    memcpy(programmer->issued.uid, csr.uid, sizeof(csr.uid));
    memcpy(programmer->issued.auth_key, csr.auth_key, sizeof(csr.auth_key));
    return STATUS_OK;
}

static enum status get_certificate(struct programmer *programmer) {
    uint8_t info[CERTIFICATE_REQUESTER_INFO_MAX];
    uint8_t nonce[32];
    struct writer writer;

    if (crypto_random(nonce, sizeof(nonce)) != STATUS_OK)
        return STATUS_NO_ENTROPY;
    writer_init(&writer, info, sizeof(info));
    certificate_write_requester_info(&writer, programmer->uid, programmer->keys.auth, nonce);
    enum status status =
        run(programmer, spdm_requester_get_csr(&programmer->requester, writer_bytes(&writer)));
    return status == STATUS_OK
               ? issue(programmer, spdm_requester_result(&programmer->requester), nonce)
               : status;
}

static enum status install(struct programmer *programmer) {
    struct bytes chain = bytes_of(programmer->issued_chain, programmer->issued_chain_size);

    return run(programmer,
               spdm_requester_set_certificate(&programmer->requester, DEVAUTH_SLOT, chain));
}

/* A new session, on the issued chain and nothing else: the chip owns the certified key. */
static enum status verify(struct programmer *programmer) {
    crypto_sha256(bytes_of(programmer->issued.auth_key, 64), programmer->key_hash);
    enum status status = connect_chip(programmer);
    if (status == STATUS_OK)
        status = open_session(programmer);
    struct bytes chain = spdm_requester_chain(&programmer->requester);
    if (status == STATUS_OK &&
        !bytes_equal(chain, bytes_of(programmer->issued_chain, programmer->issued_chain_size)))
        status = STATUS_MISMATCH;
    return status;
}

static enum status sign_permit(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct programmer *programmer = context;

    return crypto_p256_sign(programmer->pki->command_authority.private_key, digest, signature);
}

/* The authority again: the permit is for the key it certified, not for what the chip says now. */
static enum status write_permit(struct programmer *programmer, const uint8_t nonce[32],
                                struct writer *out) {
    const struct test_pki *pki = programmer->pki;
    const struct bytes signer[] = {test_identity_certificate(&pki->command_authority),
                                   test_identity_certificate(&pki->operations_ca)};
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct permit permit = {0};
    struct permit_root_hash arguments;
    struct writer writer;

    memcpy(permit.uid, programmer->issued.uid, sizeof(permit.uid));
    memcpy(permit.nonce, nonce, sizeof(permit.nonce));
    crypto_sha256(bytes_of(programmer->issued.auth_key, 64), permit.auth_key_hash);
    crypto_sha256(test_identity_certificate(&pki->root), arguments.root_hash);
    crypto_sha256(bytes_of(pki->command_authority.public_key, 64), arguments.command_key_hash);
    writer_init(&writer, payload, sizeof(payload));
    permit_write_root_hash(&writer, &permit, &arguments);
    return cose_sign1_write(out, signer, 2, writer_bytes(&writer), sign_permit, programmer);
}

static enum status write_root_hash(struct programmer *programmer) {
    uint8_t buffer[PERMIT_SIZE + 16];
    uint8_t permit_buffer[PERMIT_SIZE];
    uint8_t nonce[32];
    struct writer request;
    struct writer permit;
    struct bytes answer;
    struct devauth_permit_result result;

    writer_init(&request, buffer, sizeof(buffer));
    devauth_request_permit_nonce(&request, PERMIT_ROOT_HASH);
    enum status status = vendor(programmer, &request, &answer);
    if (status == STATUS_OK)
        status = devauth_read_permit_nonce(answer, nonce);
    writer_init(&permit, permit_buffer, sizeof(permit_buffer));
    if (status == STATUS_OK)
        status = write_permit(programmer, nonce, &permit);
    writer_init(&request, buffer, sizeof(buffer));
    devauth_request_permit_execute(&request, writer_bytes(&permit));
    if (status == STATUS_OK)
        status = vendor(programmer, &request, &answer);
    return status == STATUS_OK ? devauth_read_permit_result(answer, &result) : status;
}

/* Reads the root hash out of OTP in the session that is open. */
static enum status check_root_hash(struct programmer *programmer) {
    uint8_t buffer[8];
    uint8_t root_hash[32];
    struct writer request;
    struct bytes answer;
    struct bytes entries;

    writer_init(&request, buffer, sizeof(buffer));
    devauth_request_otp_read(&request, OTP_ROOT_HASH, OTP_HASH_ENTRIES);
    enum status status = vendor(programmer, &request, &answer);
    if (status == STATUS_OK)
        status = devauth_read_otp_entries(answer, OTP_HASH_ENTRIES, &entries);
    crypto_sha256(test_identity_certificate(&programmer->pki->root), root_hash);
    if (status == STATUS_OK && !bytes_equal(entries, bytes_of(root_hash, sizeof(root_hash))))
        status = STATUS_MISMATCH;
    return status;
}

enum status programmer_provision(struct programmer *programmer, const uint8_t uid[16],
                                 const uint8_t key_hash[32]) {
    static enum status (*const steps[STEP_DONE])(struct programmer *) = {
        [STEP_CONNECT] = connect_chip,      [STEP_SESSION] = open_session,
        [STEP_KEYS] = generate_keys,        [STEP_CSR] = get_certificate,
        [STEP_INSTALL] = install,           [STEP_VERIFY] = verify,
        [STEP_ROOT_HASH] = write_root_hash, [STEP_CONFIRM] = check_root_hash,
    };

    memcpy(programmer->uid, uid, sizeof(programmer->uid));
    memcpy(programmer->key_hash, key_hash, sizeof(programmer->key_hash));
    for (programmer->step = STEP_CONNECT; programmer->step < STEP_DONE; programmer->step++) {
        enum status status = steps[programmer->step](programmer);
        if (status != STATUS_OK)
            return status;
        if (programmer->on_step != NULL)
            programmer->on_step(programmer->on_step_context, programmer->step);
    }
    return STATUS_OK;
}

enum status programmer_confirm(struct programmer *programmer) {
    enum status status = verify(programmer);

    return status == STATUS_OK ? check_root_hash(programmer) : status;
}
