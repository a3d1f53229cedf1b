#include "boot/testing/boot_bench.h"

#include "crypto/crypto.h"
#include "devauth/otp_map.h"
#include "hal/counter.h"
#include "image/image_encrypt.h"

#include <string.h>

struct boot_bench boot_bench;

static const struct hal_flash_geometry GEOMETRY = {
    .size_bytes = BOARD_FLASH_SIZE,
    .page_bytes = BOARD_FLASH_PAGE,
    .unit_bytes = BOARD_FLASH_UNIT,
    .bl2_first = 0,
    .bl2_pages = BENCH_SLOT_PAGES,
    .primary_first = BENCH_SLOT_PAGES,
    .secondary_first = 2 * BENCH_SLOT_PAGES,
    .slot_pages = BENCH_SLOT_PAGES,
    .journal_first = 3 * BENCH_SLOT_PAGES,
    .journal_pages = 1,
};

/* Known pairs; the private key is 32 times one byte. */
enum { BL2_KEY = 0x21, BL3_KEY = 0x22, STRANGER = 0x23, ENC_KEY = 0x24, OTHER_CHIP = 0x25 };

static const struct known_key {
    uint8_t private_byte;
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
} keys[] = {{0x21, {0x46, 0x2D, 0xBA, 0x1A, 0xE4, 0xFC, 0x1A, 0x96, 0x8B, 0x4D, 0xAC, 0xF2, 0x0C,
                    0xDD, 0x6D, 0xBE, 0x1F, 0xAE, 0x34, 0xAA, 0x97, 0x15, 0x14, 0xA6, 0x3D, 0x34,
                    0x05, 0xC3, 0xD1, 0xCF, 0xD3, 0x83, 0xB5, 0x8B, 0xBB, 0x08, 0xC1, 0x33, 0x83,
                    0x42, 0x8C, 0x58, 0x53, 0xC7, 0x1C, 0x4C, 0x85, 0x1E, 0x13, 0x4B, 0x05, 0x68,
                    0x21, 0xE4, 0x68, 0xFE, 0x0A, 0x97, 0x7A, 0xBF, 0x43, 0x13, 0xDD, 0xE1}},
            {0x22, {0xD6, 0x5A, 0x93, 0x97, 0x7C, 0xAA, 0x3D, 0x1B, 0x08, 0x18, 0x52, 0xFF, 0x57,
                    0xA7, 0x9E, 0x46, 0x5F, 0x16, 0x60, 0x57, 0x73, 0x04, 0xBA, 0xEA, 0xD5, 0x05,
                    0xDD, 0x3A, 0x48, 0x58, 0x9C, 0xF3, 0x50, 0x18, 0x5E, 0x89, 0x53, 0x72, 0xDF,
                    0x62, 0x21, 0xEA, 0x3A, 0x13, 0x75, 0x57, 0xE4, 0x73, 0xFD, 0xDB, 0x67, 0x55,
                    0xF0, 0x5B, 0xD5, 0x07, 0xC3, 0xC5, 0x33, 0xFC, 0xE9, 0xC9, 0x12, 0x85}},
            {0x23, {0x24, 0x64, 0xA2, 0xF8, 0x81, 0x3E, 0x00, 0x72, 0x99, 0xB9, 0xC0, 0xBE, 0xEF,
                    0x9C, 0x8D, 0x6D, 0x8D, 0x17, 0x47, 0x0B, 0x32, 0xBB, 0xA0, 0x32, 0x9C, 0x14,
                    0x5F, 0x0C, 0xFC, 0x60, 0xB6, 0x83, 0xF8, 0x31, 0xA3, 0x52, 0x05, 0x86, 0x8D,
                    0xB9, 0x84, 0xDA, 0x72, 0x8A, 0x6A, 0x0E, 0x11, 0x29, 0xE8, 0x94, 0x0E, 0x8B,
                    0x73, 0x57, 0x98, 0xE6, 0x53, 0x60, 0xDA, 0xDA, 0x93, 0x45, 0x76, 0x45}},
            {0x24, {0x5E, 0x0B, 0x88, 0x95, 0x54, 0x78, 0x75, 0x2F, 0x20, 0xB5, 0x2C, 0x86, 0xF7,
                    0xCF, 0x76, 0xA6, 0xA2, 0xF6, 0x5E, 0x35, 0x02, 0x93, 0xB0, 0x9B, 0x5B, 0xC4,
                    0x8A, 0xFE, 0x12, 0xEF, 0x6D, 0x88, 0x88, 0xFC, 0xE0, 0xBD, 0xDD, 0x9D, 0xAC,
                    0x2D, 0x7A, 0x52, 0x2C, 0xA8, 0x45, 0xCB, 0x40, 0x0A, 0x11, 0xB4, 0x15, 0x02,
                    0x8A, 0x1F, 0x83, 0xE3, 0x6D, 0x97, 0x10, 0x4B, 0xD3, 0x50, 0x5E, 0x29}},
            {0x25, {0xB6, 0x81, 0xD6, 0x4E, 0xAE, 0x3D, 0x8D, 0x15, 0x4A, 0x92, 0xF5, 0xEB, 0x51,
                    0xAA, 0xA8, 0x5F, 0xE9, 0xBF, 0x65, 0x51, 0x35, 0x72, 0xF8, 0x54, 0x70, 0xB1,
                    0x30, 0x76, 0xAB, 0x6B, 0xA6, 0xE5, 0xCD, 0x55, 0xAA, 0xF2, 0xBE, 0x7C, 0x28,
                    0x2D, 0xA4, 0x4E, 0xAE, 0x19, 0x5B, 0xDD, 0x49, 0xFE, 0x3D, 0xE8, 0x61, 0xE9,
                    0xDA, 0x30, 0xB1, 0x22, 0x35, 0x7D, 0xA4, 0xF8, 0x1D, 0x04, 0xB1, 0x4C}}};

static void private_of(uint8_t byte, uint8_t out[CRYPTO_PRIVATE_KEY_SIZE]) {
    memset(out, byte, CRYPTO_PRIVATE_KEY_SIZE);
}

static const struct known_key *known(uint8_t private_byte) {
    return &keys[private_byte - BL2_KEY];
}

static enum status agree(enum hal_key_role role, const uint8_t peer[64], uint8_t shared[32]) {
    uint8_t key[CRYPTO_PRIVATE_KEY_SIZE];
    assert_int_equal(role, HAL_KEY_ENC);
    private_of(ENC_KEY, key);
    return crypto_p256_agree(key, peer, shared);
}

static void enter_image(uint32_t offset) {
    boot_bench.entered = offset;
}

static void boot_log(enum hal_boot_event event, uint32_t reason) {
    boot_bench.log_size %= BENCH_LOG_MAX;
    boot_bench.log[boot_bench.log_size].event = event;
    boot_bench.log[boot_bench.log_size].reason = reason;
    boot_bench.log_size++;
}

static void write_hash(unsigned first, unsigned valid, const uint8_t public_key[64]) {
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(public_key, CRYPTO_PUBLIC_KEY_SIZE), hash);
    for (unsigned i = 0; i < OTP_HASH_ENTRIES; i++) {
        assert_int_equal(otp_model_program(first + i, &hash[(size_t)8 * i]), STATUS_OK);
    }
    assert_int_equal(otp_model_program(valid, otp_valid), STATUS_OK);
}

/* Not random, and never the same twice: signing needs no more here. */
static enum status entropy(void *context, uint8_t *out, size_t size) {
    static uint32_t state = 1;
    (void)context;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        out[i] = (uint8_t)(state >> 24);
    }
    return STATUS_OK;
}

void bench_chip(void) {
    testing_board_reset();
    memset(&boot_bench, 0, sizeof boot_bench);
    boot_bench.entered = UINT32_MAX;
    boot_bench.hal = (struct hal){
        .chip_family = "BENCH",
        .flash = &GEOMETRY,
        .flash_read = flash_model_read,
        .flash_program = flash_model_program,
        .flash_erase = flash_model_erase,
        .otp_read = otp_model_read,
        .otp_program = otp_model_program,
        .otp_lock = otp_model_lock,
        .key_agree = agree,
        .life_cycle = otp_model_life_cycle,
        .life_cycle_advance = otp_model_life_cycle_advance,
        .counter_read = otp_model_counter_read,
        .counter_raise = otp_model_counter_raise,
        .counter_max = counter_otp_max,
        .enter_image = enter_image,
        .boot_log = boot_log,
    };
    assert_int_equal(crypto_init(entropy, NULL), STATUS_OK);
    assert_int_equal(otp_model_life_cycle_advance(HAL_LIFE_PROVISIONED), STATUS_OK);
    write_hash(OTP_BOOT_KEY_BL2_HASH, OTP_BOOT_KEY_BL2_VALID, known(BL2_KEY)->public_key);
    write_hash(OTP_BOOT_KEY_BL3_HASH, OTP_BOOT_KEY_BL3_VALID, known(BL3_KEY)->public_key);
}

static enum status sign(void *context, const uint8_t digest[CRYPTO_DIGEST_SIZE],
                        uint8_t signature[CRYPTO_SIGNATURE_SIZE]) {
    const struct known_key *key = context;
    uint8_t private_key[CRYPTO_PRIVATE_KEY_SIZE];
    private_of(key->private_byte, private_key);
    return crypto_p256_sign(private_key, digest, signature);
}

static void add_tlvs(struct writer *writer, const struct bench_plan *plan,
                     const uint8_t digest[CRYPTO_DIGEST_SIZE], struct bytes content_key) {
    uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX];
    struct writer wrap;
    uint8_t device = plan->other_device ? OTHER_CHIP : ENC_KEY;
    uint8_t own = plan->slot == BOOT_SLOT_BL2 ? BL2_KEY : BL3_KEY;
    struct known_key signer = *known(plan->other_signer ? STRANGER : own);
    struct image_signer by = {.form = IMAGE_KEY_FULL, .sign = sign, .context = &signer};
    memcpy(by.public_key, signer.public_key, sizeof by.public_key);
    writer_init(&wrap, wrapped, sizeof wrapped);
    if (content_key.size != 0) {
        assert_int_equal(image_wrap_content_key(content_key, known(device)->public_key, &wrap),
                         STATUS_OK);
    }
    assert_int_equal(image_write_tlvs(writer, digest, &by, writer_bytes(&wrap)), STATUS_OK);
}

/* No two blocks alike: a page that went to the wrong place must be seen. */
static void fill_payload(uint8_t *payload, const struct bench_plan *plan) {
    uint32_t state = plan->fill * 2654435761u;
    for (size_t i = 0; i < plan->payload_size; i++) {
        state = state * 1664525u + 1013904223u;
        payload[i] = i == 0 ? plan->fill : (uint8_t)(state >> 24);
    }
}

static void content_key_of(uint8_t fill, uint8_t key[BOOT_CONTENT_KEY_SIZE]) {
    memset(key, fill ^ 0x5A, BOOT_CONTENT_KEY_SIZE);
}

/* What image_write_body would not do, and others might: a payload that is no whole number of
 * blocks. */
static void write_unpadded_body(struct writer *writer, const struct bench_plan *plan,
                                struct bytes payload, struct bytes key,
                                uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    const uint8_t counter[] = {0x08, 0x69, 12, 0, 0x50, 0, 4, 0, (uint8_t)plan->counter, 0, 0, 0};
    const struct image_header header = {
        .header_size = BOOT_HEADER_SIZE,
        .protected_size = sizeof counter,
        .payload_size = (uint32_t)payload.size,
        .flags = IMAGE_FLAG_AES_256,
        .version = {.major = 1, .minor = plan->minor},
    };
    image_header_write(writer, &header);
    write_fill(writer, 0xFF, BOOT_HEADER_SIZE - IMAGE_HEADER_SIZE);
    uint8_t *region = write_reserve(writer, payload.size);
    assert_non_null(region);
    memcpy(region, payload.data, payload.size);
    write_bytes(writer, bytes_of(counter, sizeof counter));
    crypto_sha256(writer_bytes(writer), digest);
    if (key.size != 0) {
        assert_int_equal(image_payload_crypt(key, 0, region, payload.size), STATUS_OK);
    }
}

void bench_build(struct bench_image *image, const struct bench_plan *plan) {
    static uint8_t memory[BENCH_IMAGE_MAX];
    uint8_t content_key[BOOT_CONTENT_KEY_SIZE];
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    struct writer writer;
    bool is_bl2 = plan->slot == BOOT_SLOT_BL2;
    const struct image_plan image_plan = {
        .version = {.major = 1, .minor = plan->minor},
        .security_counter = plan->counter,
        .header_size = BOOT_HEADER_SIZE,
        .content_key_size = is_bl2 ? 0 : BOOT_CONTENT_KEY_SIZE,
    };
    fill_payload(memory, plan);
    content_key_of(plan->fill, content_key);
    struct bytes payload = bytes_of(memory, plan->payload_size);
    struct bytes key = bytes_of(content_key, is_bl2 ? 0 : sizeof content_key);
    struct bytes used = plan->slot == BOOT_SLOT_SECONDARY ? key : bytes_of(NULL, 0);
    memset(image->data, 0xFF, sizeof image->data);
    writer_init(&writer, image->data, sizeof image->data);
    if (plan->is_unpadded) {
        write_unpadded_body(&writer, plan, payload, used, digest);
    } else {
        assert_int_equal(image_write_body(&writer, &image_plan, payload, used, digest), STATUS_OK);
    }
    add_tlvs(&writer, plan, digest, key);
    image->size = writer.size;
    image->fill = plan->fill;
}

void bench_decrypt(const struct bench_image *image, struct bench_image *plain) {
    uint8_t key[BOOT_CONTENT_KEY_SIZE];
    struct image_header header;
    struct bytes memory = bytes_of(image->data, image->size);
    const struct image_source source = image_source_of(&memory);
    assert_int_equal(image_read_header(&source, &header), STATUS_OK);
    *plain = *image;
    content_key_of(image->fill, key);
    assert_int_equal(image_payload_crypt(bytes_of(key, sizeof key), 0,
                                         &plain->data[header.header_size], header.payload_size),
                     STATUS_OK);
}

bool bench_holds(enum boot_slot slot, const struct bench_image *image) {
    return memcmp(bench_flash(slot, 0), image->data, image->size) == 0;
}

void bench_put(enum boot_slot slot, const struct bench_image *image) {
    size_t size = (image->size + BOARD_FLASH_UNIT - 1) / BOARD_FLASH_UNIT * BOARD_FLASH_UNIT;
    assert_int_equal(
        flash_model_program(boot_slot_offset(&boot_bench.hal, slot), image->data, size), STATUS_OK);
}

void bench_boot(void *unused) {
    struct boot_findings findings;
    (void)unused;
    boot_bench.entered = UINT32_MAX;
    boot_bench.log_size = 0;
    boot_start_bl3(&boot_bench.hal, BOOT_MAY_START, &findings);
}

uint8_t *bench_flash(enum boot_slot slot, uint32_t offset) {
    return testing_board_file() + BOARD_FLASH_OFFSET + boot_slot_offset(&boot_bench.hal, slot) +
           offset;
}

bool bench_started(uint8_t fill) {
    return boot_bench.entered ==
               boot_slot_offset(&boot_bench.hal, BOOT_SLOT_PRIMARY) + BOOT_HEADER_SIZE &&
           *bench_flash(BOOT_SLOT_PRIMARY, BOOT_HEADER_SIZE) == fill;
}

uint32_t bench_logged(enum hal_boot_event event) {
    for (unsigned i = boot_bench.log_size; i > 0; i--) {
        if (boot_bench.log[i - 1].event == event) {
            return boot_bench.log[i - 1].reason;
        }
    }
    return 0;
}
