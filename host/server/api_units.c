/* Reservation and certificate are the hot path: their answers are printed, not built as JSON. */
#include "server/api_handlers.h"

#include "base/encoding.h"
#include "cose/permit.h"
#include "devauth/certificate.h"

#include <stdlib.h>
#include <string.h>

/* A step that was refused but left an event: committed, yet an error for the client. */
static int take_refusal(struct api_call *call, const struct error *refusal, struct error *error) {
    if (refusal->code == ERROR_NONE)
        return 0;
    metrics_count(&call->worker->metrics->flagged);
    *error = *refusal;
    return -1;
}

static int finish_text(struct api_call *call, int status, struct error *error) {
    return api_reply_raw(call, status, "application/json", error) == API_DONE ? 0 : -1;
}

static int finish_reserve(struct api_call *call, struct error *error) {
    const struct store_reservation *reservation = call->operation;
    char unit_id[2 * UNIT_ID_SIZE + 1], nonce[65];
    uint8_t subject[128];
    struct writer writer;
    char *subject_text;

    if (take_refusal(call, &reservation->refusal, error) != 0)
        return -1;
    writer_init(&writer, subject, sizeof subject);
    certificate_write_subject(&writer, reservation->uid);
    subject_text = base64_encode(writer_bytes(&writer));
    if (!reservation->is_repeated)
        metrics_count(&call->worker->metrics->reservations);
    hex_encode(bytes_of(reservation->unit.id, UNIT_ID_SIZE), unit_id);
    hex_encode(bytes_of(reservation->unit.nonce, 32), nonce);
    buffer_print(&call->reply,
                 "{\"unit_id\":\"%s\",\"nonce_hex\":\"%s\",\"subject_der_b64\":\"%s\","
                 "\"state\":\"%s\",\"attempt\":%llu,\"remaining\":%llu}",
                 unit_id, nonce, subject_text != NULL ? subject_text : "",
                 unit_state_name(reservation->unit.state),
                 (unsigned long long)reservation->unit.attempt,
                 (unsigned long long)reservation->remaining);
    free(subject_text);
    return finish_text(call, 201, error);
}

enum api_result api_unit_reserve(struct api_call *call, struct error *error) {
    struct store_reservation *reservation = api_operation(call, sizeof *reservation, error);
    const char *uid = NULL;
    uint64_t attempt = 1;

    if (reservation == NULL || json_read_string(call->request, "uid", &uid, error) != 0 ||
        api_read_uid(uid, reservation->uid, error) != 0 ||
        json_read_optional_u64(call->request, "attempt", &attempt, error) != 0 ||
        api_read_place(call->request, &reservation->line, error) != 0 ||
        api_read_token_hash(call->request, reservation->token_hash, error) != 0)
        return API_FAILED;
    if (attempt > UNIT_ATTEMPT_MAX) {
        error_set(error, ERROR_BAD_REQUEST, "attempt is at most %d", UNIT_ATTEMPT_MAX);
        return API_FAILED;
    }
    reservation->job_id = call->parameter[0];
    reservation->programmer_id = call->caller.name;
    reservation->attempt = (uint32_t)attempt;
    if (service_prepare_reservation(call->service, reservation, error) != 0)
        return API_FAILED;
    return api_commit(call, store_unit_reserve, reservation, finish_reserve);
}

static int finish_issue(struct api_call *call, struct error *error) {
    const struct service_issue *issue = call->operation;
    char *text;

    if (take_refusal(call, &issue->write.refusal, error) != 0)
        return -1;
    text = base64_encode(bytes_of(issue->write.issued_der, issue->write.issued_size));
    if (text == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    buffer_append_text(&call->reply, "{\"certificate_b64\":\"");
    buffer_append_text(&call->reply, text);
    buffer_append_text(&call->reply, "\",\"chain_b64\":[");
    buffer_append_text(&call->reply, buffer_text(&call->service->chain_b64));
    buffer_append_text(&call->reply, ",\"");
    buffer_append_text(&call->reply, text);
    buffer_append_text(&call->reply, "\"]}");
    free(text);
    return finish_text(call, 200, error);
}

static int finish_new_issue(struct api_call *call, struct error *error) {
    if (finish_issue(call, error) != 0)
        return -1;
    metrics_count(&call->worker->metrics->certificates);
    return 0;
}

enum api_result api_unit_certificate(struct api_call *call, struct error *error) {
    struct service_issue *issue = api_operation(call, sizeof *issue, error);

    if (issue == NULL || api_read_unit_id(call, issue->write.unit_id, error) != 0 ||
        json_read_base64(call->request, "csr_b64", issue->csr, sizeof issue->csr, &issue->csr_size,
                         error) != 0)
        return API_FAILED;
    issue->write.programmer_id = call->caller.name;
    switch (service_prepare_issue(call->service, call->reader, issue, error)) {
    case 0: return api_commit(call, store_unit_issue, &issue->write, finish_new_issue);
    case 1: return finish_issue(call, error) == 0 ? API_DONE : API_FAILED;
    default: return API_FAILED;
    }
}

static int finish_permit(struct api_call *call, struct error *error) {
    const struct service_permit *permit = call->operation;
    json_t *object =
        json_pack("{s:o}", "permit_b64", api_base64(permit->encoded.data, permit->encoded.size));

    return api_reply_json(call, 200, object, error) == API_DONE ? 0 : -1;
}

static int finish_new_permit(struct api_call *call, struct error *error) {
    metrics_count(&call->worker->metrics->permits);
    return finish_permit(call, error);
}

static void release_permit(void *operation) {
    struct service_permit *permit = operation;

    buffer_free(&permit->encoded);
}

static const struct {
    const char *name;
    uint64_t command; /* a boot key's with its target << 8 */
    enum unit_event event;
} permit_commands[] = {
    {"root_hash", PERMIT_ROOT_HASH, UNIT_EVENT_PERMIT},
    {"boot_key_hash_bl2", STORE_PERMIT_BL2_KEY, UNIT_EVENT_BOOT_KEY},
    {"boot_key_hash_bl3", STORE_PERMIT_BL3_KEY, UNIT_EVENT_BOOT_KEY},
    {"lock", PERMIT_LOCK, UNIT_EVENT_LOCK},
    {"object_id", PERMIT_OBJECT_ID, UNIT_EVENT_OBJECT_ID},
};

static int read_object_id(const json_t *request, struct service_permit *permit,
                          struct error *error) {
    const char *text = NULL;
    size_t size;

    if (json_read_string(request, "object_id_hex", &text, error) != 0)
        return -1;
    size = strlen(text) / 2;
    if (size == 0 || size > sizeof permit->object_id || strlen(text) % 2 != 0)
        return error_set(error, ERROR_BAD_REQUEST, "an object id has 1 to %zu bytes",
                         sizeof permit->object_id);
    permit->object_id_size = size;
    permit->write.object_id = bytes_of(permit->object_id, size);
    return json_read_hex(request, "object_id_hex", permit->object_id, size, error);
}

static int read_command(const json_t *request, const char *name, struct service_permit *permit,
                        struct error *error) {
    for (size_t i = 0; i < sizeof permit_commands / sizeof permit_commands[0]; i++)
        if (strcmp(permit_commands[i].name, name) == 0) {
            permit->write.command = permit_commands[i].command;
            permit->write.event = permit_commands[i].event;
            return permit->write.command == PERMIT_OBJECT_ID
                       ? read_object_id(request, permit, error)
                       : 0;
        }
    return error_set(error, ERROR_UNSUPPORTED, "there is no permit for %.40s", name);
}

enum api_result api_unit_permit(struct api_call *call, struct error *error) {
    struct service_permit *permit = api_operation(call, sizeof *permit, error);
    const char *command = NULL;

    if (permit == NULL)
        return API_FAILED;
    call->release = release_permit;
    if (api_read_unit_id(call, permit->write.unit_id, error) != 0 ||
        json_read_string(call->request, "command", &command, error) != 0 ||
        json_read_hex(call->request, "device_nonce_hex", permit->write.device_nonce, 32, error) !=
            0 ||
        json_read_hex(call->request, "auth_key_hash_hex", permit->write.auth_key_hash, 32, error) !=
            0)
        return API_FAILED;
    if (read_command(call->request, command, permit, error) != 0)
        return API_FAILED;
    permit->write.programmer_id = call->caller.name;
    switch (service_prepare_permit(call->service, call->reader, permit, error)) {
    case 0: return api_commit(call, store_unit_permit, &permit->write, finish_new_permit);
    case 1: return finish_permit(call, error) == 0 ? API_DONE : API_FAILED;
    default: return API_FAILED;
    }
}

static void count_end(struct metrics *metrics, enum unit_event event) {
    switch (event) {
    case UNIT_EVENT_IDENTIFIED: metrics_count(&metrics->identified); break;
    case UNIT_EVENT_FAILED: metrics_count(&metrics->failed); break;
    default: metrics_count(&metrics->scrapped); break;
    }
}

static int reply_end(struct api_call *call, const struct store_unit *unit, uint64_t remaining,
                     struct error *error) {
    json_t *object = json_pack("{s:s, s:b, s:I}", "state", unit_state_name(unit->state), "counted",
                               (int)unit->counted, "remaining", (json_int_t)remaining);

    return api_reply_json(call, 200, object, error) == API_DONE ? 0 : -1;
}

static int finish_status(struct api_call *call, struct error *error) {
    const struct store_status *status = call->operation;

    if (take_refusal(call, &status->refusal, error) != 0)
        return -1;
    if (!status->is_repeated)
        count_end(call->worker->metrics, status->event);
    return reply_end(call, &status->unit, status->remaining, error);
}

static int read_event(const char *state, struct store_status *status, struct error *error) {
    if (strcmp(state, "identified") == 0)
        status->event = UNIT_EVENT_IDENTIFIED;
    else if (strcmp(state, "failed") == 0)
        status->event = UNIT_EVENT_FAILED;
    else if (strcmp(state, "scrapped") == 0)
        status->event = UNIT_EVENT_SCRAP;
    else
        return error_set(error, ERROR_BAD_REQUEST, "state must be identified, failed or scrapped");
    return 0;
}

static int read_scrap(const struct api_call *call, struct store_status *status,
                      struct error *error) {
    if (service_check_text("reason", status->reason, error) != 0 ||
        json_read_hex(call->request, "signature_hex", status->signature, sizeof status->signature,
                      error) != 0)
        return -1;
    return service_check_scrap(call->reader, status, error);
}

static int read_status(const json_t *request, struct store_status *status, struct error *error) {
    const json_t *seconds = json_object_get(request, "seconds");
    const char *state = NULL;

    status->step = status->reason = "";
    if (json_read_string(request, "state", &state, error) != 0 ||
        json_read_optional_string(request, "step", &status->step, error) != 0 ||
        json_read_optional_string(request, "reason", &status->reason, error) != 0)
        return -1;
    if (read_event(state, status, error) != 0)
        return -1;
    if (seconds != NULL && !json_is_null(seconds)) {
        double value = json_number_value(seconds);

        if (!json_is_number(seconds) || !(value >= 0.0 && value <= 1e9))
            return error_set(error, ERROR_BAD_REQUEST, "seconds must be a number from 0");
        status->milliseconds = (uint64_t)(value * 1000.0);
    }
    status->has_certificate_hash =
        json_is_string(json_object_get(request, "certificate_sha256_hex"));
    return status->has_certificate_hash ? json_read_hex(request, "certificate_sha256_hex",
                                                        status->certificate_hash, 32, error)
                                        : 0;
}

enum api_result api_unit_status(struct api_call *call, struct error *error) {
    struct store_status *status = api_operation(call, sizeof *status, error);

    if (status == NULL || api_read_unit_id(call, status->unit_id, error) != 0 ||
        api_read_line(call->request, &status->line, error) != 0 ||
        read_status(call->request, status, error) != 0)
        return API_FAILED;
    status->programmer_id = call->caller.name;
    status->now = service_now(call->service);
    if (status->event == UNIT_EVENT_SCRAP && read_scrap(call, status, error) != 0)
        return API_FAILED;
    return api_commit(call, store_unit_status, status, finish_status);
}

static int finish_scrap(struct api_call *call, struct error *error) {
    const struct store_scrap *scrap = call->operation;

    if (!scrap->is_repeated)
        metrics_count(&call->worker->metrics->scrapped);
    return reply_end(call, &scrap->unit, scrap->remaining, error);
}

enum api_result api_unit_scrap(struct api_call *call, struct error *error) {
    struct store_scrap *scrap = api_operation(call, sizeof *scrap, error);

    if (scrap == NULL || api_read_uid(call->parameter[1], scrap->uid, error) != 0 ||
        json_read_string(call->request, "reason", &scrap->reason, error) != 0 ||
        service_check_text("reason", scrap->reason, error) != 0)
        return API_FAILED;
    scrap->job_id = call->parameter[0];
    scrap->actor = call->caller.actor;
    scrap->now = service_now(call->service);
    return api_commit(call, store_unit_scrap, scrap, finish_scrap);
}
