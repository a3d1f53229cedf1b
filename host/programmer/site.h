/*
 * Sites as requests name them, and who works at which.
 */
#ifndef NUSEC_PROGRAMMER_SITE_H
#define NUSEC_PROGRAMMER_SITE_H

#include "programmer/chip.h"
#include "programmer/programmer.h"
#include "programmer/unit.h"

#define SITE_SERIAL_MAX 63

/* {name, debug, uart, serial?}; borrowed from the object. */
int site_read(const json_t *object, struct unit_site *site, struct error *error);

/* Takes the site for the caller alone; `slot` (-1 on failure) goes to site_give. ERROR_BUSY. */
int site_take(struct programmer *programmer, const struct unit_site *site, int *slot,
              struct error *error);
/* -1 is fine. */
void site_give(struct programmer *programmer, int slot);

/* How this programmer talks to a chip outside a unit. */
struct chip_options site_chip_options(struct programmer *programmer);

#endif
