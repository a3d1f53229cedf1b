#include "hsm/objects.h"

#include <stdlib.h>
#include <string.h>

CK_BBOOL hsm_true = CK_TRUE;
CK_BBOOL hsm_false = CK_FALSE;
const uint8_t hsm_p256_parameters[10] = {0x06, 0x08, 0x2A, 0x86, 0x48,
                                         0xCE, 0x3D, 0x03, 0x01, 0x07};

CK_RV hsm_find(struct hsm *hsm, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
               CK_ULONG template_count, CK_OBJECT_HANDLE *found, size_t capacity, size_t *count) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    CK_ULONG got = 0;
    *count = 0;
    CK_RV rv = functions->C_FindObjectsInit(session, template, template_count);
    if (rv != CKR_OK)
        return rv;
    rv = functions->C_FindObjects(session, found, (CK_ULONG)capacity, &got);
    CK_RV final = functions->C_FindObjectsFinal(session);
    if (rv != CKR_OK)
        return rv;
    *count = got;
    return final;
}

CK_RV hsm_read_point(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                     uint8_t point[HSM_POINT_SIZE]) {
    uint8_t value[HSM_POINT_SIZE + 2];
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, value, sizeof(value)};
    CK_RV rv = hsm->module->functions->C_GetAttributeValue(session, object, &attribute, 1);
    if (rv != CKR_OK)
        return rv;
    if (attribute.ulValueLen == HSM_POINT_SIZE + 2 && value[0] == 0x04 &&
        value[1] == HSM_POINT_SIZE && value[2] == 0x04)
        memcpy(point, value + 2, HSM_POINT_SIZE);
    else if (attribute.ulValueLen == HSM_POINT_SIZE && value[0] == 0x04)
        memcpy(point, value, HSM_POINT_SIZE);
    else
        return CKR_ATTRIBUTE_VALUE_INVALID;
    return CKR_OK;
}

/* Exactly one object of the class and label. */
static CK_RV find_one(struct hsm *hsm, CK_OBJECT_CLASS object_class, const char *label,
                      CK_OBJECT_HANDLE *handle) {
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_TOKEN, &hsm_true, sizeof(hsm_true)},
        {CKA_LABEL, (void *)label, (CK_ULONG)strlen(label)},
    };
    CK_OBJECT_HANDLE found[2];
    size_t count;
    CK_RV rv = hsm_find(hsm, hsm->keeper, template, HSM_COUNT(template), found, 2, &count);
    if (rv != CKR_OK)
        return rv;
    if (count != 1)
        return CKR_OBJECT_HANDLE_INVALID;
    *handle = found[0];
    return CKR_OK;
}

/* A token object costs SoftHSM several file operations on every use; a copy in the session costs
 * none, and stays sensitive and not extractable. Modules that cannot copy keep the original. */
static CK_OBJECT_HANDLE copy_to_session(struct hsm *hsm, CK_OBJECT_HANDLE original) {
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &hsm_false, sizeof(hsm_false)}};
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    CK_RV rv = hsm->module->functions->C_CopyObject(hsm->keeper, original, template, 1, &copy);
    return rv == CKR_OK ? copy : original;
}

static CK_RV load_public_key(struct hsm *hsm, struct hsm_key *key) {
    CK_OBJECT_HANDLE object;
    uint8_t point[HSM_POINT_SIZE];
    CK_RV rv = find_one(hsm, CKO_PUBLIC_KEY, key->label, &object);
    if (rv == CKR_OK)
        rv = hsm_read_point(hsm, hsm->keeper, object, point);
    if (rv != CKR_OK)
        return rv;
    /* A restored token must hold the key we know, not another one under its label. */
    if (key->has_public_key && memcmp(key->public_key, point + 1, HSM_PUBLIC_KEY_SIZE) != 0)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(key->public_key, point + 1, HSM_PUBLIC_KEY_SIZE);
    key->has_public_key = true;
    return CKR_OK;
}

int hsm_key_locate(struct hsm *hsm, struct hsm_key *key, struct error *error) {
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    key->object_class = CKO_PRIVATE_KEY;
    CK_RV rv = find_one(hsm, CKO_PRIVATE_KEY, key->label, &object);
    if (rv == CKR_OK) {
        rv = load_public_key(hsm, key);
        if (rv == CKR_OK)
            object = copy_to_session(hsm, object);
    } else if (rv == CKR_OBJECT_HANDLE_INVALID) {
        key->object_class = CKO_SECRET_KEY;
        rv = find_one(hsm, CKO_SECRET_KEY, key->label, &object);
    }
    if (rv == CKR_OBJECT_HANDLE_INVALID) {
        error_set(error, ERROR_NOT_FOUND, "no key \"%s\" in the token", key->label);
        return error_detail(error, "none, or more than one");
    }
    if (rv != CKR_OK)
        return hsm_error_set(error, rv, "key search");
    key->handle = object;
    return 0;
}

/* Objects of a label, collected inside of one operation. */
struct search {
    const char *label;
    CK_OBJECT_HANDLE found[16];
    size_t count;
};

static CK_RV search_label(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct search *search = context;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &hsm_true, sizeof(hsm_true)},
        {CKA_LABEL, (void *)search->label, (CK_ULONG)strlen(search->label)},
    };
    return hsm_find(hsm, session, template, HSM_COUNT(template), search->found,
                    HSM_COUNT(search->found), &search->count);
}

int hsm_label_check(struct hsm *hsm, const char *label, struct error *error) {
    struct search search = {.label = label};
    size_t length = strlen(label);
    if (length == 0 || length > HSM_LABEL_MAX)
        return error_set(error, ERROR_USAGE, "a key label has 1 to %d bytes", HSM_LABEL_MAX);
    if (hsm_run(hsm, "C_FindObjects", search_label, &search, error) != CKR_OK)
        return -1;
    if (search.count != 0)
        return error_set(error, ERROR_CONFLICT, "the token has a key \"%s\" already", label);
    return 0;
}

static CK_RV destroy_label(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    struct search *search = context;
    CK_RV rv = search_label(hsm, session, search);
    for (size_t i = 0; rv == CKR_OK && i < search->count; i++)
        rv = hsm->module->functions->C_DestroyObject(session, search->found[i]);
    return rv;
}

/* A destroyed key must not live on as a session copy. */
static void forget_key(struct hsm *hsm, const char *label) {
    pthread_mutex_lock(&hsm->keys_mutex);
    pthread_rwlock_wrlock(&hsm->module->lock);
    for (struct hsm_key *key = hsm->keys; key != NULL; key = key->next) {
        if (strcmp(key->label, label) != 0)
            continue;
        if (key->object_class == CKO_PRIVATE_KEY && key->handle != CK_INVALID_HANDLE)
            (void)hsm->module->functions->C_DestroyObject(hsm->keeper, key->handle);
        key->handle = CK_INVALID_HANDLE;
        key->has_public_key = false; /* a new key may take the label */
    }
    pthread_rwlock_unlock(&hsm->module->lock);
    pthread_mutex_unlock(&hsm->keys_mutex);
}

int hsm_destroy(struct hsm *hsm, const char *label, struct error *error) {
    struct search search = {.label = label};
    if (hsm_run(hsm, "C_DestroyObject", destroy_label, &search, error) != CKR_OK)
        return -1;
    forget_key(hsm, label);
    if (search.count == 0)
        return error_set(error, ERROR_NOT_FOUND, "no key \"%s\" in the token", label);
    return 0;
}

struct listed {
    char label[HSM_LABEL_MAX + 1];
    CK_OBJECT_CLASS object_class;
    CK_KEY_TYPE key_type;
};

struct listing {
    struct listed *items;
    size_t count;
    size_t capacity;
};

static CK_RV list_one(struct hsm *hsm, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      struct listing *listing) {
    struct listed item = {.key_type = CK_UNAVAILABLE_INFORMATION};
    CK_ATTRIBUTE attributes[] = {
        {CKA_CLASS, &item.object_class, sizeof(item.object_class)},
        {CKA_KEY_TYPE, &item.key_type, sizeof(item.key_type)},
        {CKA_LABEL, item.label, HSM_LABEL_MAX},
    };
    /* An object that is no key has no key type: the call then fails, the rest is filled. */
    (void)hsm->module->functions->C_GetAttributeValue(session, object, attributes,
                                                      HSM_COUNT(attributes));
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 32 : 2 * listing->capacity;
        struct listed *items = realloc(listing->items, capacity * sizeof(*items));
        if (items == NULL)
            return CKR_HOST_MEMORY;
        listing->items = items;
        listing->capacity = capacity;
    }
    listing->items[listing->count++] = item;
    return CKR_OK;
}

static CK_RV list_all(struct hsm *hsm, CK_SESSION_HANDLE session, void *context) {
    CK_FUNCTION_LIST *functions = hsm->module->functions;
    struct listing *listing = context;
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &hsm_true, sizeof(hsm_true)}};
    listing->count = 0;
    CK_RV rv = functions->C_FindObjectsInit(session, template, 1);
    if (rv != CKR_OK)
        return rv;
    CK_OBJECT_HANDLE object;
    CK_ULONG got = 1;
    while (rv == CKR_OK && got != 0) {
        rv = functions->C_FindObjects(session, &object, 1, &got);
        if (rv == CKR_OK && got == 1)
            rv = list_one(hsm, session, object, listing);
    }
    (void)functions->C_FindObjectsFinal(session);
    return rv;
}

int hsm_list(struct hsm *hsm, hsm_object_visitor *visit, void *context, struct error *error) {
    struct listing listing = {0};
    CK_RV rv = hsm_run(hsm, "C_FindObjects", list_all, &listing, error);
    for (size_t i = 0; rv == CKR_OK && i < listing.count; i++)
        visit(context, listing.items[i].label, listing.items[i].object_class,
              listing.items[i].key_type);
    free(listing.items);
    return rv == CKR_OK ? 0 : -1;
}
