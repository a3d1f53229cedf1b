#include "image/image_collect.h"

#include "base/der_p256.h"

#include <string.h>

#define SPKI_SIZE       91 /* SubjectPublicKeyInfo of a P-256 key */
#define DEPENDENCY_SIZE 12

struct collection {
    const struct image_tlv_iterator *iterator;
    const struct image_policy *policy;
    struct image_stated *stated;
};

typedef enum status collect_function(const struct collection *collection,
                                     const struct image_tlv *tlv);

static enum status collect_digest(const struct collection *collection,
                                  const struct image_tlv *tlv) {
    return image_tlv_read(collection->iterator, tlv, collection->stated->digest,
                          CRYPTO_DIGEST_SIZE);
}

static enum status collect_public_key(const struct collection *collection,
                                      const struct image_tlv *tlv) {
    uint8_t info[SPKI_SIZE];
    struct reader reader;
    enum status status = image_tlv_read(collection->iterator, tlv, info, sizeof info);
    reader_init(&reader, bytes_of(info, sizeof info));
    der_read_p256_public_key(&reader, collection->stated->public_key);
    return status == STATUS_OK ? reader_finish(&reader) : status;
}

/*
 * MCUboot names a key by the hash of its whole SubjectPublicKeyInfo, our OTP by that of X || Y. A
 * key we do not know stays zero, which image_decide refuses: no key hashes to what OTP holds.
 */
static enum status collect_key_hash(const struct collection *collection,
                                    const struct image_tlv *tlv) {
    uint8_t stated[CRYPTO_DIGEST_SIZE];
    uint8_t known[CRYPTO_DIGEST_SIZE];
    uint8_t info[SPKI_SIZE];
    struct writer writer;
    enum status status = image_tlv_read(collection->iterator, tlv, stated, sizeof stated);
    if (status != STATUS_OK || collection->policy->public_key == NULL) {
        return status;
    }
    writer_init(&writer, info, sizeof info);
    der_write_p256_public_key(&writer, collection->policy->public_key);
    crypto_sha256(writer_bytes(&writer), known);
    if (image_hardened_equal(stated, known, sizeof known) == HARDENED_YES) {
        memcpy(collection->stated->public_key, collection->policy->public_key,
               CRYPTO_PUBLIC_KEY_SIZE);
    }
    return writer_check(&writer);
}

static enum status collect_signature(const struct collection *collection,
                                     const struct image_tlv *tlv) {
    uint8_t der[DER_P256_SIGNATURE_MAX];
    struct reader reader;
    if (tlv->size > sizeof der) {
        return STATUS_INVALID;
    }
    collection->stated->signature_before_key = (collection->stated->seen & IMAGE_SEEN_KEY) == 0;
    enum status status = image_tlv_read(collection->iterator, tlv, der, tlv->size);
    reader_init(&reader, bytes_of(der, tlv->size));
    der_read_p256_signature(&reader, collection->stated->signature);
    return status == STATUS_OK ? reader_finish(&reader) : status;
}

/* The blob itself is image_encrypt's; its size is checked against the header later. */
static enum status collect_content_key(const struct collection *collection,
                                       const struct image_tlv *tlv) {
    collection->stated->content_key_tlv_size = tlv->size;
    return STATUS_OK;
}

static enum status collect_counter(const struct collection *collection,
                                   const struct image_tlv *tlv) {
    uint8_t raw[4];
    struct reader reader;
    enum status status = image_tlv_read(collection->iterator, tlv, raw, sizeof raw);
    reader_init(&reader, bytes_of(raw, sizeof raw));
    collection->stated->counter = read_u32le(&reader);
    return status == STATUS_OK ? reader_finish(&reader) : status;
}

static bool is_met(const struct image_policy *policy, uint8_t image,
                   const struct image_version *wanted) {
    for (size_t i = 0; i < policy->installed_count; i++) {
        if (policy->installed[i].image == image) {
            return image_version_compare(&policy->installed[i].version, wanted) >= 0;
        }
    }
    return false;
}

static enum status collect_dependency(const struct collection *collection,
                                      const struct image_tlv *tlv) {
    uint8_t raw[DEPENDENCY_SIZE];
    struct image_version wanted;
    struct reader reader;
    enum status status = image_tlv_read(collection->iterator, tlv, raw, sizeof raw);
    reader_init(&reader, bytes_of(raw, sizeof raw));
    uint8_t image = read_u8(&reader);
    uint32_t padding = read_u24le(&reader);
    wanted.major = read_u8(&reader);
    wanted.minor = read_u8(&reader);
    wanted.revision = read_u16le(&reader);
    wanted.build = read_u32le(&reader);
    if (status == STATUS_OK) {
        status = padding == 0 ? reader_finish(&reader) : STATUS_INVALID;
    }
    if (status == STATUS_OK && !is_met(collection->policy, image, &wanted)) {
        collection->stated->dependency_unmet = true;
    }
    return status;
}

/* Which entry belongs where, and how often: `once` is the bit a second one would meet. */
static const struct rule {
    uint16_t type;
    enum image_tlv_area area;
    unsigned once;
    collect_function *collect;
} RULES[] = {
    {IMAGE_TLV_KEY_HASH, IMAGE_TLV_UNPROTECTED, IMAGE_SEEN_KEY, collect_key_hash},
    {IMAGE_TLV_PUBLIC_KEY, IMAGE_TLV_UNPROTECTED, IMAGE_SEEN_KEY, collect_public_key},
    {IMAGE_TLV_SHA_256, IMAGE_TLV_UNPROTECTED, IMAGE_SEEN_DIGEST, collect_digest},
    {IMAGE_TLV_ECDSA, IMAGE_TLV_UNPROTECTED, IMAGE_SEEN_SIGNATURE, collect_signature},
    {IMAGE_TLV_ENC_EC256, IMAGE_TLV_UNPROTECTED, IMAGE_SEEN_CONTENT_KEY, collect_content_key},
    {IMAGE_TLV_SECURITY_COUNTER, IMAGE_TLV_PROTECTED, IMAGE_SEEN_COUNTER, collect_counter},
    {IMAGE_TLV_DEPENDENCY, IMAGE_TLV_PROTECTED, 0, collect_dependency},
};

static const struct rule *find_rule(uint16_t type) {
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
        if (RULES[i].type == type) {
            return &RULES[i];
        }
    }
    return NULL;
}

static enum image_reason reason_of(enum status status) {
    switch (status) {
    case STATUS_OK: return IMAGE_ACCEPTED;
    case STATUS_INVALID:
    case STATUS_TRUNCATED:
    case STATUS_NO_SPACE: return IMAGE_REASON_TLV_FORMAT;
    default: return IMAGE_REASON_READ;
    }
}

static enum image_reason collect_one(const struct collection *collection,
                                     const struct image_tlv *tlv) {
    const struct rule *rule = find_rule(tlv->type);
    if (rule == NULL) {
        /* A protected entry we do not know is the signer's own business; he signed it. */
        return tlv->area == IMAGE_TLV_PROTECTED ? IMAGE_ACCEPTED : IMAGE_REASON_TLV_UNKNOWN;
    }
    if (rule->area != tlv->area) {
        return IMAGE_REASON_TLV_UNKNOWN;
    }
    if ((collection->stated->seen & rule->once) != 0) {
        return IMAGE_REASON_TLV_DUPLICATE;
    }
    collection->stated->seen |= rule->once;
    return reason_of(rule->collect(collection, tlv));
}

enum image_reason image_collect(struct image_tlv_iterator *iterator,
                                const struct image_policy *policy, struct image_stated *stated) {
    const struct collection collection = {iterator, policy, stated};
    struct image_tlv tlv;
    memset(stated, 0, sizeof *stated);
    enum status status = image_tlv_next(iterator, &tlv);
    while (status == STATUS_OK) {
        enum image_reason reason = collect_one(&collection, &tlv);
        if (reason != IMAGE_ACCEPTED) {
            return reason;
        }
        status = image_tlv_next(iterator, &tlv);
    }
    return status == STATUS_NOT_FOUND ? IMAGE_ACCEPTED : reason_of(status);
}
