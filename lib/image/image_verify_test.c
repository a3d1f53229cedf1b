/* What a stage may start: one image is accepted, and every way to change it is refused. */
#include "image/testing/fixture.h"

#include <string.h>

static const uint8_t FLIPS[] = {0x01, 0x10, 0x80, 0xFF};

static struct fixture_slot slot;

static void build_plain(enum image_key_form form) {
    fixture_build(&slot, &FIXTURE_PLAN, form, bytes_of(NULL, 0));
}

static struct bytes build_encrypted(size_t key_size) {
    struct image_plan plan = FIXTURE_PLAN;
    plan.content_key_size = (uint8_t)key_size;
    struct bytes key = bytes_of(FIXTURE_CONTENT_KEY, key_size);
    fixture_build(&slot, &plan, IMAGE_KEY_FULL, key);
    return key;
}

static enum image_reason verify_plain(void) {
    const struct image_policy policy = fixture_policy(0);
    return fixture_verify(&slot, &policy);
}

static enum image_reason verify_encrypted(size_t key_size) {
    const struct image_policy policy = fixture_policy(key_size);
    struct image_report report;
    return fixture_verify_encrypted(&slot, &policy, &FIXTURE_DEVICE, &report);
}

static void accepts_what_the_writer_made(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    struct image_report report;
    build_plain(IMAGE_KEY_FULL);
    const struct image_source source = image_source_of(&slot.memory);
    assert_status(image_verify(&source, &policy, &report), STATUS_OK);
    assert_int_equal(report.reason, IMAGE_ACCEPTED);
    assert_int_equal(report.header.version.major, 1);
    assert_int_equal(report.header.version.minor, 2);
    assert_int_equal(report.header.version.revision, 3);
    assert_int_equal(report.header.version.build, 4);
    assert_int_equal(report.counter, FIXTURE_COUNTER);
    assert_int_equal(report.image_size, slot.image_size);
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(slot.data, FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 12), digest);
    assert_memory_equal(report.digest, digest, sizeof digest);
}

static void accepts_encrypted_and_clear(void **state) {
    (void)state;
    static const size_t SIZES[] = {16, 32};
    for (size_t i = 0; i < 2; i++) {
        build_encrypted(SIZES[i]);
        assert_memory_not_equal(slot.data + FIXTURE_HEADER_SIZE, fixture_payload().data, 64);
        assert_int_equal(verify_encrypted(SIZES[i]), IMAGE_ACCEPTED);
        /* The first image: flagged and with a wrapped key, but in plaintext. */
        struct image_plan plan = FIXTURE_PLAN;
        plan.content_key_size = (uint8_t)SIZES[i];
        fixture_build(&slot, &plan, IMAGE_KEY_FULL, bytes_of(NULL, 0));
        const struct image_policy policy = fixture_policy(SIZES[i]);
        assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    }
}

static void key_hash_form_needs_the_key(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    build_plain(IMAGE_KEY_HASH);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_KEY);
    policy.public_key = FIXTURE_STRANGER.public_key;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_KEY);
    policy.public_key = FIXTURE_SIGNER.public_key;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    /* The hash in OTP is the anchor, whatever key the caller brought. */
    policy.key_hash[31] ^= 1;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_KEY);
}

/* Every byte of `from` to `to`, in four ways. */
static void assert_flips_refused(size_t from, size_t to, size_t step, size_t key_size) {
    assert_true(from < to);
    for (size_t place = from; place < to; place += step) {
        for (size_t i = 0; i < sizeof FLIPS; i++) {
            slot.data[place] ^= FLIPS[i];
            enum image_reason reason = key_size == 0 ? verify_plain() : verify_encrypted(key_size);
            if (reason == IMAGE_ACCEPTED) {
                fail_msg("byte %zu changed by %02x was accepted", place, FLIPS[i]);
            }
            slot.data[place] ^= FLIPS[i];
        }
    }
}

static void refuses_every_changed_byte_of_a_key_hash(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    policy.public_key = FIXTURE_SIGNER.public_key;
    build_plain(IMAGE_KEY_HASH);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    size_t tlvs = FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 12;
    for (size_t place = tlvs; place < slot.image_size; place++) {
        slot.data[place] ^= 0x01;
        assert_int_not_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
        slot.data[place] ^= 0x01;
    }
}

static void refuses_every_changed_byte(void **state) {
    (void)state;
    build_plain(IMAGE_KEY_FULL);
    size_t tlvs = FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE;
    assert_flips_refused(0, IMAGE_HEADER_SIZE, 1, 0);
    assert_flips_refused(IMAGE_HEADER_SIZE, tlvs, 61, 0);
    assert_flips_refused(tlvs - 1, tlvs, 1, 0);
    assert_flips_refused(tlvs, slot.image_size, 1, 0);
    assert_int_equal(verify_plain(), IMAGE_ACCEPTED);
}

static void refuses_every_changed_byte_of_an_encrypted_image(void **state) {
    (void)state;
    build_encrypted(32);
    size_t tlvs = FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 8;
    assert_flips_refused(0, IMAGE_HEADER_SIZE, 1, 32);
    assert_flips_refused(IMAGE_HEADER_SIZE, tlvs, 61, 32);
    assert_flips_refused(tlvs, slot.image_size, 1, 32);
    assert_int_equal(verify_encrypted(32), IMAGE_ACCEPTED);
}

/* The slot ends after `size` bytes: for a plain image nothing shorter than all of it will do. */
static void refuses_every_truncation(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    build_plain(IMAGE_KEY_FULL);
    for (size_t size = 0; size < slot.image_size; size++) {
        bool in_payload = size > IMAGE_HEADER_SIZE && size < FIXTURE_HEADER_SIZE + 900;
        if (in_payload && size % 97 != 0) {
            continue;
        }
        slot.memory = bytes_of(slot.data, size);
        assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_SIZE);
    }
    slot.memory = bytes_of(slot.data, slot.image_size);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
}

/* The slot goes on but the image was only programmed up to `size`: the rest is erased. */
static void refuses_every_partial_download(void **state) {
    (void)state;
    static struct fixture_slot whole;
    const struct image_policy policy = fixture_policy(0);
    build_plain(IMAGE_KEY_FULL);
    whole = slot;
    for (size_t size = 0; size < whole.image_size; size++) {
        bool in_payload = size > IMAGE_HEADER_SIZE && size < FIXTURE_HEADER_SIZE + 900;
        if (in_payload && size % 97 != 0) {
            continue;
        }
        memset(slot.data, 0xFF, sizeof slot.data);
        memcpy(slot.data, whole.data, size);
        if (memcmp(slot.data, whole.data, whole.image_size) != 0) {
            assert_int_not_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
        }
    }
}

static void refuses_counters_out_of_range(void **state) {
    (void)state;
    static const struct {
        uint32_t counter;
        enum image_reason reason;
    } CASES[] = {
        {0, IMAGE_REASON_COUNTER_LOW},
        {4, IMAGE_REASON_COUNTER_LOW},
        {5, IMAGE_ACCEPTED},
        {255, IMAGE_ACCEPTED},
        {256, IMAGE_REASON_COUNTER_HIGH},
        {0x80000000u, IMAGE_REASON_COUNTER_HIGH},
        {UINT32_MAX, IMAGE_REASON_COUNTER_HIGH},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct image_plan plan = FIXTURE_PLAN;
        plan.security_counter = CASES[i].counter;
        fixture_build(&slot, &plan, IMAGE_KEY_FULL, bytes_of(NULL, 0));
        assert_int_equal(verify_plain(), CASES[i].reason);
    }
}

static void refuses_another_signer(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    build_plain(IMAGE_KEY_FULL);
    crypto_sha256(bytes_of(FIXTURE_STRANGER.public_key, CRYPTO_PUBLIC_KEY_SIZE), policy.key_hash);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_KEY);
    /* The right key in the image, but somebody else signed. */
    struct image_signer signer = {
        .form = IMAGE_KEY_FULL, .sign = fixture_sign, .context = (void *)&FIXTURE_STRANGER};
    struct writer writer;
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    memcpy(signer.public_key, FIXTURE_SIGNER.public_key, sizeof signer.public_key);
    writer_init(&writer, slot.data, sizeof slot.data);
    assert_status(
        image_write_body(&writer, &FIXTURE_PLAN, fixture_payload(), bytes_of(NULL, 0), digest),
        STATUS_OK);
    assert_status(image_write_tlvs(&writer, digest, &signer, bytes_of(NULL, 0)), STATUS_OK);
    assert_int_equal(verify_plain(), IMAGE_REASON_SIGNATURE);
}

static void refuses_what_another_device_can_read(void **state) {
    (void)state;
    const struct image_policy policy = fixture_policy(32);
    struct image_report report;
    build_encrypted(32);
    assert_int_equal(fixture_verify_encrypted(&slot, &policy, &FIXTURE_OTHER_DEVICE, &report),
                     IMAGE_REASON_CONTENT_KEY);
}

/* A good wrap of a wrong key: the wrap is not bound to the image, the hash is. */
static void refuses_another_images_content_key(void **state) {
    (void)state;
    struct writer writer;
    uint8_t other[32] = "another image's content key";
    build_encrypted(32);
    size_t blob = IMAGE_WRAPPED_KEY_OVERHEAD + 32;
    writer_init(&writer, slot.data + slot.image_size - blob, blob);
    assert_status(
        image_wrap_content_key(bytes_of(other, sizeof other), FIXTURE_DEVICE.public_key, &writer),
        STATUS_OK);
    assert_int_equal(verify_encrypted(32), IMAGE_REASON_HASH);
}

static void refuses_the_wrong_kind_of_encryption(void **state) {
    (void)state;
    struct image_policy encrypted = fixture_policy(32);
    struct image_policy plain = fixture_policy(0);
    build_plain(IMAGE_KEY_FULL);
    assert_int_equal(fixture_verify(&slot, &encrypted), IMAGE_REASON_ENCRYPTION);
    struct image_plan plan = FIXTURE_PLAN;
    plan.content_key_size = 16;
    fixture_build(&slot, &plan, IMAGE_KEY_FULL, bytes_of(NULL, 0));
    assert_int_equal(fixture_verify(&slot, &encrypted), IMAGE_REASON_ENCRYPTION);
    assert_int_equal(fixture_verify(&slot, &plain), IMAGE_REASON_ENCRYPTION);
}

/* Flag and entry must come together. */
static void refuses_half_encrypted_images(void **state) {
    (void)state;
    uint8_t entry[4 + IMAGE_WRAPPED_KEY_MAX] = {IMAGE_TLV_ENC_EC256, 0, IMAGE_WRAPPED_KEY_MAX, 0};
    struct fixture_parts parts = fixture_parts();
    struct image_policy policy = fixture_policy(32);
    parts.header.flags = IMAGE_FLAG_AES_256;
    fixture_compose(&slot, &parts);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_ENCRYPTION);
    parts.unprotected_entries = bytes_of(entry, sizeof entry);
    fixture_compose(&slot, &parts);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    parts.header.flags = 0;
    fixture_compose(&slot, &parts);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_ENCRYPTION);
    assert_int_equal(verify_plain(), IMAGE_REASON_ENCRYPTION);
    entry[2] -= 1;
    parts.header.flags = IMAGE_FLAG_AES_256;
    parts.unprotected_entries = bytes_of(entry, sizeof entry - 1);
    fixture_compose(&slot, &parts);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_ENCRYPTION);
}

static void refuses_images_that_reach_into_the_trailer(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    build_plain(IMAGE_KEY_FULL);
    policy.reserved_size = (uint32_t)(sizeof slot.data - slot.image_size);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    policy.reserved_size += 1;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_SIZE);
    policy.reserved_size = sizeof slot.data + 1;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_SIZE);
    policy.reserved_size = UINT32_MAX;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_SIZE);
}

static void refuses_images_not_for_this_place(void **state) {
    (void)state;
    static const uint32_t FLAGS[] = {IMAGE_FLAG_NON_BOOTABLE,
                                     IMAGE_FLAG_RAM_LOAD,
                                     IMAGE_FLAG_ROM_FIXED,
                                     0x1,
                                     0x200,
                                     0x400,
                                     0x80000000u,
                                     IMAGE_FLAG_AES_128 | IMAGE_FLAG_AES_256};
    struct image_policy policy = fixture_policy(0);
    struct fixture_parts parts = fixture_parts();
    fixture_compose(&slot, &parts);
    assert_int_equal(verify_plain(), IMAGE_ACCEPTED);
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        parts.header.flags = FLAGS[i];
        fixture_compose(&slot, &parts);
        assert_int_equal(verify_plain(), IMAGE_REASON_FLAGS);
    }
    policy.header_size = 0x200;
    build_plain(IMAGE_KEY_FULL);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_HEADER_SIZE);
    policy.header_size = 0;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    memset(slot.data, 0xFF, sizeof slot.data);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_EMPTY);
    memset(slot.data, 0, sizeof slot.data);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_HEADER);
}

static void requires_every_entry(void **state) {
    (void)state;
    static const unsigned WITHOUT[] = {FIXTURE_WITHOUT_HASH, FIXTURE_WITHOUT_KEY,
                                       FIXTURE_WITHOUT_SIGNATURE, 7};
    struct fixture_parts parts = fixture_parts();
    for (size_t i = 0; i < sizeof WITHOUT / sizeof WITHOUT[0]; i++) {
        parts.without = WITHOUT[i];
        fixture_compose(&slot, &parts);
        assert_int_equal(verify_plain(), IMAGE_REASON_TLV_MISSING);
    }
    parts = fixture_parts();
    parts.protected_entries = bytes_of(NULL, 0);
    fixture_compose(&slot, &parts);
    assert_int_equal(verify_plain(), IMAGE_REASON_TLV_MISSING);
}

#define HASH_OF_32                                                                                 \
    "\x10\x00\x20\x00"                                                                             \
    "0123456789abcdef0123456789abcdef"
#define KEY_HASH_32                                                                                \
    "\x01\x00\x20\x00"                                                                             \
    "0123456789abcdef0123456789abcdef"
#define COUNTER_9 "\x50\x00\x04\x00\x09\x00\x00\x00"
#define COUNTER_7 "\x50\x00\x04\x00\x07\x00\x00\x00"

/* Entries that do not belong in the unprotected area, or not twice. */
static void refuses_unprotected_surprises(void **state) {
    (void)state;
    static const struct {
        struct bytes entry;
        enum image_reason reason;
    } CASES[] = {
        {{(const uint8_t *)COUNTER_9, 8}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)"\x40\x00\x00\x00", 4}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)"\xA0\x00\x00\x00", 4}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)"\x10\x01\x00\x00", 4}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)"\x11\x00\x00\x00", 4}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)"\x25\x00\x01\x00\x01", 5}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)HASH_OF_32, 36}, IMAGE_REASON_TLV_DUPLICATE},
        {{(const uint8_t *)KEY_HASH_32, 36}, IMAGE_REASON_TLV_DUPLICATE},
        {{(const uint8_t *)"\x22\x00\x00\x00", 4}, IMAGE_REASON_TLV_DUPLICATE},
        {{(const uint8_t *)"\x10\x00\x01", 3}, IMAGE_REASON_TLV_FORMAT},
        {{(const uint8_t *)"\x32\x00\x01\x00", 4}, IMAGE_REASON_TLV_FORMAT},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fixture_parts parts = fixture_parts();
        parts.unprotected_entries = CASES[i].entry;
        fixture_compose(&slot, &parts);
        assert_int_equal(verify_plain(), CASES[i].reason);
    }
}

/* The same three entries, signature first: MCUboot would refuse it, so nothing we accept has it. */
static void refuses_the_signature_before_its_key(void **state) {
    (void)state;
    static struct fixture_slot usual;
    struct fixture_parts parts = fixture_parts();
    uint8_t swapped[4 + 72 + 95];
    fixture_compose(&usual, &parts);
    size_t key = FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 12 + 4 + 36;
    size_t signature_size = usual.image_size - key - 95;
    assert_in_range(signature_size, 12, 76);
    memcpy(swapped, usual.data + key + 95, signature_size);
    memcpy(swapped + signature_size, usual.data + key, 95);
    parts.without = FIXTURE_WITHOUT_KEY | FIXTURE_WITHOUT_SIGNATURE;
    parts.unprotected_entries = bytes_of(swapped, signature_size + 95);
    fixture_compose(&slot, &parts);
    assert_int_equal(verify_plain(), IMAGE_REASON_TLV_FORMAT);
    parts.unprotected_entries = bytes_of(usual.data + key, signature_size + 95);
    fixture_compose(&slot, &parts);
    assert_int_equal(verify_plain(), IMAGE_ACCEPTED);
}

/* Longer than any Ecdsa-Sig-Value, up to far longer than any buffer for one. */
static void refuses_long_signatures(void **state) {
    (void)state;
    uint8_t entry[4 + 1000] = {IMAGE_TLV_ECDSA, 0};
    for (unsigned size = 73; size <= 1000; size += 103) {
        struct fixture_parts parts = fixture_parts();
        entry[2] = (uint8_t)size;
        entry[3] = (uint8_t)(size >> 8);
        parts.without = FIXTURE_WITHOUT_SIGNATURE;
        parts.unprotected_entries = bytes_of(entry, 4 + size);
        fixture_compose(&slot, &parts);
        assert_int_equal(verify_plain(), IMAGE_REASON_TLV_FORMAT);
    }
}

/* All of these are signed: a careless signing service must not make them bootable either. */
static void refuses_protected_surprises(void **state) {
    (void)state;
    static const struct {
        struct bytes entries;
        enum image_reason reason;
    } CASES[] = {
        {{(const uint8_t *)COUNTER_7 "\xA0\x00\x02\x00hi", 14}, IMAGE_ACCEPTED},
        {{(const uint8_t *)COUNTER_7 COUNTER_7, 16}, IMAGE_REASON_TLV_DUPLICATE},
        {{(const uint8_t *)COUNTER_7 HASH_OF_32, 44}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)COUNTER_7 KEY_HASH_32, 44}, IMAGE_REASON_TLV_UNKNOWN},
        {{(const uint8_t *)"\x50\x00\x03\x00\x07\x00\x00", 7}, IMAGE_REASON_TLV_FORMAT},
        {{(const uint8_t *)"\x50\x00\x05\x00\x07\x00\x00\x00\x00", 9}, IMAGE_REASON_TLV_FORMAT},
        {{(const uint8_t *)COUNTER_7 "\x40\x00\x0B\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00",
          23},
         IMAGE_REASON_TLV_FORMAT},
        {{(const uint8_t *)COUNTER_7
          "\x40\x00\x0C\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
          24},
         IMAGE_REASON_TLV_FORMAT},
        {{(const uint8_t *)COUNTER_7
          "\x40\x00\x0C\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
          24},
         IMAGE_REASON_DEPENDENCY},
        /* An entry that ends in the unprotected area. */
        {{(const uint8_t *)COUNTER_7 "\xA0\x00\x03\x00hi", 14}, IMAGE_REASON_TLV_FORMAT},
        {{(const uint8_t *)COUNTER_7 "\xA0\x00\x02", 11}, IMAGE_REASON_TLV_FORMAT},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct fixture_parts parts = fixture_parts();
        parts.protected_entries = CASES[i].entries;
        fixture_compose(&slot, &parts);
        assert_int_equal(verify_plain(), CASES[i].reason);
    }
}

static void dependencies_must_be_met(void **state) {
    (void)state;
    static const struct image_dependency NEEDS[] = {{1, {1, 5, 2, 9}}, {3, {0, 0, 1, 0}}};
    static const struct {
        struct image_installed installed[2];
        enum image_reason reason;
    } CASES[] = {
        {{{1, {1, 5, 2, 0}}, {3, {0, 0, 1, 0}}}, IMAGE_ACCEPTED},
        {{{3, {0, 1, 0, 0}}, {1, {2, 0, 0, 0}}}, IMAGE_ACCEPTED},
        {{{1, {1, 5, 1, 9}}, {3, {0, 0, 1, 0}}}, IMAGE_REASON_DEPENDENCY},
        {{{1, {1, 4, 9, 9}}, {3, {0, 0, 1, 0}}}, IMAGE_REASON_DEPENDENCY},
        {{{1, {0, 9, 9, 9}}, {3, {0, 0, 1, 0}}}, IMAGE_REASON_DEPENDENCY},
        {{{1, {1, 5, 2, 9}}, {2, {9, 9, 9, 9}}}, IMAGE_REASON_DEPENDENCY},
    };
    struct image_plan plan = FIXTURE_PLAN;
    struct image_policy policy = fixture_policy(0);
    plan.dependencies = NEEDS;
    plan.dependency_count = 2;
    fixture_build(&slot, &plan, IMAGE_KEY_FULL, bytes_of(NULL, 0));
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_DEPENDENCY);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        policy.installed = CASES[i].installed;
        policy.installed_count = 2;
        assert_int_equal(fixture_verify(&slot, &policy), CASES[i].reason);
    }
}

static enum status failing_read(void *context, uint32_t offset, uint8_t *out, size_t size) {
    unsigned *left = context;
    if (*left == 0) {
        return STATUS_FLASH;
    }
    *left -= 1;
    memcpy(out, slot.data + offset, size);
    return STATUS_OK;
}

/* Flash fails at read number 0, 1, 2, ...: always READ, until no read is left to fail. */
static void refuses_when_flash_fails(void **state) {
    (void)state;
    const struct image_policy policy = fixture_policy(0);
    struct image_report report;
    build_plain(IMAGE_KEY_FULL);
    unsigned count = 0;
    for (;; count++) {
        unsigned left = count;
        const struct image_source source = {failing_read, &left, sizeof slot.data};
        if (image_verify(&source, &policy, &report) == STATUS_OK) {
            assert_int_equal(left, 0);
            break;
        }
        assert_int_equal(report.reason, IMAGE_REASON_READ);
    }
    assert_in_range(count, 15, 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_writer_made),
        cmocka_unit_test(accepts_encrypted_and_clear),
        cmocka_unit_test(key_hash_form_needs_the_key),
        cmocka_unit_test(refuses_every_changed_byte_of_a_key_hash),
        cmocka_unit_test(refuses_every_changed_byte),
        cmocka_unit_test(refuses_every_changed_byte_of_an_encrypted_image),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_every_partial_download),
        cmocka_unit_test(refuses_counters_out_of_range),
        cmocka_unit_test(refuses_another_signer),
        cmocka_unit_test(refuses_what_another_device_can_read),
        cmocka_unit_test(refuses_another_images_content_key),
        cmocka_unit_test(refuses_the_wrong_kind_of_encryption),
        cmocka_unit_test(refuses_half_encrypted_images),
        cmocka_unit_test(refuses_images_that_reach_into_the_trailer),
        cmocka_unit_test(refuses_images_not_for_this_place),
        cmocka_unit_test(requires_every_entry),
        cmocka_unit_test(refuses_unprotected_surprises),
        cmocka_unit_test(refuses_the_signature_before_its_key),
        cmocka_unit_test(refuses_long_signatures),
        cmocka_unit_test(refuses_protected_surprises),
        cmocka_unit_test(dependencies_must_be_met),
        cmocka_unit_test(refuses_when_flash_fails),
    };
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
