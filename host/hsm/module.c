#include "hsm/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct hsm_module *the_module; /* guarded by registry_mutex */

static CK_RV initialize(struct hsm_module *module) {
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    if (module->softhsm_config != NULL && setenv("SOFTHSM2_CONF", module->softhsm_config, 1) != 0)
        return CKR_HOST_MEMORY;
    CK_RV rv = module->functions->C_Initialize(&arguments);
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

CK_RV hsm_module_restart(struct hsm_module *module) {
    (void)module->functions->C_Finalize(NULL); /* whatever it says: the next call decides */
    module->generation++;
    return initialize(module);
}

static void free_module(struct hsm_module *module) {
    if (module == NULL)
        return;
    if (module->library != NULL)
        dlclose(module->library);
    pthread_rwlock_destroy(&module->lock);
    free(module->path);
    free(module->softhsm_config);
    free(module);
}

static int load(struct hsm_module *module, struct error *error) {
    /* NODELETE: modules leave exit handlers behind that must find their code. */
    module->library = dlopen(module->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module->library == NULL) {
        error_set(error, ERROR_HSM_UNAVAILABLE, "cannot load the PKCS#11 module %s", module->path);
        return error_detail(error, "%s", dlerror());
    }
    CK_C_GetFunctionList get_list;
    void *symbol = dlsym(module->library, "C_GetFunctionList");
    memcpy(&get_list, &symbol, sizeof(get_list)); /* ISO C has no object to function cast */
    if (symbol == NULL || get_list(&module->functions) != CKR_OK)
        return error_set(error, ERROR_HSM_UNAVAILABLE, "%s is no PKCS#11 module", module->path);
    CK_RV rv = initialize(module);
    return rv == CKR_OK ? 0 : hsm_error_set(error, rv, "C_Initialize");
}

static struct hsm_module *create(const char *path, const char *softhsm_config,
                                 struct error *error) {
    struct hsm_module *module = calloc(1, sizeof(*module));
    if (module == NULL || pthread_rwlock_init(&module->lock, NULL) != 0) {
        free(module);
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    module->path = strdup(path);
    module->softhsm_config = softhsm_config != NULL ? strdup(softhsm_config) : NULL;
    if (module->path == NULL || (softhsm_config != NULL && module->softhsm_config == NULL))
        error_set(error, ERROR_INTERNAL, "out of memory");
    else if (load(module, error) == 0)
        return module;
    free_module(module);
    return NULL;
}

static bool is_same(const struct hsm_module *module, const char *path, const char *config) {
    if (strcmp(module->path, path) != 0)
        return false;
    if (config == NULL || module->softhsm_config == NULL)
        return config == module->softhsm_config;
    return strcmp(module->softhsm_config, config) == 0;
}

struct hsm_module *hsm_module_acquire(const char *path, const char *softhsm_config,
                                      struct error *error) {
    pthread_mutex_lock(&registry_mutex);
    struct hsm_module *module = the_module;
    if (module == NULL)
        module = the_module = create(path, softhsm_config, error);
    else if (!is_same(module, path, softhsm_config)) {
        error_set(error, ERROR_CONFLICT, "another PKCS#11 module or token directory is open");
        module = NULL;
    }
    if (module != NULL)
        module->references++;
    pthread_mutex_unlock(&registry_mutex);
    return module;
}

void hsm_module_release(struct hsm_module *module) {
    if (module == NULL)
        return;
    pthread_mutex_lock(&registry_mutex);
    if (--module->references == 0) {
        (void)module->functions->C_Finalize(NULL);
        free_module(module);
        the_module = NULL;
    }
    pthread_mutex_unlock(&registry_mutex);
}

typedef bool slot_predicate(const CK_TOKEN_INFO *info, const char *label);

bool hsm_module_pad_label(const char *label, CK_UTF8CHAR padded[HSM_TOKEN_LABEL_SIZE]) {
    size_t length = strlen(label);
    for (size_t i = 0; i < HSM_TOKEN_LABEL_SIZE; i++)
        padded[i] = (CK_UTF8CHAR)(i < length ? label[i] : ' ');
    return length != 0 && length <= HSM_TOKEN_LABEL_SIZE;
}

static bool has_label(const CK_TOKEN_INFO *info, const char *label) {
    CK_UTF8CHAR padded[HSM_TOKEN_LABEL_SIZE];
    return (info->flags & CKF_TOKEN_INITIALIZED) != 0 && hsm_module_pad_label(label, padded) &&
           memcmp(padded, info->label, sizeof(padded)) == 0;
}

static bool is_blank(const CK_TOKEN_INFO *info, const char *label) {
    (void)label;
    return (info->flags & CKF_TOKEN_INITIALIZED) == 0;
}

static CK_RV find_slot(struct hsm_module *module, slot_predicate *fits, const char *label,
                       CK_SLOT_ID *slot) {
    CK_ULONG count = 0;
    /* Asking for the number first makes SoftHSM look at its directory again. */
    CK_RV rv = module->functions->C_GetSlotList(CK_TRUE, NULL, &count);
    if (rv != CKR_OK)
        return rv;
    CK_SLOT_ID *slots = calloc(count + 1, sizeof(*slots));
    if (slots == NULL)
        return CKR_HOST_MEMORY;
    rv = module->functions->C_GetSlotList(CK_TRUE, slots, &count);
    CK_RV result = rv == CKR_OK ? CKR_TOKEN_NOT_PRESENT : rv;
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        CK_TOKEN_INFO info;
        if (module->functions->C_GetTokenInfo(slots[i], &info) == CKR_OK && fits(&info, label)) {
            *slot = slots[i];
            result = CKR_OK;
            break;
        }
    }
    free(slots);
    return result;
}

CK_RV hsm_module_find_token(struct hsm_module *module, const char *label, CK_SLOT_ID *slot) {
    return find_slot(module, has_label, label, slot);
}

CK_RV hsm_module_find_blank(struct hsm_module *module, CK_SLOT_ID *slot) {
    return find_slot(module, is_blank, NULL, slot);
}

int hsm_error_set(struct error *error, CK_RV rv, const char *what) {
    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_INVALID: error_set(error, ERROR_DENIED, "the token refused the PIN"); break;
    case CKR_PIN_LOCKED: error_set(error, ERROR_DENIED, "the token's PIN is locked"); break;
    case CKR_DEVICE_MEMORY: error_set(error, ERROR_STORAGE_FULL, "the token is full"); break;
    case CKR_TOKEN_NOT_PRESENT:
        error_set(error, ERROR_HSM_UNAVAILABLE, "the token is not there");
        break;
    default: error_set(error, ERROR_HSM_UNAVAILABLE, "the HSM is not available"); break;
    }
    return error_detail(error, "%s: CK_RV 0x%lx", what, rv);
}
