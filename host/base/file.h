/*
 * Files: bounded reads, durable atomic writes, private directories, locks.
 *
 * A durable write is: temporary file in the same directory, write, fsync, rename, fsync of the
 * directory. After a power cut the old or the new contents are there, never a mixture.
 */
#ifndef NUSEC_HOST_BASE_FILE_H
#define NUSEC_HOST_BASE_FILE_H

#include "base/buffer.h"

#include <sys/types.h>

/* Appends the whole file; ERROR_TOO_LARGE if it has more than `limit` bytes. */
int file_read(const char *path, size_t limit, struct buffer *out, struct error *error);

/* Replaces or creates `path` durably with `mode` (umask does not apply). */
int file_write_durable(const char *path, struct bytes contents, mode_t mode, struct error *error);

/* As file_write_durable, but ERROR_CONFLICT if the file exists. */
int file_create_durable(const char *path, struct bytes contents, mode_t mode, struct error *error);

bool file_exists(const char *path);

/* Creates the directory (and its parents) with mode 0700; an existing directory is fine. */
int directory_create_private(const char *path, struct error *error);

/*
 * Takes an exclusive lock on `path`, creating it with mode 0600. ERROR_BUSY if another process has
 * it. Returns a descriptor; closing it releases the lock, and so does the end of the process.
 */
int file_lock(const char *path, struct error *error);

/* "directory/name" in a new string, the caller frees it; NULL when out of memory. */
char *path_join(const char *directory, const char *name);

/*
 * A secret from a file, PIN or passphrase: one trailing line break removed, 4 to 255 bytes, the
 * file no symbolic link and not readable by group or others. `out` is zero-terminated; wipe it.
 */
int file_read_secret(const char *path, char out[256], struct error *error);

#endif
