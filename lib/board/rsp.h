/*
 * Packets of the GDB remote serial protocol, both directions, no I/O.
 *
 * Receiving: rsp_feed every byte; on RSP_PACKET the payload is in `parser->payload` until the next
 * call. Escapes and run lengths are left as they came: rsp_unescape for an X packet's data,
 * rsp_expand for a reply. Sending: rsp_encode.
 *
 * Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol", Overview.
 */
#ifndef NUSEC_BOARD_RSP_H
#define NUSEC_BOARD_RSP_H

#include "base/bytes.h"

#define RSP_PAYLOAD_MAX 4096
/* '$', '#', two digits of checksum; a payload that needs no escapes. */
#define RSP_PACKET_MAX (RSP_PAYLOAD_MAX + 4)

enum rsp_event {
    RSP_NOTHING,   /* give me more */
    RSP_PACKET,    /* payload and size are valid */
    RSP_BAD,       /* wrong checksum or too long: answer with '-' where acks are on */
    RSP_ACK,       /* '+' */
    RSP_NACK,      /* '-' */
    RSP_INTERRUPT, /* 0x03 outside a packet: stop the core */
};

struct rsp_parser {
    enum { RSP_IDLE, RSP_IN_PAYLOAD, RSP_CHECKSUM_HIGH, RSP_CHECKSUM_LOW } state;
    uint8_t sum;
    uint8_t received_sum;
    bool is_bad;
    size_t size;
    uint8_t payload[RSP_PAYLOAD_MAX + 1]; /* always followed by a zero byte */
};

void rsp_parser_init(struct rsp_parser *parser);
enum rsp_event rsp_feed(struct rsp_parser *parser, uint8_t byte);

/* Appends "$payload#xx". */
void rsp_encode(struct writer *writer, struct bytes payload);

/* Undoes '}' escapes in place; returns the new size, or SIZE_MAX if the last escape is cut off. */
size_t rsp_unescape(uint8_t *data, size_t size);

/* Copies a reply with its run lengths ('*') expanded; fails through the writer. */
void rsp_expand(struct bytes reply, struct writer *writer);

/* Text of requests and replies: lower-case digits; reading accepts both cases. */
void rsp_write_text(struct writer *writer, const char *text);
void rsp_write_hex(struct writer *writer, struct bytes data);
void rsp_write_number(struct writer *writer, uint32_t value);
/* A 1 to 8 digit number; fails through the reader. */
uint32_t rsp_read_number(struct reader *reader);
/* `size` bytes from 2 * size digits; fails through the reader. */
void rsp_read_hex(struct reader *reader, uint8_t *out, size_t size);
/* The next character if it is `expected`, else the reader fails. */
void rsp_expect(struct reader *reader, char expected);

#endif
