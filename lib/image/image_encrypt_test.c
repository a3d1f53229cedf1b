#include "image/testing/fixture.h"

#include <string.h>

static uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX + 1];

/* Wraps the first `size` bytes of the content key for FIXTURE_DEVICE. */
static struct bytes wrap(size_t size) {
    struct writer writer;
    writer_init(&writer, wrapped, sizeof wrapped);
    assert_status(image_wrap_content_key(bytes_of(FIXTURE_CONTENT_KEY, size),
                                         FIXTURE_DEVICE.public_key, &writer),
                  STATUS_OK);
    assert_int_equal(writer.size, IMAGE_WRAPPED_KEY_OVERHEAD + size);
    return writer_bytes(&writer);
}

static enum status unwrap(struct bytes blob, const struct fixture_key *device, uint8_t *key,
                          size_t size) {
    return image_unwrap_content_key(blob, fixture_agree, (void *)device, key, size);
}

static void assert_unwrap_refused(struct bytes blob, const struct fixture_key *device,
                                  size_t key_size) {
    static const uint8_t ZERO[IMAGE_CONTENT_KEY_MAX];
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    memset(key, 0xEE, sizeof key);
    assert_int_not_equal(unwrap(blob, device, key, key_size), STATUS_OK);
    assert_memory_equal(key, ZERO, key_size);
}

static void unwraps_what_was_wrapped(void **state) {
    (void)state;
    static const size_t SIZES[] = {16, 32};
    for (size_t i = 0; i < 2; i++) {
        uint8_t key[IMAGE_CONTENT_KEY_MAX];
        uint8_t first[IMAGE_WRAPPED_KEY_MAX];
        struct bytes blob = wrap(SIZES[i]);
        assert_status(unwrap(blob, &FIXTURE_DEVICE, key, SIZES[i]), STATUS_OK);
        assert_memory_equal(key, FIXTURE_CONTENT_KEY, SIZES[i]);
        /* A new ephemeral key each time: equal blobs would tell who gets the same key. */
        memcpy(first, blob.data, blob.size);
        blob = wrap(SIZES[i]);
        assert_memory_not_equal(first + 1, blob.data + 1, CRYPTO_PUBLIC_KEY_SIZE);
        assert_memory_not_equal(first + 97, blob.data + 97, SIZES[i]);
    }
}

static void refuses_every_changed_byte(void **state) {
    (void)state;
    struct bytes blob = wrap(32);
    for (size_t i = 0; i < blob.size; i++) {
        static const uint8_t FLIPS[] = {0x01, 0x80, 0xFF};
        for (size_t f = 0; f < sizeof FLIPS; f++) {
            wrapped[i] ^= FLIPS[f];
            assert_unwrap_refused(blob, &FIXTURE_DEVICE, 32);
            wrapped[i] ^= FLIPS[f];
        }
    }
}

static void refuses_other_sizes(void **state) {
    (void)state;
    struct bytes blob = wrap(32);
    for (size_t size = 0; size <= sizeof wrapped; size++) {
        if (size != blob.size) {
            assert_unwrap_refused(bytes_of(wrapped, size), &FIXTURE_DEVICE, 32);
        }
    }
    assert_unwrap_refused(blob, &FIXTURE_DEVICE, 16);
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    assert_status(unwrap(blob, &FIXTURE_DEVICE, key, 24), STATUS_UNSUPPORTED);
    struct writer writer;
    writer_init(&writer, wrapped, sizeof wrapped);
    assert_status(image_wrap_content_key(bytes_of(FIXTURE_CONTENT_KEY, 24),
                                         FIXTURE_DEVICE.public_key, &writer),
                  STATUS_UNSUPPORTED);
    writer_init(&writer, wrapped, IMAGE_WRAPPED_KEY_MAX - 1);
    assert_status(image_wrap_content_key(bytes_of(FIXTURE_CONTENT_KEY, 32),
                                         FIXTURE_DEVICE.public_key, &writer),
                  STATUS_NO_SPACE);
}

static void refuses_another_device(void **state) {
    (void)state;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    assert_status(unwrap(wrap(32), &FIXTURE_OTHER_DEVICE, key, 32), STATUS_BAD_SIGNATURE);
    assert_unwrap_refused(wrap(16), &FIXTURE_OTHER_DEVICE, 16);
}

static void refuses_to_wrap_for_a_point_off_the_curve(void **state) {
    (void)state;
    struct writer writer;
    uint8_t point[CRYPTO_PUBLIC_KEY_SIZE];
    memcpy(point, FIXTURE_DEVICE.public_key, sizeof point);
    point[63] ^= 1;
    writer_init(&writer, wrapped, sizeof wrapped);
    assert_status(image_wrap_content_key(bytes_of(FIXTURE_CONTENT_KEY, 32), point, &writer),
                  STATUS_INVALID);
    assert_int_equal(writer.size, 0);
}

/* Any run decrypted alone equals the same run of the whole. */
static void payload_pieces_equal_the_whole(void **state) {
    (void)state;
    struct bytes key = bytes_of(FIXTURE_CONTENT_KEY, 16);
    uint8_t whole[100];
    memcpy(whole, fixture_payload().data, sizeof whole);
    assert_status(image_payload_crypt(key, 0, whole, sizeof whole), STATUS_OK);
    assert_memory_not_equal(whole, fixture_payload().data, sizeof whole);
    for (uint32_t from = 0; from < sizeof whole; from++) {
        for (size_t size = 0; size <= sizeof whole - from; size++) {
            uint8_t piece[sizeof whole];
            memcpy(piece, fixture_payload().data + from, size);
            assert_status(image_payload_crypt(key, from, piece, size), STATUS_OK);
            assert_memory_equal(piece, whole + from, size);
        }
    }
}

/* The counter's place: block 0x01020304 is that number, big-endian, at the end of the block. */
static void payload_counter_as_published(void **state) {
    (void)state;
    struct bytes key = bytes_of(FIXTURE_CONTENT_KEY, 32);
    const uint8_t counter[16] = {[12] = 0x01, [13] = 0x02, [14] = 0x03, [15] = 0x04};
    uint8_t expected[16] = {0};
    uint8_t piece[16] = {0};
    assert_status(crypto_aes_ctr(key, counter, bytes_of(expected, 16), expected), STATUS_OK);
    assert_status(image_payload_crypt(key, 0x10203040, piece, 16), STATUS_OK);
    assert_memory_equal(piece, expected, 16);
    assert_status(image_payload_crypt(bytes_of(NULL, 0), 0, piece, 16), STATUS_UNSUPPORTED);
}

/* Reads at every place and of every small size give what the plaintext slot has there. */
static void decrypting_view_hides_the_seams(void **state) {
    (void)state;
    static struct fixture_slot plain;
    static struct fixture_slot encrypted;
    struct image_plan plan = FIXTURE_PLAN;
    struct bytes key = bytes_of(FIXTURE_CONTENT_KEY, 32);
    struct image_decrypting_source view;
    struct image_header header;
    plan.header_size = 52;
    plan.content_key_size = 32;
    fixture_build(&plain, &plan, IMAGE_KEY_FULL, bytes_of(NULL, 0));
    fixture_build(&encrypted, &plan, IMAGE_KEY_FULL, key);
    const struct image_source inner = image_source_of(&encrypted.memory);
    assert_status(image_read_header(&inner, &header), STATUS_OK);
    const struct image_source source = image_decrypting_source_of(&view, &inner, &header, key);
    size_t compared = 52 + 1008 + 12; /* up to the TLVs that differ */
    for (uint32_t from = 0; from < compared; from++) {
        for (size_t size = 0; size <= 40 && from + size <= compared; size += 13) {
            uint8_t piece[40];
            assert_status(image_source_read(&source, from, piece, size), STATUS_OK);
            assert_memory_equal(piece, plain.data + from, size);
        }
    }
    /* A view set up with no usable key gives nothing of the payload. */
    const struct image_source broken =
        image_decrypting_source_of(&view, &inner, &header, bytes_of(FIXTURE_CONTENT_KEY, 24));
    uint8_t piece[40];
    assert_status(image_source_read(&broken, 60, piece, sizeof piece), STATUS_UNSUPPORTED);
}

static void finds_no_key_in_a_plain_image(void **state) {
    (void)state;
    static struct fixture_slot slot;
    struct image_header header;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    fixture_build(&slot, &FIXTURE_PLAN, IMAGE_KEY_FULL, bytes_of(NULL, 0));
    const struct image_source source = image_source_of(&slot.memory);
    assert_status(image_read_header(&source, &header), STATUS_OK);
    assert_status(
        image_read_content_key(&source, &header, fixture_agree, (void *)&FIXTURE_DEVICE, key),
        STATUS_NOT_FOUND);
    header.flags = IMAGE_FLAG_AES_256;
    assert_status(
        image_read_content_key(&source, &header, fixture_agree, (void *)&FIXTURE_DEVICE, key),
        STATUS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unwraps_what_was_wrapped),
        cmocka_unit_test(refuses_every_changed_byte),
        cmocka_unit_test(refuses_other_sizes),
        cmocka_unit_test(refuses_another_device),
        cmocka_unit_test(refuses_to_wrap_for_a_point_off_the_curve),
        cmocka_unit_test(payload_pieces_equal_the_whole),
        cmocka_unit_test(payload_counter_as_published),
        cmocka_unit_test(decrypting_view_hides_the_seams),
        cmocka_unit_test(finds_no_key_in_a_plain_image),
    };
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
