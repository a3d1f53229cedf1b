#include "programmer/testing/fake_line.h"

#include "base/encoding.h"
#include "base/json.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "programmer/recovery.h"
#include "programmer/testing/fake_board.h"
#include "programmer/testing/fake_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_fake_chip(const struct fake_line *line) {
    return line->plan.devauth == NULL;
}

static const char *family_of(const struct fake_line *line) {
    return has_fake_chip(line) ? FAKE_CHIP_FAMILY : line->plan.chip_family;
}

static void devauth_offer(struct fake_line *line) {
    uint8_t image[FAKE_DEVAUTH_SIZE] = {0};
    char id[17];
    uint8_t digest[32];
    struct bytes devauth = bytes_of(image, sizeof image);
    fake_board_devauth(image);
    if (!has_fake_chip(line))
        devauth = buffer_bytes(line->plan.devauth);
    buffer_clear(&fake_server.firmware);
    buffer_clear(&fake_server.firmware_manifest);
    buffer_append(&fake_server.firmware, devauth.data, devauth.size);
    boot_key_manifest(&line->oem.boot_key, MANIFEST_KIND_DEVAUTH, family_of(line), 1,
                      buffer_bytes(&fake_server.firmware), &fake_server.firmware_manifest);
    crypto_sha256(buffer_bytes(&fake_server.firmware), digest);
    hex_encode(bytes_of(digest, 8), id);
    (void)snprintf(line->package.devauth_id, sizeof line->package.devauth_id, "fw-%s", id);
}

void fake_line_setting(struct fake_line *line, const char *key, const char *value) {
    struct package_setting *setting = &line->package.settings[line->package.setting_count++];
    (void)snprintf(setting->key, sizeof setting->key, "%s", key);
    (void)snprintf(setting->value, sizeof setting->value, "%s", value);
}

void fake_line_import(struct fake_line *line) {
    struct error error;
    struct buffer encoded = {0};
    oem_seal(&line->oem, &line->package, &encoded);
    json_t *result =
        oem_call(&line->programmer, programmer_package_import,
                 json_pack("{s:o}", "package_b64", json_base64(buffer_bytes(&encoded))), &error);
    if (result == NULL)
        fail_msg("%s", error.message);
    json_decref(result);
    buffer_free(&encoded);
}

static void firmware_take(struct fake_line *line) {
    struct error error;
    const struct firmware_order order = {
        .state_directory = line->directory,
        .id = line->package.devauth_id,
        .chip_family = family_of(line),
        .boot_key = line->oem.boot_key.public_key,
    };
    if (firmware_get(line->programmer.server, &order, &line->firmware, &error) != 0)
        fail_msg("%s", error.message);
}

static void images_offer(const struct fake_line *line) {
    if (has_fake_chip(line))
        fake_server_make_images(FAKE_LINE_BL2_SIZE, FAKE_LINE_BL3_SIZE);
    else
        fake_server_take_images(buffer_bytes(line->plan.bl2), buffer_bytes(line->plan.bl3));
}

static void job_offer(struct fake_line *line) {
    const char *debug = line->plan.debug;
    images_offer(line);
    fake_line_setting(line, "bl2", fake_server.images[0].id);
    fake_line_setting(line, "bl3", fake_server.images[1].id);
    if (debug != NULL)
        fake_line_setting(line, "debug", debug);
    fake_server.leaves_debug_open = debug != NULL && strcmp(debug, "open") == 0;
}

struct fake_line *fake_line_make(const struct fake_line_plan *plan) {
    struct fake_line *line = calloc(1, sizeof *line);
    assert_non_null(line);
    line->plan = *plan;
    line->directory = scratch_make();
    oem_open_programmer(&line->programmer, line->directory);
    oem_make(&line->oem, line->directory);
    fake_server_reset(&line->oem);
    fake_server.job_known = true;
    oem_prepare(&line->oem, &line->programmer);
    line->package = oem_package(&line->oem, 1, FAKE_LINE_COUNT, family_of(line), "");
    devauth_offer(line);
    job_offer(line);
    fake_line_import(line);
    firmware_take(line);
    if (has_fake_chip(line))
        fake_chip_make(&line->chip, line->directory, &line->oem);
    return line;
}

void fake_line_free(struct fake_line *line) {
    if (has_fake_chip(line))
        fake_chip_free(&line->chip);
    firmware_free(&line->firmware);
    programmer_close(&line->programmer);
    oem_free(&line->oem);
    scratch_remove(line->directory);
    free(line);
}

void fake_line_new_chip(struct fake_line *line) {
    fake_chip_free(&line->chip);
    fake_chip_make(&line->chip, line->directory, &line->oem);
}

void fake_line_restart(struct fake_line *line) {
    struct error error;
    programmer_close(&line->programmer);
    fake_server.fault = FAKE_NO_FAULT;
    fake_server.fault_call = 0;
    oem_open_programmer(&line->programmer, line->directory);
    struct job *job = programmer_job_use(&line->programmer, OEM_JOB_ID, &error);
    assert_non_null(job);
    if (recovery_run(job, line->programmer.server, &error) != 0)
        fail_msg("%s", error.message);
    programmer_job_release(&line->programmer, job);
}

void fake_line_start_over(struct fake_line *line) {
    char path[160];
    bool leaves_debug_open = fake_server.leaves_debug_open;
    programmer_close(&line->programmer);
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/ledger", line->directory);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/jobs/" OEM_JOB_ID "/acknowledged.json", line->directory);
    (void)unlink(path); /* not there if nothing was ever sent */
    fake_server_reset(&line->oem);
    fake_server.job_known = true;
    fake_server.leaves_debug_open = leaves_debug_open;
    images_offer(line);
    devauth_offer(line);
    oem_open_programmer(&line->programmer, line->directory);
    line->package.sequence++;
    fake_line_import(line);
}
