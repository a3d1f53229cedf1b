#include "cli/confirm.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int confirm(bool is_sure, const char *question, const char *answer, struct error *error) {
    char line[128] = "";

    if (is_sure)
        return 0;
    if (!isatty(STDIN_FILENO)) {
        (void)error_set(error, ERROR_USAGE, "this cannot be undone, and nobody is there to ask");
        return error_hint(error, "give --yes to do it from a script");
    }
    (void)fprintf(stderr, "%s\nType %s to go on: ", question, answer);
    (void)fflush(stderr);
    if (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcasecmp(line, answer) == 0)
            return 0;
    }
    return error_set(error, ERROR_DENIED, "not confirmed: nothing was done");
}
