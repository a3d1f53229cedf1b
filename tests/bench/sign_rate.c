/*
 * The raw C_Sign rate of a token, as the ceiling the issuing server is measured against: a P-256
 * key copied to a session object, one session per thread, no other work.
 *
 *     sign_rate MODULE TOKEN_LABEL PIN_FILE KEY_LABEL THREADS SECONDS
 *
 * SOFTHSM2_CONF must name the token's configuration. Prints one JSON object.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static CK_FUNCTION_LIST *module;

struct worker {
    pthread_t thread;
    CK_SLOT_ID slot;
    const char *key_label;
    double seconds;
    unsigned long signatures;
    CK_RV result;
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static CK_RV session_copy(CK_SESSION_HANDLE session, const char *label, CK_OBJECT_HANDLE *copy) {
    CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE search[] = {{CKA_CLASS, &private_key, sizeof private_key},
                             {CKA_LABEL, (void *)(size_t)label, strlen(label)}};
    CK_OBJECT_HANDLE found = 0;
    CK_ULONG count = 0;
    CK_RV result = module->C_FindObjectsInit(session, search, 2);
    if (result == CKR_OK) {
        result = module->C_FindObjects(session, &found, 1, &count);
        module->C_FindObjectsFinal(session);
    }
    if (result != CKR_OK || count == 0) {
        return result != CKR_OK ? result : CKR_KEY_HANDLE_INVALID;
    }
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE on_session[] = {{CKA_TOKEN, &no, sizeof no}};
    return module->C_CopyObject(session, found, on_session, 1, copy);
}

static void *sign_for_a_while(void *context) {
    struct worker *worker = context;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key = 0;
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    CK_BYTE digest[32] = {1};
    CK_BYTE signature[64];
    worker->result = module->C_OpenSession(worker->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
                                           NULL, &session);
    if (worker->result == CKR_OK) {
        worker->result = session_copy(session, worker->key_label, &key);
    }
    double end = now_s() + worker->seconds;
    while (worker->result == CKR_OK && now_s() < end) {
        CK_ULONG size = sizeof signature;
        worker->result = module->C_SignInit(session, &ecdsa, key);
        if (worker->result == CKR_OK) {
            worker->result = module->C_Sign(session, digest, sizeof digest, signature, &size);
        }
        digest[0]++;
        worker->signatures++;
    }
    return NULL;
}

static int token_find(const char *label, CK_SLOT_ID *slot) {
    CK_SLOT_ID slots[16];
    CK_ULONG count = 16;
    if (module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK) {
        return -1;
    }
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (module->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            strncmp((const char *)info.label, label, strlen(label)) == 0) {
            *slot = slots[i];
            return 0;
        }
    }
    return -1;
}

static int login(CK_SLOT_ID slot, const char *pin_file) {
    char pin[256] = {0};
    FILE *file = fopen(pin_file, "r");
    if (file == NULL || fgets(pin, sizeof pin, file) == NULL) {
        return -1;
    }
    fclose(file);
    pin[strcspn(pin, "\r\n")] = 0;
    CK_SESSION_HANDLE session; /* stays open: the login lives as long as a session does */
    return module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) ==
                       CKR_OK &&
                   module->C_Login(session, CKU_USER, (CK_BYTE *)pin, strlen(pin)) == CKR_OK
               ? 0
               : -1;
}

static int module_load(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = NULL;
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    if (library != NULL) {
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
    }
    return get_list != NULL && get_list(&module) == CKR_OK &&
                   module->C_Initialize(&arguments) == CKR_OK
               ? 0
               : -1;
}

int main(int argc, char **argv) {
    enum { THREADS_MAX = 8 };
    struct worker workers[THREADS_MAX];
    CK_SLOT_ID slot;
    if (argc != 7 || module_load(argv[1]) != 0 || token_find(argv[2], &slot) != 0 ||
        login(slot, argv[3]) != 0) {
        fprintf(stderr, "usage: sign_rate MODULE TOKEN PIN_FILE KEY THREADS SECONDS\n");
        return 2;
    }
    unsigned threads = (unsigned)strtoul(argv[5], NULL, 10);
    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    double seconds = strtod(argv[6], NULL);
    unsigned long total = 0;
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.slot = slot, .key_label = argv[4], .seconds = seconds};
        pthread_create(&workers[i].thread, NULL, sign_for_a_while, &workers[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].result != CKR_OK) {
            fprintf(stderr, "sign_rate: PKCS#11 error 0x%lx\n", workers[i].result);
            return 1;
        }
        total += workers[i].signatures;
    }
    printf("{\"threads\":%u,\"signatures\":%lu,\"per_second\":%.0f}\n", threads, total,
           (double)total / seconds);
    return 0;
}
