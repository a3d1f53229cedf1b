#include "image/image_encrypt.h"

#include "base/secret.h"

#include <string.h>

#define UNCOMPRESSED 0x04 /* SEC 1, 2.3.3 */

static const char INFO[] = "MCUBoot_ECIES_v1";

/* The two keys that one agreement gives. */
struct wrap_keys {
    uint8_t okm[IMAGE_CONTENT_KEY_MAX + CRYPTO_DIGEST_SIZE];
    struct bytes encryption;
    struct bytes mac;
};

static bool is_key_size(size_t size) {
    return size == 16 || size == 32;
}

static enum status derive(const uint8_t shared[32], size_t key_size, struct wrap_keys *keys) {
    const uint8_t salt[CRYPTO_DIGEST_SIZE] = {0}; /* RFC 5869, 2.2: not provided */
    uint8_t prk[CRYPTO_DIGEST_SIZE];
    enum status status = crypto_hmac_sha256(bytes_of(salt, sizeof salt), bytes_of(shared, 32), prk);
    if (status == STATUS_OK) {
        status = crypto_hkdf_expand(prk, bytes_of(INFO, strlen(INFO)), keys->okm,
                                    key_size + CRYPTO_DIGEST_SIZE);
    }
    secret_wipe(prk, sizeof prk);
    struct bytes okm = bytes_of(keys->okm, sizeof keys->okm);
    keys->encryption = bytes_slice(okm, 0, key_size);
    keys->mac = bytes_slice(okm, key_size, CRYPTO_DIGEST_SIZE);
    return status;
}

/* A counter from zero is safe: the key is new with every ephemeral key. */
static enum status crypt_key(const struct wrap_keys *keys, struct bytes input, uint8_t *out) {
    const uint8_t zero[CRYPTO_AES_BLOCK_SIZE] = {0};
    return crypto_aes_ctr(keys->encryption, zero, input, out);
}

static enum status wrap(struct bytes content_key, const struct wrap_keys *keys,
                        const uint8_t ephemeral[CRYPTO_PUBLIC_KEY_SIZE], struct writer *wrapped) {
    uint8_t mac[CRYPTO_DIGEST_SIZE];
    uint8_t cipher[IMAGE_CONTENT_KEY_MAX] = {0};
    struct bytes encrypted = bytes_of(cipher, content_key.size);
    enum status status = crypt_key(keys, content_key, cipher);
    if (status == STATUS_OK) {
        status = crypto_hmac_sha256(keys->mac, encrypted, mac);
    }
    if (status != STATUS_OK) {
        return status;
    }
    write_u8(wrapped, UNCOMPRESSED);
    write_bytes(wrapped, bytes_of(ephemeral, CRYPTO_PUBLIC_KEY_SIZE));
    write_bytes(wrapped, bytes_of(mac, sizeof mac));
    write_bytes(wrapped, encrypted);
    return writer_check(wrapped);
}

enum status image_wrap_content_key(struct bytes content_key,
                                   const uint8_t device[CRYPTO_PUBLIC_KEY_SIZE],
                                   struct writer *wrapped) {
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t ephemeral[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t shared[32];
    struct wrap_keys keys;
    if (!is_key_size(content_key.size)) {
        return STATUS_UNSUPPORTED;
    }
    enum status status = crypto_p256_generate(private_key, ephemeral);
    if (status == STATUS_OK) {
        status = crypto_p256_agree(private_key, device, shared);
    }
    if (status == STATUS_OK) {
        status = derive(shared, content_key.size, &keys);
    }
    if (status == STATUS_OK) {
        status = wrap(content_key, &keys, ephemeral, wrapped);
    }
    secret_wipe(private_key, sizeof private_key);
    secret_wipe(shared, sizeof shared);
    secret_wipe(&keys, sizeof keys);
    return status;
}

/* The MAC first: nothing is decrypted that was not made for this device. */
static enum status unwrap(struct bytes cipher, const uint8_t mac[CRYPTO_DIGEST_SIZE],
                          const struct wrap_keys *keys, uint8_t *key) {
    uint8_t expected[CRYPTO_DIGEST_SIZE];
    enum status status = crypto_hmac_sha256(keys->mac, cipher, expected);
    if (status == STATUS_OK && !secret_equal(mac, expected, sizeof expected)) {
        status = STATUS_BAD_SIGNATURE;
    }
    secret_wipe(expected, sizeof expected);
    return status == STATUS_OK ? crypt_key(keys, cipher, key) : status;
}

static enum status agree_and_unwrap(struct reader *reader, image_agree_function *agree,
                                    void *context, uint8_t *key, size_t key_size) {
    uint8_t ephemeral[CRYPTO_PUBLIC_KEY_SIZE];
    uint8_t mac[CRYPTO_DIGEST_SIZE];
    uint8_t shared[32];
    struct wrap_keys keys;
    uint8_t form = read_u8(reader);
    read_copy(reader, ephemeral, sizeof ephemeral);
    read_copy(reader, mac, sizeof mac);
    struct bytes cipher = read_bytes(reader, key_size);
    if (reader_finish(reader) != STATUS_OK || form != UNCOMPRESSED) {
        return STATUS_INVALID;
    }
    enum status status = agree(context, ephemeral, shared);
    if (status == STATUS_OK) {
        status = derive(shared, key_size, &keys);
    }
    if (status == STATUS_OK) {
        status = unwrap(cipher, mac, &keys, key);
    }
    secret_wipe(shared, sizeof shared);
    secret_wipe(&keys, sizeof keys);
    return status;
}

enum status image_unwrap_content_key(struct bytes wrapped, image_agree_function *agree,
                                     void *context, uint8_t *key, size_t key_size) {
    struct reader reader;
    enum status status = STATUS_UNSUPPORTED;
    reader_init(&reader, wrapped);
    if (is_key_size(key_size)) {
        status = agree_and_unwrap(&reader, agree, context, key, key_size);
    }
    if (status != STATUS_OK) {
        secret_wipe(key, key_size);
    }
    return status;
}

static enum status find_wrapped_key(const struct image_source *source,
                                    const struct image_header *header, struct image_tlv *tlv,
                                    struct image_tlv_iterator *iterator) {
    enum status status = image_tlv_open(iterator, source, header);
    while (status == STATUS_OK) {
        status = image_tlv_next(iterator, tlv);
        if (status == STATUS_OK && tlv->area == IMAGE_TLV_UNPROTECTED &&
            tlv->type == IMAGE_TLV_ENC_EC256) {
            return STATUS_OK;
        }
    }
    return status;
}

enum status image_read_content_key(const struct image_source *source,
                                   const struct image_header *header, image_agree_function *agree,
                                   void *context, uint8_t key[IMAGE_CONTENT_KEY_MAX]) {
    uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX];
    struct image_tlv_iterator iterator;
    struct image_tlv tlv;
    size_t key_size = image_header_content_key_size(header);
    size_t size = IMAGE_WRAPPED_KEY_OVERHEAD + key_size;
    memset(key, 0, IMAGE_CONTENT_KEY_MAX);
    if (key_size == 0) {
        return STATUS_NOT_FOUND;
    }
    enum status status = find_wrapped_key(source, header, &tlv, &iterator);
    if (status == STATUS_OK) {
        status = image_tlv_read(&iterator, &tlv, wrapped, size);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return image_unwrap_content_key(bytes_of(wrapped, size), agree, context, key, key_size);
}

/* The block number, 32 bits big-endian, ends the counter block. */
static void counter_block(uint32_t offset, uint8_t counter[CRYPTO_AES_BLOCK_SIZE]) {
    struct writer writer;
    writer_init(&writer, counter, CRYPTO_AES_BLOCK_SIZE);
    write_fill(&writer, 0, CRYPTO_AES_BLOCK_SIZE - sizeof(uint32_t));
    write_u32be(&writer, offset / CRYPTO_AES_BLOCK_SIZE);
}

enum status image_payload_crypt(struct bytes content_key, uint32_t offset, uint8_t *data,
                                size_t size) {
    uint8_t counter[CRYPTO_AES_BLOCK_SIZE];
    size_t skip = offset % CRYPTO_AES_BLOCK_SIZE;
    size_t head = 0;
    enum status status = STATUS_OK;
    if (skip != 0) {
        /* A start inside a block: the run's first bytes are done at their place in a whole one. */
        uint8_t block[CRYPTO_AES_BLOCK_SIZE] = {0};
        head = sizeof block - skip < size ? sizeof block - skip : size;
        memcpy(&block[skip], data, head);
        counter_block(offset, counter);
        status = crypto_aes_ctr(content_key, counter, bytes_of(block, sizeof block), block);
        memcpy(data, &block[skip], head);
        secret_wipe(block, sizeof block);
    }
    if (status == STATUS_OK && head < size) {
        counter_block(offset + (uint32_t)head, counter);
        status =
            crypto_aes_ctr(content_key, counter, bytes_of(&data[head], size - head), &data[head]);
    }
    if (status != STATUS_OK) {
        secret_wipe(data, size);
    }
    return status;
}

static enum status read_decrypted(void *context, uint32_t offset, uint8_t *out, size_t size) {
    const struct image_decrypting_source *view = context;
    uint64_t end = (uint64_t)offset + size;
    enum status status = image_source_read(view->inner, offset, out, size);
    uint64_t from = offset > view->payload_start ? offset : view->payload_start;
    uint64_t to = end < view->payload_end ? end : view->payload_end;
    if (status != STATUS_OK || from >= to) {
        return status;
    }
    return image_payload_crypt(bytes_of(view->key, view->key_size),
                               (uint32_t)from - view->payload_start, &out[from - offset],
                               (size_t)(to - from));
}

struct image_source image_decrypting_source_of(struct image_decrypting_source *view,
                                               const struct image_source *inner,
                                               const struct image_header *header,
                                               struct bytes content_key) {
    memset(view, 0, sizeof *view);
    view->inner = inner;
    view->payload_start = header->header_size;
    view->payload_end = image_header_tlv_offset(header);
    /* A key of any other size stays a key of size 0, which the cipher refuses at the first read. */
    if (is_key_size(content_key.size)) {
        view->key_size = content_key.size;
        memcpy(view->key, content_key.data, content_key.size);
    }
    return (struct image_source){.read = read_decrypted, .context = view, .size = inner->size};
}
