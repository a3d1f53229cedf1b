/*
 * Backup of the server's key-encryption keys, m of n (docs/formats/kek_backup.md).
 *
 * kek-backup.json holds the three KEKs wrapped by a backup key; share-I.json hold the backup key,
 * split (Shamir, GF(2^8), libgfshare), so that `threshold` of them give it back and fewer say
 * nothing. Made once, with the keys: afterwards the token gives no KEK away.
 */
#ifndef NUSEC_SERVER_KEK_BACKUP_H
#define NUSEC_SERVER_KEK_BACKUP_H

#include "hsm/hsm.h"

#include <stddef.h>
#include <stdint.h>

#define KEK_SHARES_MAX 16

struct kek_backup_order {
    const char *directory; /* made when missing */
    unsigned shares;       /* 2 to KEK_SHARES_MAX */
    unsigned threshold;    /* 2 to shares */
};

/* The KEKs in the token and their backup in files nobody else may read. ERROR_USAGE. */
int kek_backup_make(struct hsm *hsm, const struct kek_backup_order *order, struct error *error);

/*
 * The KEKs back into the token. With `only_check` the token keeps none of them. ERROR_USAGE: too
 * few shares, one twice, of another backup; ERROR_ALTERED: they do not open the backup;
 * ERROR_CONFLICT: the token has all of them. Keys that are there stay, so that a restore which was
 * cut off can be begun again.
 */
int kek_backup_restore(struct hsm *hsm, const char *backup_path, const char *const *share_paths,
                       size_t share_count, bool only_check, struct error *error);

#endif
