/*
 * A directory for one test, and a boot key that signs software manifests. Test support.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_SCRATCH_H
#define NUSEC_PROGRAMMER_TESTING_SCRATCH_H

#include "base/buffer.h"

#include <stdint.h>

/* A fresh directory under /tmp; scratch_remove deletes it with everything inside. */
char *scratch_make(void);
void scratch_remove(char *directory);

/* "directory/name" with these contents, mode 0600. */
void scratch_write(const char *directory, const char *name, struct bytes contents);
void scratch_read(const char *directory, const char *name, struct buffer *out);

struct boot_key {
    uint8_t private_key[32];
    uint8_t public_key[64];
};
void boot_key_make(struct boot_key *key);

/* A manifest over `file`, signed. */
void boot_key_manifest(const struct boot_key *key, const char *kind, const char *family,
                       uint64_t counter, struct bytes file, struct buffer *out);

#endif
