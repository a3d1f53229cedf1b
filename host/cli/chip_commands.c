/* nusec chip show | rma */
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/measured.h"
#include "cli/output.h"
#include "cli/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    struct site_options sites;
    bool compare;
    bool yes;
} arguments;

static const struct output_column chip_columns[] = {
    {"UID", "uid", OUTPUT_TEXT},
    {"family", "family", OUTPUT_TEXT},
    {"stage", "stage", OUTPUT_TEXT},
    {"life cycle", "life_cycle", OUTPUT_TEXT},
    {"flags", "flags_text", OUTPUT_TEXT},
    {"certificate chain", "chain", OUTPUT_TEXT},
    {"certificate SHA-256", "certificate_sha256_hex", OUTPUT_TEXT},
};

static const struct output_column boot_columns[] = {
    {"started", "boot_reason", OUTPUT_TEXT},
    {"swap", "swap", OUTPUT_TEXT},
    {"application confirmed", "confirmed", OUTPUT_TEXT},
    {"BL2 counter", "bl2_counter", OUTPUT_TEXT},
    {"BL3 counter", "bl3_counter", OUTPUT_TEXT},
};

static const struct output_column slot_columns[] = {
    {"SLOT", "slot", OUTPUT_TEXT},
    {"IMAGE", "reason", OUTPUT_TEXT},
    {"VERSION", "version", OUTPUT_TEXT},
    {"COUNTER", "security_counter", OUTPUT_TEXT},
};

static json_t *site_parameters(json_t *site, const char *uid) {
    json_t *parameters = json_pack("{s:o}", "site", site);

    if (uid != NULL)
        (void)json_object_set_new(parameters, "uid", json_string(uid));
    return parameters;
}

static bool is_empty(const json_t *slot) {
    const char *reason = json_string_value(json_object_get(slot, "reason"));

    return reason != NULL && strcmp(reason, "empty") == 0;
}

static void print_slots(const json_t *boot) {
    static const struct {
        const char *member;
        const char *name;
    } slots[] = {{"bl2", "BL2"}, {"primary", "BL3 primary"}, {"secondary", "BL3 secondary"}};
    json_t *rows = json_array();

    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        json_t *row = json_copy(json_object_get(boot, slots[i].member));
        if (row != NULL) {
            if (is_empty(row)) {
                (void)json_object_del(row, "version");
                (void)json_object_del(row, "security_counter");
            }
            (void)json_object_set_new(row, "slot", json_string(slots[i].name));
            (void)json_array_append_new(rows, row);
        }
    }
    output_table(stdout, slot_columns, sizeof(slot_columns) / sizeof(slot_columns[0]), rows);
    json_decref(rows);
}

static void print_chip(const json_t *chip, const json_t *measured) {
    const json_t *boot = json_object_get(chip, "boot");
    json_t *shown = json_copy((json_t *)chip);
    char flags[128];

    output_list(json_object_get(chip, "flags"), flags, sizeof(flags));
    (void)json_object_set_new(shown, "flags_text", json_string(flags));
    output_fields(stdout, chip_columns, sizeof(chip_columns) / sizeof(chip_columns[0]), shown);
    json_decref(shown);
    if (json_is_object(boot)) {
        (void)printf("\nBoot, as the chip says:\n");
        output_fields(stdout, boot_columns, sizeof(boot_columns) / sizeof(boot_columns[0]), boot);
        (void)fputc('\n', stdout);
        print_slots(boot);
    }
    (void)printf("\n%s\n", json_is_object(measured)
                               ? "Measured, signed by the chip just now:"
                               : "Nothing measured: the chip has not proved who it is.");
    if (json_is_object(measured))
        measured_print(stdout, measured);
}

/* What the server has of this chip must be what the chip says now. */
static int compare(const json_t *chip, const json_t *measured, struct error *error) {
    const char *uid = json_string_value(json_object_get(chip, "uid"));
    char name[64];

    if (!json_is_object(measured)) {
        return error_set(error, ERROR_DEVICE_UNTRUSTED,
                         "the chip did not prove who it is: nothing to compare");
    }
    char *path = command_path("/v1/devices/%s", uid);
    json_t *device = command_get(path, error);
    free(path);
    if (device == NULL)
        return -1;
    const json_t *certificate = json_object_get(chip, "certificate_sha256_hex");
    const char *difference = "certificate_sha256_hex";
    if (json_equal(certificate, json_object_get(device, "certificate_sha256_hex")))
        difference =
            measured_difference(measured, json_object_get(device, "boot"), name, sizeof(name));
    json_decref(device);
    if (difference == NULL)
        return 0;
    (void)error_set(error, ERROR_ATTESTATION_REFUSED,
                    "the chip and the server's record of %s differ in %s", uid, difference);
    return error_hint(error, "compare nusec device show and nusec chip show");
}

static int show(const struct option_list *operands, struct error *error) {
    json_t *site = site_options_read_one(&arguments.sites, error);
    json_t *measured = NULL;
    int result = -1;

    (void)operands;
    json_t *chip = site == NULL
                       ? NULL
                       : command_ask_programmer("chip.show", site_parameters(site, NULL), error);
    if (chip != NULL && (measured = measured_of_chip(chip, error)) != NULL)
        result = arguments.compare ? compare(chip, measured, error) : 0;
    if (result == 0) {
        (void)json_object_set(chip, "measured", measured);
        if (command_common.json)
            output_json(stdout, chip);
        else
            print_chip(chip, measured);
        if (arguments.compare && !command_common.json)
            (void)printf("\nThe server has the same of this chip.\n");
    }
    json_decref(measured);
    json_decref(chip);
    return result;
}

static int rma(const struct option_list *operands, struct error *error) {
    const char *uid = operands->items[0];
    char question[192];

    (void)snprintf(question, sizeof(question),
                   "Keys and firmware of %s will be destroyed and its debug port opened, for good.",
                   uid);
    json_t *site = site_options_read_one(&arguments.sites, error);
    if (site == NULL || confirm(arguments.yes, question, uid, error) != 0) {
        json_decref(site);
        return -1;
    }
    json_t *answer = command_ask_programmer("chip.rma", site_parameters(site, uid), error);
    if (answer == NULL || command_common.json)
        return output_answer(answer, NULL, NULL, 0);
    (void)printf("%s is erased and open; it boots nothing any more\n", uid);
    json_decref(answer);
    return 0;
}

#define SITE_ENTRIES                                                                               \
    {OPTION_LIST,                                                                                  \
     "site",                                                                                       \
     "NAME=DEBUG,UART",                                                                            \
     "the chip's debug port and UART",                                                             \
     &arguments.sites.sites,                                                                       \
     OPTION_OPTIONAL},                                                                             \
    {                                                                                              \
        OPTION_LIST, "board", "DIR", "or the folder of a virtual board", &arguments.sites.boards,  \
            OPTION_OPTIONAL                                                                        \
    }

static const struct option_entry show_entries[] = {
    SITE_ENTRIES,
    {OPTION_FLAG, "compare", NULL, "fail unless the server has the same of this chip",
     &arguments.compare, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_PROFILE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set show_options = COMMAND_OPTION_SET(
    "nusec chip show", "--board DIR|--site NAME=DEBUG,UART [options]",
    "Asks a chip what it is, what it runs and what it measures. Changes nothing.", show_entries, 0,
    0);

static const struct option_entry rma_entries[] = {
    SITE_ENTRIES,
    {OPTION_FLAG, "yes", NULL, "do not ask", &arguments.yes, OPTION_OPTIONAL},
    COMMAND_PROGRAMMER_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set rma_options = COMMAND_OPTION_SET(
    "nusec chip rma", "UID --board DIR|--site NAME=DEBUG,UART [options]",
    "Destroys keys and firmware of a chip and opens its debug port, when `nusec device rma` has\n"
    "allowed it. There is no way back.",
    rma_entries, 1, 1);

const struct command chip_commands[] = {{&show_options, show}, {&rma_options, rma}, {0}};
