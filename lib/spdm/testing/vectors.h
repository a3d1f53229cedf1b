/*
 * Access to the recorded runs in vectors/ for tests. Everything is loaded anew per call and
 * lives until vectors_free; a missing field fails the test at once.
 */
#ifndef NUSEC_SPDM_TESTING_VECTORS_H
#define NUSEC_SPDM_TESTING_VECTORS_H

#include "base/bytes.h"

#include <jansson.h>

#define VECTOR_RUNS 6

/* One run in a common shape, whatever file it is from. */
struct vector_run {
    const char *name;
    json_t *root;
    const json_t *fields;
    json_t *log; /* array, or NULL */
    struct bytes vca;
    struct bytes chain;
    struct bytes key_exchange;
    struct bytes key_exchange_rsp;
    struct bytes finish;
    struct bytes finish_rsp;
    struct bytes requester_chain;      /* empty without encapsulated authentication */
    struct bytes requester_chain_hash; /* empty without mutual authentication */
    bool clear_handshake;
    void *storage[64]; /* decoded fields */
    unsigned int stored;
};

struct vector_message {
    const char *channel; /* "clear", "hs", "data0", ... */
    bool from_requester;
    uint64_t sequence;
    struct bytes spdm;
    struct bytes wire; /* with the MCTP type byte */
};

void vectors_load(struct vector_run *run, unsigned int index);
void vectors_free(struct vector_run *run);

bool vectors_has(const struct vector_run *run, const char *field);
/* A hexadecimal field; "req_hs.key" reaches into objects. */
struct bytes vectors_bytes(struct vector_run *run, const char *field);
size_t vectors_log_size(const struct vector_run *run);
/* Message `index` of the log; its bytes stay valid until the next call. */
struct vector_message vectors_message(const struct vector_run *run, size_t index);

#endif
