/*
 * Upload to the firmware store in bounded ranges, used by `firmware upload` and
 * `programmer prepare`.
 *
 * The server keys an upload by what it is (kind, names, size, SHA-256): beginning the same one
 * again says how far it came. So nothing has to be remembered here to go on after an interruption.
 */
#ifndef NUSEC_CLI_FIRMWARE_H
#define NUSEC_CLI_FIRMWARE_H

#include "base/json.h"
#include "http/http_client.h"

/* What the server accepts at most. */
#define FIRMWARE_LIMIT ((size_t)8 << 20)

/* `done` of `total` bytes are at the server; first called with what was there before. */
typedef void firmware_progress_function(void *context, uint64_t done, uint64_t total);

struct firmware_upload {
    const char *path;
    const char *kind;
    const char *family;
    const char *version;
    const uint64_t *security_counter;     /* NULL for kinds that have none */
    firmware_progress_function *progress; /* or NULL */
    void *context;
    unsigned pause_ms; /* before the first repetition of a range that failed; doubles; 0: 250 */
};

/*
 * The server's answer about the stored firmware, a new reference; NULL on failure. A range whose
 * answer was lost is asked about and repeated, a few times without progress; ERROR_ALTERED if what
 * the server stored is not what the file has.
 */
json_t *firmware_upload(struct http_client *client, const struct firmware_upload *upload,
                        struct error *error);

#endif
