/* nusec whoami */
#include "cli/command.h"
#include "cli/output.h"

static const struct output_column whoami_columns[] = {
    {"role", "role", OUTPUT_TEXT},
    {"subject", "subject", OUTPUT_TEXT},
    {"server", "server_version", OUTPUT_TEXT},
};

static int whoami(const struct option_list *operands, struct error *error) {
    (void)operands;
    return output_answer(command_get("/v1/whoami", error), NULL, whoami_columns, 3);
}

static const struct option_entry whoami_entries[] = {COMMAND_PROFILE_OPTION, COMMAND_JSON_OPTION};
static const struct option_set whoami_options =
    COMMAND_OPTION_SET("nusec whoami", "[options]", "Shows who the server takes this profile for.",
                       whoami_entries, 0, 0);

const struct command server_commands[] = {{&whoami_options, whoami}, {0}};
