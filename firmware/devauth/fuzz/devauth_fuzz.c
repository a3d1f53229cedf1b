/*
 * Any bytes on DevAuth's line, as a vendor command of a privileged session, as RequesterInfo and
 * as a chain to store. Nothing may be accepted that changes the chip's life cycle.
 */
#include "devauth/devauth_commands.h"
#include "devauth/devauth_identity.h"
#include "devauth/testing/bench.h"

#include <stdlib.h>
#include <string.h>

static struct bench bench;
static struct ram_chip chip_at_start;
static struct devauth_device device_at_start;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start_once(void) {
    static bool is_started;
    if (!is_started) {
        bench_make(&bench);
        if (bench_boot(&bench) != STATUS_OK || bench_certify(&bench) != STATUS_OK) {
            abort();
        }
        chip_at_start = ram_chip;
        device_at_start = bench.device;
        is_started = true;
    }
    ram_chip = chip_at_start;
    bench.device = device_at_start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t answer[SPDM_RECORD_MAX];
    struct writer writer;
    struct bytes input = bytes_of(data, size);
    if (size == 0 || size > RAM_CHIP_LINK_SIZE) {
        return 0;
    }
    start_once();
    writer_init(&writer, answer, sizeof answer);
    switch (data[0] % 4) {
    case 0:
        memcpy(ram_chip.rx, data, size);
        ram_chip.rx_size = size;
        while (device_link_poll(&bench.link) == DEVICE_LINK_ACTIVE) {
        }
        break;
    case 1:
        (void)devauth_commands_vendor(&bench.device, SPDM_PRIVILEGE_PRIVILEGED,
                                      bytes_slice(input, 1, size - 1), &writer);
        /* A reboot would end the device, and the next input with it. */
        bench.device.device.pending_reboot = false;
        break;
    case 2:
        (void)devauth_identity_csr(&bench.device, bytes_slice(input, 1, size - 1), &writer);
        break;
    default:
        (void)devauth_identity_set_certificate(&bench.device, 0, bytes_slice(input, 1, size - 1));
        break;
    }
    if (ram_chip_hal.life_cycle() != HAL_LIFE_BLANK || ram_chip.violations != 0) {
        abort();
    }
    return 0;
}
