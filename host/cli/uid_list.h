/* The list of chips a job may produce, from --uid options and a file. */
#ifndef NUSEC_CLI_UID_LIST_H
#define NUSEC_CLI_UID_LIST_H

#include "base/options.h"

#include <jansson.h>

/*
 * A JSON array of UIDs in upper-case hexadecimal, a new reference; NULL on failure. `path` may be
 * NULL; its lines are UIDs of 32 hexadecimal digits, blank lines and lines with '#' are skipped.
 * A vendor's CSV can be used as it is: fields end at a comma or semicolon, quotes and a byte order
 * mark are taken off, and if the first line has a field "uid", in either case, that column counts,
 * else the first. A UID given twice is refused: the count of a job and its list would no longer
 * agree. So is a file without any UID, since an empty list would allow every chip, and one with a
 * zero byte.
 */
json_t *uid_list_read(const struct option_list *uids, const char *path, struct error *error);

#endif
