#include "image/testing/fixture.h"

#include "base/der_p256.h"
#include "base/secret.h"

#include <stdio.h>
#include <string.h>

const struct fixture_key FIXTURE_SIGNER = {
    0x11, {0x02, 0x17, 0xE6, 0x17, 0xF0, 0xB6, 0x44, 0x39, 0x28, 0x27, 0x8F, 0x96, 0x99,
           0x9E, 0x69, 0xA2, 0x3A, 0x4F, 0x2C, 0x15, 0x2B, 0xDF, 0x6D, 0x6C, 0xDF, 0x66,
           0xE5, 0xB8, 0x02, 0x82, 0xD4, 0xED, 0x19, 0x4A, 0x7D, 0xEB, 0xCB, 0x97, 0x71,
           0x2D, 0x2D, 0xDA, 0x3C, 0xA8, 0x5A, 0xA8, 0x76, 0x5A, 0x56, 0xF4, 0x5F, 0xC7,
           0x58, 0x59, 0x96, 0x52, 0xF2, 0x89, 0x7C, 0x65, 0x30, 0x6E, 0x57, 0x94}};
const struct fixture_key FIXTURE_STRANGER = {
    0x22, {0xD6, 0x5A, 0x93, 0x97, 0x7C, 0xAA, 0x3D, 0x1B, 0x08, 0x18, 0x52, 0xFF, 0x57,
           0xA7, 0x9E, 0x46, 0x5F, 0x16, 0x60, 0x57, 0x73, 0x04, 0xBA, 0xEA, 0xD5, 0x05,
           0xDD, 0x3A, 0x48, 0x58, 0x9C, 0xF3, 0x50, 0x18, 0x5E, 0x89, 0x53, 0x72, 0xDF,
           0x62, 0x21, 0xEA, 0x3A, 0x13, 0x75, 0x57, 0xE4, 0x73, 0xFD, 0xDB, 0x67, 0x55,
           0xF0, 0x5B, 0xD5, 0x07, 0xC3, 0xC5, 0x33, 0xFC, 0xE9, 0xC9, 0x12, 0x85}};
const struct fixture_key FIXTURE_DEVICE = {
    0x33, {0x51, 0xA7, 0x58, 0x08, 0x33, 0x89, 0x8E, 0xA1, 0xB1, 0x83, 0xCB, 0xD7, 0x35,
           0x0A, 0x40, 0x99, 0x07, 0x8C, 0x6E, 0xF1, 0xC1, 0xE1, 0x8E, 0x97, 0x0C, 0xD7,
           0x68, 0x30, 0x35, 0xF2, 0x5E, 0x7D, 0x01, 0x10, 0x52, 0x27, 0x12, 0xB0, 0xB5,
           0xA7, 0xCF, 0xF0, 0x81, 0x68, 0x54, 0x86, 0x98, 0x4A, 0x94, 0xE6, 0x83, 0x1E,
           0xDA, 0xC4, 0x6E, 0x73, 0x60, 0xFA, 0x9D, 0x83, 0x4A, 0x7A, 0x81, 0xA1}};
const struct fixture_key FIXTURE_OTHER_DEVICE = {
    0x55, {0x57, 0xE9, 0x77, 0xF6, 0xDB, 0x7E, 0x33, 0xC3, 0xFE, 0x7A, 0xCF, 0x28, 0x42,
           0xED, 0x98, 0x70, 0x09, 0xCA, 0xF5, 0x6D, 0x45, 0x86, 0x82, 0xFC, 0xA4, 0x47,
           0xB7, 0xD3, 0xD7, 0x62, 0xAB, 0x34, 0xC5, 0xAB, 0x37, 0x70, 0xBA, 0x57, 0x3B,
           0xDF, 0xF5, 0x41, 0x40, 0x65, 0x64, 0x0F, 0xFB, 0x5B, 0x34, 0x6D, 0xFA, 0x84,
           0xDE, 0xC4, 0xDB, 0x4D, 0x68, 0xE5, 0xF5, 0x9C, 0xC4, 0x71, 0xC2, 0xEC}};

const struct image_plan FIXTURE_PLAN = {
    .version = {1, 2, 3, 4},
    .security_counter = FIXTURE_COUNTER,
    .header_size = FIXTURE_HEADER_SIZE,
};

const uint8_t FIXTURE_CONTENT_KEY[IMAGE_CONTENT_KEY_MAX] = "thirty-two bytes of content key";

struct bytes fixture_payload(void) {
    static uint8_t payload[FIXTURE_PAYLOAD_SIZE];
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)(i * 7 + 3);
    }
    return bytes_of(payload, sizeof payload);
}

static void erase(struct fixture_slot *slot) {
    memset(slot->data, 0xFF, sizeof slot->data);
    slot->memory = bytes_of(slot->data, sizeof slot->data);
    slot->image_size = 0;
}

enum status fixture_sign(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                         uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct fixture_key *key = context;
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    memset(private_key, key->private_byte, sizeof private_key);
    return crypto_p256_sign(private_key, digest, signature);
}

enum status fixture_agree(void *context, const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE],
                          uint8_t shared[32]) {
    const struct fixture_key *key = context;
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    memset(private_key, key->private_byte, sizeof private_key);
    return crypto_p256_agree(private_key, peer, shared);
}

static struct image_signer signer_of(enum image_key_form form) {
    struct image_signer signer = {
        .form = form, .sign = fixture_sign, .context = (void *)&FIXTURE_SIGNER};
    memcpy(signer.public_key, FIXTURE_SIGNER.public_key, sizeof signer.public_key);
    return signer;
}

void fixture_build(struct fixture_slot *slot, const struct image_plan *plan,
                   enum image_key_form form, struct bytes content_key) {
    struct writer writer;
    struct writer wrapped;
    uint8_t wrapped_key[IMAGE_WRAPPED_KEY_MAX];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    const struct image_signer signer = signer_of(form);
    erase(slot);
    writer_init(&writer, slot->data, sizeof slot->data);
    writer_init(&wrapped, wrapped_key, sizeof wrapped_key);
    if (plan->content_key_size != 0) {
        assert_status(image_wrap_content_key(bytes_of(FIXTURE_CONTENT_KEY, plan->content_key_size),
                                             FIXTURE_DEVICE.public_key, &wrapped),
                      STATUS_OK);
    }
    assert_status(image_write_body(&writer, plan, fixture_payload(), content_key, digest),
                  STATUS_OK);
    assert_status(image_write_tlvs(&writer, digest, &signer, writer_bytes(&wrapped)), STATUS_OK);
    slot->image_size = writer.size;
}

struct fixture_parts fixture_parts(void) {
    static const uint8_t counter[] = {0x50, 0, 4, 0, FIXTURE_COUNTER, 0, 0, 0};
    return (struct fixture_parts){
        .header = {.header_size = FIXTURE_HEADER_SIZE,
                   .payload_size = FIXTURE_PAYLOAD_SIZE,
                   .version = {1, 2, 3, 4}},
        .protected_entries = bytes_of(counter, sizeof counter),
    };
}

static void compose_tlvs(struct writer *writer, const struct fixture_parts *parts,
                         const uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    uint8_t info[91];
    uint8_t raw[CRYPTO_SIGNATURE_SIZE];
    uint8_t der[DER_P256_SIGNATURE_MAX];
    struct writer part;
    size_t start = writer->size;
    write_u16le(writer, IMAGE_TLV_INFO_MAGIC);
    write_u16le(writer, 0);
    if ((parts->without & FIXTURE_WITHOUT_HASH) == 0) {
        image_tlv_write(writer, IMAGE_TLV_SHA_256, bytes_of(digest, CRYPTO_DIGEST_SIZE));
    }
    if ((parts->without & FIXTURE_WITHOUT_KEY) == 0) {
        writer_init(&part, info, sizeof info);
        der_write_p256_public_key(&part, FIXTURE_SIGNER.public_key);
        image_tlv_write(writer, IMAGE_TLV_PUBLIC_KEY, writer_bytes(&part));
    }
    if ((parts->without & FIXTURE_WITHOUT_SIGNATURE) == 0) {
        assert_status(fixture_sign((void *)&FIXTURE_SIGNER, digest, raw), STATUS_OK);
        writer_init(&part, der, sizeof der);
        der_write_p256_signature(&part, raw);
        image_tlv_write(writer, IMAGE_TLV_ECDSA, writer_bytes(&part));
    }
    write_bytes(writer, parts->unprotected_entries);
    write_patch_u16le(writer, start + 2, (uint16_t)(writer->size - start));
}

void fixture_compose(struct fixture_slot *slot, const struct fixture_parts *parts) {
    struct writer writer;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct image_header header = parts->header;
    erase(slot);
    writer_init(&writer, slot->data, sizeof slot->data);
    if (parts->protected_entries.size > 0) {
        header.protected_size = (uint16_t)(IMAGE_TLV_INFO_SIZE + parts->protected_entries.size);
    }
    image_header_write(&writer, &header);
    write_fill(&writer, 0, FIXTURE_HEADER_SIZE - IMAGE_HEADER_SIZE);
    write_bytes(&writer, fixture_payload());
    if (header.protected_size != 0) {
        write_u16le(&writer, IMAGE_TLV_PROTECTED_INFO_MAGIC);
        write_u16le(&writer, header.protected_size);
        write_bytes(&writer, parts->protected_entries);
    }
    crypto_sha256(writer_bytes(&writer), digest);
    compose_tlvs(&writer, parts, digest);
    assert_status(writer_check(&writer), STATUS_OK);
    slot->image_size = writer.size;
}

struct image_policy fixture_policy(size_t content_key_size) {
    struct image_policy policy = {
        .counter_minimum = 5,
        .counter_maximum = 255,
        .header_size = FIXTURE_HEADER_SIZE,
        .content_key_size = (uint8_t)content_key_size,
    };
    crypto_sha256(bytes_of(FIXTURE_SIGNER.public_key, CRYPTO_PUBLIC_KEY_SIZE), policy.key_hash);
    return policy;
}

/* The two answers must agree, whatever they are. */
static enum image_reason verify(const struct image_source *source,
                                const struct image_policy *policy, struct image_report *report) {
    enum status status = image_verify(source, policy, report);
    assert_int_equal(status == STATUS_OK, report->reason == IMAGE_ACCEPTED);
    assert_int_equal(image_is_accepted(status, report->reason) == HARDENED_YES,
                     status == STATUS_OK);
    return report->reason;
}

enum image_reason fixture_verify(const struct fixture_slot *slot,
                                 const struct image_policy *policy) {
    const struct image_source source = image_source_of(&slot->memory);
    struct image_report report;
    return verify(&source, policy, &report);
}

enum image_reason fixture_verify_encrypted(const struct fixture_slot *slot,
                                           const struct image_policy *policy,
                                           const struct fixture_key *device,
                                           struct image_report *report) {
    const struct image_source source = image_source_of(&slot->memory);
    struct image_decrypting_source view;
    struct image_header header;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    memset(report, 0, sizeof *report);
    if (image_read_header(&source, &header) != STATUS_OK) {
        return IMAGE_REASON_HEADER;
    }
    if (image_read_content_key(&source, &header, fixture_agree, (void *)device, key) != STATUS_OK) {
        for (size_t i = 0; i < sizeof key; i++) {
            assert_int_equal(key[i], 0);
        }
        return IMAGE_REASON_CONTENT_KEY;
    }
    const struct image_source plain = image_decrypting_source_of(
        &view, &source, &header, bytes_of(key, image_header_content_key_size(&header)));
    enum image_reason reason = verify(&plain, policy, report);
    secret_wipe(&view, sizeof view);
    secret_wipe(key, sizeof key);
    return reason;
}

void fixture_load(struct fixture_slot *slot, const char *name) {
    char path[64];
    erase(slot);
    assert_in_range(snprintf(path, sizeof path, "vectors/%s", name), 1, sizeof path - 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    slot->image_size = fread(slot->data, 1, sizeof slot->data, file);
    assert_int_equal(fclose(file), 0);
    assert_true(slot->image_size > 0);
}

/* The tests may run with either crypto implementation; both take this source. */
static enum status system_entropy(void *context, uint8_t *out, size_t size) {
    FILE *random = context;
    return fread(out, 1, size, random) == size ? STATUS_OK : STATUS_NO_ENTROPY;
}

int fixture_start(void **state) {
    (void)state;
    static FILE *random;
    random = fopen("/dev/urandom", "rb");
    return random != NULL && crypto_init(system_entropy, random) == STATUS_OK ? 0 : -1;
}
