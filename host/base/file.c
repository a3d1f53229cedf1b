#include "base/file.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int descriptor, const char *path, size_t limit, struct buffer *out,
                    struct error *error) {
    size_t total = 0;
    for (;;) {
        uint8_t chunk[16384];
        ssize_t got = read(descriptor, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, errno, path);
        if (got == 0)
            return buffer_check(out, error);
        total += (size_t)got;
        if (total > limit) {
            secret_wipe(chunk, sizeof(chunk));
            return error_set(error, ERROR_TOO_LARGE, "%s: more than %zu bytes", path, limit);
        }
        buffer_append(out, chunk, (size_t)got);
        secret_wipe(chunk, (size_t)got);
    }
}

int file_read(const char *path, size_t limit, struct buffer *out, struct error *error) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set_errno(error, errno, path);
    int result = read_all(descriptor, path, limit, out, error);
    close(descriptor);
    return result;
}

static int write_all(int descriptor, struct bytes contents) {
    size_t done = 0;
    while (done < contents.size) {
        ssize_t put = write(descriptor, contents.data + done, contents.size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        done += (size_t)put;
    }
    return 0;
}

/* The rename is only durable once the directory is. */
static int sync_directory_of(const char *path) {
    char *copy = strdup(path);
    if (copy == NULL)
        return -1;
    int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (descriptor < 0)
        return -1;
    int result = fsync(descriptor);
    close(descriptor);
    return result;
}

static int write_temporary(const char *temporary, struct bytes contents, mode_t mode) {
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return -1;
    int result = 0;
    if (write_all(descriptor, contents) != 0 || fchmod(descriptor, mode) != 0 ||
        fsync(descriptor) != 0)
        result = -1;
    int saved = errno;
    if (close(descriptor) != 0 && result == 0)
        return -1;
    errno = saved;
    return result;
}

typedef int publish_function(const char *from, const char *to);

static int write_durable(const char *path, struct bytes contents, mode_t mode,
                         publish_function *publish, struct error *error) {
    char temporary[PATH_MAX];
    static unsigned counter;
    unsigned number = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    int length =
        snprintf(temporary, sizeof(temporary), "%s.%ld.%u.tmp", path, (long)getpid(), number);
    if (length < 0 || (size_t)length >= sizeof(temporary))
        return error_set_errno(error, ENAMETOOLONG, path);
    (void)unlink(temporary); /* left by a crashed process that had our number */
    if (write_temporary(temporary, contents, mode) != 0 || publish(temporary, path) != 0 ||
        sync_directory_of(path) != 0) {
        int saved = errno;
        (void)unlink(temporary);
        if (saved == EEXIST)
            return error_set(error, ERROR_CONFLICT, "%s exists", path);
        return error_set_errno(error, saved, path);
    }
    return 0;
}

/* link() refuses an existing name, rename() replaces it. */
static int link_and_unlink(const char *from, const char *to) {
    if (link(from, to) != 0)
        return -1;
    return unlink(from);
}

int file_write_durable(const char *path, struct bytes contents, mode_t mode, struct error *error) {
    return write_durable(path, contents, mode, rename, error);
}

int file_create_durable(const char *path, struct bytes contents, mode_t mode, struct error *error) {
    return write_durable(path, contents, mode, link_and_unlink, error);
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

static int create_one(const char *path, struct error *error) {
    struct stat status;
    if (mkdir(path, 0700) == 0)
        return sync_directory_of(path) == 0 ? 0 : error_set_errno(error, errno, path);
    int saved = errno;
    if (saved == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return 0;
    return error_set_errno(error, saved, path);
}

int directory_create_private(const char *path, struct error *error) {
    char partial[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(partial))
        return error_set(error, ERROR_USAGE, "bad directory name \"%.64s\"", path);
    memcpy(partial, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (partial[i] != '/')
            continue;
        partial[i] = '\0';
        if (create_one(partial, error) != 0)
            return -1;
        partial[i] = '/';
    }
    return create_one(partial, error);
}

int file_lock(const char *path, struct error *error) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return error_set_errno(error, errno, path);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        int saved = errno;
        close(descriptor);
        if (saved == EWOULDBLOCK)
            return error_set(error, ERROR_BUSY, "%s is in use by another process", path);
        return error_set_errno(error, saved, path);
    }
    return descriptor;
}

char *path_join(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path != NULL)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static int take_secret(const char *path, struct buffer *contents, char out[256],
                       struct error *error) {
    size_t size = contents->size;
    if (size != 0 && contents->data[size - 1] == '\n')
        size--;
    if (size != 0 && contents->data[size - 1] == '\r')
        size--;
    if (size < 4 || size > 255 || memchr(contents->data, 0, size) != NULL)
        return error_set(error, ERROR_USAGE, "%s: a secret has 4 to 255 characters", path);
    memcpy(out, contents->data, size);
    return 0;
}

int file_read_secret(const char *path, char out[256], struct error *error) {
    struct stat status;
    memset(out, 0, 256);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
        return error_set_errno(error, errno, path);
    struct buffer contents = {0};
    int result = -1;
    if (fstat(descriptor, &status) != 0) {
        error_set_errno(error, errno, path);
    } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        error_set(error, ERROR_DENIED, "%s can be used by others", path);
        error_hint(error, "chmod 600 %s", path);
    } else if (read_all(descriptor, path, 258, &contents, error) == 0) {
        result = take_secret(path, &contents, out, error);
    }
    close(descriptor);
    buffer_free(&contents);
    return result;
}
