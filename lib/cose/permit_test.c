/* Arguments of every permit but ROOT_HASH, which cose_sign1_test.c has with its signature. */
#include "cose/permit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[PERMIT_PAYLOAD_MAX];
static struct writer writer;
static struct permit permit;

static const struct permit BINDING = {.uid = {1}, .auth_key_hash = {2}, .nonce = {3}};

static int start(void **state) {
    (void)state;
    writer_init(&writer, buffer, sizeof buffer);
    return 0;
}

static void parse(uint64_t command) {
    assert_int_equal(permit_parse(writer_bytes(&writer), &permit), STATUS_OK);
    assert_int_equal(permit.command, command);
    assert_memory_equal(permit.uid, BINDING.uid, sizeof permit.uid);
    assert_memory_equal(permit.auth_key_hash, BINDING.auth_key_hash, sizeof permit.auth_key_hash);
    assert_memory_equal(permit.nonce, BINDING.nonce, sizeof permit.nonce);
}

static void boot_key_hash_is_read_back(void **state) {
    const struct permit_boot_key_hash written = {.target = 2, .key_hash = {9}};
    struct permit_boot_key_hash read;
    (void)state;
    permit_write_boot_key_hash(&writer, &BINDING, &written);
    parse(PERMIT_BOOT_KEY_HASH);
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &read), STATUS_OK);
    assert_int_equal(read.target, 2);
    assert_memory_equal(read.key_hash, written.key_hash, sizeof read.key_hash);
    for (size_t cut = 0; cut < permit.arguments.size; cut++) {
        assert_int_not_equal(
            permit_parse_boot_key_hash(bytes_of(permit.arguments.data, cut), &read), STATUS_OK);
        assert_int_equal(read.target, 0);
    }
}

static void another_target_is_refused(void **state) {
    static const uint64_t TARGETS[] = {0, 3, 1ULL << 32 | 1};
    struct permit_boot_key_hash read;
    (void)state;
    for (size_t i = 0; i < sizeof TARGETS / sizeof TARGETS[0]; i++) {
        const struct permit_boot_key_hash written = {.target = TARGETS[i]};
        writer_init(&writer, buffer, sizeof buffer);
        permit_write_boot_key_hash(&writer, &BINDING, &written);
        parse(PERMIT_BOOT_KEY_HASH);
        assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &read), STATUS_INVALID);
        assert_int_equal(read.target, 0);
    }
}

static void object_id_is_bounded(void **state) {
    uint8_t id[PERMIT_OBJECT_ID_MAX + 1] = {7};
    struct bytes read;
    (void)state;
    for (size_t size = 0; size <= sizeof id; size++) {
        bool is_good = size >= 1 && size <= PERMIT_OBJECT_ID_MAX;
        writer_init(&writer, buffer, sizeof buffer);
        permit_write_object_id(&writer, &BINDING, bytes_of(id, size));
        parse(PERMIT_OBJECT_ID);
        assert_int_equal(permit_parse_object_id(permit.arguments, &read),
                         is_good ? STATUS_OK : STATUS_INVALID);
        assert_int_equal(read.size, is_good ? size : 0);
    }
}

static void lock_and_rma_have_no_arguments(void **state) {
    struct permit statement = BINDING;
    struct permit_boot_key_hash boot_key_hash;
    struct bytes object_id;
    (void)state;
    for (uint64_t command = PERMIT_LOCK; command <= PERMIT_RMA; command++) {
        writer_init(&writer, buffer, sizeof buffer);
        statement.command = command;
        permit_write_no_arguments(&writer, &statement);
        parse(command);
        assert_int_equal(permit_parse_no_arguments(permit.arguments), STATUS_OK);
        assert_int_not_equal(permit_parse_boot_key_hash(permit.arguments, &boot_key_hash),
                             STATUS_OK);
        assert_int_not_equal(permit_parse_object_id(permit.arguments, &object_id), STATUS_OK);
    }
    assert_int_not_equal(permit_parse_no_arguments(bytes_of("\xa1\x01\x01", 3)), STATUS_OK);
    assert_int_not_equal(permit_parse_no_arguments(bytes_of("\xa0\x00", 2)), STATUS_OK);
    assert_int_not_equal(permit_parse_no_arguments(bytes_of(NULL, 0)), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(boot_key_hash_is_read_back, start),
        cmocka_unit_test_setup(another_target_is_refused, start),
        cmocka_unit_test_setup(object_id_is_bounded, start),
        cmocka_unit_test_setup(lock_and_rma_have_no_arguments, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
