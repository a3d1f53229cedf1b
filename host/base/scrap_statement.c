#include "base/scrap_statement.h"

#include <openssl/sha.h>
#include <string.h>

/* No byte string that AUTHKEY signs elsewhere begins like this. */
static const char label[] = "NuSEC unit scrapped v1";

void scrap_statement_digest(const uint8_t unit_id[16], const uint8_t uid[16], const char *reason,
                            uint8_t digest[32]) {
    uint8_t statement[sizeof label - 1 + 32 + SCRAP_REASON_MAX];
    struct writer writer;

    writer_init(&writer, statement, sizeof statement);
    write_bytes(&writer, bytes_of(label, sizeof label - 1));
    write_bytes(&writer, bytes_of(unit_id, 16));
    write_bytes(&writer, bytes_of(uid, 16));
    write_bytes(&writer, bytes_of(reason, strlen(reason)));
    SHA256(statement, writer.size, digest);
}
