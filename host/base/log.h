/*
 * Structured log lines on stderr, one event per line:
 *
 *     2026-11-20T13:50:00.123Z info server unit.reserved job=job-1a2b3c4d uid=00112233...
 *
 * Values with anything but printable, non-blank ASCII are quoted and escaped, so that nothing a
 * peer sends can forge a line. Never log a PIN, token, key or plaintext package. Thread-safe: one
 * write(2) per line.
 *
 *     log_start("nusec-server", LOG_LEVEL_INFO);
 *     log_info("unit.reserved", "job", job_id, "uid", uid);
 *     log_warn("hsm.lost", "code", LOG_NUMBER(rv));
 */
#ifndef NUSEC_HOST_BASE_LOG_H
#define NUSEC_HOST_BASE_LOG_H

#include "base/error.h"

#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };

/* Once, before threads start. `program` is borrowed for the life of the process. Without it the
 * level is WARN. */
void log_start(const char *program, enum log_level level);

/* -1 if `name` is none of debug, info, warn, error, off. */
int log_level_of_name(const char *name, enum log_level *level);

/* Key, value, key, value, ..., NULL. A NULL value is written as "-". */
void log_write(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Writes message, code and detail of an error under `event`. */
void log_error_event(const char *event, const struct error *error);

/* A number as a value of one log call. */
const char *log_number(char text[24], int64_t value);
#define LOG_NUMBER(value) log_number((char[24]){0}, (int64_t)(value))

#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__, (char *)0)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__, (char *)0)
#define log_warn(...)    log_write(LOG_LEVEL_WARN, __VA_ARGS__, (char *)0)
#define log_failure(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__, (char *)0)

#endif
