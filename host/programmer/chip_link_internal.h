/*
 * Shared by chip_link.c (SPDM) and chip_link_bulk.c (image bytes): the byte stream underneath.
 */
#ifndef NUSEC_PROGRAMMER_CHIP_LINK_INTERNAL_H
#define NUSEC_PROGRAMMER_CHIP_LINK_INTERNAL_H

#include "programmer/chip_link.h"

/* Always -1, with ERROR_DEVICE_LINK. */
int chip_link_error(struct error *error, const char *what);

/* Waits for POLLIN or POLLOUT: 1 ready, 0 deadline passed, -1 stopped or broken. */
int chip_link_wait(const struct chip_link *link, short events, uint64_t deadline_ms);

/* Writes the packets of the message that mctp_send was given. */
int chip_link_send_frames(struct chip_link *link, struct error *error);

/* Takes what has arrived, without waiting. */
int chip_link_receive(struct chip_link *link, struct error *error);

#endif
