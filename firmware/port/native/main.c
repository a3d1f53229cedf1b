/*
 * nusec-board-native BOARD_FILE [STAGE SRAM_FD VERSION]
 *     started by nusec-virtual-board --native, or by itself at a reset and between stages
 *
 * nusec-board-native --write-devauth FILE
 * nusec-board-native --write-bootloader FILE | --write-application FILE
 *                    [--application-version N] [--size BYTES]
 *     writes what starts that stage of this very program: devauth.bin, or the payload of an image,
 *     with bytes behind it up to --size
 */
#include "native.h"

#include "common/board_model.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 0x100000u

static int write_file(const char *path, const uint8_t *data, size_t size, size_t padded) {
    FILE *file = fopen(path, "wb");
    int failed;

    if (file == NULL) {
        perror(path);
        return 1;
    }
    failed = fwrite(data, size, 1, file) != 1;
    /* Never the same byte all along, so that a page in the wrong place shows. */
    for (size_t i = size; i < padded; i++)
        failed |= fputc((int)((i ^ i >> 8 ^ i >> 16) & 0xFF), file) == EOF;
    failed |= fclose(file) != 0;
    if (failed)
        (void)fprintf(stderr, "%s was not written\n", path);
    return failed;
}

static int write_devauth(const char *path) {
    uint8_t image[NATIVE_IMAGE_SIZE];

    native_image_make(image);
    return write_file(path, image, sizeof(image), 0);
}

static int write_payload(const char *path, enum native_stage stage, uint32_t version, size_t size) {
    uint8_t payload[NATIVE_PAYLOAD_SIZE];

    native_payload_make(payload, stage, version);
    return write_file(path, payload, sizeof(payload), size);
}

static bool parse_number(const char *text, unsigned long most, unsigned long *value) {
    char *end;

    errno = 0;
    *value = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value <= most;
}

enum write_option {
    OPTION_DEVAUTH = 1,
    OPTION_BOOTLOADER,
    OPTION_APPLICATION,
    OPTION_VERSION,
    OPTION_SIZE
};

static const struct option options[] = {
    {"write-devauth", required_argument, NULL, OPTION_DEVAUTH},
    {"write-bootloader", required_argument, NULL, OPTION_BOOTLOADER},
    {"write-application", required_argument, NULL, OPTION_APPLICATION},
    {"application-version", required_argument, NULL, OPTION_VERSION},
    {"size", required_argument, NULL, OPTION_SIZE},
    {NULL, 0, NULL, 0},
};

static int usage(void) {
    (void)fprintf(stderr, "nusec-virtual-board --native starts this program\n");
    return 2;
}

static int write_what_is_asked(int argc, char **argv) {
    const char *path = NULL;
    unsigned long version = 1;
    unsigned long size = 0;
    int what = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPTION_DEVAUTH || option == OPTION_BOOTLOADER ||
            option == OPTION_APPLICATION) {
            what = option;
            path = optarg;
        } else if (option == OPTION_VERSION
                       ? !parse_number(optarg, UINT32_MAX, &version)
                       : option != OPTION_SIZE || !parse_number(optarg, PAYLOAD_MAX, &size)) {
            return usage();
        }
    }
    if (optind != argc)
        return usage();
    switch (what) {
    case OPTION_DEVAUTH: return write_devauth(path);
    case OPTION_BOOTLOADER: return write_payload(path, NATIVE_BOOTLOADER, 1, size);
    case OPTION_APPLICATION:
        return write_payload(path, NATIVE_APPLICATION, (uint32_t)version, size);
    default: return usage();
    }
}

static enum native_stage stage_of(const char *text) {
    long number = strtol(text, NULL, 10);

    return number >= NATIVE_BOOT_ROM && number <= NATIVE_APPLICATION ? (enum native_stage)number
                                                                     : NATIVE_BOOT_ROM;
}

int main(int argc, char **argv) {
    if (argc > 2 && strncmp(argv[1], "--", 2) == 0)
        return write_what_is_asked(argc, argv);
    if (argc != 2 && argc != 5)
        return usage();
    native_memory_start(argv[1], argc == 5 ? (int)strtol(argv[3], NULL, 10) : -1);
    native_stub_start();
    native_run_stage(argc == 5 ? stage_of(argv[2]) : NATIVE_BOOT_ROM);
    native_reset(HAL_BOOT_WATCHDOG); /* a stage that ends is a stage gone wrong */
}
