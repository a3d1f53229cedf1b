/*
 * A man in the middle on the UART, as a pair of stream filters: bytes of one side in, bytes for the
 * other side out. No I/O, so that the same attacks run in memory and between sockets.
 *
 * It takes MCTP serial frames apart, puts messages together, attacks one of them (message
 * `message` of `direction`, counted from 1) and sends what came of it in new packets with good
 * sequence numbers and check sequences: the link layer has nothing to object to, and what refuses
 * the attack is the protocol above. Tags and endpoint ids stay as they were.
 *
 *     uart_proxy_init(&proxy, &attack);
 *     uart_proxy_feed(&proxy, UART_TO_DEVICE, bytes, &out);     any number of times
 *     proxy.changed                                              0: this run proves nothing
 */
#ifndef NUSEC_ATTACK_UART_PROXY_H
#define NUSEC_ATTACK_UART_PROXY_H

#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_messages.h"

enum uart_direction { UART_TO_DEVICE, UART_TO_PROGRAMMER, UART_DIRECTIONS };

enum uart_attack_kind {
    UART_PASS,
    UART_FLIP_BEGIN,  /* one bit of the first byte of the SPDM message or record */
    UART_FLIP_MIDDLE, /* one bit in its middle */
    UART_FLIP_END,    /* one bit of its last byte */
    UART_TRUNCATE,    /* its last byte is missing */
    UART_HALVE,       /* its second half is missing */
    UART_EXTEND,      /* four bytes more */
    UART_DROP,
    UART_DUPLICATE,
    UART_DELAY,        /* sent after the next message of its direction */
    UART_REPLAY,       /* the message with its number in `recording` instead */
    UART_ERROR,        /* an SPDM message of our own instead: GET_VERSION, or ERROR */
    UART_NOISE,        /* bytes that are no frame, a cut frame and one with a bad check before it */
    UART_OVERSIZED,    /* a message longer than any buffer before it */
    UART_OUT_OF_ORDER, /* its packets with one of them twice, as if the line had stuttered */
    UART_FLOOD,        /* from here on, every message has one bit flipped */
    UART_TAKE_OVER,    /* from here on, every message is the recorded one */
    UART_ATTACK_KINDS
};
const char *uart_attack_name(enum uart_attack_kind kind);

/* A whole message with MCTP's type byte. */
#define UART_MESSAGE_MAX   (1 + SPDM_RECORD_MAX)
#define UART_RECORDING_MAX 96

struct uart_message {
    uint8_t data[UART_MESSAGE_MAX];
    size_t size;
};

struct uart_recording {
    struct uart_message messages[UART_DIRECTIONS][UART_RECORDING_MAX];
    unsigned count[UART_DIRECTIONS];
};

struct uart_attack {
    enum uart_attack_kind kind;
    enum uart_direction direction;
    unsigned message;                       /* from 1 */
    const struct uart_recording *recording; /* for REPLAY and TAKE_OVER, borrowed */
};

struct uart_stream {
    struct mctp_serial_deframer deframer;
    struct uart_message message;      /* in reassembly, then the one being attacked */
    uint8_t header[MCTP_HEADER_SIZE]; /* of its first packet */
    size_t fragment;                  /* payload of its first packet */
    struct uart_message held;         /* DELAY: waits for the next */
    uint8_t held_header[MCTP_HEADER_SIZE];
    unsigned count; /* messages so far */
};

struct uart_proxy {
    struct uart_attack attack;
    struct uart_recording *record; /* NULL, or where to write down every message as it came */
    struct uart_stream streams[UART_DIRECTIONS];
    unsigned acted;        /* messages attacked */
    unsigned changed;      /* of them, those that did not go on just as they came */
    uint8_t attacked_type; /* MCTP type and SPDM code of the message attacked first */
    uint8_t attacked_code;
};

void uart_proxy_init(struct uart_proxy *proxy, const struct uart_attack *attack);

/* `out` takes what goes on to the other side; check with writer_check. */
void uart_proxy_feed(struct uart_proxy *proxy, enum uart_direction direction, struct bytes input,
                     struct writer *out);

#endif
