/*
 * DER has one encoding per value: whatever the reader accepts, the writer must reproduce byte for
 * byte. Corpus: der_corpus/.
 */
#include "base/der_p256.h"

#include <stdlib.h>

#define DEPTH_MAX   8
#define CONSTRUCTED 0x20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy(struct reader *reader, struct writer *writer, unsigned int depth) {
    while (reader_remaining(reader) > 0) {
        uint8_t tag = 0;
        struct bytes contents = der_read_any(reader, &tag);
        if (reader_check(reader) != STATUS_OK) {
            return;
        }
        size_t mark = der_begin(writer, tag);
        struct reader inner;
        reader_init(&inner, contents);
        size_t start = writer->size;
        if ((tag & CONSTRUCTED) != 0 && depth < DEPTH_MAX) {
            copy(&inner, writer, depth + 1);
        }
        if (reader_finish(&inner) != STATUS_OK || writer->size == start) {
            writer->size = start; /* not DER inside, or a primitive value: take it as it is */
            write_bytes(writer, contents);
        }
        der_end(writer, mark);
    }
}

static void check_signature(struct bytes input) {
    uint8_t signature[DER_P256_SIGNATURE_SIZE];
    uint8_t der[DER_P256_SIGNATURE_MAX];
    struct reader reader;
    struct writer writer;
    reader_init(&reader, input);
    der_read_p256_signature(&reader, signature);
    writer_init(&writer, der, sizeof der);
    der_write_p256_signature(&writer, signature);
    if (reader_finish(&reader) == STATUS_OK && !bytes_equal(writer_bytes(&writer), input)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t buffer[0x10000];
    struct bytes input = bytes_of(data, size < sizeof buffer ? size : sizeof buffer);
    struct reader reader;
    struct writer writer;
    reader_init(&reader, input);
    writer_init(&writer, buffer, sizeof buffer);
    copy(&reader, &writer, 0);
    if (reader_finish(&reader) == STATUS_OK && !bytes_equal(writer_bytes(&writer), input)) {
        abort();
    }
    check_signature(input);
    return 0;
}
