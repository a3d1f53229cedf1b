/* The hot path: a reservation and a certificate for each chip. Everything slow (parsing, the CSR's
 * signature, the token) happens here, in the worker; the write function only decides and stores. */
#include "server/service.h"

#include "base/scrap_statement.h"
#include "cose/cose_sign1.h"
#include "cose/permit.h"
#include "crypto/crypto.h"

#include <openssl/rand.h>
#include <string.h>

#define BACKDATE_S 300

void service_token_hash(const uint8_t token[32], uint8_t hash[32]) {
    crypto_sha256(bytes_of(token, 32), hash);
}

int service_prepare_reservation(struct service *service, struct store_reservation *reservation,
                                struct error *error) {
    reservation->now = service_now(service);
    if (RAND_bytes(reservation->nonce, sizeof reservation->nonce) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    return 0;
}

/* The request must be about the chip and the reservation it is sent for. */
static int check_request(const struct device_csr *csr, const struct store_unit *unit,
                         struct error *error) {
    if (memcmp(csr->uid, unit->uid, sizeof csr->uid) != 0)
        return error_set(error, ERROR_CSR_SUBJECT, "the request names another UID");
    if (memcmp(csr->nonce, unit->nonce, sizeof csr->nonce) != 0) {
        error_set(error, ERROR_CSR_NONCE, "the request carries another reservation's nonce");
        return error_hint(error, "ask the chip for a request with the nonce of this unit");
    }
    return 0;
}

static int sign_certificate(struct service *service, const struct device_csr *csr,
                            struct service_issue *issue, struct error *error) {
    struct store_issue *write = &issue->write;
    struct device_certificate_fields fields = {.not_before_s = write->now - BACKDATE_S,
                                               .not_after_s = X509_NO_EXPIRY};
    uint8_t random[10];
    size_t size;

    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    memcpy(fields.uid, csr->uid, sizeof fields.uid);
    memcpy(fields.auth_key, csr->auth_key, sizeof fields.auth_key);
    x509_serial(write->now, random, fields.serial);
    if (device_certificate_issue(&service->authority.device_issuer, &fields, issue->der,
                                 sizeof issue->der, &size, error) != 0)
        return -1;
    memcpy(write->serial, fields.serial, sizeof write->serial);
    write->not_after = INT64_MAX;
    write->der = bytes_of(issue->der, size);
    crypto_sha256(write->der, write->certificate_hash);
    memcpy(write->auth_key, csr->auth_key, sizeof write->auth_key);
    memcpy(write->enc_key, csr->enc_key, sizeof write->enc_key);
    memcpy(write->tls_key, csr->tls_key, sizeof write->tls_key);
    crypto_sha256(bytes_of(csr->auth_key, sizeof csr->auth_key), write->auth_key_hash);
    return 0;
}

int service_prepare_issue(struct service *service, struct store_db *reader,
                          struct service_issue *issue, struct error *error) {
    struct store_issue *write = &issue->write;
    struct store_unit unit;
    struct device_csr csr;

    write->now = service_now(service);
    write->csr = bytes_of(issue->csr, issue->csr_size);
    crypto_sha256(write->csr, write->csr_hash);
    if (store_unit_find(reader, write->unit_id, &unit, error) != 0)
        return -1;
    if (strcmp(unit.programmer_id, write->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the unit belongs to another programmer");
    if (unit.certified && memcmp(unit.csr_hash, write->csr_hash, sizeof unit.csr_hash) == 0 &&
        unit.state == UNIT_RESERVED)
        return store_unit_certificate(reader, &unit, write->issued_der, sizeof write->issued_der,
                                      &write->issued_size, error) == 0
                   ? 1
                   : -1;
    if (device_csr_read(write->csr, &csr, error) != 0 || check_request(&csr, &unit, error) != 0)
        return -1;
    return sign_certificate(service, &csr, issue, error);
}

static int sign_permit(struct service *service, const struct store_unit *unit,
                       struct service_permit *permit, struct error *error) {
    const struct authority *authority = &service->authority;
    const struct bytes chain[] = {buffer_bytes(&authority->command_authority),
                                  buffer_bytes(&authority->operations_ca)};
    struct permit content = {.command = PERMIT_ROOT_HASH};
    struct permit_root_hash root_hash;
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct writer inner, outer;
    enum status status;
    uint8_t *room;

    memcpy(content.uid, unit->uid, sizeof content.uid);
    memcpy(content.auth_key_hash, permit->write.auth_key_hash, sizeof content.auth_key_hash);
    memcpy(content.nonce, permit->write.device_nonce, sizeof content.nonce);
    memcpy(root_hash.root_hash, authority->root_sha256, sizeof root_hash.root_hash);
    memcpy(root_hash.command_key_hash, authority->command_key_sha256,
           sizeof root_hash.command_key_hash);
    writer_init(&inner, payload, sizeof payload);
    permit_write_root_hash(&inner, &content, &root_hash);
    room = buffer_reserve(&permit->encoded, PERMIT_MAX);
    if (writer_check(&inner) != STATUS_OK || room == NULL)
        return error_set(error, ERROR_INTERNAL, "cannot write the permit");
    writer_init(&outer, room, PERMIT_MAX);
    status = cose_sign1_write(&outer, chain, 2, writer_bytes(&inner), server_authority_cose_sign,
                              authority->command_key);
    if (status == STATUS_CRYPTO) {
        error_set(error, ERROR_HSM_UNAVAILABLE, "the token does not sign");
        return error_hint(error, "nothing was changed; repeat when the token is back");
    }
    if (status != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "cannot write the permit: %s", status_name(status));
    permit->encoded.size = outer.size;
    permit->write.permit = buffer_bytes(&permit->encoded);
    return 0;
}

int service_prepare_permit(struct service *service, struct store_db *reader,
                           struct service_permit *permit, struct error *error) {
    struct store_unit unit;
    struct store_job job;
    int found;

    permit->write.now = service_now(service);
    if (store_permit_check(reader, &permit->write, &unit, &job, error) != 0)
        return -1;
    found = store_permit_find(reader, &permit->write, &permit->encoded, error);
    if (found != 0)
        return found;
    if (permit->write.command == PERMIT_ROOT_HASH)
        return sign_permit(service, &unit, permit, error);
    if (service_find_boot_key_hash(service, reader, &unit, permit, error) != 0)
        return -1;
    return service_sign_later_permit(service, unit.uid, permit, error);
}

int service_check_scrap(struct store_db *reader, const struct store_status *status,
                        struct error *error) {
    struct store_unit unit;
    uint8_t key[64], digest[32];

    if (store_unit_find(reader, status->unit_id, &unit, error) != 0)
        return -1;
    if (strcmp(unit.programmer_id, status->programmer_id) != 0)
        return error_set(error, ERROR_DENIED, "the unit belongs to another programmer");
    if (service_programmer_key(reader, status->programmer_id, key, error) != 0)
        return -1;
    scrap_statement_digest(unit.id, unit.uid, status->reason, digest);
    if (crypto_p256_verify(key, digest, status->signature) == STATUS_OK)
        return 0;
    return error_set(error, ERROR_ALTERED,
                     "what is scrapped, and why, is not signed by this programmer's key");
}
