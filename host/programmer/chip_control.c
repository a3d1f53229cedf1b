/*
 * chip.show and chip.rma: one chip, outside of any production (docs/formats/control.md).
 */
#include "programmer/programmer.h"

#include "base/encoding.h"
#include "base/json.h"
#include "base/log.h"
#include "cose/permit.h"
#include "crypto/crypto.h"
#include "programmer/chip_boot.h"
#include "programmer/chip_names.h"
#include "programmer/site.h"
#include "spdm/spdm_measurement.h"

#include <string.h>

#define MEET_MS    CHIP_LINK_CONNECT_MS
#define MEET_TRIES 4
#define RESTART_MS 30000
/* Every page of flash is erased before the chip is back. */
#define RMA_MS 120000

static int chip_find(struct programmer *programmer, const struct unit_site *site, struct chip *chip,
                     struct devauth_device_info *info, struct error *error) {
    const struct chip_options options = {
        .identity = &programmer->identity,
        .key_store = &programmer->key_store,
        .clock = programmer->clock,
        .stop = &programmer->stop,
    };
    if (chip_open(chip, site->uart, &options, error) != 0)
        return -1;
    int failed = -1;
    for (int i = 0; i < MEET_TRIES && failed != 0; i++) {
        failed = chip_meet(chip, MEET_MS, info, error);
        if (failed != 0 && error->code != ERROR_DEVICE_LINK)
            break;
    }
    if (failed != 0)
        chip_close(chip);
    return failed;
}

static json_t *measurements_json(struct bytes record) {
    struct reader reader;
    json_t *list = json_array();
    reader_init(&reader, record);
    while (reader_remaining(&reader) > 0 && reader_check(&reader) == STATUS_OK) {
        struct spdm_measurement measured;
        spdm_measurement_next(&reader, &measured);
        if (reader_check(&reader) == STATUS_OK)
            (void)json_array_append_new(list, json_pack("{s:I,s:s,s:o}", "index",
                                                        (json_int_t)measured.index, "name",
                                                        chip_measurement_name(measured.index),
                                                        "value_hex", json_hex(measured.value)));
    }
    return list;
}

/* "none", "ephemeral", "untrusted" or "verified"; the last with a session. */
static const char *chain_look(struct chip *chip, const struct devauth_device_info *info) {
    struct error error = {0};
    if (info->stage == DEVAUTH_STAGE_BOOT_ROM)
        return "none";
    if (info->stage == DEVAUTH_STAGE_DEVAUTH && (info->flags & DEVAUTH_FLAG_ISSUED_CHAIN) == 0)
        return "ephemeral";
    chip_expect_anybody(chip);
    chip_expect_stage(chip, (enum devauth_stage_id)info->stage);
    if (chip_session(chip, &error) == 0)
        return "verified";
    log_error_event("chip.show", &error);
    return "untrusted";
}

static void measured_add(struct chip *chip, json_t *shown) {
    struct buffer transcript = {0};
    struct error error;
    struct bytes record = bytes_of(NULL, 0);
    uint8_t nonce[32];
    (void)json_object_set_new(shown, "certificate_sha256_hex",
                              json_hex(bytes_of(chip->leaf.sha256, 32)));
    if (crypto_random(nonce, sizeof nonce) != STATUS_OK ||
        chip_measure(chip, nonce, &transcript, &error) != 0 ||
        spdm_measurement_verify(buffer_bytes(&transcript), chip->leaf.public_key, nonce, &record) !=
            STATUS_OK)
        record = bytes_of(NULL, 0);
    (void)json_object_set_new(shown, "measurements", measurements_json(record));
    buffer_free(&transcript);
}

static json_t *chip_describe(struct chip *chip, const struct devauth_device_info *info) {
    struct devauth_boot_state state;
    struct error error;
    json_t *shown = chip_info_json(info);
    bool has_state = chip_boot_state(chip, &state, &error) == 0;
    (void)json_object_set_new(shown, "boot",
                              has_state ? chip_boot_state_json(&state) : json_null());
    (void)json_object_set_new(shown, "certificate_sha256_hex", json_null());
    (void)json_object_set_new(shown, "measurements", json_array());
    const char *chain = chain_look(chip, info);
    (void)json_object_set_new(shown, "chain", json_string(chain));
    if (strcmp(chain, "verified") == 0)
        measured_add(chip, shown);
    chip_end_session(chip);
    return shown;
}

/* A site nobody else works at meanwhile, of a programmer that is prepared. */
static int site_begin(struct programmer *programmer, const json_t *params, struct unit_site *site,
                      int *slot, struct error *error) {
    const json_t *object = json_object_get(params, "site");
    if (object == NULL)
        return error_set(error, ERROR_BAD_REQUEST, "\"site\" is missing");
    if (site_read(object, site, error) != 0 || programmer_check_prepared(programmer, error) != 0)
        return -1;
    return site_take(programmer, site, slot, error);
}

static int show_locked(struct programmer *programmer, const json_t *params, json_t **result,
                       struct error *error) {
    struct unit_site site = {0};
    struct chip chip;
    struct devauth_device_info info;
    int slot = -1;
    if (site_begin(programmer, params, &site, &slot, error) != 0)
        return -1;
    int failed = chip_find(programmer, &site, &chip, &info, error);
    if (failed == 0) {
        *result = chip_describe(&chip, &info);
        chip_close(&chip);
    }
    site_give(programmer, slot);
    return failed;
}

int programmer_chip_show(void *context, const json_t *params, struct control_call *call,
                         json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)call;
    (void)pthread_rwlock_rdlock(&programmer->lock);
    int failed = show_locked(programmer, params, result, error);
    (void)pthread_rwlock_unlock(&programmer->lock);
    return failed;
}

/* DevAuth and BL2 execute the permit; an application is told to make room for BL2. */
static int rma_reach(struct chip *chip, struct devauth_device_info *info, struct error *error) {
    if (info->stage == DEVAUTH_STAGE_BOOT_ROM)
        return error_set(error, ERROR_DEVICE_REFUSED,
                         "the chip runs neither DevAuth nor BL2, which would take the permit");
    chip_expect_anybody(chip);
    chip_expect_stage(chip, (enum devauth_stage_id)info->stage);
    if (chip_session(chip, error) != 0)
        return -1;
    if (info->stage != DEVAUTH_STAGE_APPLICATION)
        return 0;
    const struct devauth_device_info before = *info;
    const struct chip_arrival arrival = {
        .before = &before, .stage = DEVAUTH_STAGE_BOOTLOADER, .patience_ms = RESTART_MS};
    if (chip_reboot(chip, DEVAUTH_REBOOT_STAY, error) != 0 ||
        chip_await(chip, &arrival, info, error) != 0)
        return -1;
    chip_expect_stage(chip, DEVAUTH_STAGE_BOOTLOADER);
    return chip_session(chip, error);
}

static int rma_permit(struct programmer *programmer, struct chip *chip, const uint8_t uid[16],
                      struct error *error) {
    struct buffer permit = {0};
    uint8_t nonce[32];
    uint8_t key_hash[CRYPTO_DIGEST_SIZE];
    crypto_sha256(bytes_of(chip->leaf.public_key, 64), key_hash);
    int failed = chip_permit_nonce(chip, PERMIT_RMA, nonce, error);
    if (failed == 0)
        failed = server_permit_rma(programmer->server, uid, nonce, key_hash, &permit, error);
    if (failed == 0)
        failed = chip_permit_execute(chip, buffer_bytes(&permit), error);
    /* A chip that has erased itself may not come to its answer. */
    if (failed != 0 && error->code == ERROR_DEVICE_LINK && permit.size > 0)
        failed = 0;
    buffer_free(&permit);
    return failed;
}

/* No permit: the application, which was told to make room, starts again. */
static void go_back(struct chip *chip, uint8_t stage) {
    struct error ignored;
    if (stage == DEVAUTH_STAGE_APPLICATION)
        (void)chip_reboot(chip, DEVAUTH_REBOOT_NORMAL, &ignored);
}

static int rma_execute(struct programmer *programmer, struct chip *chip,
                       struct devauth_device_info *info, struct error *error) {
    const struct devauth_device_info before = *info;
    const struct chip_arrival arrival = {
        .before = &before, .stage = DEVAUTH_STAGE_BOOT_ROM, .patience_ms = RMA_MS};
    if (info->life_cycle == CHIP_LIFE_RMA)
        return 0;
    if (rma_reach(chip, info, error) != 0)
        return -1;
    if (rma_permit(programmer, chip, before.uid, error) != 0) {
        go_back(chip, before.stage);
        return -1;
    }
    if (chip_await(chip, &arrival, info, error) != 0)
        return -1;
    if (info->life_cycle != CHIP_LIFE_RMA)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip came back with life cycle %s",
                         chip_life_name(info->life_cycle));
    return 0;
}

static int rma_locked(struct programmer *programmer, const json_t *params, json_t **result,
                      struct error *error) {
    struct unit_site site = {0};
    struct chip chip;
    struct devauth_device_info info;
    uint8_t uid[DEVAUTH_UID_SIZE];
    char uid_text[2 * DEVAUTH_UID_SIZE + 1];
    int slot = -1;
    if (json_read_hex(params, "uid", uid, sizeof uid, error) != 0 ||
        site_begin(programmer, params, &site, &slot, error) != 0)
        return -1;
    int failed = chip_find(programmer, &site, &chip, &info, error);
    if (failed == 0) {
        failed =
            memcmp(info.uid, uid, sizeof uid) == 0
                ? rma_execute(programmer, &chip, &info, error)
                : error_set(error, ERROR_DEVICE_REFUSED, "the chip at this site is another one");
        chip_close(&chip);
    }
    site_give(programmer, slot);
    hex_encode_upper(bytes_of(uid, sizeof uid), uid_text);
    log_info("chip.rma", "uid", uid_text, "result", failed == 0 ? "rma" : error->message);
    if (failed == 0)
        *result = json_pack("{s:s,s:s}", "uid", uid_text, "state", "rma");
    return failed;
}

int programmer_chip_rma(void *context, const json_t *params, struct control_call *call,
                        json_t **result, struct error *error) {
    struct programmer *programmer = context;
    (void)call;
    (void)pthread_rwlock_rdlock(&programmer->lock);
    int failed = rma_locked(programmer, params, result, error);
    (void)pthread_rwlock_unlock(&programmer->lock);
    return failed;
}
