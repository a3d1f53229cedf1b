#include "server/api_handlers.h"

#include <string.h>

static json_t *programmer_json(const struct store_programmer *programmer) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "id", programmer->id, "name",
                     programmer->name, "state", programmer->state, "assurance",
                     programmer->assurance, "epoch", (json_int_t)programmer->epoch,
                     "certificate_sha256_hex", api_hex(programmer->certificate_hash, 32), "created",
                     api_time(programmer->created));
}

enum api_result api_programmer_enrol(struct api_call *call, struct error *error) {
    struct service_enrolment enrolment = {.actor = call->caller.actor};
    struct buffer pem = {0};
    json_t *object = NULL;
    int result = -1;

    if (json_read_string(call->request, "name", &enrolment.name, error) == 0 &&
        json_read_string(call->request, "csr_pem", &enrolment.csr_pem, error) == 0 &&
        json_read_string(call->request, "assurance", &enrolment.assurance, error) == 0 &&
        service_programmer_enrol(call->service, &enrolment, error) == 0)
        result = x509_certificate_to_pem(buffer_bytes(&enrolment.certificate), &pem, error);
    if (result == 0)
        object = json_pack("{s:s, s:s, s:s}", "id", enrolment.programmer.id, "certificate_pem",
                           buffer_text(&pem), "state", enrolment.programmer.state);
    buffer_free(&enrolment.certificate);
    buffer_free(&pem);
    return result == 0 ? api_reply_json(call, 201, object, error) : API_FAILED;
}

/* Exactly `size` bytes of base64. */
static int read_fixed(const json_t *request, const char *name, uint8_t *out, size_t size,
                      struct error *error) {
    size_t got;

    if (json_read_base64(request, name, out, size, &got, error) != 0)
        return -1;
    if (got != size)
        return error_set(error, ERROR_BAD_REQUEST, "%s must be %zu bytes", name, size);
    return 0;
}

enum api_result api_programmer_agree(struct api_call *call, struct error *error) {
    const struct authority *authority = &call->service->authority;
    struct service_agreement agreement = {.programmer_id = call->parameter[0],
                                          .actor = call->caller.actor};

    if (read_fixed(call->request, "point_b64", agreement.peer_point, sizeof agreement.peer_point,
                   error) != 0 ||
        read_fixed(call->request, "signature_b64", agreement.peer_signature,
                   sizeof agreement.peer_signature, error) != 0 ||
        service_programmer_agree(call->service, call->reader, &agreement, error) != 0)
        return API_FAILED;
    return api_reply_json(
        call, 200,
        json_pack("{s:I, s:o, s:o, s:o, s:[o, o], s:s}", "epoch", (json_int_t)agreement.epoch,
                  "point_b64", api_base64(agreement.point, sizeof agreement.point), "signature_b64",
                  api_base64(agreement.signature, sizeof agreement.signature), "wrapped_key_b64",
                  api_base64(agreement.wrapped_key, agreement.wrapped_key_size),
                  "signer_x5chain_b64",
                  api_base64(authority->job_authority.data, authority->job_authority.size),
                  api_base64(authority->operations_ca.data, authority->operations_ca.size), "state",
                  "ready"),
        error);
}

enum api_result api_programmer_revoke(struct api_call *call, struct error *error) {
    if (service_programmer_revoke(call->service, call->parameter[0], call->caller.actor, error) !=
        0)
        return API_FAILED;
    return api_reply_json(call, 200, json_pack("{s:s}", "state", "revoked"), error);
}

static void add_programmer(void *context, const struct store_programmer *programmer) {
    json_array_append_new(context, programmer_json(programmer));
}

enum api_result api_programmer_list(struct api_call *call, struct error *error) {
    json_t *programmers = json_array();

    if (store_programmer_list(call->reader, add_programmer, programmers, error) != 0) {
        json_decref(programmers);
        return API_FAILED;
    }
    return api_reply_json(call, 200, json_pack("{s:o}", "programmers", programmers), error);
}

enum api_result api_programmer_show(struct api_call *call, struct error *error) {
    struct store_programmer programmer;

    if (store_programmer_find(call->reader, call->parameter[0], &programmer, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, programmer_json(&programmer), error);
}
