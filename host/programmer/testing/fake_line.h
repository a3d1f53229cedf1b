/*
 * A whole line in memory: OEM, server, prepared programmer with an imported job that has firmware,
 * and one chip at one site, which is a fake one unless the plan has a real board's firmware. Test
 * support; aborts on any failure.
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

/* Firmware of a real board; all zero: that of a fake chip. */
struct fake_line_plan {
    const char *debug; /* the job's setting of that name; NULL leaves it out */
    const char *chip_family;
    const struct buffer *devauth;
    const struct buffer *bl2; /* payloads */
    const struct buffer *bl3;
};

struct fake_line {
    struct fake_line_plan plan;
    char *directory;
    struct programmer programmer;
    struct oem oem;
    struct package package;
    struct fake_chip chip;    /* unless the plan has firmware */
    struct firmware firmware; /* DevAuth */
    struct image_store images;
};

/* The plan's buffers are borrowed until fake_line_free. */
struct fake_line *fake_line_make(const struct fake_line_plan *plan);
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
