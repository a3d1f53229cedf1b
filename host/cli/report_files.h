/*
 * The status report of a job for other programs: spreadsheets (CSV, RFC 4180) and test result
 * viewers (JUnit XML). Numbers and texts are those of the report (docs/api/openapi.yaml, Report).
 *
 * Texts of a report come from the factory. In CSV a text that a spreadsheet would take for a
 * formula is led by an apostrophe. Control characters, for which XML 1.0 (2.2) has no place either,
 * become '?'.
 */
#ifndef NUSEC_CLI_REPORT_FILES_H
#define NUSEC_CLI_REPORT_FILES_H

#include <jansson.h>
#include <stdio.h>

/* A heading, then a line for each unit. */
void report_csv(FILE *out, const json_t *report);

/* A test suite: a case for each unit, failed ones with their reason, those under way as skipped;
 * the counts of the job are its properties. */
void report_junit(FILE *out, const json_t *report);

#endif
