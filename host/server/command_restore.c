/* nusec-server restore: the key-encryption keys back into a token that has lost them. */
#include "server/commands.h"

#include "base/options.h"
#include "server/kek_backup.h"
#include "server/server_data.h"

#include <stdio.h>

struct restore_arguments {
    const char *data;
    const char *backup;
    struct option_list shares;
    bool check;
};

static int restore(const struct restore_arguments *arguments, struct error *error) {
    struct server_data data;
    struct hsm *hsm;
    int result;

    if (server_data_load(&data, arguments->data, error) != 0 ||
        (hsm = server_hsm_open(&data, error)) == NULL)
        return -1;
    result = kek_backup_restore(hsm, arguments->backup, arguments->shares.items,
                                arguments->shares.count, arguments->check, error);
    hsm_close(hsm);
    return result;
}

int command_restore(int argc, char **argv) {
    struct restore_arguments arguments = {0};
    const struct option_entry entries[] = {
        {OPTION_TEXT, "data", "DIR", "the server's data directory", &arguments.data,
         OPTION_REQUIRED},
        {OPTION_TEXT, "backup", "FILE", "kek-backup.json, made by init", &arguments.backup,
         OPTION_REQUIRED},
        {OPTION_LIST, "share", "FILE", "a share of the backup key; once for each",
         &arguments.shares, OPTION_REQUIRED},
        {OPTION_FLAG, "check", NULL, "only say whether the shares open the backup",
         &arguments.check, OPTION_OPTIONAL},
    };
    const struct option_set set = {"nusec-server restore",
                                   "--data DIR --backup FILE --share FILE --share FILE [--check]",
                                   "Puts the key-encryption keys back into the server's token.",
                                   entries,
                                   sizeof entries / sizeof entries[0],
                                   0,
                                   0};
    struct option_list operands;
    struct error error;

    switch (options_parse(&set, argc, argv, &operands, &error)) {
    case OPTIONS_HELP: options_help(&set, stdout); return 0;
    case OPTIONS_FAILED: return command_failed("restore", &error);
    case OPTIONS_OK: break;
    }
    if (restore(&arguments, &error) != 0)
        return command_failed("restore", &error);
    printf(arguments.check ? "the shares open the backup; nothing was changed\n"
                           : "the key-encryption keys are back; start the server\n");
    return 0;
}
