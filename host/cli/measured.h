/*
 * What a chip measures, in the form of the server's `boot` section (docs/api/openapi.yaml): the
 * same members from both sides, so that they can be compared.
 */
#ifndef NUSEC_CLI_MEASURED_H
#define NUSEC_CLI_MEASURED_H

#include "base/error.h"

#include <jansson.h>
#include <stdio.h>

/*
 * {stage, life_cycle, flags, bl2, bl3, enc_key_hash_hex} from the answer of `chip.show`
 * (docs/formats/control.md); json_null if the chip measured nothing. A new reference, NULL and
 * ERROR_BAD_REQUEST if the measurements are not those of docs/formats/devauth.md.
 */
json_t *measured_of_chip(const json_t *chip, struct error *error);

/* For people: fields, and a table of the two images. */
void measured_print(FILE *out, const json_t *measured);

/* The first member in which two such objects differ, "bl2.digest_hex"; NULL if in none. In the
 * caller's buffer. */
const char *measured_difference(const json_t *a, const json_t *b, char *name, size_t size);

#endif
