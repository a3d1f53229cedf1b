#include "base/test_support.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void require(bool condition, const char *what) {
    if (condition)
        return;
    perror(what);
    abort();
}

void test_directory_make(char path[TEST_DIRECTORY_SIZE]) {
    snprintf(path, TEST_DIRECTORY_SIZE, "/tmp/nusec-test-XXXXXX");
    require(mkdtemp(path) != NULL, "mkdtemp");
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void test_directory_remove(const char *path) {
    require(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, path);
}

const char *test_path(const char *directory, const char *name) {
    static char paths[4][256];
    static unsigned turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
    return paths[turn];
}

static _Noreturn void become(const char *const *argv, int input, int captured, int output) {
    int nothing = open("/dev/null", O_WRONLY);
    int other = captured == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO;
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, captured) >= 0 && dup2(nothing, other) >= 0)
        execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static void read_all(int descriptor, struct buffer *output) {
    uint8_t chunk[4096];
    ssize_t got;
    while ((got = read(descriptor, chunk, sizeof(chunk))) > 0)
        buffer_append(output, chunk, (size_t)got);
}

int test_run(const char *const *argv, struct bytes input, int captured, struct buffer *output) {
    int in[2];
    int out[2];
    int status = 0;
    require(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipe");
    /* The pipe holds 64 KiB, so writing before the child reads cannot block. */
    require(input.size <= 65536 && write(in[1], input.data, input.size) == (ssize_t)input.size,
            "write");
    close(in[1]);
    pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0)
        become(argv, in[0], captured, out[1]);
    close(in[0]);
    close(out[1]);
    read_all(out[0], output);
    close(out[0]);
    require(waitpid(child, &status, 0) == child, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
