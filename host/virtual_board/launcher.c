#include "virtual_board/launcher.h"

#include "base/endpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "virtual_board/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a chip that died by an injected fault may go unnoticed. */
#define FAULT_POLL_MS 2
#define PATH_CAPACITY 512

enum slot {
    SLOT_SIGNAL,
    SLOT_UART_LISTEN,
    SLOT_DEBUG_LISTEN,
    SLOT_CONTROL_LISTEN,
    SLOT_UART_CLIENT, /* the relay fills this and the next */
    SLOT_UART_CHIP,
    SLOT_DEBUG_CLIENT,
    SLOT_DEBUG_REFUSED,
    SLOT_STUB,
    SLOT_MONITOR,
    SLOT_CONTROLS,
    SLOT_COUNT = SLOT_CONTROLS + LAUNCHER_CONTROLS,
};

static const char *const socket_names[] = {"uart", "debug", "control"};

static void socket_path(const struct launcher *launcher, const char *name, char *path) {
    (void)snprintf(path, PATH_CAPACITY, "%s/%s", launcher->board.configuration.directory, name);
}

static int listen_at(const struct launcher *launcher, const char *name, struct error *error) {
    struct endpoint endpoint;
    char path[PATH_CAPACITY + sizeof("unix:")] = "unix:";

    socket_path(launcher, name, path + strlen(path));
    return endpoint_parse(path, &endpoint, error) != 0 ? -1 : endpoint_listen(&endpoint, error);
}

static int open_sockets(struct launcher *launcher, struct error *error) {
    int *const fds[] = {&launcher->uart_listen_fd, &launcher->debug_listen_fd,
                        &launcher->control_listen_fd};
    sigset_t signals;

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        *fds[i] = listen_at(launcher, socket_names[i], error);
        if (*fds[i] < 0)
            return -1;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
        return error_set_errno(error, errno, "signal mask");
    launcher->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return launcher->signal_fd < 0 ? error_set_errno(error, errno, "signalfd") : 0;
}

static int write_pid_file(const struct launcher *launcher, struct error *error) {
    char path[PATH_CAPACITY];
    char text[24];
    int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    socket_path(launcher, "pid", path);
    return file_write_durable(path, bytes_of(text, (size_t)size), 0600, error);
}

static void close_sockets(struct launcher *launcher) {
    const int fds[] = {launcher->uart_listen_fd, launcher->debug_listen_fd,
                       launcher->control_listen_fd, launcher->signal_fd};
    char path[PATH_CAPACITY];

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    for (size_t i = 0; i < sizeof(socket_names) / sizeof(socket_names[0]); i++) {
        socket_path(launcher, socket_names[i], path);
        (void)unlink(path);
    }
    socket_path(launcher, "pid", path);
    (void)unlink(path);
}

void launcher_power_off(struct launcher *launcher) {
    /* First the chip, so that nothing runs on between the two. */
    board_power_off(&launcher->board);
    debug_proxy_drop(&launcher->proxy);
    uart_relay_clear(&launcher->relay);
    launcher->fault_armed = false;
}

static void handle_signal(struct launcher *launcher) {
    struct signalfd_siginfo info;

    while (read(launcher->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGCHLD) {
            launcher->quit = true;
        } else if (launcher->board.child != 0 &&
                   waitpid(launcher->board.child, NULL, WNOHANG) == launcher->board.child) {
            launcher->board.child = 0;
            log_warn("board.ended", "directory", launcher->board.configuration.directory);
            launcher_power_off(launcher);
        }
    }
}

static void handle_fault(struct launcher *launcher) {
    if (!launcher->fault_armed || launcher->board.child == 0 ||
        board_memory_read(&launcher->board.memory, BOARD_REGISTER_FAULT_FIRED) == 0)
        return;
    launcher->torn = true;
    launcher_power_off(launcher);
}

static void prepare(const struct launcher *launcher, struct pollfd fds[SLOT_COUNT]) {
    fds[SLOT_SIGNAL] = (struct pollfd){.fd = launcher->signal_fd, .events = POLLIN};
    fds[SLOT_UART_LISTEN] = (struct pollfd){.fd = launcher->uart_listen_fd, .events = POLLIN};
    fds[SLOT_DEBUG_LISTEN] = (struct pollfd){.fd = launcher->debug_listen_fd, .events = POLLIN};
    fds[SLOT_CONTROL_LISTEN] = (struct pollfd){.fd = launcher->control_listen_fd, .events = POLLIN};
    uart_relay_prepare(&launcher->relay, &fds[SLOT_UART_CLIENT]);
    fds[SLOT_DEBUG_CLIENT] = (struct pollfd){.fd = launcher->proxy.client_fd, .events = POLLIN};
    fds[SLOT_DEBUG_REFUSED] = (struct pollfd){.fd = launcher->proxy.refused.fd, .events = POLLIN};
    fds[SLOT_STUB] = (struct pollfd){.fd = launcher->board.stub_fd, .events = POLLIN};
    fds[SLOT_MONITOR] = (struct pollfd){.fd = launcher->board.monitor_fd, .events = POLLIN};
    for (size_t i = 0; i < LAUNCHER_CONTROLS; i++)
        fds[SLOT_CONTROLS + i] = (struct pollfd){.fd = launcher->controls[i].fd, .events = POLLIN};
}

static int accept_client(int listen_fd) {
    return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
}

static void accept_clients(struct launcher *launcher, const struct pollfd fds[SLOT_COUNT]) {
    int fd;

    if (fds[SLOT_UART_LISTEN].revents != 0 && (fd = accept_client(launcher->uart_listen_fd)) >= 0)
        uart_relay_attach(&launcher->relay, fd);
    if (fds[SLOT_DEBUG_LISTEN].revents != 0 && (fd = accept_client(launcher->debug_listen_fd)) >= 0)
        debug_proxy_attach(&launcher->proxy, fd);
    if (fds[SLOT_CONTROL_LISTEN].revents != 0 &&
        (fd = accept_client(launcher->control_listen_fd)) >= 0)
        control_attach(launcher, fd);
}

/* Each handler may change what the later ones look at, so each checks that the descriptor it was
 * called for is still the one. */
static void dispatch(struct launcher *launcher, const struct pollfd fds[SLOT_COUNT]) {
    if (fds[SLOT_SIGNAL].revents != 0)
        handle_signal(launcher);
    uart_relay_move(&launcher->relay, &fds[SLOT_UART_CLIENT]);
    if (fds[SLOT_STUB].revents != 0 && launcher->board.stub_fd == fds[SLOT_STUB].fd &&
        launcher->board.stub_fd >= 0)
        debug_proxy_stub(&launcher->proxy);
    if (fds[SLOT_DEBUG_CLIENT].revents != 0 && launcher->proxy.client_fd >= 0 &&
        launcher->proxy.client_fd == fds[SLOT_DEBUG_CLIENT].fd)
        debug_proxy_receive(&launcher->proxy);
    if (fds[SLOT_DEBUG_REFUSED].revents != 0 && launcher->proxy.refused.fd >= 0)
        debug_proxy_refused(&launcher->proxy);
    if (fds[SLOT_MONITOR].revents != 0 && launcher->board.monitor_fd >= 0 &&
        launcher->board.monitor_fd == fds[SLOT_MONITOR].fd &&
        board_drain_monitor(&launcher->board) != 0)
        launcher_power_off(launcher);
    for (size_t i = 0; i < LAUNCHER_CONTROLS; i++) {
        if (fds[SLOT_CONTROLS + i].revents != 0 && launcher->controls[i].fd >= 0)
            control_receive(launcher, &launcher->controls[i]);
    }
    accept_clients(launcher, fds);
}

static int shorter(int a_ms, int b_ms) {
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

/* -1: until something happens. */
static int timeout_ms(const struct launcher *launcher) {
    int timeout =
        shorter(uart_relay_timeout_ms(&launcher->relay), debug_proxy_timeout_ms(&launcher->proxy));

    return shorter(timeout, launcher->fault_armed ? FAULT_POLL_MS : -1);
}

static void serve(struct launcher *launcher) {
    struct pollfd fds[SLOT_COUNT];

    while (!launcher->quit) {
        prepare(launcher, fds);
        if (poll(fds, SLOT_COUNT, timeout_ms(launcher)) < 0 && errno != EINTR)
            break;
        handle_fault(launcher);
        debug_proxy_tick(&launcher->proxy);
        dispatch(launcher, fds);
    }
}

int launcher_run(const struct board_configuration *configuration, struct error *error) {
    static struct launcher launcher; /* the program's root object */
    int result = -1;

    launcher.uart_listen_fd = launcher.debug_listen_fd = -1;
    launcher.control_listen_fd = launcher.signal_fd = -1;
    for (size_t i = 0; i < LAUNCHER_CONTROLS; i++)
        launcher.controls[i].fd = -1;
    if (board_open(&launcher.board, configuration, error) != 0)
        return -1;
    debug_proxy_init(&launcher.proxy, &launcher.board);
    uart_relay_init(&launcher.relay, &launcher.board, configuration->baud);
    if (write_pid_file(&launcher, error) == 0 && open_sockets(&launcher, error) == 0 &&
        board_power_on(&launcher.board, error) == 0) {
        (void)puts("ready");
        (void)fflush(stdout);
        serve(&launcher);
        result = 0;
    }
    launcher_power_off(&launcher);
    debug_proxy_close(&launcher.proxy);
    uart_relay_drop(&launcher.relay);
    for (size_t i = 0; i < LAUNCHER_CONTROLS; i++)
        control_drop(&launcher.controls[i]);
    close_sockets(&launcher);
    board_close(&launcher.board);
    return result;
}
