/*
 * A target's debug port, through any server that speaks the GDB remote serial protocol: OpenOCD,
 * pyOCD, J-Link, or a virtual board's `debug` socket. Only what every one of them can do: attach,
 * halt, read and write memory, set registers, run, detach.
 *
 *     debug_port_open(&port, "unix:/run/board/debug", 2000, error)     attaches: the core is halted
 *     debug_port_write / debug_port_read / debug_port_start
 *     debug_port_detach(port, error)                                   the core runs on
 *     debug_port_close(port)
 *
 * or, for a blank chip, debug_port_load_devauth in the middle. All calls block, none longer than
 * the timeout given to debug_port_open. Failures are ERROR_DEVICE_DEBUG (refused or lost),
 * ERROR_TIMEOUT or ERROR_OFFLINE. After a failure the port can only be closed. Not thread-safe;
 * one port per target.
 *
 * Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol".
 */
#ifndef NUSEC_DEBUG_PORT_DEBUG_PORT_H
#define NUSEC_DEBUG_PORT_DEBUG_PORT_H

#include "base/bytes.h"
#include "base/error.h"
#include "board/devauth_image.h"

struct debug_port;

/*
 * Connects and attaches, which halts the core. `endpoint` is "unix:PATH" or "tcp:HOST:PORT".
 * `timeout_ms` bounds every exchange with the server from now on. A locked chip refuses:
 * ERROR_DEVICE_DEBUG.
 */
int debug_port_open(struct debug_port **port, const char *endpoint, int timeout_ms,
                    struct error *error);

/* What became of an attempt to attach. */
enum debug_port_answer {
    DEBUG_PORT_OPEN,    /* the debugger got in; it has left again and the core runs on */
    DEBUG_PORT_REFUSED, /* there is a debug server, and it lets nobody at the chip */
    DEBUG_PORT_SILENT,  /* there is one, and it does not answer */
    DEBUG_PORT_ABSENT,  /* nothing listens at the endpoint */
};

/*
 * Tries to attach, to learn whether it can be done. Only REFUSED says something about the chip's
 * lock: a server that is down, or hangs, would keep everybody out of an open chip, too. A chip
 * without power refuses as well, so the caller has to know from elsewhere that the chip is up.
 * -1 only if the endpoint's text is none; otherwise `error` says why unless the answer is OPEN.
 */
int debug_port_probe(const char *endpoint, int timeout_ms, enum debug_port_answer *answer,
                     struct error *error);

/* Frees the port; NULL is fine. Without a detach first the server decides what the core does. */
void debug_port_close(struct debug_port *port);

/* Stops the core; fine if it is halted already. */
int debug_port_halt(struct debug_port *port, struct error *error);

/* Memory access needs a halted core. Any size; sent in pieces the server accepts. */
int debug_port_read(struct debug_port *port, uint32_t address, uint8_t *out, size_t size,
                    struct error *error);
int debug_port_write(struct debug_port *port, uint32_t address, struct bytes data,
                     struct error *error);

/* One core register, numbered as in GDB's ARM M-profile description (13 SP, 15 PC, 25 xPSR). */
int debug_port_read_register(struct debug_port *port, unsigned number, uint32_t *value,
                             struct error *error);
int debug_port_write_register(struct debug_port *port, unsigned number, uint32_t value,
                              struct error *error);

/* Lets the halted core run on, staying attached. */
int debug_port_run(struct debug_port *port, struct error *error);

/* Sets SP, PC and xPSR (Thumb state, no exception) and runs. */
int debug_port_start(struct debug_port *port, uint32_t stack_top, uint32_t entry,
                     struct error *error);

/* Lets the core run and ends the attachment; the port can then only be closed. */
int debug_port_detach(struct debug_port *port, struct error *error);

/*
 * Bootstrap of a blank chip on an attached port: checks `image`, halts the core in thread mode,
 * writes image and parameter block, clears the mailbox, reads everything back and compares, starts
 * DevAuth and waits up to `ready_timeout_ms` for its mailbox, then detaches. On success `mailbox`
 * says READY. ERROR_DEVICE_DEBUG if memory does not hold what was written,
 * ERROR_DEVICE_REFUSED if DevAuth reports a failure, ERROR_TIMEOUT if it reports nothing,
 * ERROR_UNTRUSTED_SOFTWARE if `image` is no DevAuth image.
 */
int debug_port_load_devauth(struct debug_port *port, struct bytes image,
                            const struct devauth_parameters *parameters, int ready_timeout_ms,
                            struct devauth_mailbox *mailbox, struct error *error);

#endif
