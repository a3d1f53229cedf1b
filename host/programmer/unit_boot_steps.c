#include "programmer/unit_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "image/image_reason.h"
#include "image/image_trailer.h"
#include "programmer/job_file.h"

#include <stdio.h>
#include <string.h>

/* A nonce lives for a minute; a chip that was slow or a link that was lost may use it up. */
#define CHALLENGE_TRIES 3
/* boot_rom hashes BL2 and verifies one signature; on a slow core that takes seconds. */
#define BL2_START_MS 30000
/* BL2 swaps hundreds of pages before it starts the application. */
#define APPLICATION_START_MS 180000

static bool is_devauth(const struct unit *unit) {
    return unit->info.stage == DEVAUTH_STAGE_DEVAUTH;
}

static bool bl2_is_ready(const struct unit *unit) {
    return unit->look.has_bl2_key && unit->look.state.bl2.reason == IMAGE_ACCEPTED;
}

/* BL2 would start, or first install, what is there. */
static bool bl3_is_ready(const struct unit *unit) {
    return unit->look.state.primary.reason == IMAGE_ACCEPTED ||
           unit->look.state.swap == IMAGE_SWAP_TEST ||
           unit->look.state.swap == IMAGE_SWAP_PERMANENT;
}

bool unit_needs_bl2_challenge(const struct unit *unit) {
    return is_devauth(unit) && !bl2_is_ready(unit);
}

bool unit_needs_bl2_install(const struct unit *unit) {
    return unit_needs_bl2_challenge(unit) || unit->info.stage == DEVAUTH_STAGE_BOOT_ROM;
}

bool unit_needs_bl2_start(const struct unit *unit) {
    return is_devauth(unit) || unit->info.stage == DEVAUTH_STAGE_BOOT_ROM;
}

bool unit_needs_bl3(const struct unit *unit) {
    return unit->info.stage == DEVAUTH_STAGE_BOOTLOADER && !bl3_is_ready(unit);
}

bool unit_needs_application(const struct unit *unit) {
    return unit->info.stage != DEVAUTH_STAGE_APPLICATION;
}

static int image_ask(struct unit *unit, const char *target, struct error *error) {
    struct buffer transcript = {0};
    uint8_t nonce[32];
    uint64_t begin = clock_monotonic_us();
    buffer_free(&unit->image.tlvs);
    int failed = server_challenge(unit->order->server, unit->record.unit_id, target, nonce, error);
    unit->server_us += clock_monotonic_us() - begin;
    if (failed == 0)
        failed = chip_measure(&unit->chip, nonce, &transcript, error);
    if (failed == 0) {
        begin = clock_monotonic_us();
        failed = server_image(unit->order->server, unit->record.unit_id, target, nonce,
                              buffer_bytes(&transcript), &unit->image, error);
        unit->server_us += clock_monotonic_us() - begin;
    }
    buffer_free(&transcript);
    return failed;
}

/* The job says which firmware; a server that gives out another one serves another job. */
static int image_get(struct unit *unit, const char *firmware_id, struct error *error) {
    if (strcmp(unit->image.firmware_id, firmware_id) != 0)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE, "the job has %.32s, the server gave %s",
                         firmware_id, unit->image.firmware_id);
    uint64_t begin = clock_monotonic_us();
    buffer_clear(&unit->image_bytes);
    int failed = image_store_make(unit->order->images, &unit->image, &unit->image_bytes, error);
    unit->server_us += clock_monotonic_us() - begin;
    return failed;
}

static int challenge(struct unit *unit, const char *target, const char *firmware_id,
                     enum devauth_stage_id stage, struct error *error) {
    int failed = -1;
    if (unit_reach(unit, error) != 0)
        return -1;
    if (unit->info.stage != stage)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip was started again meanwhile");
    for (int i = 0; i < CHALLENGE_TRIES && failed != 0; i++) {
        failed = image_ask(unit, target, error);
        if (failed != 0 && error->code != ERROR_CHALLENGE_EXPIRED)
            return -1;
    }
    return failed != 0 ? -1 : image_get(unit, firmware_id, error);
}

/* Kept for a chip that one day cannot start its BL2: id, hashes and TLVs as they came. */
#define KEPT_ID_SIZE 32

static void bl2_keep(struct unit *unit) {
    uint8_t kept[KEPT_ID_SIZE + 4 + 3 * CRYPTO_DIGEST_SIZE + SERVER_TLVS_MAX];
    uint8_t id[KEPT_ID_SIZE] = {0};
    struct writer writer;
    struct error error;
    memcpy(id, unit->image.firmware_id, strlen(unit->image.firmware_id));
    writer_init(&writer, kept, sizeof kept);
    write_bytes(&writer, bytes_of(id, sizeof id));
    write_u32le(&writer, unit->image.body_size);
    write_bytes(&writer, bytes_of(unit->image.body_sha256, 32));
    write_bytes(&writer, bytes_of(unit->image.digest, 32));
    write_bytes(&writer, bytes_of(unit->image.key_hash, 32));
    write_bytes(&writer, buffer_bytes(&unit->image.tlvs));
    if (job_file_keep(unit->order->job, unit->record.uid, JOB_FILE_BL2, writer_bytes(&writer),
                      &error) != 0)
        log_error_event("unit.keep_bl2", &error);
}

static void copy(struct bytes from, void *to, size_t size) {
    if (from.size == size)
        memcpy(to, from.data, size);
}

static int kept_parse(struct unit *unit, struct bytes kept, struct error *error) {
    struct reader reader;
    struct server_image *image = &unit->image;
    reader_init(&reader, kept);
    *image = (struct server_image){0};
    copy(read_bytes(&reader, KEPT_ID_SIZE), image->firmware_id, KEPT_ID_SIZE);
    image->body_size = read_u32le(&reader);
    copy(read_bytes(&reader, 32), image->body_sha256, 32);
    copy(read_bytes(&reader, 32), image->digest, 32);
    copy(read_bytes(&reader, 32), image->key_hash, 32);
    struct bytes tlvs = read_rest(&reader);
    if (reader_check(&reader) != STATUS_OK)
        return error_set(error, ERROR_STORAGE, "what was kept of this chip's BL2 is damaged");
    buffer_append(&image->tlvs, tlvs.data, tlvs.size);
    return buffer_check(&image->tlvs, error);
}

/* For a chip in boot_rom, which has no identity there and nothing it could ask for anew. */
static int bl2_kept(struct unit *unit, struct error *error) {
    struct buffer kept = {0};
    buffer_free(&unit->image.tlvs);
    int failed = job_file_read(unit->order->job, unit->record.uid, JOB_FILE_BL2, &kept, error);
    if (failed != 0 && error->code == ERROR_NOT_FOUND)
        (void)error_set(error, ERROR_DEVICE_REFUSED,
                        "the chip's BL2 is broken, and nothing was kept here to repair it");
    if (failed == 0)
        failed = kept_parse(unit, buffer_bytes(&kept), error);
    buffer_free(&kept);
    return failed != 0 ? -1 : image_get(unit, unit->boot.bl2_id, error);
}

static void on_bytes(void *context, size_t done, size_t total) {
    struct unit *unit = context;
    unsigned begin = unit->percent;
    unsigned span = unit->percent_end - begin;
    char message[48];
    unit->percent = begin + (unsigned)(span * done / total);
    (void)snprintf(message, sizeof message, "%zu of %zu bytes", done, total);
    unit_report(unit, unit->step, message);
    unit->percent = begin;
}

int unit_bl2_challenge(struct unit *unit, struct error *error) {
    if (challenge(unit, "bl2", unit->boot.bl2_id, DEVAUTH_STAGE_DEVAUTH, error) != 0)
        return -1;
    bl2_keep(unit);
    return 0;
}

int unit_bl2_install(struct unit *unit, struct error *error) {
    if (unit_reach(unit, error) != 0)
        return -1;
    if (unit->info.stage == DEVAUTH_STAGE_BOOT_ROM && bl2_kept(unit, error) != 0)
        return -1;
    const struct chip_image image = {
        .target = DEVAUTH_TARGET_BL2,
        .bytes = buffer_bytes(&unit->image_bytes),
        .digest = unit->image.digest,
        .key_hash_missing = is_devauth(unit) && !unit->look.has_bl2_key,
        .progress = on_bytes,
        .context = unit,
    };
    return chip_install_image(&unit->chip, &image, error);
}

/* boot_rom has no session and starts what it accepted by itself; a repaired BL2 goes on to an
 * application that is whole. */
static int boot_rom_leave(struct unit *unit, struct error *error) {
    struct error unheard;
    const struct chip_arrival arrival = {.before = &unit->info,
                                         .stage = DEVAUTH_STAGE_BOOTLOADER,
                                         .or_later = true,
                                         .patience_ms = unit_start_ms(unit, BL2_START_MS)};
    struct devauth_device_info info;
    if (chip_reboot(&unit->chip, DEVAUTH_REBOOT_NORMAL, &unheard) != 0)
        log_info("unit.boot_rom", "reboot", unheard.message);
    if (chip_await(&unit->chip, &arrival, &info, error) != 0)
        return -1;
    return unit_reach(unit, error);
}

int unit_bl2_start(struct unit *unit, struct error *error) {
    if (unit_reach(unit, error) != 0)
        return -1;
    if (unit->info.stage == DEVAUTH_STAGE_BOOT_ROM)
        return boot_rom_leave(unit, error);
    if (!is_devauth(unit))
        return 0; /* the answer was lost, the chip was not */
    return unit_restart(unit, DEVAUTH_REBOOT_NORMAL, DEVAUTH_STAGE_BOOTLOADER, BL2_START_MS, error);
}

int unit_bl3_challenge(struct unit *unit, struct error *error) {
    return challenge(unit, "bl3", unit->boot.bl3_id, DEVAUTH_STAGE_BOOTLOADER, error);
}

int unit_bl3_install(struct unit *unit, struct error *error) {
    if (unit_reach(unit, error) != 0)
        return -1;
    const struct chip_image image = {
        .target = DEVAUTH_TARGET_BL3,
        .bytes = buffer_bytes(&unit->image_bytes),
        .digest = unit->image.digest,
        .progress = on_bytes,
        .context = unit,
    };
    if (chip_install_image(&unit->chip, &image, error) != 0)
        return -1;
    return unit_look(unit, error);
}

int unit_application(struct unit *unit, struct error *error) {
    if (unit_reach(unit, error) != 0)
        return -1;
    if (unit->info.stage != DEVAUTH_STAGE_APPLICATION &&
        unit_restart(unit, DEVAUTH_REBOOT_NORMAL, DEVAUTH_STAGE_APPLICATION, APPLICATION_START_MS,
                     error) != 0)
        return -1;
    /* The running application has the key, and not only a session somebody set up for it. */
    if (chip_challenge(&unit->chip, error) != 0)
        return -1;
    return unit_reach(unit, error);
}
