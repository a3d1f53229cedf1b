#include "virtual_board/board_memory.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_at(int fd, const void *data, size_t size, off_t offset, struct error *error) {
    const uint8_t *bytes = data;

    while (size > 0) {
        ssize_t written = pwrite(fd, bytes, size, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_set_errno(error, errno, "write the board file");
        bytes += written;
        size -= (size_t)written;
        offset += written;
    }
    return 0;
}

static int fill_new_file(int fd, const uint8_t uid[BOARD_UID_SIZE], struct error *error) {
    const uint8_t magic[4] = {BOARD_MAGIC & 0xFF, BOARD_MAGIC >> 8 & 0xFF, BOARD_MAGIC >> 16 & 0xFF,
                              BOARD_MAGIC >> 24};
    uint8_t *erased = malloc(BOARD_ERASED_SIZE);
    int result = -1;

    if (erased == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    memset(erased, 0xFF, BOARD_ERASED_SIZE);
    if (write_at(fd, erased, BOARD_ERASED_SIZE, 0, error) != 0 ||
        write_at(fd, uid, BOARD_UID_SIZE, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_UID, error) != 0)
        goto out;
    if (ftruncate(fd, BOARD_FILE_SIZE) != 0) {
        error_set_errno(error, errno, "size the board file");
        goto out;
    }
    /* Last: a file without the magic is one whose making was interrupted. */
    result =
        write_at(fd, magic, sizeof(magic), BOARD_REGISTERS_OFFSET + BOARD_REGISTER_MAGIC, error);
out:
    free(erased);
    return result;
}

static int check_existing(const char *path, const uint8_t *uid, struct error *error) {
    uint8_t found[BOARD_UID_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return error_set_errno(error, errno, path);
    got = pread(fd, found, sizeof(found), BOARD_REGISTERS_OFFSET + BOARD_REGISTER_UID);
    close(fd);
    if (got != (ssize_t)sizeof(found))
        return error_set(error, ERROR_STORAGE, "%s is no board file", path);
    if (uid != NULL && memcmp(uid, found, sizeof(found)) != 0)
        return error_set(error, ERROR_CONFLICT, "the board in %s has another UID", path);
    return 0;
}

int board_memory_create(const char *path, const uint8_t uid[BOARD_UID_SIZE], struct error *error) {
    uint8_t made[BOARD_UID_SIZE];
    char *temporary;
    int fd;
    int result;

    if (file_exists(path))
        return check_existing(path, uid, error);
    if (uid == NULL && getrandom(made, sizeof(made), 0) != (ssize_t)sizeof(made))
        return error_set_errno(error, errno, "random UID");
    if (asprintf(&temporary, "%s.new", path) < 0)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        free(temporary);
        return error_set_errno(error, errno, path);
    }
    result = fill_new_file(fd, uid == NULL ? made : uid, error);
    close(fd);
    if (result == 0 && rename(temporary, path) != 0)
        result = error_set_errno(error, errno, path);
    if (result != 0)
        (void)unlink(temporary);
    free(temporary);
    return result;
}

int board_memory_open(struct board_memory *memory, const char *path, struct error *error) {
    struct stat status;
    void *map;

    memory->map = NULL;
    memory->lock_fd = file_lock(path, error);
    if (memory->lock_fd < 0)
        return -1;
    if (fstat(memory->lock_fd, &status) != 0 || status.st_size != BOARD_FILE_SIZE) {
        board_memory_close(memory);
        return error_set(error, ERROR_STORAGE, "%s is no board file", path);
    }
    map = mmap(NULL, BOARD_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->lock_fd, 0);
    if (map == MAP_FAILED) {
        error_set_errno(error, errno, "map the board file");
        board_memory_close(memory);
        return -1;
    }
    memory->map = map;
    if (board_memory_read(memory, BOARD_REGISTER_MAGIC) != BOARD_MAGIC) {
        board_memory_close(memory);
        return error_set(error, ERROR_STORAGE, "%s is no board file", path);
    }
    return 0;
}

void board_memory_close(struct board_memory *memory) {
    if (memory->map != NULL)
        (void)munmap((void *)(uintptr_t)memory->map, BOARD_FILE_SIZE);
    if (memory->lock_fd >= 0)
        close(memory->lock_fd);
    memory->map = NULL;
    memory->lock_fd = -1;
}

static volatile uint32_t *word(const struct board_memory *memory, enum board_register at) {
    return (volatile uint32_t *)(volatile void *)(memory->map + BOARD_REGISTERS_OFFSET + at);
}

uint32_t board_memory_read(const struct board_memory *memory, enum board_register at) {
    return *word(memory, at);
}

void board_memory_write(struct board_memory *memory, enum board_register at, uint32_t value) {
    *word(memory, at) = value;
}

void board_memory_uid(const struct board_memory *memory, uint8_t uid[BOARD_UID_SIZE]) {
    for (size_t i = 0; i < BOARD_UID_SIZE; i++)
        uid[i] = memory->map[BOARD_REGISTERS_OFFSET + BOARD_REGISTER_UID + i];
}

void board_memory_power_on(struct board_memory *memory) {
    for (uint32_t at = BOARD_REGISTER_FAULT_KIND; at < BOARD_REGISTER_VOLATILE_END; at += 4)
        board_memory_write(memory, (enum board_register)at, 0);
}
