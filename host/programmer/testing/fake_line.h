/*
 * A whole line in memory: OEM, server, prepared programmer with an imported job that has firmware,
 * and one chip at one site. Test support; aborts on any failure.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_FAKE_LINE_H
#define NUSEC_PROGRAMMER_TESTING_FAKE_LINE_H

#include "programmer/firmware.h"
#include "programmer/image_store.h"
#include "programmer/programmer.h"
#include "programmer/testing/fake_chip.h"

#define FAKE_LINE_COUNT    3 /* units of the job */
#define FAKE_LINE_BL2_SIZE 3000
#define FAKE_LINE_BL3_SIZE 9000

struct fake_line {
    char *directory;
    struct programmer programmer;
    struct oem oem;
    struct package package;
    struct fake_chip chip;
    struct firmware firmware; /* DevAuth */
    struct image_store images;
};

/* `debug` is the job's setting of that name; NULL leaves it out. */
struct fake_line *fake_line_make(const char *debug);
void fake_line_free(struct fake_line *line);

/* One more setting for the next import of the package. */
void fake_line_setting(struct fake_line *line, const char *key, const char *value);
void fake_line_import(struct fake_line *line);

/* A chip that never saw a programmer. */
void fake_line_new_chip(struct fake_line *line);

/* The daemon is gone and comes back; so does the server. What they have to settle is settled. */
void fake_line_restart(struct fake_line *line);

/* Programmer and server forget the job and get it anew. */
void fake_line_start_over(struct fake_line *line);

#endif
