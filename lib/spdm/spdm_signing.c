#include "spdm/spdm_signing.h"

#include <string.h>

#define CONTEXT_SIZE 100
#define PREFIX       "dmtf-spdm-v1.2.*"
#define PREFIX_SIZE  16
#define PREFIX_COUNT 4

static const char *const ROLES[] = {
    [SPDM_SIGN_CHALLENGE] = "responder-challenge_auth signing",
    [SPDM_SIGN_MEASUREMENTS] = "responder-measurements signing",
    [SPDM_SIGN_KEY_EXCHANGE] = "responder-key_exchange_rsp signing",
    [SPDM_SIGN_FINISH] = "requester-finish signing",
};

void spdm_signing_digest(enum spdm_signing_role role,
                         const uint8_t transcript_hash[CRYPTO_DIGEST_SIZE],
                         uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    uint8_t buffer[CONTEXT_SIZE + CRYPTO_DIGEST_SIZE];
    struct writer writer;
    struct bytes name = bytes_of(ROLES[role], strlen(ROLES[role]));

    writer_init(&writer, buffer, sizeof buffer);
    for (int i = 0; i < PREFIX_COUNT; i++) {
        write_bytes(&writer, bytes_of(PREFIX, PREFIX_SIZE));
    }
    write_fill(&writer, 0, CONTEXT_SIZE - PREFIX_COUNT * PREFIX_SIZE - name.size);
    write_bytes(&writer, name);
    write_bytes(&writer, bytes_of(transcript_hash, CRYPTO_DIGEST_SIZE));
    crypto_sha256(writer_bytes(&writer), digest);
}
