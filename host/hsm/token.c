#include "hsm/hsm.h"

#include "base/file.h"
#include "base/secret.h"
#include "hsm/module.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int hsm_softhsm_configure(const char *config_path, const char *token_directory,
                          struct error *error) {
    struct buffer text = {0};
    if (strpbrk(token_directory, "\r\n") != NULL)
        return error_set(error, ERROR_USAGE, "a line break in the token directory's name");
    if (directory_create_private(token_directory, error) != 0)
        return -1;
    /* SoftHSM resolves a relative path against whatever directory a later program starts in. */
    char *absolute = realpath(token_directory, NULL);
    if (absolute == NULL)
        return error_set(error, ERROR_STORAGE, "cannot resolve %s", token_directory);
    buffer_print(&text,
                 "directories.tokendir = %s\n"
                 "objectstore.backend = file\n"
                 "log.level = ERROR\n"
                 "slots.removable = false\n",
                 absolute);
    free(absolute);
    int result = buffer_check(&text, error);
    if (result == 0)
        result = file_write_durable(config_path, buffer_bytes(&text), 0600, error);
    buffer_free(&text);
    return result;
}

/* The two PINs of an initialisation. */
struct pins {
    char so[256];
    char user[256];
};

static CK_RV set_user_pin(struct hsm_module *module, CK_SLOT_ID slot, const struct pins *pins) {
    CK_FUNCTION_LIST *functions = module->functions;
    CK_SESSION_HANDLE session;
    CK_RV rv =
        functions->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    if (rv != CKR_OK)
        return rv;
    rv = functions->C_Login(session, CKU_SO, (CK_UTF8CHAR *)pins->so, (CK_ULONG)strlen(pins->so));
    if (rv == CKR_OK) {
        rv = functions->C_InitPIN(session, (CK_UTF8CHAR *)pins->user, (CK_ULONG)strlen(pins->user));
        (void)functions->C_Logout(session);
    }
    (void)functions->C_CloseSession(session);
    return rv;
}

static int init_in(struct hsm_module *module, const char *label, const struct pins *pins,
                   struct error *error) {
    CK_SLOT_ID slot;
    CK_UTF8CHAR padded[HSM_TOKEN_LABEL_SIZE];
    if (!hsm_module_pad_label(label, padded))
        return error_set(error, ERROR_USAGE, "a token label has 1 to 32 bytes");
    if (hsm_module_find_token(module, label, &slot) == CKR_OK)
        return error_set(error, ERROR_CONFLICT, "a token \"%s\" exists already", label);
    CK_RV rv = hsm_module_find_blank(module, &slot);
    if (rv != CKR_OK)
        return hsm_error_set(error, rv, "no blank token");
    rv = module->functions->C_InitToken(slot, (CK_UTF8CHAR *)pins->so, (CK_ULONG)strlen(pins->so),
                                        padded);
    if (rv != CKR_OK)
        return hsm_error_set(error, rv, "C_InitToken");
    rv = hsm_module_find_token(module, label, &slot); /* modules renumber slots */
    if (rv == CKR_OK)
        rv = set_user_pin(module, slot, pins);
    return rv == CKR_OK ? 0 : hsm_error_set(error, rv, "C_InitPIN");
}

int hsm_init_token(const struct hsm_config *config, const char *so_pin_file, struct error *error) {
    struct pins pins;
    int result = -1;
    if (file_read_secret(so_pin_file, pins.so, error) == 0 &&
        file_read_secret(config->pin_file, pins.user, error) == 0) {
        struct hsm_module *module =
            hsm_module_acquire(config->module_path, config->softhsm_config, error);
        if (module != NULL) {
            pthread_rwlock_wrlock(&module->lock);
            result = init_in(module, config->token_label, &pins, error);
            pthread_rwlock_unlock(&module->lock);
        }
        hsm_module_release(module);
    }
    secret_wipe(&pins, sizeof(pins));
    return result;
}
