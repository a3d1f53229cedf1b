/*
 * What `nusec produce` does at one site, over the control socket (docs/formats/control.md), and how
 * it can die in the middle: the programmer sees the same as of a killed process.
 */
#ifndef NUSEC_TESTS_STORM_TOOL_H
#define NUSEC_TESTS_STORM_TOOL_H

#include "base/json.h"

/* For each event; false: the tool dies. */
typedef bool tool_state_function(void *context, const char *state);

struct tool_order {
    const char *socket_path;
    const char *job_id;
    const char *site;
    const char *link; /* where the board's sockets are */
    tool_state_function *on_state;
    void *context;
};

enum tool_end {
    TOOL_RESULT,  /* `state` and the rest are filled */
    TOOL_REFUSED, /* `code`: nothing was begun */
    TOOL_LOST,    /* no connection, or it broke, or the tool died */
};

struct tool_result {
    enum tool_end end;
    char state[32];
    char step[32];
    char code[64];
    char reason[160];
    char uid[64];
};

void tool_produce(const struct tool_order *order, struct tool_result *result);

/* Any call; the "result" member, a new reference, or NULL. */
json_t *tool_call(const char *socket_path, const char *method, json_t *params);

#endif
