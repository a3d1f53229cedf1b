#include "native.h"

#include "board/board_file.h"
#include "common/board_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    const char *path;
    int sram_fd;
    volatile uint8_t *file;
    uint8_t *sram;
} memory;

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void map_file(const char *path) {
    struct stat status;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) != 0)
        fail(path);
    if (status.st_size != BOARD_FILE_SIZE) {
        errno = EINVAL;
        fail(path);
    }
    memory.file = mmap(NULL, BOARD_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory.file == MAP_FAILED)
        fail("map the board file");
    close(fd);
}

void native_memory_start(const char *path, int sram_fd) {
    memory.path = path;
    map_file(path);
    memory.sram_fd = sram_fd >= 0 ? sram_fd : memfd_create("sram", 0);
    if (memory.sram_fd < 0 || ftruncate(memory.sram_fd, BOARD_SRAM_SIZE) != 0)
        fail("sram");
    memory.sram =
        mmap(NULL, BOARD_SRAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory.sram_fd, 0);
    if (memory.sram == MAP_FAILED)
        fail("map sram");
}

volatile uint8_t *native_board_file(void) {
    return memory.file;
}

uint8_t *native_sram(void) {
    return memory.sram;
}

_Noreturn void native_restart(enum native_stage stage, uint32_t version) {
    char stage_text[12];
    char sram_text[12];
    char version_text[12];

    (void)snprintf(stage_text, sizeof(stage_text), "%d", (int)stage);
    (void)snprintf(version_text, sizeof(version_text), "%u", version);
    (void)snprintf(sram_text, sizeof(sram_text), "%d", memory.sram_fd);
    (void)execl("/proc/self/exe", "nusec-board-native", memory.path, stage_text, sram_text,
                version_text, (char *)NULL);
    fail("restart");
}

_Noreturn void native_reset(enum hal_boot_reason reason) {
    native_hold_stub();
    board_prepare_reset(reason);
    native_restart(NATIVE_BOOT_ROM, 0);
}
