/*
 * An open token: the session pool, recovery, and the keys found in it. Private to host/hsm.
 *
 * hsm_run is the only way to the token: it borrows a session, calls the operation under the
 * module's shared lock, and on a lost session reconnects and calls it once more. An operation thus
 * may run twice, and key handles are to be read inside of it only.
 */
#ifndef NUSEC_HOST_HSM_SESSION_H
#define NUSEC_HOST_HSM_SESSION_H

#include "hsm/hsm.h"
#include "hsm/module.h"

#include <stdbool.h>

#define HSM_POOL_MAX      64 /* idle sessions kept */
#define HSM_UNWRAPPED_MAX 32 /* boot keys kept unwrapped */

struct hsm_key {
    struct hsm *hsm;
    struct hsm_key *next;
    char label[HSM_LABEL_MAX + 1];
    CK_OBJECT_CLASS object_class;
    CK_OBJECT_HANDLE handle; /* what operations use; 0 while the key cannot be found */
    bool has_public_key;
    uint8_t public_key[HSM_PUBLIC_KEY_SIZE];
};

/* A boot key as an object of the keeper's session. */
struct hsm_unwrapped {
    const struct hsm_key *kek; /* NULL: a free place */
    CK_OBJECT_HANDLE handle;
    uint8_t row_hash[32]; /* of public key and wrapped key */
    unsigned long used;
    bool proved; /* a signature verified with the row's public key */
};

struct hsm {
    struct hsm_module *module;
    char *token_label;
    char *pin_file;

    /* Changed only under module->lock held exclusively, read under it held shared. */
    bool connected;
    unsigned long module_generation;
    unsigned long generation; /* of the connection: session objects die with it */
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE keeper; /* stays open: owner of the copied keys and of the login */

    pthread_mutex_t pool_mutex;
    CK_SESSION_HANDLE idle[HSM_POOL_MAX];
    size_t idle_count;

    pthread_mutex_t keys_mutex; /* before module->lock; guards list and keeper */
    struct hsm_key *keys;
    /* Under keys_mutex as well. */
    struct hsm_unwrapped unwrapped[HSM_UNWRAPPED_MAX];
    unsigned long unwrapped_generation; /* of the connection they belong to */
    unsigned long unwrapped_clock;
};

typedef CK_RV hsm_operation(struct hsm *hsm, CK_SESSION_HANDLE session, void *context);

/* CKR_OK, or the operation's last CK_RV with `error` set (callers may say it better). */
CK_RV hsm_run(struct hsm *hsm, const char *what, hsm_operation *operation, void *context,
              struct error *error);

/* Connects at open; the caller holds module->lock exclusively. */
int hsm_connect(struct hsm *hsm, struct error *error);
void hsm_disconnect(struct hsm *hsm);

#endif
