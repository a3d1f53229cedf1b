/*
 * For tests of the boot code: a chip with small slots on the testing board, and images for it.
 */
#ifndef NUSEC_BOOT_TESTING_BOOT_BENCH_H
#define NUSEC_BOOT_TESTING_BOOT_BENCH_H

/* cmocka.h needs these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/boot.h"
#include "common/testing_board.h"
#include "image/image_write.h"

#define BENCH_SLOT_PAGES 8
#define BENCH_SLOT_SIZE  (BENCH_SLOT_PAGES * 2048)
#define BENCH_IMAGE_MAX  0x80000
#define BENCH_LOG_MAX    32

struct boot_bench {
    struct hal hal;
    /* What hal->enter_image was given; UINT32_MAX: nothing. */
    uint32_t entered;
    unsigned log_size;
    struct {
        enum hal_boot_event event;
        uint32_t reason;
    } log[BENCH_LOG_MAX];
};
extern struct boot_bench boot_bench;

struct bench_image {
    uint8_t data[BENCH_IMAGE_MAX];
    size_t size;
    uint8_t fill;
};

struct bench_plan {
    enum boot_slot
        slot;     /* BL2: plain, its own key; PRIMARY: clear but flagged; SECONDARY: encrypted */
    uint8_t fill; /* first byte of the payload, which is another one for each */
    size_t payload_size; /* filled up to whole blocks where flagged as encrypted */
    uint32_t counter;
    uint8_t minor; /* of the version */
    bool other_signer;
    bool other_device;
    bool is_unpadded; /* but not this one: its payload ends inside a block */
};

/* A provisioned chip with both key hashes, keys and erased slots. */
void bench_chip(void);
void bench_build(struct bench_image *image, const struct bench_plan *plan);
/* Programs it at the start of a slot, which must be erased. */
void bench_put(enum boot_slot slot, const struct bench_image *image);
/* The same image as it lies in the primary slot. */
void bench_decrypt(const struct bench_image *image, struct bench_image *plain);
/* True if the slot holds exactly this image at its start. */
bool bench_holds(enum boot_slot slot, const struct bench_image *image);
/* Runs the bootloader; `entered` and the log say what it did. */
void bench_boot(void *unused);
/* True if the primary image was started and its payload has this fill. */
bool bench_started(uint8_t fill);
/* The last logged reason of an event; 0: none. */
uint32_t bench_logged(enum hal_boot_event event);
/* A byte of the flash, for tampering. */
uint8_t *bench_flash(enum boot_slot slot, uint32_t offset);

#endif
