/* BL2 and BL3: from raw payload to a release, the part of an image that is the same for all. */
#include "server/service.h"

#include "base/secret.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "hsm/boot_key.h"
#include "image/image_write.h"
#include "server/blobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a chip's slots hold (firmware/port: pages of 2 KiB): header, payload, all TLVs. */
#define BL2_SLOT_MAX    (44u * 2048u)
#define BL3_SLOT_MAX    (226u * 2048u)
#define TLVS_MAX        768u
#define COUNTER_BL2_MAX 63u
#define COUNTER_BL3_MAX 255u

bool service_is_release_kind(const char *kind) {
    return strcmp(kind, SERVICE_KIND_BL2) == 0 || strcmp(kind, SERVICE_KIND_BL3) == 0;
}

static bool is_bl2(const char *kind) {
    return strcmp(kind, SERVICE_KIND_BL2) == 0;
}

/* A decimal number up to `max` that ends with `end`, without leading zeros: one version has one
 * spelling. NULL: it is not. */
static const char *read_part(const char *text, uint64_t max, char end, uint64_t *value) {
    size_t digits = strspn(text, "0123456789");

    *value = 0;
    if (digits == 0 || digits > 10 || (digits > 1 && text[0] == '0') || text[digits] != end)
        return NULL;
    for (size_t i = 0; i < digits; i++)
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    return *value <= max ? text + digits + (end != '\0') : NULL;
}

int service_release_version(const char *text, struct image_version *version, struct error *error) {
    bool has_build = strchr(text, '+') != NULL;
    uint64_t major = 0, minor = 0, revision = 0, build = 0;
    const char *rest = read_part(text, UINT8_MAX, '.', &major);

    if (rest != NULL)
        rest = read_part(rest, UINT8_MAX, '.', &minor);
    if (rest != NULL)
        rest = read_part(rest, UINT16_MAX, has_build ? '+' : '\0', &revision);
    if (rest != NULL && has_build)
        rest = read_part(rest, UINT32_MAX, '\0', &build);
    if (rest == NULL) {
        error_set(error, ERROR_BAD_REQUEST, "the version of a BL2 or BL3 is MAJOR.MINOR.REVISION");
        return error_hint(error, "for instance 1.2.3, or 1.2.3+4 with a build number");
    }
    *version =
        (struct image_version){(uint8_t)major, (uint8_t)minor, (uint16_t)revision, (uint32_t)build};
    return 0;
}

int service_release_check(const struct store_upload *upload, struct error *error) {
    struct image_version version;
    uint64_t most = is_bl2(upload->kind) ? BL2_SLOT_MAX : BL3_SLOT_MAX;
    uint64_t counter_max = is_bl2(upload->kind) ? COUNTER_BL2_MAX : COUNTER_BL3_MAX;

    if (service_release_version(upload->version, &version, error) != 0)
        return -1;
    if (upload->security_counter > counter_max) {
        error_set(error, ERROR_BAD_REQUEST, "a chip counts its %s to %llu at most", upload->kind,
                  (unsigned long long)counter_max);
        return error_hint(error, "raise the counter only to shut out older releases");
    }
    if (upload->header_size != SERVICE_HEADER_SIZE)
        return error_set(error, ERROR_BAD_REQUEST,
                         "header_size must be %u: the vector table follows it",
                         SERVICE_HEADER_SIZE);
    if (upload->size + upload->header_size + TLVS_MAX > most)
        return error_set(error, ERROR_TOO_LARGE, "the payload is larger than the slot: %llu bytes",
                         (unsigned long long)(most - upload->header_size - TLVS_MAX));
    return 0;
}

static int write_body(const struct store_upload *upload, struct bytes payload,
                      struct bytes content_key, struct store_release *release, struct buffer *body,
                      struct error *error) {
    struct image_plan plan = {
        .security_counter = (uint32_t)upload->security_counter,
        .header_size = (uint16_t)upload->header_size,
        .content_key_size = (uint8_t)content_key.size,
    };
    size_t capacity = payload.size + upload->header_size + TLVS_MAX;
    struct writer writer;
    enum status status;
    uint8_t *room;

    if (service_release_version(upload->version, &plan.version, error) != 0)
        return -1;
    room = buffer_reserve(body, capacity);
    if (room == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    writer_init(&writer, room, capacity);
    status = image_write_body(&writer, &plan, payload, content_key, release->image_digest);
    if (status != STATUS_OK)
        return error_set(error, ERROR_BAD_REQUEST, "no image can be made of this: %s",
                         status_name(status));
    body->size = writer.size;
    release->body_size = writer.size;
    crypto_sha256(buffer_bytes(body), release->body_sha256);
    return 0;
}

int service_release_make(struct service *service, const struct store_upload *upload,
                         struct bytes payload, struct store_release *release, struct error *error) {
    uint8_t content_key[HSM_CONTENT_KEY_SIZE] = {0};
    struct buffer body = {0};
    struct bytes key = bytes_of(content_key, is_bl2(upload->kind) ? 0 : sizeof content_key);
    int result = service_release_check(upload, error);

    release->security_counter = upload->security_counter;
    release->header_size = upload->header_size;
    if (result == 0 && key.size != 0)
        result = hsm_content_key_make(service->authority.content_kek, content_key,
                                      release->content_key, &release->content_key_size, error);
    if (result == 0)
        result = write_body(upload, payload, key, release, &body, error);
    if (result == 0)
        result = blob_put(&service->data, release->body_sha256, buffer_bytes(&body), error);
    secret_wipe(content_key, sizeof content_key);
    buffer_free(&body);
    return result;
}

/* The device's own boot key, made the first time it is asked for. */
int service_boot_key(struct service *service, struct store_db *reader,
                     const uint8_t uid[STORE_UID_SIZE], enum store_target target,
                     struct store_boot_key *key, struct error *error) {
    struct hsm_boot_key fresh;
    int found = store_boot_key_find(reader, uid, target, key, error);

    if (found != 0)
        return found == 1 ? 0 : -1;
    if (hsm_boot_key_make(service->authority.boot_kek, &fresh, error) != 0)
        return -1;
    memset(key, 0, sizeof *key);
    memcpy(key->uid, uid, STORE_UID_SIZE);
    key->target = target;
    memcpy(key->public_key, fresh.public_key, sizeof key->public_key);
    memcpy(key->wrapped, fresh.wrapped, fresh.wrapped_size);
    key->wrapped_size = fresh.wrapped_size;
    key->created = service_now(service);
    return store_run(service->store, store_boot_key_keep, key, error);
}

struct signing {
    struct service *service;
    struct hsm_boot_key key;
    struct error *error;
};

static enum status sign_image(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                              uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    struct signing *signing = context;

    return hsm_boot_key_sign(signing->service->authority.boot_kek, &signing->key, digest, signature,
                             signing->error) == 0
               ? STATUS_OK
               : STATUS_CRYPTO;
}

/* The content key, wrapped for the ENC key that the device's certificate request named. */
static int wrap_for_device(struct service *service, const struct store_release *release,
                           const uint8_t enc_key[64], struct writer *wrapped, struct error *error) {
    uint8_t content_key[HSM_CONTENT_KEY_SIZE];
    enum status status;

    if (release->content_key_size == 0)
        return 0;
    if (hsm_content_key_open(service->authority.content_kek,
                             bytes_of(release->content_key, release->content_key_size), content_key,
                             error) != 0)
        return -1;
    status = image_wrap_content_key(bytes_of(content_key, sizeof content_key), enc_key, wrapped);
    secret_wipe(content_key, sizeof content_key);
    return status == STATUS_OK ? 0
                               : error_set(error, ERROR_INTERNAL, "cannot wrap the content key: %s",
                                           status_name(status));
}

int service_image_tlvs(struct service *service, const struct store_release *release,
                       const struct store_boot_key *key, const uint8_t enc_key[64],
                       struct store_image *image, struct error *error) {
    struct signing signing = {.service = service, .error = error};
    struct image_signer signer = {.form = IMAGE_KEY_FULL, .sign = sign_image, .context = &signing};
    uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX];
    struct writer wrap, tlvs;
    enum status status;

    memcpy(signing.key.public_key, key->public_key, sizeof signing.key.public_key);
    memcpy(signing.key.wrapped, key->wrapped, key->wrapped_size);
    signing.key.wrapped_size = key->wrapped_size;
    memcpy(signer.public_key, key->public_key, sizeof signer.public_key);
    writer_init(&wrap, wrapped, sizeof wrapped);
    if (wrap_for_device(service, release, enc_key, &wrap, error) != 0)
        return -1;
    writer_init(&tlvs, image->tlvs, sizeof image->tlvs);
    status = image_write_tlvs(&tlvs, release->image_digest, &signer, writer_bytes(&wrap));
    if (status == STATUS_CRYPTO)
        return -1; /* said by sign_image */
    if (status != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "cannot write the image: %s", status_name(status));
    image->tlvs_size = tlvs.size;
    return 0;
}
