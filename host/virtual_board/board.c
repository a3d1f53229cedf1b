#include "virtual_board/board.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The ROM of a chip in RMA first erases what is left of its firmware: 512 pages of 20 ms. */
#define ROM_TIMEOUT_MS 60000
/* How long somebody who wants to attach waits for a reset that is going on. */
#define ATTACH_TIMEOUT_MS 10000
#define PATH_CAPACITY     512
/* Where the child finds its sockets. */
#define CHILD_UART_FD    3
#define CHILD_STUB_FD    4
#define CHILD_MONITOR_FD 5
#define CHILD_FD_COUNT   3

int board_open(struct board *board, const struct board_configuration *configuration,
               struct error *error) {
    char path[PATH_CAPACITY];

    memset(board, 0, sizeof(*board));
    board->configuration = *configuration;
    board->uart_fd = board->stub_fd = board->monitor_fd = -1;
    (void)snprintf(path, sizeof(path), "%s/flash.img", configuration->directory);
    return board_memory_open(&board->memory, path, error);
}

void board_close(struct board *board) {
    board_power_off(board);
    board_memory_close(&board->memory);
}

/* The child's standard streams: nothing in, everything it says to a log beside the flash. */
static void redirect_streams(const char *directory) {
    char path[PATH_CAPACITY];
    int null = open("/dev/null", O_RDWR);
    int log;

    (void)snprintf(path, sizeof(path), "%s/board.log", directory);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (null < 0 || log < 0)
        _exit(127);
    (void)dup2(null, 0);
    (void)dup2(log, 1);
    (void)dup2(log, 2);
}

static void exec_qemu(const struct board_configuration *configuration) {
    char memory[PATH_CAPACITY];
    char rom[PATH_CAPACITY];
    char icount[16];

    /* A comma in a path would end the option: QEMU wants it doubled; we refuse it in main.c. */
    (void)snprintf(memory, sizeof(memory),
                   "memory-backend-file,id=flash,mem-path=%s/flash.img,share=on,size=16M",
                   configuration->directory);
    (void)snprintf(rom, sizeof(rom), "%s/boot_rom.elf", configuration->firmware);
    (void)snprintf(icount, sizeof(icount), "shift=%u", configuration->icount);
    /* The last option ends the list early when there is none of it. */
    (void)execlp("qemu-system-arm", "qemu-system-arm", "-M", "mps2-an505,memory-backend=flash",
                 "-object", memory, "-nodefaults", "-nic", "none", "-display", "none", "-monitor",
                 "none", "-chardev", "socket,id=uart,fd=3", "-serial", "chardev:uart", "-chardev",
                 "pipe,id=trng,path=/dev/urandom", "-serial", "chardev:trng", "-chardev",
                 "socket,id=stub,fd=4", "-gdb", "chardev:stub", "-chardev", "socket,id=qmp,fd=5",
                 "-mon", "chardev=qmp,mode=control", "-sandbox",
                 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                 "-kernel", rom, configuration->icount == 0 ? (char *)NULL : "-icount", icount,
                 (char *)NULL);
}

static void exec_native(const struct board_configuration *configuration) {
    char file[PATH_CAPACITY];

    (void)snprintf(file, sizeof(file), "%s/flash.img", configuration->directory);
    (void)execl(configuration->firmware, configuration->firmware, file, (char *)NULL);
}

/* In the child: never returns. */
static void become_board(const struct board *board, const int ends[CHILD_FD_COUNT],
                         pid_t launcher) {
    sigset_t none;
    int moved[CHILD_FD_COUNT];

    /* First out of the way of the numbers they shall have. */
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        moved[i] = fcntl(ends[i], F_DUPFD, CHILD_UART_FD + CHILD_FD_COUNT);
        if (moved[i] < 0)
            _exit(127);
    }
    redirect_streams(board->configuration.directory);
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        if (dup2(moved[i], CHILD_UART_FD + i) < 0)
            _exit(127);
    }
    if (close_range(CHILD_UART_FD + CHILD_FD_COUNT, ~0u, 0) != 0)
        _exit(127);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* A launcher that was killed must not leave a chip running without its proxy. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher)
        _exit(127);
    if (board->configuration.kind == BOARD_QEMU)
        exec_qemu(&board->configuration);
    else
        exec_native(&board->configuration);
    perror("start of the board");
    _exit(127);
}

static int make_pairs(int ours[CHILD_FD_COUNT], int theirs[CHILD_FD_COUNT], struct error *error) {
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
            error_set_errno(error, errno, "socket pair");
            while (i-- > 0) {
                close(ours[i]);
                close(theirs[i]);
            }
            return -1;
        }
        ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    return 0;
}

static void pause_ms(long milliseconds) {
    struct timespec time = {.tv_sec = 0, .tv_nsec = milliseconds * 1000000L};

    (void)nanosleep(&time, NULL);
}

/* The ROM latches the debug lock first thing: its sign of life. */
static int wait_for_rom(struct board *board, uint64_t timeout_ms, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + timeout_ms;

    while (board_memory_read(&board->memory, BOARD_REGISTER_DEBUG_LOCK) == BOARD_DEBUG_UNKNOWN) {
        if (waitpid(board->child, NULL, WNOHANG) == board->child) {
            board->child = 0;
            board_power_off(board);
            error_set(error, ERROR_INTERNAL, "the board's process ended at once");
            return error_hint(error, "%s/board.log says why", board->configuration.directory);
        }
        if (board_memory_read(&board->memory, BOARD_REGISTER_FAULT_FIRED) != 0)
            return error_set(error, ERROR_CONFLICT, "the board lost its power while it started");
        if (clock_monotonic_ms() >= deadline)
            return error_set(error, ERROR_TIMEOUT, "the boot ROM does not start");
        pause_ms(1);
    }
    return 0;
}

static int send_monitor(const struct board *board, const char *text, struct error *error) {
    size_t size = strlen(text);

    if (send(board->monitor_fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
        return error_set(error, ERROR_INTERNAL, "the board's monitor is gone");
    return 0;
}

int board_power_on(struct board *board, struct error *error) {
    int ours[CHILD_FD_COUNT];
    int theirs[CHILD_FD_COUNT];
    pid_t launcher = getpid();

    if (board->child != 0)
        return 0;
    if (make_pairs(ours, theirs, error) != 0)
        return -1;
    board_memory_power_on(&board->memory);
    board_memory_write(&board->memory, BOARD_REGISTER_DELAYS, board->configuration.delays);
    board->child = fork();
    if (board->child == 0)
        become_board(board, theirs, launcher);
    for (int i = 0; i < CHILD_FD_COUNT; i++)
        close(theirs[i]);
    board->uart_fd = ours[0];
    board->stub_fd = ours[1];
    board->monitor_fd = ours[2];
    cpu_init(&board->cpu, board->stub_fd);
    if (board->child < 0) {
        board->child = 0;
        board_power_off(board);
        return error_set_errno(error, errno, "fork");
    }
    if (board->configuration.kind == BOARD_QEMU &&
        send_monitor(board, "{\"execute\":\"qmp_capabilities\"}\n", error) != 0)
        return -1;
    return wait_for_rom(board, ROM_TIMEOUT_MS, error);
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void board_power_off(struct board *board) {
    if (board->child != 0) {
        (void)kill(board->child, SIGKILL);
        while (waitpid(board->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    board->child = 0;
    close_fd(&board->uart_fd);
    close_fd(&board->stub_fd);
    close_fd(&board->monitor_fd);
}

int board_reset(struct board *board, struct error *error) {
    const char *command =
        board->configuration.kind == BOARD_QEMU ? "{\"execute\":\"system_reset\"}\n" : "r";

    if (board->child == 0)
        return error_set(error, ERROR_CONFLICT, "the board has no power");
    board_memory_write(&board->memory, BOARD_REGISTER_RESET_CAUSE, 0);
    board_memory_write(&board->memory, BOARD_REGISTER_KEY_BUSY, 0);
    board_memory_write(&board->memory, BOARD_REGISTER_DEBUG_LOCK, BOARD_DEBUG_UNKNOWN);
    if (send_monitor(board, command, error) != 0)
        return -1;
    if (cpu_resume(&board->cpu) != 0)
        return error_set(error, ERROR_INTERNAL, "the board's debug stub is gone");
    return wait_for_rom(board, ROM_TIMEOUT_MS, error);
}

bool board_is_alive(const struct board *board) {
    siginfo_t info = {0};

    if (board->child == 0 || board_memory_read(&board->memory, BOARD_REGISTER_FAULT_FIRED) != 0)
        return false;
    /* Left for the one who collects it. */
    return waitid(P_PID, (id_t)board->child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

bool board_debug_is_open(struct board *board) {
    struct error error;

    if (board->child == 0)
        return false;
    /* A reset may be going on that the firmware asked for. */
    return wait_for_rom(board, ATTACH_TIMEOUT_MS, &error) == 0 &&
           board_memory_read(&board->memory, BOARD_REGISTER_DEBUG_LOCK) == BOARD_DEBUG_OPEN;
}

int board_drain_monitor(struct board *board) {
    char text[512];
    ssize_t got = recv(board->monitor_fd, text, sizeof(text), MSG_DONTWAIT);

    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : -1;
}
