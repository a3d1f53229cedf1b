/* Secure boot at the line. */
#include "server/api_handlers.h"

#include "cose/permit.h"
#include "cose/unit_record.h"

#include <string.h>

#define TRANSCRIPT_MAX UNIT_RECORD_TRANSCRIPT_MAX

static int read_step(const json_t *request, const char *key, enum store_step_id *step,
                     struct error *error) {
    static const char *const names[] = {
        [STORE_STEP_BL2] = "bl2", [STORE_STEP_BL3] = "bl3", [STORE_STEP_RECORD] = "record"};
    const char *text = NULL;

    if (json_read_string(request, key, &text, error) != 0)
        return -1;
    for (unsigned i = STORE_STEP_BL2; i <= STORE_STEP_RECORD; i++)
        if (strcmp(text, names[i]) == 0) {
            *step = (enum store_step_id)i;
            return 0;
        }
    return error_set(error, ERROR_BAD_REQUEST, "%s must be bl2, bl3 or record", key);
}

/* Measurements that were refused have left an event. */
static enum api_result refused(struct api_call *call, const struct error *error) {
    if (error->code == ERROR_ATTESTATION_REFUSED)
        metrics_count(&call->worker->metrics->flagged);
    return API_FAILED;
}

static int finish_challenge(struct api_call *call, struct error *error) {
    const struct store_challenge *challenge = call->operation;
    json_t *object = json_pack("{s:o, s:I}", "nonce_hex", api_hex(challenge->nonce, 32),
                               "expires_in", (json_int_t)(challenge->expires - challenge->now));

    return api_reply_json(call, 201, object, error) == API_DONE ? 0 : -1;
}

enum api_result api_unit_challenge(struct api_call *call, struct error *error) {
    struct store_challenge *challenge = api_operation(call, sizeof *challenge, error);

    if (challenge == NULL || api_read_unit_id(call, challenge->unit_id, error) != 0 ||
        read_step(call->request, "step", &challenge->step, error) != 0)
        return API_FAILED;
    challenge->programmer_id = call->caller.name;
    if (service_prepare_challenge(call->service, challenge, error) != 0)
        return API_FAILED;
    return api_commit(call, store_challenge_add, challenge, finish_challenge);
}

static int finish_image(struct api_call *call, struct error *error) {
    const struct service_image *image = call->operation;
    json_t *object = json_pack(
        "{s:s, s:I, s:o, s:o, s:o, s:o}", "firmware_id", image->release.firmware_id, "body_size",
        (json_int_t)image->release.body_size, "body_sha256_hex",
        api_hex(image->release.body_sha256, 32), "tlvs_b64",
        api_base64(image->write.tlvs, image->write.tlvs_size), "image_digest_hex",
        api_hex(image->release.image_digest, 32), "key_hash_hex", api_hex(image->key_hash, 32));

    return api_reply_json(call, 200, object, error) == API_DONE ? 0 : -1;
}

static int finish_new_image(struct api_call *call, struct error *error) {
    metrics_count(&call->worker->metrics->images);
    return finish_image(call, error);
}

static void release_image(void *operation) {
    struct service_image *image = operation;

    buffer_free(&image->transcript);
}

enum api_result api_unit_image(struct api_call *call, struct error *error) {
    struct service_image *image = api_operation(call, sizeof *image, error);
    struct store_answer *answer;
    enum store_step_id target = STORE_STEP_RECORD;

    if (image == NULL)
        return API_FAILED;
    call->release = release_image;
    answer = &image->write.attestation.answer;
    if (api_read_unit_id(call, answer->unit_id, error) != 0 ||
        read_step(call->request, "target", &target, error) != 0 ||
        json_read_hex(call->request, "nonce_hex", answer->nonce, 32, error) != 0 ||
        json_read_base64_buffer(call->request, "transcript_b64", TRANSCRIPT_MAX, &image->transcript,
                                error) != 0)
        return API_FAILED;
    if (target == STORE_STEP_RECORD) {
        error_set(error, ERROR_BAD_REQUEST, "target must be bl2 or bl3");
        return API_FAILED;
    }
    image->write.target = target == STORE_STEP_BL2 ? STORE_BL2 : STORE_BL3;
    answer->programmer_id = call->caller.name;
    switch (service_prepare_image(call->service, call->reader, image, error)) {
    case 0: return api_commit(call, store_image_release, &image->write, finish_new_image);
    case 1: return finish_image(call, error) == 0 ? API_DONE : API_FAILED;
    default: return refused(call, error);
    }
}

static int finish_record(struct api_call *call, struct error *error) {
    const struct service_record *record = call->operation;
    json_t *object = json_pack("{s:s, s:I}", "state", unit_state_name(UNIT_DONE), "remaining",
                               (json_int_t)record->write.remaining);

    if (!record->write.is_repeated)
        metrics_count(&call->worker->metrics->done);
    return api_reply_json(call, 200, object, error) == API_DONE ? 0 : -1;
}

static void release_record(void *operation) {
    struct service_record *record = operation;

    buffer_free(&record->encoded);
}

enum api_result api_unit_record(struct api_call *call, struct error *error) {
    struct service_record *record = api_operation(call, sizeof *record, error);

    if (record == NULL)
        return API_FAILED;
    call->release = release_record;
    if (api_read_unit_id(call, record->write.attestation.answer.unit_id, error) != 0 ||
        api_read_line(call->request, &record->write.line, error) != 0 ||
        json_read_base64_buffer(call->request, "record_b64", UNIT_RECORD_MAX, &record->encoded,
                                error) != 0)
        return API_FAILED;
    record->write.attestation.answer.programmer_id = call->caller.name;
    if (service_prepare_record(call->service, call->reader, record, error) != 0)
        return refused(call, error);
    return api_commit(call, store_record_accept, &record->write, finish_record);
}

enum api_result api_device_rma(struct api_call *call, struct error *error) {
    struct store_rma rma = {
        .reason = "unspecified", .actor = call->caller.actor, .now = service_now(call->service)};

    if (api_read_uid(call->parameter[0], rma.uid, error) != 0 ||
        json_read_string(call->request, "reason", &rma.reason, error) != 0 ||
        service_check_text("reason", rma.reason, error) != 0 ||
        store_run(call->service->store, store_rma_authorise, &rma, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, json_pack("{s:s}", "state", "rma_authorised"), error);
}

static int finish_rma_permit(struct api_call *call, struct error *error) {
    const struct service_rma *rma = call->operation;
    json_t *object =
        json_pack("{s:o}", "permit_b64", api_base64(rma->encoded.data, rma->encoded.size));

    metrics_count(&call->worker->metrics->permits);
    return api_reply_json(call, 200, object, error) == API_DONE ? 0 : -1;
}

static void release_rma(void *operation) {
    struct service_rma *rma = operation;

    buffer_free(&rma->encoded);
}

enum api_result api_device_permit(struct api_call *call, struct error *error) {
    struct service_rma *rma = api_operation(call, sizeof *rma, error);
    const char *command = NULL;

    if (rma == NULL)
        return API_FAILED;
    call->release = release_rma;
    if (api_read_uid(call->parameter[0], rma->write.uid, error) != 0 ||
        json_read_string(call->request, "command", &command, error) != 0 ||
        json_read_hex(call->request, "device_nonce_hex", rma->write.device_nonce, 32, error) != 0 ||
        json_read_hex(call->request, "auth_key_hash_hex", rma->write.auth_key_hash, 32, error) != 0)
        return API_FAILED;
    if (strcmp(command, "rma") != 0) {
        error_set(error, ERROR_UNSUPPORTED, "there is no permit for %.40s here", command);
        return API_FAILED;
    }
    rma->write.actor = call->caller.actor;
    if (service_prepare_rma(call->service, call->reader, rma, error) != 0)
        return API_FAILED;
    return api_commit(call, store_rma_permit, &rma->write, finish_rma_permit);
}
