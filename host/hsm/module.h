/*
 * The loaded PKCS#11 module. C_Initialize and SOFTHSM2_CONF belong to the process, so there is one
 * module at a time, shared by every open token and counted.
 *
 * Every call into the module is made under `lock` held shared; initialising it again, which ends
 * all its sessions, happens under `lock` held exclusively and moves `generation` on. Private to
 * host/hsm.
 */
#ifndef NUSEC_HOST_HSM_MODULE_H
#define NUSEC_HOST_HSM_MODULE_H

#include "base/error.h"

#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>

struct hsm_module {
    char *path;
    char *softhsm_config; /* NULL for another module */
    void *library;
    CK_FUNCTION_LIST *functions;
    pthread_rwlock_t lock;
    unsigned long generation;
    unsigned references;
};

/* NULL: ERROR_HSM_UNAVAILABLE, or ERROR_CONFLICT if another module or configuration is in use. */
struct hsm_module *hsm_module_acquire(const char *path, const char *softhsm_config,
                                      struct error *error);
/* The last release finalizes the module. */
void hsm_module_release(struct hsm_module *module);

/* C_Finalize and C_Initialize. The caller holds `lock` exclusively. */
CK_RV hsm_module_restart(struct hsm_module *module);

/* A token label as PKCS#11 keeps it: padded with blanks. False if it is empty or too long. */
#define HSM_TOKEN_LABEL_SIZE 32
bool hsm_module_pad_label(const char *label, CK_UTF8CHAR padded[HSM_TOKEN_LABEL_SIZE]);

/* The slot whose token has this label. CKR_TOKEN_NOT_PRESENT if there is none. */
CK_RV hsm_module_find_token(struct hsm_module *module, const char *label, CK_SLOT_ID *slot);

/* A slot whose token was never initialised. */
CK_RV hsm_module_find_blank(struct hsm_module *module, CK_SLOT_ID *slot);

/* ERROR_HSM_UNAVAILABLE with the call and the CK_RV in the detail; a refused PIN is ERROR_DENIED,
 * a full token ERROR_STORAGE_FULL. Returns -1. */
int hsm_error_set(struct error *error, CK_RV rv, const char *what);

#endif
