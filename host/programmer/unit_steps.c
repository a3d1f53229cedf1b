#include "programmer/unit_internal.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "cose/permit.h"
#include "devauth/otp_map.h"
#include "programmer/chip_names.h"
#include "programmer/recovery.h"
#include "x509/device_csr.h"

#include <string.h>

static int session_open(struct unit *unit, struct error *error) {
    if (unit_open_chip(unit, error) != 0)
        return -1;
    chip_expect_mailbox(&unit->chip, unit->mailbox.key_hash);
    chip_expect_stage(&unit->chip, DEVAUTH_STAGE_DEVAUTH);
    return chip_session(&unit->chip, error);
}

static bool family_matches(const struct unit *unit) {
    char family[DEVAUTH_FAMILY_SIZE + 1] = {0};
    memcpy(family, unit->info.family, DEVAUTH_FAMILY_SIZE);
    return strcmp(family, unit->order->job->package.chip_family) == 0;
}

/* Asked inside the session: outside it the answer proves nothing. */
static int chip_identify(struct unit *unit, struct error *error) {
    if (chip_info(&unit->chip, &unit->info, error) != 0)
        return -1;
    if (unit->info.stage != DEVAUTH_STAGE_DEVAUTH)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip does not run DevAuth");
    if (!family_matches(unit))
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip is a %.16s, the job is for %s",
                         unit->info.family, unit->order->job->package.chip_family);
    hex_encode_upper(bytes_of(unit->info.uid, DEVAUTH_UID_SIZE), unit->result->uid);
    if (unit->chip.shows_issued && strcmp(unit->chip.leaf.subject_serial, unit->result->uid) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip's certificate is for another UID");
    if (!package_allows_uid(&unit->order->job->package, unit->info.uid))
        return error_set(error, ERROR_UID_NOT_LISTED, "this UID is not in the job's list");
    return 0;
}

/* The chip shows the certificate that the journal has for it. */
static bool has_our_certificate(const struct unit *unit) {
    return unit->chip.shows_issued &&
           (unit->record.state == JOB_UNIT_ISSUED || unit->record.is_identified) &&
           memcmp(unit->chip.leaf.sha256, unit->record.certificate_sha256, 32) == 0;
}

static int copied_uid(struct error *error) {
    (void)error_set(error, ERROR_UID_UNDER_OTHER_KEY,
                    "a chip of this UID was identified before, and this one is blank");
    return error_hint(error, "a copied chip or UID: keep it, and tell the OEM");
}

static int foreign(struct error *error) {
    (void)error_set(error, ERROR_DEVICE_REFUSED,
                    "the chip has an identity that this job did not give it here");
    return error_hint(error, "look the UID up at the OEM; this chip cannot be made again");
}

/* A chip that is lost, or past where any production leads. */
static int end_judge(const struct unit *unit, enum chip_life last, struct error *error) {
    if (unit->info.life_cycle > last)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip's life cycle is %s, past all this",
                         chip_life_name(unit->info.life_cycle));
    if (unit->record.state == JOB_UNIT_SCRAPPED) {
        (void)error_set(error, ERROR_UNIT_SCRAPPED, "this chip was scrapped: %.100s",
                        unit->record.reason);
        return error_hint(error, "nothing more is made of it under this job: put it to the scrap");
    }
    if (unit->record.is_identified && unit->record.state == JOB_UNIT_FAILED) {
        (void)error_set(error, ERROR_DEVICE_REFUSED, "this chip's unit failed at %s: %.100s",
                        unit->record.step, unit->record.reason);
        return error_hint(error, "look the UID up at the OEM; this chip cannot be made again");
    }
    return 0;
}

static int history_judge(struct unit *unit, struct error *error) {
    bool ours = has_our_certificate(unit);
    if (end_judge(unit, CHIP_LIFE_PROVISIONED, error) != 0)
        return -1;
    if (unit->info.life_cycle == CHIP_LIFE_PROVISIONED && !ours)
        return foreign(error);
    if (unit->record.is_identified && unit->info.life_cycle != CHIP_LIFE_PROVISIONED)
        return copied_uid(error);
    unit->is_ours = ours;
    unit->already = !unit->boot.wanted && unit->record.is_identified;
    unit->resumed = ours && !unit->already;
    if (ours)
        chip_require_leaf(&unit->chip, unit->record.certificate_sha256);
    return 0;
}

static int unit_take(struct unit *unit, struct error *error) {
    if (unit->has_uid)
        return 0;
    hex_encode_upper(bytes_of(unit->info.uid, DEVAUTH_UID_SIZE), unit->result->uid);
    if (job_journal_take(unit->order->job->journal, unit->info.uid, &unit->record, error) != 0)
        return -1;
    unit->has_uid = true;
    return 0;
}

/* The chip runs without a debug port. Who it claims to be says which certificate it must prove. */
static int past_session(struct unit *unit, struct error *error) {
    if (unit_take(unit, error) != 0)
        return -1;
    if (!unit->record.is_identified)
        return foreign(error);
    if (end_judge(unit, CHIP_LIFE_SECURED, error) != 0)
        return -1;
    chip_require_leaf(&unit->chip, unit->record.certificate_sha256);
    if (unit_reach(unit, error) != 0)
        return -1;
    unit->is_ours = chip_has_session(&unit->chip);
    unit->already = unit->record.state == JOB_UNIT_DONE &&
                    unit->info.stage == DEVAUTH_STAGE_APPLICATION && unit->is_ours;
    unit->resumed = !unit->already;
    return 0;
}

int unit_session(struct unit *unit, struct error *error) {
    if (unit->past_devauth)
        return past_session(unit, error);
    if (session_open(unit, error) != 0 || chip_identify(unit, error) != 0 ||
        unit_take(unit, error) != 0)
        return -1;
    return history_judge(unit, error);
}

static int reservation_ask(struct unit *unit, struct error *error) {
    struct job *job = unit->order->job;
    struct error unused;
    const struct server_line line = unit_line(unit);
    uint64_t begin = clock_monotonic_us();
    int failed = server_reserve(unit->order->server, &job->package, unit->info.uid,
                                unit->record.attempt, &line, &unit->reservation, error);
    unit->server_us += clock_monotonic_us() - begin;
    if (failed == 0)
        return job_journal_reserved(job->journal, &unit->record, unit->reservation.unit_id, error);
    /* Without an answer, or under another serial number, the reservation may stand: it stays
     * counted until the server says. */
    if (error->code != ERROR_OFFLINE && error->code != ERROR_CONFLICT &&
        recovery_refused(job, unit->order->server, &unit->record, error->code, &unused) != 0)
        log_error_event("unit.refused", &unused);
    return -1;
}

int unit_reserve(struct unit *unit, struct error *error) {
    struct job_journal *journal = unit->order->job->journal;
    bool stale = unit->record.state == JOB_UNIT_RESERVED || unit->record.state == JOB_UNIT_ISSUED;
    /* An attempt that was cut off, and whose certificate is not in the chip, cannot go on. */
    if (stale && unit_end_attempt(unit, "reserve", "the chip came back without it", error) != 0)
        return -1;
    if (unit->record.state == JOB_UNIT_FAILED && !unit->record.reported &&
        recovery_report(unit->order->job, unit->order->server, &unit->record, NULL, error) != 0)
        return -1;
    if (job_journal_reserve(journal, unit->info.uid, &unit->record, error) != 0)
        return -1;
    return reservation_ask(unit, error);
}

int unit_keys(struct unit *unit, struct error *error) {
    return chip_generate_keys(&unit->chip, &unit->keys, error);
}

/* The server checks all this again; here it is known which chip is at the other end. */
int unit_csr(struct unit *unit, struct error *error) {
    struct device_csr csr;
    buffer_clear(&unit->csr);
    if (chip_csr(&unit->chip, unit->info.uid, unit->keys.auth, unit->reservation.nonce, &unit->csr,
                 error) != 0)
        return -1;
    if (device_csr_read(buffer_bytes(&unit->csr), &csr, error) != 0)
        return error_prefix(error, "the chip's request");
    if (memcmp(csr.uid, unit->info.uid, sizeof csr.uid) != 0 ||
        memcmp(csr.auth_key, unit->keys.auth, sizeof csr.auth_key) != 0 ||
        memcmp(csr.enc_key, unit->keys.enc, sizeof csr.enc_key) != 0 ||
        memcmp(csr.tls_key, unit->keys.tls, sizeof csr.tls_key) != 0 ||
        memcmp(csr.nonce, unit->reservation.nonce, sizeof csr.nonce) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip's request is not for the keys, UID and nonce it was asked for");
    return 0;
}

static int leaf_check(struct unit *unit, struct x509_info *info, struct error *error) {
    const struct identity *identity = unit->order->identity;
    if (x509_verify_chain(buffer_bytes(&identity->root), buffer_bytes(&identity->device_ca),
                          buffer_bytes(&unit->leaf), X509_PROFILE_DEVICE,
                          clock_now_s(unit->order->clock), error) != 0 ||
        x509_read(buffer_bytes(&unit->leaf), info, error) != 0)
        return error_prefix(error, "the issued certificate");
    if (memcmp(info->public_key, unit->keys.auth, sizeof info->public_key) != 0 ||
        strcmp(info->subject_serial, unit->result->uid) != 0)
        return error_set(error, ERROR_BAD_CERTIFICATE,
                         "the issued certificate is for another key or UID");
    return 0;
}

int unit_certificate(struct unit *unit, struct error *error) {
    struct x509_info info;
    uint64_t begin = clock_monotonic_us();
    buffer_clear(&unit->leaf);
    int failed = server_certify(unit->order->server, unit->record.unit_id, buffer_bytes(&unit->csr),
                                &unit->leaf, error);
    unit->server_us += clock_monotonic_us() - begin;
    if (failed != 0 || leaf_check(unit, &info, error) != 0)
        return -1;
    chip_expect_leaf(&unit->chip, info.sha256);
    return job_journal_issued(unit->order->job->journal, &unit->record, info.sha256, error);
}

int unit_install(struct unit *unit, struct error *error) {
    return chip_install(&unit->chip, buffer_bytes(&unit->leaf), error);
}

/* Nothing but the AUTH key behind the issued certificate can open this session. */
int unit_verify(struct unit *unit, struct error *error) {
    struct devauth_device_info info;
    struct devauth_public_keys keys;
    chip_require_leaf(&unit->chip, unit->record.certificate_sha256);
    if (chip_session(&unit->chip, error) != 0 || chip_info(&unit->chip, &info, error) != 0 ||
        chip_public_keys(&unit->chip, &keys, error) != 0)
        return -1;
    if (memcmp(info.uid, unit->info.uid, sizeof info.uid) != 0 ||
        memcmp(keys.auth, unit->chip.leaf.public_key, sizeof keys.auth) != 0 ||
        (info.flags & DEVAUTH_FLAG_ISSUED_CHAIN) == 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip does not stand behind its certificate");
    if (!unit->resumed && (memcmp(keys.enc, unit->keys.enc, sizeof keys.enc) != 0 ||
                           memcmp(keys.tls, unit->keys.tls, sizeof keys.tls) != 0))
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the chip's keys changed");
    unit->info = info;
    unit->is_ours = true;
    return 0;
}

bool unit_is_refusal(enum error_code code) {
    switch (code) {
    case ERROR_DENIED:
    case ERROR_REVOKED:
    case ERROR_EXPIRED:
    case ERROR_JOB_CLOSED:
    case ERROR_JOB_PAUSED:
    case ERROR_WRONG_STATE:
    case ERROR_NOT_FOUND:
    case ERROR_UNIT_SCRAPPED:
    case ERROR_UID_UNDER_OTHER_KEY: return true;
    default: return false;
    }
}

int unit_permit(struct unit *unit, uint8_t permit, const char *command, struct error *error) {
    uint8_t nonce[32];
    uint8_t key_hash[CRYPTO_DIGEST_SIZE];
    struct buffer signed_permit = {0};
    if (chip_permit_nonce(&unit->chip, permit, nonce, error) != 0)
        return -1;
    crypto_sha256(bytes_of(unit->chip.leaf.public_key, 64), key_hash);
    bool asked_before = unit->permit_asked;
    unit->permit_asked = true;
    uint64_t begin = clock_monotonic_us();
    int failed = server_permit(unit->order->server, unit->record.unit_id, command, nonce, key_hash,
                               &signed_permit, error);
    unit->server_us += clock_monotonic_us() - begin;
    if (failed != 0 && unit_is_refusal(error->code))
        unit->permit_asked = asked_before;
    if (failed == 0)
        failed = chip_permit_execute(&unit->chip, buffer_bytes(&signed_permit), error);
    buffer_free(&signed_permit);
    return failed;
}

int unit_root_hash(struct unit *unit, struct error *error) {
    /* A lost answer may have come from a chip that did it. */
    if (unit_refresh(unit, error) != 0)
        return -1;
    if (unit->info.life_cycle == CHIP_LIFE_PROVISIONED)
        return 0;
    return unit_permit(unit, PERMIT_ROOT_HASH, "root_hash", error);
}

/* The server gives out no firmware before it knows the unit as identified. */
static int identified_note(struct unit *unit, struct error *error) {
    const struct server_line line = unit_line(unit);
    struct job *job = unit->order->job;
    if (unit->record.state == JOB_UNIT_ISSUED &&
        job_journal_identified(job->journal, &unit->record, unit_milliseconds(unit), error) != 0)
        return -1;
    if (unit->record.state == JOB_UNIT_IDENTIFIED && !unit->record.reported &&
        recovery_report(job, unit->order->server, &unit->record, &line, error) != 0)
        return -1;
    return unit_look(unit, error);
}

int unit_confirm(struct unit *unit, struct error *error) {
    uint8_t stored[32];
    uint8_t root[CRYPTO_DIGEST_SIZE];
    if (unit_refresh(unit, error) != 0 ||
        chip_otp_hash(&unit->chip, OTP_ROOT_HASH, stored, error) != 0)
        return -1;
    crypto_sha256(buffer_bytes(&unit->order->identity->root), root);
    if (unit->info.life_cycle != CHIP_LIFE_PROVISIONED ||
        (unit->info.flags & DEVAUTH_FLAG_ROOT_HASH) == 0 || memcmp(stored, root, sizeof root) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the root hash is not in the chip's OTP");
    if (unit->boot.wanted)
        return identified_note(unit, error);
    chip_end_session(&unit->chip);
    return 0;
}

bool unit_needs_debug(const struct unit *unit) {
    return !unit->past_devauth;
}

bool unit_needs_identity(const struct unit *unit) {
    return !unit->resumed && !unit->past_devauth;
}

/* A chip whose secured life cycle or BL2 proves the root hash need not show it again. */
bool unit_needs_proof(const struct unit *unit) {
    return !unit->past_devauth;
}
