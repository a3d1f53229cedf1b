/*
 * What the debug proxy answers to each request of the GDB remote protocol; only debug_proxy.c uses
 * this.
 */
#ifndef NUSEC_VIRTUAL_BOARD_DEBUG_REQUESTS_H
#define NUSEC_VIRTUAL_BOARD_DEBUG_REQUESTS_H

#include "virtual_board/debug_proxy.h"

enum debug_result {
    DEBUG_REPLY,   /* send what was written; nothing written means "unsupported" */
    DEBUG_RUNNING, /* the reply is the next stop */
    DEBUG_DETACH,  /* send, then end the attachment */
    DEBUG_LOST,    /* the stub failed */
};

/* Carries out the request in the proxy's parser. */
enum debug_result debug_request(struct debug_proxy *proxy, struct writer *reply);

/* From debug_proxy.c. Halt and settle return -1 when the stub failed. */
int debug_proxy_halt(struct debug_proxy *proxy);
int debug_proxy_settle(struct debug_proxy *proxy);

#endif
