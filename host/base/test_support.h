/*
 * For tests: temporary directories and other programs as judges, without a shell. Aborts on
 * failure.
 */
#ifndef NUSEC_HOST_BASE_TEST_SUPPORT_H
#define NUSEC_HOST_BASE_TEST_SUPPORT_H

#include "base/buffer.h"

#define TEST_DIRECTORY_SIZE 64

/* A fresh private directory in /tmp; test_directory_remove deletes it with all it holds. */
void test_directory_make(char path[TEST_DIRECTORY_SIZE]);
void test_directory_remove(const char *path);

/* "directory/name" in a static buffer; the last four stay valid. */
const char *test_path(const char *directory, const char *name);

/*
 * Runs argv[0] from PATH with `input` (at most 64 KiB) as standard input. What it writes to
 * `captured` (STDOUT_FILENO or STDERR_FILENO) is appended to `output`, the other is thrown away.
 * Returns the exit status.
 */
int test_run(const char *const *argv, struct bytes input, int captured, struct buffer *output);

#endif
