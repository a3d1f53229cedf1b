/* Cutting a row of certificates apart; the same for every implementation. */
#include "base/der.h"
#include "crypto/crypto.h"

enum status crypto_certificate_split(struct bytes certificates, struct bytes *first,
                                     struct bytes *rest) {
    struct reader reader;
    reader_init(&reader, certificates);
    *first = der_read_element(&reader, DER_SEQUENCE);
    *rest = read_rest(&reader);
    return reader_check(&reader) == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}
