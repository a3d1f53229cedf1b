/* The subcommands of nusec-server: each gets argv from its own name on and returns the exit code.
 */
#ifndef NUSEC_SERVER_COMMANDS_H
#define NUSEC_SERVER_COMMANDS_H

#include "base/error.h"

int command_init(int argc, char **argv);
int command_run(int argc, char **argv);
int command_operator(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_routes(int argc, char **argv);

/* Prints message and hint on stderr and returns the exit code of the error. */
int command_failed(const char *command, const struct error *error);

#endif
