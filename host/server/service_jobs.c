#include "server/service.h"

#include "base/secret.h"
#include "hsm/gcm.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_order(const struct service_order *order, uint64_t now, struct error *error) {
    const struct store_job *job = &order->job;

    if (service_check_text("product", job->product, error) != 0 ||
        service_check_text("chip_family", job->chip_family, error) != 0)
        return -1;
    if (job->count == 0)
        return error_set(error, ERROR_COUNT_ZERO, "the count must be at least 1");
    if (job->count > SERVICE_COUNT_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "the count is at most %u", SERVICE_COUNT_MAX);
    if (job->expires <= now)
        return error_set(error, ERROR_BAD_REQUEST, "expires must be in the future");
    if (job->retries > STORE_RETRIES_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "retries is at most %d", STORE_RETRIES_MAX);
    if (strcmp(job->assurance, "software") != 0 && strcmp(job->assurance, "tpm") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "assurance must be software or tpm");
    return 0;
}

static int check_image(struct store_db *reader, const struct store_job *job, const char *id,
                       const char *kind, struct error *error) {
    struct store_firmware firmware;

    if (store_firmware_find(reader, id, &firmware, error) != 0)
        return -1;
    if (strcmp(firmware.kind, kind) != 0 || strcmp(firmware.family, job->chip_family) != 0)
        return error_set(error, ERROR_CONFLICT, "%s is no %s for %s", firmware.id, kind,
                         job->chip_family);
    return 0;
}

static int check_images(struct store_db *reader, const struct store_job *job, struct error *error) {
    if (job->bl2_id[0] == '\0' && job->bl3_id[0] == '\0') {
        if (job->debug_open)
            return error_set(error, ERROR_BAD_REQUEST, "a job without firmware locks nothing");
        return 0;
    }
    if (job->bl2_id[0] == '\0' || job->bl3_id[0] == '\0') {
        error_set(error, ERROR_BAD_REQUEST, "a job has both BL2 and BL3, or neither");
        return error_hint(error, "BL2 is the bootloader, BL3 the application it starts");
    }
    return check_image(reader, job, job->bl2_id, SERVICE_KIND_BL2, error) != 0
               ? -1
               : check_image(reader, job, job->bl3_id, SERVICE_KIND_BL3, error);
}

static int check_parts(struct store_db *reader, const struct store_job *job, struct error *error) {
    struct store_programmer programmer;
    struct store_firmware firmware;

    if (store_programmer_find(reader, job->programmer_id, &programmer, error) != 0 ||
        store_firmware_find(reader, job->devauth_id, &firmware, error) != 0)
        return -1;
    if (strcmp(programmer.state, "revoked") == 0)
        return error_set(error, ERROR_REVOKED, "the programmer is revoked");
    if (strcmp(job->assurance, "tpm") == 0 && strcmp(programmer.assurance, "tpm") != 0)
        return error_set(error, ERROR_ASSURANCE_TOO_LOW,
                         "the job demands a TPM, the programmer has a software key store");
    if (strcmp(firmware.kind, "devauth") != 0 || strcmp(firmware.family, job->chip_family) != 0)
        return error_set(error, ERROR_CONFLICT, "%s is no DevAuth image for %s", firmware.id,
                         job->chip_family);
    return check_images(reader, job, error);
}

struct order_write {
    struct service_order *order;
    uint64_t now;
};

static int record_job(struct store_db *db, void *context, struct error *error) {
    const struct order_write *write = context;
    struct store_job job = write->order->job;
    const struct ledger_member members[] = {
        {.key = "count", .kind = LEDGER_NUMBER, .number = job.count},
        {.key = "programmer", .kind = LEDGER_TEXT, .text = job.programmer_id},
    };
    const struct store_event event = {.time = write->now,
                                      .type = "job.created",
                                      .actor = write->order->actor,
                                      .subject = job.id,
                                      .job_id = job.id,
                                      .detail = job.product};

    if (store_job_insert(db, &job, write->order->uids, write->order->uid_count, error) != 0 ||
        store_job_deny(db, job.id, write->order->denied, write->order->denied_count, error) != 0 ||
        store_job_record(db, &job, write->now, "job.created", members, 2, error) != 0 ||
        store_job_save(db, &job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_job_create(struct service *service, struct store_db *reader,
                       struct service_order *order, struct error *error) {
    struct order_write write = {order, service_now(service)};

    if (check_order(order, write.now, error) != 0 || check_parts(reader, &order->job, error) != 0 ||
        service_new_id("job-", order->job.id, error) != 0)
        return -1;
    order->job.state = JOB_CREATED;
    order->job.has_uid_list = order->uid_count != 0;
    order->job.created = write.now;
    return store_run(service->store, record_job, &write, error);
}

/* What package_write needs of the programmer's key. */
struct recipient_key {
    struct service *service;
    struct buffer wrapped;
};

static int encrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *error) {
    struct recipient_key *key = context;

    return hsm_gcm_encrypt_wrapped(key->service->authority.programmer_kek,
                                   buffer_bytes(&key->wrapped), iv, aad, input, out, error);
}

static int draw_random(void *context, uint8_t *out, size_t size, struct error *error) {
    struct recipient_key *key = context;

    return hsm_random(key->service->authority.hsm, out, size, error);
}

static int write_package(struct service *service, struct store_db *reader,
                         const struct package *content, struct buffer *package,
                         struct error *error) {
    struct recipient_key key = {.service = service};
    const struct package_cipher cipher = {
        .encrypt = encrypt, .random = draw_random, .context = &key};
    const struct package_authority authority = server_authority_for_packages(&service->authority);
    int result =
        store_agreement_find(reader, content->programmer_id, content->epoch, &key.wrapped, error);

    if (result == 0)
        result = package_write(content, &authority, &cipher, package, error);
    buffer_free(&key.wrapped);
    return result;
}

static void add_setting(struct package *content, const char *key, const char *value) {
    struct package_setting *setting = &content->settings[content->setting_count++];

    snprintf(setting->key, sizeof setting->key, "%s", key);
    snprintf(setting->value, sizeof setting->value, "%s", value);
}

static void fill_package(const struct store_job *job, const struct store_programmer *programmer,
                         const struct store_package *row, struct package *content) {
    snprintf(content->programmer_id, sizeof content->programmer_id, "%s", programmer->id);
    memcpy(content->programmer_certificate_sha256, programmer->certificate_hash, 32);
    content->epoch = (uint32_t)programmer->epoch;
    content->sequence = row->sequence;
    snprintf(content->job_id, sizeof content->job_id, "%s", job->id);
    content->count = (uint32_t)job->count;
    content->expiry_s = job->expires;
    content->issued_s = row->issued;
    snprintf(content->chip_family, sizeof content->chip_family, "%s", job->chip_family);
    snprintf(content->devauth_id, sizeof content->devauth_id, "%s", job->devauth_id);
    add_setting(content, "product", job->product);
    if (job->bl2_id[0] != '\0') {
        add_setting(content, "bl2", job->bl2_id);
        add_setting(content, "bl3", job->bl3_id);
        add_setting(content, "debug", job->debug_open ? "open" : "locked");
    }
}

struct export_write {
    const char *job_id;
    const char *actor;
    struct store_package row;
};

/* First: a sequence number of its own, so that a failing token leaves the older package valid. */
static int take_sequence(struct store_db *db, void *context, struct error *error) {
    struct export_write *write = context;

    return store_package_insert(db, write->job_id, &write->row, error);
}

/* Last: the new package exists, its token becomes the job's. */
static int record_export(struct store_db *db, void *context, struct error *error) {
    const struct export_write *write = context;
    struct store_job job;
    const struct ledger_member members[] = {
        {.key = "sequence", .kind = LEDGER_NUMBER, .number = write->row.sequence}};
    const struct store_event event = {.time = write->row.issued,
                                      .type = "job.exported",
                                      .actor = write->actor,
                                      .subject = write->job_id,
                                      .job_id = write->job_id};

    if (store_job_find(db, write->job_id, &job, error) != 0)
        return -1;
    if (store_job_check_open(&job, error) != 0)
        return -1;
    if (job.sequence > write->row.sequence)
        return error_set(error, ERROR_CONFLICT, "a later export of this job came first");
    if (job.state == JOB_CREATED)
        job.state = JOB_EXPORTED;
    job.sequence = write->row.sequence;
    memcpy(job.token_hash, write->row.token_hash, sizeof job.token_hash);
    if (store_job_record(db, &job, write->row.issued, "job.exported", members, 1, error) != 0 ||
        store_job_save(db, &job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

static int check_exportable(const struct store_job *job, const struct store_programmer *programmer,
                            uint64_t now, struct error *error) {
    if (store_job_check_open(job, error) != 0)
        return -1;
    if (now >= job->expires)
        return error_set(error, ERROR_EXPIRED, "the job has expired");
    if (strcmp(programmer->state, "revoked") == 0)
        return error_set(error, ERROR_REVOKED, "the programmer is revoked");
    if (programmer->epoch == 0) {
        error_set(error, ERROR_NOT_PREPARED, "the programmer has no key agreed with the server");
        return error_hint(error, "prepare the programmer first");
    }
    return 0;
}

int service_job_export(struct service *service, struct store_db *reader, const char *job_id,
                       const char *actor, struct buffer *package, uint64_t *sequence,
                       struct error *error) {
    struct export_write write = {.job_id = job_id, .actor = actor};
    struct package content = {0};
    struct store_programmer programmer;
    struct store_job job;
    int result = -1;

    write.row.issued = service_now(service);
    if (store_job_find(reader, job_id, &job, error) != 0 ||
        store_programmer_find(reader, job.programmer_id, &programmer, error) != 0 ||
        check_exportable(&job, &programmer, write.row.issued, error) != 0)
        return -1;
    snprintf(write.row.programmer_id, sizeof write.row.programmer_id, "%s", programmer.id);
    write.row.epoch = programmer.epoch;
    if (hsm_random(service->authority.hsm, content.token, sizeof content.token, error) == 0 &&
        store_job_uids(reader, &job, &content.uids, &content.uid_count, error) == 0) {
        service_token_hash(content.token, write.row.token_hash);
        result = store_run(service->store, take_sequence, &write, error);
    }
    if (result == 0) {
        fill_package(&job, &programmer, &write.row, &content);
        result = write_package(service, reader, &content, package, error);
    }
    if (result == 0)
        result = store_run(service->store, record_export, &write, error);
    *sequence = write.row.sequence;
    package_free(&content);
    return result;
}

static int check_activation(const struct service_activation *activation,
                            const struct store_job *job, struct error *error) {
    if (strcmp(job->programmer_id, activation->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the job belongs to another programmer");
    if (store_job_check_open(job, error) != 0)
        return -1;
    if (job->sequence == 0 || job->sequence != activation->sequence ||
        !secret_equal(job->token_hash, activation->token_hash, sizeof job->token_hash)) {
        error_set(error, ERROR_WRONG_TOKEN, "this is not the job's newest package");
        return error_hint(error, "import the newest package");
    }
    if (activation->now >= job->expires)
        return error_set(error, ERROR_EXPIRED, "the job has expired");
    return 0;
}

static int record_activation(struct store_db *db, void *context, struct error *error) {
    struct service_activation *activation = context;
    struct store_job *job = &activation->job;
    char actor[STORE_ID_MAX + sizeof "programmer:"];
    const struct ledger_member members[] = {
        {.key = "sequence", .kind = LEDGER_NUMBER, .number = activation->sequence}};
    const struct store_event event = {.time = activation->now,
                                      .type = "job.activated",
                                      .actor = actor,
                                      .subject = activation->job_id,
                                      .job_id = activation->job_id};

    snprintf(actor, sizeof actor, "programmer:%s", activation->programmer_id);
    if (store_job_find(db, activation->job_id, job, error) != 0 ||
        check_activation(activation, job, error) != 0)
        return -1;
    if (job->state == JOB_ACTIVE)
        return 0;
    job->state = JOB_ACTIVE;
    if (store_job_record(db, job, activation->now, "job.activated", members, 1, error) != 0 ||
        store_job_save(db, job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_job_activate(struct service *service, struct service_activation *activation,
                         struct error *error) {
    activation->now = service_now(service);
    return store_run(service->store, record_activation, activation, error);
}

static int record_hold(struct store_db *db, void *context, struct error *error) {
    static const char *const types[JOB_HOLD_COUNT] = {"job.resumed", "job.paused", "job.closed"};
    struct service_hold *change = context;
    struct store_job *job = &change->job;
    const struct store_event event = {.time = change->now,
                                      .type = types[change->hold],
                                      .actor = change->actor,
                                      .subject = change->job_id,
                                      .job_id = change->job_id,
                                      .detail = change->reason};

    if (store_job_find(db, change->job_id, job, error) != 0)
        return -1;
    if (job->hold == change->hold)
        return 0;
    if (job->state == JOB_STOPPED || job->hold == JOB_CLOSED)
        return error_set(error, ERROR_JOB_CLOSED, "the job is %s", store_job_status(job));
    job->hold = change->hold;
    if (store_job_record(db, job, change->now, event.type, NULL, 0, error) != 0 ||
        store_job_save(db, job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_job_hold(struct service *service, struct service_hold *change, struct error *error) {
    change->now = service_now(service);
    if (change->reason[0] != '\0' && service_check_text("reason", change->reason, error) != 0)
        return -1;
    return store_run(service->store, record_hold, change, error);
}

static int record_extension(struct store_db *db, void *context, struct error *error) {
    struct service_extension *extension = context;
    struct store_job *job = &extension->job;
    const struct ledger_member members[] = {
        {.key = "expires", .kind = LEDGER_NUMBER, .number = extension->expires}};
    const struct store_event event = {.time = extension->now,
                                      .type = "job.extended",
                                      .actor = extension->actor,
                                      .subject = extension->job_id,
                                      .job_id = extension->job_id};

    if (store_job_find(db, extension->job_id, job, error) != 0)
        return -1;
    if (job->state == JOB_STOPPED || job->hold == JOB_CLOSED)
        return error_set(error, ERROR_JOB_CLOSED, "the job is %s", store_job_status(job));
    if (job->expires == extension->expires)
        return 0;
    job->expires = extension->expires;
    if (store_job_record(db, job, extension->now, event.type, members, 1, error) != 0 ||
        store_job_save(db, job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_job_extend(struct service *service, struct service_extension *extension,
                       struct error *error) {
    extension->now = service_now(service);
    if (extension->expires <= extension->now || extension->expires > INT64_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "expires must be a time to come");
    return store_run(service->store, record_extension, extension, error);
}

static int record_denial(struct store_db *db, void *context, struct error *error) {
    const struct service_denial *denial = context;
    struct store_job job;
    char detail[48];
    const struct ledger_member members[] = {
        {.key = "uids", .kind = LEDGER_NUMBER, .number = denial->uid_count}};
    const struct store_event event = {.time = denial->now,
                                      .type = "job.uids_denied",
                                      .actor = denial->actor,
                                      .subject = denial->job_id,
                                      .job_id = denial->job_id,
                                      .detail = detail};

    snprintf(detail, sizeof detail, "%zu UIDs", denial->uid_count);
    if (store_job_find(db, denial->job_id, &job, error) != 0 ||
        store_job_deny(db, job.id, denial->uids, denial->uid_count, error) != 0 ||
        store_job_record(db, &job, denial->now, event.type, members, 1, error) != 0 ||
        store_job_save(db, &job, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_job_deny(struct service *service, struct service_denial *denial, struct error *error) {
    denial->now = service_now(service);
    return store_run(service->store, record_denial, denial, error);
}
