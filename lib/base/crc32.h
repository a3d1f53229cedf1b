/*
 * CRC-32 of IEEE 802.3 (that of zlib), against damage, never against an adversary: stored records
 * and blocks on the wire.
 *
 * Over several runs: start with CRC32_START, crc32_update per run, complement at the end. Over one:
 * crc32_of.
 */
#ifndef NUSEC_BASE_CRC32_H
#define NUSEC_BASE_CRC32_H

#include "base/bytes.h"

#define CRC32_START 0xFFFFFFFFu

uint32_t crc32_update(uint32_t crc, struct bytes data);
uint32_t crc32_of(struct bytes data);

#endif
