#include "server/api_handlers.h"

#include "base/encoding.h"

#include <string.h>

static json_t *programmer_json(const struct store_programmer *programmer) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "id", programmer->id, "name",
                     programmer->name, "state", programmer->state, "assurance",
                     programmer->assurance, "epoch", (json_int_t)programmer->epoch,
                     "certificate_sha256_hex", api_hex(programmer->certificate_hash, 32), "created",
                     api_time(programmer->created), "agreed",
                     programmer->agreed != 0 ? api_time(programmer->agreed) : json_null());
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

enum api_result api_tpm_challenge(struct api_call *call, struct error *error) {
    struct buffer certificate = {0};
    struct buffer ak_public = {0};
    struct service_tpm_challenge request = {0};
    int result = -1;

    if (json_read_base64_buffer(call->request, "ek_certificate_b64", TPM_EVIDENCE_CERTIFICATE_MAX,
                                &certificate, error) == 0 &&
        json_read_base64_buffer(call->request, "ak_public_b64", TPM_EVIDENCE_PUBLIC_MAX, &ak_public,
                                error) == 0) {
        request.ek_certificate = buffer_bytes(&certificate);
        request.ak_public = buffer_bytes(&ak_public);
        result = service_tpm_challenge(call->service, &request, error);
    }
    buffer_free(&certificate);
    buffer_free(&ak_public);
    if (result != 0)
        return API_FAILED;
    return api_reply_json(
        call, 201,
        json_pack("{s:s, s:o, s:o}", "challenge_id", request.id, "credential_b64",
                  api_base64(request.challenge.credential, sizeof request.challenge.credential),
                  "encrypted_secret_b64",
                  api_base64(request.challenge.encrypted_secret,
                             sizeof request.challenge.encrypted_secret)),
        error);
}

struct enrolment_proof {
    struct service_tpm_proof proof;
    struct buffer authkey_public;
    struct buffer attest;
};

/* The optional member "tpm"; *proof is left alone without it. */
static int read_proof(const json_t *request, struct enrolment_proof *read,
                      const struct service_tpm_proof **proof, struct error *error) {
    const json_t *object = json_object_get(request, "tpm");

    if (object == NULL || json_is_null(object))
        return 0;
    if (!json_is_object(object))
        return error_set(error, ERROR_BAD_REQUEST, "tpm must be an object");
    if (json_read_string(object, "challenge_id", &read->proof.challenge_id, error) != 0 ||
        json_read_base64_buffer(object, "authkey_public_b64", TPM_EVIDENCE_PUBLIC_MAX,
                                &read->authkey_public, error) != 0 ||
        json_read_base64_buffer(object, "attest_b64", TPM_EVIDENCE_ATTEST_MAX, &read->attest,
                                error) != 0 ||
        read_fixed(object, "signature_b64", read->proof.signature, sizeof read->proof.signature,
                   error) != 0)
        return -1;
    read->proof.authkey_public = buffer_bytes(&read->authkey_public);
    read->proof.attest = buffer_bytes(&read->attest);
    *proof = &read->proof;
    return 0;
}

enum api_result api_programmer_enrol(struct api_call *call, struct error *error) {
    struct service_enrolment enrolment = {.actor = call->caller.actor};
    struct enrolment_proof proof = {0};
    struct buffer pem = {0};
    json_t *object = NULL;
    int result = -1;

    if (json_read_string(call->request, "name", &enrolment.name, error) == 0 &&
        json_read_string(call->request, "csr_pem", &enrolment.csr_pem, error) == 0 &&
        json_read_string(call->request, "assurance", &enrolment.assurance, error) == 0 &&
        read_proof(call->request, &proof, &enrolment.tpm, error) == 0 &&
        service_programmer_enrol(call->service, call->reader, &enrolment, error) == 0)
        result = x509_certificate_to_pem(buffer_bytes(&enrolment.certificate), &pem, error);
    if (result == 0)
        object = json_pack("{s:s, s:s, s:s}", "id", enrolment.programmer.id, "certificate_pem",
                           buffer_text(&pem), "state", enrolment.programmer.state);
    buffer_free(&enrolment.certificate);
    buffer_free(&proof.authkey_public);
    buffer_free(&proof.attest);
    buffer_free(&pem);
    return result == 0 ? api_reply_json(call, 201, object, error) : API_FAILED;
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

/* So many UIDs are listed; all of them are in the reports of the jobs. */
#define AFFECTED_UIDS_MAX 10000

struct affected {
    json_t *jobs;
    json_t *uids;
    uint64_t units;
};

static void add_affected_job(void *context, const struct store_programmer_job *job) {
    struct affected *affected = context;
    json_t *units = json_object();

    for (int state = UNIT_RESERVED; state < UNIT_STATES; state++) {
        if (state == UNIT_SUPERSEDED)
            continue;
        json_object_set_new(units, unit_state_name((enum unit_state)state),
                            json_integer((json_int_t)job->states[state]));
        affected->units += job->states[state];
    }
    json_array_append_new(affected->jobs,
                          json_pack("{s:s, s:o}", "job_id", job->job_id, "units", units));
}

static void add_affected_uid(void *context, const uint8_t uid[STORE_UID_SIZE]) {
    struct affected *affected = context;
    char text[2 * STORE_UID_SIZE + 1];

    hex_encode_upper(bytes_of(uid, STORE_UID_SIZE), text);
    json_array_append_new(affected->uids, json_string(text));
}

enum api_result api_programmer_affected(struct api_call *call, struct error *error) {
    struct affected affected = {.jobs = json_array(), .uids = json_array()};
    struct store_programmer programmer;
    const char *id = call->parameter[0];

    if (store_programmer_find(call->reader, id, &programmer, error) != 0 ||
        store_programmer_jobs(call->reader, id, add_affected_job, &affected, error) != 0 ||
        store_programmer_uids(call->reader, id, AFFECTED_UIDS_MAX, add_affected_uid, &affected,
                              error) != 0) {
        json_decref(affected.jobs);
        json_decref(affected.uids);
        return API_FAILED;
    }
    return api_reply_json(call, 200,
                          json_pack("{s:s, s:s, s:I, s:o, s:o}", "programmer_id", id, "state",
                                    programmer.state, "unit_count", (json_int_t)affected.units,
                                    "jobs", affected.jobs, "uids", affected.uids),
                          error);
}

enum api_result api_programmer_revoke(struct api_call *call, struct error *error) {
    const char *reason = NULL;

    if (json_read_optional_string(call->request, "reason", &reason, error) != 0 ||
        service_programmer_revoke(call->service, call->parameter[0], call->caller.actor, reason,
                                  error) != 0)
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
