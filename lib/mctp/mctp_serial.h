/*
 * MCTP over serial lines (DSP0253): packets to frames and bytes to packets.
 *
 * Sending: mctp_serial_frame once per packet. Receiving: feed every byte of the line to
 * mctp_serial_receive; when it returns true, `packet` is a whole packet with a good check sequence.
 *
 * A frame is 7E | revision 01 | count | packet, escaped | FCS high | FCS low | 7E. Revision, count
 * and FCS are sent unescaped and the frame is parsed by count, as libmctp and Linux do; a receiver
 * here also takes an escaped FCS, because DSP0253 can be read that way. The FCS is that of RFC 1662
 * over revision, count and unescaped packet, but not complemented and most significant byte first.
 *
 * The deframer never blocks and never needs a reset: noise, a cut frame or a bad FCS costs that
 * frame, and the next 7E starts a new one.
 */
#ifndef NUSEC_MCTP_MCTP_SERIAL_H
#define NUSEC_MCTP_MCTP_SERIAL_H

#include "base/bytes.h"

/* Packet = 4 header bytes and a payload of at most 247. */
#define MCTP_SERIAL_PACKET_MIN 5
#define MCTP_SERIAL_PACKET_MAX 251
/* Longest frame: every packet byte escaped. */
#define MCTP_SERIAL_FRAME_MAX (3 + 2 * MCTP_SERIAL_PACKET_MAX + 3)

/* Appends one frame. INVALID for a packet outside MIN..MAX, NO_SPACE if the writer is full. */
MUST_USE enum status mctp_serial_frame(struct bytes packet, struct writer *frame);

enum mctp_serial_state {
    MCTP_SERIAL_HUNT, /* skipping until a flag */
    MCTP_SERIAL_REVISION,
    MCTP_SERIAL_COUNT,
    MCTP_SERIAL_PACKET,
    MCTP_SERIAL_ESCAPED, /* in the packet, after 7D */
    MCTP_SERIAL_CHECK,
};

struct mctp_serial_deframer {
    enum mctp_serial_state state;
    uint8_t packet[MCTP_SERIAL_PACKET_MAX];
    uint8_t count;    /* announced packet size */
    uint8_t received; /* packet bytes so far */
    uint8_t check[4]; /* FCS as received, perhaps escaped */
    uint8_t check_size;
    uint32_t frames;  /* good frames */
    uint32_t dropped; /* frames lost to framing errors or a bad FCS */
};

void mctp_serial_init(struct mctp_serial_deframer *deframer);

/*
 * Takes one byte. True when it completes a good frame; `packet` then points into the deframer and
 * is valid until the next call.
 */
MUST_USE bool mctp_serial_receive(struct mctp_serial_deframer *deframer, uint8_t byte,
                                  struct bytes *packet);

#endif
