/*
 * nusec-programmer-launcher: verifies the programmer's software and becomes it.
 */
#include "base/options.h"
#include "programmer/launch.h"

#include <stdio.h>

static struct {
    const char *state;
    const char *program;
    bool unprepared;
} arguments = {.program = "/usr/local/sbin/nusec-programmer"};

static const struct option_entry entries[] = {
    {OPTION_TEXT, "state", "DIR", "the programmer's state directory", &arguments.state,
     OPTION_REQUIRED},
    {OPTION_TEXT, "program", "FILE", "the binary (default /usr/local/sbin/nusec-programmer)",
     &arguments.program, OPTION_OPTIONAL},
    {OPTION_FLAG, "unprepared", NULL, "start a programmer that was not prepared yet",
     &arguments.unprepared, OPTION_OPTIONAL},
};

static const struct option_set options = {
    .command = "nusec-programmer-launcher",
    .usage = "--state DIR [--program FILE] [--unprepared] -- run --state DIR ...",
    .summary = "Starts nusec-programmer only if the OEM signed it. What follows -- is its "
               "command line.",
    .entries = entries,
    .entry_count = sizeof entries / sizeof entries[0],
    .minimum_operands = 1,
    .maximum_operands = OPTION_LIST_MAX,
};

static int fail(const struct error *error) {
    (void)fprintf(stderr, "nusec-programmer-launcher: %s: %s\n", error_name(error->code),
                  error->message);
    if (error->hint[0] != '\0')
        (void)fprintf(stderr, "  %s\n", error->hint);
    return error_exit_code(error->code);
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct option_list operands = {0};
    switch (options_parse(&options, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&options, stdout); return 0;
    case OPTIONS_FAILED: return fail(&error);
    case OPTIONS_OK: break;
    }
    const struct launch_request request = {
        .state_directory = arguments.state,
        .program = arguments.program,
        .policy = arguments.unprepared ? LAUNCH_UNPREPARED : LAUNCH_SIGNED_ONLY,
    };
    char *command[OPTION_LIST_MAX + 2] = {"nusec-programmer"};
    for (size_t i = 0; i < operands.count; i++)
        command[i + 1] = (char *)(uintptr_t)operands.items[i]; /* execve never writes them */
    int descriptor = -1;
    if (launch_verify(&request, &descriptor, &error) == 0)
        (void)launch_execute(descriptor, command, &error);
    return fail(&error);
}
