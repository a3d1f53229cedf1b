#include "programmer/firmware.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "cose/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_DIGEST_SIZE 8

/* "firmware/<id><suffix>" in the state directory. */
static char *cache_path(const struct firmware_order *order, const char *suffix) {
    char name[128];
    char *directory = path_join(order->state_directory, "firmware");
    (void)snprintf(name, sizeof name, "%s%s", order->id, suffix);
    char *path = directory != NULL ? path_join(directory, name) : NULL;
    free(directory);
    return path;
}

static int image_check(const struct firmware_order *order, struct bytes manifest,
                       struct firmware *firmware, struct error *error) {
    char id[2 * ID_DIGEST_SIZE + 1];
    if (software_read_manifest(manifest, order->boot_key, MANIFEST_KIND_DEVAUTH,
                               &firmware->software, error) != 0 ||
        software_check_file(&firmware->software, buffer_bytes(&firmware->image), error) != 0)
        return -1;
    hex_encode(bytes_of(firmware->software.sha256, ID_DIGEST_SIZE), id);
    if (strncmp(order->id, "fw-", 3) != 0 || strcmp(order->id + 3, id) != 0)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE, "the DevAuth image is fw-%s, not %s", id,
                         order->id);
    if (strcmp(firmware->software.family, order->chip_family) != 0)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "the DevAuth image is for %s, the job for %s", firmware->software.family,
                         order->chip_family);
    return 0;
}

static int cache_read(const struct firmware_order *order, struct firmware *firmware,
                      struct error *error) {
    struct buffer manifest = {0};
    char *manifest_path = cache_path(order, ".cose");
    char *image_path = cache_path(order, ".bin");
    int failed = -1;
    if (manifest_path == NULL || image_path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (file_read(manifest_path, MANIFEST_MAX, &manifest, error) == 0 &&
             file_read(image_path, SOFTWARE_SIZE_MAX, &firmware->image, error) == 0)
        failed = image_check(order, buffer_bytes(&manifest), firmware, error);
    buffer_free(&manifest);
    free(manifest_path);
    free(image_path);
    return failed;
}

static int cache_write(const struct firmware_order *order, struct bytes manifest,
                       struct bytes image, struct error *error) {
    char *directory = path_join(order->state_directory, "firmware");
    char *manifest_path = cache_path(order, ".cose");
    char *image_path = cache_path(order, ".bin");
    int failed = -1;
    if (directory == NULL || manifest_path == NULL || image_path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (directory_create_private(directory, error) == 0 &&
             file_write_durable(manifest_path, manifest, 0600, error) == 0)
        failed = file_write_durable(image_path, image, 0600, error);
    free(directory);
    free(manifest_path);
    free(image_path);
    return failed;
}

static int download(struct server *server, const struct firmware_order *order,
                    struct firmware *firmware, struct error *error) {
    struct buffer manifest = {0};
    struct error unused;
    int failed = server_firmware(server, order->id, &manifest, &firmware->image, error);
    if (failed == 0)
        failed = image_check(order, buffer_bytes(&manifest), firmware, error);
    /* The copy saves a download; without it the image is as good. */
    if (failed == 0 &&
        cache_write(order, buffer_bytes(&manifest), buffer_bytes(&firmware->image), &unused) != 0)
        log_error_event("firmware.cache", &unused);
    buffer_free(&manifest);
    return failed;
}

int firmware_get(struct server *server, const struct firmware_order *order,
                 struct firmware *firmware, struct error *error) {
    *firmware = (struct firmware){0};
    if (cache_read(order, firmware, error) == 0)
        return 0;
    if (error->code != ERROR_NOT_FOUND)
        log_error_event("firmware.cached", error);
    buffer_clear(&firmware->image);
    int failed = download(server, order, firmware, error);
    if (failed != 0)
        firmware_free(firmware);
    return failed;
}

void firmware_free(struct firmware *firmware) {
    buffer_free(&firmware->image);
    *firmware = (struct firmware){0};
}
