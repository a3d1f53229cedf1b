#include "virtual_board/testing_virtual_board.h"

#include "base/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 60000

void testing_board_make(struct testing_board *board, enum board_kind kind) {
    memset(board, 0, sizeof(*board));
    board->kind = kind;
    (void)snprintf(board->directory, sizeof(board->directory), "/tmp/nusec-board-XXXXXX");
    assert_non_null(mkdtemp(board->directory));
}

const char *testing_board_firmware(enum board_kind kind) {
    const char *folder = getenv("NUSEC_FIRMWARE_DIR");

    if (kind == BOARD_NATIVE)
        return NUSEC_HOST_FIRMWARE_DIR;
    return folder != NULL ? folder : NUSEC_M23_FIRMWARE_DIR;
}

static void become_launcher(const struct testing_board *board, int output) {
    const char *arguments[16] = {NUSEC_VIRTUAL_BOARD, "--state", board->directory, "--firmware"};
    size_t count = 4;

    arguments[count++] =
        board->kind == BOARD_NATIVE ? NUSEC_NATIVE_DIR : testing_board_firmware(board->kind);
    if (board->kind == BOARD_NATIVE)
        arguments[count++] = "--native";
    for (size_t i = 0; i < sizeof(board->options) / sizeof(board->options[0]); i++) {
        if (board->options[i] != NULL)
            arguments[count++] = board->options[i];
    }
    arguments[count] = "run";
    (void)dup2(output, STDOUT_FILENO);
    (void)execv(NUSEC_VIRTUAL_BOARD, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

int testing_board_start(struct testing_board *board) {
    char text[8] = {0};
    int status = -1;
    int output[2];
    size_t size = 0;
    ssize_t got;

    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    board->launcher = fork();
    assert_true(board->launcher >= 0);
    if (board->launcher == 0)
        become_launcher(board, output[1]);
    close(output[1]);
    while (size < 6 && (got = read(output[0], text + size, 6 - size)) > 0)
        size += (size_t)got;
    close(output[0]);
    if (size == 6) {
        assert_string_equal(text, "ready\n");
        return -1;
    }
    assert_int_equal(waitpid(board->launcher, &status, 0), board->launcher);
    board->launcher = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int testing_board_stop(struct testing_board *board) {
    int status = -1;

    if (board->launcher == 0)
        return -1;
    assert_int_equal(kill(board->launcher, SIGTERM), 0);
    assert_int_equal(waitpid(board->launcher, &status, 0), board->launcher);
    board->launcher = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int testing_board_run(const struct testing_board *board, const char *operand, char *out,
                      size_t capacity) {
    int status = -1;
    int output[2];
    size_t size = 0;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(output[1], STDOUT_FILENO);
        (void)execl(NUSEC_VIRTUAL_BOARD, NUSEC_VIRTUAL_BOARD, "--state", board->directory, operand,
                    (char *)NULL);
        _exit(127);
    }
    close(output[1]);
    while (size < capacity - 1 && (got = read(output[0], out + size, capacity - 1 - size)) > 0)
        size += (size_t)got;
    out[size] = '\0';
    close(output[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void testing_board_remove(struct testing_board *board) {
    (void)testing_board_stop(board);
    (void)nftw(board->directory, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
}

const char *testing_board_endpoint(const struct testing_board *board, const char *name) {
    static char text[128];

    (void)snprintf(text, sizeof(text), "unix:%s/%s", board->directory, name);
    return text;
}

int testing_board_connect(const struct testing_board *board, const char *name) {
    struct endpoint endpoint;
    struct error error;
    int fd;

    assert_int_equal(endpoint_parse(testing_board_endpoint(board, name), &endpoint, &error), 0);
    fd = endpoint_connect(&endpoint, TIMEOUT_MS, &error);
    assert_true(fd >= 0);
    return fd;
}

const char *testing_board_control(const struct testing_board *board, const char *command) {
    static char answer[1024];
    struct pollfd poll_fd = {.events = POLLIN};
    size_t size = 0;

    poll_fd.fd = testing_board_connect(board, "control");
    assert_true(dprintf(poll_fd.fd, "%s\n", command) > 0);
    while (size == 0 || answer[size - 1] != '\n') {
        ssize_t got;
        assert_int_equal(poll(&poll_fd, 1, TIMEOUT_MS), 1);
        got = recv(poll_fd.fd, answer + size, sizeof(answer) - 1 - size, 0);
        assert_true(got > 0);
        size += (size_t)got;
    }
    answer[size - 1] = '\0';
    close(poll_fd.fd);
    return answer;
}

long testing_board_status(const struct testing_board *board, const char *name) {
    char key[64];
    const char *found;

    (void)snprintf(key, sizeof(key), " %s=", name);
    found = strstr(testing_board_control(board, "status"), key);
    assert_non_null(found);
    return strtol(found + strlen(key), NULL, 10);
}

static int open_file(const struct testing_board *board) {
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/flash.img", board->directory);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

void testing_board_peek(const struct testing_board *board, uint32_t offset, void *out,
                        size_t size) {
    int fd = open_file(board);

    assert_int_equal(pread(fd, out, size, offset), size);
    close(fd);
}

void testing_board_poke(const struct testing_board *board, uint32_t offset, const void *data,
                        size_t size) {
    int fd = open_file(board);

    assert_int_equal(pwrite(fd, data, size, offset), size);
    close(fd);
}
