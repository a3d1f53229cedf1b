#include "package/package.h"

#include "base/clock.h"
#include "base/secret.h"
#include "cose/cbor.h"
#include "cose/cose_sign1.h"
#include "package/authority.h"
#include "package/payload.h"

#include <stdlib.h>
#include <string.h>

#define KID_SIZE 36 /* certificate hash 32, epoch 4 */
#define IV_SIZE  12
#define TAG_SIZE 16
/* tag, array, protected header, unprotected header with kid and iv, byte string head */
#define ENVELOPE_SIZE_MAX 96

/* {1: 3}: A256GCM and nothing else, in the one encoding it has. */
static const uint8_t protected_header[] = {0xA1, COSE_HEADER_ALG, COSE_ALG_A256GCM};

void package_free(struct package *package) {
    free(package->uids);
    secret_wipe(package, sizeof(*package));
}

bool package_allows_uid(const struct package *package, const uint8_t uid[PACKAGE_UID_SIZE]) {
    for (size_t i = 0; i < package->uid_count; i++)
        if (memcmp(&package->uids[i * PACKAGE_UID_SIZE], uid, PACKAGE_UID_SIZE) == 0)
            return true;
    return package->uid_count == 0;
}

/* Enc_structure (RFC 9052, 5.3): ["Encrypt0", protected, external_aad]. */
static struct bytes enc_structure(uint8_t out[32]) {
    struct writer writer;
    writer_init(&writer, out, 32);
    cbor_write_array(&writer, 3);
    cbor_write_text(&writer, "Encrypt0");
    cbor_write_bytes(&writer, bytes_of(protected_header, sizeof(protected_header)));
    cbor_write_bytes(&writer, bytes_of(NULL, 0));
    return writer_bytes(&writer);
}

static void write_envelope(struct writer *writer, const struct package *package,
                           const uint8_t iv[IV_SIZE], size_t ciphertext_size) {
    cbor_write_tag(writer, COSE_TAG_ENCRYPT0);
    cbor_write_array(writer, 3);
    cbor_write_bytes(writer, bytes_of(protected_header, sizeof(protected_header)));
    cbor_write_map(writer, 2);
    cbor_write_uint(writer, COSE_HEADER_KID);
    cbor_write_bytes_head(writer, KID_SIZE);
    write_bytes(writer, bytes_of(package->programmer_certificate_sha256, 32));
    write_u32be(writer, package->epoch);
    cbor_write_uint(writer, COSE_HEADER_IV);
    cbor_write_bytes(writer, bytes_of(iv, IV_SIZE));
    cbor_write_bytes_head(writer, ciphertext_size);
}

/* Envelope and ciphertext of a signed message, appended to `out`. */
static int encrypt(const struct package *package, const struct package_cipher *cipher,
                   struct bytes message, struct buffer *out, struct error *error) {
    uint8_t head[ENVELOPE_SIZE_MAX];
    uint8_t aad[32];
    uint8_t iv[IV_SIZE];
    struct writer writer;
    if (message.size > PACKAGE_SIZE_MAX - ENVELOPE_SIZE_MAX - TAG_SIZE)
        return error_set(error, ERROR_BAD_REQUEST, "the package would be too long");
    if (cipher->random(cipher->context, iv, sizeof(iv), error) != 0)
        return -1;
    writer_init(&writer, head, sizeof(head));
    write_envelope(&writer, package, iv, message.size + TAG_SIZE);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the envelope does not fit its buffer");
    size_t before = out->size;
    buffer_append(out, head, writer.size);
    uint8_t *ciphertext = buffer_reserve(out, message.size + TAG_SIZE);
    if (buffer_check(out, error) != 0)
        return -1;
    if (cipher->encrypt(cipher->context, iv, enc_structure(aad), message, ciphertext, error) == 0)
        return 0;
    out->size = before;
    return -1;
}

int package_write(const struct package *package, const struct package_authority *authority,
                  const struct package_cipher *cipher, struct buffer *out, struct error *error) {
    struct buffer payload = {0};
    struct buffer message = {0};
    int result = payload_write(package, &payload, error);
    if (result == 0)
        result = authority_sign(authority, buffer_bytes(&payload), &message, error);
    if (result == 0)
        result = encrypt(package, cipher, buffer_bytes(&message), out, error);
    buffer_free(&payload); /* both hold the token */
    buffer_free(&message);
    return result;
}

struct envelope {
    struct package_recipient recipient;
    uint8_t iv[IV_SIZE];
    struct bytes ciphertext;
};

static int read_envelope(struct bytes encoded, struct envelope *envelope, struct error *error) {
    struct reader reader;
    struct reader kid;
    reader_init(&reader, encoded);
    cbor_expect_tag(&reader, COSE_TAG_ENCRYPT0);
    cbor_expect_array(&reader, 3);
    struct bytes header = cbor_read_bytes(&reader);
    cbor_expect_map(&reader, 2);
    cbor_expect_uint(&reader, COSE_HEADER_KID);
    reader_init(&kid, cbor_read_bytes(&reader));
    read_copy(&kid, envelope->recipient.programmer_certificate_sha256, 32);
    envelope->recipient.epoch = read_u32be(&kid);
    cbor_expect_uint(&reader, COSE_HEADER_IV);
    cbor_read_fixed(&reader, envelope->iv, sizeof(envelope->iv));
    envelope->ciphertext = cbor_read_bytes(&reader);
    if (encoded.size > PACKAGE_SIZE_MAX || reader_finish(&reader) != STATUS_OK ||
        reader_finish(&kid) != STATUS_OK || envelope->ciphertext.size < TAG_SIZE ||
        !bytes_equal(header, bytes_of(protected_header, sizeof(protected_header))))
        return error_set(error, ERROR_BAD_PACKAGE, "this is not a production package");
    return 0;
}

int package_read_recipient(struct bytes encoded, struct package_recipient *recipient,
                           struct error *error) {
    struct envelope envelope;
    memset(recipient, 0, sizeof(*recipient));
    if (read_envelope(encoded, &envelope, error) != 0)
        return -1;
    *recipient = envelope.recipient;
    return 0;
}

static int check_recipient(const uint8_t certificate_sha256[32], uint32_t epoch,
                           const struct package_reader *reader, struct error *error) {
    if (memcmp(certificate_sha256, reader->programmer_certificate_sha256, 32) != 0) {
        error_set(error, ERROR_WRONG_PROGRAMMER, "the package is for another programmer");
        return error_hint(error, "import it on the programmer it was exported for");
    }
    if (epoch != reader->epoch) {
        error_set(error, ERROR_WRONG_EPOCH,
                  "the package was made for key epoch %u, this programmer is at %u", epoch,
                  reader->epoch);
        return error_hint(error, "ask for the job to be exported again");
    }
    return 0;
}

/* What was decrypted, to the fields. The signed recipient must be the one on the envelope: a
 * package re-encrypted for somebody else is not for somebody else. */
static int open_message(struct bytes message, const struct package_reader *reader, uint64_t now_s,
                        struct package *package, struct error *error) {
    struct authority_message opened;
    if (authority_open(message, reader->operations_ca, &opened, error) != 0 ||
        authority_trust(&opened, reader->root, reader->operations_ca, now_s, error) != 0 ||
        payload_read(opened.payload, package, error) != 0)
        return -1;
    if (check_recipient(package->programmer_certificate_sha256, package->epoch, reader, error) == 0)
        return 0;
    package_free(package);
    return -1;
}

int package_open(struct bytes encoded, const struct package_reader *reader, uint64_t now_s,
                 struct package *package, struct error *error) {
    struct envelope envelope;
    uint8_t aad[32];
    memset(package, 0, sizeof(*package));
    if (read_envelope(encoded, &envelope, error) != 0 ||
        check_recipient(envelope.recipient.programmer_certificate_sha256, envelope.recipient.epoch,
                        reader, error) != 0)
        return -1;
    struct buffer message = {0};
    uint8_t *plaintext = buffer_reserve(&message, envelope.ciphertext.size - TAG_SIZE);
    int result = buffer_check(&message, error);
    if (result == 0)
        result = reader->cipher.decrypt(reader->cipher.context, envelope.iv, enc_structure(aad),
                                        envelope.ciphertext, plaintext, error);
    if (result == 0)
        result = open_message(buffer_bytes(&message), reader, now_s, package, error);
    buffer_free(&message);
    return result;
}

int package_check(const struct package *package, const struct package_history *history,
                  uint64_t now_s, struct error *error) {
    if (package->expiry_s <= now_s) {
        char text[21];
        clock_format(package->expiry_s, text);
        return error_set(error, ERROR_EXPIRED, "the package expired %s", text);
    }
    if (package->sequence < history->floor_sequence)
        return error_set(error, ERROR_BELOW_FLOOR,
                         "the package is older than this programmer accepts (sequence %llu, "
                         "floor %llu)",
                         (unsigned long long)package->sequence,
                         (unsigned long long)history->floor_sequence);
    if (history->last_sequence != 0 && package->sequence <= history->last_sequence)
        return error_set(error, ERROR_REPLAYED, "the package was imported before (sequence %llu)",
                         (unsigned long long)package->sequence);
    if (package->count == 0)
        return error_set(error, ERROR_COUNT_ZERO, "the package allows no units");
    return 0;
}
