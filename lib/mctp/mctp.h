/*
 * An MCTP endpoint (DSP0236) with one peer: messages to packets and packets to messages. No I/O.
 *
 * Calling sequence: mctp_init with a reassembly buffer; then
 *   sending    mctp_send once per message, mctp_send_next until it says BUSY (nothing left)
 *              mctp_send_again instead for the second and later messages of a stream
 *   receiving  mctp_receive per packet; OK means a whole message
 *
 * The requester owns the tag: each message it sends takes the next of eight (TO set), and only the
 * answer to its latest message is accepted. The responder answers with the tag and to the endpoint
 * of the message it received last. One message is outstanding in each direction, but for a stream.
 *
 * A packet that does not fit (foreign destination, wrong tag, wrong sequence number, middle packet
 * of another size, message too long) is dropped and with it the message in reassembly; the next
 * packet with SOM starts afresh. Sequence numbers count modulo 4 and start wherever the first
 * packet starts, since peers differ in that.
 */
#ifndef NUSEC_MCTP_MCTP_H
#define NUSEC_MCTP_MCTP_H

#include "base/bytes.h"

#define MCTP_HEADER_SIZE      4
#define MCTP_PAYLOAD_BASELINE 64
#define MCTP_PAYLOAD_MAX      247
#define MCTP_PACKET_MAX       (MCTP_HEADER_SIZE + MCTP_PAYLOAD_MAX)

/* Message types (DSP0239). */
#define MCTP_TYPE_SPDM    0x05
#define MCTP_TYPE_SECURED 0x06
#define MCTP_TYPE_IANA    0x7F /* vendor defined, by private enterprise number */

/* Endpoint ids on our links (the link has two ends and no bus owner). */
#define MCTP_EID_PROGRAMMER 8
#define MCTP_EID_DEVICE     9

enum mctp_role { MCTP_REQUESTER, MCTP_RESPONDER };

/* A received message; `body` points into the reassembly buffer and may be changed in place. */
struct mctp_message {
    uint8_t type;
    uint8_t *body;
    size_t size;
};

struct mctp_statistics {
    uint32_t messages; /* whole messages received */
    uint32_t dropped;  /* packets dropped, and messages broken off */
};

struct mctp_endpoint {
    enum mctp_role role;
    uint8_t eid;
    uint8_t peer_eid;
    uint8_t tag;          /* of the latest request, sent or received */
    uint16_t payload_max; /* per packet, in sending */
    struct mctp_statistics statistics;
    /* reassembly; buffer[0] is the message type */
    uint8_t *buffer;
    size_t capacity;
    size_t received;
    uint16_t fragment_size; /* payload of the SOM packet: all but the last are as long */
    uint8_t receive_sequence;
    uint8_t receive_header; /* TO and tag of the message in reassembly */
    uint8_t receive_source;
    bool reassembling;
    /* sending */
    uint8_t send_type;
    struct bytes send_body;
    size_t sent; /* of type byte and body together */
    uint8_t send_sequence;
    bool sending;
};

/*
 * `buffer` belongs to the caller and lives as long as the endpoint; it holds the type byte and the
 * longest message to be accepted.
 */
void mctp_init(struct mctp_endpoint *endpoint, enum mctp_role role, uint8_t eid, uint8_t peer_eid,
               uint8_t *buffer, size_t capacity);

/* Sets the packet payload used in sending; clamped to BASELINE..MAX. Any size is received. */
void mctp_set_payload(struct mctp_endpoint *endpoint, uint16_t payload_max);

/*
 * Starts a message; one not yet sent to its end is broken off. `body` (without the type byte) is
 * borrowed until mctp_send_next has said BUSY.
 */
void mctp_send(struct mctp_endpoint *endpoint, uint8_t type, struct bytes body);

/*
 * The same under the tag of the message before, for a stream of messages of which several are on
 * the way at once (lib/bulk): the answer to any of them is accepted, one to a message before the
 * stream is not. Nothing but its tag tells a message from the next, and sequence numbers count to
 * four, so messages of a stream need a check of their own: when 4, 8, ... packets in a row are
 * lost, the receiver may join two of them. For a responder the same as mctp_send.
 */
void mctp_send_again(struct mctp_endpoint *endpoint, uint8_t type, struct bytes body);

/*
 * Writes the next packet (at most MCTP_PACKET_MAX bytes). BUSY when there is nothing to send;
 * NO_SPACE, with the packet still to be sent, when the writer is too small.
 */
MUST_USE enum status mctp_send_next(struct mctp_endpoint *endpoint, struct writer *packet);

/*
 * Takes one packet. OK: `message` is whole and valid until the next mctp_receive. BUSY: taken, more
 * to come. LINK: dropped.
 */
MUST_USE enum status mctp_receive(struct mctp_endpoint *endpoint, struct bytes packet,
                                  struct mctp_message *message);

#endif
