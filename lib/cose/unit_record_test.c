#include "cose/unit_record.h"

#include "cose/cose_sign1.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[UNIT_RECORD_PAYLOAD_MAX + 1];
static uint8_t transcript[UNIT_RECORD_TRANSCRIPT_MAX + 1];
static char text[UNIT_RECORD_TEXT_MAX + 1];
static struct writer writer;
static struct unit_record record;
static struct unit_record back;

static int start(void **state) {
    (void)state;
    memset(text, 'x', sizeof text);
    record = (struct unit_record){.unit_id = {1},
                                  .uid = {2},
                                  .job_id = bytes_of("job-1", 5),
                                  .nonce = {3},
                                  .transcript = bytes_of(transcript, 500),
                                  .site = bytes_of("left", 4),
                                  .milliseconds = 12345};
    writer_init(&writer, buffer, sizeof buffer);
    return 0;
}

static void it_is_read_back(void **state) {
    (void)state;
    unit_record_write(&writer, &record);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_int_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
    assert_memory_equal(back.unit_id, record.unit_id, sizeof back.unit_id);
    assert_memory_equal(back.uid, record.uid, sizeof back.uid);
    assert_memory_equal(back.nonce, record.nonce, sizeof back.nonce);
    assert_true(bytes_equal(back.job_id, record.job_id));
    assert_true(bytes_equal(back.transcript, record.transcript));
    assert_true(bytes_equal(back.site, record.site));
    assert_int_equal(back.milliseconds, 12345);
}

static void the_largest_fits(void **state) {
    (void)state;
    record.job_id = record.site = bytes_of(text, UNIT_RECORD_TEXT_MAX);
    record.transcript = bytes_of(transcript, UNIT_RECORD_TRANSCRIPT_MAX);
    record.milliseconds = UINT64_MAX;
    writer_init(&writer, buffer, UNIT_RECORD_PAYLOAD_MAX);
    unit_record_write(&writer, &record);
    assert_int_equal(writer_check(&writer), STATUS_OK);
    assert_int_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
}

static void nothing_out_of_bounds_is_written(void **state) {
    const struct unit_record good = record;
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        record = good;
        struct bytes *field = i < 2 ? &record.job_id : i < 4 ? &record.site : &record.transcript;
        size_t most = i < 4 ? UNIT_RECORD_TEXT_MAX : UNIT_RECORD_TRANSCRIPT_MAX;
        *field = bytes_of(i < 4 ? (const void *)text : transcript, i % 2 == 0 ? 0 : most + 1);
        writer_init(&writer, buffer, sizeof buffer);
        unit_record_write(&writer, &record);
        assert_int_not_equal(writer_check(&writer), STATUS_OK);
        assert_int_equal(writer.size, 0);
    }
}

static void cut_longer_or_altered_ones_are_refused(void **state) {
    (void)state;
    unit_record_write(&writer, &record);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_not_equal(unit_record_parse(bytes_of(buffer, cut), &back), STATUS_OK);
        assert_int_equal(back.transcript.size, 0);
    }
    assert_int_equal(unit_record_parse(bytes_of(buffer, writer.size + 1), &back), STATUS_INVALID);
    buffer[0] = 0xA6;
    assert_int_not_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
    buffer[0] = 0xA7;
    buffer[1] = 2;
    assert_int_not_equal(unit_record_parse(writer_bytes(&writer), &back), STATUS_OK);
}

/* docs/formats/unit_record.md */
static const char VECTOR[] =
    "d28443a10126a05867a70150000102030405060708090a0b0c0d0e0f025000112233445566778899"
    "aabbccddeeff03656a6f622d31045820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7"
    "b8b9babbbcbdbebf054a7472616e73637269707406666c696e652033071930395840a6bb1ae2641c"
    "5847bad996fd509094203b26ab4461429e02ea591ca350fa4b96b3c820fbf29ce8c6a098fa11d315"
    "3998c77fffb812a8237b0c0084c26332e67a";
static const char VECTOR_KEY[] =
    "0bbbc5e8bc84bd33d1d3ce03ffac9a747f4c1993fddb2ec93a4116a86f022a77c3c17191559a4c2a"
    "1aa57e79b8d1977da2c959172f478e341e27028d69fffb7b";

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

static void the_published_record_is_verified(void **state) {
    uint8_t object[256] = {0};
    uint8_t key[64];
    struct cose_sign1 message;
    (void)state;
    (void)from_hex(VECTOR_KEY, key);
    struct bytes encoded = from_hex(VECTOR, object);
    assert_int_equal(unit_record_verify(encoded, key, &back), STATUS_OK);
    assert_int_equal(back.unit_id[15], 0x0F);
    assert_int_equal(back.uid[1], 0x11);
    assert_int_equal(back.nonce[31], 0xBF);
    assert_true(bytes_equal(back.job_id, bytes_of("job-1", 5)));
    assert_true(bytes_equal(back.transcript, bytes_of("transcript", 10)));
    assert_true(bytes_equal(back.site, bytes_of("line 3", 6)));
    assert_int_equal(back.milliseconds, 12345);
    unit_record_write(&writer, &back);
    assert_int_equal(cose_sign1_parse(encoded, &message), STATUS_OK);
    assert_true(bytes_equal(writer_bytes(&writer), message.payload));
    for (size_t i = 0; i < encoded.size; i++) {
        object[i] ^= 1;
        assert_int_not_equal(unit_record_verify(encoded, key, &back), STATUS_OK);
        assert_int_equal(back.transcript.size, 0);
        object[i] ^= 1;
        assert_int_not_equal(unit_record_verify(bytes_of(object, i), key, &back), STATUS_OK);
    }
    assert_int_equal(unit_record_verify(bytes_of(object, encoded.size + 1), key, &back),
                     STATUS_INVALID);
}

static uint8_t private_key[32];
static uint8_t public_key[64];

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    (void)context;
    return crypto_p256_sign(private_key, digest, signature);
}

static void the_largest_signed_one_fits(void **state) {
    static uint8_t encoded[UNIT_RECORD_MAX];
    struct writer signed_writer;
    (void)state;
    record.job_id = record.site = bytes_of(text, UNIT_RECORD_TEXT_MAX);
    record.transcript = bytes_of(transcript, UNIT_RECORD_TRANSCRIPT_MAX);
    record.milliseconds = UINT64_MAX;
    unit_record_write(&writer, &record);
    assert_true(cose_sign1_size_max(NULL, 0, UNIT_RECORD_PAYLOAD_MAX) <= UNIT_RECORD_MAX);
    writer_init(&signed_writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&signed_writer, NULL, 0, writer_bytes(&writer), sign, NULL),
                     STATUS_OK);
    assert_int_equal(unit_record_verify(writer_bytes(&signed_writer), public_key, &back),
                     STATUS_OK);
    assert_int_equal(back.transcript.size, UNIT_RECORD_TRANSCRIPT_MAX);
    public_key[0] ^= 1; /* no point of the curve, let alone the signer */
    assert_int_not_equal(unit_record_verify(writer_bytes(&signed_writer), public_key, &back),
                         STATUS_OK);
    public_key[0] ^= 1;
}

static void a_record_of_somebody_else_or_with_a_chain_is_refused(void **state) {
    static uint8_t encoded[UNIT_RECORD_MAX];
    const struct bytes chain[] = {bytes_of("leaf", 4)};
    uint8_t other_private[32];
    uint8_t other[64];
    struct writer signed_writer;
    (void)state;
    unit_record_write(&writer, &record);
    writer_init(&signed_writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&signed_writer, NULL, 0, writer_bytes(&writer), sign, NULL),
                     STATUS_OK);
    assert_int_equal(crypto_p256_generate(other_private, other), STATUS_OK);
    assert_int_equal(unit_record_verify(writer_bytes(&signed_writer), other, &back),
                     STATUS_BAD_SIGNATURE);
    assert_int_equal(back.transcript.size, 0);
    writer_init(&signed_writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&signed_writer, chain, 1, writer_bytes(&writer), sign, NULL),
                     STATUS_OK);
    assert_int_equal(unit_record_verify(writer_bytes(&signed_writer), public_key, &back),
                     STATUS_INVALID);
    /* Signed, but no record. */
    writer_init(&signed_writer, encoded, sizeof encoded);
    assert_int_equal(cose_sign1_write(&signed_writer, NULL, 0, bytes_of("\xa0", 1), sign, NULL),
                     STATUS_OK);
    assert_int_not_equal(unit_record_verify(writer_bytes(&signed_writer), public_key, &back),
                         STATUS_OK);
}

/* Another type, another length, one text that is none: in each member of the payload. */
static void members_of_another_kind_are_refused(void **state) {
    (void)state;
    unit_record_write(&writer, &record);
    size_t size = writer.size;
    /* unit id 50, UID 50, job 65, nonce 58 20, transcript 59 01 f4, site 64, milliseconds 19 */
    static const size_t HEADS[] = {2, 20, 38, 45, 80, 584, 590};
    static const uint8_t EXPECTED[] = {0x50, 0x50, 0x65, 0x58, 0x59, 0x64, 0x19};
    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        assert_int_equal(buffer[HEADS[i]], EXPECTED[i]);
        for (unsigned flip = 0x01; flip <= 0x80; flip <<= 1) {
            buffer[HEADS[i]] ^= (uint8_t)flip;
            assert_int_not_equal(unit_record_parse(bytes_of(buffer, size), &back), STATUS_OK);
            assert_int_equal(back.transcript.size, 0);
            buffer[HEADS[i]] ^= (uint8_t)flip;
        }
        buffer[HEADS[i] - 1] ^= 0x08; /* its key */
        assert_int_not_equal(unit_record_parse(bytes_of(buffer, size), &back), STATUS_OK);
        buffer[HEADS[i] - 1] ^= 0x08;
    }
    buffer[39] = 0xFF; /* never in UTF-8 */
    assert_int_not_equal(unit_record_parse(bytes_of(buffer, size), &back), STATUS_OK);
}

static int make_key(void **state) {
    (void)state;
    return crypto_init(NULL, NULL) == STATUS_OK &&
                   crypto_p256_generate(private_key, public_key) == STATUS_OK
               ? 0
               : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_published_record_is_verified, start),
        cmocka_unit_test_setup(the_largest_signed_one_fits, start),
        cmocka_unit_test_setup(a_record_of_somebody_else_or_with_a_chain_is_refused, start),
        cmocka_unit_test_setup(members_of_another_kind_are_refused, start),
        cmocka_unit_test_setup(it_is_read_back, start),
        cmocka_unit_test_setup(the_largest_fits, start),
        cmocka_unit_test_setup(nothing_out_of_bounds_is_written, start),
        cmocka_unit_test_setup(cut_longer_or_altered_ones_are_refused, start),
    };
    return cmocka_run_group_tests(tests, make_key, NULL);
}
