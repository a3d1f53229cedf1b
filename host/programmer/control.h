/*
 * The control socket: how `nusec` talks to the programmer daemon (docs/formats/control.md).
 *
 * A unix stream socket, one JSON object per line. A request {"id","method","params"} is answered
 * with any number of {"id","event"} lines and then one {"id","result"} or {"id","error"} line.
 * Each client has a thread and its requests run one after another; clients run side by side.
 *
 * Calling sequence: control_open, control_run in the main thread (returns after control_stop),
 * control_close. Only processes of the daemon's own user are served (SO_PEERCRED): the file mode
 * of a socket is not honoured everywhere, and the state directory belongs to that user anyway.
 */
#ifndef NUSEC_PROGRAMMER_CONTROL_H
#define NUSEC_PROGRAMMER_CONTROL_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Longest request line. The largest real one is package.import with a long UID list. */
#define CONTROL_LINE_LIMIT ((size_t)8 << 20)
/* A handler has one connection per site at work. */
#define CONTROL_CLIENT_LIMIT 96

struct control;
struct control_call;

/* Runs one request in the client's thread. `params` is an object. Returns 0 with a new reference
 * in `result`, or -1 with `error` filled. */
typedef int control_method_function(void *context, const json_t *params, struct control_call *call,
                                    json_t **result, struct error *error);

struct control_method {
    const char *name;
    control_method_function *run;
};

struct control_options {
    const char *socket_path;
    const struct control_method *methods; /* borrowed until control_close */
    size_t method_count;
    void *context;
};

/* NULL and `error` on failure. */
struct control *control_open(const struct control_options *options, struct error *error);

/* Serves until control_stop; then waits for the running requests. */
void control_run(struct control *control);

/* Safe in a signal handler. New requests are no longer read; running ones end by themselves. */
void control_stop(struct control *control);

/* Removes the socket. NULL is safe. */
void control_close(struct control *control);

/*
 * Sends an event of a running call; takes over the reference. From any thread while the call runs.
 * Without a call (NULL) nobody listens.
 * Never waits for the client: events are a courtesy, and a client that stops reading may not hold
 * up a chip. Such a client is disconnected.
 */
void control_event(struct control_call *call, json_t *event);

/* Whether the client still holds its end of the connection; without a call it does. */
bool control_is_heard(const struct control_call *call);

#endif
