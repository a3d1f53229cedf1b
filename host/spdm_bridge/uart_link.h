/*
 * The host's end of a device's UART: one MCTP message out, its answer back, blocking.
 */
#ifndef NUSEC_SPDM_BRIDGE_UART_LINK_H
#define NUSEC_SPDM_BRIDGE_UART_LINK_H

#include "base/error.h"
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_messages.h"

struct uart_link {
    int fd;
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    uint8_t buffer[1 + SPDM_RECORD_MAX];
};

/* `fd` stays the caller's. */
void uart_link_start(struct uart_link *link, int fd);

/*
 * Sends a message and waits for its answer, which is valid until the next call. What else comes in
 * (noise, late answers) is dropped. ERROR_TIMEOUT: nothing came; ERROR_DEVICE_LINK: the line is
 * gone.
 */
int uart_link_exchange(struct uart_link *link, uint8_t type, struct bytes body, int timeout_ms,
                       struct mctp_message *answer, struct error *error);

#endif
