#include "image/image_verify.h"

#include "image/image_collect.h"
#include "image/image_encrypt.h"

#include <string.h>

#define CHUNK_SIZE 256

static bool is_erased(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

static enum image_reason read_header(const struct image_source *source,
                                     struct image_header *header) {
    uint8_t raw[IMAGE_HEADER_SIZE];
    memset(header, 0, sizeof *header);
    enum status status = image_source_read(source, 0, raw, sizeof raw);
    if (status != STATUS_OK) {
        return status == STATUS_TRUNCATED ? IMAGE_REASON_SIZE : IMAGE_REASON_READ;
    }
    if (is_erased(raw, sizeof raw)) {
        return IMAGE_REASON_EMPTY;
    }
    switch (image_header_parse(bytes_of(raw, sizeof raw), header)) {
    case STATUS_OK: return IMAGE_ACCEPTED;
    case STATUS_UNSUPPORTED: return IMAGE_REASON_FLAGS;
    default: return IMAGE_REASON_HEADER;
    }
}

enum status image_read_header(const struct image_source *source, struct image_header *header) {
    switch (read_header(source, header)) {
    case IMAGE_ACCEPTED: return STATUS_OK;
    case IMAGE_REASON_EMPTY: return STATUS_NOT_FOUND;
    case IMAGE_REASON_READ: return STATUS_FLASH;
    default: return STATUS_INVALID;
    }
}

static enum image_reason check_header(const struct image_header *header,
                                      const struct image_policy *policy) {
    /* Slots are run in place: an image built for RAM or for another address must not start. */
    if ((header->flags & (IMAGE_FLAG_NON_BOOTABLE | IMAGE_FLAG_RAM_LOAD | IMAGE_FLAG_ROM_FIXED)) !=
        0) {
        return IMAGE_REASON_FLAGS;
    }
    if (policy->header_size != 0 && header->header_size != policy->header_size) {
        return IMAGE_REASON_HEADER_SIZE;
    }
    return IMAGE_ACCEPTED;
}

static enum image_reason open_tlvs(const struct image_source *source,
                                   const struct image_policy *policy, struct image_report *report,
                                   struct image_tlv_iterator *iterator) {
    enum status status = image_tlv_open(iterator, source, &report->header);
    if (status != STATUS_OK) {
        switch (status) {
        case STATUS_TRUNCATED: return IMAGE_REASON_SIZE;
        case STATUS_INVALID: return IMAGE_REASON_TLV_FORMAT;
        default: return IMAGE_REASON_READ;
        }
    }
    report->image_size = iterator->end;
    bool fits = policy->reserved_size <= source->size &&
                iterator->end <= source->size - policy->reserved_size;
    return fits ? IMAGE_ACCEPTED : IMAGE_REASON_SIZE;
}

/* The flag, the entry and its size must all say what the policy wants: one stage, one key size. */
static bool is_encryption_right(const struct image_header *header,
                                const struct image_policy *policy,
                                const struct image_stated *stated) {
    bool wanted = policy->content_key_size != 0;
    bool has_entry = (stated->seen & IMAGE_SEEN_CONTENT_KEY) != 0;
    return image_header_content_key_size(header) == policy->content_key_size &&
           has_entry == wanted &&
           (!wanted ||
            stated->content_key_tlv_size == IMAGE_WRAPPED_KEY_OVERHEAD + policy->content_key_size);
}

/* Header with its padding, plaintext payload, protected TLVs: all before the unprotected area. */
static enum status hash_image(const struct image_source *source, uint32_t size,
                              uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 hash;
    uint8_t chunk[CHUNK_SIZE];
    enum status status = STATUS_OK;
    crypto_sha256_start(&hash);
    for (uint32_t done = 0; done < size && status == STATUS_OK;) {
        uint32_t part = size - done < sizeof chunk ? size - done : (uint32_t)sizeof chunk;
        status = image_source_read(source, done, chunk, part);
        crypto_sha256_update(&hash, bytes_of(chunk, part));
        done += part;
    }
    crypto_sha256_finish(&hash, digest);
    if (status != STATUS_OK) {
        memset(digest, 0, CRYPTO_DIGEST_SIZE);
    }
    return status;
}

static enum image_reason decide(const struct image_policy *policy,
                                const struct image_stated *stated,
                                const struct image_report *report) {
    const struct image_evidence evidence = {
        .computed_digest = report->digest,
        .stated_digest = stated->digest,
        .public_key = stated->public_key,
        .key_hash = policy->key_hash,
        .signature = stated->signature,
        .counter = stated->counter,
        .counter_minimum = policy->counter_minimum,
        .counter_maximum = policy->counter_maximum,
    };
    enum image_reason reason = image_decide(&evidence);
    if (reason == IMAGE_ACCEPTED && stated->dependency_unmet) {
        return IMAGE_REASON_DEPENDENCY;
    }
    return reason;
}

static enum image_reason verify(const struct image_source *source,
                                const struct image_policy *policy, struct image_report *report) {
    struct image_tlv_iterator iterator;
    struct image_stated stated;
    enum image_reason reason = read_header(source, &report->header);
    if (reason == IMAGE_ACCEPTED) {
        reason = check_header(&report->header, policy);
    }
    if (reason == IMAGE_ACCEPTED) {
        reason = open_tlvs(source, policy, report, &iterator);
    }
    if (reason == IMAGE_ACCEPTED) {
        reason = image_collect(&iterator, policy, &stated);
    }
    if (reason != IMAGE_ACCEPTED) {
        return reason;
    }
    report->counter = stated.counter;
    if (!is_encryption_right(&report->header, policy, &stated)) {
        return IMAGE_REASON_ENCRYPTION;
    }
    if ((stated.seen & IMAGE_SEEN_REQUIRED) != IMAGE_SEEN_REQUIRED) {
        return IMAGE_REASON_TLV_MISSING;
    }
    if (stated.signature_before_key) {
        return IMAGE_REASON_TLV_FORMAT;
    }
    uint32_t hashed = image_header_tlv_offset(&report->header) + report->header.protected_size;
    if (hash_image(source, hashed, report->digest) != STATUS_OK) {
        return IMAGE_REASON_READ;
    }
    return decide(policy, &stated, report);
}

static enum status status_of(enum image_reason reason) {
    switch (reason) {
    case IMAGE_ACCEPTED: return STATUS_OK;
    case IMAGE_REASON_READ: return STATUS_FLASH;
    case IMAGE_REASON_EMPTY: return STATUS_NOT_FOUND;
    case IMAGE_REASON_FLAGS: return STATUS_UNSUPPORTED;
    case IMAGE_REASON_SIZE: return STATUS_NO_SPACE;
    case IMAGE_REASON_HASH: return STATUS_MISMATCH;
    case IMAGE_REASON_SIGNATURE: return STATUS_BAD_SIGNATURE;
    case IMAGE_REASON_KEY:
    case IMAGE_REASON_COUNTER_LOW:
    case IMAGE_REASON_COUNTER_HIGH:
    case IMAGE_REASON_DEPENDENCY: return STATUS_DENIED;
    default: return STATUS_INVALID;
    }
}

enum status image_verify(const struct image_source *source, const struct image_policy *policy,
                         struct image_report *report) {
    memset(report, 0, sizeof *report);
    report->reason = verify(source, policy, report);
    return status_of(report->reason);
}
