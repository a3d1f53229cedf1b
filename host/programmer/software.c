#include "programmer/software.h"

#include "cose/manifest.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

static void text_copy(struct bytes text, char out[SOFTWARE_VERSION_MAX + 1]) {
    size_t size = text.size <= SOFTWARE_VERSION_MAX ? text.size : SOFTWARE_VERSION_MAX;
    memcpy(out, text.data, size);
    out[size] = '\0';
}

int software_read_manifest(struct bytes manifest, const uint8_t boot_key[64], const char *kind,
                           struct software *software, struct error *error) {
    struct manifest read;
    enum status status = manifest_verify(manifest, boot_key, &read);
    *software = (struct software){0};
    if (status != STATUS_OK) {
        (void)error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                        "the software manifest is not signed by the OEM's boot key");
        return error_detail(error, "%s", status_name(status));
    }
    if (!bytes_equal(read.kind, bytes_of(kind, strlen(kind))))
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "the software manifest is not of kind \"%s\"", kind);
    text_copy(read.version, software->version);
    text_copy(read.family, software->family);
    software->size = read.size;
    memcpy(software->sha256, read.sha256, sizeof software->sha256);
    software->counter = read.counter;
    return 0;
}

int software_check_file(const struct software *software, struct bytes file, struct error *error) {
    uint8_t digest[CRYPTO_DIGEST_SIZE];
    if (file.size != software->size)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "the software has %zu bytes, its manifest says %llu", file.size,
                         (unsigned long long)software->size);
    crypto_sha256(file, digest);
    if (memcmp(digest, software->sha256, sizeof digest) != 0)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "the software is not what its manifest describes");
    return 0;
}
