#include "daemon.h"

#include "base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 30000

void storm_sleep_ms(unsigned milliseconds) {
    const struct timespec time = {.tv_sec = milliseconds / 1000,
                                  .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static void become(const struct daemon *daemon) {
    int log = open(daemon->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int none = open("/dev/null", O_RDONLY);
    (void)dup2(none, STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)execvp(daemon->arguments[0], (char *const *)(uintptr_t)daemon->arguments);
    _exit(127);
}

static int wait_ready(struct daemon *daemon, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + READY_MS;
    while (clock_monotonic_ms() < deadline) {
        int fd = endpoint_connect(&daemon->endpoint, 1000, error);
        if (fd >= 0) {
            (void)close(fd);
            return 0;
        }
        if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
            daemon->pid = 0;
            return error_set(error, ERROR_INTERNAL, "%s ended at its start; see %s", daemon->name,
                             daemon->log_path);
        }
        storm_sleep_ms(10);
    }
    return error_prefix(error, "%s is not ready", daemon->name);
}

static int start_locked(struct daemon *daemon, struct error *error) {
    daemon->pid = fork();
    if (daemon->pid == 0)
        become(daemon);
    if (daemon->pid < 0)
        return error_set(error, ERROR_INTERNAL, "fork");
    return wait_ready(daemon, error);
}

int daemon_start(struct daemon *daemon, struct error *error) {
    (void)pthread_mutex_lock(&daemon->mutex);
    int failed = start_locked(daemon, error);
    (void)pthread_mutex_unlock(&daemon->mutex);
    return failed;
}

int daemon_kill_and_start(struct daemon *daemon, unsigned pause_ms, struct error *error) {
    (void)pthread_mutex_lock(&daemon->mutex);
    (void)kill(daemon->pid, SIGKILL);
    (void)waitpid(daemon->pid, NULL, 0);
    daemon->kills++;
    storm_sleep_ms(pause_ms);
    int failed = start_locked(daemon, error);
    (void)pthread_mutex_unlock(&daemon->mutex);
    return failed;
}

int daemon_stop(struct daemon *daemon) {
    int status = -1;
    (void)pthread_mutex_lock(&daemon->mutex);
    if (daemon->pid > 0) {
        (void)kill(daemon->pid, SIGTERM);
        (void)waitpid(daemon->pid, &status, 0);
        daemon->pid = 0;
    }
    (void)pthread_mutex_unlock(&daemon->mutex);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
