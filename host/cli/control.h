/*
 * The client of the programmer's control socket: one JSON object per line each way
 * (docs/formats/control.md).
 *
 * Calling sequence: control_open, control_call as often as wanted, control_close. A call sends
 * {"id","method","params"} and reads {"id","event"} lines until {"id","result"} or {"id","error"}.
 */
#ifndef NUSEC_CLI_CONTROL_H
#define NUSEC_CLI_CONTROL_H

#include "base/error.h"

#include <jansson.h>

struct control;

/* Called for each event; `event` is borrowed. */
typedef void control_event_function(void *context, const json_t *event);

/* ERROR_OFFLINE when nobody listens. */
struct control *control_open(const char *endpoint, struct error *error);
/* control_close(NULL) is safe. */
void control_close(struct control *control);

/*
 * One call; `parameters` is taken over (NULL sends {}), `on_event` may be NULL. Returns the result,
 * a new reference, or NULL with the programmer's own error, ERROR_OFFLINE if it went away, or
 * ERROR_BAD_REQUEST if it answered nonsense. There is no time limit while events may still come: a
 * production run takes as long as it takes, and a programmer that dies closes the socket.
 */
json_t *control_call(struct control *control, const char *method, json_t *parameters,
                     control_event_function *on_event, void *context, struct error *error);

#endif
