/* nusec scrap */
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/output.h"

#include <stdio.h>

static struct {
    const char *reason;
    bool yes;
} arguments;

static const struct output_column columns[] = {
    {"UID", "uid", OUTPUT_TEXT},
    {"state", "state", OUTPUT_TEXT},
    {"the server knows", "reported", OUTPUT_TEXT},
    {"still counted", "counted", OUTPUT_TEXT},
    {"remaining", "remaining", OUTPUT_TEXT},
};

static int scrap(const struct option_list *operands, struct error *error) {
    const char *uid = operands->items[1];
    char question[192];

    (void)snprintf(question, sizeof(question),
                   "%s will be given up for good: it is never made again under %s.", uid,
                   operands->items[0]);
    if (confirm(arguments.yes, question, uid, error) != 0)
        return -1;
    json_t *parameters = json_pack("{s:s,s:s,s:s}", "job_id", operands->items[0], "uid", uid,
                                   "reason", arguments.reason);
    return output_answer(command_ask_programmer("scrap", parameters, error), NULL, columns,
                         sizeof(columns) / sizeof(columns[0]));
}

static const struct option_entry scrap_entries[] = {
    {OPTION_TEXT, "reason", "TEXT", "why, for the record", &arguments.reason, OPTION_REQUIRED},
    {OPTION_FLAG, "yes", NULL, "do not ask", &arguments.yes, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set scrap_options = COMMAND_OPTION_SET(
    "nusec scrap", "JOB UID --reason TEXT [--yes] [options]",
    "Gives up a unit that is not complete, at the line. Holds without network, too: the server is\n"
    "told later. Its count comes back only if nothing was permitted to the chip yet.",
    scrap_entries, 2, 2);

const struct command scrap_commands[] = {{&scrap_options, scrap}, {0}};
