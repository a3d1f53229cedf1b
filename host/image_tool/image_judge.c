#include "image_tool/image_judge.h"

#include "base/secret.h"
#include "board/board_file.h"
#include "image/image_collect.h"
#include "image/image_encrypt.h"

#include <string.h>

/* As firmware/boot asks for it; firmware headers are not for the host. */
#define STAGE_HEADER_SIZE      0x400
#define STAGE_CONTENT_KEY_SIZE 32
#define BL2_COUNTER_MAX        63u
#define BL3_COUNTER_MAX        255u
#define DEPENDENCIES_MAX       16
#define DEPENDENCY_SIZE        12
#define PAGE_MIN               IMAGE_TRAILER_CELL_SIZE

/* A file as the start of a slot whose rest is erased. */
struct slot {
    struct bytes file;
};

static enum status read_slot(void *context, uint32_t offset, uint8_t *out, size_t size) {
    const struct slot *slot = context;
    size_t there = offset < slot->file.size ? slot->file.size - offset : 0;
    size_t part = there < size ? there : size;

    memset(out, 0xFF, size);
    if (part > 0)
        memcpy(out, slot->file.data + offset, part);
    return STATUS_OK;
}

static uint32_t slot_size(struct bytes file, const struct image_question *question) {
    if (question->slot_size != 0)
        return question->slot_size;
    switch (question->stage) {
    case IMAGE_STAGE_BL2: return BOARD_BL2_PAGES * BOARD_FLASH_PAGE;
    case IMAGE_STAGE_BL3: return BOARD_SLOT_PAGES * BOARD_FLASH_PAGE;
    case IMAGE_STAGE_ANY: break;
    }
    return file.size > UINT32_MAX ? UINT32_MAX : (uint32_t)file.size;
}

int image_slot_layout(size_t file_size, size_t content_key_size,
                      struct image_trailer_layout *layout) {
    uint32_t page = BOARD_FLASH_PAGE;

    *layout = (struct image_trailer_layout){0};
    if (file_size == 0 || file_size > UINT32_MAX)
        return -1;
    while (page > PAGE_MIN && file_size % page != 0)
        page /= 2;
    if (file_size % page != 0 || file_size / page > UINT16_MAX)
        return -1;
    *layout = (struct image_trailer_layout){.slot_size = (uint32_t)file_size,
                                            .page_size = page,
                                            .sectors_max = (uint16_t)(file_size / page),
                                            .content_key_size = (uint8_t)content_key_size};
    return image_trailer_check(layout) == STATUS_OK ? 0 : -1;
}

/* Only BL3's slots have a trailer, and room for it. */
static uint32_t reserved_size(uint32_t size, const struct image_question *question) {
    struct image_trailer_layout layout;

    if (question->stage != IMAGE_STAGE_BL3 ||
        image_slot_layout(size, STAGE_CONTENT_KEY_SIZE, &layout) != 0)
        return 0;
    return image_trailer_reserved(&layout);
}

static struct image_policy policy_of(const struct image_header *header, uint32_t size,
                                     const struct image_question *question) {
    struct image_policy policy = {.counter_minimum = question->counter_minimum,
                                  .counter_maximum = UINT32_MAX,
                                  .reserved_size = reserved_size(size, question)};

    switch (question->stage) {
    case IMAGE_STAGE_ANY:
        policy.content_key_size = (uint8_t)image_header_content_key_size(header);
        break;
    case IMAGE_STAGE_BL2:
        policy.header_size = STAGE_HEADER_SIZE;
        policy.counter_maximum = BL2_COUNTER_MAX;
        break;
    case IMAGE_STAGE_BL3:
        policy.header_size = STAGE_HEADER_SIZE;
        policy.content_key_size = STAGE_CONTENT_KEY_SIZE;
        policy.counter_maximum = BL3_COUNTER_MAX;
        break;
    }
    return policy;
}

/* No chip in particular has every version an image depends on. */
static size_t meet_dependencies(const struct image_source *source,
                                const struct image_header *header,
                                struct image_installed installed[DEPENDENCIES_MAX]) {
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    uint8_t raw[DEPENDENCY_SIZE];
    size_t count = 0;

    if (image_tlv_open(&iterator, source, header) != STATUS_OK)
        return 0;
    while (count < DEPENDENCIES_MAX && image_tlv_next(&iterator, &tlv) == STATUS_OK) {
        struct reader reader;
        if (tlv.type != IMAGE_TLV_DEPENDENCY ||
            image_tlv_read(&iterator, &tlv, raw, sizeof(raw)) != STATUS_OK)
            continue;
        reader_init(&reader, bytes_of(raw, sizeof(raw)));
        struct image_installed *met = &installed[count++];
        met->image = read_u8(&reader);
        read_skip(&reader, 3);
        met->version.major = read_u8(&reader);
        met->version.minor = read_u8(&reader);
        met->version.revision = read_u16le(&reader);
        met->version.build = read_u32le(&reader);
    }
    return count;
}

/* What the TLVs say; false if they break a rule (image_verify then says which). */
static bool collect(const struct image_source *source, const struct image_header *header,
                    const struct image_policy *policy, struct image_stated *stated) {
    struct image_tlv_iterator iterator;

    return image_tlv_open(&iterator, source, header) == STATUS_OK &&
           image_collect(&iterator, policy, stated) == IMAGE_ACCEPTED;
}

static bool is_zero(const uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE]) {
    static const uint8_t zero[CRYPTO_PUBLIC_KEY_SIZE];

    return memcmp(public_key, zero, sizeof(zero)) == 0;
}

/* Without a signer's key the image is held to the key it carries, which proves that it is whole,
 * not that anybody trusts it. */
static void take_signer(const struct image_source *source, const struct image_header *header,
                        const struct image_question *question, struct image_policy *policy,
                        struct image_verdict *verdict) {
    struct image_stated stated;

    policy->public_key = question->public_key;
    if (question->public_key != NULL) {
        image_key_otp_hash(question->public_key, policy->key_hash);
        return;
    }
    verdict->needs |= IMAGE_NEEDS_SIGNER;
    /* Zero stands for a key of which the image carries only the hash: nothing to be held to. */
    if (collect(source, header, policy, &stated) && !is_zero(stated.public_key))
        image_key_otp_hash(stated.public_key, policy->key_hash);
}

/* These checks come behind the hash. */
static bool was_hash_good(enum image_reason reason) {
    switch (reason) {
    case IMAGE_ACCEPTED:
    case IMAGE_REASON_KEY:
    case IMAGE_REASON_SIGNATURE:
    case IMAGE_REASON_COUNTER_LOW:
    case IMAGE_REASON_COUNTER_HIGH:
    case IMAGE_REASON_DEPENDENCY: return true;
    default: return false;
    }
}

static enum status agree(void *context, const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE],
                         uint8_t shared[32]) {
    const struct image_key *device = context;

    return crypto_p256_agree(device->private_key, peer, shared);
}

bool image_is_wrapped_for(struct bytes file, const struct image_key *device) {
    const struct image_source source = image_source_of(&file);
    struct image_header header;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    /* agree only reads the device's key */
    bool is_for = image_read_header(&source, &header) == STATUS_OK &&
                  image_read_content_key(&source, &header, agree, (void *)device, key) == STATUS_OK;

    secret_wipe(key, sizeof(key));
    return is_for;
}

static enum image_reason verify_opened(const struct image_source *source,
                                       const struct image_policy *policy,
                                       const struct image_key *device,
                                       struct image_verdict *verdict) {
    struct image_decrypting_source view;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    const struct image_header header = verdict->report.header;
    enum image_reason reason = IMAGE_REASON_CONTENT_KEY;

    /* agree only reads it */
    if (image_read_content_key(source, &header, agree, (void *)device, key) == STATUS_OK) {
        const struct image_source plain = image_decrypting_source_of(
            &view, source, &header, bytes_of(key, image_header_content_key_size(&header)));
        enum status status = image_verify(&plain, policy, &verdict->report);
        reason = verdict->report.reason;
        if (status == STATUS_OK || was_hash_good(reason))
            verdict->payload = IMAGE_PAYLOAD_ENCRYPTED;
        secret_wipe(&view, sizeof(view));
    }
    secret_wipe(key, sizeof(key));
    return reason;
}

/* Everything but the contents: the signature is over the digest that the image states. */
static enum image_reason verify_unopened(const struct image_source *source,
                                         const struct image_policy *policy,
                                         struct image_verdict *verdict) {
    struct image_stated stated;

    if (!collect(source, &verdict->report.header, policy, &stated))
        return IMAGE_REASON_HASH;
    const struct image_evidence evidence = {.computed_digest = stated.digest,
                                            .stated_digest = stated.digest,
                                            .public_key = stated.public_key,
                                            .key_hash = policy->key_hash,
                                            .signature = stated.signature,
                                            .counter = stated.counter,
                                            .counter_minimum = policy->counter_minimum,
                                            .counter_maximum = policy->counter_maximum};
    enum image_reason reason = image_decide(&evidence);
    verdict->needs |= IMAGE_NEEDS_DEVICE;
    memset(verdict->report.digest, 0, CRYPTO_DIGEST_SIZE);
    if (reason == IMAGE_ACCEPTED && stated.dependency_unmet)
        return IMAGE_REASON_DEPENDENCY;
    return reason;
}

/* In plaintext first: that is how it lies in a primary slot. */
static enum image_reason verify(const struct image_source *source,
                                const struct image_policy *policy,
                                const struct image_question *question,
                                struct image_verdict *verdict) {
    bool was_accepted = image_verify(source, policy, &verdict->report) == STATUS_OK;
    enum image_reason reason = verdict->report.reason;

    verdict->payload = IMAGE_PAYLOAD_PLAIN;
    if (image_header_content_key_size(&verdict->report.header) == 0)
        return reason;
    verdict->payload = was_hash_good(reason) ? IMAGE_PAYLOAD_CLEAR : IMAGE_PAYLOAD_UNOPENED;
    if (was_accepted || reason != IMAGE_REASON_HASH || question->is_clear)
        return reason;
    return question->device == NULL ? verify_unopened(source, policy, verdict)
                                    : verify_opened(source, policy, question->device, verdict);
}

static void conclude(enum image_reason reason, struct image_verdict *verdict) {
    bool signer_unknown = (verdict->needs & IMAGE_NEEDS_SIGNER) != 0;

    /* An image that carries only the hash of its key: nothing to hold the signature to. */
    if (signer_unknown && reason == IMAGE_REASON_KEY)
        reason = IMAGE_ACCEPTED;
    verdict->reason = reason;
    if (reason != IMAGE_ACCEPTED)
        verdict->state = IMAGE_VERDICT_REFUSED;
    else
        verdict->state = verdict->needs == 0 ? IMAGE_VERDICT_ACCEPTED : IMAGE_VERDICT_UNDECIDED;
}

void image_judge(struct bytes file, const struct image_question *question,
                 struct image_verdict *verdict) {
    struct slot slot = {.file = file};
    struct image_installed installed[DEPENDENCIES_MAX];
    struct image_header header = {0};
    const struct image_source source = {
        .read = read_slot, .context = &slot, .size = slot_size(file, question)};

    memset(verdict, 0, sizeof(*verdict));
    /* A header that cannot be read is zero, and refused below. */
    (void)!image_read_header(&source, &header);
    struct image_policy policy = policy_of(&header, source.size, question);
    if (question->stage == IMAGE_STAGE_ANY) {
        policy.installed_count = meet_dependencies(&source, &header, installed);
        policy.installed = installed;
    }
    take_signer(&source, &header, question, &policy, verdict);
    conclude(verify(&source, &policy, question, verdict), verdict);
}

const char *image_reason_hint(enum image_reason reason) {
    switch (reason) {
    case IMAGE_ACCEPTED: return "";
    case IMAGE_REASON_READ: return "the file could not be read";
    case IMAGE_REASON_EMPTY: return "only erased flash (FF): nothing was programmed there";
    case IMAGE_REASON_HEADER:
        return "no image, or not from its first byte: sign the raw binary, and look at offset 0";
    case IMAGE_REASON_FLAGS:
        return "built to run from RAM or from a fixed address, or with flags nobody here knows";
    case IMAGE_REASON_HEADER_SIZE:
        return "the chips start behind a header of 0x400 bytes: sign with --header-size 0x400";
    case IMAGE_REASON_SIZE: return "cut short, or too large for the slot beside its trailer";
    case IMAGE_REASON_TLV_FORMAT: return "the TLV areas behind the payload are damaged";
    case IMAGE_REASON_TLV_UNKNOWN:
        return "an entry nobody knows in the unprotected area; own entries belong into the "
               "protected one";
    case IMAGE_REASON_TLV_DUPLICATE: return "an entry is there twice: was the image signed twice?";
    case IMAGE_REASON_TLV_MISSING:
        return "hash, key, signature or security counter is missing: sign it, with a counter "
               "(imgtool: -s N --public-key-format full)";
    case IMAGE_REASON_ENCRYPTION:
        return "BL3 must be encrypted with AES-256, BL2 must not: see --encrypt-for";
    case IMAGE_REASON_HASH:
        return "the contents changed after they were signed, or were encrypted under another key";
    case IMAGE_REASON_KEY: return "signed with another key than the one that was given";
    case IMAGE_REASON_SIGNATURE: return "the signature is not by the key it names: sign it again";
    case IMAGE_REASON_COUNTER_LOW:
        return "its security counter is below the chip's: a newer release shut it out";
    case IMAGE_REASON_COUNTER_HIGH:
        return "its security counter is more than a chip can count (BL2 63, BL3 255)";
    case IMAGE_REASON_DEPENDENCY: return "it needs another image in a newer version";
    case IMAGE_REASON_CONTENT_KEY: return "its content key was wrapped for another device";
    }
    return "";
}
