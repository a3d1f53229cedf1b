#include "server/commands.h"

#include "base/process.h"
#include "server/service.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"init", command_init, "make the tokens, keys and certificates of a new server"},
    {"run", command_run, "serve the REST API"},
    {"operator", command_operator, "add or revoke an operator"},
    {"restore", command_restore, "put the key-encryption keys back from their backup"},
    {"routes", command_routes, "print the routes of the REST API with their roles"},
};

static void print_usage(FILE *out) {
    fprintf(out, "usage: nusec-server COMMAND [options]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\n`nusec-server COMMAND --help` shows the options; see nusec-server(8).\n");
}

int command_failed(const char *command, const struct error *error) {
    fprintf(stderr, "nusec-server %s: %s\n", command, error->message);
    if (error->hint[0] != '\0')
        fprintf(stderr, "  %s\n", error->hint);
    if (error->detail[0] != '\0')
        fprintf(stderr, "  (%s)\n", error->detail);
    return error_exit_code(error->code);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("nusec-server %s\n", SERVICE_VERSION);
        return 0;
    }
    process_forbid_core_dumps();
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    print_usage(stderr);
    return error_exit_code(ERROR_USAGE);
}
