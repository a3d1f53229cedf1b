#include "base/log.h"

#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

/* Set once by log_start before threads exist. */
static struct {
    const char *program;
    enum log_level level;
} settings = {"nusec", LOG_LEVEL_WARN};

void log_start(const char *program, enum log_level level) {
    settings.program = program;
    settings.level = level;
}

int log_level_of_name(const char *name, enum log_level *level) {
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

const char *log_number(char text[24], int64_t value) {
    snprintf(text, 24, "%lld", (long long)value);
    return text;
}

static bool is_plain(const char *value) {
    if (*value == '\0')
        return false;
    for (const char *c = value; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7F || *c == '"' || *c == '=' || *c == '\\')
            return false;
    return true;
}

static void append_value(struct buffer *line, const char *value) {
    if (value == NULL)
        value = "-";
    if (is_plain(value)) {
        buffer_append_text(line, value);
        return;
    }
    buffer_append_text(line, "\"");
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buffer_print(line, "\\%c", *c);
        else if (*c < ' ' || *c >= 0x7F) /* char may be signed: this covers bytes above 0x7F too */
            buffer_print(line, "\\x%02x", (unsigned char)*c);
        else
            buffer_append(line, c, 1);
    }
    buffer_append_text(line, "\"");
}

static void append_start(struct buffer *line, enum log_level level, const char *event) {
    struct timespec now;
    struct tm parts;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_print(line, "%s.%03ldZ %s %s %s", stamp, now.tv_nsec / 1000000, level_names[level],
                 settings.program, event);
}

void log_write(enum log_level level, const char *event, ...) {
    if (level < settings.level || level >= LOG_LEVEL_OFF)
        return;
    struct buffer line = {0};
    append_start(&line, level, event);
    va_list arguments;
    va_start(arguments, event);
    const char *key;
    while ((key = va_arg(arguments, const char *)) != NULL) {
        buffer_print(&line, " %s=", key);
        append_value(&line, va_arg(arguments, const char *));
    }
    va_end(arguments);
    buffer_append_text(&line, "\n");
    /* A log line that cannot be written has nowhere to be reported. */
    if (!line.failed && write(STDERR_FILENO, line.data, line.size) < 0)
        line.failed = true;
    buffer_free(&line);
}

void log_error_event(const char *event, const struct error *error) {
    log_failure(event, "code", error_name(error->code), "message", error->message, "detail",
                error->detail[0] != '\0' ? error->detail : NULL);
}
