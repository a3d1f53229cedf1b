#include "store/store_event.h"

int store_event_add(struct store_db *db, const struct store_event *event, struct error *error) {
    return store_exec(db, error,
                      "INSERT INTO events(time, type, actor, subject, job_id, detail)"
                      " VALUES(?,?,?,?,?,?)",
                      "ittttt", (int64_t)event->time, event->type, event->actor, event->subject,
                      event->job_id, event->detail);
}

static const char *text_at(sqlite3_stmt *row, int column) {
    return (const char *)sqlite3_column_text(row, column);
}

int store_event_list(struct store_db *db, int64_t after, int64_t limit, store_event_visitor *visit,
                     void *context, struct error *error) {
    sqlite3_stmt *row;
    int more = -1;

    if (store_query(db, &row, error,
                    "SELECT id, time, type, actor, subject, job_id, detail FROM events"
                    " WHERE id>? ORDER BY id LIMIT ?",
                    "ii", after, limit) == 0)
        while ((more = store_step(db, row, error)) == 1) {
            struct store_event event = {
                .time = (uint64_t)store_column_number(row, 1),
                .type = text_at(row, 2),
                .actor = text_at(row, 3),
                .subject = text_at(row, 4),
                .job_id = text_at(row, 5),
                .detail = text_at(row, 6),
            };

            visit(context, store_column_number(row, 0), &event);
        }
    store_done(row);
    return more < 0 ? -1 : 0;
}
