/*
 * Shared by fake_server.c and fake_server_boot.c.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_FAKE_SERVER_INTERNAL_H
#define NUSEC_PROGRAMMER_TESTING_FAKE_SERVER_INTERNAL_H

#include "programmer/testing/fake_server.h"

/* Before the work of a call: -1 when it is not to be done. The lock is held until fake_call_end. */
int fake_call_begin(struct error *error);
int fake_call_end(int failed, struct error *error);

/* Fails the test if there is none. */
struct fake_unit *fake_unit_of(const char *unit_id);
bool fake_unit_has_identity(const struct fake_unit *unit);

/* What the programmer tells of the line; NULL: nothing. ERROR_CONFLICT for a second serial number.
 */
int fake_line_take(const struct server_line *line, struct error *error);

/* What fake_server_boot.c keeps. Called by fake_server.c, so that the linker takes both files
 * before it looks for any of their functions in server.c. */
void fake_boot_free(void);

#endif
