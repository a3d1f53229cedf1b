#include "programmer/chip_boot.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "image/image_reason.h"

#include <string.h>
#include <time.h>

#define COMMAND_MAX 64
/* The first try comes soon, for chips that start in no time; then slower ones are waited for. */
#define FIRST_CALL_MS 150
#define PAUSE_MS      50
/* How long an earlier stage must answer before it counts as the one that stays. The chip may have
 * been asked just before it went down. */
#define STAYS_MS 1000

static int install_begin(struct chip *chip, const struct chip_image *image,
                         struct devauth_install_grant *grant, struct error *error) {
    uint8_t request[COMMAND_MAX];
    struct writer writer;
    struct bytes answer;
    struct devauth_install install = {.target = (uint8_t)image->target,
                                      .size = (uint32_t)image->bytes.size};
    crypto_sha256(image->bytes, install.sha256);
    writer_init(&writer, request, sizeof request);
    devauth_request_install_begin(&writer, &install);
    if (chip_link_command(&chip->link, writer_bytes(&writer), &answer, error) != 0)
        return -1;
    if (devauth_read_install_grant(answer, grant) != STATUS_OK || grant->offset != 0)
        return chip_nonsense(error, "grant for the image");
    return 0;
}

static bool is_accepted(const struct chip_image *image, uint32_t reason) {
    return reason == IMAGE_ACCEPTED || (reason == IMAGE_REASON_KEY && image->key_hash_missing);
}

static int install_finish(struct chip *chip, const struct chip_image *image, struct error *error) {
    struct devauth_install_result result;
    struct bytes answer;
    if (chip_simple(chip, DEVAUTH_INSTALL_FINISH, &answer, error) != 0)
        return -1;
    if (devauth_read_install_result(answer, &result) != STATUS_OK || result.target != image->target)
        return chip_nonsense(error, "word on the image");
    if (!is_accepted(image, result.reason))
        return error_set(error, ERROR_IMAGE_REFUSED, "the chip refuses the image: %s",
                         image_reason_name((enum image_reason)result.reason));
    if (memcmp(result.digest, image->digest, sizeof result.digest) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip says it has another image than the one it was sent");
    return 0;
}

int chip_install_image(struct chip *chip, const struct chip_image *image, struct error *error) {
    struct devauth_install_grant grant;
    if (install_begin(chip, image, &grant, error) != 0 ||
        chip_link_bulk(&chip->link, image->bytes, &grant, image->progress, image->context, error) !=
            0)
        return -1;
    return install_finish(chip, image, error);
}

int chip_boot_state(struct chip *chip, struct devauth_boot_state *state, struct error *error) {
    struct bytes answer;
    if (chip_simple(chip, DEVAUTH_BOOT_STATE, &answer, error) != 0)
        return -1;
    return devauth_read_boot_state(answer, state) == STATUS_OK ? 0
                                                               : chip_nonsense(error, "boot state");
}

int chip_measure(struct chip *chip, const uint8_t nonce[32], struct buffer *transcript,
                 struct error *error) {
    struct spdm_requester *requester = &chip->link.requester;
    enum status started = spdm_requester_measurements(requester, SPDM_MEASUREMENT_ALL, nonce);
    if (chip_link_run(&chip->link, started, error) != 0)
        return -1;
    struct bytes made = spdm_requester_measurement_transcript(requester);
    buffer_append(transcript, made.data, made.size);
    return buffer_check(transcript, error);
}

int chip_challenge(struct chip *chip, struct error *error) {
    struct spdm_requester *requester = &chip->link.requester;
    chip_end_session(chip);
    if (chip_link_connect(&chip->link, error) != 0 ||
        chip_link_run(&chip->link, spdm_requester_get_chain(requester, DEVAUTH_SLOT), error) != 0)
        return -1;
    return chip_link_run(&chip->link, spdm_requester_challenge(requester), error);
}

int chip_reboot(struct chip *chip, enum devauth_reboot mode, struct error *error) {
    uint8_t request[COMMAND_MAX];
    struct writer writer;
    struct bytes answer;
    writer_init(&writer, request, sizeof request);
    devauth_request_reboot(&writer, mode);
    if (chip_link_command(&chip->link, writer_bytes(&writer), &answer, error) != 0)
        return -1;
    if (devauth_read_reboot(answer) != STATUS_OK)
        return chip_nonsense(error, "farewell");
    spdm_requester_reset(&chip->link.requester); /* the chip keeps no session over a reset */
    return 0;
}

static int same_chip(const struct devauth_device_info *before,
                     const struct devauth_device_info *info, struct error *error) {
    if (memcmp(before->uid, info->uid, sizeof info->uid) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "another chip came back: its UID differs");
    if (memcmp(before->family, info->family, sizeof info->family) != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "another chip came back: it is a %.16s now",
                         info->family);
    return 0;
}

static const char *reason_of(const struct devauth_slot_state *slot) {
    return slot->reason != 0 ? image_reason_name((enum image_reason)slot->reason) : "not looked at";
}

/* The stage before the awaited one is at the link, which it is only when it starts nothing. */
static int stays(struct chip *chip, const struct devauth_device_info *info, struct error *error) {
    struct devauth_boot_state state;
    if (chip_boot_state(chip, &state, error) != 0)
        return -1;
    if (info->stage == DEVAUTH_STAGE_BOOT_ROM)
        return error_set(error, ERROR_IMAGE_REFUSED, "the chip does not start BL2: %s",
                         reason_of(&state.bl2));
    if (info->stage != DEVAUTH_STAGE_BOOTLOADER)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip does not leave its stage (%u)",
                         info->stage);
    return error_set(error, ERROR_IMAGE_REFUSED,
                     "the chip does not start BL3: primary %s, secondary %s",
                     reason_of(&state.primary), reason_of(&state.secondary));
}

static void pause_shortly(void) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

int chip_await(struct chip *chip, const struct chip_arrival *arrival,
               struct devauth_device_info *info, struct error *error) {
    uint64_t end = clock_monotonic_ms() + (uint64_t)arrival->patience_ms;
    uint64_t other_since = 0;
    int call_ms = FIRST_CALL_MS;
    do {
        pause_shortly();
        if (atomic_load(chip->link.stop))
            return error_set(error, ERROR_BUSY, "the programmer is stopping");
        if (chip_meet(chip, call_ms, info, error) != 0) {
            if (error->code != ERROR_DEVICE_LINK)
                return -1;
            call_ms = call_ms < CHIP_LINK_CONNECT_MS / 2 ? 2 * call_ms : CHIP_LINK_CONNECT_MS;
            other_since = 0;
            continue;
        }
        if (same_chip(arrival->before, info, error) != 0)
            return -1;
        if (info->stage == arrival->stage ||
            (arrival->or_later && info->stage > (uint8_t)arrival->stage))
            return 0;
        uint64_t now = clock_monotonic_ms();
        other_since = other_since != 0 ? other_since : now;
        if (now - other_since >= STAYS_MS)
            return stays(chip, info, error);
    } while (clock_monotonic_ms() < end);
    return error_set(error, ERROR_DEVICE_LINK, "UART: the chip did not come back in time");
}
