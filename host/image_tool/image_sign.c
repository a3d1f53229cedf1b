#include "image_tool/image_sign.h"

#include "base/secret.h"
#include "image_tool/image_judge.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TLVS_MAX 1024u /* more than what image_write_tlvs makes */

static int out_of_memory(struct error *error) {
    return error_set(error, ERROR_INTERNAL, "out of memory");
}

/* A number up to `maximum`, without sign or blanks; `*text` is moved behind it. */
static bool take_number(const char **text, uint64_t maximum, uint64_t *value) {
    char *end = NULL;

    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *value = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 && *value <= maximum;
}

static bool take_character(const char **text, char character) {
    if (**text != character)
        return false;
    (*text)++;
    return true;
}

static bool take_version(const char **text, struct image_version *version) {
    uint64_t major = 0;
    uint64_t minor = 0;
    uint64_t revision = 0;
    uint64_t build = 0;

    if (!take_number(text, UINT8_MAX, &major) || !take_character(text, '.') ||
        !take_number(text, UINT8_MAX, &minor) || !take_character(text, '.') ||
        !take_number(text, UINT16_MAX, &revision) ||
        (take_character(text, '+') && !take_number(text, UINT32_MAX, &build)))
        return false;
    *version =
        (struct image_version){(uint8_t)major, (uint8_t)minor, (uint16_t)revision, (uint32_t)build};
    return true;
}

int image_version_parse(const char *text, struct image_version *version, struct error *error) {
    const char *at = text;

    if (take_version(&at, version) && *at == '\0')
        return 0;
    (void)error_set(error, ERROR_USAGE, "version %s: not MAJOR.MINOR.REVISION", text);
    return error_hint(error, "for instance 1.2.3, or 1.2.3+4 with a build number; major and minor "
                             "at most 255, revision 65535");
}

int image_dependency_parse(const char *text, struct image_dependency *dependency,
                           struct error *error) {
    const char *at = text;
    uint64_t image = 0;
    bool in_brackets = take_character(&at, '(');
    bool is_good =
        take_number(&at, UINT8_MAX, &image) && take_character(&at, in_brackets ? ',' : ':');

    while (in_brackets && take_character(&at, ' '))
        ;
    is_good = is_good && take_version(&at, &dependency->minimum) &&
              (!in_brackets || take_character(&at, ')')) && *at == '\0';
    dependency->image = (uint8_t)image;
    if (is_good)
        return 0;
    (void)error_set(error, ERROR_USAGE, "dependency %s: not IMAGE:VERSION", text);
    return error_hint(error, "for instance 1:1.0.5, the number of the image and its least version");
}

/* Mistakes that would be signed without a word, and only noticed by a chip that does not start. */
static int check_payload(struct bytes payload, struct error *error) {
    static const uint8_t elf[] = {0x7F, 'E', 'L', 'F'};
    struct reader reader;

    reader_init(&reader, payload);
    if (payload.size == 0)
        return error_set(error, ERROR_USAGE, "the payload is empty");
    if (read_u32le(&reader) == IMAGE_MAGIC) {
        (void)error_set(error, ERROR_USAGE, "this is an image already");
        return error_hint(error, "sign the raw binary, vector table first, without a header");
    }
    if (bytes_equal(bytes_slice(payload, 0, sizeof(elf)), bytes_of(elf, sizeof(elf)))) {
        (void)error_set(error, ERROR_USAGE, "this is an ELF file");
        return error_hint(error, "make a binary first: arm-none-eabi-objcopy -O binary IN OUT");
    }
    if (payload.size > 10 && payload.data[0] == ':' && isxdigit(payload.data[1]) &&
        isxdigit(payload.data[2])) {
        (void)error_set(error, ERROR_USAGE, "this is an Intel HEX file");
        return error_hint(error, "make a binary first: objcopy -I ihex -O binary IN OUT");
    }
    return 0;
}

static int check_order(const struct image_order *order, struct error *error) {
    if (!order->key->has_private)
        return error_set(error, ERROR_USAGE, "signing needs the private key");
    if (order->encrypt_for == NULL && (order->plan.content_key_size != 0 || order->is_clear))
        return error_set(error, ERROR_USAGE, "encryption needs the device's public key");
    if (order->fill != IMAGE_FILL_NONE && order->slot_size == 0)
        return error_set(error, ERROR_USAGE, "a whole slot needs its size");
    return 0;
}

static enum status sign(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct image_key *key = context;

    return crypto_p256_sign(key->private_key, digest, signature);
}

static enum status write_image(const struct image_order *order, struct bytes payload,
                               struct writer *image) {
    uint8_t content_key[IMAGE_CONTENT_KEY_MAX] = {0};
    uint8_t wrapped_key[IMAGE_WRAPPED_KEY_MAX];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct writer wrapped;
    struct image_signer signer = {
        .form = order->form, .sign = sign, .context = (void *)order->key}; /* sign only reads it */
    size_t size = order->plan.content_key_size;
    enum status status = STATUS_OK;

    memcpy(signer.public_key, order->key->public_key, sizeof(signer.public_key));
    writer_init(&wrapped, wrapped_key, sizeof(wrapped_key));
    if (size != 0)
        status = crypto_random(content_key, size);
    if (size != 0 && status == STATUS_OK)
        status = image_wrap_content_key(bytes_of(content_key, size), order->encrypt_for, &wrapped);
    if (status == STATUS_OK)
        status = image_write_body(image, &order->plan, payload,
                                  bytes_of(content_key, order->is_clear ? 0 : size), digest);
    if (status == STATUS_OK)
        status = image_write_tlvs(image, digest, &signer, writer_bytes(&wrapped));
    secret_wipe(content_key, sizeof(content_key));
    return status;
}

static int fill_slot(const struct image_order *order, struct writer *image, struct error *error) {
    struct image_trailer_layout layout;
    bool is_slot = image_slot_layout(order->slot_size, order->plan.content_key_size, &layout) == 0;

    if (!is_slot) {
        (void)error_set(error, ERROR_USAGE, "a slot of %u bytes has no room for a trailer",
                        order->slot_size);
        return error_hint(error, "a slot is a whole number of pages, for instance 0x73000");
    }
    if (image->size > order->slot_size - image_trailer_reserved(&layout))
        return error_set(error, ERROR_TOO_LARGE,
                         "the image has %zu bytes, the slot room for %u beside its trailer",
                         image->size, order->slot_size - image_trailer_reserved(&layout));
    if (order->fill == IMAGE_FILL_NONE)
        return 0;
    enum status status = image_write_slot_end(
        image, &layout,
        order->fill == IMAGE_FILL_CONFIRM ? IMAGE_SLOT_UPGRADE_PERMANENT : IMAGE_SLOT_UPGRADE);
    return status == STATUS_OK ? 0
                               : error_set(error, ERROR_INTERNAL, "cannot write the trailer: %s",
                                           status_name(status));
}

/* A signature that a glitch or a bug made wrong shall not leave the desk. */
static int check_result(const struct image_order *order, struct bytes image, struct error *error) {
    const struct image_question question = {.public_key = order->key->public_key};
    struct image_verdict verdict;

    image_judge(image, &question, &verdict);
    if (verdict.reason == IMAGE_ACCEPTED)
        return 0;
    return error_set(error, ERROR_INTERNAL, "the signed image does not verify: %s",
                     image_reason_name(verdict.reason));
}

int image_sign(const struct image_order *order, struct bytes payload, struct buffer *image,
               struct error *error) {
    struct writer writer;

    if (check_order(order, error) != 0 || check_payload(payload, error) != 0)
        return -1;
    size_t capacity = payload.size + order->plan.header_size + CRYPTO_AES_BLOCK_SIZE + TLVS_MAX +
                      order->plan.dependency_count * 16;
    if (capacity < order->slot_size)
        capacity = order->slot_size;
    uint8_t *room = buffer_reserve(image, capacity);
    if (room == NULL)
        return out_of_memory(error);
    writer_init(&writer, room, capacity);
    enum status status = write_image(order, payload, &writer);
    if (status == STATUS_INVALID || status == STATUS_UNSUPPORTED)
        return error_set(error, ERROR_USAGE,
                         "no image can be made of this: header size, AES size "
                         "or the device's key is not one");
    if (status != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "signing failed: %s", status_name(status));
    if (order->slot_size != 0 && fill_slot(order, &writer, error) != 0)
        return -1;
    image->size -= capacity - writer.size;
    return check_result(order, buffer_bytes(image), error);
}
