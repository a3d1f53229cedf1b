#include "programmer/testing/scratch.h"

#include "base/file.h"
#include "cose/cose_sign1.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *scratch_make(void) {
    char *directory = strdup("/tmp/nusec-programmer-XXXXXX");
    assert_non_null(directory);
    assert_non_null(mkdtemp(directory));
    return directory;
}

void scratch_remove(char *directory) {
    char *const paths[] = {directory, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    for (const FTSENT *entry; (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info != FTS_D)
            (void)remove(entry->fts_accpath);
    (void)fts_close(tree);
    free(directory);
}

void scratch_write(const char *directory, const char *name, struct bytes contents) {
    struct error error;
    char *path = path_join(directory, name);
    assert_non_null(path);
    assert_int_equal(file_write_durable(path, contents, 0600, &error), 0);
    free(path);
}

void scratch_read(const char *directory, const char *name, struct buffer *out) {
    struct error error;
    char *path = path_join(directory, name);
    assert_non_null(path);
    buffer_clear(out);
    assert_int_equal(file_read(path, 64U << 20, out, &error), 0);
    free(path);
}

void boot_key_make(struct boot_key *key) {
    assert_int_equal(crypto_p256_generate(key->private_key, key->public_key), STATUS_OK);
}

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct boot_key *key = context;
    return crypto_p256_sign(key->private_key, digest, signature);
}

void boot_key_manifest(const struct boot_key *key, const char *kind, const char *family,
                       uint64_t counter, struct bytes file, struct buffer *out) {
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    uint8_t encoded[MANIFEST_MAX];
    struct boot_key copy = *key;
    struct writer payload_writer;
    struct writer writer;
    struct manifest manifest = {
        .kind = bytes_of(kind, strlen(kind)),
        .family = bytes_of(family, strlen(family)),
        .version = bytes_of("1.0", 3),
        .size = file.size,
        .counter = counter,
    };
    crypto_sha256(file, manifest.sha256);
    writer_init(&payload_writer, payload, sizeof payload);
    writer_init(&writer, encoded, sizeof encoded);
    manifest_write(&payload_writer, &manifest);
    assert_int_equal(cose_sign1_write(&writer, NULL, 0, writer_bytes(&payload_writer), sign, &copy),
                     STATUS_OK);
    buffer_clear(out);
    buffer_append(out, encoded, writer.size);
}
