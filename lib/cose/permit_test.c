/* Every permit but ROOT_HASH, which cose_sign1_test.c has. */
#include "cose/permit.h"

#include "cose/cose_sign1.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"

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

/* docs/formats/permit.md */
static const char VECTOR_BOOT_KEY[] =
    "d284590130a201261821590128308201243081cba003020102020101300a06082a8648ce3d040302"
    "301c311a301806035504030c11636f6d6d616e6420617574686f72697479301e170d323030313031"
    "3030303030305a170d3439303130313030303030305a301c311a301806035504030c11636f6d6d61"
    "6e6420617574686f726974793059301306072a8648ce3d020106082a8648ce3d030107034200045b"
    "36890dacbd7c9a96bb74a1ee28b3d2d75b72e09a20ef25cf8e6fd8a9f0350d0e14bed8d4682a34d8"
    "3538bdff5b96e89a6666ec0db5745d02fa1210072df75a300a06082a8648ce3d0403020348003045"
    "0220531719ccbb3b45b12a81187c2ee0011436a09892de38cbe2ea29ba3723008698022100b699ef"
    "a5a1dfae0112dfd118b5b81d8a1bc897ce17e61784b4b5b5cf2de7f001a05882a5010202a2010102"
    "582072f3cb65e4cdfccc931b6086b862fc98b5ce030761ee071e7b1e71846e8ea54b035000112233"
    "445566778899aabbccddeeff04582061a4666d8b3c149cb5bdaf96ceb7e90b34d8a744f49982da4a"
    "ee1e200428e4e3055820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbd"
    "bebf58408979a0fafebcbba0961def057f3ed5324300cf7f10d771a3b8b53dc9a4eb43da63622ade"
    "7355e20345112ad8acc2c4915f81d82439cec51e48ce88588e74f3cd";
static const char VECTOR_LOCK[] =
    "a5010302a0035000112233445566778899aabbccddeeff04582061a4666d8b3c149cb5bdaf96ceb7"
    "e90b34d8a744f49982da4aee1e200428e4e3055820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2"
    "b3b4b5b6b7b8b9babbbcbdbebf";
static const char VECTOR_OBJECT_ID[] =
    "a5010602a1014b6f626a6563742030303031035000112233445566778899aabbccddeeff04582061"
    "a4666d8b3c149cb5bdaf96ceb7e90b34d8a744f49982da4aee1e200428e4e3055820a0a1a2a3a4a5"
    "a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
static const char HASH_OF_BOOT_KEY[] =
    "72f3cb65e4cdfccc931b6086b862fc98b5ce030761ee071e7b1e71846e8ea54b";

static uint8_t nibble(char digit) {
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static struct bytes from_hex(const char *hex, uint8_t *out) {
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return bytes_of(out, size);
}

/* As a chip does: the key comes out of the one certificate, and its hash would be in OTP. */
static void the_published_boot_key_permit_is_verified(void **state) {
    uint8_t object[600];
    uint8_t key[64];
    uint8_t hash[32];
    struct bytes subject;
    struct cose_sign1 message;
    struct permit_boot_key_hash read;
    (void)state;
    struct bytes encoded = from_hex(VECTOR_BOOT_KEY, object);
    assert_int_equal(cose_sign1_parse(encoded, &message), STATUS_OK);
    assert_int_equal(message.x5chain_count, 1);
    assert_int_equal(certificate_read_names(message.x5chain[0], &subject, key), STATUS_OK);
    assert_int_equal(cose_sign1_verify(&message, key), STATUS_OK);
    assert_int_equal(permit_parse(message.payload, &permit), STATUS_OK);
    assert_int_equal(permit.command, PERMIT_BOOT_KEY_HASH);
    assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &read), STATUS_OK);
    assert_int_equal(read.target, 1);
    (void)from_hex(HASH_OF_BOOT_KEY, hash);
    assert_memory_equal(read.key_hash, hash, sizeof hash);
    /* What we write is what somebody else wrote. */
    permit_write_boot_key_hash(&writer, &permit, &read);
    assert_true(bytes_equal(writer_bytes(&writer), message.payload));
    /* The certificate is signed over too: nobody exchanges it. */
    object[100] ^= 1;
    assert_int_equal(cose_sign1_parse(encoded, &message), STATUS_OK);
    assert_int_equal(cose_sign1_verify(&message, key), STATUS_BAD_SIGNATURE);
}

static void the_published_statements_are_read(void **state) {
    uint8_t object[200];
    struct bytes object_id;
    (void)state;
    struct bytes lock = from_hex(VECTOR_LOCK, object);
    assert_int_equal(permit_parse(lock, &permit), STATUS_OK);
    assert_int_equal(permit.command, PERMIT_LOCK);
    assert_int_equal(permit_parse_no_arguments(permit.arguments), STATUS_OK);
    permit_write_no_arguments(&writer, &permit);
    assert_true(bytes_equal(writer_bytes(&writer), lock));
    struct bytes statement = from_hex(VECTOR_OBJECT_ID, object);
    assert_int_equal(permit_parse(statement, &permit), STATUS_OK);
    assert_int_equal(permit.command, PERMIT_OBJECT_ID);
    assert_int_equal(permit_parse_object_id(permit.arguments, &object_id), STATUS_OK);
    assert_true(bytes_equal(object_id, bytes_of("object 0001", 11)));
    writer.size = 0;
    permit_write_object_id(&writer, &permit, object_id);
    assert_true(bytes_equal(writer_bytes(&writer), statement));
}

/* One value has one encoding, and an argument is of its type. */
static void other_encodings_are_refused(void **state) {
    struct permit_boot_key_hash boot_key_hash;
    struct bytes object_id;
    uint8_t arguments[64] = "\xa2\x01\x01\x02\x58\x20";
    (void)state;
    struct bytes good = bytes_of(arguments, 38);
    assert_int_equal(permit_parse_boot_key_hash(good, &boot_key_hash), STATUS_OK);
    assert_int_equal(permit_parse_boot_key_hash(bytes_of(arguments, 39), &boot_key_hash),
                     STATUS_INVALID);
    assert_int_equal(boot_key_hash.target, 0);
    for (size_t i = 0; i < 6; i++) {
        for (unsigned flip = 0x04; flip <= 0x80; flip <<= 1) {
            arguments[i] ^= (uint8_t)flip;
            assert_int_not_equal(permit_parse_boot_key_hash(good, &boot_key_hash), STATUS_OK);
            arguments[i] ^= (uint8_t)flip;
        }
    }
    /* The target in two bytes, the hash in 31, a third argument. */
    assert_int_not_equal(permit_parse_boot_key_hash(bytes_of("\xa2\x01\x18\x01\x02\x58\x20"
                                                             "01234567890123456789012345678901",
                                                             39),
                                                    &boot_key_hash),
                         STATUS_OK);
    assert_int_not_equal(permit_parse_boot_key_hash(bytes_of("\xa2\x01\x01\x02\x58\x1f"
                                                             "0123456789012345678901234567890",
                                                             37),
                                                    &boot_key_hash),
                         STATUS_OK);
    assert_int_equal(permit_parse_object_id(bytes_of("\xa1\x01\x41x", 4), &object_id), STATUS_OK);
    assert_int_not_equal(permit_parse_object_id(bytes_of("\xa1\x01\x61x", 4), &object_id),
                         STATUS_OK); /* text */
    assert_int_not_equal(permit_parse_object_id(bytes_of("\xa1\x02\x41x", 4), &object_id),
                         STATUS_OK);
    assert_int_not_equal(permit_parse_object_id(bytes_of("\xa1\x01\x58\x01x", 5), &object_id),
                         STATUS_OK); /* its length in two bytes */
    assert_int_not_equal(permit_parse_object_id(bytes_of("\xbf\x01\x41x\xff", 5), &object_id),
                         STATUS_OK); /* of unknown length */
    assert_int_not_equal(permit_parse_object_id(bytes_of("\xa1\x01\x41x!", 5), &object_id),
                         STATUS_OK);
    assert_int_equal(object_id.size, 0);
    assert_int_not_equal(permit_parse_no_arguments(bytes_of("\xb8\x00", 2)), STATUS_OK);
    assert_int_not_equal(permit_parse_no_arguments(bytes_of("\x80", 1)), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_published_boot_key_permit_is_verified, start),
        cmocka_unit_test_setup(the_published_statements_are_read, start),
        cmocka_unit_test_setup(other_encodings_are_refused, start),
        cmocka_unit_test_setup(boot_key_hash_is_read_back, start),
        cmocka_unit_test_setup(another_target_is_refused, start),
        cmocka_unit_test_setup(object_id_is_bounded, start),
        cmocka_unit_test_setup(lock_and_rma_have_no_arguments, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
