#include "spdm/spdm_transcript.h"

void spdm_transcript_reset(struct spdm_transcript *transcript) {
    crypto_sha256_start(&transcript->vca);
    spdm_transcript_negotiated(transcript);
}

void spdm_transcript_negotiated(struct spdm_transcript *transcript) {
    transcript->challenge = transcript->vca;
    transcript->measurements[SPDM_OUTSIDE] = transcript->vca;
    transcript->measurements[SPDM_INSIDE] = transcript->vca;
    transcript->exchange = transcript->vca;
}

void spdm_transcript_digest(const struct crypto_sha256 *running,
                            uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 fork = *running;
    crypto_sha256_finish(&fork, digest);
}
