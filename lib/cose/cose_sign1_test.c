/* COSE_Sign1, permits and manifests: round trips and every altered byte. */
#include "cose/cose_sign1.h"

#include "cose/cbor.h"
#include "cose/manifest.h"
#include "cose/permit.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t private_key[32];
static uint8_t public_key[64];

static int start(void **state) {
    (void)state;
    return crypto_init(NULL, NULL) == STATUS_OK &&
                   crypto_p256_generate(private_key, public_key) == STATUS_OK
               ? 0
               : -1;
}

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    (void)context;
    return crypto_p256_sign(private_key, digest, signature);
}

static enum status refuse_to_sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    (void)context;
    (void)digest;
    (void)signature;
    return STATUS_DENIED;
}

static const uint8_t PAYLOAD[] = "payload";
static uint8_t encoded[1024];

static size_t make(const struct bytes *chain, unsigned count) {
    struct writer writer;
    struct bytes payload = bytes_of(PAYLOAD, sizeof PAYLOAD);
    writer_init(&writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&writer, chain, count, payload, sign, NULL), STATUS_OK);
    assert_true(writer.size <= cose_sign1_size_max(chain, count, payload.size));
    return writer.size;
}

static void what_is_written_is_read(void **state) {
    static const uint8_t longer[300];
    const struct bytes chain[] = {bytes_of("leaf", 4), bytes_of(longer, sizeof longer),
                                  bytes_of("root", 4)};
    (void)state;
    for (unsigned count = 0; count <= COSE_CHAIN_MAX; count++) {
        struct cose_sign1 message;
        size_t size = make(chain, count);
        assert_int_equal(cose_sign1_parse(bytes_of(encoded, size), &message), STATUS_OK);
        assert_int_equal(message.x5chain_count, count);
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(message.x5chain[i].size, chain[i].size);
        }
        assert_true(bytes_equal(message.payload, bytes_of(PAYLOAD, sizeof PAYLOAD)));
        assert_int_equal(cose_sign1_verify(&message, public_key), STATUS_OK);
    }
}

/* RFC 9052, appendix C.2.1 has an unprotected kid, which we do not take; the Sig_structure for its
 * protected header and payload is what is compared, built by hand from section 4.4. */
static void digest_is_of_the_sig_structure(void **state) {
    static const uint8_t structure[] =
        "\x84\x6aSignature1\x43\xa1\x01\x26\x40\x54This is the content.";
    uint8_t expected[32];
    uint8_t digest[32];
    (void)state;
    crypto_sha256(bytes_of(structure, sizeof structure - 1), expected);
    cose_sign1_digest(bytes_of("\xa1\x01\x26", 3), bytes_of("This is the content.", 20), digest);
    assert_memory_equal(digest, expected, 32);
}

static void altered_anywhere_is_refused(void **state) {
    const struct bytes chain[] = {bytes_of("leaf", 4), bytes_of("ca", 2)};
    (void)state;
    size_t size = make(chain, 2);
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct cose_sign1 message;
            encoded[i] ^= (uint8_t)(1u << bit);
            if (cose_sign1_parse(bytes_of(encoded, size), &message) == STATUS_OK) {
                assert_int_not_equal(cose_sign1_verify(&message, public_key), STATUS_OK);
            }
            encoded[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void cut_or_longer_is_refused(void **state) {
    struct cose_sign1 message;
    (void)state;
    size_t size = make(NULL, 0);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_not_equal(cose_sign1_parse(bytes_of(encoded, cut), &message), STATUS_OK);
        assert_int_equal(message.payload.size, 0);
    }
    encoded[size] = 0;
    assert_int_equal(cose_sign1_parse(bytes_of(encoded, size + 1), &message), STATUS_INVALID);
}

static enum status parse_with_header(const char *header, size_t size, const char *unprotected) {
    struct cose_sign1 message;
    struct writer writer;
    writer_init(&writer, encoded, sizeof encoded);
    cbor_write_tag(&writer, COSE_TAG_SIGN1);
    cbor_write_array(&writer, 4);
    cbor_write_bytes(&writer, bytes_of(header, size));
    write_bytes(&writer, bytes_of(unprotected, strlen(unprotected)));
    cbor_write_bytes(&writer, bytes_of(PAYLOAD, sizeof PAYLOAD));
    cbor_write_bytes_head(&writer, 64);
    write_fill(&writer, 1, 64);
    return cose_sign1_parse(writer_bytes(&writer), &message);
}

static void headers_of_another_kind_are_refused(void **state) {
    (void)state;
    assert_int_equal(parse_with_header("\xa1\x01\x26", 3, "\xa0"), STATUS_OK);
    assert_int_equal(parse_with_header("\xa1\x01\x27", 3, "\xa0"), STATUS_UNSUPPORTED);
    assert_int_equal(parse_with_header("\xa1\x01\x01", 3, "\xa0"), STATUS_UNSUPPORTED);
    assert_int_equal(parse_with_header("\xa0", 1, "\xa0"), STATUS_INVALID);
    assert_int_not_equal(parse_with_header("", 0, "\xa0"), STATUS_OK);
    assert_int_equal(parse_with_header("\xa2\x01\x26\x04\x41"
                                       "k",
                                       6, "\xa0"),
                     STATUS_UNSUPPORTED);
    assert_int_not_equal(parse_with_header("\xa2\x01\x26\x01\x26", 5, "\xa0"), STATUS_OK);
    assert_int_equal(parse_with_header("\xa1\x01\x26\x00", 4, "\xa0"), STATUS_INVALID);
    assert_int_not_equal(parse_with_header("\xa1\x01\x26", 3, "\xa1\x04\x41k"), STATUS_OK);
    /* x5chain: an array of one, of four, of something else. */
    assert_int_not_equal(parse_with_header("\xa2\x01\x26\x18\x21\x81\x41"
                                           "c",
                                           8, "\xa0"),
                         STATUS_OK);
    assert_int_not_equal(parse_with_header("\xa2\x01\x26\x18\x21\x84\x41"
                                           "c\x41"
                                           "c\x41"
                                           "c\x41"
                                           "c",
                                           14, "\xa0"),
                         STATUS_OK);
    assert_int_not_equal(parse_with_header("\xa2\x01\x26\x18\x21\x00", 6, "\xa0"), STATUS_OK);
}

static void failures_of_writing_are_reported(void **state) {
    struct writer writer;
    struct bytes payload = bytes_of(PAYLOAD, sizeof PAYLOAD);
    struct bytes chain[COSE_CHAIN_MAX + 1] = {{.data = PAYLOAD, .size = 1}};
    (void)state;
    writer_init(&writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&writer, NULL, 0, payload, refuse_to_sign, NULL),
                     STATUS_DENIED);
    size_t size = cose_sign1_size_max(NULL, 0, payload.size);
    for (size_t small = 0; small < size; small++) {
        writer_init(&writer, encoded, small);
        assert_int_equal(cose_sign1_write(&writer, NULL, 0, payload, sign, NULL), STATUS_NO_SPACE);
    }
    writer_init(&writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&writer, chain, COSE_CHAIN_MAX + 1, payload, sign, NULL),
                     STATUS_INVALID);
}

/* Known answers of docs/formats/permit.md and manifest.md. Origin: this library with OpenSSL's
 * ECDSA; the signer's private key is 32 bytes 44. */
static const char VECTOR_KEY[] =
    "5b36890dacbd7c9a96bb74a1ee28b3d2d75b72e09a20ef25cf8e6fd8a9f0350d0e14bed8d4682a34"
    "d83538bdff5b96e89a6666ec0db5745d02fa1210072df75a";
static const char VECTOR_PERMIT[] =
    "d28443a10126a058a3a5010102a2015820d7c6aa7003d46dfaff01019f4bca00e0459b001aa8cd92"
    "f91ae5f4af69f3fcb6025820736bcf41d3c1772f90fe891d0171776800c3ca3442bc0768575986b3"
    "04f4dd0e035000112233445566778899aabbccddeeff04582061a4666d8b3c149cb5bdaf96ceb7e9"
    "0b34d8a744f49982da4aee1e200428e4e3055820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3"
    "b4b5b6b7b8b9babbbcbdbebf58409aaec042f98ee7923e579f04d1f8d6489fde482688f88b6ad965"
    "db17f4280d2ea988dec702ecd46b25c2063b761dc3ebe7c91ab6a3535bc2f4b5a64186a2387c";
static const char VECTOR_MANIFEST[] =
    "d28443a10126a05843a60167646576617574680269414e3530352d4d32330365312e302e30040505"
    "58206105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d06015840c440"
    "50bba521a83137eea612a70b74f5d81df4aa696105b29d56d7cda3eb8cc4bfaef701b759c9270591"
    "cc9b767390187bf188267daa94177ea1fac78555d09c";

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

static void vectors_as_published(void **state) {
    uint8_t key[64];
    uint8_t object[512];
    uint8_t key_hash[32];
    struct cose_sign1 message;
    struct permit permit;
    struct permit_root_hash arguments;
    struct manifest manifest;
    (void)state;
    (void)from_hex(VECTOR_KEY, key);
    assert_int_equal(cose_sign1_parse(from_hex(VECTOR_PERMIT, object), &message), STATUS_OK);
    assert_int_equal(cose_sign1_verify(&message, key), STATUS_OK);
    assert_int_equal(permit_parse(message.payload, &permit), STATUS_OK);
    assert_int_equal(permit.command, PERMIT_ROOT_HASH);
    assert_int_equal(permit.uid[1], 0x11);
    assert_int_equal(permit.nonce[0], 0xA0);
    assert_int_equal(permit_parse_root_hash(permit.arguments, &arguments), STATUS_OK);
    crypto_sha256(bytes_of(key, sizeof key), key_hash);
    assert_memory_equal(arguments.command_key_hash, key_hash, sizeof key_hash);
    assert_int_equal(manifest_verify(from_hex(VECTOR_MANIFEST, object), key, &manifest), STATUS_OK);
    crypto_sha256(bytes_of("image", 5), key_hash);
    assert_int_equal(manifest.size, 5);
    assert_memory_equal(manifest.sha256, key_hash, sizeof key_hash);
    assert_int_equal(manifest.counter, 1);
}

static const struct permit PERMIT = {.uid = {1}, .auth_key_hash = {2}, .nonce = {3}};
static const struct permit_root_hash ARGUMENTS = {.root_hash = {4}, .command_key_hash = {5}};

static void permit_is_read_back(void **state) {
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct writer writer;
    struct permit permit;
    struct permit_root_hash arguments;
    (void)state;
    writer_init(&writer, payload, sizeof payload);
    permit_write_root_hash(&writer, &PERMIT, &ARGUMENTS);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_int_equal(permit_parse(writer_bytes(&writer), &permit), STATUS_OK);
    assert_int_equal(permit.command, PERMIT_ROOT_HASH);
    assert_memory_equal(permit.uid, PERMIT.uid, sizeof permit.uid);
    assert_memory_equal(permit.auth_key_hash, PERMIT.auth_key_hash, 32);
    assert_memory_equal(permit.nonce, PERMIT.nonce, 32);
    assert_int_equal(permit_parse_root_hash(permit.arguments, &arguments), STATUS_OK);
    assert_memory_equal(&arguments, &ARGUMENTS, sizeof arguments);
}

static void broken_permits_are_refused(void **state) {
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct writer writer;
    struct permit permit;
    struct permit_root_hash arguments;
    (void)state;
    writer_init(&writer, payload, sizeof payload);
    permit_write_root_hash(&writer, &PERMIT, &ARGUMENTS);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_not_equal(permit_parse(bytes_of(payload, cut), &permit), STATUS_OK);
    }
    payload[writer.size] = 0;
    assert_int_equal(permit_parse(bytes_of(payload, writer.size + 1), &permit), STATUS_INVALID);
    payload[0] = 0xA4; /* four keys */
    assert_int_not_equal(permit_parse(writer_bytes(&writer), &permit), STATUS_OK);
    payload[0] = 0xA5;
    payload[3] = 0x03; /* arguments under another key */
    assert_int_not_equal(permit_parse(writer_bytes(&writer), &permit), STATUS_OK);
    assert_int_not_equal(permit_parse_root_hash(bytes_of("\xa0", 1), &arguments), STATUS_OK);
    assert_int_not_equal(permit_parse_root_hash(bytes_of("\x80", 1), &arguments), STATUS_OK);
}

static void manifest_is_verified_and_read(void **state) {
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    uint8_t other[64];
    struct writer inner;
    struct writer writer;
    struct manifest read_back;
    struct manifest manifest = {.kind = bytes_of("devauth", 7),
                                .family = bytes_of("AN505-M23", 9),
                                .version = bytes_of("1.0", 3),
                                .size = sizeof PAYLOAD,
                                .counter = 3};
    (void)state;
    crypto_sha256(bytes_of(PAYLOAD, sizeof PAYLOAD), manifest.sha256);
    writer_init(&inner, payload, sizeof payload);
    manifest_write(&inner, &manifest);
    writer_init(&writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&writer, NULL, 0, writer_bytes(&inner), sign, NULL),
                     STATUS_OK);
    assert_int_equal(manifest_verify(writer_bytes(&writer), public_key, &read_back), STATUS_OK);
    assert_true(bytes_equal(read_back.family, manifest.family));
    assert_int_equal(read_back.counter, 3);
    assert_int_equal(read_back.size, manifest.size);
    assert_memory_equal(read_back.sha256, manifest.sha256, sizeof manifest.sha256);
    memcpy(other, public_key, sizeof other);
    uint8_t another_private[32];
    assert_int_equal(crypto_p256_generate(another_private, other), STATUS_OK);
    assert_int_equal(manifest_verify(writer_bytes(&writer), other, &read_back),
                     STATUS_BAD_SIGNATURE);
    assert_int_equal(read_back.size, 0);
    for (size_t i = 0; i < writer.size; i++) {
        encoded[i] ^= 0x01;
        assert_int_not_equal(manifest_verify(writer_bytes(&writer), public_key, &read_back),
                             STATUS_OK);
        encoded[i] ^= 0x01;
    }
}

static void manifest_with_certificates_or_empty_names_is_refused(void **state) {
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    struct writer inner;
    struct writer writer;
    struct manifest read_back;
    const struct bytes chain[] = {bytes_of("leaf", 4)};
    struct manifest manifest = {.kind = bytes_of("devauth", 7),
                                .family = bytes_of("AN505-M23", 9),
                                .version = bytes_of("1.0", 3)};
    (void)state;
    writer_init(&inner, payload, sizeof payload);
    manifest_write(&inner, &manifest);
    assert_int_equal(manifest_parse(writer_bytes(&inner), &read_back), STATUS_OK);
    writer_init(&writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&writer, chain, 1, writer_bytes(&inner), sign, NULL),
                     STATUS_OK);
    assert_int_equal(manifest_verify(writer_bytes(&writer), public_key, &read_back),
                     STATUS_INVALID);
    manifest.version = bytes_of(NULL, 0);
    writer_init(&inner, payload, sizeof payload);
    manifest_write(&inner, &manifest);
    assert_int_not_equal(manifest_parse(writer_bytes(&inner), &read_back), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(digest_is_of_the_sig_structure),
        cmocka_unit_test(altered_anywhere_is_refused),
        cmocka_unit_test(cut_or_longer_is_refused),
        cmocka_unit_test(headers_of_another_kind_are_refused),
        cmocka_unit_test(failures_of_writing_are_reported),
        cmocka_unit_test(vectors_as_published),
        cmocka_unit_test(permit_is_read_back),
        cmocka_unit_test(broken_permits_are_refused),
        cmocka_unit_test(manifest_is_verified_and_read),
        cmocka_unit_test(manifest_with_certificates_or_empty_names_is_refused),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
