#include "load_job.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signer.h"
#include "board/devauth_image.h"
#include "cli/firmware.h"
#include "crypto/crypto.h"
#include "hsm/agreement.h"
#include "hsm/gcm.h"
#include "http/http_client.h"
#include "package/package.h"
#include "x509/certificate.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the set-up carries from step to step. */
struct setup {
    const char *work;
    const char *image_path;
    char family[DEVAUTH_IMAGE_FAMILY_SIZE + 1];
    char image_id[65];
    struct http_client *admin;
    struct hsm *hsm;
    uint8_t private_key[32];
    uint8_t public_key[64];
    char programmer_id[65];
    uint32_t epoch;
    struct buffer certificate; /* the programmer's, DER */
    struct buffer root;
    struct buffer operations_ca;
    struct buffer job_authority;
};

static int sign_with_file_key(void *context, const uint8_t digest[32], uint8_t signature[64],
                              struct error *error) {
    struct setup *setup = context;
    return crypto_p256_sign(setup->private_key, digest, signature) == STATUS_OK
               ? 0
               : error_set(error, ERROR_INTERNAL, "signing failed");
}

static int write_key_pem(const struct setup *setup, const char *path, struct error *error) {
    uint8_t point[65] = {4};
    memcpy(point + 1, setup->public_key, 64);
    BIGNUM *scalar = BN_bin2bn(setup->private_key, 32, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    FILE *file = fopen(path, "w");
    int ok = file != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
             EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) == 1 &&
             PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (file != NULL) {
        fclose(file);
    }
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    BN_free(scalar);
    return ok ? 0 : error_set(error, ERROR_STORAGE, "cannot write %s", path);
}

static int text_member(const json_t *object, const char *key, char *out, size_t size,
                       struct error *error) {
    const char *text;
    if (json_read_string(object, key, &text, error) != 0) {
        return -1;
    }
    snprintf(out, size, "%s", text);
    return 0;
}

static int pem_member(const json_t *object, const char *key, struct buffer *der,
                      struct error *error) {
    const char *pem;
    return json_read_string(object, key, &pem, error) == 0 &&
                   x509_certificate_from_pem(bytes_of(pem, strlen(pem)), der, error) == 0
               ? 0
               : -1;
}

static int certify_programmer(struct setup *setup, struct load_job *job, struct error *error) {
    struct buffer csr = {0};
    struct signer signer = {sign_with_file_key, setup};
    json_t *answer = NULL;
    json_t *ca = NULL;
    int result = -1;
    const char *pem;
    if (crypto_p256_generate(setup->private_key, setup->public_key) != STATUS_OK ||
        x509_csr_create("load", setup->public_key, signer, &csr, error) != 0) {
        return -1;
    }
    json_t *request = json_pack("{s:s,s:s,s:s}", "name", "load", "csr_pem", buffer_text(&csr),
                                "assurance", "software");
    if (http_client_post(setup->admin, "/v1/programmers", request, &answer, error) == 0 &&
        text_member(answer, "id", setup->programmer_id, sizeof setup->programmer_id, error) == 0 &&
        json_read_string(answer, "certificate_pem", &pem, error) == 0 &&
        pem_member(answer, "certificate_pem", &setup->certificate, error) == 0 &&
        file_write_durable(job->certificate_path, bytes_of(pem, strlen(pem)), 0600, error) == 0 &&
        write_key_pem(setup, job->key_path, error) == 0 &&
        http_client_get(setup->admin, "/v1/ca", &ca, error) == 0 &&
        pem_member(ca, "root_pem", &setup->root, error) == 0 &&
        pem_member(ca, "operations_ca_pem", &setup->operations_ca, error) == 0 &&
        pem_member(ca, "job_authority_pem", &setup->job_authority, error) == 0) {
        result = 0;
    }
    json_decref(request);
    json_decref(answer);
    json_decref(ca);
    buffer_free(&csr);
    return result;
}

static int token_open(struct setup *setup, struct error *error) {
    char *directory = path_join(setup->work, "tokens");
    char *config_path = path_join(setup->work, "softhsm2.conf");
    char *pin = path_join(setup->work, "pin");
    struct hsm_config config = {HSM_DEFAULT_MODULE, "load", pin, config_path};
    if (file_write_durable(pin, bytes_of("load-test", 9), 0600, error) == 0 &&
        hsm_softhsm_configure(config_path, directory, error) == 0 &&
        hsm_init_token(&config, pin, error) == 0) {
        setup->hsm = hsm_open(&config, error);
    }
    free(directory);
    free(config_path);
    free(pin);
    return setup->hsm != NULL ? 0 : -1;
}

/* T1 of docs/formats/package.md, signed as a programmer does. */
static int sign_point(struct setup *setup, const uint8_t point[65], uint8_t signature[64],
                      struct error *error) {
    struct crypto_sha256 hash;
    uint8_t digest[32];
    uint8_t server[32];
    uint8_t own[32];
    x509_sha256(buffer_bytes(&setup->job_authority), server);
    x509_sha256(buffer_bytes(&setup->certificate), own);
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, bytes_of("NuSEC AES_NuLink3 v1", 20));
    crypto_sha256_update(&hash, bytes_of(server, 32));
    crypto_sha256_update(&hash, bytes_of(own, 32));
    crypto_sha256_update(&hash, bytes_of(point, 65));
    crypto_sha256_finish(&hash, digest);
    return sign_with_file_key(setup, digest, signature, error);
}

static int agree(struct setup *setup, struct error *error) {
    uint8_t point[65];
    uint8_t peer[65];
    uint8_t signature[64];
    uint8_t wrapped[HSM_WRAPPED_KEY_MAX];
    size_t peer_size;
    size_t wrapped_size;
    char path[160];
    json_t *answer = NULL;
    struct hsm_agreement *agreement = hsm_agreement_begin(setup->hsm, point, error);
    if (agreement == NULL || sign_point(setup, point, signature, error) != 0) {
        return -1;
    }
    json_t *request = json_object();
    json_object_set_new(request, "point_b64", json_base64(bytes_of(point, 65)));
    json_object_set_new(request, "signature_b64", json_base64(bytes_of(signature, 64)));
    snprintf(path, sizeof path, "/v1/programmers/%s/agreement", setup->programmer_id);
    int result =
        http_client_post(setup->admin, path, request, &answer, error) == 0 &&
                json_read_u32(answer, "epoch", &setup->epoch, error) == 0 &&
                json_read_base64(answer, "point_b64", peer, sizeof peer, &peer_size, error) == 0 &&
                json_read_base64(answer, "wrapped_key_b64", wrapped, sizeof wrapped, &wrapped_size,
                                 error) == 0 &&
                hsm_agreement_finish(agreement, peer, bytes_of(wrapped, wrapped_size), "aes",
                                     error) == 0
            ? 0
            : -1;
    hsm_agreement_free(agreement);
    json_decref(request);
    json_decref(answer);
    return result;
}

static int decrypt(void *context, const uint8_t iv[12], struct bytes aad, struct bytes input,
                   uint8_t *out, struct error *error) {
    return hsm_gcm_decrypt(context, iv, aad, input, out, error);
}

static int open_package(struct setup *setup, const json_t *answer, struct load_job *job,
                        struct error *error) {
    struct buffer encoded = {0};
    struct package package;
    struct package_reader reader = {.epoch = setup->epoch,
                                    .root = buffer_bytes(&setup->root),
                                    .operations_ca = buffer_bytes(&setup->operations_ca)};
    reader.cipher.decrypt = decrypt;
    reader.cipher.context = hsm_key(setup->hsm, "aes", error);
    x509_sha256(buffer_bytes(&setup->certificate), reader.programmer_certificate_sha256);
    if (reader.cipher.context == NULL ||
        json_read_base64_buffer(answer, "package_b64", PACKAGE_SIZE_MAX, &encoded, error) != 0 ||
        package_open(buffer_bytes(&encoded), &reader, clock_now_s(&clock_system), &package,
                     error) != 0) {
        buffer_free(&encoded);
        return -1;
    }
    char *token = base64_encode(bytes_of(package.token, sizeof package.token));
    snprintf(job->token_base64, sizeof job->token_base64, "%s", token);
    free(token);
    package_free(&package);
    buffer_free(&encoded);
    return 0;
}

/* The load needs a DevAuth image only so that the job can name one. */
static int upload_image(struct setup *setup, struct error *error) {
    struct buffer image = {0};
    struct devauth_image_header header;
    int result = -1;
    if (file_read(setup->image_path, FIRMWARE_LIMIT, &image, error) != 0 ||
        devauth_image_parse(buffer_bytes(&image), &header) != STATUS_OK) {
        buffer_free(&image);
        return error_set(error, ERROR_BAD_REQUEST, "%s is no DevAuth image", setup->image_path);
    }
    buffer_free(&image);
    memcpy(setup->family, header.family, sizeof header.family);
    const struct firmware_upload upload = {
        .path = setup->image_path, .kind = "devauth", .family = setup->family, .version = "0.1.0"};
    json_t *stored = firmware_upload(setup->admin, &upload, error);
    if (stored != NULL)
        result = text_member(stored, "id", setup->image_id, sizeof setup->image_id, error);
    json_decref(stored);
    return result;
}

static int create_and_import(struct setup *setup, const char *url, const char *ca, uint32_t count,
                             struct load_job *job, struct error *error) {
    char path[160];
    json_t *created = NULL;
    json_t *exported = NULL;
    int result = -1;
    struct http_client_options options = {.base_url = url,
                                          .ca_path = ca,
                                          .certificate_path = job->certificate_path,
                                          .key_path = job->key_path};
    struct http_client *programmer = http_client_create(&options, error);
    if (programmer == NULL || upload_image(setup, error) != 0) {
        http_client_free(programmer);
        return -1;
    }
    json_t *request = json_pack(
        "{s:s,s:s,s:I,s:I,s:s,s:s,s:[]}", "product", "load", "programmer_id", setup->programmer_id,
        "count", (json_int_t)count, "expires", (json_int_t)clock_now_s(&clock_system) + 86400,
        "chip_family", setup->family, "devauth_id", setup->image_id, "uids");
    if (http_client_post(setup->admin, "/v1/jobs", request, &created, error) == 0 &&
        text_member(created, "id", job->job_id, sizeof job->job_id, error) == 0) {
        snprintf(path, sizeof path, "/v1/jobs/%s/export", job->job_id);
        result = http_client_post(setup->admin, path, NULL, &exported, error);
    }
    uint64_t sequence = 0;
    if (result == 0) {
        result = json_read_u64(exported, "sequence", &sequence, error) == 0
                     ? open_package(setup, exported, job, error)
                     : -1;
    }
    if (result == 0) {
        json_t *activate = json_pack("{s:s,s:I}", "token_b64", job->token_base64, "sequence",
                                     (json_int_t)sequence);
        snprintf(path, sizeof path, "/v1/jobs/%s/activate", job->job_id);
        result = http_client_post(programmer, path, activate, NULL, error);
        json_decref(activate);
    }
    json_decref(request);
    json_decref(created);
    json_decref(exported);
    http_client_free(programmer);
    return result;
}

int load_job_create(const char *url, const char *profile, const struct load_files *files,
                    uint32_t count, struct load_job *job, struct error *error) {
    const char *work = files->work;
    struct setup setup = {.work = work, .image_path = files->image};
    char *ca = path_join(profile, "ca.pem");
    char *certificate = path_join(profile, "client.pem");
    char *key = path_join(profile, "client.key");
    struct http_client_options options = {
        .base_url = url, .ca_path = ca, .certificate_path = certificate, .key_path = key};
    snprintf(job->certificate_path, sizeof job->certificate_path, "%s/load.pem", work);
    snprintf(job->key_path, sizeof job->key_path, "%s/load.key", work);
    setup.admin = http_client_create(&options, error);
    int result = setup.admin != NULL && certify_programmer(&setup, job, error) == 0 &&
                         token_open(&setup, error) == 0 && agree(&setup, error) == 0 &&
                         create_and_import(&setup, url, ca, count, job, error) == 0
                     ? 0
                     : -1;
    http_client_free(setup.admin);
    hsm_close(setup.hsm);
    buffer_free(&setup.certificate);
    buffer_free(&setup.root);
    buffer_free(&setup.operations_ca);
    buffer_free(&setup.job_authority);
    free(ca);
    free(certificate);
    free(key);
    return result;
}
