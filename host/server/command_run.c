/* nusec-server run: serves until SIGTERM or SIGINT. */
#include "server/commands.h"

#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "server/api.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct run_arguments {
    const char *data;
    const char *listen;
    const char *log_level;
    uint64_t workers;
    uint64_t io_threads;
};

/* The root object of the running program. */
struct running {
    struct service service;
    struct metrics metrics;
    _Atomic(struct http_server *) http; /* NULL before it has started and while it stops */
};

static void *worker_start(void *context, struct error *error) {
    struct running *running = context;
    struct api_worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    worker->service = &running->service;
    worker->metrics = &running->metrics;
    worker->server = &running->http;
    worker->reader = store_reader_open(running->service.store, error);
    if (worker->reader == NULL) {
        free(worker);
        return NULL;
    }
    return worker;
}

static void worker_stop(void *context) {
    struct api_worker *worker = context;

    store_db_close(worker->reader);
    free(worker);
}

/* Requests that may soon ask for a commit: the database thread waits for them a little. */
static unsigned outstanding(void *context) {
    struct running *running = context;
    const struct http_server *http = atomic_load(&running->http);

    return http != NULL ? http_server_in_workers(http) : 0;
}

/* "127.0.0.1:8443" from "https://127.0.0.1:8443". */
static void listen_of_url(const char *url, char *out, size_t capacity) {
    const char *host = url + strlen("https://");
    size_t size = strcspn(host, "/");
    bool has_port = strchr(host + (*host == '[' ? strcspn(host, "]") : 0), ':') != NULL;

    snprintf(out, capacity, "%.*s%s", (int)size, host, has_port ? "" : ":443");
}

static int start_http(struct running *running, const struct run_arguments *arguments,
                      struct error *error) {
    const struct server_data *data = &running->service.data;
    struct server_path certificate = server_path(data, "tls/server.pem");
    struct server_path key = server_path(data, "tls/server.key");
    struct server_path root = server_path(data, "ca/root.pem");
    struct server_path intermediates = server_path(data, "ca/intermediates.pem");
    struct http_server *http;
    char listen[256];
    struct http_server_options options = {
        .listen = arguments->listen,
        .certificate_path = certificate.text,
        .key_path = key.text,
        .root_path = root.text,
        .intermediates_path = intermediates.text,
        .io_threads = (unsigned)arguments->io_threads,
        .workers = (unsigned)arguments->workers,
        .body_limit = SERVICE_FIRMWARE_MAX,
        .worker_start = worker_start,
        .worker_stop = worker_stop,
        .handle = api_handle,
        .context = running,
    };

    if (options.listen == NULL) {
        listen_of_url(data->url, listen, sizeof listen);
        options.listen = listen;
    }
    http = http_server_start(&options, error);
    atomic_store(&running->http, http);
    return http != NULL ? 0 : -1;
}

static void wait_for_signal(const sigset_t *signals) {
    int number = 0;

    while (sigwait(signals, &number) != 0)
        ;
    log_info("server.stopping", "signal", LOG_NUMBER(number));
}

static int serve(struct running *running, const struct run_arguments *arguments,
                 struct error *error) {
    const struct store_config store_config = {outstanding, running};
    char address[128];
    sigset_t signals;

    /* Before any thread starts, so that all inherit it and only sigwait sees the signals. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (service_open(&running->service, arguments->data, &store_config, error) != 0)
        return -1;
    if (file_exists(server_path(&running->service.data, "root/pin").text))
        log_warn("server.root_token_here", "hint", "move DATA/root to a safe place");
    if (start_http(running, arguments, error) != 0) {
        service_close(&running->service);
        return -1;
    }
    http_server_address(atomic_load(&running->http), address, sizeof address);
    log_info("server.started", "address", address);
    printf("listening on https://%s\n", address);
    fflush(stdout);
    wait_for_signal(&signals);
    http_server_stop(atomic_exchange(&running->http, NULL));
    service_close(&running->service);
    return 0;
}

/* One connection is one descriptor: take as many as the system allows. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run_locked(const struct run_arguments *arguments, struct error *error) {
    struct running *running;
    struct server_data data;
    int lock, result = -1;

    if (server_data_at(&data, arguments->data, error) != 0)
        return -1;
    lock = file_lock(server_path(&data, "lock").text, error);
    if (lock < 0)
        return error_prefix(error, "another nusec-server uses %s", arguments->data);
    running = calloc(1, sizeof *running);
    if (running != NULL)
        result = serve(running, arguments, error);
    else
        error_set(error, ERROR_INTERNAL, "out of memory");
    free(running);
    close(lock);
    return result;
}

static int check_arguments(struct run_arguments *arguments, struct error *error) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    enum log_level level = LOG_LEVEL_INFO;

    if (arguments->log_level != NULL && log_level_of_name(arguments->log_level, &level) != 0)
        return error_set(error, ERROR_USAGE, "log level: debug, info, warn, error or off");
    log_start("nusec-server", level);
    if (processors < 1)
        processors = 1;
    /* One more than processors: a worker may be waiting for a commit or the token. */
    if (arguments->workers == 0)
        arguments->workers = (uint64_t)processors + 1;
    if (arguments->io_threads == 0)
        arguments->io_threads = processors < 8 ? 1 : (uint64_t)processors / 4;
    if (arguments->workers > 256 || arguments->io_threads > 64)
        return error_set(error, ERROR_USAGE, "at most 256 workers and 64 I/O threads");
    return 0;
}

int command_run(int argc, char **argv) {
    struct run_arguments arguments = {0};
    const struct option_entry entries[] = {
        {OPTION_TEXT, "data", "DIR", "the data directory", &arguments.data, OPTION_REQUIRED},
        {OPTION_TEXT, "listen", "ADDRESS:PORT", "default: host and port of the URL",
         &arguments.listen, OPTION_OPTIONAL},
        {OPTION_NUMBER, "workers", "N", "threads that handle requests", &arguments.workers,
         OPTION_OPTIONAL},
        {OPTION_NUMBER, "io-threads", "N", "threads that hold connections", &arguments.io_threads,
         OPTION_OPTIONAL},
        {OPTION_TEXT, "log-level", "LEVEL", "debug, info, warn, error or off", &arguments.log_level,
         OPTION_OPTIONAL},
    };
    const struct option_set set = {"nusec-server run",
                                   "--data DIR [--listen ADDRESS:PORT]",
                                   "Serves the REST API in the foreground.",
                                   entries,
                                   sizeof entries / sizeof entries[0],
                                   0,
                                   0};
    struct option_list operands;
    struct error error;

    switch (options_parse(&set, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&set, stdout); return 0;
    case OPTIONS_FAILED: return command_failed("run", &error);
    case OPTIONS_OK: break;
    }
    raise_descriptor_limit();
    if (check_arguments(&arguments, &error) != 0 || run_locked(&arguments, &error) != 0)
        return command_failed("run", &error);
    return 0;
}
