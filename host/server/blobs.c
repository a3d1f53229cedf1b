#include "server/blobs.h"

#include "base/encoding.h"
#include "base/file.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

static struct server_path blob_path(const struct server_data *data, const uint8_t sha256[32]) {
    char digits[65];
    struct server_path path;

    hex_encode(bytes_of(sha256, 32), digits);
    snprintf(path.text, sizeof path.text, "%.430s/firmware/%s", data->directory, digits);
    return path;
}

int blob_put(const struct server_data *data, const uint8_t sha256[32], struct bytes octets,
             struct error *error) {
    struct server_path path = blob_path(data, sha256);

    if (file_exists(path.text))
        return 0;
    return file_write_durable(path.text, octets, 0600, error);
}

int blob_get(const struct server_data *data, const uint8_t sha256[32], size_t limit,
             struct buffer *octets, struct error *error) {
    uint8_t digest[32];

    if (file_read(blob_path(data, sha256).text, limit, octets, error) != 0)
        return -1;
    SHA256(octets->data != NULL ? octets->data : (const uint8_t *)"", octets->size, digest);
    if (memcmp(digest, sha256, sizeof digest) != 0)
        return error_set(error, ERROR_STORAGE, "stored firmware was changed on disk");
    return 0;
}
