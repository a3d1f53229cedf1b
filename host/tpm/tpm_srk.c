/*
 * The storage root key, and which TPM this is: a TPM whose storage key has another name is another
 * TPM, or somebody between us and it.
 */
#include "tpm/tpm_internal.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define SRK_HANDLE 0x81000001U /* TCG TPM v2.0 Provisioning Guidance, 7.5.1 */
#define PIN_FILE   "tpm.json"
#define FORMAT     1
#define FILE_LIMIT 4096

/* The template of TCG EK Credential Profile 2.x and of every operating system, so that whoever
 * comes first makes the same key. */
static const TPM2B_PUBLIC srk_template = {
    .publicArea = {.type = TPM2_ALG_ECC,
                   .nameAlg = TPM2_ALG_SHA256,
                   .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                       TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                                       TPMA_OBJECT_DECRYPT,
                   .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                          .keyBits.aes = 128,
                                                          .mode.aes = TPM2_ALG_CFB},
                                            .scheme.scheme = TPM2_ALG_NULL,
                                            .curveID = TPM2_ECC_NIST_P256,
                                            .kdf.scheme = TPM2_ALG_NULL},
                   .unique.ecc = {.x.size = 32, .y.size = 32}}};

static TSS2_RC srk_make(struct tpm *tpm) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    ESYS_TR made = ESYS_TR_NONE;
    TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &sensitive, &srk_template, &outside, &pcrs, &made,
                                    NULL, NULL, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, made, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, SRK_HANDLE, &tpm->srk);
    tpm_flush(tpm, made);
    if (rc == TSS2_RC_SUCCESS)
        log_info("tpm.storage_key", "handle", "81000001");
    return rc;
}

/* Anything else there could give away what is put under it. */
static bool is_storage_key(const TPMT_PUBLIC *key) {
    const TPMA_OBJECT wanted = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                               TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                               TPMA_OBJECT_DECRYPT;
    return (key->objectAttributes & (wanted | TPMA_OBJECT_SIGN_ENCRYPT)) == wanted;
}

/* The name of the key that sessions are salted to, computed from it. What TPM2_ReadPublic says is
 * the name could be said beside another key by whoever is on the bus. */
static int srk_check(struct tpm *tpm, TPM2B_NAME *name, struct error *error) {
    TPM2B_PUBLIC *public = NULL;
    TPM2B_NAME *computed = NULL;
    TSS2_RC rc = Esys_ReadPublic(tpm->esys, tpm->srk, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &public, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_error_set(error, "storage key", rc);
    bool fits = is_storage_key(&public->publicArea);
    Esys_Free(public);
    if (!fits)
        return error_set(error, ERROR_UNSUPPORTED,
                         "what the TPM has at 81000001 is no storage key");
    rc = Esys_TR_GetName(tpm->esys, tpm->srk, &computed);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_error_set(error, "storage key", rc);
    *name = *computed;
    Esys_Free(computed);
    return 0;
}

static json_t *pin_file_read(const char *path, struct error *error) {
    struct buffer text = {0};
    json_t *object = NULL;
    if (file_read(path, FILE_LIMIT, &text, error) == 0)
        object = json_parse_object(buffer_bytes(&text), error);
    buffer_free(&text);
    return object;
}

static int pin_load(struct tpm *tpm, const char *path, struct error *error) {
    json_t *object = pin_file_read(path, error);
    const char *name = NULL;
    uint32_t format = 0;
    size_t size = 0;
    int failed = -1;
    if (object != NULL && json_read_u32(object, "format", &format, error) == 0 &&
        json_read_string(object, "storage_key_name_hex", &name, error) == 0) {
        size = strlen(name) / 2;
        failed = format == FORMAT && size <= sizeof tpm->srk_name.name &&
                         hex_decode(name, tpm->srk_name.name, size) == 0
                     ? 0
                     : error_set(error, ERROR_STORAGE, "the name in it cannot be read");
    }
    tpm->srk_name.size = (UINT16)size;
    tpm->is_pinned = failed == 0;
    json_decref(object);
    return failed == 0 ? 0 : error_prefix(error, "%s", path);
}

static int pin_store(struct tpm *tpm, const char *path, const TPM2B_NAME *name,
                     struct error *error) {
    json_t *object = json_pack("{s:i,s:o}", "format", FORMAT, "storage_key_name_hex",
                               json_hex(bytes_of(name->name, name->size)));
    struct buffer text = {0};
    int failed = object == NULL ? error_set(error, ERROR_INTERNAL, "out of memory") : 0;
    if (failed == 0)
        failed = json_write(object, &text, error);
    if (failed == 0)
        failed = file_create_durable(path, buffer_bytes(&text), 0600, error);
    json_decref(object);
    buffer_free(&text);
    tpm->srk_name = *name;
    tpm->is_pinned = failed == 0;
    return failed;
}

static int pin_ensure(struct tpm *tpm, const TPM2B_NAME *name, struct error *error) {
    char *path = path_join(tpm->directory, PIN_FILE);
    int failed = path == NULL ? error_set(error, ERROR_INTERNAL, "out of memory") : 0;
    if (failed == 0 && !tpm->is_pinned)
        failed = file_exists(path) ? pin_load(tpm, path, error) : pin_store(tpm, path, name, error);
    free(path);
    return failed;
}

int tpm_srk_open(struct tpm *tpm, struct error *error) {
    TPM2B_NAME name = {0};
    TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &tpm->srk);
    if (tpm_error_number(rc) == TPM2_RC_HANDLE)
        rc = srk_make(tpm);
    if (rc != TSS2_RC_SUCCESS) {
        (void)tpm_error_set(error, "storage key", rc);
        return tpm_error_hierarchy(error, "owner", rc);
    }
    if (srk_check(tpm, &name, error) != 0 || pin_ensure(tpm, &name, error) != 0)
        return -1;
    if (name.size == tpm->srk_name.size && secret_equal(name.name, tpm->srk_name.name, name.size))
        return 0;
    (void)error_set(error, ERROR_HSM_UNAVAILABLE,
                    "this is not the TPM that the programmer's keys are in");
    return error_hint(error, "the keys cannot be moved: prepare the programmer anew");
}
