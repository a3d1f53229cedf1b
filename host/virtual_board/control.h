/*
 * The control socket's line commands (docs/formats/virtual_board.md).
 */
#ifndef NUSEC_VIRTUAL_BOARD_CONTROL_H
#define NUSEC_VIRTUAL_BOARD_CONTROL_H

#include "virtual_board/launcher.h"

/* Takes a new client; closes `fd` if there are too many. */
void control_attach(struct launcher *launcher, int fd);
void control_receive(struct launcher *launcher, struct control_client *client);
void control_drop(struct control_client *client);

#endif
