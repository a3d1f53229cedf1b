#include "spdm/testing/fixture.h"

#include "spdm/spdm_chain.h"

#include <stdlib.h>
#include <string.h>

#define LEAF_KEY_OFFSET (SPDM_CHAIN_MIN + FIXTURE_CERTIFICATE_SIZE + 4)

/* What a test stands on; unlike assert it does not depend on NDEBUG. */
static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* 30 42 | 04 40 | X || Y */
static void write_certificate(struct writer *writer, const struct fixture_party *party) {
    write_u8(writer, 0x30);
    write_u8(writer, FIXTURE_CERTIFICATE_SIZE - 2);
    write_u8(writer, 0x04);
    write_u8(writer, CRYPTO_PUBLIC_KEY_SIZE);
    write_bytes(writer, bytes_of(party->public_key, sizeof party->public_key));
}

void fixture_make_chain(struct fixture_party *party, const struct fixture_party *root) {
    uint8_t certificates[2 * FIXTURE_CERTIFICATE_SIZE];
    struct writer writer;
    writer_init(&writer, certificates, sizeof certificates);
    write_certificate(&writer, root);
    write_certificate(&writer, party);
    struct bytes both = writer_bytes(&writer);
    writer_init(&writer, party->blob, sizeof party->blob);
    enum status status = spdm_chain_write(both, &writer);
    require(status == STATUS_OK);
    party->blob_size = writer.size;
}

static enum status verify_chain(const struct fixture_party *root, struct bytes blob,
                                uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    struct bytes key = bytes_slice(blob, SPDM_CHAIN_MIN + 4, CRYPTO_PUBLIC_KEY_SIZE);
    struct bytes leaf = bytes_slice(blob, LEAF_KEY_OFFSET, CRYPTO_PUBLIC_KEY_SIZE);
    if (blob.size != SPDM_CHAIN_MIN + 2 * FIXTURE_CERTIFICATE_SIZE ||
        !bytes_equal(key, bytes_of(root->public_key, sizeof root->public_key))) {
        return STATUS_BAD_CERTIFICATE;
    }
    memcpy(public_key, leaf.data, leaf.size);
    return STATUS_OK;
}

/* The host's own key is the root that the device trusts, and the other way round. */
static enum status device_verify(void *context, struct bytes blob, uint8_t *public_key) {
    struct fixture *fixture = context;
    return verify_chain(&fixture->host, blob, public_key);
}

static enum status host_verify(void *context, struct bytes blob, uint8_t *public_key) {
    struct fixture *fixture = context;
    return verify_chain(&fixture->device, blob, public_key);
}

static enum status device_chain(void *context, uint8_t slot, struct bytes *blob) {
    struct fixture *fixture = context;
    if (slot == 1 && fixture->stored_size > 0) {
        *blob = bytes_of(fixture->stored, fixture->stored_size);
        return STATUS_OK;
    }
    *blob = bytes_of(fixture->device.blob, fixture->device.blob_size);
    return slot == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status device_sign(void *context, uint8_t slot, const uint8_t *digest,
                               uint8_t *signature) {
    struct fixture *fixture = context;
    (void)slot;
    return crypto_p256_sign(fixture->device.private_key, digest, signature);
}

static enum status host_sign(void *context, const uint8_t *digest, uint8_t *signature) {
    struct fixture *fixture = context;
    return crypto_p256_sign(fixture->host.private_key, digest, signature);
}

static enum status device_measurements(void *context, struct writer *blocks) {
    struct fixture *fixture = context;
    uint8_t value[SPDM_MESSAGE_MAX];
    memset(value, 0xA5, sizeof value);
    spdm_measurement_write(blocks, 1, SPDM_MEASUREMENT_ROM, bytes_of(value, SPDM_HASH_SIZE));
    spdm_measurement_write(blocks, 2, SPDM_MEASUREMENT_SVN | SPDM_MEASUREMENT_RAW,
                           bytes_of(value, 8));
    spdm_measurement_write(blocks, 0xFD, SPDM_MEASUREMENT_MANIFEST | SPDM_MEASUREMENT_RAW,
                           bytes_of(value, fixture->measurement_size));
    return writer_check(blocks);
}

/* "CSR" and whatever was asked for. */
static enum status device_csr(void *context, struct bytes info, struct writer *csr) {
    struct fixture *fixture = context;
    write_bytes(csr, bytes_of("CSR", 3));
    write_bytes(csr, info);
    return fixture->csr_status;
}

static enum status device_set_certificate(void *context, uint8_t slot, struct bytes blob) {
    struct fixture *fixture = context;
    if (slot != 1 || blob.size > sizeof fixture->stored) {
        return STATUS_INVALID;
    }
    memcpy(fixture->stored, blob.data, blob.size);
    fixture->stored_size = blob.size;
    return STATUS_OK;
}

/* An echo that notes with which authority it was called. */
static enum status device_vendor(void *context, enum spdm_privilege privilege, struct bytes payload,
                                 struct writer *response) {
    struct fixture *fixture = context;
    fixture->seen_privilege = privilege;
    write_bytes(response, payload);
    return fixture->vendor_status;
}

static const struct spdm_responder_ops DEVICE_OPS = {
    .chain = device_chain,
    .sign = device_sign,
    .measurements = device_measurements,
    .verify_requester = device_verify,
    .csr = device_csr,
    .set_certificate = device_set_certificate,
    .vendor = device_vendor,
};

static const struct spdm_requester_ops HOST_OPS = {.verify_chain = host_verify, .sign = host_sign};

static void make_party(struct fixture_party *party) {
    enum status status = crypto_p256_generate(party->private_key, party->public_key);
    require(status == STATUS_OK);
    fixture_make_chain(party, party);
}

void fixture_start(struct fixture *fixture, uint32_t device_caps, uint32_t host_caps) {
    memset(fixture, 0, sizeof *fixture);
    enum status status = crypto_init(NULL, NULL);
    require(status == STATUS_OK);
    make_party(&fixture->device);
    make_party(&fixture->host);
    make_party(&fixture->stranger);
    fixture->csr_status = STATUS_OK;
    fixture->vendor_status = STATUS_OK;
    fixture->measurement_size = 16;
    struct spdm_responder_config device = {
        .ops = &DEVICE_OPS,
        .context = fixture,
        .capabilities = device_caps == 0 ? SPDM_CAPS_PROVISIONING : device_caps,
        .crypto_timeout_exponent = 23,
        .requester_chain = fixture->requester_chain,
        .requester_chain_capacity = sizeof fixture->requester_chain,
    };
    struct spdm_requester_config host = {
        .ops = &HOST_OPS,
        .context = fixture,
        .capabilities = host_caps == 0 ? SPDM_CAPS_REQUESTER_MUTUAL : host_caps,
        .chain = bytes_of(fixture->host.blob, fixture->host.blob_size),
    };
    spdm_responder_init(&fixture->responder, &device);
    spdm_requester_init(&fixture->requester, &host);
}

static bool tap(struct fixture *fixture, bool to_device, uint8_t *type, uint8_t *message,
                size_t *size) {
    fixture->carried++;
    return fixture->tap == NULL || fixture->tap(fixture, to_device, type, message, size);
}

/* One message to the device, its answer back; BUSY if either got lost. */
static enum status exchange(struct fixture *fixture, uint8_t *type, uint8_t *message,
                            size_t *size) {
    struct writer response;
    writer_init(&response, fixture->last_response, sizeof fixture->last_response);
    fixture->last_response_size = 0;
    if (!tap(fixture, true, type, message, size)) {
        return STATUS_BUSY;
    }
    enum status status =
        spdm_responder_handle(&fixture->responder, *type, message, *size, &response, type);
    if (status != STATUS_OK) {
        return STATUS_BUSY;
    }
    fixture->last_response_size = response.size;
    return tap(fixture, false, type, fixture->last_response, &fixture->last_response_size)
               ? STATUS_OK
               : STATUS_BUSY;
}

enum status fixture_step(struct fixture *fixture) {
    struct spdm_requester *requester = &fixture->requester;
    uint8_t message[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    writer_init(&writer, message, sizeof message);
    enum status status = spdm_requester_output(requester, &writer, &type);
    if (status != STATUS_OK) {
        return status;
    }
    size_t size = writer.size;
    status = exchange(fixture, &type, message, &size);
    if (status == STATUS_OK) {
        status = spdm_requester_input(requester, type, fixture->last_response,
                                      fixture->last_response_size);
    }
    if (status == STATUS_BUSY) {
        status = STATUS_LINK;
        spdm_requester_abort(requester, status);
    }
    return status;
}

enum status fixture_run(struct fixture *fixture) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK &&
           spdm_requester_state(&fixture->requester) == SPDM_REQUESTER_SEND) {
        status = fixture_step(fixture);
    }
    return status;
}

enum status fixture_handshake(struct fixture *fixture) {
    enum status status = fixture_connect(fixture);
    if (status == STATUS_OK) {
        status = spdm_requester_open_session(&fixture->requester);
    }
    return status == STATUS_OK ? fixture_step(fixture) : status;
}

enum status fixture_send(struct fixture *fixture, struct bytes message) {
    uint8_t copy[SPDM_RECORD_MAX + 64];
    uint8_t type = SPDM_TYPE_CLEAR;
    size_t size = message.size;
    require(size <= sizeof copy);
    if (size > 0) {
        memcpy(copy, message.data, size);
    }
    return exchange(fixture, &type, copy, &size);
}

enum status fixture_send_inside(struct fixture *fixture, struct bytes message) {
    struct spdm_session *session = &fixture->requester.session;
    uint8_t record[SPDM_RECORD_MAX];
    uint8_t type = SPDM_TYPE_SECURED;
    size_t size = 0;
    struct bytes inner;
    if (message.size > 0) {
        memcpy(&record[SPDM_SECURED_OFFSET], message.data, message.size);
    }
    enum status status = spdm_secured_seal(&session->request, session->id, record, sizeof record,
                                           message.size, 0, &size);
    require(status == STATUS_OK);
    if (exchange(fixture, &type, record, &size) != STATUS_OK) {
        return STATUS_BUSY;
    }
    status = spdm_secured_open(&session->response, fixture->last_response,
                               fixture->last_response_size, &inner);
    if (status == STATUS_OK) {
        memmove(fixture->last_response, inner.data, inner.size);
        fixture->last_response_size = inner.size;
    }
    return status;
}

enum status fixture_connect(struct fixture *fixture) {
    enum status status = spdm_requester_connect(&fixture->requester);
    if (status == STATUS_OK) {
        status = fixture_run(fixture);
    }
    if (status == STATUS_OK) {
        status = spdm_requester_get_chain(&fixture->requester, 0);
    }
    return status == STATUS_OK ? fixture_run(fixture) : status;
}

enum status fixture_open(struct fixture *fixture) {
    enum status status = fixture_connect(fixture);
    if (status == STATUS_OK) {
        status = spdm_requester_open_session(&fixture->requester);
    }
    return status == STATUS_OK ? fixture_run(fixture) : status;
}
