/*
 * The one opaque element we exchange, in OpaqueDataFmt1 (DSP0274 1.2, table 78; DSP0277 1.1, 7):
 * KEY_EXCHANGE offers secured-message versions, KEY_EXCHANGE_RSP selects one.
 */
#ifndef NUSEC_SPDM_SPDM_OPAQUE_H
#define NUSEC_SPDM_SPDM_OPAQUE_H

#include "base/bytes.h"

/* With the length field before the opaque data; versions as on the wire, 0x1100 is 1.1. */
void spdm_opaque_write_offer(struct writer *writer);
void spdm_opaque_write_selection(struct writer *writer, uint16_t version);

/* The highest offered version that we speak; UNSUPPORTED if there is none. */
MUST_USE enum status spdm_opaque_parse_offer(struct bytes opaque, uint16_t *version);
/* OK if the selection is what spdm_opaque_write_offer offers. */
MUST_USE enum status spdm_opaque_parse_selection(struct bytes opaque);

#endif
