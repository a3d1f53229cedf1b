#include "image_tool/image_sign.h"

#include "image_tool/image_judge.h"
#include "image_tool/testing/vectors.h"

#include <string.h>

static struct image_key signer;
static struct image_key device;

static int start(void **state) {
    (void)state;
    signer = vectors_key("signer.pem");
    device = vectors_key("device.pem");
    return 0;
}

/* The payload of imgtool's vectors. */
static struct bytes payload(void) {
    static uint8_t data[1000];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + 3);
    return bytes_of(data, sizeof(data));
}

static struct image_order order(void) {
    return (struct image_order){
        .plan = {.version = {1, 2, 3, 4}, .security_counter = 7, .header_size = 0x400},
        .key = &signer,
    };
}

static void expect_accepted(const struct buffer *image, const struct image_key *enc_key) {
    const struct image_question question = {.public_key = signer.public_key, .device = enc_key};
    struct image_verdict verdict;

    image_judge(buffer_bytes(image), &question, &verdict);
    assert_int_equal(verdict.state, IMAGE_VERDICT_ACCEPTED);
    assert_int_equal(verdict.report.counter, 7);
}

/* Up to the signature, which is random. */
static void makes_the_bytes_that_imgtool_makes(void **state) {
    const struct image_order plain = order();
    struct buffer expected = vectors_image("plain_full.bin");
    struct buffer image = {0};
    struct error error;

    (void)state;
    assert_int_equal(image_sign(&plain, payload(), &image, &error), 0);
    expect_accepted(&image, NULL);
    size_t info = 0x400 + 1000 + 12; /* the unprotected area; its size is the signature's */
    assert_memory_equal(image.data, expected.data, info + 2);
    assert_memory_equal(image.data + info + 4, expected.data + info + 4, 36 + 95);
    assert_in_range(image.size, expected.size - 3, expected.size + 3);
    buffer_free(&image);
    buffer_free(&expected);
}

static void encrypts_for_one_device(void **state) {
    static const uint8_t sizes[] = {16, 32};
    struct error error;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buffer image = {0};
        struct image_order encrypted = order();
        encrypted.plan.content_key_size = sizes[i];
        encrypted.encrypt_for = device.public_key;
        assert_int_equal(image_sign(&encrypted, payload(), &image, &error), 0);
        expect_accepted(&image, &device);
        assert_memory_not_equal(image.data + 0x400, payload().data, 64);
        buffer_free(&image);
        encrypted.is_clear = true;
        assert_int_equal(image_sign(&encrypted, payload(), &image, &error), 0);
        expect_accepted(&image, NULL);
        assert_memory_equal(image.data + 0x400, payload().data, payload().size);
        buffer_free(&image);
    }
}

static void no_content_key_is_used_twice(void **state) {
    struct image_order encrypted = order();
    struct buffer first = {0};
    struct buffer second = {0};
    struct error error;

    (void)state;
    encrypted.plan.content_key_size = 32;
    encrypted.encrypt_for = device.public_key;
    assert_int_equal(image_sign(&encrypted, payload(), &first, &error), 0);
    assert_int_equal(image_sign(&encrypted, payload(), &second, &error), 0);
    assert_memory_not_equal(first.data + 0x400, second.data + 0x400, 64);
    buffer_free(&first);
    buffer_free(&second);
}

static void fills_a_slot(void **state) {
    struct image_order slot = order();
    struct image_trailer_layout layout;
    struct image_trailer trailer;
    struct error error;

    (void)state;
    slot.slot_size = 16384;
    for (slot.fill = IMAGE_FILL_TEST; slot.fill <= IMAGE_FILL_CONFIRM; slot.fill++) {
        struct buffer image = {0};
        assert_int_equal(image_sign(&slot, payload(), &image, &error), 0);
        assert_int_equal(image.size, slot.slot_size);
        const struct bytes memory = buffer_bytes(&image);
        const struct image_source source = image_source_of(&memory);
        assert_int_equal(image_slot_layout(image.size, 0, &layout), 0);
        assert_int_equal(image_trailer_read(&source, &layout, &trailer), STATUS_OK);
        assert_int_equal(trailer.magic, IMAGE_TRAILER_SET);
        assert_int_equal(trailer.image_ok,
                         slot.fill == IMAGE_FILL_CONFIRM ? IMAGE_TRAILER_SET : IMAGE_TRAILER_UNSET);
        expect_accepted(&image, NULL);
        buffer_free(&image);
    }
}

static void refuse(struct image_order bad, struct bytes data, enum error_code code) {
    struct buffer image = {0};
    struct error error = {0};

    assert_int_equal(image_sign(&bad, data, &image, &error), -1);
    assert_int_equal(error.code, code);
    assert_true(error.message[0] != '\0');
    buffer_free(&image);
}

static void orders_that_cannot_be_are_refused(void **state) {
    const struct image_key public = vectors_key("signer_pub.pem");
    uint8_t off_curve[CRYPTO_PUBLIC_KEY_SIZE] = {1};
    struct image_order bad = order();

    (void)state;
    bad.key = &public;
    refuse(bad, payload(), ERROR_USAGE);
    bad = order();
    bad.plan.content_key_size = 32;
    refuse(bad, payload(), ERROR_USAGE); /* for nobody */
    bad.encrypt_for = off_curve;
    refuse(bad, payload(), ERROR_USAGE); /* not on the curve */
    bad.encrypt_for = device.public_key;
    bad.plan.content_key_size = 24;
    refuse(bad, payload(), ERROR_USAGE);
    bad = order();
    bad.is_clear = true;
    refuse(bad, payload(), ERROR_USAGE);
    bad = order();
    bad.plan.header_size = 16;
    refuse(bad, payload(), ERROR_USAGE);
    bad = order();
    bad.fill = IMAGE_FILL_TEST;
    refuse(bad, payload(), ERROR_USAGE);
    bad.slot_size = 4096;
    refuse(bad, payload(), ERROR_USAGE); /* trailer and a page to move through: no room */
    bad.slot_size = 8193;
    refuse(bad, payload(), ERROR_USAGE);
    bad = order();
    bad.slot_size = 6144; /* one page is left, and the image has more */
    refuse(bad, payload(), ERROR_TOO_LARGE);
}

static void an_image_larger_than_its_slot_is_refused(void **state) {
    static uint8_t large[12000];
    struct image_order bad = order();

    (void)state;
    bad.slot_size = 16384; /* of which two pages are the trailer's and the move's */
    memset(large, 0x5A, sizeof(large));
    refuse(bad, bytes_of(large, sizeof(large)), ERROR_TOO_LARGE);
    refuse(bad, bytes_of(large, 11100), ERROR_TOO_LARGE);
    struct buffer image = {0};
    struct error error;
    assert_int_equal(image_sign(&bad, bytes_of(large, 11000), &image, &error), 0);
    buffer_free(&image);
}

static void what_is_no_raw_binary_is_refused(void **state) {
    static const uint8_t elf[64] = {0x7F, 'E', 'L', 'F'};
    static const char hex[] = ":10000000000200208D0E0008950E00089B0E0008B4\n";
    struct buffer image = vectors_image("plain_full.bin");

    (void)state;
    refuse(order(), bytes_of(NULL, 0), ERROR_USAGE);
    refuse(order(), bytes_of(elf, sizeof(elf)), ERROR_USAGE);
    refuse(order(), bytes_of(hex, sizeof(hex) - 1), ERROR_USAGE);
    refuse(order(), buffer_bytes(&image), ERROR_USAGE);
    buffer_free(&image);
}

static void versions_and_dependencies_are_strict(void **state) {
    static const char *const good[] = {"0.0.0", "255.255.65535+4294967295", "1.2.3+4"};
    static const char *const bad[] = {"",
                                      "1",
                                      "1.2",
                                      "1.2.3.4",
                                      "256.0.0",
                                      "0.256.0",
                                      "0.0.65536",
                                      "1.2.3+",
                                      "1.2.3+-1",
                                      " 1.2.3",
                                      "1.2.3 ",
                                      "-1.2.3",
                                      "1.2.3+4294967296",
                                      "a.b.c",
                                      "1..3",
                                      "99999999999999999999.0.0"};
    static const char *const bad_dependencies[] = {"",        "1",          "1:",       "256:1.0.0",
                                                   "1:1.0",   "(1,1.0.5",   "1:1.0.5)", "(1:1.0.5)",
                                                   "1,1.0.5", "(1, 1.0.5) "};
    struct image_version version;
    struct image_dependency dependency;
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(image_version_parse(good[i], &version, &error), 0);
    assert_int_equal(version.major, 1);
    assert_int_equal(version.build, 4);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(image_version_parse(bad[i], &version, &error), -1);
        assert_int_equal(error.code, ERROR_USAGE);
        assert_true(error.hint[0] != '\0');
    }
    assert_int_equal(image_dependency_parse("(1, 1.0.5+0)", &dependency, &error), 0);
    assert_int_equal(dependency.image, 1);
    assert_int_equal(dependency.minimum.revision, 5);
    assert_int_equal(image_dependency_parse("2:3.4.5+6", &dependency, &error), 0);
    assert_int_equal(dependency.image, 2);
    assert_int_equal(dependency.minimum.build, 6);
    for (size_t i = 0; i < sizeof(bad_dependencies) / sizeof(bad_dependencies[0]); i++)
        assert_int_equal(image_dependency_parse(bad_dependencies[i], &dependency, &error), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_bytes_that_imgtool_makes),
        cmocka_unit_test(encrypts_for_one_device),
        cmocka_unit_test(no_content_key_is_used_twice),
        cmocka_unit_test(fills_a_slot),
        cmocka_unit_test(orders_that_cannot_be_are_refused),
        cmocka_unit_test(an_image_larger_than_its_slot_is_refused),
        cmocka_unit_test(what_is_no_raw_binary_is_refused),
        cmocka_unit_test(versions_and_dependencies_are_strict),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
