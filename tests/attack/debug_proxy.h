/*
 * A man in the middle on the debug cable, as a stream filter between a GDB remote protocol client
 * and the board's debug server. No I/O. What he changes goes on with a good checksum.
 *
 *     debug_filter_init(&filter, &attack);
 *     debug_filter_feed(&filter, DEBUG_TO_BOARD, bytes, &to_board, &to_programmer);
 *     filter.changed == 0: this run proves nothing;  filter.is_closed: hang up now
 *
 * One request is outstanding at a time, as GDB's protocol has it.
 */
#ifndef NUSEC_ATTACK_DEBUG_PROXY_H
#define NUSEC_ATTACK_DEBUG_PROXY_H

#include "board/rsp.h"

enum debug_direction { DEBUG_TO_BOARD, DEBUG_TO_PROGRAMMER, DEBUG_DIRECTIONS };

enum debug_attack_kind {
    DEBUG_PASS,
    DEBUG_ALTER_WRITE,    /* the byte at `address` as it is written */
    DEBUG_ALTER_AND_LIE,  /* the same, and reading it back shows what was to be written */
    DEBUG_ALTER_READ,     /* the byte at `address` as it is read */
    DEBUG_SWAP,           /* the two halves of the write that covers `address` */
    DEBUG_DROP,           /* that write, answered with OK */
    DEBUG_DROP_AND_LIE,   /* the same, and reading shows what was to be written */
    DEBUG_ALTER_REGISTER, /* the value of register `address` as it is written */
    DEBUG_CLOSE,          /* the connection, instead of the request number `packet` */
    DEBUG_GARBAGE,        /* noise and a packet with a bad checksum before request `packet` */
    DEBUG_REFUSE,         /* an error answered in place of request `packet` */
    DEBUG_ATTACK_KINDS
};
const char *debug_attack_name(enum debug_attack_kind kind);

struct debug_attack {
    enum debug_attack_kind kind;
    uint32_t address; /* or register */
    uint8_t mask;     /* XORed to the byte */
    unsigned packet;  /* from 1, counted in requests */
};

struct debug_range {
    uint32_t address;
    uint32_t size;
};

struct debug_filter {
    struct debug_attack attack;
    struct rsp_parser parsers[DEBUG_DIRECTIONS];
    struct debug_range reading; /* of the request outstanding; size 0: it is no read */
    struct debug_range dropped; /* DROP_AND_LIE: what the write held */
    uint8_t dropped_hex[RSP_PAYLOAD_MAX];
    unsigned requests;
    unsigned changed;
    bool is_closed;
};

void debug_filter_init(struct debug_filter *filter, const struct debug_attack *attack);

/* Each side's writer takes what goes to it; check both with writer_check. */
void debug_filter_feed(struct debug_filter *filter, enum debug_direction direction,
                       struct bytes input, struct writer *to_board, struct writer *to_programmer);

#endif
