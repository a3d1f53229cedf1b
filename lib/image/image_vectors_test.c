/* Images made by imgtool: vectors/README.md. */
#include "image/testing/fixture.h"

#include <string.h>

static struct fixture_slot slot;

static void accepts_plain(void **state) {
    (void)state;
    struct image_policy policy = fixture_policy(0);
    fixture_load(&slot, "plain_full.bin");
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    static const struct image_installed installed = {1, {1, 0, 5, 0}};
    fixture_load(&slot, "plain_hash.bin");
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_KEY);
    policy.public_key = FIXTURE_SIGNER.public_key;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_DEPENDENCY);
    policy.installed = &installed;
    policy.installed_count = 1;
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
}

static void accepts_encrypted(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t key_size;
    } CASES[] = {{"encrypted_128.bin", 16}, {"encrypted_256.bin", 32}};
    struct image_report report;
    for (size_t i = 0; i < 2; i++) {
        const struct image_policy policy = fixture_policy(CASES[i].key_size);
        const struct image_policy other = fixture_policy(48 - CASES[i].key_size);
        fixture_load(&slot, CASES[i].name);
        assert_int_equal(fixture_verify_encrypted(&slot, &policy, &FIXTURE_DEVICE, &report),
                         IMAGE_ACCEPTED);
        assert_int_equal(report.counter, FIXTURE_COUNTER);
        assert_int_equal(report.header.version.build, 4);
        assert_int_equal(fixture_verify_encrypted(&slot, &policy, &FIXTURE_OTHER_DEVICE, &report),
                         IMAGE_REASON_CONTENT_KEY);
        assert_int_equal(fixture_verify_encrypted(&slot, &other, &FIXTURE_DEVICE, &report),
                         IMAGE_REASON_ENCRYPTION);
        /* Read as it lies in the slot it is only noise under a good signature. */
        assert_int_equal(fixture_verify(&slot, &policy), IMAGE_REASON_HASH);
    }
}

static void accepts_clear(void **state) {
    (void)state;
    const struct image_policy policy = fixture_policy(32);
    fixture_load(&slot, "clear_256.bin");
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
    assert_memory_equal(slot.data + FIXTURE_HEADER_SIZE, fixture_payload().data,
                        FIXTURE_PAYLOAD_SIZE);
}

static void reads_imgtools_trailer(void **state) {
    (void)state;
    const struct image_trailer_layout layout = {
        .slot_size = FIXTURE_SLOT_SIZE, .page_size = 2048, .sectors_max = 4};
    struct image_policy policy = fixture_policy(0);
    struct image_trailer trailer;
    const struct image_trailer primary = {.swap = IMAGE_SWAP_NONE};
    fixture_load(&slot, "slot_confirm.bin");
    assert_int_equal(slot.image_size, FIXTURE_SLOT_SIZE);
    const struct image_source source = image_source_of(&slot.memory);
    assert_status(image_trailer_read(&source, &layout, &trailer), STATUS_OK);
    assert_int_equal(trailer.magic, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.image_ok, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.copy_done, IMAGE_TRAILER_UNSET);
    assert_int_equal(image_trailer_decide(&primary, &trailer), IMAGE_SWAP_PERMANENT);
    policy.reserved_size = image_trailer_reserved(&layout);
    assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
}

/* Up to the signature, which is random, our writer makes the very bytes imgtool made. */
static void writes_what_imgtool_writes(void **state) {
    (void)state;
    static struct fixture_slot own;
    static const struct image_dependency dependency = {1, {1, 0, 5, 0}};
    struct image_plan plan = FIXTURE_PLAN;
    size_t before_signature = FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 12 + 4 + 36 + 95;
    fixture_build(&own, &plan, IMAGE_KEY_FULL, bytes_of(NULL, 0));
    fixture_load(&slot, "plain_full.bin");
    slot.data[FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 14] = 0; /* depends on the signature */
    own.data[FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 14] = 0;
    assert_memory_equal(own.data, slot.data, before_signature);
    plan.dependencies = &dependency;
    plan.dependency_count = 1;
    fixture_build(&own, &plan, IMAGE_KEY_HASH, bytes_of(NULL, 0));
    fixture_load(&slot, "plain_hash.bin");
    slot.data[FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 30] = 0;
    own.data[FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 30] = 0;
    assert_memory_equal(own.data, slot.data,
                        FIXTURE_HEADER_SIZE + FIXTURE_PAYLOAD_SIZE + 28 + 4 + 36 + 36);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_plain),
        cmocka_unit_test(accepts_encrypted),
        cmocka_unit_test(accepts_clear),
        cmocka_unit_test(reads_imgtools_trailer),
        cmocka_unit_test(writes_what_imgtool_writes),
    };
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
