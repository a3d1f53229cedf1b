/*
 * A program of the line that is killed and started again: server or programmer. Its output goes to
 * a file. Thread-safe.
 */
#ifndef NUSEC_TESTS_STORM_DAEMON_H
#define NUSEC_TESTS_STORM_DAEMON_H

#include "base/endpoint.h"

#include <pthread.h>
#include <sys/types.h>

#define DAEMON_ARGUMENTS_MAX 16

struct daemon {
    const char *name;
    const char *arguments[DAEMON_ARGUMENTS_MAX]; /* NULL behind the last; borrowed */
    const char *log_path;
    struct endpoint endpoint; /* where it listens when it is ready */
    pthread_mutex_t mutex;
    pid_t pid; /* 0: not running */
    unsigned kills;
};

/* Starts it and waits until it listens. */
int daemon_start(struct daemon *daemon, struct error *error);

/* SIGKILL, a pause, and a new start. A second caller at the same time waits and kills again. */
int daemon_kill_and_start(struct daemon *daemon, unsigned pause_ms, struct error *error);

/* SIGTERM, and waits for the end. Returns its exit code, or -1 if it did not end by itself. */
int daemon_stop(struct daemon *daemon);

/* Every thread of a storm waits with this. */
void storm_sleep_ms(unsigned milliseconds);

#endif
