/* Upload to the firmware store in ranges, with progress on a terminal; used by `firmware upload`
 * and `programmer prepare`. */
#ifndef NUSEC_CLI_FIRMWARE_H
#define NUSEC_CLI_FIRMWARE_H

#include "base/json.h"
#include "http/http_client.h"

/* What the server accepts at most. */
#define FIRMWARE_LIMIT ((size_t)8 << 20)

struct firmware_upload {
    const char *path;
    const char *kind;
    const char *family;
    const char *version;
    bool has_counter; /* BL2 and BL3 */
    uint64_t counter;
};

/* The server's answer {id, sha256_hex, size, manifest_b64}, a new reference; NULL on failure. */
json_t *firmware_upload(struct http_client *client, const struct firmware_upload *upload,
                        struct error *error);

#endif
