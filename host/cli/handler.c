#include "cli/handler.h"

#include "cli/control.h"
#include "cli/golden.h"
#include "cli/verdict.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_SIZE   64
#define SERIAL_SIZE 64
#define RESULT_SIZE 320
/* After a failed accept: descriptors may be short for a moment. */
#define ACCEPT_PAUSE_US 100000

struct handler;

struct handler_site {
    struct handler *handler;
    json_t *site; /* {name, debug, uart}, its own: JSON values are not shared between threads */
    const char *name;
    bool is_golden;
    pthread_t thread;
    bool has_thread;
    bool is_busy;             /* under the handler's lock, as is: */
    char result[RESULT_SIZE]; /* the last RESULT line; "" before the first */
};

struct handler {
    const struct handler_options *options;
    struct handler_site sites[HANDLER_SITES_MAX];
    size_t site_count;
    pthread_mutex_t lock;
    int client; /* -1: none; under `lock`, as are: */
    unsigned long passed;
    unsigned long failed;
};

/* A client that does not read is cut off: it may not hold up a site. */
static void send_text(struct handler *handler, const char *text) {
    size_t size = strlen(text);

    if (handler->client >= 0 &&
        send(handler->client, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        (void)shutdown(handler->client, SHUT_RDWR);
}

__attribute__((format(printf, 2, 3))) static void answer(struct handler *handler,
                                                         const char *format, ...) {
    char line[HANDLER_SITES_MAX * NAME_SIZE + RESULT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&handler->lock);
    send_text(handler, line);
    (void)pthread_mutex_unlock(&handler->lock);
}

/* A member as one word of a line; "-" if there is none. */
static const char *word_of(const json_t *unit, const char *member, char word[NAME_SIZE]) {
    const char *text = json_string_value(json_object_get(unit, member));

    (void)snprintf(word, NAME_SIZE, "%s", text == NULL || text[0] == '\0' ? "-" : text);
    for (char *at = word; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("-_.", *at) == NULL)
            *at = '?';
    }
    return word;
}

static void result_line(const char *site, const json_t *unit, bool is_pass, unsigned bin,
                        char line[RESULT_SIZE]) {
    char state[NAME_SIZE];
    char uid[NAME_SIZE];
    char step[NAME_SIZE];
    char code[NAME_SIZE];

    (void)snprintf(
        line, RESULT_SIZE, "RESULT %s %s bin=%u state=%s uid=%s step=%s code=%s seconds=%.1f\n",
        site, is_pass ? "PASS" : "FAIL", bin, word_of(unit, "state", state),
        word_of(unit, "uid", uid), word_of(unit, "step", step), word_of(unit, "code", code),
        json_number_value(json_object_get(unit, "seconds")));
}

/* A unit that never got as far as the programmer's own answer. */
static json_t *failed_unit(const struct error *error) {
    return json_pack("{s:s,s:s}", "state", "failed", "code", error_name(error->code));
}

static json_t *produce_one(struct control *control, const struct handler_site *site,
                           struct error *error) {
    json_t *result = control_call(
        control, "produce",
        json_pack("{s:s,s:[O]}", "job_id", site->handler->options->job, "sites", site->site), NULL,
        NULL, error);
    json_t *unit = json_incref(json_array_get(json_object_get(result, "units"), 0));

    if (result != NULL && unit == NULL)
        (void)error_set(error, ERROR_INTERNAL, "the programmer says nothing of the unit");
    json_decref(result);
    return unit;
}

static void *site_thread(void *argument) {
    struct handler_site *site = argument;
    struct handler *handler = site->handler;
    struct error error = {0};
    json_t *unit = NULL;

    struct control *control = control_open(handler->options->programmer, &error);
    if (control != NULL)
        unit = site->is_golden ? golden_check(control, handler->options->job, site->site, &error)
                               : produce_one(control, site, &error);
    control_close(control);
    bool is_refused = unit == NULL;
    if (is_refused)
        unit = failed_unit(&error);
    /* What was refused before any chip was touched says nothing about the chip. */
    const struct verdict verdict =
        is_refused ? (struct verdict){.bin = VERDICT_LINE, .action = ""} : verdict_of(unit);
    (void)pthread_mutex_lock(&handler->lock);
    result_line(site->name, unit, verdict.is_pass, verdict.bin, site->result);
    site->is_busy = false;
    if (!site->is_golden)
        (*(verdict.is_pass ? &handler->passed : &handler->failed))++;
    send_text(handler, site->result);
    (void)pthread_mutex_unlock(&handler->lock);
    json_decref(unit);
    return NULL;
}

static struct handler_site *site_named(struct handler *handler, const char *name) {
    for (size_t i = 0; i < handler->site_count; i++) {
        if (strcmp(handler->sites[i].name, name) == 0)
            return &handler->sites[i];
    }
    answer(handler, "ERROR unknown_site %s\n", name);
    return NULL;
}

/* "serial=TEXT", to the end of the line: a serial number may have blanks. */
static int take_serial(struct handler_site *site, const char *text) {
    static const char key[] = "serial=";

    (void)json_object_del(site->site, "serial");
    if (text == NULL || text[0] == '\0')
        return 0;
    const char *serial = text + sizeof(key) - 1;
    if (strncmp(text, key, sizeof(key) - 1) != 0 || serial[0] == '\0' ||
        strlen(serial) >= SERIAL_SIZE)
        return -1;
    return json_object_set_new(site->site, "serial", json_string(serial));
}

static void begin(struct handler *handler, const char *name, const char *rest, bool is_golden) {
    struct handler_site *site = site_named(handler, name == NULL ? "" : name);

    if (site == NULL)
        return;
    (void)pthread_mutex_lock(&handler->lock);
    bool is_busy = site->is_busy;
    (void)pthread_mutex_unlock(&handler->lock);
    if (is_busy) {
        answer(handler, "ERROR busy %s\n", site->name);
        return;
    }
    if (site->has_thread)
        (void)pthread_join(site->thread, NULL);
    site->has_thread = false;
    site->is_golden = is_golden;
    if (take_serial(site, rest) != 0 || (is_golden && rest != NULL)) {
        answer(handler, "ERROR bad_request %s\n", site->name);
        return;
    }
    site->is_busy = true;
    answer(handler, "OK %s %s\n", is_golden ? "GOLDEN" : "START", site->name);
    site->has_thread = pthread_create(&site->thread, NULL, site_thread, site) == 0;
    if (!site->has_thread) {
        site->is_busy = false;
        answer(handler, "ERROR internal %s\n", site->name);
    }
}

static void hello(struct handler *handler) {
    char names[HANDLER_SITES_MAX * NAME_SIZE];
    size_t used = 0;

    for (size_t i = 0; i < handler->site_count; i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i == 0 ? "" : ",",
                                 handler->sites[i].name);
    answer(handler, "NUSEC %d job=%s sites=%s\n", HANDLER_VERSION, handler->options->job, names);
}

/* Every site with its last result, then the totals of this run. */
static void status(struct handler *handler) {
    char line[NAME_SIZE + 16];

    (void)pthread_mutex_lock(&handler->lock);
    for (size_t i = 0; i < handler->site_count; i++) {
        const struct handler_site *site = &handler->sites[i];
        (void)snprintf(line, sizeof(line), "SITE %s %s\n", site->name,
                       site->is_busy ? "busy" : "idle");
        send_text(handler, line);
        send_text(handler, site->is_busy ? "" : site->result);
    }
    (void)snprintf(line, sizeof(line), "OK STATUS passed=%lu failed=%lu\n", handler->passed,
                   handler->failed);
    send_text(handler, line);
    (void)pthread_mutex_unlock(&handler->lock);
}

/* False: the client wants to go. */
static bool obey(struct handler *handler, char *line) {
    char *rest = NULL;
    const char *command = strtok_r(line, " ", &rest);
    const char *name = NULL;

    if (command == NULL)
        return true;
    if (strcmp(command, "START") == 0 || strcmp(command, "GOLDEN") == 0) {
        name = strtok_r(NULL, " ", &rest);
        begin(handler, name, rest != NULL && rest[0] != '\0' ? rest : NULL, command[0] == 'G');
    } else if (rest != NULL && rest[0] != '\0') {
        answer(handler, "ERROR bad_request\n");
    } else if (strcmp(command, "HELLO") == 0) {
        hello(handler);
    } else if (strcmp(command, "STATUS") == 0) {
        status(handler);
    } else if (strcmp(command, "QUIT") == 0) {
        answer(handler, "OK QUIT\n");
        return false;
    } else {
        answer(handler, "ERROR unknown_command\n");
    }
    return true;
}

static bool is_printable(const char *line, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (line[i] < ' ' || line[i] > '~')
            return false;
    }
    return true;
}

/* Obeys the whole lines in `input`; false when the client is done with. */
static bool obey_all(struct handler *handler, char *input, size_t *size) {
    char *end = NULL;

    while ((end = memchr(input, '\n', *size)) != NULL) {
        size_t length = (size_t)(end - input);
        size_t shown = length > 0 && end[-1] == '\r' ? length - 1 : length;
        if (!is_printable(input, shown)) {
            answer(handler, "ERROR bad_request\n");
            return false;
        }
        input[shown] = '\0';
        if (!obey(handler, input))
            return false;
        *size -= length + 1;
        memmove(input, end + 1, *size);
    }
    if (*size <= HANDLER_LINE_MAX)
        return true;
    answer(handler, "ERROR too_large\n");
    return false;
}

/* Waits for something to read; false when it is time to stop. */
static bool wait_for(const struct handler *handler, int descriptor) {
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};

    while (!*handler->options->stop) {
        if (ppoll(&ready, 1, NULL, handler->options->wait_mask) > 0)
            return true;
        if (errno != EINTR)
            return false;
    }
    return false;
}

static void serve(struct handler *handler, int client) {
    char input[HANDLER_LINE_MAX + 2]; /* a line and its break */
    size_t size = 0;

    while (wait_for(handler, client)) {
        ssize_t count = recv(client, input + size, sizeof(input) - size, 0);
        if (count <= 0)
            return;
        size += (size_t)count;
        if (!obey_all(handler, input, &size))
            return;
    }
}

static void set_client(struct handler *handler, int client) {
    (void)pthread_mutex_lock(&handler->lock);
    handler->client = client;
    (void)pthread_mutex_unlock(&handler->lock);
}

static int sites_copy(struct handler *handler, const json_t *sites, struct error *error) {
    size_t index = 0;
    const json_t *site = NULL;

    json_array_foreach(sites, index, site) {
        const char *name = json_string_value(json_object_get(site, "name"));
        if (handler->site_count == HANDLER_SITES_MAX)
            return error_set(error, ERROR_USAGE, "more than %d sites", HANDLER_SITES_MAX);
        if (strlen(name) >= NAME_SIZE / 2 || name[strcspn(name, " ,=")] != '\0' ||
            !is_printable(name, strlen(name))) {
            (void)error_set(error, ERROR_USAGE, "a handler cannot name the site \"%s\"", name);
            return error_hint(error, "a short name without blanks, commas and equals signs");
        }
        struct handler_site *copy = &handler->sites[handler->site_count++];
        copy->handler = handler;
        copy->site = json_deep_copy(site);
        copy->name = json_string_value(json_object_get(copy->site, "name"));
    }
    return 0;
}

int handler_run(const struct handler_options *options, struct error *error) {
    struct handler *handler = calloc(1, sizeof(*handler));

    if (handler == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    handler->options = options;
    handler->client = -1;
    (void)pthread_mutex_init(&handler->lock, NULL);
    int result = sites_copy(handler, options->sites, error);
    while (result == 0 && wait_for(handler, options->listener)) {
        int client = accept4(options->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            (void)usleep(ACCEPT_PAUSE_US);
            continue;
        }
        set_client(handler, client);
        serve(handler, client);
        set_client(handler, -1);
        (void)close(client);
    }
    for (size_t i = 0; i < handler->site_count; i++) {
        if (handler->sites[i].has_thread)
            (void)pthread_join(handler->sites[i].thread, NULL);
        json_decref(handler->sites[i].site);
    }
    (void)pthread_mutex_destroy(&handler->lock);
    free(handler);
    return result;
}
