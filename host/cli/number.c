#include "cli/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int number_parse(const char *option, const char *text, uint64_t maximum, uint64_t *value,
                 struct error *error) {
    bool is_hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = is_hexadecimal ? text + 2 : text;
    size_t size = strlen(digits);

    *value = 0;
    /* strtoull would accept blanks, signs and a second 0x. */
    if (size == 0 ||
        strspn(digits, is_hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") != size)
        return error_set(error, ERROR_USAGE, "%s %s: not a number", option, text);
    errno = 0;
    unsigned long long number = strtoull(digits, NULL, is_hexadecimal ? 16 : 10);
    if (errno == ERANGE || number > maximum)
        return error_set(error, ERROR_USAGE, "%s %s: at most %llu", option, text,
                         (unsigned long long)maximum);
    *value = number;
    return 0;
}
