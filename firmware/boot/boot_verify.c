#include "boot/boot_slot.h"

#include "base/secret.h"
#include "devauth/otp_map.h"
#include "hal/otp_group.h"
#include "image/image_encrypt.h"

#include <string.h>

struct otp_hash {
    unsigned first;
    unsigned valid;
};

static const struct otp_hash BL2_HASH = {OTP_BOOT_KEY_BL2_HASH, OTP_BOOT_KEY_BL2_VALID};
static const struct otp_hash BL3_HASH = {OTP_BOOT_KEY_BL3_HASH, OTP_BOOT_KEY_BL3_VALID};

static enum status make_policy(const struct hal *hal, enum boot_slot slot,
                               struct image_policy *policy) {
    const struct image_trailer_layout layout = boot_trailer_layout(hal);
    enum hal_counter counter = slot == BOOT_SLOT_BL2 ? HAL_COUNTER_BL2 : HAL_COUNTER_BL3;
    memset(policy, 0, sizeof *policy);
    policy->header_size = BOOT_HEADER_SIZE;
    policy->counter_maximum = hal->counter_max(counter);
    if (slot != BOOT_SLOT_BL2) {
        policy->content_key_size = BOOT_CONTENT_KEY_SIZE;
        policy->reserved_size = image_trailer_reserved(&layout);
    }
    /* Twice, and the larger counts: a reading that was disturbed must not let an older image in. */
    uint32_t again = 0;
    enum status status = hal->counter_read(counter, &policy->counter_minimum);
    if (status == STATUS_OK) {
        status = hal->counter_read(counter, &again);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (again > policy->counter_minimum) {
        policy->counter_minimum = again;
    }
    const struct otp_hash *where = slot == BOOT_SLOT_BL2 ? &BL2_HASH : &BL3_HASH;
    return otp_group_read_hash(hal, where->first, where->valid, policy->key_hash);
}

static enum status agree(void *context, const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE],
                         uint8_t shared[32]) {
    const struct boot_area *area = context;
    return area->hal->key_agree(HAL_KEY_ENC, peer, shared);
}

enum status boot_content_key(const struct hal *hal, enum boot_slot slot,
                             struct image_header *header, uint8_t key[IMAGE_CONTENT_KEY_MAX]) {
    struct boot_area area;
    const struct image_source source = boot_slot_source(&area, hal, slot);
    memset(key, 0, IMAGE_CONTENT_KEY_MAX);
    enum status status = image_read_header(&source, header);
    if (status == STATUS_OK && image_header_content_key_size(header) != BOOT_CONTENT_KEY_SIZE) {
        status = STATUS_UNSUPPORTED;
    }
    if (status == STATUS_OK) {
        status = image_read_content_key(&source, header, agree, &area, key);
    }
    return status;
}

/* Ciphertext is verified through a view that decrypts. Without the content key the image is
 * verified as it lies there, for the reason that says most; it can then not be accepted. */
static enum status verify_secondary(const struct hal *hal, const struct image_source *source,
                                    const struct image_policy *policy,
                                    struct image_report *report) {
    struct image_decrypting_source view;
    struct image_header header;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    enum status unwrapped = boot_content_key(hal, BOOT_SLOT_SECONDARY, &header, key);
    if (unwrapped != STATUS_OK) {
        enum status status = image_verify(source, policy, report);
        if (status == STATUS_OK || report->reason == IMAGE_REASON_HASH) {
            report->reason = IMAGE_REASON_CONTENT_KEY;
            status = STATUS_BAD_SIGNATURE;
        }
        return status;
    }
    const struct image_source plain =
        image_decrypting_source_of(&view, source, &header, bytes_of(key, sizeof key));
    enum status status = image_verify(&plain, policy, report);
    secret_wipe(&view, sizeof view);
    secret_wipe(key, sizeof key);
    return status;
}

enum status boot_verify(const struct hal *hal, enum boot_slot slot, struct image_report *report) {
    struct boot_area area;
    struct image_policy policy;
    const struct image_source source = boot_slot_source(&area, hal, slot);
    memset(report, 0, sizeof *report);
    report->reason = IMAGE_REASON_READ;
    enum status policy_status = make_policy(hal, slot, &policy);
    if (policy_status != STATUS_OK && policy_status != STATUS_NOT_FOUND) {
        return policy_status;
    }
    enum status status = slot == BOOT_SLOT_SECONDARY
                             ? verify_secondary(hal, &source, &policy, report)
                             : image_verify(&source, &policy, report);
    /* A chip without a key hash accepts nothing, whatever was found. */
    if (policy_status != STATUS_OK && (status == STATUS_OK || report->reason == IMAGE_REASON_KEY)) {
        report->reason = IMAGE_REASON_KEY;
        status = STATUS_NOT_FOUND;
    }
    return status;
}

enum status boot_raise_own_counter(const struct hal *hal) {
    struct boot_area area;
    struct image_header header;
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    struct reader reader;
    uint8_t raw[4];
    const struct image_source source = boot_slot_source(&area, hal, BOOT_SLOT_BL2);
    enum status status = image_read_header(&source, &header);
    if (status == STATUS_OK) {
        status = image_tlv_open(&iterator, &source, &header);
    }
    while (status == STATUS_OK) {
        status = image_tlv_next(&iterator, &tlv);
        if (status == STATUS_OK && tlv.area == IMAGE_TLV_PROTECTED &&
            tlv.type == IMAGE_TLV_SECURITY_COUNTER) {
            break;
        }
    }
    if (status == STATUS_OK) {
        status = image_tlv_read(&iterator, &tlv, raw, sizeof raw);
    }
    reader_init(&reader, bytes_of(raw, sizeof raw));
    return status == STATUS_OK ? hal->counter_raise(HAL_COUNTER_BL2, read_u32le(&reader)) : status;
}
