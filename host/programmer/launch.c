#include "programmer/launch.h"

#include "base/file.h"
#include "base/json.h"
#include "cose/manifest.h"
#include "programmer/software.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDENTITY_FILE  "programmer.json"
#define IDENTITY_LIMIT ((size_t)64 << 10)

static int state_read(const char *directory, const char *name, size_t limit, struct buffer *out,
                      struct error *error) {
    char *path = path_join(directory, name);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = file_read(path, limit, out, error);
    free(path);
    return failed;
}

static int not_prepared(const char *why, struct error *error) {
    (void)error_set(error, ERROR_NOT_PREPARED, "%s", why);
    return error_hint(error, "prepare the programmer, or start it with --unprepared to do so");
}

/* The launcher needs one field of the identity and none of the code that checks the rest. */
static int boot_key_load(const char *directory, uint8_t boot_key[64], struct error *error) {
    struct buffer text = {0};
    bool installed = false;
    int failed = state_read(directory, IDENTITY_FILE, IDENTITY_LIMIT, &text, error);
    if (failed != 0 && error->code == ERROR_NOT_FOUND)
        failed = not_prepared("this programmer was not prepared yet", error);
    json_t *object = failed == 0 ? json_parse_object(buffer_bytes(&text), error) : NULL;
    if (object == NULL || json_read_bool(object, "installed", &installed, error) != 0)
        failed = -1;
    else if (!installed)
        failed = not_prepared("no boot key is pinned yet", error);
    else
        failed = json_read_hex(object, "rotpk_sboot_hex", boot_key, 64, error);
    json_decref(object);
    buffer_free(&text);
    return failed;
}

int launch_floor_load(const char *state_directory, unsigned long long *floor, struct error *error) {
    struct buffer text = {0};
    *floor = 0;
    if (state_read(state_directory, LAUNCH_FLOOR_FILE, 32, &text, error) != 0) {
        buffer_free(&text);
        return error->code == ERROR_NOT_FOUND ? 0 : -1;
    }
    char *end = NULL;
    errno = 0;
    *floor = strtoull(buffer_text(&text), &end, 10);
    bool valid = errno == 0 && end != buffer_text(&text) && strcmp(end, "\n") == 0;
    buffer_free(&text);
    if (!valid)
        return error_set(error, ERROR_STORAGE, "%s/%s is damaged", state_directory,
                         LAUNCH_FLOOR_FILE);
    return 0;
}

static int floor_raise(const char *directory, unsigned long long floor, struct error *error) {
    char text[32];
    char *path = path_join(directory, LAUNCH_FLOOR_FILE);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    (void)snprintf(text, sizeof text, "%llu\n", floor);
    int failed = file_write_durable(path, bytes_of(text, strlen(text)), 0600, error);
    free(path);
    return failed;
}

static int manifest_load(const char *directory, const uint8_t boot_key[64],
                         struct software *software, struct error *error) {
    struct buffer manifest = {0};
    int failed = state_read(directory, LAUNCH_MANIFEST_FILE, MANIFEST_MAX, &manifest, error);
    if (failed != 0 && error->code == ERROR_NOT_FOUND)
        failed = not_prepared("no software manifest is installed", error);
    else if (failed == 0)
        failed = software_read_manifest(buffer_bytes(&manifest), boot_key, MANIFEST_KIND_PROGRAMMER,
                                        software, error);
    buffer_free(&manifest);
    return failed;
}

static int copy_all(int from, int to, const char *path, struct error *error) {
    uint8_t chunk[65536];
    size_t total = 0;
    ssize_t count;
    while ((count = read(from, chunk, sizeof chunk)) > 0) {
        total += (size_t)count;
        if (total > SOFTWARE_SIZE_MAX)
            return error_set(error, ERROR_UNTRUSTED_SOFTWARE, "%s is too large", path);
        if (write(to, chunk, (size_t)count) != count)
            return error_set(error, ERROR_INTERNAL, "cannot copy %s", path);
    }
    return count == 0 ? 0 : error_set_errno(error, errno, path);
}

/* From here on the bytes cannot change any more, whoever holds the original. */
static int sealed_copy(const char *path, int *descriptor, struct error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return error_set_errno(error, errno, path);
    int copy = memfd_create("nusec-programmer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int failed = copy < 0 ? error_set_errno(error, errno, "memfd_create") : 0;
    if (failed == 0)
        failed = copy_all(file, copy, path, error);
    if (failed == 0 &&
        fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        failed = error_set_errno(error, errno, "sealing the program");
    (void)close(file);
    if (failed != 0 && copy >= 0)
        (void)close(copy);
    else if (failed == 0)
        *descriptor = copy;
    return failed;
}

static int copy_check(int descriptor, const struct software *software, struct error *error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return error_set_errno(error, errno, "the program");
    if (status.st_size <= 0)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE, "the program is empty");
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED)
        return error_set_errno(error, errno, "the program");
    int failed = software_check_file(software, bytes_of(bytes, (size_t)status.st_size), error);
    (void)munmap(bytes, (size_t)status.st_size);
    return failed;
}

static int verified_copy(const struct launch_request *request, const uint8_t boot_key[64],
                         int *descriptor, struct error *error) {
    struct software software;
    unsigned long long floor = 0;
    if (manifest_load(request->state_directory, boot_key, &software, error) != 0 ||
        launch_floor_load(request->state_directory, &floor, error) != 0)
        return -1;
    if (software.counter < floor)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE,
                         "version %s is older (counter %llu) than what ran here before (%llu)",
                         software.version, (unsigned long long)software.counter, floor);
    int copy = -1;
    if (sealed_copy(request->program, &copy, error) != 0)
        return -1;
    int failed = copy_check(copy, &software, error);
    if (failed == 0 && software.counter > floor)
        failed = floor_raise(request->state_directory, software.counter, error);
    if (failed != 0)
        (void)close(copy);
    else
        *descriptor = copy;
    return failed;
}

int launch_verify(const struct launch_request *request, int *descriptor, struct error *error) {
    uint8_t boot_key[64];
    *descriptor = -1;
    if (boot_key_load(request->state_directory, boot_key, error) == 0)
        return verified_copy(request, boot_key, descriptor, error);
    if (error->code == ERROR_NOT_PREPARED && request->policy == LAUNCH_UNPREPARED)
        return sealed_copy(request->program, descriptor, error);
    return -1;
}

int launch_execute(int descriptor, char *const arguments[], struct error *error) {
    char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};
    (void)fexecve(descriptor, arguments, environment);
    return error_set_errno(error, errno, "starting the program");
}
