#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct error_row {
    const char *name;
    int http_status;
    int exit_code;
};

/* The one table. Exit codes are documented in docs/operations and the man pages: append only. */
static const struct error_row rows[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {"none", 200, 0},
    [ERROR_INTERNAL] = {"internal", 500, 1},
    [ERROR_USAGE] = {"usage", 400, 2},
    [ERROR_BAD_REQUEST] = {"bad_request", 400, 3},
    [ERROR_NOT_FOUND] = {"not_found", 404, 4},
    [ERROR_DENIED] = {"denied", 403, 5},
    [ERROR_CONFLICT] = {"conflict", 409, 6},
    [ERROR_UNAUTHENTICATED] = {"unauthenticated", 401, 7},
    [ERROR_TOO_LARGE] = {"too_large", 413, 8},
    [ERROR_OFFLINE] = {"offline", 502, 10},
    [ERROR_TIMEOUT] = {"timeout", 504, 11},
    [ERROR_STORAGE_FULL] = {"storage_full", 503, 12},
    [ERROR_STORAGE] = {"storage", 500, 13},
    [ERROR_HSM_UNAVAILABLE] = {"hsm_unavailable", 503, 14},
    [ERROR_BUSY] = {"busy", 503, 15},
    [ERROR_UNSUPPORTED] = {"unsupported", 501, 16},
    [ERROR_WRONG_PROGRAMMER] = {"wrong_programmer", 403, 20},
    [ERROR_WRONG_EPOCH] = {"wrong_epoch", 409, 21},
    [ERROR_ALTERED] = {"altered", 400, 22},
    [ERROR_UNTRUSTED_SIGNER] = {"untrusted_signer", 403, 23},
    [ERROR_BAD_PACKAGE] = {"bad_package", 400, 24},
    [ERROR_EXPIRED] = {"expired", 410, 25},
    [ERROR_REPLAYED] = {"replayed", 409, 26},
    [ERROR_BELOW_FLOOR] = {"below_floor", 409, 27},
    [ERROR_COUNT_ZERO] = {"count_zero", 409, 28},
    [ERROR_UNKNOWN_JOB] = {"unknown_job", 404, 29},
    [ERROR_JOB_CLOSED] = {"job_closed", 409, 30},
    [ERROR_JOB_FULL] = {"job_full", 409, 31},
    [ERROR_UID_NOT_LISTED] = {"uid_not_listed", 403, 32},
    [ERROR_UID_UNDER_OTHER_KEY] = {"uid_under_other_key", 409, 33},
    [ERROR_LEDGER_DIVERGED] = {"ledger_diverged", 409, 34},
    [ERROR_ASSURANCE_TOO_LOW] = {"assurance_too_low", 403, 35},
    [ERROR_NOT_PREPARED] = {"not_prepared", 409, 36},
    [ERROR_REVOKED] = {"revoked", 403, 37},
    [ERROR_BAD_CSR] = {"bad_csr", 400, 40},
    [ERROR_BAD_CSR_SIGNATURE] = {"bad_csr_signature", 400, 41},
    [ERROR_BAD_CERTIFICATE] = {"bad_certificate", 400, 42},
    [ERROR_DEVICE_LINK] = {"device_link", 502, 50},
    [ERROR_DEVICE_DEBUG] = {"device_debug", 502, 51},
    [ERROR_DEVICE_REFUSED] = {"device_refused", 502, 52},
    [ERROR_DEVICE_UNTRUSTED] = {"device_untrusted", 403, 53},
    [ERROR_UNTRUSTED_SOFTWARE] = {"untrusted_software", 403, 54},
    [ERROR_WRONG_TOKEN] = {"wrong_token", 403, 38},
    [ERROR_ALREADY_IDENTIFIED] = {"already_identified", 409, 39},
    [ERROR_UNIT_OPEN] = {"unit_open", 409, 60},
    [ERROR_WRONG_STATE] = {"wrong_state", 409, 61},
    [ERROR_CSR_SUBJECT] = {"csr_subject", 400, 43},
    [ERROR_CSR_NONCE] = {"csr_nonce", 409, 44},
    [ERROR_CERTIFICATE_MISMATCH] = {"certificate_mismatch", 409, 45},
    [ERROR_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, 9},
    [ERROR_KEY_UNDER_OTHER_UID] = {"key_under_other_uid", 409, 62},
    [ERROR_CHALLENGE_EXPIRED] = {"challenge_expired", 409, 63},
    [ERROR_ATTESTATION_REFUSED] = {"attestation_refused", 403, 55},
    [ERROR_IMAGE_REFUSED] = {"image_refused", 409, 56},
    [ERROR_JOB_PAUSED] = {"job_paused", 409, 46},
    [ERROR_PROGRAMMER_ROLLED_BACK] = {"programmer_rolled_back", 409, 57},
    [ERROR_UID_DENIED] = {"uid_denied", 403, 49},
    [ERROR_RETRY_LIMIT] = {"retry_limit", 409, 59},
    [ERROR_ASSURANCE_UNPROVEN] = {"assurance_unproven", 403, 47},
    [ERROR_LEDGER_ROLLED_BACK] = {"ledger_rolled_back", 409, 48},
    [ERROR_UNIT_SCRAPPED] = {"unit_scrapped", 409, 17},
    [ERROR_SERVER_ROLLED_BACK] = {"server_rolled_back", 409, 58},
};

static const struct error_row *row_of(enum error_code code) {
    if ((unsigned)code >= ERROR_CODE_COUNT)
        return &rows[ERROR_INTERNAL];
    return &rows[code];
}

void error_clear(struct error *error) {
    memset(error, 0, sizeof(*error));
}

int error_set(struct error *error, enum error_code code, const char *format, ...) {
    char message[sizeof(error->message)]; /* an argument may point into *error */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    error_clear(error);
    error->code = code;
    memcpy(error->message, message, sizeof(message));
    return -1;
}

int error_hint(struct error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->hint, sizeof(error->hint), format, arguments);
    va_end(arguments);
    return -1;
}

int error_detail(struct error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
    return -1;
}

int error_prefix(struct error *error, const char *format, ...) {
    char context[sizeof(error->message)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof(context), format, arguments);
    va_end(arguments);
    size_t context_size = strlen(context);
    size_t room = sizeof(error->message) - 1;
    if (context_size + 2 >= room)
        return -1;
    size_t keep = strlen(error->message);
    if (keep > room - context_size - 2)
        keep = room - context_size - 2;
    memmove(error->message + context_size + 2, error->message, keep);
    memcpy(error->message, context, context_size);
    memcpy(error->message + context_size, ": ", 2);
    error->message[context_size + 2 + keep] = '\0';
    return -1;
}

int error_set_errno(struct error *error, int errno_value, const char *what) {
    enum error_code code = ERROR_STORAGE;
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        code = ERROR_STORAGE_FULL;
    else if (errno_value == ENOENT)
        code = ERROR_NOT_FOUND;
    else if (errno_value == EAGAIN)
        code = ERROR_BUSY;
    char text[128] = "";
    const char *said = strerror_r(errno_value, text, sizeof(text));
    return error_set(error, code, "%s: %s", what, said);
}

const char *error_name(enum error_code code) {
    return row_of(code)->name;
}

int error_http_status(enum error_code code) {
    return row_of(code)->http_status;
}

int error_exit_code(enum error_code code) {
    return row_of(code)->exit_code;
}

enum error_code error_code_of_name(const char *name) {
    for (int code = 0; code < ERROR_CODE_COUNT; code++)
        if (strcmp(rows[code].name, name) == 0)
            return (enum error_code)code;
    return ERROR_INTERNAL;
}
