#include "programmer/job_file.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY "units"

/* A new string; NULL when out of memory. */
static char *file_path(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind) {
    char name[2 * JOB_UID_SIZE + 16];
    char hex[2 * JOB_UID_SIZE + 1];
    char *directory = path_join(job->directory, DIRECTORY);
    hex_encode_upper(bytes_of(uid, JOB_UID_SIZE), hex);
    (void)snprintf(name, sizeof name, "%s.%s", hex, kind);
    char *path = directory != NULL ? path_join(directory, name) : NULL;
    free(directory);
    return path;
}

int job_file_keep(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind,
                  struct bytes contents, struct error *error) {
    char *directory = path_join(job->directory, DIRECTORY);
    char *path = file_path(job, uid, kind);
    int failed = -1;
    if (directory == NULL || path == NULL)
        (void)error_set(error, ERROR_INTERNAL, "out of memory");
    else if (directory_create_private(directory, error) == 0)
        failed = file_write_durable(path, contents, 0600, error);
    free(directory);
    free(path);
    return failed;
}

int job_file_read(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind,
                  struct buffer *out, struct error *error) {
    char *path = file_path(job, uid, kind);
    if (path == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    int failed = file_read(path, JOB_FILE_MAX, out, error);
    free(path);
    return failed;
}

void job_file_forget(const struct job *job, const uint8_t uid[JOB_UID_SIZE], const char *kind) {
    char *path = file_path(job, uid, kind);
    if (path != NULL && unlink(path) != 0 && errno != ENOENT)
        log_warn("job.file", "path", path);
    free(path);
}

void job_file_clean(const char *job_directory) {
    char *directory = path_join(job_directory, DIRECTORY);
    DIR *list = directory != NULL ? opendir(directory) : NULL;
    for (const struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        char *path = entry->d_name[0] != '.' ? path_join(directory, entry->d_name) : NULL;
        if (path != NULL && unlink(path) != 0)
            log_warn("job.file", "path", path);
        free(path);
    }
    if (list != NULL) {
        (void)closedir(list);
        (void)rmdir(directory);
    }
    free(directory);
}
