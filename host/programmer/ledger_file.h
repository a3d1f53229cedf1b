/*
 * A ledger on disk: append-only, one line per entry, each durable before the call returns.
 * Line format: docs/formats/programmer_state.md.
 *
 * Every entry, replayed at open or appended later, is shown to a visitor, which keeps whatever
 * state follows from the entries and may refuse one that does not follow.
 *
 * A last line without its line break was cut by a crash, was never acknowledged to anybody and is
 * dropped. Any other irregularity is damage: the file does not open and the error names the line.
 *
 * Not thread-safe: job_journal.c has the lock.
 */
#ifndef NUSEC_PROGRAMMER_LEDGER_FILE_H
#define NUSEC_PROGRAMMER_LEDGER_FILE_H

#include "base/buffer.h"
#include "base/ledger.h"

/* NULL if the entry fits, else what is wrong with it ("an entry without ..."). The entry is valid
 * during the call only. */
typedef const char *ledger_file_visitor(void *context, const struct ledger_entry *entry);

struct ledger_file;

/* Creates the file when it is missing. ERROR_LEDGER_DIVERGED for a damaged one. */
int ledger_file_open(const char *path, ledger_file_visitor *visit, void *context,
                     struct ledger_file **file, struct error *error);
void ledger_file_close(struct ledger_file *file);

/* On failure nothing was appended. */
int ledger_file_append(struct ledger_file *file, const char *type,
                       const struct ledger_member *members, size_t member_count,
                       struct error *error);

void ledger_file_head(const struct ledger_file *file, struct ledger_head *head);
/* The hash of entry `sequence` (zero bytes for 0); false behind the head. */
bool ledger_file_hash(const struct ledger_file *file, uint64_t sequence,
                      uint8_t hash[LEDGER_HASH_SIZE]);
/* The base64 of entry `sequence` as stored, appended to `out`. */
int ledger_file_line(const struct ledger_file *file, uint64_t sequence, struct buffer *out,
                     struct error *error);

#endif
