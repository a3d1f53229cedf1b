/*
 * Serves a device's UART to one socket client at a time, in the protocol of DMTF's spdm-emu.
 * Nothing is interpreted: SPDM messages pass as they are, so that any requester can be held
 * against our responder.
 */
#ifndef NUSEC_SPDM_BRIDGE_BRIDGE_H
#define NUSEC_SPDM_BRIDGE_BRIDGE_H

#include "spdm_bridge/uart_link.h"

/*
 * Serves one client until it hangs up or asks for shutdown (both 0), or something fails (-1). A
 * device that stays silent for `timeout_ms` costs the client its connection, because this protocol
 * has no way to say so.
 */
int bridge_serve(struct uart_link *link, int client, int timeout_ms, struct error *error);

#endif
