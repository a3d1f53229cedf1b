#include "spdm_bridge/client.h"

#include "spdm/spdm_chain.h"
#include "spdm/spdm_measurement.h"
#include "spdm/spdm_requester.h"

#include <inttypes.h>
#include <string.h>

struct client {
    struct spdm_requester requester;
    const struct client_identity *identity;
    client_carrier *carrier;
    void *context;
    FILE *out;
    uint8_t blob[SPDM_CHAIN_MAX];
};

static enum status verify_chain(void *context, struct bytes blob,
                                uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    const struct client *client = context;
    uint8_t root_hash[CRYPTO_DIGEST_SIZE];
    struct bytes certificates;
    enum status status = spdm_chain_parse(blob, &certificates);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(client->identity->root, root_hash);
    return crypto_chain_verify(certificates, root_hash, bytes_of(NULL, 0), public_key);
}

static enum status sign(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct client *client = context;
    return crypto_p256_sign(client->identity->private_key, digest, signature);
}

static const struct spdm_requester_ops OPS = {.verify_chain = verify_chain, .sign = sign};

/* One message there and its answer back. Answers that are not for us are waited out by asking the
 * carrier for nothing more: it has none, so that is an error. */
static int exchange(struct client *client, struct error *error) {
    uint8_t message[SPDM_RECORD_MAX];
    uint8_t answer[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    size_t size = 0;
    writer_init(&writer, message, sizeof message);
    if (spdm_requester_output(&client->requester, &writer, &type) != STATUS_OK) {
        return 0; /* the state says so */
    }
    if (client->carrier(client->context, type, writer_bytes(&writer), &type, answer, sizeof answer,
                        &size, error) != 0) {
        return -1;
    }
    if (spdm_requester_input(&client->requester, type, answer, size) == STATUS_BUSY) {
        spdm_requester_abort(&client->requester, STATUS_LINK);
    }
    return 0;
}

/* Carries an operation to its end and reports it. */
static int run(struct client *client, const char *name, enum status started, struct error *error) {
    enum status status = started;
    if (status == STATUS_OK) {
        while (spdm_requester_state(&client->requester) == SPDM_REQUESTER_SEND) {
            if (exchange(client, error) != 0) {
                return -1;
            }
        }
        status = spdm_requester_state(&client->requester) == SPDM_REQUESTER_DONE
                     ? STATUS_OK
                     : spdm_requester_failure(&client->requester);
    }
    struct spdm_peer_error peer = spdm_requester_peer_error(&client->requester);
    if (status == STATUS_OK) {
        fprintf(client->out, "%s: ok\n", name);
        return 0;
    }
    if (status == STATUS_PEER_ERROR) {
        return error_set(error, ERROR_DEVICE_REFUSED, "%s: the responder answered ERROR %02x %02x",
                         name, peer.code, peer.data);
    }
    return error_set(error, ERROR_DEVICE_UNTRUSTED, "%s: %s", name, status_name(status));
}

static void report_measurements(struct client *client) {
    struct reader reader;
    reader_init(&reader, spdm_requester_result(&client->requester));
    while (reader_remaining(&reader) > 0 && !reader.failed) {
        struct spdm_measurement block;
        spdm_measurement_next(&reader, &block);
        fprintf(client->out, "  measurement %02x type %02x, %zu bytes\n", block.index, block.type,
                block.value.size);
    }
}

static int prepare(struct client *client, struct error *error) {
    struct spdm_requester_config config = {
        .ops = &OPS,
        .context = client,
        .capabilities = SPDM_CAPS_REQUESTER,
        .certificate_portion = client->identity->portion,
    };
    if (client->identity->chain.size > 0) {
        struct writer blob;
        writer_init(&blob, client->blob, sizeof client->blob);
        if (spdm_chain_write(client->identity->chain, &blob) != STATUS_OK) {
            return error_set(error, ERROR_BAD_CERTIFICATE, "the chain is not DER certificates");
        }
        config.capabilities = SPDM_CAPS_REQUESTER_MUTUAL;
        config.chain = writer_bytes(&blob);
    }
    spdm_requester_init(&client->requester, &config);
    return 0;
}

static int run_all(struct client *client, struct error *error) {
    struct spdm_requester *requester = &client->requester;
    if (run(client, "negotiation", spdm_requester_connect(requester), error) != 0 ||
        run(client, "chain", spdm_requester_get_chain(requester, 0), error) != 0) {
        return -1;
    }
    fprintf(client->out, "  capabilities %08" PRIx32 ", chain of %zu bytes\n",
            requester->peer.flags, spdm_requester_chain(requester).size);
    if (run(client, "challenge", spdm_requester_challenge(requester), error) != 0 ||
        run(client, "measurements",
            spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, NULL), error) != 0) {
        return -1;
    }
    report_measurements(client);
    if (run(client, "session", spdm_requester_open_session(requester), error) != 0) {
        return -1;
    }
    fprintf(client->out, "  %s\n",
            spdm_requester_privilege(requester) == SPDM_PRIVILEGE_PRIVILEGED
                ? "mutually authenticated"
                : "responder authenticated");
    if (run(client, "measurements in the session",
            spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, NULL), error) != 0) {
        return -1;
    }
    return run(client, "end of session", spdm_requester_end_session(requester), error);
}

int client_run(client_carrier *carrier, void *context, const struct client_identity *identity,
               FILE *out, struct error *error) {
    static struct client client;
    client =
        (struct client){.identity = identity, .carrier = carrier, .context = context, .out = out};
    if (crypto_init(NULL, NULL) != STATUS_OK) {
        return error_set(error, ERROR_INTERNAL, "no crypto");
    }
    int result = prepare(&client, error) == 0 ? run_all(&client, error) : -1;
    spdm_requester_reset(&client.requester);
    return result;
}
