/*
 * Any two trailers, and any changes to the two images before them, through two starts: what is
 * started is one of the images that were signed, whole.
 */
#include "boot/testing/boot_bench.h"

#include <stdlib.h>
#include <string.h>

enum { OLD = 0x11, NEW = 0x77, TRAILER_SIZE = 304, SIGNED_SIZE = BOOT_HEADER_SIZE + 1504 + 12 };

static uint8_t beginning[BOARD_ERASED_SIZE];
static struct bench_image plain[2];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start_once(void) {
    static const uint8_t FILLS[] = {OLD, NEW};
    static struct bench_image cipher;
    static bool is_started;
    if (is_started) {
        return;
    }
    bench_chip();
    for (unsigned i = 0; i < 2; i++) {
        const struct bench_plan plan = {
            .slot = BOOT_SLOT_SECONDARY, .fill = FILLS[i], .payload_size = 1504, .counter = 1};
        bench_build(&cipher, &plan);
        bench_decrypt(&cipher, &plain[i]);
        bench_put(i == 0 ? BOOT_SLOT_PRIMARY : BOOT_SLOT_SECONDARY, i == 0 ? &plain[0] : &cipher);
    }
    memcpy(beginning, testing_board_file(), sizeof beginning);
    is_started = true;
}

static void check(void) {
    const uint8_t *primary = bench_flash(BOOT_SLOT_PRIMARY, 0);
    if (boot_bench.entered != UINT32_MAX && memcmp(primary, plain[0].data, SIGNED_SIZE) != 0 &&
        memcmp(primary, plain[1].data, SIGNED_SIZE) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader reader;
    start_once();
    memcpy(testing_board_file(), beginning, sizeof beginning);
    reader_init(&reader, bytes_of(data, size));
    if (size >= 2 * TRAILER_SIZE) {
        read_copy(&reader, bench_flash(BOOT_SLOT_PRIMARY, BENCH_SLOT_SIZE - TRAILER_SIZE),
                  TRAILER_SIZE);
        read_copy(&reader, bench_flash(BOOT_SLOT_SECONDARY, BENCH_SLOT_SIZE - TRAILER_SIZE),
                  TRAILER_SIZE);
    }
    /* Changes: where u16 (the first bit chooses the slot), new value u8. */
    while (reader_remaining(&reader) >= 3) {
        uint16_t place = read_u16le(&reader);
        *bench_flash(place % 2 == 0 ? BOOT_SLOT_PRIMARY : BOOT_SLOT_SECONDARY,
                     place / 2 % (BENCH_SLOT_SIZE - TRAILER_SIZE)) = read_u8(&reader);
    }
    for (unsigned boots = 0; boots < 2; boots++) {
        bench_boot(NULL);
        check();
    }
    return 0;
}
