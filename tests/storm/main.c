/* nusec-storm: see storm.h. Exit code 0 only if everything agrees. */
#include "storm.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *line;
    uint64_t port;
    uint64_t seed;
    uint64_t sites;
    const char *firmware_job;
    uint64_t firmware_count;
    const char *identity_job;
    uint64_t identity_count;
} arguments = {.sites = 16};

static const struct option_entry entries[] = {
    {OPTION_TEXT, "line", "DIR", "folder of a prepared line whose programs do not run",
     &arguments.line, OPTION_REQUIRED},
    {OPTION_NUMBER, "port", "N", "TCP port the server listens on", &arguments.port,
     OPTION_REQUIRED},
    {OPTION_NUMBER, "seed", "N", "of everything that is drawn", &arguments.seed, OPTION_REQUIRED},
    {OPTION_NUMBER, "sites", "N", "boards at once (16)", &arguments.sites, OPTION_OPTIONAL},
    {OPTION_TEXT, "firmware-job", "JOB", "imported, with firmware", &arguments.firmware_job,
     OPTION_REQUIRED},
    {OPTION_NUMBER, "firmware-count", "N", "its count", &arguments.firmware_count, OPTION_REQUIRED},
    {OPTION_TEXT, "identity-job", "JOB", "imported, identity only", &arguments.identity_job,
     OPTION_REQUIRED},
    {OPTION_NUMBER, "identity-count", "N", "its count", &arguments.identity_count, OPTION_REQUIRED},
};
static const struct option_set options = {
    .command = "nusec-storm",
    .usage = "--line DIR --port N --seed N --firmware-job JOB --firmware-count N "
             "--identity-job JOB --identity-count N [--sites N]",
    .summary = "Makes the chips of two jobs while everything fails, and judges the outcome.",
    .entries = entries,
    .entry_count = sizeof entries / sizeof entries[0],
};

static char listen_address[32];
static char server_url[64];
static char paths[6][CHIP_PATH_SIZE];
static struct storm storm;

void storm_fail(struct storm *failed, const char *format, ...) {
    va_list list;
    va_start(list, format);
    (void)fprintf(stderr, "storm: ");
    (void)vfprintf(stderr, format, list);
    (void)fprintf(stderr, "\n");
    va_end(list);
    atomic_store(&failed->failed, true);
}

static const char *path_in_line(size_t slot, const char *name) {
    (void)snprintf(paths[slot], sizeof paths[slot], "%.90s/%s", arguments.line, name);
    return paths[slot];
}

static void describe_server(void) {
    struct daemon *server = &storm.server;
    (void)snprintf(listen_address, sizeof listen_address, "127.0.0.1:%u", (unsigned)arguments.port);
    *server = (struct daemon){.name = "the server",
                              .arguments = {"nusec-server", "run", "--data",
                                            path_in_line(0, "server"), "--listen", listen_address},
                              .log_path = path_in_line(1, "log/storm-server.log"),
                              .endpoint = {.kind = ENDPOINT_TCP, .address = "127.0.0.1"},
                              .mutex = PTHREAD_MUTEX_INITIALIZER};
    (void)snprintf(server->endpoint.port, sizeof server->endpoint.port, "%u",
                   (unsigned)arguments.port);
}

/* Talks to the server through the network that is cut. */
static void describe_programmer(void) {
    struct daemon *programmer = &storm.programmer;
    (void)snprintf(server_url, sizeof server_url, "https://127.0.0.1:%u", storm.network.port);
    (void)snprintf(storm.socket_path, sizeof storm.socket_path, "%.90s/storm.sock", arguments.line);
    *programmer = (struct daemon){
        .name = "the programmer",
        .arguments = {"nusec-programmer", "run", "--state", path_in_line(2, "programmer"),
                      "--socket", storm.socket_path, "--pin-file",
                      path_in_line(3, "programmer.pin"), "--server", server_url},
        .log_path = path_in_line(4, "log/storm-programmer.log"),
        .endpoint = {.kind = ENDPOINT_UNIX},
        .mutex = PTHREAD_MUTEX_INITIALIZER};
    (void)snprintf(programmer->endpoint.address, sizeof programmer->endpoint.address, "%s",
                   storm.socket_path);
}

static int arguments_check(struct error *error) {
    if (arguments.sites == 0 || arguments.sites > STORM_SITES_MAX)
        return error_set(error, ERROR_USAGE, "--sites is 1 to %d", STORM_SITES_MAX);
    if (arguments.firmware_count < plan_walk_count())
        return error_set(error, ERROR_USAGE, "--firmware-count is at least %zu: so many walk",
                         plan_walk_count());
    return 0;
}

static int storm_start(struct error *error) {
    storm.line = arguments.line;
    storm.seed = arguments.seed;
    storm.sites = (unsigned)arguments.sites;
    storm.jobs[0] =
        (struct storm_job){arguments.firmware_job, true, (size_t)arguments.firmware_count};
    storm.jobs[1] =
        (struct storm_job){arguments.identity_job, false, (size_t)arguments.identity_count};
    storm.chip_count = storm.jobs[0].count + storm.jobs[1].count;
    if (storm.jobs[0].count == 0 || storm.jobs[1].count == 0)
        return error_set(error, ERROR_USAGE, "each job has at least one unit");
    storm.chips = calloc(storm.chip_count, sizeof *storm.chips);
    (void)snprintf(storm.database, sizeof storm.database, "%.90s/server/server.db", arguments.line);
    if (storm.chips == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    describe_server();
    storm.network.server = storm.server.endpoint;
    if (directory_create_private(path_in_line(5, "chips"), error) != 0 ||
        directory_create_private(path_in_line(5, "sites"), error) != 0 ||
        network_open(&storm.network, error) != 0)
        return -1;
    describe_programmer();
    return daemon_start(&storm.server, error) == 0 ? daemon_start(&storm.programmer, error) : -1;
}

static void *site_thread(void *argument) {
    storm_site_run(&storm, (unsigned)(uintptr_t)argument);
    return NULL;
}

static void storm_rage(void) {
    pthread_t threads[STORM_SITES_MAX];
    for (unsigned i = 0; i < storm.sites; i++)
        if (pthread_create(&threads[i], NULL, site_thread, (void *)(uintptr_t)i) != 0)
            abort();
    for (unsigned i = 0; i < storm.sites; i++)
        (void)pthread_join(threads[i], NULL);
}

static unsigned hits_of(enum fault fault) {
    unsigned hits = 0;
    for (size_t i = 0; i < PLAN_STEPS_MAX; i++)
        hits += atomic_load(&storm.hits[fault][i]);
    return hits;
}

static void summarize(void) {
    size_t runs = 0;
    for (size_t i = 0; i < storm.chip_count; i++)
        runs += storm.chips[i].runs;
    printf("seed %llu: %zu chips in %zu runs, %.1f s\n", (unsigned long long)storm.seed,
           storm.chip_count, runs, (double)(clock_monotonic_ms() - storm.began_ms) / 1000.0);
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_KINDS; fault++)
        printf("  %-18s %u\n", fault_name(fault), hits_of(fault));
    printf("  %-18s %u\n", "connections broken", atomic_load(&storm.network.cuts));
}

static int run(struct error *error) {
    if (arguments_check(error) != 0)
        return -1;
    storm.began_ms = clock_monotonic_ms();
    int failed = storm_start(error);
    if (failed == 0) {
        storm_rage();
        summarize();
        if (!atomic_load(&storm.failed))
            storm_judge_end(&storm);
    }
    if (daemon_stop(&storm.programmer) != 0 || daemon_stop(&storm.server) != 0)
        storm_fail(&storm, "a program did not end by itself");
    if (storm.network.listener > 0)
        network_close(&storm.network);
    free(storm.chips);
    return failed;
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct option_list operands = {0};
    switch (options_parse(&options, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&options, stdout); return 0;
    case OPTIONS_FAILED: break;
    case OPTIONS_OK:
        printf("seed %llu\n", (unsigned long long)arguments.seed);
        (void)fflush(stdout);
        if (run(&error) == 0)
            return atomic_load(&storm.failed) ? 1 : 0;
        break;
    }
    (void)fprintf(stderr, "storm: %s\n", error.message);
    return 1;
}
