#include "server/service.h"

#include "base/encoding.h"
#include "board/devauth_image.h"
#include "cose/cose_sign1.h"
#include "cose/manifest.h"
#include "server/blobs.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

bool service_firmware_kind_is_known(const char *kind) {
    static const char *const kinds[] = {MANIFEST_KIND_DEVAUTH, MANIFEST_KIND_PROGRAMMER, "bl2",
                                        "bl3"};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

static bool kind_has_manifest(const char *kind) {
    return strcmp(kind, MANIFEST_KIND_DEVAUTH) == 0 || strcmp(kind, MANIFEST_KIND_PROGRAMMER) == 0;
}

static int sign_manifest(struct service *service, struct store_firmware *firmware,
                         struct error *error) {
    struct manifest manifest = {.kind = bytes_of(firmware->kind, strlen(firmware->kind)),
                                .family = bytes_of(firmware->family, strlen(firmware->family)),
                                .version = bytes_of(firmware->version, strlen(firmware->version)),
                                .size = firmware->size,
                                .counter = firmware->counter};
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    struct writer inner, outer;
    enum status status;

    memcpy(manifest.sha256, firmware->sha256, sizeof manifest.sha256);
    writer_init(&inner, payload, sizeof payload);
    manifest_write(&inner, &manifest);
    writer_init(&outer, firmware->manifest, sizeof firmware->manifest);
    if (writer_check(&inner) != STATUS_OK)
        return error_set(error, ERROR_BAD_REQUEST, "family or version is too long");
    status = cose_sign1_write(&outer, NULL, 0, writer_bytes(&inner), server_authority_cose_sign,
                              service->authority.nl3_key);
    if (status == STATUS_CRYPTO) {
        error_set(error, ERROR_HSM_UNAVAILABLE, "the token does not sign");
        return error_hint(error, "nothing was changed; repeat when the token is back");
    }
    if (status != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "cannot write the manifest: %s",
                         status_name(status));
    firmware->manifest_size = outer.size;
    return 0;
}

/* The same octets with another counter are another release, and need another build. */
static int check_same_release(struct store_db *db, struct store_release *release,
                              struct error *error) {
    struct store_release known;

    if (store_release_find(db, release->firmware_id, &known, error) != 0)
        return -1;
    if (known.security_counter != release->security_counter)
        return error_set(error, ERROR_CONFLICT,
                         "the same octets were released with security counter %llu",
                         (unsigned long long)known.security_counter);
    *release = known;
    return 0;
}

struct upload_write {
    struct service_upload *upload;
    uint64_t now;
};

/* An upload repeated finds the manifest of the first: one image has one. */
static int record_firmware(struct store_db *db, void *context, struct error *error) {
    const struct upload_write *write = context;
    struct store_firmware *firmware = &write->upload->firmware;
    const struct store_event event = {.time = write->now,
                                      .type = "firmware.uploaded",
                                      .actor = write->upload->actor,
                                      .subject = firmware->id,
                                      .detail = firmware->version};
    int inserted = store_firmware_insert(db, firmware, error);

    if (inserted == 1 && service_is_release_kind(firmware->kind) &&
        store_release_insert(db, &write->upload->release, error) != 0)
        return -1;
    if (inserted == 0 && service_is_release_kind(firmware->kind) &&
        check_same_release(db, &write->upload->release, error) != 0)
        return -1;
    if (inserted < 0 || store_firmware_find(db, firmware->id, firmware, error) != 0)
        return -1;
    return inserted == 1 ? store_event_add(db, &event, error) : 0;
}

/* Signed nonsense would only be noticed at the line, by the first chip that does not start. */
static int check_devauth(const struct service_upload *upload, struct error *error) {
    struct devauth_image_header header;
    char family[DEVAUTH_IMAGE_FAMILY_SIZE + 1] = "";

    if (devauth_image_parse(upload->octets, &header) != STATUS_OK) {
        error_set(error, ERROR_BAD_REQUEST, "this is not a DevAuth image");
        return error_hint(error, "upload devauth.bin of the firmware build");
    }
    memcpy(family, header.family, sizeof header.family);
    if (strcmp(family, upload->family) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "the image is for the chip family %s, not %s",
                         family, upload->family);
    return 0;
}

static int describe(struct service_upload *upload, uint64_t now, struct error *error) {
    struct store_firmware *firmware = &upload->firmware;
    char digits[17];

    memset(firmware, 0, sizeof *firmware);
    if (!service_firmware_kind_is_known(upload->kind))
        return error_set(error, ERROR_BAD_REQUEST, "kind must be devauth, programmer, bl2 or bl3");
    if (service_check_text("family", upload->family, error) != 0 ||
        service_check_text("version", upload->version, error) != 0)
        return -1;
    if (upload->octets.size == 0)
        return error_set(error, ERROR_BAD_REQUEST, "the body must be the firmware's octets");
    if (strcmp(upload->kind, MANIFEST_KIND_DEVAUTH) == 0 && check_devauth(upload, error) != 0)
        return -1;
    SHA256(upload->octets.data, upload->octets.size, firmware->sha256);
    hex_encode(bytes_of(firmware->sha256, 8), digits);
    snprintf(firmware->id, sizeof firmware->id, "fw-%s", digits);
    snprintf(firmware->kind, sizeof firmware->kind, "%s", upload->kind);
    snprintf(firmware->family, sizeof firmware->family, "%s", upload->family);
    snprintf(firmware->version, sizeof firmware->version, "%s", upload->version);
    firmware->size = upload->octets.size;
    /* Time grows by itself: a later upload is never taken for an older one. */
    firmware->counter = now;
    firmware->created = now;
    return 0;
}

int service_firmware_upload(struct service *service, struct service_upload *upload,
                            struct error *error) {
    struct upload_write write = {upload, service_now(service)};

    if (describe(upload, write.now, error) != 0)
        return -1;
    if (kind_has_manifest(upload->kind) && sign_manifest(service, &upload->firmware, error) != 0)
        return -1;
    if (service_is_release_kind(upload->kind)) {
        snprintf(upload->release.firmware_id, sizeof upload->release.firmware_id, "%s",
                 upload->firmware.id);
        if (service_release_make(service, upload->upload, upload->octets, &upload->release,
                                 error) != 0)
            return -1;
    } else if (blob_put(&service->data, upload->firmware.sha256, upload->octets, error) != 0) {
        return -1;
    }
    return store_run(service->store, record_firmware, &write, error);
}

int service_firmware_read(struct service *service, struct store_db *reader,
                          const struct store_firmware *firmware, struct buffer *octets,
                          struct error *error) {
    struct store_release release;

    if (!service_is_release_kind(firmware->kind))
        return blob_get(&service->data, firmware->sha256, SERVICE_FIRMWARE_MAX, octets, error);
    if (store_release_find(reader, firmware->id, &release, error) != 0)
        return -1;
    return blob_get(&service->data, release.body_sha256, SERVICE_FIRMWARE_MAX, octets, error);
}
