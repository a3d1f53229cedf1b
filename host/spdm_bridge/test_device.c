#include "spdm_bridge/test_device.h"

#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_chain.h"
#include "spdm/spdm_responder.h"

#include <string.h>
#include <unistd.h>

struct state {
    const struct test_device *device;
    struct spdm_responder responder;
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    uint8_t request[1 + SPDM_RECORD_MAX];
    uint8_t response[SPDM_RECORD_MAX];
    uint8_t requester_chain[SPDM_CHAIN_MAX];
    uint8_t blob[SPDM_CHAIN_MAX];
    size_t blob_size;
};

static enum status get_chain(void *context, uint8_t slot, struct bytes *blob) {
    const struct state *state = context;
    *blob = bytes_of(state->blob, state->blob_size);
    return slot == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status sign(void *context, uint8_t slot, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct state *state = context;
    (void)slot;
    return crypto_p256_sign(state->device->private_key, digest, signature);
}

static enum status measure(void *context, struct writer *blocks) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    uint8_t version[8] = {1};
    (void)context;
    crypto_sha256(bytes_of("rom", 3), digest);
    spdm_measurement_write(blocks, 1, SPDM_MEASUREMENT_ROM, bytes_of(digest, sizeof digest));
    crypto_sha256(bytes_of("firmware", 8), digest);
    spdm_measurement_write(blocks, 2, SPDM_MEASUREMENT_FIRMWARE, bytes_of(digest, sizeof digest));
    spdm_measurement_write(blocks, 16, SPDM_MEASUREMENT_SVN | SPDM_MEASUREMENT_RAW,
                           bytes_of(version, sizeof version));
    return writer_check(blocks);
}

static enum status verify_requester(void *context, struct bytes blob,
                                    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    const struct state *state = context;
    uint8_t root_hash[CRYPTO_DIGEST_SIZE];
    struct bytes certificates;
    enum status status = spdm_chain_parse(blob, &certificates);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(state->device->requester_root, root_hash);
    return crypto_chain_verify(certificates, root_hash, bytes_of(NULL, 0), public_key);
}

static enum status refuse_csr(void *context, struct bytes info, struct writer *csr) {
    (void)context;
    (void)info;
    (void)csr;
    return STATUS_UNSUPPORTED;
}

static enum status forget_certificate(void *context, uint8_t slot, struct bytes blob) {
    (void)context;
    (void)blob;
    return slot == 0 ? STATUS_OK : STATUS_INVALID;
}

static enum status echo(void *context, enum spdm_privilege privilege, struct bytes payload,
                        struct writer *response) {
    (void)context;
    (void)privilege;
    write_bytes(response, payload);
    return writer_check(response);
}

static const struct spdm_responder_ops OPS = {
    .chain = get_chain,
    .sign = sign,
    .measurements = measure,
    .verify_requester = verify_requester,
    .csr = refuse_csr,
    .set_certificate = forget_certificate,
    .vendor = echo,
};

static int write_all(int fd, struct bytes bytes, struct error *error) {
    for (size_t done = 0; done < bytes.size;) {
        ssize_t count = write(fd, &bytes.data[done], bytes.size - done);
        if (count <= 0) {
            return error_set(error, ERROR_DEVICE_LINK, "the host's end of the line is gone");
        }
        done += (size_t)count;
    }
    return 0;
}

static int answer(struct state *state, int fd, const struct mctp_message *message,
                  struct error *error) {
    struct writer response;
    uint8_t type = 0;
    writer_init(&response, state->response, sizeof state->response);
    if (spdm_responder_handle(&state->responder, message->type, message->body, message->size,
                              &response, &type) != STATUS_OK) {
        return 0;
    }
    mctp_send(&state->endpoint, type, writer_bytes(&response));
    for (;;) {
        uint8_t packet[MCTP_PACKET_MAX];
        uint8_t frame[MCTP_SERIAL_FRAME_MAX];
        struct writer packet_writer;
        struct writer frame_writer;
        writer_init(&packet_writer, packet, sizeof packet);
        writer_init(&frame_writer, frame, sizeof frame);
        if (mctp_send_next(&state->endpoint, &packet_writer) != STATUS_OK) {
            return 0;
        }
        if (mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer) != STATUS_OK ||
            write_all(fd, writer_bytes(&frame_writer), error) != 0) {
            return -1;
        }
    }
}

static int start(struct state *state, const struct test_device *device, struct error *error) {
    struct writer blob;
    bool mutual = device->requester_root.size > 0;
    struct spdm_responder_config config = {
        .ops = &OPS,
        .context = state,
        .capabilities = mutual ? SPDM_CAPS_PROVISIONING : SPDM_CAPS_BASIC,
        .crypto_timeout_exponent = 23,
        .requester_chain = state->requester_chain,
        .requester_chain_capacity = sizeof state->requester_chain,
    };
    state->device = device;
    writer_init(&blob, state->blob, sizeof state->blob);
    if (spdm_chain_write(device->chain, &blob) != STATUS_OK) {
        return error_set(error, ERROR_BAD_CERTIFICATE, "the chain is not DER certificates");
    }
    state->blob_size = blob.size;
    mctp_serial_init(&state->deframer);
    mctp_init(&state->endpoint, MCTP_RESPONDER, MCTP_EID_DEVICE, MCTP_EID_PROGRAMMER,
              state->request, sizeof state->request);
    spdm_responder_init(&state->responder, &config);
    return 0;
}

int test_device_serve(const struct test_device *device, int fd, struct error *error) {
    static struct state state;
    uint8_t input[512];
    if (start(&state, device, error) != 0) {
        return -1;
    }
    for (;;) {
        ssize_t count = read(fd, input, sizeof input);
        if (count <= 0) {
            return 0;
        }
        for (ssize_t i = 0; i < count; i++) {
            struct bytes packet;
            struct mctp_message message;
            if (mctp_serial_receive(&state.deframer, input[i], &packet) &&
                mctp_receive(&state.endpoint, packet, &message) == STATUS_OK &&
                answer(&state, fd, &message, error) != 0) {
                return -1;
            }
        }
    }
}
