#include "virtual_board/control.h"

#include "base/encoding.h"
#include "virtual_board/boot_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SIZE 512

/* Writes "ok ..." and returns 0, or fills the error. */
typedef int command_handler(struct launcher *launcher, const char *argument, char *answer,
                            struct error *error);

static int answer_ok(char *answer) {
    (void)snprintf(answer, ANSWER_SIZE, "ok");
    return 0;
}

static int command_power_cut(struct launcher *launcher, const char *argument, char *answer,
                             struct error *error) {
    (void)argument;
    (void)error;
    launcher_power_off(launcher);
    return answer_ok(answer);
}

static int command_power_on(struct launcher *launcher, const char *argument, char *answer,
                            struct error *error) {
    (void)argument;
    launcher->torn = false;
    if (board_power_on(&launcher->board, error) != 0) {
        launcher_power_off(launcher);
        return -1;
    }
    return answer_ok(answer);
}

static int command_reset(struct launcher *launcher, const char *argument, char *answer,
                         struct error *error) {
    (void)argument;
    debug_proxy_drop(&launcher->proxy);
    return board_reset(&launcher->board, error) != 0 ? -1 : answer_ok(answer);
}

static int command_quit(struct launcher *launcher, const char *argument, char *answer,
                        struct error *error) {
    (void)argument;
    (void)error;
    launcher->quit = true;
    return answer_ok(answer);
}

static int command_attach_state(struct launcher *launcher, const char *argument, char *answer,
                                struct error *error) {
    (void)argument;
    (void)error;
    (void)snprintf(answer, ANSWER_SIZE, "ok %s",
                   launcher->proxy.client_fd >= 0 ? "attached" : "detached");
    return 0;
}

static int arm(struct launcher *launcher, enum board_fault kind, const char *argument, char *answer,
               struct error *error) {
    struct board_memory *memory = &launcher->board.memory;
    char *end;
    unsigned long operations = strtoul(argument, &end, 10);

    if (argument[0] < '0' || argument[0] > '9' || *end != '\0' || operations > 1000000)
        return error_set(error, ERROR_BAD_REQUEST, "a number of operations is needed");
    board_memory_write(memory, BOARD_REGISTER_FAULT_KIND, BOARD_FAULT_NONE);
    board_memory_write(memory, BOARD_REGISTER_FAULT_AT,
                       board_memory_read(memory, BOARD_REGISTER_OPERATIONS) + (uint32_t)operations);
    if (operations > 0) /* 0 disarms */
        board_memory_write(memory, BOARD_REGISTER_FAULT_KIND, (uint32_t)kind);
    launcher->fault_armed = operations > 0;
    return answer_ok(answer);
}

static int command_tear(struct launcher *launcher, const char *argument, char *answer,
                        struct error *error) {
    return arm(launcher, BOARD_FAULT_TEAR, argument, answer, error);
}

static int command_stop(struct launcher *launcher, const char *argument, char *answer,
                        struct error *error) {
    return arm(launcher, BOARD_FAULT_STOP, argument, answer, error);
}

static const char *lock_name(const struct board_memory *memory) {
    switch (board_memory_read(memory, BOARD_REGISTER_DEBUG_LOCK)) {
    case BOARD_DEBUG_OPEN: return "open";
    case BOARD_DEBUG_LOCKED: return "locked";
    default: return "unknown";
    }
}

static int command_status(struct launcher *launcher, const char *argument, char *answer,
                          struct error *error) {
    static const struct {
        const char *name;
        enum board_register at;
    } numbers[] = {
        {"stage", BOARD_REGISTER_STAGE},           {"starts", BOARD_REGISTER_STARTS},
        {"operations", BOARD_REGISTER_OPERATIONS}, {"overruns", BOARD_REGISTER_OVERRUNS},
        {"crashes", BOARD_REGISTER_CRASHES},       {"stack_peak", BOARD_REGISTER_STACK_PEAK},
        {"arena_peak", BOARD_REGISTER_ARENA_PEAK}, {"boot_log", BOARD_REGISTER_BOOT_LOG_COUNT},
    };
    const struct board_memory *memory = &launcher->board.memory;
    uint8_t uid[BOARD_UID_SIZE];
    char text[2 * BOARD_UID_SIZE + 1];
    int size;

    (void)argument;
    (void)error;
    board_memory_uid(memory, uid);
    hex_encode_upper(bytes_of(uid, sizeof(uid)), text);
    size = snprintf(answer, ANSWER_SIZE, "ok uid=%s power=%s debug=%s attached=%d torn=%d", text,
                    launcher->board.child != 0 ? "on" : "off", lock_name(memory),
                    launcher->proxy.client_fd >= 0, launcher->torn);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        size += snprintf(answer + size, ANSWER_SIZE - (size_t)size, " %s=%u", numbers[i].name,
                         board_memory_read(memory, numbers[i].at));
    return 0;
}

static int command_log(struct launcher *launcher, const char *argument, char *answer,
                       struct error *error) {
    (void)argument;
    (void)error;
    (void)snprintf(answer, ANSWER_SIZE, "ok");
    boot_log_write(&launcher->board.memory, answer + 2, ANSWER_SIZE - 2);
    return 0;
}

static int command_stages(struct launcher *launcher, const char *argument, char *answer,
                          struct error *error) {
    static const char *const names[BOARD_STAGES] = {"boot_rom", "devauth", "bootloader",
                                                    "application"};
    const struct board_memory *memory = &launcher->board.memory;
    int size = snprintf(answer, ANSWER_SIZE, "ok");

    (void)argument;
    (void)error;
    for (uint32_t i = 0; i < BOARD_STAGES; i++) {
        uint32_t at = BOARD_REGISTER_STAGE_PEAKS + 8 * i;
        uint32_t time_at = BOARD_REGISTER_STAGE_TIMES + 4 * i;
        size += snprintf(answer + size, ANSWER_SIZE - (size_t)size, " %s=%u/%u/%u", names[i],
                         board_memory_read(memory, (enum board_register)at),
                         board_memory_read(memory, (enum board_register)(at + 4)),
                         board_memory_read(memory, (enum board_register)time_at));
    }
    return 0;
}

static const struct {
    const char *name;
    command_handler *handle;
} commands[] = {
    {"power-cut", command_power_cut},
    {"power-on", command_power_on},
    {"reset", command_reset},
    {"status", command_status},
    {"attach-state", command_attach_state},
    {"log", command_log},
    {"stages", command_stages},
    {"tear", command_tear},
    {"stop", command_stop},
    {"quit", command_quit},
};

static void send_line(struct control_client *client, const char *text) {
    char line[ANSWER_SIZE + 1];
    int size = snprintf(line, sizeof(line), "%s\n", text);

    /* A client that does not read its answers loses its connection. */
    if (send(client->fd, line, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) != size)
        control_drop(client);
}

static void run_command(struct launcher *launcher, struct control_client *client, char *line) {
    char answer[ANSWER_SIZE];
    struct error error;
    char *argument = strchr(line, ' ');

    error_clear(&error);
    if (argument != NULL)
        *argument++ = '\0';
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(line, commands[i].name) != 0)
            continue;
        if (commands[i].handle(launcher, argument == NULL ? "" : argument, answer, &error) != 0)
            (void)snprintf(answer, sizeof(answer), "error %s", error.message);
        send_line(client, answer);
        return;
    }
    send_line(client, "error no such command");
}

void control_attach(struct launcher *launcher, int fd) {
    for (size_t i = 0; i < LAUNCHER_CONTROLS; i++) {
        if (launcher->controls[i].fd < 0) {
            launcher->controls[i].fd = fd;
            launcher->controls[i].size = 0;
            return;
        }
    }
    close(fd);
}

void control_drop(struct control_client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->size = 0;
}

void control_receive(struct launcher *launcher, struct control_client *client) {
    size_t room = sizeof(client->line) - client->size;
    ssize_t got = recv(client->fd, client->line + client->size, room, MSG_DONTWAIT);
    char *end;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        control_drop(client);
        return;
    }
    client->size += (size_t)got;
    while (client->fd >= 0 && (end = memchr(client->line, '\n', client->size)) != NULL) {
        char line[LAUNCHER_COMMAND_SIZE];
        size_t length = (size_t)(end - client->line);
        memcpy(line, client->line, length);
        line[length] = '\0';
        client->size -= length + 1;
        memmove(client->line, end + 1, client->size);
        run_command(launcher, client, line);
    }
    if (client->size == sizeof(client->line))
        control_drop(client);
}
