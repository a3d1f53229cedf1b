/*
 * Any commands and any image bytes on the line of a stage behind DevAuth, and any bytes as a
 * permit whose nonce is outstanding. No input is signed by anybody, so nothing may reach OTP, no
 * key may go, nothing may ask for an image to be started, and flash rules hold.
 *
 * Input: u8 mode. 0: a permit, for the command in the next byte. Else messages, each of kind u8,
 * length u8, bytes: kind 0 a vendor command, 1 a bulk message, 2 a block of the open transfer at
 * the offset in its first two bytes, with a good CRC.
 */
#include "base/crc32.h"
#include "device/testing/chip_bench.h"

#include "cose/permit.h"

#include <stdlib.h>
#include <string.h>

static const struct device_rules RULES = {
    .stage = DEVAUTH_STAGE_BOOTLOADER,
    .permits =
        1u << PERMIT_BOOT_KEY_HASH | 1u << PERMIT_LOCK | 1u << PERMIT_RMA | 1u << PERMIT_OBJECT_ID,
    .install = DEVAUTH_TARGET_BL3,
    .boot_key = DEVAUTH_TARGET_BL3,
};

static const struct device_command COMMANDS[] = {
    {DEVAUTH_DEVICE_INFO, DEVICE_ANYONE, device_info},
    {DEVAUTH_PUBLIC_KEYS, DEVICE_SESSION, device_public_keys},
    {DEVAUTH_PERMIT_NONCE, DEVICE_SESSION, device_permit_nonce},
    {DEVAUTH_PERMIT_EXECUTE, DEVICE_SESSION, device_permit_execute},
    {DEVAUTH_OTP_READ, DEVICE_SESSION, device_otp_read},
    {DEVAUTH_REBOOT, DEVICE_SESSION, device_reboot},
    {DEVAUTH_LINK_PAYLOAD, DEVICE_ANYONE, device_link_payload},
    {DEVAUTH_INSTALL_BEGIN, DEVICE_SESSION, device_install_begin},
    {DEVAUTH_INSTALL_FINISH, DEVICE_SESSION, device_install_finish},
    {DEVAUTH_BOOT_STATE, DEVICE_ANYONE, device_boot_state},
    {DEVAUTH_OBJECT_ID, DEVICE_SESSION, device_object_id},
};

static struct ram_chip chip_at_start;
static struct device device_at_start;
static struct device device;
static uint8_t answer[SPDM_MESSAGE_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void start(void) {
    static bool is_started;
    if (!is_started) {
        chip_make(CHIP_HAS_BL3_KEY);
        require(device_start(&device_at_start, &ram_chip_hal, &RULES, 1) == STATUS_OK);
        chip_at_start = ram_chip;
        is_started = true;
    }
    ram_chip = chip_at_start;
    device = device_at_start;
}

static void give_permit(struct bytes input) {
    struct writer response;
    struct reader reader;
    reader_init(&reader, input);
    device.nonce.command = read_u8(&reader);
    device.nonce.is_outstanding = true;
    memset(device.nonce.value, 0xA5, sizeof device.nonce.value);
    writer_init(&response, answer, sizeof answer);
    require(device_permit_execute(&device, read_rest(&reader), &response) != STATUS_OK);
}

static void give_block(struct bytes input, struct writer *response) {
    uint8_t message[BULK_MESSAGE_MAX];
    struct writer writer;
    struct reader reader;
    reader_init(&reader, input);
    writer_init(&writer, message, sizeof message);
    write_u32be(&writer, BULK_VENDOR_ID);
    write_u8(&writer, 1);
    write_u8(&writer, device.install.next_transfer);
    write_u32le(&writer, read_u16le(&reader));
    write_bytes(&writer, read_rest(&reader));
    write_u32le(&writer, crc32_of(writer_bytes(&writer)));
    (void)!device_handle_bulk(&device, writer_bytes(&writer), response);
}

static void give_messages(struct bytes input) {
    struct reader reader;
    reader_init(&reader, input);
    while (reader_remaining(&reader) > 2) {
        struct writer response;
        uint8_t kind = read_u8(&reader);
        size_t length = read_u8(&reader);
        size_t left = reader_remaining(&reader);
        struct bytes message = read_bytes(&reader, length < left ? length : left);
        writer_init(&response, answer, sizeof answer);
        switch (kind % 3) {
        case 0:
            (void)!device_run_command(&device, COMMANDS, sizeof COMMANDS / sizeof COMMANDS[0],
                                      SPDM_PRIVILEGE_READ_ONLY, message, &response);
            break;
        case 1: (void)!device_handle_bulk(&device, message, &response); break;
        default: give_block(message, &response); break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum image_swap swap = IMAGE_SWAP_NONE;
    if (size == 0) {
        return 0;
    }
    start();
    struct bytes rest = bytes_slice(bytes_of(data, size), 1, size - 1);
    if (data[0] == 0) {
        give_permit(rest);
    } else {
        give_messages(rest);
    }
    require(memcmp(ram_chip.otp, chip_at_start.otp, sizeof ram_chip.otp) == 0);
    require(memcmp(ram_chip.has_key, chip_at_start.has_key, sizeof ram_chip.has_key) == 0);
    require(boot_swap_wanted(&ram_chip_hal, &swap) == STATUS_OK && swap == IMAGE_SWAP_NONE);
    require(ram_chip.violations == 0 && ram_chip.resets == chip_at_start.resets);
    return 0;
}
