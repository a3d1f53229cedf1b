#include "native.h"

#include "board/board_file.h"
#include "board/devauth_image.h"
#include "crypto/crypto.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_OFFSET  DEVAUTH_IMAGE_HEADER_SIZE
#define MARKER_OFFSET DEVAUTH_IMAGE_HEADER_SIZE
#define HASH_OFFSET   (NATIVE_IMAGE_SIZE - CRYPTO_DIGEST_SIZE)

void native_program_hash(uint8_t digest[CRYPTO_DIGEST_SIZE]) {
    struct crypto_sha256 hash;
    uint8_t buffer[4096];
    ssize_t got;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    crypto_sha256_start(&hash);
    while (fd >= 0 && (got = read(fd, buffer, sizeof(buffer))) > 0)
        crypto_sha256_update(&hash, bytes_of(buffer, (size_t)got));
    if (fd < 0 || got < 0) {
        perror("/proc/self/exe");
        exit(1);
    }
    close(fd);
    crypto_sha256_finish(&hash, digest);
}

void native_image_make(uint8_t image[NATIVE_IMAGE_SIZE]) {
    const struct devauth_image_header header = {
        .family = "NATIVE",
        .load_address = BOARD_DEVAUTH_ADDRESS,
        .image_size = NATIVE_IMAGE_SIZE,
        .entry = (BOARD_DEVAUTH_ADDRESS + ENTRY_OFFSET) | 1u,
        .stack_top = BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE,
        .parameters_address = BOARD_PARAMETERS_ADDRESS,
        .parameters_capacity = BOARD_PARAMETERS_CAPACITY,
        .mailbox_address = BOARD_MAILBOX_ADDRESS,
        .version = 1,
    };
    static const char marker[HASH_OFFSET - MARKER_OFFSET] = "DevAuth, native build";

    devauth_image_write(&header, image);
    memcpy(image + MARKER_OFFSET, marker, sizeof(marker));
    native_program_hash(image + HASH_OFFSET);
}
