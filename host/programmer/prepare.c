/*
 * prepare.*: what the OEM does with the programmer in a trusted room, before it goes to the
 * manufacturer. Each step may be repeated; repeating install asks for a new agreement.
 *
 * The agreement on AES_NuLink3 (docs/formats/control.md): both ends sign what they saw,
 *   T1 = SHA-256(label, server certificate hash, programmer certificate hash, programmer point)
 *   T2 = SHA-256(label, both hashes, both points, epoch)
 * so that neither a changed point nor an old answer passes.
 */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "programmer/launch.h"
#include "programmer/software.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGREEMENT_LABEL "NuSEC AES_NuLink3 v1"

static int lock_exclusive(struct programmer *programmer, struct error *error) {
    if (pthread_rwlock_trywrlock(&programmer->lock) == 0)
        return 0;
    (void)error_set(error, ERROR_BUSY, "the programmer is at work");
    return error_hint(error, "wait until nothing is produced or imported");
}

static void unlock(struct programmer *programmer) {
    (void)pthread_rwlock_unlock(&programmer->lock);
}

/* A short text that goes into certificates, files and logs. */
static int text_take(const json_t *params, const char *key, char *out, size_t capacity,
                     struct error *error) {
    const char *text = NULL;
    if (json_read_string(params, key, &text, error) != 0)
        return -1;
    size_t size = strlen(text);
    if (size == 0 || size >= capacity)
        return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is empty or too long", key);
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return error_set(error, ERROR_BAD_REQUEST, "\"%s\" is not plain ASCII", key);
    memcpy(out, text, size + 1);
    return 0;
}

static int csr_make(struct programmer *programmer, const char *name, struct buffer *pem,
                    struct error *error) {
    struct signer signer = key_store_signer(&programmer->key_store);
    if (x509_csr_create(name, programmer->key_store.public_key, signer, pem, error) != 0)
        return -1;
    (void)snprintf(programmer->identity.name, sizeof programmer->identity.name, "%s", name);
    return identity_save(&programmer->identity, programmer->directory, error);
}

int programmer_prepare_csr(void *context, const json_t *params, struct control_call *call,
                           json_t **result, struct error *error) {
    struct programmer *programmer = context;
    char name[IDENTITY_TEXT_MAX + 1];
    struct buffer pem = {0};
    (void)call;
    if (text_take(params, "name", name, sizeof name, error) != 0 ||
        lock_exclusive(programmer, error) != 0)
        return -1;
    int failed = csr_make(programmer, name, &pem, error);
    unlock(programmer);
    if (failed == 0)
        *result = json_pack("{s:s,s:s}", "csr_pem", buffer_text(&pem), "assurance",
                            programmer->key_store.assurance);
    buffer_free(&pem);
    return failed;
}

static void proof_drop(struct programmer *programmer) {
    key_store_proof_free(&programmer->key_store, programmer->proof);
    programmer->proof = NULL;
}

int programmer_prepare_tpm_begin(void *context, const json_t *params, struct control_call *call,
                                 json_t **result, struct error *error) {
    struct programmer *programmer = context;
    struct buffer certificate = {0};
    struct buffer ak_public = {0};
    (void)call;
    (void)params;
    if (lock_exclusive(programmer, error) != 0)
        return -1;
    proof_drop(programmer);
    programmer->proof =
        key_store_proof_begin(&programmer->key_store, &certificate, &ak_public, error);
    int failed = programmer->proof != NULL ? 0 : -1;
    unlock(programmer);
    if (failed == 0)
        *result =
            json_pack("{s:o,s:o}", "ek_certificate_b64", json_base64(buffer_bytes(&certificate)),
                      "ak_public_b64", json_base64(buffer_bytes(&ak_public)));
    buffer_free(&certificate);
    buffer_free(&ak_public);
    return failed;
}

/* One answer for one challenge. */
static int tpm_prove(struct programmer *programmer, const json_t *params, json_t **result,
                     struct error *error) {
    struct buffer credential = {0};
    struct buffer secret = {0};
    struct buffer authkey = {0};
    struct buffer statement = {0};
    uint8_t signature[HSM_SIGNATURE_SIZE];
    int failed = -1;
    if (programmer->proof == NULL)
        (void)error_set(error, ERROR_BAD_REQUEST, "no proof was begun");
    else if (json_read_base64_buffer(params, "credential_b64", 1024, &credential, error) == 0 &&
             json_read_base64_buffer(params, "encrypted_secret_b64", 1024, &secret, error) == 0)
        failed = key_store_proof_finish(&programmer->key_store, programmer->proof,
                                        buffer_bytes(&credential), buffer_bytes(&secret), &authkey,
                                        &statement, signature, error);
    if (failed == 0) {
        *result =
            json_pack("{s:o,s:o,s:o}", "authkey_public_b64", json_base64(buffer_bytes(&authkey)),
                      "attest_b64", json_base64(buffer_bytes(&statement)), "signature_b64",
                      json_base64(bytes_of(signature, sizeof signature)));
        proof_drop(programmer);
    }
    buffer_free(&credential);
    buffer_free(&secret);
    buffer_free(&authkey);
    buffer_free(&statement);
    return failed;
}

int programmer_prepare_tpm_prove(void *context, const json_t *params, struct control_call *call,
                                 json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)call;
    if (lock_exclusive(programmer, error) != 0)
        return -1;
    int failed = tpm_prove(programmer, params, result, error);
    unlock(programmer);
    return failed;
}

static int pems_read(const json_t *params, struct identity_pems *pems, struct error *error) {
    if (json_read_string(params, "certificate_pem", &pems->programmer, error) != 0 ||
        json_read_string(params, "root_pem", &pems->root, error) != 0 ||
        json_read_string(params, "device_ca_pem", &pems->device_ca, error) != 0 ||
        json_read_string(params, "operations_ca_pem", &pems->operations_ca, error) != 0 ||
        json_read_string(params, "job_authority_pem", &pems->job_authority, error) != 0)
        return -1;
    return 0;
}

static int identity_make(const struct programmer *programmer, const json_t *params,
                         struct identity *identity, struct error *error) {
    struct identity_pems pems;
    *identity = (struct identity){.import_floor = programmer->identity.import_floor};
    memcpy(identity->name, programmer->identity.name, sizeof identity->name);
    if (pems_read(params, &pems, error) != 0 ||
        text_take(params, "programmer_id", identity->programmer_id, sizeof identity->programmer_id,
                  error) != 0 ||
        text_take(params, "server_url", identity->server_url, sizeof identity->server_url, error) !=
            0 ||
        json_read_hex(params, "rotpk_sboot_hex", identity->boot_key, 64, error) != 0)
        return -1;
    return identity_install(identity, &pems, programmer->key_store.public_key,
                            clock_now_s(programmer->clock), error);
}

/* A key agreed under the old identity belongs to the old identity. */
static void agreement_drop(struct programmer *programmer) {
    key_store_agreement_free(&programmer->key_store, programmer->agreement);
    programmer->agreement = NULL;
}

static int install_locked(struct programmer *programmer, const json_t *params,
                          struct error *error) {
    struct identity identity;
    int failed = identity_make(programmer, params, &identity, error);
    /* The same certificate again keeps its epoch. */
    if (failed == 0 && programmer->identity.installed &&
        memcmp(identity.certificate_sha256, programmer->identity.certificate_sha256, 32) == 0)
        identity.epoch = programmer->identity.epoch;
    if (failed == 0)
        failed = identity_save(&identity, programmer->directory, error);
    if (failed != 0) {
        identity_free(&identity);
        return -1;
    }
    identity_free(&programmer->identity);
    programmer->identity = identity;
    agreement_drop(programmer);
    return programmer_connect(programmer, error);
}

int programmer_prepare_install(void *context, const json_t *params, struct control_call *call,
                               json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)call;
    if (lock_exclusive(programmer, error) != 0)
        return -1;
    int failed = install_locked(programmer, params, error);
    if (failed == 0) {
        log_info("prepare.installed", "programmer", programmer->identity.programmer_id);
        *result = json_pack("{s:o}", "certificate_sha256_hex",
                            json_hex(bytes_of(programmer->identity.certificate_sha256, 32)));
    }
    unlock(programmer);
    return failed;
}

/* The part T1 and T2 have in common. */
static void transcript_start(const struct programmer *programmer, struct crypto_sha256 *hash) {
    const struct identity *identity = &programmer->identity;
    crypto_sha256_start(hash);
    crypto_sha256_update(hash, bytes_of(AGREEMENT_LABEL, strlen(AGREEMENT_LABEL)));
    crypto_sha256_update(hash, bytes_of(identity->job_authority_sha256, 32));
    crypto_sha256_update(hash, bytes_of(identity->certificate_sha256, 32));
    crypto_sha256_update(hash, bytes_of(programmer->agreement_point, HSM_POINT_SIZE));
}

static int agree_begin(struct programmer *programmer, uint8_t signature[HSM_SIGNATURE_SIZE],
                       struct error *error) {
    struct crypto_sha256 hash;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    if (!programmer->identity.installed) {
        (void)error_set(error, ERROR_NOT_PREPARED, "no certificate is installed");
        return error_hint(error, "prepare.install comes first");
    }
    agreement_drop(programmer);
    programmer->agreement =
        key_store_agreement_begin(&programmer->key_store, programmer->agreement_point, error);
    if (programmer->agreement == NULL)
        return -1;
    transcript_start(programmer, &hash);
    crypto_sha256_finish(&hash, digest);
    return key_store_sign(&programmer->key_store, digest, signature, error);
}

int programmer_prepare_agree_begin(void *context, const json_t *params, struct control_call *call,
                                   json_t **result, struct error *error) {
    struct programmer *programmer = context;
    uint8_t signature[HSM_SIGNATURE_SIZE];
    (void)call;
    (void)params;
    if (lock_exclusive(programmer, error) != 0)
        return -1;
    int failed = agree_begin(programmer, signature, error);
    if (failed == 0)
        *result = json_pack("{s:o,s:o}", "point_b64",
                            json_base64(bytes_of(programmer->agreement_point, HSM_POINT_SIZE)),
                            "signature_b64", json_base64(bytes_of(signature, sizeof signature)));
    unlock(programmer);
    return failed;
}

struct agreement_answer {
    uint32_t epoch;
    uint8_t point[HSM_POINT_SIZE];
    uint8_t signature[HSM_SIGNATURE_SIZE];
    uint8_t wrapped[HSM_WRAPPED_KEY_MAX];
    size_t wrapped_size;
};

static int answer_read(const json_t *params, struct agreement_answer *answer, struct error *error) {
    size_t point_size = 0;
    size_t signature_size = 0;
    if (json_read_u32(params, "epoch", &answer->epoch, error) != 0 ||
        json_read_base64(params, "point_b64", answer->point, sizeof answer->point, &point_size,
                         error) != 0 ||
        json_read_base64(params, "signature_b64", answer->signature, sizeof answer->signature,
                         &signature_size, error) != 0 ||
        json_read_base64(params, "wrapped_key_b64", answer->wrapped, sizeof answer->wrapped,
                         &answer->wrapped_size, error) != 0)
        return -1;
    if (point_size != HSM_POINT_SIZE || signature_size != HSM_SIGNATURE_SIZE)
        return error_set(error, ERROR_BAD_REQUEST, "point or signature has another length");
    return 0;
}

static int answer_verify(const struct programmer *programmer, const struct agreement_answer *answer,
                         struct error *error) {
    struct crypto_sha256 hash;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    const uint8_t epoch[4] = {(uint8_t)(answer->epoch >> 24), (uint8_t)(answer->epoch >> 16),
                              (uint8_t)(answer->epoch >> 8), (uint8_t)answer->epoch};
    transcript_start(programmer, &hash);
    crypto_sha256_update(&hash, bytes_of(answer->point, HSM_POINT_SIZE));
    crypto_sha256_update(&hash, bytes_of(epoch, sizeof epoch));
    crypto_sha256_finish(&hash, digest);
    if (crypto_p256_verify(programmer->identity.job_authority_key, digest, answer->signature) !=
        STATUS_OK)
        return error_set(error, ERROR_ALTERED,
                         "the server's answer is not signed by the installed job authority");
    /* An epoch only rises: an old answer must not bring an old key back. */
    if (answer->epoch <= programmer->identity.epoch)
        return error_set(error, ERROR_REPLAYED, "epoch %u is not newer than epoch %u",
                         answer->epoch, programmer->identity.epoch);
    return 0;
}

/* Keys of older epochs stay for the jobs that were imported under them; import asks for the
 * current one. */
static int epoch_key_store(struct programmer *programmer, const struct agreement_answer *answer,
                           struct error *error) {
    if (key_store_agreement_finish(&programmer->key_store, programmer->agreement, answer->point,
                                   bytes_of(answer->wrapped, answer->wrapped_size), answer->epoch,
                                   error) != 0)
        return -1;
    uint32_t before = programmer->identity.epoch;
    programmer->identity.epoch = answer->epoch;
    if (identity_save(&programmer->identity, programmer->directory, error) == 0)
        return 0;
    programmer->identity.epoch = before;
    return -1;
}

static int agree_finish(struct programmer *programmer, const json_t *params, struct error *error) {
    struct agreement_answer answer;
    if (programmer->agreement == NULL) {
        (void)error_set(error, ERROR_BAD_REQUEST, "no agreement was begun");
        return error_hint(error, "prepare.agree_begin comes first");
    }
    if (answer_read(params, &answer, error) != 0 ||
        answer_verify(programmer, &answer, error) != 0 ||
        epoch_key_store(programmer, &answer, error) != 0)
        return -1;
    agreement_drop(programmer);
    log_info("prepare.agreed", "epoch", LOG_NUMBER(answer.epoch));
    return 0;
}

int programmer_prepare_agree_finish(void *context, const json_t *params, struct control_call *call,
                                    json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)call;
    if (lock_exclusive(programmer, error) != 0)
        return -1;
    int failed = agree_finish(programmer, params, error);
    if (failed == 0)
        *result =
            json_pack("{s:I,s:b}", "epoch", (json_int_t)programmer->identity.epoch, "prepared", 1);
    unlock(programmer);
    return failed;
}

static int software_store(struct programmer *programmer, struct bytes manifest,
                          struct software *software, struct error *error) {
    unsigned long long floor = 0;
    if (!programmer->identity.installed)
        return error_set(error, ERROR_NOT_PREPARED, "no boot key is installed");
    if (software_read_manifest(manifest, programmer->identity.boot_key, MANIFEST_KIND_PROGRAMMER,
                               software, error) != 0 ||
        launch_floor_load(programmer->directory, &floor, error) != 0)
        return -1;
    if (software->counter < floor)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "version %s is older than what ran here before", software->version);
    char *path = path_join(programmer->directory, LAUNCH_MANIFEST_FILE);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = file_write_durable(path, manifest, 0600, error);
    free(path);
    return failed;
}

int programmer_prepare_software(void *context, const json_t *params, struct control_call *call,
                                json_t **result, struct error *error) {
    struct programmer *programmer = context;
    struct software software = {.counter = 0};
    struct buffer manifest = {0};
    (void)call;
    if (json_read_base64_buffer(params, "manifest_b64", MANIFEST_MAX, &manifest, error) != 0) {
        buffer_free(&manifest);
        return -1;
    }
    int failed = lock_exclusive(programmer, error);
    if (failed == 0) {
        failed = software_store(programmer, buffer_bytes(&manifest), &software, error);
        unlock(programmer);
    }
    if (failed == 0)
        *result = json_pack("{s:s}", "software_version", software.version);
    buffer_free(&manifest);
    return failed;
}
