/* Any bytes as a CBOR item, a COSE_Sign1, a permit, a manifest; what is accepted as an item must
 * be all of it. */
#include "cose/cbor.h"
#include "cose/cose_sign1.h"
#include "cose/manifest.h"
#include "cose/permit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cose_sign1 message;
    struct permit permit;
    struct permit_root_hash arguments;
    struct manifest manifest;
    struct reader reader;
    struct bytes input = bytes_of(data, size);
    reader_init(&reader, input);
    struct bytes item = cbor_read_item(&reader);
    if (reader_finish(&reader) == STATUS_OK && item.size != size) {
        abort();
    }
    if (cose_sign1_parse(input, &message) == STATUS_OK && message.signature == NULL) {
        abort();
    }
    if (permit_parse(input, &permit) == STATUS_OK) {
        (void)!permit_parse_root_hash(permit.arguments, &arguments);
    }
    (void)!manifest_parse(input, &manifest);
    return 0;
}
