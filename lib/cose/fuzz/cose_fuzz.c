/* Any bytes as a CBOR item, a COSE_Sign1, a permit, a manifest, a unit record; what is accepted
 * as an item must be all of it. */
#include "cose/cbor.h"
#include "cose/cose_sign1.h"
#include "cose/manifest.h"
#include "cose/permit.h"
#include "cose/unit_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cose_sign1 message;
    struct permit permit;
    struct permit_root_hash arguments;
    struct permit_boot_key_hash boot_key_hash;
    struct bytes object_id;
    struct unit_record record;
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
        (void)!permit_parse_boot_key_hash(permit.arguments, &boot_key_hash);
        (void)!permit_parse_no_arguments(permit.arguments);
        if (permit_parse_object_id(permit.arguments, &object_id) == STATUS_OK &&
            (object_id.size == 0 || object_id.size > PERMIT_OBJECT_ID_MAX)) {
            abort();
        }
    }
    (void)!manifest_parse(input, &manifest);
    if (unit_record_parse(input, &record) == STATUS_OK &&
        (record.transcript.size == 0 || record.transcript.size > UNIT_RECORD_TRANSCRIPT_MAX)) {
        abort();
    }
    return 0;
}
