#include "server/service.h"

#include "base/encoding.h"
#include "crypto/crypto.h"
#include "hsm/agreement.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define AGREEMENT_LABEL "NuSEC AES_NuLink3 v1"

struct enrolment_write {
    struct service_enrolment *enrolment;
    uint64_t now;
    struct store_tpm_challenge tpm; /* that was answered; no id: none */
};

/* Which TPM it was stays on record. */
static int record_tpm(struct store_db *db, const struct enrolment_write *write,
                      struct error *error) {
    char hash[2 * 32 + 1];
    char detail[128];
    const struct store_event event = {.time = write->now,
                                      .type = "programmer.tpm_proven",
                                      .actor = write->enrolment->actor,
                                      .subject = write->enrolment->programmer.id,
                                      .detail = detail};

    if (write->tpm.id[0] == '\0')
        return 0;
    hex_encode(bytes_of(write->tpm.ek_certificate_hash, 32), hash);
    snprintf(detail, sizeof detail, "endorsement certificate %s", hash);
    if (store_tpm_challenge_use(db, write->tpm.id, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

static int record_programmer(struct store_db *db, void *context, struct error *error) {
    const struct enrolment_write *write = context;
    const struct store_programmer *programmer = &write->enrolment->programmer;
    struct store_identity identity = {.role = "programmer"};
    const struct store_event event = {.time = write->now,
                                      .type = "programmer.enrolled",
                                      .actor = write->enrolment->actor,
                                      .subject = programmer->id,
                                      .detail = programmer->name};

    memcpy(identity.certificate_hash, programmer->certificate_hash, 32);
    snprintf(identity.name, sizeof identity.name, "%s", programmer->id);
    if (store_programmer_insert(db, programmer, buffer_bytes(&write->enrolment->certificate),
                                error) != 0 ||
        store_identity_insert(db, &identity, write->now, error) != 0 ||
        record_tpm(db, write, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

/* What a programmer says of itself is worth nothing: jobs that demand a TPM rely on the record. */
static int assurance_check(const struct service_enrolment *enrolment, struct error *error) {
    if (strcmp(enrolment->assurance, "software") == 0)
        return 0;
    if (strcmp(enrolment->assurance, "tpm") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "assurance must be software or tpm");
    if (enrolment->tpm != NULL)
        return 0;
    (void)error_set(error, ERROR_ASSURANCE_UNPROVEN, "nothing proves that AUTHKEY is in a TPM");
    return error_hint(error, "it can be enrolled as software (--assurance software)");
}

int service_programmer_enrol(struct service *service, struct store_db *reader,
                             struct service_enrolment *enrolment, struct error *error) {
    struct store_programmer *programmer = &enrolment->programmer;
    struct enrolment_write write = {.enrolment = enrolment, .now = service_now(service)};
    uint8_t public_key[64];
    char common_name[65];
    const struct authority_leaf leaf = {.profile = X509_PROFILE_PROGRAMMER,
                                        .common_name = programmer->id,
                                        .public_key = public_key,
                                        .now = write.now,
                                        .days = DAYS_LEAF};

    memset(programmer, 0, sizeof *programmer);
    if (service_check_text("name", enrolment->name, error) != 0 ||
        assurance_check(enrolment, error) != 0)
        return -1;
    if (x509_csr_read(bytes_of(enrolment->csr_pem, strlen(enrolment->csr_pem)), public_key,
                      common_name, error) != 0)
        return -1;
    if (enrolment->tpm != NULL &&
        service_tpm_verify(service, reader, enrolment->tpm, public_key, &write.tpm, error) != 0)
        return -1;
    if (service_new_id("prog-", programmer->id, error) != 0 ||
        server_authority_issue(&service->authority, &leaf, &enrolment->certificate, error) != 0)
        return -1;
    snprintf(programmer->name, sizeof programmer->name, "%s", enrolment->name);
    snprintf(programmer->assurance, sizeof programmer->assurance, "%s", enrolment->assurance);
    snprintf(programmer->state, sizeof programmer->state, "certified");
    programmer->created = write.now;
    x509_sha256(buffer_bytes(&enrolment->certificate), programmer->certificate_hash);
    return store_run(service->store, record_programmer, &write, error);
}

struct revocation {
    const char *id;
    const char *actor;
    const char *reason;
    uint64_t now;
};

static int revoke_programmer(struct store_db *db, void *context, struct error *error) {
    const struct revocation *revocation = context;
    struct store_programmer programmer;
    const struct store_event event = {.time = revocation->now,
                                      .type = "programmer.revoked",
                                      .actor = revocation->actor,
                                      .subject = revocation->id,
                                      .detail = revocation->reason};

    if (store_programmer_find(db, revocation->id, &programmer, error) != 0)
        return -1;
    if (strcmp(programmer.state, "revoked") == 0)
        return 0;
    if (store_programmer_revoke(db, revocation->id, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_programmer_revoke(struct service *service, const char *id, const char *actor,
                              const char *reason, struct error *error) {
    struct revocation revocation = {id, actor, reason, service_now(service)};

    if (reason != NULL && service_check_text("reason", reason, error) != 0)
        return -1;
    return store_run(service->store, revoke_programmer, &revocation, error);
}

/* T1 without `point`, T2 with it: both sides sign what they saw, bound to both certificates, so
 * that nobody in the middle can put in a point of his own. */
static void transcript(const struct service *service, const struct store_programmer *programmer,
                       const struct service_agreement *agreement, bool with_answer,
                       uint8_t digest[32]) {
    uint8_t input[256];
    struct writer writer;

    writer_init(&writer, input, sizeof input);
    write_bytes(&writer, bytes_of(AGREEMENT_LABEL, strlen(AGREEMENT_LABEL)));
    write_bytes(&writer, bytes_of(service->authority.job_authority_sha256, 32));
    write_bytes(&writer, bytes_of(programmer->certificate_hash, 32));
    write_bytes(&writer, bytes_of(agreement->peer_point, sizeof agreement->peer_point));
    if (with_answer) {
        write_bytes(&writer, bytes_of(agreement->point, sizeof agreement->point));
        write_u32be(&writer, (uint32_t)agreement->epoch);
    }
    SHA256(input, writer.size, digest);
}

static int check_peer_signature(struct service *service, struct store_db *reader,
                                const struct store_programmer *programmer,
                                const struct service_agreement *agreement, struct error *error) {
    struct buffer der = {0};
    struct x509_info info;
    uint8_t digest[32];
    int result = store_programmer_certificate(reader, programmer->id, &der, error);

    if (result == 0)
        result = x509_read(buffer_bytes(&der), &info, error);
    buffer_free(&der);
    if (result != 0)
        return -1;
    transcript(service, programmer, agreement, false, digest);
    if (crypto_p256_verify(info.public_key, digest, agreement->peer_signature) != STATUS_OK)
        return error_set(error, ERROR_ALTERED,
                         "the programmer's signature does not match its certificate");
    return 0;
}

struct agreement_write {
    const struct service_agreement *agreement;
    struct hsm_wrapped_key stored;
    uint64_t now;
};

static int record_agreement(struct store_db *db, void *context, struct error *error) {
    const struct agreement_write *write = context;
    const struct store_event event = {.time = write->now,
                                      .type = "programmer.key_agreed",
                                      .actor = write->agreement->actor,
                                      .subject = write->agreement->programmer_id};

    if (store_agreement_insert(db, write->agreement->programmer_id, write->agreement->epoch,
                               bytes_of(write->stored.data, write->stored.size), write->now,
                               error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

int service_programmer_agree(struct service *service, struct store_db *reader,
                             struct service_agreement *agreement, struct error *error) {
    struct agreement_write write = {.agreement = agreement, .now = service_now(service)};
    struct store_programmer programmer;
    struct hsm_wrapped_key for_peer;
    uint8_t digest[32];

    if (store_programmer_find(reader, agreement->programmer_id, &programmer, error) != 0)
        return -1;
    if (strcmp(programmer.state, "revoked") == 0)
        return error_set(error, ERROR_REVOKED, "the programmer is revoked");
    if (check_peer_signature(service, reader, &programmer, agreement, error) != 0)
        return -1;
    agreement->epoch = programmer.epoch + 1;
    if (hsm_agreement_answer(service->authority.hsm, service->authority.programmer_kek,
                             agreement->peer_point, agreement->point, &for_peer, &write.stored,
                             error) != 0)
        return -1;
    transcript(service, &programmer, agreement, true, digest);
    if (hsm_sign(service->authority.job_key, digest, agreement->signature, error) != 0)
        return -1;
    memcpy(agreement->wrapped_key, for_peer.data, for_peer.size);
    agreement->wrapped_key_size = for_peer.size;
    return store_run(service->store, record_agreement, &write, error);
}
