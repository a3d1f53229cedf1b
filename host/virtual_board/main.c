/*
 * nusec-virtual-board: a chip on a desk, without the chip and the desk.
 */
#include "base/encoding.h"
#include "base/endpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "virtual_board/launcher.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_CAPACITY   512
#define BAUD_MIN        300u
#define BAUD_MAX        4000000u
#define ICOUNT_MAX      10u
#define LOG_TIMEOUT_MS  10000
#define ANSWER_CAPACITY 1024
/* From build/<preset>/bin. */
#define DEFAULT_FIRMWARE "../../cortex-m23/firmware"
#define NATIVE_PROGRAM   "nusec-board-native"

static struct {
    const char *state;
    const char *uid;
    const char *firmware;
    const char *delays;
    uint64_t baud;
    uint64_t icount;
    bool native;
} arguments;

static const struct option_entry entries[] = {
    {OPTION_TEXT, "state", "DIR", "the board's directory", &arguments.state, OPTION_REQUIRED},
    {OPTION_FLAG, "native", NULL, "run the firmware as a process instead of under QEMU",
     &arguments.native, OPTION_OPTIONAL},
    {OPTION_TEXT, "uid", "HEX", "32 digits, for a new board; random without it", &arguments.uid,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "firmware", "DIR",
     "where boot_rom.elf is, or the native board; else $NUSEC_FIRMWARE_DIR, else beside the build",
     &arguments.firmware, OPTION_OPTIONAL},
    {OPTION_TEXT, "delays", "on|off", "flash and OTP take their time (on)", &arguments.delays,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "baud", "N",
     "speed of the UART, both directions; without it as fast as it goes", &arguments.baud,
     OPTION_OPTIONAL},
    {OPTION_NUMBER, "icount", "N",
     "each instruction takes 2^N ns of the chip's time (QEMU); without it time is the host's",
     &arguments.icount, OPTION_OPTIONAL},
};

static const struct option_set options = {
    .command = "nusec-virtual-board",
    .usage = "--state DIR [options] create|run|log",
    .summary =
        "Makes a virtual board, or runs one until SIGTERM. A running board has the sockets\n"
        "uart, debug (GDB remote protocol) and control in its directory; log prints what the\n"
        "firmware of a running board decided about its images.",
    .entries = entries,
    .entry_count = sizeof(entries) / sizeof(entries[0]),
    .minimum_operands = 1,
    .maximum_operands = 1,
};

/* `out` has PATH_CAPACITY bytes: where this program is, with `relative` behind it. */
static int beside_program(const char *relative, char *out, struct error *error) {
    char program[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash;

    if (size <= 0)
        return error_set(error, ERROR_INTERNAL, "where is this program?");
    program[size] = '\0';
    slash = strrchr(program, '/');
    *slash = '\0';
    if (snprintf(out, PATH_CAPACITY, "%s/%s", program, relative) >= PATH_CAPACITY)
        return error_set(error, ERROR_USAGE, "path too long");
    return 0;
}

static int find_firmware(char *path, struct error *error) {
    const char *folder =
        arguments.firmware != NULL ? arguments.firmware : getenv("NUSEC_FIRMWARE_DIR");
    char needed[PATH_CAPACITY + sizeof("/boot_rom.elf")];

    if (arguments.native) {
        if (arguments.firmware == NULL)
            return beside_program(NATIVE_PROGRAM, path, error);
        (void)snprintf(path, PATH_CAPACITY, "%s/%s", arguments.firmware, NATIVE_PROGRAM);
        return 0;
    }
    if (folder == NULL && beside_program(DEFAULT_FIRMWARE, path, error) != 0)
        return -1;
    if (folder != NULL && snprintf(path, PATH_CAPACITY, "%s", folder) >= PATH_CAPACITY)
        return error_set(error, ERROR_USAGE, "path too long");
    (void)snprintf(needed, sizeof(needed), "%s/boot_rom.elf", path);
    if (access(needed, R_OK) == 0)
        return 0;
    error_set(error, ERROR_NOT_FOUND, "no %s", needed);
    return error_hint(error, "build the cortex-m23 preset, or give --firmware");
}

static int read_delays(bool *delays, struct error *error) {
    *delays = arguments.delays == NULL || strcmp(arguments.delays, "on") == 0;
    if (!*delays && strcmp(arguments.delays, "off") != 0)
        return error_set(error, ERROR_USAGE, "--delays is on or off");
    return 0;
}

static int read_baud(uint32_t *baud, struct error *error) {
    if (arguments.baud != 0 && (arguments.baud < BAUD_MIN || arguments.baud > BAUD_MAX))
        return error_set(error, ERROR_USAGE, "--baud is %u to %u", BAUD_MIN, BAUD_MAX);
    *baud = (uint32_t)arguments.baud;
    return 0;
}

static int read_icount(uint32_t *icount, struct error *error) {
    if (arguments.icount > ICOUNT_MAX)
        return error_set(error, ERROR_USAGE, "--icount is 1 to %u", ICOUNT_MAX);
    *icount = (uint32_t)arguments.icount;
    return 0;
}

static int create(struct error *error) {
    uint8_t uid[BOARD_UID_SIZE];
    char path[PATH_CAPACITY];

    /* Option text of QEMU: a comma would begin another option. */
    if (strchr(arguments.state, ',') != NULL ||
        snprintf(path, sizeof(path), "%s/flash.img", arguments.state) >= (int)sizeof(path))
        return error_set(error, ERROR_USAGE, "a state directory without commas, please");
    if (arguments.uid != NULL && hex_decode(arguments.uid, uid, sizeof(uid)) != 0)
        return error_set(error, ERROR_USAGE, "a UID has 32 hexadecimal digits");
    if (directory_create_private(arguments.state, error) != 0)
        return -1;
    return board_memory_create(path, arguments.uid == NULL ? NULL : uid, error);
}

static int run(struct error *error) {
    char firmware[PATH_CAPACITY];
    struct board_configuration configuration = {
        .kind = arguments.native ? BOARD_NATIVE : BOARD_QEMU,
        .directory = arguments.state,
        .firmware = firmware,
    };

    if (read_delays(&configuration.delays, error) != 0 ||
        read_baud(&configuration.baud, error) != 0 ||
        read_icount(&configuration.icount, error) != 0 || create(error) != 0 ||
        find_firmware(firmware, error) != 0)
        return -1;
    return launcher_run(&configuration, error);
}

/* The answer is one line; each entry of the log gets its own. */
static int print_log(struct error *error) {
    struct endpoint endpoint;
    char path[PATH_CAPACITY];
    char answer[ANSWER_CAPACITY];
    FILE *stream = NULL;
    int result = -1;
    int fd;

    (void)snprintf(path, sizeof(path), "unix:%s/control", arguments.state);
    if (endpoint_parse(path, &endpoint, error) != 0)
        return -1;
    fd = endpoint_connect(&endpoint, LOG_TIMEOUT_MS, error);
    if (fd < 0)
        return error_hint(error, "only a board that runs has a log");
    stream = fdopen(fd, "r+");
    if (stream == NULL) {
        close(fd);
        return error_set(error, ERROR_INTERNAL, "out of memory");
    }
    if (fputs("log\n", stream) == EOF || fflush(stream) != 0 ||
        fgets(answer, sizeof(answer), stream) == NULL || strncmp(answer, "ok", 2) != 0) {
        error_set(error, ERROR_OFFLINE, "the board does not answer");
        goto out;
    }
    for (char *entry = strtok(answer + 2, " \n"); entry != NULL; entry = strtok(NULL, " \n"))
        (void)puts(entry);
    result = 0;
out:
    (void)fclose(stream);
    return result;
}

int main(int argc, char **argv) {
    struct option_list operands = {0};
    struct error error;
    int result = -1;

    error_clear(&error);
    log_start("nusec-virtual-board", LOG_LEVEL_INFO);
    switch (options_parse(&options, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&options, stdout); return 0;
    case OPTIONS_OK:
        if (strcmp(operands.items[0], "create") == 0)
            result = create(&error);
        else if (strcmp(operands.items[0], "run") == 0)
            result = run(&error);
        else if (strcmp(operands.items[0], "log") == 0)
            result = print_log(&error);
        else
            result =
                error_set(&error, ERROR_USAGE, "create, run or log, not %s", operands.items[0]);
        break;
    default: break;
    }
    if (result == 0)
        return 0;
    (void)fprintf(stderr, "nusec-virtual-board: %s\n", error.message);
    if (error.hint[0] != '\0')
        (void)fprintf(stderr, "  %s\n", error.hint);
    return error_exit_code(error.code);
}
