/* nusec-server operator add|revoke: works on the database beside a running server. */
#include "server/commands.h"

#include "base/clock.h"
#include "base/options.h"
#include "server/operator_profile.h"
#include "store/store_event.h"
#include "store/store_programmer.h"

#include <stdio.h>
#include <string.h>

struct operator_arguments {
    const char *data;
    const char *name;
    const char *role;
    const char *out;
};

static int add_operator(const struct operator_arguments *arguments, struct error *error) {
    struct server_data data;
    struct authority authority;
    struct store *store;
    int result = -1;

    if (server_data_load(&data, arguments->data, error) != 0 ||
        server_authority_open(&authority, &data, error) != 0)
        return -1;
    store = store_open(server_path(&data, "server.db").text, NULL, error);
    if (store != NULL)
        result = operator_profile_create(&authority, &data, store, arguments->role, arguments->name,
                                         arguments->out, error);
    store_close(store);
    server_authority_close(&authority);
    return result;
}

static int revoke_identity(struct store_db *db, void *context, struct error *error) {
    const struct operator_arguments *arguments = context;
    const struct store_event event = {.time = clock_now_s(&clock_system),
                                      .type = "operator.revoked",
                                      .actor = "local",
                                      .subject = arguments->name,
                                      .detail = arguments->role};

    if (store_identity_revoke(db, arguments->role, arguments->name, error) != 0)
        return -1;
    return store_event_add(db, &event, error);
}

static int revoke_operator(struct operator_arguments *arguments, struct error *error) {
    struct server_data data;
    struct store *store;
    int result;

    if (operator_role(arguments->role) == X509_PROFILE_COUNT)
        return error_set(error, ERROR_USAGE, "there is no role %.40s", arguments->role);
    if (server_data_load(&data, arguments->data, error) != 0)
        return -1;
    store = store_open(server_path(&data, "server.db").text, NULL, error);
    if (store == NULL)
        return -1;
    result = store_run(store, revoke_identity, arguments, error);
    store_close(store);
    return result;
}

static int run_operator(const char *action, int argc, char **argv, struct error *error) {
    struct operator_arguments arguments = {0};
    bool is_add = strcmp(action, "add") == 0;
    const struct option_entry entries[] = {
        {OPTION_TEXT, "data", "DIR", "the server's data directory", &arguments.data,
         OPTION_REQUIRED},
        {OPTION_TEXT, "name", "NAME", "who it is", &arguments.name, OPTION_REQUIRED},
        {OPTION_TEXT, "role", "ROLE", "oem-admin, oem-operator, cm-operator or auditor",
         &arguments.role, OPTION_REQUIRED},
        {OPTION_TEXT, "out", "DIR", "profile directory to make", &arguments.out, OPTION_REQUIRED},
    };
    const struct option_set set = {
        is_add ? "nusec-server operator add" : "nusec-server operator revoke",
        is_add ? "--data DIR --name NAME --role ROLE --out DIR"
               : "--data DIR --name NAME --role ROLE",
        is_add ? "Issues a certificate for an operator." : "Locks an operator out, at once.",
        entries,
        is_add ? 4 : 3,
        0,
        0};
    struct option_list operands;

    switch (options_parse(&set, argc, argv, &operands, error)) {
    case OPTIONS_HELP: options_help(&set, stdout); return 0;
    case OPTIONS_FAILED: return -1;
    case OPTIONS_OK: break;
    }
    return is_add ? add_operator(&arguments, error) : revoke_operator(&arguments, error);
}

int command_operator(int argc, char **argv) {
    struct error error;

    if (argc < 2 || (strcmp(argv[1], "add") != 0 && strcmp(argv[1], "revoke") != 0)) {
        error_set(&error, ERROR_USAGE, "say add or revoke");
        return command_failed("operator", &error);
    }
    if (run_operator(argv[1], argc - 1, argv + 1, &error) != 0)
        return command_failed("operator", &error);
    return 0;
}
