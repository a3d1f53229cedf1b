#include "image_tool/image_describe.h"

#include "base/encoding.h"
#include "base/json.h"
#include "image/image_encrypt.h"

#include <stdio.h>
#include <string.h>

#define DEPENDENCY_SIZE 12
#define SPKI_SIZE       91
#define SHOWN_MAX       160 /* bytes of a TLV's data that are shown */
#define TEXT_SIZE       40

static const struct {
    uint16_t type;
    const char *name;
} tlv_names[] = {
    {IMAGE_TLV_KEY_HASH, "key_hash"},
    {IMAGE_TLV_PUBLIC_KEY, "public_key"},
    {IMAGE_TLV_SHA_256, "sha256"},
    {0x11, "sha384"},
    {0x12, "sha512"},
    {0x20, "rsa2048"},
    {IMAGE_TLV_ECDSA, "ecdsa"},
    {0x23, "rsa3072"},
    {0x24, "ed25519"},
    {0x30, "enc_rsa2048"},
    {0x31, "enc_aes_kw"},
    {IMAGE_TLV_ENC_EC256, "enc_ec256"},
    {0x33, "enc_x25519"},
    {IMAGE_TLV_DEPENDENCY, "dependency"},
    {IMAGE_TLV_SECURITY_COUNTER, "security_counter"},
    {0x60, "boot_record"},
};

static const char *tlv_name(const struct image_tlv *tlv) {
    for (size_t i = 0; i < sizeof(tlv_names) / sizeof(tlv_names[0]); i++) {
        if (tlv_names[i].type == tlv->type)
            return tlv_names[i].name;
    }
    return (tlv->type & 0xFF) >= 0xA0 ? "vendor" : "unknown";
}

static json_t *version_json(const struct image_version *version) {
    char text[TEXT_SIZE];

    (void)snprintf(text, sizeof(text), "%u.%u.%u+%u", version->major, version->minor,
                   version->revision, (unsigned)version->build);
    return json_string(text);
}

static json_t *flags_json(uint32_t flags) {
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{IMAGE_FLAG_AES_128, "encrypted_aes128"},
                 {IMAGE_FLAG_AES_256, "encrypted_aes256"},
                 {IMAGE_FLAG_NON_BOOTABLE, "non_bootable"},
                 {IMAGE_FLAG_RAM_LOAD, "ram_load"},
                 {IMAGE_FLAG_ROM_FIXED, "rom_fixed"}};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((flags & names[i].flag) != 0)
            (void)json_array_append_new(list, json_string(names[i].name));
    }
    return list;
}

static json_t *header_json(const struct image_header *header) {
    return json_pack("{s:o,s:I,s:I,s:I,s:I,s:o}", "version", version_json(&header->version),
                     "header_size", (json_int_t)header->header_size, "payload_size",
                     (json_int_t)header->payload_size, "protected_size",
                     (json_int_t)header->protected_size, "load_address",
                     (json_int_t)header->load_address, "flags", flags_json(header->flags));
}

/* What an entry means, beside its bytes. */
static void add_meaning(json_t *entry, const struct image_tlv *tlv, struct bytes value) {
    struct image_version version;
    struct reader reader;

    reader_init(&reader, value);
    if (tlv->type == IMAGE_TLV_SECURITY_COUNTER && value.size == sizeof(uint32_t))
        (void)json_object_set_new(entry, "value", json_integer(read_u32le(&reader)));
    if (tlv->type != IMAGE_TLV_DEPENDENCY || value.size != DEPENDENCY_SIZE)
        return;
    (void)json_object_set_new(entry, "image", json_integer(read_u8(&reader)));
    read_skip(&reader, 3);
    version.major = read_u8(&reader);
    version.minor = read_u8(&reader);
    version.revision = read_u16le(&reader);
    version.build = read_u32le(&reader);
    (void)json_object_set_new(entry, "minimum", version_json(&version));
}

static json_t *tlv_json(const struct image_tlv_iterator *iterator, const struct image_tlv *tlv) {
    uint8_t data[SHOWN_MAX];
    char type[8];
    json_t *entry = NULL;

    (void)snprintf(type, sizeof(type), "0x%02x", tlv->type);
    entry = json_pack("{s:s,s:s,s:s,s:I,s:I}", "area",
                      tlv->area == IMAGE_TLV_PROTECTED ? "protected" : "unprotected", "type", type,
                      "name", tlv_name(tlv), "offset", (json_int_t)tlv->offset, "size",
                      (json_int_t)tlv->size);
    if (tlv->size <= sizeof(data) && image_tlv_read(iterator, tlv, data, tlv->size) == STATUS_OK) {
        (void)json_object_set_new(entry, "data_hex", json_hex(bytes_of(data, tlv->size)));
        add_meaning(entry, tlv, bytes_of(data, tlv->size));
    }
    return entry;
}

/* All entries up to the first that breaks its bounds. */
static json_t *tlvs_json(const struct image_source *source, const struct image_header *header) {
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    json_t *list = json_array();

    if (image_tlv_open(&iterator, source, header) != STATUS_OK)
        return list;
    while (image_tlv_next(&iterator, &tlv) == STATUS_OK)
        (void)json_array_append_new(list, tlv_json(&iterator, &tlv));
    return list;
}

/* The first entry of a type in the unprotected area; its data in `out`, exactly `size` bytes. */
static bool find_entry(const struct image_source *source, const struct image_header *header,
                       uint16_t type, uint8_t *out, size_t size) {
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;

    if (image_tlv_open(&iterator, source, header) != STATUS_OK)
        return false;
    while (image_tlv_next(&iterator, &tlv) == STATUS_OK) {
        if (tlv.type == type && tlv.area == IMAGE_TLV_UNPROTECTED)
            return image_tlv_read(&iterator, &tlv, out, size) == STATUS_OK;
    }
    return false;
}

static json_t *hash_json(const uint8_t hash[CRYPTO_DIGEST_SIZE]) {
    return json_hex(bytes_of(hash, CRYPTO_DIGEST_SIZE));
}

/* Who is said to have signed. */
static json_t *key_json(const struct image_source *source, const struct image_header *header) {
    uint8_t info[SPKI_SIZE];
    uint8_t hash[CRYPTO_DIGEST_SIZE];

    if (find_entry(source, header, IMAGE_TLV_PUBLIC_KEY, info, sizeof(info))) {
        struct bytes point =
            bytes_of(info + sizeof(info) - CRYPTO_PUBLIC_KEY_SIZE, CRYPTO_PUBLIC_KEY_SIZE);
        json_t *object = json_pack("{s:s,s:o}", "form", "full", "public_key_hex", json_hex(point));
        image_key_otp_hash(point.data, hash);
        (void)json_object_set_new(object, "otp_hash_hex", hash_json(hash));
        crypto_sha256(bytes_of(info, sizeof(info)), hash);
        (void)json_object_set_new(object, "info_hash_hex", hash_json(hash));
        return object;
    }
    if (find_entry(source, header, IMAGE_TLV_KEY_HASH, hash, sizeof(hash)))
        return json_pack("{s:s,s:o}", "form", "hash", "info_hash_hex", hash_json(hash));
    return json_null();
}

static const char *signature_state(const struct image_verdict *verdict, bool has_signature) {
    if (!has_signature)
        return "missing";
    if ((verdict->needs & IMAGE_NEEDS_SIGNER) != 0 && verdict->reason == IMAGE_ACCEPTED)
        return "valid_under_own_key";
    switch (verdict->reason) {
    case IMAGE_ACCEPTED:
    case IMAGE_REASON_COUNTER_LOW:
    case IMAGE_REASON_COUNTER_HIGH:
    case IMAGE_REASON_DEPENDENCY: return "valid";
    case IMAGE_REASON_KEY: return "other_key";
    case IMAGE_REASON_SIGNATURE: return "invalid";
    default: return "not_checked";
    }
}

static bool has_entry(const json_t *tlvs, const char *name) {
    size_t index = 0;
    const json_t *tlv = NULL;

    json_array_foreach(tlvs, index, tlv) {
        const char *found = json_string_value(json_object_get(tlv, "name"));
        if (found != NULL && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

/* A wrapped key names nobody: only the device's own key tells whether it is for this device. */
static json_t *encryption_json(struct bytes file, const struct image_header *header,
                               const struct image_question *question,
                               const struct image_verdict *verdict) {
    static const char *const states[] = {
        [IMAGE_PAYLOAD_PLAIN] = "plain",
        [IMAGE_PAYLOAD_CLEAR] = "clear",
        [IMAGE_PAYLOAD_ENCRYPTED] = "encrypted",
        [IMAGE_PAYLOAD_UNOPENED] = "unopened",
    };
    size_t key_size = image_header_content_key_size(header);
    const char *device = "unknown";

    if (key_size == 0)
        return json_pack("{s:s}", "payload", "plain");
    if (question->device != NULL)
        device = image_is_wrapped_for(file, question->device) ? "this_device" : "another_device";
    return json_pack("{s:s,s:I,s:s}", "payload", states[verdict->payload], "aes_bits",
                     8 * (json_int_t)key_size, "wrapped_for", device);
}

static const char *cell_name(enum image_trailer_state state) {
    switch (state) {
    case IMAGE_TRAILER_UNSET: return "unset";
    case IMAGE_TRAILER_SET: return "set";
    case IMAGE_TRAILER_BAD: break;
    }
    return "bad";
}

static const char *swap_name(enum image_swap swap) {
    switch (swap) {
    case IMAGE_SWAP_TEST: return "test";
    case IMAGE_SWAP_PERMANENT: return "permanent";
    case IMAGE_SWAP_REVERT: return "revert";
    case IMAGE_SWAP_NONE: break;
    }
    return "none";
}

/* Only of a file that is a whole slot and whose image leaves the trailer's pages free. */
static json_t *trailer_json(const struct image_source *source, size_t content_key_size,
                            uint32_t image_size) {
    const struct image_trailer primary = {.swap = IMAGE_SWAP_NONE};
    struct image_trailer_layout layout;
    struct image_trailer trailer;

    if (image_slot_layout(source->size, content_key_size, &layout) != 0 || image_size == 0 ||
        image_size > layout.slot_size - image_trailer_size(&layout) ||
        image_trailer_read(source, &layout, &trailer) != STATUS_OK)
        return json_null();
    return json_pack("{s:I,s:s,s:s,s:s,s:s}", "slot_size", (json_int_t)layout.slot_size, "magic",
                     cell_name(trailer.magic), "image_ok", cell_name(trailer.image_ok), "copy_done",
                     cell_name(trailer.copy_done), "asks_for",
                     swap_name(image_trailer_decide(&primary, &trailer)));
}

static json_t *verdict_json(const struct image_verdict *verdict) {
    static const char *const states[] = {[IMAGE_VERDICT_REFUSED] = "refused",
                                         [IMAGE_VERDICT_UNDECIDED] = "undecided",
                                         [IMAGE_VERDICT_ACCEPTED] = "accepted"};
    json_t *needs = json_array();

    if ((verdict->needs & IMAGE_NEEDS_SIGNER) != 0)
        (void)json_array_append_new(needs, json_string("key"));
    if ((verdict->needs & IMAGE_NEEDS_DEVICE) != 0)
        (void)json_array_append_new(needs, json_string("enc-key"));
    return json_pack("{s:s,s:s,s:s,s:o}", "state", states[verdict->state], "reason",
                     image_reason_name(verdict->reason), "hint", image_reason_hint(verdict->reason),
                     "needs", needs);
}

json_t *image_describe(struct bytes file, const struct image_question *question) {
    const struct image_source source = image_source_of(&file);
    struct image_header header;
    struct image_verdict verdict;
    json_t *object =
        json_pack("{s:I,s:n,s:n,s:n,s:n,s:n,s:n,s:n}", "file_size", (json_int_t)file.size, "header",
                  "image_size", "security_counter", "tlvs", "digest_hex", "key", "trailer");

    image_judge(file, question, &verdict);
    (void)json_object_set_new(object, "verdict", verdict_json(&verdict));
    if (object == NULL || image_read_header(&source, &header) != STATUS_OK)
        return object;
    json_t *tlvs = tlvs_json(&source, &header);
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    (void)json_object_set_new(object, "header", header_json(&header));
    if (verdict.report.image_size != 0)
        (void)json_object_set_new(object, "image_size", json_integer(verdict.report.image_size));
    if (has_entry(tlvs, "security_counter"))
        (void)json_object_set_new(object, "security_counter", json_integer(verdict.report.counter));
    if (find_entry(&source, &header, IMAGE_TLV_SHA_256, digest, sizeof(digest)))
        (void)json_object_set_new(object, "digest_hex", hash_json(digest));
    (void)json_object_set_new(object, "key", key_json(&source, &header));
    (void)json_object_set_new(object, "signature",
                              json_string(signature_state(&verdict, has_entry(tlvs, "ecdsa"))));
    (void)json_object_set_new(object, "encryption",
                              encryption_json(file, &header, question, &verdict));
    (void)json_object_set_new(
        object, "trailer",
        trailer_json(&source, image_header_content_key_size(&header), verdict.report.image_size));
    (void)json_object_set_new(object, "tlvs", tlvs);
    return object;
}
