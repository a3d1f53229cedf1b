#include "device/device.h"

#include "attest/attest.h"
#include "devauth/otp_map.h"
#include "hal/device_info.h"
#include "hal/otp_group.h"

#include <string.h>

void device_look_at_images(struct device *device) {
    if (device->knows_images) {
        return;
    }
    /* The reports say all: an image that is not accepted is measured as none. */
    enum status bl2 = boot_verify(device->hal, BOOT_SLOT_BL2, &device->bl2);
    enum status bl3 = boot_verify(device->hal, BOOT_SLOT_PRIMARY, &device->bl3);
    (void)bl2;
    (void)bl3;
    device->knows_images = true;
}

/* SHA-256 of every public OTP entry, in order. */
static enum status hash_otp(const struct hal *hal, uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 hash;
    crypto_sha256_start(&hash);
    for (unsigned entry = 0; entry < OTP_PUBLIC_COUNT; entry++) {
        uint8_t data[OTP_ENTRY_SIZE];
        enum status status = hal->otp_read(entry, data);
        if (status != STATUS_OK) {
            return status;
        }
        crypto_sha256_update(&hash, bytes_of(data, sizeof data));
    }
    crypto_sha256_finish(&hash, digest);
    return STATUS_OK;
}

static enum status measure_hash(const struct hal *hal, unsigned first, unsigned valid,
                                uint8_t hash[OTP_GROUP_HASH_SIZE]) {
    enum status status = otp_group_read_hash(hal, first, valid, hash);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status measure_keys(const struct hal *hal, struct devauth_measured_keys *keys) {
    uint8_t enc[CRYPTO_PUBLIC_KEY_SIZE];
    memset(keys->enc_key_hash, 0xFF, sizeof keys->enc_key_hash);
    if (hal->key_public(HAL_KEY_ENC, enc) == STATUS_OK) {
        crypto_sha256(bytes_of(enc, sizeof enc), keys->enc_key_hash);
    }
    enum status status =
        measure_hash(hal, OTP_BOOT_KEY_BL2_HASH, OTP_BOOT_KEY_BL2_VALID, keys->bl2_key_hash);
    return status == STATUS_OK ? measure_hash(hal, OTP_BOOT_KEY_BL3_HASH, OTP_BOOT_KEY_BL3_VALID,
                                              keys->bl3_key_hash)
                               : status;
}

static enum status measure_image(const struct device *device, const struct image_report *report,
                                 enum hal_counter counter, uint8_t digest[CRYPTO_DIGEST_SIZE],
                                 struct devauth_measured_image *image) {
    if (report->reason == IMAGE_ACCEPTED) {
        memcpy(digest, report->digest, CRYPTO_DIGEST_SIZE);
        image->major = report->header.version.major;
        image->minor = report->header.version.minor;
        image->revision = report->header.version.revision;
        image->build = report->header.version.build;
        image->security_counter = report->counter;
    }
    return device->hal->counter_read(counter, &image->chip_counter);
}

static const uint8_t *own_image(const struct device *device, const struct attest *attest) {
    switch (device->rules->stage) {
    case DEVAUTH_STAGE_BOOTLOADER: return attest->bl2;
    case DEVAUTH_STAGE_APPLICATION: return attest->bl3;
    case DEVAUTH_STAGE_BOOT_ROM:
    case DEVAUTH_STAGE_DEVAUTH: break;
    }
    return device->image_hash;
}

enum status device_measurements(struct device *device, struct writer *blocks) {
    struct attest attest;
    struct devauth_device_info info;
    memset(&attest, 0, sizeof attest);
    device_look_at_images(device);
    device_info_fill(device->hal, device->rules->stage, device->version, &info);
    attest.life_cycle = info.life_cycle;
    attest.flags =
        (uint8_t)(info.flags | (device->chain_is_issued ? DEVAUTH_FLAG_ISSUED_CHAIN : 0));
    attest.versions.stage = (uint8_t)device->rules->stage;
    enum status status = hash_otp(device->hal, attest.otp);
    if (status == STATUS_OK) {
        status = measure_keys(device->hal, &attest.keys);
    }
    if (status == STATUS_OK) {
        status =
            measure_image(device, &device->bl2, HAL_COUNTER_BL2, attest.bl2, &attest.versions.bl2);
    }
    if (status == STATUS_OK) {
        status =
            measure_image(device, &device->bl3, HAL_COUNTER_BL3, attest.bl3, &attest.versions.bl3);
    }
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(attest.image, own_image(device, &attest), sizeof attest.image);
    attest_write(blocks, &attest);
    return writer_check(blocks);
}
