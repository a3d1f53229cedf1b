#include "chip.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/endpoint.h"
#include "board/board_file.h"
#include "daemon.h"
#include "devauth/otp_map.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 30000

const char *chip_state_name(enum chip_state state) {
    static const char *const names[] = {[CHIP_BLANK] = "blank",
                                        [CHIP_IDENTIFIED] = "identified",
                                        [CHIP_SECURED] = "secured",
                                        [CHIP_OTHER] = "something between"};
    return names[state];
}

void chip_make(struct chip *chip, const char *folder, const char *name, const uint8_t uid[16]) {
    *chip = (struct chip){0};
    hex_encode_upper(bytes_of(uid, 16), chip->uid);
    (void)snprintf(chip->directory, sizeof chip->directory, "%s/%s", folder, name);
}

static void path_of(const struct chip *chip, const char *name, char path[2 * CHIP_PATH_SIZE]) {
    (void)snprintf(path, (size_t)2 * CHIP_PATH_SIZE, "%s/%s", chip->directory, name);
}

static void become(const struct chip *chip, bool is_new) {
    char log[2 * CHIP_PATH_SIZE];
    const char *arguments[] = {"nusec-virtual-board",
                               "--state",
                               chip->directory,
                               "--native",
                               "--delays",
                               "off",
                               is_new ? "--uid" : "run",
                               is_new ? chip->uid : NULL,
                               "run",
                               NULL};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(log, sizeof log, "%s.log", chip->directory);
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(output, STDOUT_FILENO);
    (void)dup2(output, STDERR_FILENO);
    (void)execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static int connect_control(const struct chip *chip, int *fd, struct error *error) {
    struct endpoint endpoint = {.kind = ENDPOINT_UNIX};
    (void)snprintf(endpoint.address, sizeof endpoint.address, "%s/control", chip->directory);
    *fd = endpoint_connect(&endpoint, 1000, error);
    return *fd >= 0 ? 0 : -1;
}

int chip_start(struct chip *chip, struct error *error) {
    char flash[2 * CHIP_PATH_SIZE];
    uint64_t deadline = clock_monotonic_ms() + READY_MS;
    int fd = -1;
    path_of(chip, "flash.img", flash);
    bool is_new = access(flash, F_OK) != 0;
    chip->launcher = fork();
    if (chip->launcher == 0)
        become(chip, is_new);
    while (connect_control(chip, &fd, error) != 0) {
        if (clock_monotonic_ms() >= deadline ||
            waitpid(chip->launcher, NULL, WNOHANG) == chip->launcher)
            return error_prefix(error, "board %s does not start", chip->directory);
        storm_sleep_ms(5);
    }
    (void)close(fd);
    return 0;
}

void chip_stop(struct chip *chip, int signal_number) {
    if (chip->launcher <= 0)
        return;
    (void)kill(chip->launcher, signal_number);
    (void)waitpid(chip->launcher, NULL, 0);
    chip->launcher = 0;
}

int chip_control(const struct chip *chip, const char *command, char *answer, size_t capacity) {
    struct error error;
    size_t size = 0;
    ssize_t got = 0;
    int fd = -1;
    answer[0] = '\0';
    if (connect_control(chip, &fd, &error) != 0)
        return -1;
    (void)send(fd, command, strlen(command), MSG_NOSIGNAL);
    (void)send(fd, "\n", 1, MSG_NOSIGNAL);
    while (size < capacity - 1 && (got = recv(fd, answer + size, capacity - 1 - size, 0)) > 0) {
        size += (size_t)got;
        if (answer[size - 1] == '\n')
            break;
    }
    answer[size] = '\0';
    (void)close(fd);
    return strncmp(answer, "ok", 2) == 0 ? 0 : -1;
}

bool chip_was_torn(const struct chip *chip) {
    char answer[512];
    return chip_control(chip, "status", answer, sizeof answer) == 0 &&
           strstr(answer, "torn=1") != NULL;
}

void chip_power_on(const struct chip *chip) {
    char answer[512];
    if (chip_control(chip, "status", answer, sizeof answer) == 0 &&
        strstr(answer, "power=off") != NULL)
        (void)chip_control(chip, "power-on", answer, sizeof answer);
}

static bool is_erased(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (data[i] != 0xFF)
            return false;
    return true;
}

static bool is_valid(const uint8_t *otp, unsigned entry) {
    return memcmp(otp + (size_t)entry * OTP_ENTRY_SIZE, "NSECOTP1", OTP_ENTRY_SIZE) == 0;
}

static enum chip_state judge(const uint8_t *otp, const uint8_t *keys) {
    if (is_erased(otp, BOARD_OTP_PUBLIC_SIZE))
        return is_erased(keys, BOARD_KEYS_SIZE) ? CHIP_BLANK : CHIP_OTHER;
    bool identity = is_valid(otp, OTP_IDENTITY_VALID) && is_valid(otp, OTP_LIFE_PROVISIONED);
    bool boot_keys = is_valid(otp, OTP_BOOT_KEY_BL2_VALID) && is_valid(otp, OTP_BOOT_KEY_BL3_VALID);
    if (identity && boot_keys && is_valid(otp, OTP_LIFE_SECURED))
        return CHIP_SECURED;
    const uint8_t *boot = otp + (size_t)OTP_BOOT_KEY_BL2_HASH * OTP_ENTRY_SIZE;
    bool no_boot_key = is_erased(boot, (size_t)2 * OTP_HASH_ENTRIES * OTP_ENTRY_SIZE);
    return identity && no_boot_key ? CHIP_IDENTIFIED : CHIP_OTHER;
}

enum chip_state chip_read(const struct chip *chip) {
    char path[2 * CHIP_PATH_SIZE];
    uint8_t otp[BOARD_OTP_PUBLIC_SIZE];
    uint8_t keys[BOARD_KEYS_SIZE];
    path_of(chip, "flash.img", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? CHIP_BLANK : CHIP_OTHER; /* never powered */
    bool whole = pread(fd, otp, sizeof otp, BOARD_OTP_OFFSET) == (ssize_t)sizeof otp &&
                 pread(fd, keys, sizeof keys, BOARD_KEYS_OFFSET) == (ssize_t)sizeof keys;
    (void)close(fd);
    return whole ? judge(otp, keys) : CHIP_OTHER;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void chip_remove(struct chip *chip) {
    char log[2 * CHIP_PATH_SIZE];
    chip_stop(chip, SIGKILL);
    (void)nftw(chip->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    (void)snprintf(log, sizeof log, "%s.log", chip->directory);
    (void)unlink(log);
}

int chip_put_in(const struct chip *chip, const char *link, struct error *error) {
    (void)unlink(link);
    if (symlink(chip->directory, link) != 0)
        return error_set_errno(error, errno, link);
    return 0;
}
