/* nusec chip show | rma: a chip in a socket, asked through the programmer */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/site.h"

#include <stdlib.h>

static struct {
    struct site_options sites;
} arguments;

static const struct output_column show_columns[] = {
    {"UID", "uid", OUTPUT_TEXT},
    {"family", "family", OUTPUT_TEXT},
    {"stage", "stage", OUTPUT_TEXT},
    {"life cycle", "life_cycle", OUTPUT_TEXT},
    {"chain", "chain", OUTPUT_TEXT},
    {"certificate SHA-256", "certificate_sha256_hex", OUTPUT_TEXT},
};
static const struct output_column boot_columns[] = {
    {"boot reason", "boot_reason", OUTPUT_TEXT},
    {"swap asked for", "swap", OUTPUT_TEXT},
    {"BL2 counter", "bl2_counter", OUTPUT_TEXT},
    {"BL3 counter", "bl3_counter", OUTPUT_TEXT},
};
static const struct output_column slot_columns[] = {
    {"SLOT", "slot", OUTPUT_TEXT},
    {"IMAGE", "reason", OUTPUT_TEXT},
    {"VERSION", "version", OUTPUT_TEXT},
    {"COUNTER", "security_counter", OUTPUT_TEXT},
};
static const struct output_column measurement_columns[] = {
    {"INDEX", "index", OUTPUT_TEXT},
    {"MEASURED", "name", OUTPUT_TEXT},
    {"VALUE", "value_hex", OUTPUT_TEXT},
};

/* Exactly one target, as the control socket wants it. */
static json_t *read_site(struct error *error) {
    json_t *sites = site_options_read(&arguments.sites, error);
    json_t *site = NULL;

    if (sites != NULL && json_array_size(sites) != 1)
        (void)error_set(error, ERROR_USAGE, "give one --site or one --board");
    else if (sites != NULL)
        site = json_incref(json_array_get(sites, 0));
    json_decref(sites);
    return site;
}

static void print_slots(const json_t *boot) {
    static const char *const names[] = {"bl2", "primary", "secondary"};
    json_t *rows = json_array();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *row = json_copy(json_object_get(boot, names[i]));
        (void)json_object_set_new(row, "slot", json_string(names[i]));
        (void)json_array_append_new(rows, row);
    }
    (void)fputc('\n', stdout);
    output_table(stdout, slot_columns, 4, rows);
    json_decref(rows);
}

static int show(const struct option_list *operands, struct error *error) {
    json_t *site = read_site(error);
    json_t *chip = site == NULL ? NULL
                                : command_ask_programmer(
                                      "chip.show", json_pack("{s:o}", "site", site), error);

    (void)operands;
    if (chip == NULL || command_common.json)
        return output_answer(chip, NULL, NULL, 0);
    output_fields(stdout, show_columns, 6, chip);
    if (json_is_object(json_object_get(chip, "boot"))) {
        output_fields(stdout, boot_columns, 4, json_object_get(chip, "boot"));
        print_slots(json_object_get(chip, "boot"));
    }
    if (json_array_size(json_object_get(chip, "measurements")) > 0) {
        (void)fputc('\n', stdout);
        output_table(stdout, measurement_columns, 3, json_object_get(chip, "measurements"));
    }
    json_decref(chip);
    return 0;
}

static int rma(const struct option_list *operands, struct error *error) {
    static const struct output_column columns[] = {{"UID", "uid", OUTPUT_TEXT},
                                                   {"state", "state", OUTPUT_TEXT}};
    json_t *site = read_site(error);
    json_t *answer =
        site == NULL ? NULL
                     : command_ask_programmer("chip.rma",
                                              json_pack("{s:o,s:s}", "site", site, "uid",
                                                        operands->items[0]),
                                              error);

    return output_answer(answer, NULL, columns, 2);
}

static const struct option_entry entries[] = {
    {OPTION_LIST, "site", "NAME=DEBUG,UART", "the target's debug port and UART",
     &arguments.sites.sites, OPTION_OPTIONAL},
    {OPTION_LIST, "board", "DIR", "a virtual board", &arguments.sites.boards, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set show_options = COMMAND_OPTION_SET(
    "nusec chip show", "--board DIR | --site NAME=DEBUG,UART [options]",
    "Asks a chip what it is, what it boots and why not, and what it measures. Changes nothing.",
    entries, 0, 0);
static const struct option_set rma_options = COMMAND_OPTION_SET(
    "nusec chip rma", "UID --board DIR | --site NAME=DEBUG,UART [options]",
    "Destroys keys and firmware of a chip for good and opens its debug port. Needs\n"
    "`nusec device rma` by an administrator first.",
    entries, 1, 1);

const struct command chip_commands[] = {{&show_options, show}, {&rma_options, rma}, {0}};
