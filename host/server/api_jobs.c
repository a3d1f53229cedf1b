#include "server/api_handlers.h"

#include "base/encoding.h"
#include "base/secret.h"
#include "server/job_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEDGER_ENTRIES_MAX 1000

static json_t *job_json(const struct store_job *job) {
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:o,"
        " s:s, s:s, s:s, s:s, s:I}",
        "id", job->id, "product", job->product, "programmer_id", job->programmer_id, "count",
        (json_int_t)job->count, "used", (json_int_t)job->used, "remaining",
        (json_int_t)store_job_remaining(job), "recalled", (json_int_t)store_job_recalled(job),
        "expires", api_time(job->expires), "chip_family", job->chip_family, "devauth_id",
        job->devauth_id, "assurance", job->assurance, "cm_operator", job->cm_operator, "uid_list",
        (int)job->has_uid_list, "state", store_job_status(job), "sequence",
        (json_int_t)job->sequence, "created", api_time(job->created), "created_by", job->created_by,
        "bl2_id", job->bl2_id, "bl3_id", job->bl3_id, "debug", job->debug_open ? "open" : "locked",
        "retries", (json_int_t)job->retries);
}

static int read_text(const json_t *request, const char *name, char *out, size_t capacity,
                     struct error *error) {
    const char *text = NULL;

    if (json_read_string(request, name, &text, error) != 0)
        return -1;
    if (strlen(text) >= capacity)
        return error_set(error, ERROR_BAD_REQUEST, "%s is too long", name);
    snprintf(out, capacity, "%s", text);
    return 0;
}

static int read_optional_text(const json_t *request, const char *name, const char *fallback,
                              char *out, size_t capacity, struct error *error) {
    const char *text = fallback;

    if (json_read_optional_string(request, name, &text, error) != 0)
        return -1;
    if (strlen(text) >= capacity)
        return error_set(error, ERROR_BAD_REQUEST, "%s is too long", name);
    snprintf(out, capacity, "%s", text);
    return 0;
}

/* An optional list of UIDs; `uids` is the caller's to free, whatever comes back. */
static int read_uids(const json_t *request, const char *name, uint8_t **uids, size_t *count,
                     struct error *error) {
    json_t *list = NULL;

    if (json_object_get(request, name) == NULL || json_is_null(json_object_get(request, name)))
        return 0;
    if (json_read_array(request, name, SERVICE_UIDS_MAX, &list, error) != 0)
        return -1;
    *count = json_array_size(list);
    *uids = malloc(*count * STORE_UID_SIZE + 1);
    if (*uids == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    for (size_t i = 0; i < *count; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text == NULL || hex_decode(text, *uids + i * STORE_UID_SIZE, 16) != 0)
            return error_set(error, ERROR_BAD_REQUEST, "%s[%zu] is not 32 hexadecimal digits", name,
                             i);
    }
    return 0;
}

static int read_order(const struct api_call *call, struct service_order *order,
                      struct error *error) {
    const json_t *request = call->request;
    struct store_job *job = &order->job;
    char debug[16];

    snprintf(job->created_by, sizeof job->created_by, "%s", call->caller.name);
    if (read_text(request, "product", job->product, sizeof job->product, error) != 0 ||
        read_text(request, "programmer_id", job->programmer_id, sizeof job->programmer_id, error) !=
            0 ||
        json_read_u64(request, "count", &job->count, error) != 0 ||
        json_read_u64(request, "expires", &job->expires, error) != 0 ||
        read_text(request, "chip_family", job->chip_family, sizeof job->chip_family, error) != 0 ||
        read_text(request, "devauth_id", job->devauth_id, sizeof job->devauth_id, error) != 0 ||
        read_optional_text(request, "assurance", "software", job->assurance, sizeof job->assurance,
                           error) != 0 ||
        read_optional_text(request, "cm_operator", "", job->cm_operator, sizeof job->cm_operator,
                           error) != 0 ||
        read_optional_text(request, "bl2_id", "", job->bl2_id, sizeof job->bl2_id, error) != 0 ||
        read_optional_text(request, "bl3_id", "", job->bl3_id, sizeof job->bl3_id, error) != 0 ||
        read_optional_text(request, "debug", "locked", debug, sizeof debug, error) != 0)
        return -1;
    job->debug_open = strcmp(debug, "open") == 0;
    if (!job->debug_open && strcmp(debug, "locked") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "debug must be locked or open");
    job->retries = STORE_RETRIES_MAX;
    if (json_read_optional_u64(request, "retries", &job->retries, error) != 0 ||
        read_uids(request, "uids", &order->uids, &order->uid_count, error) != 0)
        return -1;
    return read_uids(request, "denied_uids", &order->denied, &order->denied_count, error);
}

enum api_result api_job_create(struct api_call *call, struct error *error) {
    struct service_order order = {.actor = call->caller.actor};
    int result = read_order(call, &order, error);

    if (result == 0)
        result = service_job_create(call->service, call->reader, &order, error);
    free(order.uids);
    free(order.denied);
    return result == 0 ? api_reply_json(call, 201, job_json(&order.job), error) : API_FAILED;
}

enum api_result api_job_deny(struct api_call *call, struct error *error) {
    struct service_denial denial = {.job_id = call->parameter[0], .actor = call->caller.actor};
    uint8_t *uids = NULL;
    int result = read_uids(call->request, "uids", &uids, &denial.uid_count, error);

    denial.uids = uids;
    if (result == 0 && denial.uid_count == 0)
        result = error_set(error, ERROR_BAD_REQUEST, "uids names no chip");
    if (result == 0)
        result = service_job_deny(call->service, &denial, error);
    free(uids);
    return result == 0 ? api_reply_json(call, 200,
                                        json_pack("{s:s, s:I}", "job_id", denial.job_id, "denied",
                                                  (json_int_t)denial.uid_count),
                                        error)
                       : API_FAILED;
}

static void add_job(void *context, const struct store_job *job) {
    json_array_append_new(context, job_json(job));
}

enum api_result api_job_list(struct api_call *call, struct error *error) {
    const char *owner = call->caller.role == ROLE_CM_OPERATOR ? call->caller.name : NULL;
    json_t *jobs = json_array();

    if (store_job_list(call->reader, owner, add_job, jobs, error) != 0) {
        json_decref(jobs);
        return API_FAILED;
    }
    return api_reply_json(call, 200, json_pack("{s:o}", "jobs", jobs), error);
}

enum api_result api_job_show(struct api_call *call, struct error *error) {
    struct store_job job;

    if (store_job_find(call->reader, call->parameter[0], &job, error) != 0 ||
        api_check_job_access(call, &job, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, job_json(&job), error);
}

enum api_result api_job_export(struct api_call *call, struct error *error) {
    struct buffer package = {0};
    json_t *object = NULL;
    uint64_t sequence = 0;
    int result = service_job_export(call->service, call->reader, call->parameter[0],
                                    call->caller.actor, &package, &sequence, error);

    if (result == 0)
        object = json_pack("{s:o, s:I}", "package_b64", api_base64(package.data, package.size),
                           "sequence", (json_int_t)sequence);
    buffer_free(&package);
    return result == 0 ? api_reply_json(call, 200, object, error) : API_FAILED;
}

int api_read_token_hash(const json_t *request, uint8_t hash[32], struct error *error) {
    uint8_t token[32];
    size_t size;

    if (json_read_base64(request, "token_b64", token, sizeof token, &size, error) != 0)
        return -1;
    if (size != sizeof token)
        return error_set(error, ERROR_BAD_REQUEST, "token_b64 must be 32 bytes");
    service_token_hash(token, hash);
    secret_wipe(token, sizeof token);
    return 0;
}

enum api_result api_job_activate(struct api_call *call, struct error *error) {
    struct service_activation activation = {.job_id = call->parameter[0],
                                            .programmer_id = call->caller.name};

    if (api_read_token_hash(call->request, activation.token_hash, error) != 0 ||
        json_read_u64(call->request, "sequence", &activation.sequence, error) != 0 ||
        service_job_activate(call->service, &activation, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200,
                          json_pack("{s:s, s:I}", "state", "active", "remaining",
                                    (json_int_t)store_job_remaining(&activation.job)),
                          error);
}

static enum api_result hold(struct api_call *call, enum job_hold wanted, struct error *error) {
    struct service_hold change = {
        .job_id = call->parameter[0], .actor = call->caller.actor, .hold = wanted, .reason = ""};

    if (json_read_optional_string(call->request, "reason", &change.reason, error) != 0 ||
        service_job_hold(call->service, &change, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, job_json(&change.job), error);
}

enum api_result api_job_pause(struct api_call *call, struct error *error) {
    return hold(call, JOB_PAUSED, error);
}

enum api_result api_job_resume(struct api_call *call, struct error *error) {
    return hold(call, JOB_GOES_ON, error);
}

enum api_result api_job_close(struct api_call *call, struct error *error) {
    return hold(call, JOB_CLOSED, error);
}

enum api_result api_job_extend(struct api_call *call, struct error *error) {
    struct service_extension extension = {.job_id = call->parameter[0],
                                          .actor = call->caller.actor};

    if (json_read_u64(call->request, "expires", &extension.expires, error) != 0 ||
        service_job_extend(call->service, &extension, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, job_json(&extension.job), error);
}

enum api_result api_job_report(struct api_call *call, struct error *error) {
    const char *units = http_exchange_query(call->exchange, "units");
    struct store_job job;
    json_t *report = NULL;
    enum job_report_units shown =
        units != NULL && strcmp(units, "0") == 0 ? JOB_REPORT_NO_UNITS : JOB_REPORT_UNITS;

    if (store_job_find(call->reader, call->parameter[0], &job, error) != 0 ||
        api_check_job_access(call, &job, error) != 0 ||
        job_report(call->reader, &job, shown, service_now(call->service), &report, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, report, error);
}

enum api_result api_job_units(struct api_call *call, struct error *error) {
    const char *after = http_exchange_query(call->exchange, "after");
    uint8_t unit[UNIT_ID_SIZE];
    struct store_job job;
    json_t *page = NULL;

    if (after != NULL && hex_decode(after, unit, sizeof unit) != 0) {
        (void)error_set(error, ERROR_BAD_REQUEST, "after is no unit id");
        return API_FAILED;
    }
    if (store_job_find(call->reader, call->parameter[0], &job, error) != 0 ||
        api_check_job_access(call, &job, error) != 0 ||
        job_report_units(call->reader, job.id, after != NULL ? unit : NULL, &page, error) != 0)
        return API_FAILED;
    return api_reply_json(call, 200, page, error);
}

/* The first ones say enough, and a broken chain has as many as there are units. */
#define FINDINGS_MAX 100

static void add_finding(void *context, const struct store_finding *finding) {
    json_t *findings = context;
    json_t *object;

    if (json_array_size(findings) >= FINDINGS_MAX)
        return;
    object = json_pack("{s:I, s:s}", "sequence", (json_int_t)finding->sequence, "message",
                       finding->message);
    if (finding->has_unit)
        json_object_set_new(object, "unit_id", api_hex(finding->unit_id, UNIT_ID_SIZE));
    json_array_append_new(findings, object);
}

enum api_result api_job_audit(struct api_call *call, struct error *error) {
    struct store_audit audit;
    json_t *findings = json_array();

    if (store_audit(call->reader, call->parameter[0], add_finding, findings, &audit, error) != 0) {
        json_decref(findings);
        return API_FAILED;
    }
    return api_reply_json(call, 200,
                          json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "job_id", call->parameter[0],
                                    "agrees", audit.findings == 0, "entries",
                                    (json_int_t)audit.entries, "units", (json_int_t)audit.units,
                                    "finding_count", (json_int_t)audit.findings, "findings",
                                    findings),
                          error);
}

struct ledger_operation {
    struct store_ledger_batch batch;
    struct bytes entries[LEDGER_ENTRIES_MAX];
    struct buffer octets;
};

static int read_entries(const json_t *request, struct ledger_operation *operation,
                        struct error *error) {
    size_t offsets[LEDGER_ENTRIES_MAX + 1] = {0};
    json_t *list;

    if (json_read_u64(request, "from_sequence", &operation->batch.from_sequence, error) != 0 ||
        json_read_array(request, "entries_b64", LEDGER_ENTRIES_MAX, &list, error) != 0)
        return -1;
    operation->batch.entry_count = json_array_size(list);
    for (size_t i = 0; i < operation->batch.entry_count; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text == NULL)
            return error_set(error, ERROR_BAD_REQUEST, "entries_b64[%zu] is not base64", i);
        if (base64_decode_buffer(text, LEDGER_ENTRY_MAX, &operation->octets, error) != 0)
            return error_prefix(error, "entries_b64[%zu]", i);
        offsets[i + 1] = operation->octets.size;
    }
    for (size_t i = 0; i < operation->batch.entry_count; i++)
        operation->entries[i] =
            bytes_of(operation->octets.data + offsets[i], offsets[i + 1] - offsets[i]);
    return 0;
}

static json_t *head_json(const struct ledger_head *head) {
    return json_pack("{s:I, s:o}", "head_sequence", (json_int_t)head->sequence, "head_hash_hex",
                     api_hex(head->hash, LEDGER_HASH_SIZE));
}

enum api_result api_ledger_receive(struct api_call *call, struct error *error) {
    struct ledger_operation *operation = calloc(1, sizeof *operation);
    struct ledger_head head = {0};
    int result = -1;

    if (operation == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return API_FAILED;
    }
    operation->batch.job_id = call->parameter[0];
    operation->batch.programmer_id = call->caller.name;
    operation->batch.entries = operation->entries;
    operation->batch.now = service_now(call->service);
    if (read_entries(call->request, operation, error) == 0)
        result = store_run(call->service->store, store_ledger_receive, &operation->batch, error);
    if (result == 0 && operation->batch.refusal.code != ERROR_NONE) {
        metrics_count(&call->worker->metrics->flagged);
        *error = operation->batch.refusal;
        result = -1;
    }
    head = operation->batch.head;
    buffer_free(&operation->octets);
    free(operation);
    return result == 0 ? api_reply_json(call, 200, head_json(&head), error) : API_FAILED;
}

static int read_head(const json_t *request, const char *sequence, const char *hash,
                     struct ledger_head *head, struct error *error) {
    return json_read_u64(request, sequence, &head->sequence, error) == 0 &&
                   json_read_hex(request, hash, head->hash, LEDGER_HASH_SIZE, error) == 0
               ? 0
               : -1;
}

enum api_result api_ledger_agree(struct api_call *call, struct error *error) {
    struct store_ledger_claim claim = {.job_id = call->parameter[0],
                                       .programmer_id = call->caller.name,
                                       .now = service_now(call->service)};

    if (read_head(call->request, "head_sequence", "head_hash_hex", &claim.head, error) != 0 ||
        read_head(call->request, "acknowledged_sequence", "acknowledged_hash_hex",
                  &claim.acknowledged, error) != 0 ||
        store_run(call->service->store, store_ledger_agree, &claim, error) != 0)
        return API_FAILED;
    if (claim.refusal.code != ERROR_NONE) {
        metrics_count(&call->worker->metrics->flagged);
        *error = claim.refusal;
        return API_FAILED;
    }
    return api_reply_json(call, 200, head_json(&claim.received), error);
}
