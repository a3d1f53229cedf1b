/*
 * nusec-programmer: the programmer daemon at the contract manufacturer.
 */
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "crypto/crypto.h"
#include "programmer/programmer.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct {
    const char *state;
    const char *socket;
    const char *server;
    const char *tpm;
    const char *module;
    const char *token_label;
    const char *pin_file;
    const char *log_level;
} arguments = {.log_level = "info"};

static const struct option_entry entries[] = {
    {OPTION_TEXT, "state", "DIR", "state directory, made on the first run", &arguments.state,
     OPTION_REQUIRED},
    {OPTION_TEXT, "socket", "PATH", "control socket for nusec", &arguments.socket, OPTION_REQUIRED},
    {OPTION_TEXT, "server", "URL", "the OEM's server, instead of the one installed by prepare",
     &arguments.server, OPTION_OPTIONAL},
    {OPTION_TEXT, "tpm", "TCTI", "key store in a TPM 2.0, such as device:/dev/tpmrm0",
     &arguments.tpm, OPTION_OPTIONAL},
    {OPTION_TEXT, "pkcs11-module", "FILE", "key store module (default: SoftHSM in DIR)",
     &arguments.module, OPTION_OPTIONAL},
    {OPTION_TEXT, "token-label", "NAME", "token in the module (default nusec-programmer)",
     &arguments.token_label, OPTION_OPTIONAL},
    {OPTION_TEXT, "pin-file", "FILE", "PIN of the key store (default: generated in DIR)",
     &arguments.pin_file, OPTION_OPTIONAL},
    {OPTION_TEXT, "log-level", "LEVEL", "debug, info, warn, error or off", &arguments.log_level,
     OPTION_OPTIONAL},
};

static const struct option_set run_options = {
    .command = "nusec-programmer run",
    .usage = "--state DIR --socket PATH [options]",
    .summary = "Makes units: holds the keys, imports packages, drives the targets.",
    .entries = entries,
    .entry_count = sizeof entries / sizeof entries[0],
};

static struct programmer programmer;
static struct control *control;

static void on_signal(int number) {
    (void)number;
    atomic_store(&programmer.stop, true);
    if (control != NULL)
        control_stop(control);
}

static void signals_set(void) {
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

static int fail(const struct error *error) {
    (void)fprintf(stderr, "nusec-programmer: %s: %s\n", error_name(error->code), error->message);
    if (error->hint[0] != '\0')
        (void)fprintf(stderr, "  %s\n", error->hint);
    log_error_event("start", error);
    return error_exit_code(error->code);
}

static int serve(struct error *error) {
    const struct programmer_options options = {
        .state_directory = arguments.state,
        .server_url = arguments.server,
        .tpm = arguments.tpm,
        .module_path = arguments.module,
        .token_label = arguments.token_label,
        .pin_file = arguments.pin_file,
        .clock = &clock_system,
    };
    const struct control_options control_options = {
        .socket_path = arguments.socket,
        .methods = programmer_methods,
        .method_count = programmer_method_count,
        .context = &programmer,
    };
    if (programmer_open(&programmer, &options, error) != 0)
        return -1;
    control = control_open(&control_options, error);
    int failed = control != NULL ? 0 : -1;
    if (failed == 0) {
        signals_set();
        programmer_start_recovery(&programmer);
        log_info("ready", "socket", arguments.socket);
        (void)puts("ready");
        (void)fflush(stdout);
        control_run(control);
        log_info("stopped", "socket", arguments.socket);
    }
    atomic_store(&programmer.stop, true);
    control_close(control);
    programmer_close(&programmer);
    return failed;
}

static int run(int argc, char **argv) {
    struct error error = {0};
    struct option_list operands = {0};
    enum log_level level = LOG_LEVEL_INFO;
    switch (options_parse(&run_options, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&run_options, stdout); return 0;
    case OPTIONS_FAILED: return fail(&error);
    case OPTIONS_OK: break;
    }
    if (log_level_of_name(arguments.log_level, &level) != 0) {
        (void)error_set(&error, ERROR_USAGE, "there is no log level \"%s\"", arguments.log_level);
        return fail(&error);
    }
    log_start("nusec-programmer", level);
    process_forbid_core_dumps(); /* job tokens, session keys */
    if (crypto_init(NULL, NULL) != STATUS_OK || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        (void)error_set(&error, ERROR_INTERNAL, "the crypto or HTTP library does not start");
        return fail(&error);
    }
    int failed = serve(&error);
    curl_global_cleanup();
    return failed != 0 ? fail(&error) : 0;
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "run") == 0)
        return run(argc - 1, argv + 1);
    bool help = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    (void)fprintf(help ? stdout : stderr, "usage: nusec-programmer run --state DIR --socket PATH "
                                          "[options]\n       nusec-programmer run --help\n");
    struct error error;
    (void)error_set(&error, ERROR_USAGE, "no command");
    return help ? 0 : error_exit_code(error.code);
}
