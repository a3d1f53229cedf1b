#include "cose/cbor.h"
#include "package/authority.h"
#include "package/package.h"

#include <string.h>

static const char kind[] = "time";

int signed_time_write(uint64_t now_s, const uint8_t nonce[32],
                      const struct package_authority *authority, struct buffer *out,
                      struct error *error) {
    uint8_t payload[64];
    struct writer writer;
    writer_init(&writer, payload, sizeof(payload));
    cbor_write_map(&writer, 3);
    cbor_write_uint(&writer, 1);
    cbor_write_text(&writer, kind); /* so that no other signed map can be taken for a time */
    cbor_write_uint(&writer, 2);
    cbor_write_uint(&writer, now_s);
    cbor_write_uint(&writer, 3);
    cbor_write_bytes(&writer, bytes_of(nonce, 32));
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the time does not fit its buffer");
    return authority_sign(authority, writer_bytes(&writer), out, error);
}

int signed_time_read(struct bytes encoded, const uint8_t nonce[32], struct bytes root,
                     struct bytes operations_ca, uint64_t *now_s, struct error *error) {
    struct authority_message message;
    struct reader reader;
    uint8_t answered[32];
    *now_s = 0;
    if (authority_open(encoded, operations_ca, &message, error) != 0)
        return -1;
    reader_init(&reader, message.payload);
    cbor_expect_map(&reader, 3);
    cbor_expect_uint(&reader, 1);
    cbor_expect_text(&reader, kind);
    cbor_expect_uint(&reader, 2);
    uint64_t stated = cbor_read_uint(&reader);
    cbor_expect_uint(&reader, 3);
    cbor_read_fixed(&reader, answered, sizeof(answered));
    if (reader_finish(&reader) != STATUS_OK || stated > INT64_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "not a signed time");
    if (authority_trust(&message, root, operations_ca, stated, error) != 0)
        return -1;
    if (memcmp(answered, nonce, sizeof(answered)) != 0)
        return error_set(error, ERROR_REPLAYED, "the signed time answers another question");
    *now_s = stated;
    return 0;
}
