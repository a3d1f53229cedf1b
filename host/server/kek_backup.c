#include "server/kek_backup.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "hsm/kek.h"
#include "server/authority.h"

#include <libgfshare.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKUP_TYPE "nusec-kek-backup"
#define SHARE_TYPE  "nusec-kek-share"
#define ID_SIZE     16
#define FILE_LIMIT  4096

static const char *const KEKS[] = {KEY_KEK_BOOT, KEY_KEK_PROGRAMMER, KEY_KEK_CONTENT};
#define KEK_COUNT (sizeof KEKS / sizeof KEKS[0])

struct share {
    uint8_t id[ID_SIZE];
    uint32_t number; /* 1 to KEK_SHARES_MAX */
    uint32_t threshold;
    uint8_t value[HSM_BACKUP_KEY_SIZE];
};

struct backup {
    uint8_t id[ID_SIZE];
    uint32_t threshold;
    uint8_t wrapped[KEK_COUNT][HSM_WRAPPED_KEK_SIZE];
};

/* The library has no way to hear of a failure, and shares made of anything else are no secret. */
static void fill_random(unsigned char *out, unsigned size) {
    if (RAND_bytes(out, (int)size) != 1) {
        fputs("nusec-server: no random numbers\n", stderr);
        abort();
    }
}

static int write_json(const char *directory, const char *name, json_t *value, struct error *error) {
    struct buffer text = {0};
    char *path = path_join(directory, name);
    int result = path != NULL && value != NULL ? json_write(value, &text, error)
                                               : error_set(error, ERROR_INTERNAL, "out of memory");

    if (result == 0)
        result = file_create_durable(path, buffer_bytes(&text), 0600, error);
    if (text.data != NULL)
        secret_wipe(text.data, text.size);
    buffer_free(&text);
    json_decref(value);
    free(path);
    return result;
}

static int write_share(const char *directory, const struct share *share, unsigned shares,
                       struct error *error) {
    char name[32];

    snprintf(name, sizeof name, "share-%u.json", share->number);
    return write_json(directory, name,
                      json_pack("{s:s, s:o, s:I, s:I, s:I, s:o}", "type", SHARE_TYPE, "backup_hex",
                                json_hex(bytes_of(share->id, ID_SIZE)), "share",
                                (json_int_t)share->number, "shares", (json_int_t)shares,
                                "threshold", (json_int_t)share->threshold, "value_hex",
                                json_hex(bytes_of(share->value, sizeof share->value))),
                      error);
}

static int write_shares(const struct kek_backup_order *order, const uint8_t id[ID_SIZE],
                        uint8_t backup_key[HSM_BACKUP_KEY_SIZE], struct error *error) {
    uint8_t numbers[KEK_SHARES_MAX];
    struct share share = {.threshold = order->threshold};
    gfshare_ctx *split;
    int result = 0;

    for (unsigned i = 0; i < order->shares; i++)
        numbers[i] = (uint8_t)(i + 1);
    gfshare_fill_rand = fill_random;
    split = gfshare_ctx_init_enc(numbers, order->shares, (uint8_t)order->threshold,
                                 HSM_BACKUP_KEY_SIZE);
    if (split == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    gfshare_ctx_enc_setsecret(split, backup_key);
    memcpy(share.id, id, ID_SIZE);
    for (unsigned i = 0; result == 0 && i < order->shares; i++) {
        share.number = numbers[i];
        gfshare_ctx_enc_getshare(split, (uint8_t)i, share.value);
        result = write_share(order->directory, &share, order->shares, error);
    }
    gfshare_ctx_free(split); /* wipes */
    secret_wipe(&share, sizeof share);
    return result;
}

static json_t *backup_json(const struct backup *backup, unsigned shares) {
    json_t *keys = json_object();

    for (size_t i = 0; i < KEK_COUNT; i++)
        (void)json_object_set_new(keys, KEKS[i],
                                  json_hex(bytes_of(backup->wrapped[i], HSM_WRAPPED_KEK_SIZE)));
    return json_pack("{s:s, s:o, s:I, s:I, s:o}", "type", BACKUP_TYPE, "backup_hex",
                     json_hex(bytes_of(backup->id, ID_SIZE)), "shares", (json_int_t)shares,
                     "threshold", (json_int_t)backup->threshold, "keys", keys);
}

int kek_backup_make(struct hsm *hsm, const struct kek_backup_order *order, struct error *error) {
    uint8_t backup_key[HSM_BACKUP_KEY_SIZE];
    struct backup backup = {.threshold = order->threshold};
    int result = 0;

    if (order->threshold < 2 || order->threshold > order->shares || order->shares > KEK_SHARES_MAX)
        return error_set(error, ERROR_USAGE,
                         "2 to %d shares, of which 2 or more, at most all, are needed",
                         KEK_SHARES_MAX);
    if (directory_create_private(order->directory, error) != 0)
        return -1;
    if (RAND_bytes(backup_key, sizeof backup_key) != 1 || RAND_bytes(backup.id, ID_SIZE) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    for (size_t i = 0; result == 0 && i < KEK_COUNT; i++)
        result = hsm_kek_make(hsm, KEKS[i], backup_key, backup.wrapped[i], error);
    if (result == 0)
        result = write_json(order->directory, "kek-backup.json",
                            backup_json(&backup, order->shares), error);
    if (result == 0)
        result = write_shares(order, backup.id, backup_key, error);
    secret_wipe(backup_key, sizeof backup_key);
    return result;
}

/* A file of one of the two types. NULL with `error`. */
static json_t *read_json(const char *path, const char *type, struct error *error) {
    struct buffer text = {0};
    const char *found;
    json_t *value = NULL;

    if (file_read(path, FILE_LIMIT, &text, error) == 0)
        value = json_parse_object(buffer_bytes(&text), error);
    if (text.data != NULL)
        secret_wipe(text.data, text.size);
    buffer_free(&text);
    if (value == NULL)
        return NULL;
    if (json_read_string(value, "type", &found, error) != 0 || strcmp(found, type) != 0) {
        error_set(error, ERROR_USAGE, "%.200s is not a %s", path, type);
        json_decref(value);
        return NULL;
    }
    return value;
}

static int read_backup(const char *path, struct backup *backup, struct error *error) {
    json_t *value = read_json(path, BACKUP_TYPE, error);
    const json_t *keys = value != NULL ? json_object_get(value, "keys") : NULL;
    int result = value != NULL ? 0 : -1;

    if (result == 0 && !json_is_object(keys))
        result = error_set(error, ERROR_USAGE, "%.200s holds no keys", path);
    if (result == 0)
        result = json_read_hex(value, "backup_hex", backup->id, ID_SIZE, error);
    if (result == 0)
        result = json_read_u32(value, "threshold", &backup->threshold, error);
    for (size_t i = 0; result == 0 && i < KEK_COUNT; i++)
        result = json_read_hex(keys, KEKS[i], backup->wrapped[i], HSM_WRAPPED_KEK_SIZE, error);
    json_decref(value);
    return result;
}

static int read_share(const char *path, const struct backup *backup, struct share *share,
                      struct error *error) {
    json_t *value = read_json(path, SHARE_TYPE, error);
    int result = value != NULL ? 0 : -1;

    if (result == 0)
        result = json_read_hex(value, "backup_hex", share->id, ID_SIZE, error);
    if (result == 0)
        result = json_read_u32(value, "share", &share->number, error);
    if (result == 0)
        result = json_read_hex(value, "value_hex", share->value, sizeof share->value, error);
    json_decref(value);
    if (result != 0)
        return -1;
    if (memcmp(share->id, backup->id, ID_SIZE) != 0)
        return error_set(error, ERROR_USAGE, "%.200s is a share of another backup", path);
    if (share->number == 0 || share->number > KEK_SHARES_MAX)
        return error_set(error, ERROR_USAGE, "%.200s has no such number as %u", path,
                         share->number);
    return 0;
}

static int combine(struct share *shares, size_t count, uint8_t backup_key[HSM_BACKUP_KEY_SIZE],
                   struct error *error) {
    uint8_t numbers[KEK_SHARES_MAX];
    gfshare_ctx *joined;

    for (size_t i = 0; i < count; i++) {
        numbers[i] = (uint8_t)shares[i].number;
        for (size_t j = 0; j < i; j++)
            if (numbers[j] == numbers[i])
                return error_set(error, ERROR_USAGE, "share %u is given twice", numbers[i]);
    }
    gfshare_fill_rand = fill_random; /* gfshare_ctx_free overwrites with it */
    joined = gfshare_ctx_init_dec(numbers, (unsigned)count, HSM_BACKUP_KEY_SIZE);
    if (joined == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    for (size_t i = 0; i < count; i++)
        gfshare_ctx_dec_giveshare(joined, (uint8_t)i, shares[i].value);
    gfshare_ctx_dec_extract(joined, backup_key);
    gfshare_ctx_free(joined);
    return 0;
}

static int gather(const struct backup *backup, const char *const *paths, size_t count,
                  uint8_t backup_key[HSM_BACKUP_KEY_SIZE], struct error *error) {
    struct share shares[KEK_SHARES_MAX] = {0};
    int result = 0;

    if (count > KEK_SHARES_MAX)
        return error_set(error, ERROR_USAGE, "more than %d shares", KEK_SHARES_MAX);
    if (backup->threshold < 2 || count < backup->threshold)
        return error_set(error, ERROR_USAGE, "%zu shares of the %u that this backup needs", count,
                         backup->threshold);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = read_share(paths[i], backup, &shares[i], error);
    if (result == 0)
        result = combine(shares, count, backup_key, error);
    secret_wipe(shares, sizeof shares);
    return result;
}

/* A run that was cut off goes on: keys that are there stay. */
static int restore_missing(struct hsm *hsm, const struct backup *backup,
                           const uint8_t backup_key[HSM_BACKUP_KEY_SIZE], struct error *error) {
    size_t present = 0;

    for (size_t i = 0; i < KEK_COUNT; i++) {
        if (hsm_kek_restore(hsm, KEKS[i], backup_key, backup->wrapped[i], error) == 0)
            continue;
        if (error->code != ERROR_CONFLICT)
            return -1;
        present++;
    }
    if (present < KEK_COUNT)
        return 0;
    (void)error_set(error, ERROR_CONFLICT, "the token has all of these keys");
    return error_hint(error, "nothing was changed; keys that are there are never replaced");
}

int kek_backup_restore(struct hsm *hsm, const char *backup_path, const char *const *share_paths,
                       size_t share_count, bool only_check, struct error *error) {
    uint8_t backup_key[HSM_BACKUP_KEY_SIZE];
    struct backup backup = {0};
    int result = 0;

    if (read_backup(backup_path, &backup, error) != 0 ||
        gather(&backup, share_paths, share_count, backup_key, error) != 0)
        return -1;
    /* All of them open, or none is put into the token. */
    for (size_t i = 0; result == 0 && i < KEK_COUNT; i++)
        result = hsm_kek_check(hsm, backup_key, backup.wrapped[i], error);
    if (result == 0 && !only_check)
        result = restore_missing(hsm, &backup, backup_key, error);
    secret_wipe(backup_key, sizeof backup_key);
    return result;
}
