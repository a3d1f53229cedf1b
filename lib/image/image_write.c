#include "image/image_write.h"

#include "base/der_p256.h"

#include <string.h>

#define SPKI_SIZE_MAX       96
#define COUNTER_TLV_SIZE    (IMAGE_TLV_ENTRY_SIZE + 4u)
#define DEPENDENCY_TLV_SIZE (IMAGE_TLV_ENTRY_SIZE + 12u)
#define ERASED              0xFF

static size_t protected_size(const struct image_plan *plan) {
    return IMAGE_TLV_INFO_SIZE + COUNTER_TLV_SIZE + plan->dependency_count * DEPENDENCY_TLV_SIZE;
}

static size_t padded_size(const struct image_plan *plan, size_t payload) {
    size_t rest = payload % CRYPTO_AES_BLOCK_SIZE;
    return plan->content_key_size == 0 || rest == 0 ? payload
                                                    : payload + CRYPTO_AES_BLOCK_SIZE - rest;
}

static bool is_plan_good(const struct image_plan *plan, struct bytes payload,
                         struct bytes content_key) {
    bool key_known =
        plan->content_key_size == 0 || plan->content_key_size == 16 || plan->content_key_size == 32;
    return key_known && (content_key.size == 0 || content_key.size == plan->content_key_size) &&
           plan->header_size >= IMAGE_HEADER_SIZE && plan->dependency_count < 256 &&
           payload.size > 0 && payload.size < UINT32_MAX - UINT16_MAX - 2 * CRYPTO_AES_BLOCK_SIZE;
}

static uint32_t flags_of(const struct image_plan *plan) {
    switch (plan->content_key_size) {
    case 16: return IMAGE_FLAG_AES_128;
    case 32: return IMAGE_FLAG_AES_256;
    default: return 0;
    }
}

static void write_version(struct writer *writer, const struct image_version *version) {
    write_u8(writer, version->major);
    write_u8(writer, version->minor);
    write_u16le(writer, version->revision);
    write_u32le(writer, version->build);
}

static void write_protected(struct writer *image, const struct image_plan *plan) {
    write_u16le(image, IMAGE_TLV_PROTECTED_INFO_MAGIC);
    write_u16le(image, (uint16_t)protected_size(plan));
    write_u16le(image, IMAGE_TLV_SECURITY_COUNTER);
    write_u16le(image, COUNTER_TLV_SIZE - IMAGE_TLV_ENTRY_SIZE);
    write_u32le(image, plan->security_counter);
    for (size_t i = 0; i < plan->dependency_count; i++) {
        write_u16le(image, IMAGE_TLV_DEPENDENCY);
        write_u16le(image, DEPENDENCY_TLV_SIZE - IMAGE_TLV_ENTRY_SIZE);
        write_u8(image, plan->dependencies[i].image);
        write_u24le(image, 0);
        write_version(image, &plan->dependencies[i].minimum);
    }
}

enum status image_write_body(struct writer *image, const struct image_plan *plan,
                             struct bytes payload, struct bytes content_key,
                             uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    size_t start = image->size;
    memset(digest, 0, CRYPTO_DIGEST_SIZE);
    if (!is_plan_good(plan, payload, content_key)) {
        return STATUS_INVALID;
    }
    size_t padded = padded_size(plan, payload.size);
    const struct image_header header = {
        .header_size = plan->header_size,
        .protected_size = (uint16_t)protected_size(plan),
        .payload_size = (uint32_t)padded,
        .flags = flags_of(plan),
        .version = plan->version,
    };
    image_header_write(image, &header);
    write_fill(image, ERASED, plan->header_size - IMAGE_HEADER_SIZE);
    uint8_t *region = write_reserve(image, padded);
    if (region == NULL) {
        return STATUS_NO_SPACE;
    }
    memset(region, 0, padded);
    memcpy(region, payload.data, payload.size);
    write_protected(image, plan);
    enum status status = writer_check(image);
    if (status != STATUS_OK) {
        return status;
    }
    crypto_sha256(bytes_slice(writer_bytes(image), start, image->size - start), digest);
    return content_key.size == 0 ? STATUS_OK : image_payload_crypt(content_key, 0, region, padded);
}

static void write_key(struct writer *image, const struct image_signer *signer) {
    uint8_t info[SPKI_SIZE_MAX];
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    struct writer writer;
    writer_init(&writer, info, sizeof info);
    der_write_p256_public_key(&writer, signer->public_key);
    if (signer->form == IMAGE_KEY_FULL) {
        image_tlv_write(image, IMAGE_TLV_PUBLIC_KEY, writer_bytes(&writer));
    } else {
        crypto_sha256(writer_bytes(&writer), hash);
        image_tlv_write(image, IMAGE_TLV_KEY_HASH, bytes_of(hash, sizeof hash));
    }
}

static enum status write_signature(struct writer *image, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                                   const struct image_signer *signer) {
    uint8_t raw[CRYPTO_SIGNATURE_SIZE];
    uint8_t der[DER_P256_SIGNATURE_MAX];
    struct writer writer;
    enum status status = signer->sign(signer->context, digest, raw);
    if (status != STATUS_OK) {
        return status;
    }
    writer_init(&writer, der, sizeof der);
    der_write_p256_signature(&writer, raw);
    image_tlv_write(image, IMAGE_TLV_ECDSA, writer_bytes(&writer));
    return writer_check(&writer);
}

enum status image_write_tlvs(struct writer *image, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                             const struct image_signer *signer, struct bytes wrapped_key) {
    size_t start = image->size;
    write_u16le(image, IMAGE_TLV_INFO_MAGIC);
    write_u16le(image, 0);
    image_tlv_write(image, IMAGE_TLV_SHA_256, bytes_of(digest, CRYPTO_DIGEST_SIZE));
    write_key(image, signer);
    enum status status = write_signature(image, digest, signer);
    if (status != STATUS_OK) {
        return status;
    }
    if (wrapped_key.size > 0) {
        image_tlv_write(image, IMAGE_TLV_ENC_EC256, wrapped_key);
    }
    write_patch_u16le(image, start + sizeof(uint16_t), (uint16_t)(image->size - start));
    return writer_check(image);
}

static void write_to(struct writer *image, uint32_t offset) {
    write_fill(image, ERASED, offset - image->size);
}

enum status image_write_slot_end(struct writer *image, const struct image_trailer_layout *layout,
                                 enum image_slot_end end) {
    enum status status = image_trailer_check(layout);
    if (status != STATUS_OK) {
        return status;
    }
    if (image->size > layout->slot_size - image_trailer_reserved(layout)) {
        return STATUS_NO_SPACE;
    }
    if (end == IMAGE_SLOT_UPGRADE_PERMANENT) {
        struct image_trailer_cell ok = image_trailer_set_flag(layout, IMAGE_TRAILER_IMAGE_OK);
        write_to(image, ok.offset);
        write_bytes(image, bytes_of(ok.data, ok.size));
    }
    struct image_trailer_cell magic = image_trailer_set_magic(layout);
    write_to(image, magic.offset);
    write_bytes(image, bytes_of(magic.data, magic.size));
    return writer_check(image);
}
