/*
 * The append-only event table: who did what to which object, from the first day. Triggers refuse
 * UPDATE and DELETE.
 */
#ifndef NUSEC_STORE_EVENT_H
#define NUSEC_STORE_EVENT_H

#include "store/store_db.h"

struct store_event {
    uint64_t time;
    const char *type;    /* "unit.certificate" */
    const char *actor;   /* "programmer:prog-1a2b3c4d" */
    const char *subject; /* UID, job, programmer, ... */
    const char *job_id;  /* NULL: none */
    const char *detail;  /* plain words, NULL: none */
};

int store_event_add(struct store_db *db, const struct store_event *event, struct error *error);

typedef void store_event_visitor(void *context, int64_t id, const struct store_event *event);
/* At most `limit` events with an id above `after`, in order. */
int store_event_list(struct store_db *db, int64_t after, int64_t limit, store_event_visitor *visit,
                     void *context, struct error *error);

#endif
