/*
 * What a programmer signs when it scraps a unit (docs/formats/unit_record.md), so that the factory
 * cannot say later that it was not the one who gave the chip up.
 */
#ifndef NUSEC_HOST_BASE_SCRAP_STATEMENT_H
#define NUSEC_HOST_BASE_SCRAP_STATEMENT_H

#include "base/bytes.h"

/* Printable ASCII; more is never accepted. */
#define SCRAP_REASON_MAX 64

/* SHA-256 of what is signed with ES256. `reason` has at most SCRAP_REASON_MAX characters. */
void scrap_statement_digest(const uint8_t unit_id[16], const uint8_t uid[16], const char *reason,
                            uint8_t digest[32]);

#endif
