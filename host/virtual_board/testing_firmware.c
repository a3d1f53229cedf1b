#include "virtual_board/testing_firmware.h"

#include "base/file.h"
#include "crypto/crypto.h"
#include "devauth/otp_map.h"
#include "image/image_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE      0x400
#define CONTENT_KEY_SIZE 32
#define IMAGE_MAX        (BOARD_SLOT_PAGES * BOARD_FLASH_PAGE)
#define PAYLOAD_MAX      (1u << 20)
#define ENC_ROLE         1u /* enum hal_key_role: its page in the key store */

struct key_pair {
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
};

static struct {
    struct key_pair bl2;
    struct key_pair bl3;
    struct key_pair stranger;
    struct key_pair enc;
} keys;

void testing_firmware_start(void) {
    struct key_pair *const pairs[] = {&keys.bl2, &keys.bl3, &keys.stranger, &keys.enc};

    assert_int_equal(crypto_init(NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_int_equal(crypto_p256_generate(pairs[i]->private_key, pairs[i]->public_key),
                         STATUS_OK);
}

uint32_t testing_slot_offset(enum testing_slot slot) {
    static const uint32_t first[] = {0, BOARD_PRIMARY_FIRST, BOARD_SECONDARY_FIRST};

    return BOARD_FLASH_OFFSET + first[slot] * BOARD_FLASH_PAGE;
}

void testing_firmware_mark(const struct testing_board *board, unsigned entry) {
    testing_board_poke(board, BOARD_OTP_OFFSET + entry * OTP_ENTRY_SIZE, otp_valid, OTP_ENTRY_SIZE);
}

static void put_key_hash(const struct testing_board *board, const struct key_pair *pair,
                         unsigned first, unsigned valid) {
    uint8_t hash[CRYPTO_DIGEST_SIZE];

    crypto_sha256(bytes_of(pair->public_key, sizeof(pair->public_key)), hash);
    testing_board_poke(board, BOARD_OTP_OFFSET + first * OTP_ENTRY_SIZE, hash, sizeof(hash));
    testing_firmware_mark(board, valid);
}

/* Without its mark a unit that was programmed would look like one that can be. */
static void program(const struct testing_board *board, uint32_t offset, struct bytes data) {
    uint32_t first = offset / BOARD_FLASH_UNIT;
    uint32_t end = (offset + (uint32_t)data.size + BOARD_FLASH_UNIT - 1) / BOARD_FLASH_UNIT;
    size_t size = end / 8 - first / 8 + 1;
    uint8_t *units = malloc(size);

    assert_non_null(units);
    testing_board_poke(board, offset, data.data, data.size);
    testing_board_peek(board, BOARD_UNITS_OFFSET + first / 8, units, size);
    for (uint32_t unit = first; unit < end; unit++)
        units[unit / 8 - first / 8] &= (uint8_t) ~(1u << (unit % 8));
    testing_board_poke(board, BOARD_UNITS_OFFSET + first / 8, units, size);
    free(units);
}

/* As docs/formats/virtual_board.md has a key page. */
static void put_enc_key(const struct testing_board *board) {
    uint8_t page[sizeof(keys.enc) + CRYPTO_DIGEST_SIZE];
    struct crypto_sha256 hash;
    const uint8_t role = ENC_ROLE;

    memcpy(page, keys.enc.private_key, sizeof(keys.enc.private_key));
    memcpy(page + sizeof(keys.enc.private_key), keys.enc.public_key, sizeof(keys.enc.public_key));
    crypto_sha256_start(&hash);
    crypto_sha256_update(&hash, bytes_of(&role, 1));
    crypto_sha256_update(&hash, bytes_of(page, sizeof(keys.enc)));
    crypto_sha256_finish(&hash, page + sizeof(keys.enc));
    program(board, BOARD_KEYS_OFFSET + ENC_ROLE * BOARD_FLASH_PAGE, bytes_of(page, sizeof(page)));
}

void testing_firmware_put_key_hashes(const struct testing_board *board) {
    put_key_hash(board, &keys.bl2, OTP_BOOT_KEY_BL2_HASH, OTP_BOOT_KEY_BL2_VALID);
    put_key_hash(board, &keys.bl3, OTP_BOOT_KEY_BL3_HASH, OTP_BOOT_KEY_BL3_VALID);
}

void testing_firmware_provision(const struct testing_board *board) {
    testing_firmware_put_key_hashes(board);
    put_enc_key(board);
    testing_firmware_mark(board, OTP_LIFE_PROVISIONED);
}

static enum status sign(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct key_pair *pair = context;

    return crypto_p256_sign(pair->private_key, digest, signature);
}

static void write_tlvs(struct writer *writer, const struct testing_image *image,
                       const uint8_t digest[CRYPTO_DIGEST_SIZE], struct bytes content_key) {
    struct key_pair *own = image->slot == TESTING_BL2 ? &keys.bl2 : &keys.bl3;
    struct key_pair *signer = image->signer == TESTING_OEM ? own : &keys.stranger;
    struct image_signer by = {.form = IMAGE_KEY_FULL, .sign = sign, .context = signer};
    uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX];
    struct writer wrap;

    memcpy(by.public_key, signer->public_key, sizeof(by.public_key));
    writer_init(&wrap, wrapped, sizeof(wrapped));
    if (image->slot != TESTING_BL2)
        assert_int_equal(image_wrap_content_key(content_key, keys.enc.public_key, &wrap),
                         STATUS_OK);
    assert_int_equal(image_write_tlvs(writer, digest, &by, writer_bytes(&wrap)), STATUS_OK);
}

static void ask_for_swap(const struct testing_board *board) {
    const struct image_trailer_layout layout = {
        .slot_size = BOARD_SLOT_PAGES * BOARD_FLASH_PAGE,
        .page_size = BOARD_FLASH_PAGE,
        .sectors_max = BOARD_SLOT_PAGES,
        .content_key_size = CONTENT_KEY_SIZE,
    };
    struct image_trailer_cell magic = image_trailer_set_magic(&layout);

    program(board, testing_slot_offset(TESTING_SECONDARY) + magic.offset,
            bytes_of(magic.data, magic.size));
}

void testing_firmware_put(const struct testing_board *board, const struct testing_image *image) {
    static uint8_t data[IMAGE_MAX];
    uint8_t content_key[CONTENT_KEY_SIZE] = {0};
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct bytes key = bytes_of(content_key, sizeof(content_key));
    struct writer writer;
    const struct image_plan plan = {
        .version = {.major = 1, .minor = image->minor},
        .security_counter = image->counter,
        .header_size = HEADER_SIZE,
        .content_key_size = image->slot == TESTING_BL2 ? 0 : CONTENT_KEY_SIZE,
    };

    assert_int_equal(crypto_random(content_key, sizeof(content_key)), STATUS_OK);
    writer_init(&writer, data, sizeof(data));
    assert_int_equal(image_write_body(&writer, &plan, image->payload,
                                      image->slot == TESTING_SECONDARY ? key : bytes_of(NULL, 0),
                                      digest),
                     STATUS_OK);
    write_tlvs(&writer, image, digest, key);
    program(board, testing_slot_offset(image->slot), writer_bytes(&writer));
    if (image->slot == TESTING_SECONDARY)
        ask_for_swap(board);
}

void testing_firmware_load(enum board_kind kind, const char *name, struct buffer *payload) {
    char path[512];
    struct error error;

    (void)snprintf(path, sizeof(path), "%s/%s", testing_board_firmware(kind), name);
    if (file_read(path, PAYLOAD_MAX, payload, &error) != 0)
        fail_msg("%s", error.message);
}
