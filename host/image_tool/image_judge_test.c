/* Images of imgtool, asked about on the desk, and everything that can be wrong with them. */
#include "image_tool/image_describe.h"
#include "image_tool/testing/vectors.h"

#include <stdlib.h>
#include <string.h>

static struct image_key signer;
static struct image_key stranger;
static struct image_key device;
static struct image_key other_device;

static int start(void **state) {
    (void)state;
    signer = vectors_key("signer.pem");
    stranger = vectors_key("stranger.pem");
    device = vectors_key("device.pem");
    other_device = vectors_key("other_device.pem");
    return 0;
}

static struct image_verdict judge_bytes(struct bytes file, struct image_question question) {
    struct image_verdict verdict;

    image_judge(file, &question, &verdict);
    return verdict;
}

static struct image_verdict judge(const char *name, struct image_question question) {
    struct buffer image = vectors_image(name);
    struct image_verdict verdict = judge_bytes(buffer_bytes(&image), question);

    buffer_free(&image);
    return verdict;
}

#define ASK(...)                                                                                   \
    (struct image_question) {                                                                      \
        __VA_ARGS__                                                                                \
    }

static void expect(struct image_verdict verdict, enum image_verdict_state state,
                   enum image_reason reason) {
    assert_int_equal(verdict.state, state);
    assert_int_equal(verdict.reason, reason);
}

static void accepts_what_imgtool_signed(void **state) {
    static const char *const plain[] = {"plain_full.bin", "plain_hash.bin", "slot_confirm.bin"};
    static const char *const encrypted[] = {"encrypted_128.bin", "encrypted_256.bin"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct image_verdict verdict = judge(plain[i], ASK(.public_key = signer.public_key));
        expect(verdict, IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
        assert_int_equal(verdict.payload, IMAGE_PAYLOAD_PLAIN);
        assert_int_equal(verdict.report.counter, 7);
        assert_int_equal(verdict.needs, 0);
    }
    for (size_t i = 0; i < 2; i++) {
        struct image_verdict verdict =
            judge(encrypted[i], ASK(.public_key = signer.public_key, .device = &device));
        expect(verdict, IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
        assert_int_equal(verdict.payload, IMAGE_PAYLOAD_ENCRYPTED);
    }
    struct image_verdict clear = judge("clear_256.bin", ASK(.public_key = signer.public_key));
    expect(clear, IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
    assert_int_equal(clear.payload, IMAGE_PAYLOAD_CLEAR);
}

static void what_the_desk_cannot_know_is_undecided(void **state) {
    (void)state;
    struct image_verdict verdict = judge("plain_full.bin", ASK(0));
    expect(verdict, IMAGE_VERDICT_UNDECIDED, IMAGE_ACCEPTED);
    assert_int_equal(verdict.needs, IMAGE_NEEDS_SIGNER);
    verdict = judge("plain_hash.bin", ASK(0));
    expect(verdict, IMAGE_VERDICT_UNDECIDED, IMAGE_ACCEPTED);
    verdict = judge("encrypted_256.bin", ASK(.public_key = signer.public_key));
    expect(verdict, IMAGE_VERDICT_UNDECIDED, IMAGE_ACCEPTED);
    assert_int_equal(verdict.needs, IMAGE_NEEDS_DEVICE);
    assert_int_equal(verdict.payload, IMAGE_PAYLOAD_UNOPENED);
    verdict = judge("encrypted_256.bin", ASK(0));
    assert_int_equal(verdict.needs, IMAGE_NEEDS_DEVICE | IMAGE_NEEDS_SIGNER);
}

/* From a primary slot ciphertext is damage, and needs no key to be told. */
static void in_a_primary_slot_the_payload_is_plaintext(void **state) {
    (void)state;
    expect(judge("clear_256.bin", ASK(.public_key = signer.public_key, .is_clear = true)),
           IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
    expect(judge("encrypted_256.bin", ASK(.public_key = signer.public_key, .is_clear = true)),
           IMAGE_VERDICT_REFUSED, IMAGE_REASON_HASH);
}

static void other_keys_are_refused(void **state) {
    (void)state;
    expect(judge("plain_full.bin", ASK(.public_key = stranger.public_key)), IMAGE_VERDICT_REFUSED,
           IMAGE_REASON_KEY);
    expect(judge("plain_hash.bin", ASK(.public_key = stranger.public_key)), IMAGE_VERDICT_REFUSED,
           IMAGE_REASON_KEY);
    expect(judge("encrypted_256.bin", ASK(.public_key = stranger.public_key)),
           IMAGE_VERDICT_REFUSED, IMAGE_REASON_KEY);
    expect(
        judge("encrypted_256.bin", ASK(.public_key = signer.public_key, .device = &other_device)),
        IMAGE_VERDICT_REFUSED, IMAGE_REASON_CONTENT_KEY);
}

static void judges_as_the_stages_do(void **state) {
    const struct image_question bl2 = {.stage = IMAGE_STAGE_BL2, .public_key = signer.public_key};
    const struct image_question bl3 = {
        .stage = IMAGE_STAGE_BL3, .public_key = signer.public_key, .device = &device};
    struct image_question question;

    (void)state;
    expect(judge("plain_full.bin", bl2), IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
    expect(judge("plain_full.bin", bl3), IMAGE_VERDICT_REFUSED, IMAGE_REASON_ENCRYPTION);
    expect(judge("encrypted_256.bin", bl2), IMAGE_VERDICT_REFUSED, IMAGE_REASON_ENCRYPTION);
    expect(judge("encrypted_256.bin", bl3), IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
    expect(judge("encrypted_128.bin", bl3), IMAGE_VERDICT_REFUSED, IMAGE_REASON_ENCRYPTION);
    expect(judge("clear_256.bin", bl3), IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
    /* a chip has no other image in any version */
    expect(judge("plain_hash.bin", bl2), IMAGE_VERDICT_REFUSED, IMAGE_REASON_DEPENDENCY);
    question = bl2;
    question.counter_minimum = 8;
    expect(judge("plain_full.bin", question), IMAGE_VERDICT_REFUSED, IMAGE_REASON_COUNTER_LOW);
    question.counter_minimum = 7;
    expect(judge("plain_full.bin", question), IMAGE_VERDICT_ACCEPTED, IMAGE_ACCEPTED);
    question.slot_size = 2048;
    expect(judge("plain_full.bin", question), IMAGE_VERDICT_REFUSED, IMAGE_REASON_SIZE);
}

/* The wrapped content key of a clear image: the last entry, covered by nothing, and nobody who
 * starts the image looks at it. */
#define WRAPPED_KEY_SIZE 129

/* Whatever is changed: no crash, and never accepted. The header's padding is part of the hash. */
static void every_changed_byte_is_refused(void **state) {
    static const char *const names[] = {"plain_full.bin", "encrypted_256.bin", "clear_256.bin"};
    const struct image_question question = {.public_key = signer.public_key, .device = &device};
    size_t reasons[32] = {0};

    (void)state;
    for (size_t n = 0; n < 3; n++) {
        struct buffer image = vectors_image(names[n]);
        for (size_t i = 0; i < image.size; i++) {
            image.data[i] ^= 0xFF;
            struct image_verdict verdict = judge_bytes(buffer_bytes(&image), question);
            json_t *object = image_describe(buffer_bytes(&image), &question);
            assert_non_null(object);
            json_decref(object);
            image.data[i] ^= 0xFF;
            if (n == 2 && i >= image.size - WRAPPED_KEY_SIZE)
                continue;
            assert_int_equal(verdict.state, IMAGE_VERDICT_REFUSED);
            assert_in_range(verdict.reason, 1, 31);
            assert_true(image_reason_hint(verdict.reason)[0] != '\0');
            reasons[verdict.reason]++;
        }
        buffer_free(&image);
    }
    assert_true(reasons[IMAGE_REASON_HASH] > 1000);
    assert_true(reasons[IMAGE_REASON_SIGNATURE] > 0);
    assert_true(reasons[IMAGE_REASON_CONTENT_KEY] > 0);
    assert_true(reasons[IMAGE_REASON_HEADER] > 0);
}

static void every_truncation_is_refused(void **state) {
    static const char *const names[] = {"plain_full.bin", "encrypted_128.bin"};
    const struct image_question question = {.public_key = signer.public_key, .device = &device};

    (void)state;
    for (size_t n = 0; n < 2; n++) {
        struct buffer image = vectors_image(names[n]);
        for (size_t size = 0; size < image.size; size++) {
            /* a copy of just this size, so that a read behind it is seen */
            uint8_t *copy = malloc(size + 1);
            assert_non_null(copy);
            memcpy(copy, image.data, size);
            const struct bytes cut = bytes_of(copy, size);
            assert_int_equal(judge_bytes(cut, question).state, IMAGE_VERDICT_REFUSED);
            json_t *object = image_describe(cut, &question);
            assert_non_null(object);
            json_decref(object);
            free(copy);
        }
        buffer_free(&image);
    }
}

static void other_bytes_are_no_image(void **state) {
    uint8_t erased[4096];
    uint8_t zeros[4096] = {0};

    (void)state;
    memset(erased, 0xFF, sizeof(erased));
    expect(judge_bytes(bytes_of(erased, sizeof(erased)), ASK(0)), IMAGE_VERDICT_REFUSED,
           IMAGE_REASON_EMPTY);
    expect(judge_bytes(bytes_of(zeros, sizeof(zeros)), ASK(0)), IMAGE_VERDICT_REFUSED,
           IMAGE_REASON_HEADER);
    expect(judge_bytes(bytes_of(NULL, 0), ASK(0)), IMAGE_VERDICT_REFUSED, IMAGE_REASON_SIZE);
    expect(judge_bytes(bytes_of(NULL, 0), ASK(.stage = IMAGE_STAGE_BL2)), IMAGE_VERDICT_REFUSED,
           IMAGE_REASON_EMPTY);
}

static const char *text(const json_t *object, const char *a, const char *b) {
    const json_t *value = json_object_get(object, a);

    if (b != NULL)
        value = json_object_get(value, b);
    return json_is_string(value) ? json_string_value(value) : "(none)";
}

static json_t *describe(const char *name, struct image_question question) {
    struct buffer image = vectors_image(name);
    json_t *object = image_describe(buffer_bytes(&image), &question);

    buffer_free(&image);
    assert_non_null(object);
    return object;
}

static void says_what_is_in_an_image(void **state) {
    json_t *object = describe("plain_full.bin", ASK(.public_key = signer.public_key));

    (void)state;
    assert_string_equal(text(object, "header", "version"), "1.2.3+4");
    assert_int_equal(json_integer_value(json_object_get(object, "security_counter")), 7);
    assert_string_equal(text(object, "key", "form"), "full");
    assert_string_equal(text(object, "signature", NULL), "valid");
    assert_string_equal(text(object, "encryption", "payload"), "plain");
    assert_string_equal(text(object, "verdict", "state"), "accepted");
    assert_string_equal(text(object, "verdict", "reason"), "accepted");
    assert_true(json_is_null(json_object_get(object, "trailer")));
    assert_int_equal(json_array_size(json_object_get(object, "tlvs")), 4);
    json_decref(object);
    object = describe("plain_full.bin", ASK(0));
    assert_string_equal(text(object, "signature", NULL), "valid_under_own_key");
    assert_string_equal(text(object, "verdict", "state"), "undecided");
    json_decref(object);
    object = describe("plain_full.bin", ASK(.public_key = stranger.public_key));
    assert_string_equal(text(object, "signature", NULL), "other_key");
    json_decref(object);
    object = describe("plain_hash.bin", ASK(.public_key = signer.public_key));
    assert_string_equal(text(object, "key", "form"), "hash");
    const json_t *dependency = json_array_get(json_object_get(object, "tlvs"), 1);
    assert_string_equal(text(dependency, "name", NULL), "dependency");
    assert_string_equal(text(dependency, "minimum", NULL), "1.0.5+0");
    json_decref(object);
}

static void says_for_whom_it_is_encrypted(void **state) {
    static const struct {
        const char *name;
        const struct image_key *device;
        const char *payload;
        const char *wrapped_for;
    } cases[] = {
        {"encrypted_256.bin", NULL, "unopened", "unknown"},
        {"encrypted_256.bin", &device, "encrypted", "this_device"},
        {"encrypted_256.bin", &other_device, "unopened", "another_device"},
        {"clear_256.bin", NULL, "clear", "unknown"},
        {"clear_256.bin", &device, "clear", "this_device"},
        {"clear_256.bin", &other_device, "clear", "another_device"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *object = describe(cases[i].name,
                                  ASK(.public_key = signer.public_key, .device = cases[i].device));
        assert_string_equal(text(object, "encryption", "payload"), cases[i].payload);
        assert_string_equal(text(object, "encryption", "wrapped_for"), cases[i].wrapped_for);
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(object, "encryption"), "aes_bits")),
            256);
        json_decref(object);
    }
}

static void says_what_a_trailer_asks_for(void **state) {
    json_t *object = describe("slot_confirm.bin", ASK(.public_key = signer.public_key));

    (void)state;
    assert_string_equal(text(object, "trailer", "magic"), "set");
    assert_string_equal(text(object, "trailer", "image_ok"), "set");
    assert_string_equal(text(object, "trailer", "copy_done"), "unset");
    assert_string_equal(text(object, "trailer", "asks_for"), "permanent");
    json_decref(object);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_imgtool_signed),
        cmocka_unit_test(what_the_desk_cannot_know_is_undecided),
        cmocka_unit_test(in_a_primary_slot_the_payload_is_plaintext),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(judges_as_the_stages_do),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(other_bytes_are_no_image),
        cmocka_unit_test(says_what_is_in_an_image),
        cmocka_unit_test(says_for_whom_it_is_encrypted),
        cmocka_unit_test(says_what_a_trailer_asks_for),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
