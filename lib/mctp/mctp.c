#include "mctp/mctp.h"

#define HEADER_VERSION 0x01
#define FLAG_SOM       0x80
#define FLAG_EOM       0x40
#define FLAG_TO        0x08
#define TAG_MASK       0x07
#define SEQUENCE_MASK  0x03
#define SEQUENCE_SHIFT 4
/* Addresses "whoever is there", before endpoint ids are known. */
#define EID_NULL 0

void mctp_init(struct mctp_endpoint *endpoint, enum mctp_role role, uint8_t eid, uint8_t peer_eid,
               uint8_t *buffer, size_t capacity) {
    *endpoint = (struct mctp_endpoint){.role = role,
                                       .eid = eid,
                                       .peer_eid = peer_eid,
                                       .payload_max = MCTP_PAYLOAD_BASELINE,
                                       .buffer = buffer,
                                       .capacity = capacity};
}

void mctp_set_payload(struct mctp_endpoint *endpoint, uint16_t payload_max) {
    if (payload_max < MCTP_PAYLOAD_BASELINE) {
        payload_max = MCTP_PAYLOAD_BASELINE;
    }
    if (payload_max > MCTP_PAYLOAD_MAX) {
        payload_max = MCTP_PAYLOAD_MAX;
    }
    endpoint->payload_max = payload_max;
}

void mctp_send_again(struct mctp_endpoint *endpoint, uint8_t type, struct bytes body) {
    endpoint->send_type = type;
    endpoint->send_body = body;
    endpoint->sent = 0;
    endpoint->sending = true;
}

void mctp_send(struct mctp_endpoint *endpoint, uint8_t type, struct bytes body) {
    mctp_send_again(endpoint, type, body);
    if (endpoint->role == MCTP_REQUESTER) {
        endpoint->tag = (uint8_t)((endpoint->tag + 1) & TAG_MASK);
    }
}

enum status mctp_send_next(struct mctp_endpoint *endpoint, struct writer *packet) {
    if (!endpoint->sending) {
        return STATUS_BUSY;
    }
    size_t left = 1 + endpoint->send_body.size - endpoint->sent;
    size_t payload = left < endpoint->payload_max ? left : endpoint->payload_max;
    uint8_t flags = endpoint->tag;
    flags |= endpoint->sent == 0 ? FLAG_SOM : 0;
    flags |= payload == left ? FLAG_EOM : 0;
    flags |= endpoint->role == MCTP_REQUESTER ? FLAG_TO : 0;
    flags |= (uint8_t)(endpoint->send_sequence << SEQUENCE_SHIFT);

    write_u8(packet, HEADER_VERSION);
    write_u8(packet, endpoint->peer_eid);
    write_u8(packet, endpoint->eid);
    write_u8(packet, flags);
    if (endpoint->sent == 0) {
        write_u8(packet, endpoint->send_type);
        write_bytes(packet, bytes_slice(endpoint->send_body, 0, payload - 1));
    } else {
        write_bytes(packet, bytes_slice(endpoint->send_body, endpoint->sent - 1, payload));
    }
    if (writer_check(packet) != STATUS_OK) {
        return STATUS_NO_SPACE;
    }
    endpoint->send_sequence = (uint8_t)((endpoint->send_sequence + 1) & SEQUENCE_MASK);
    endpoint->sent += payload;
    endpoint->sending = payload != left;
    return STATUS_OK;
}

static enum status drop(struct mctp_endpoint *endpoint) {
    endpoint->statistics.dropped++;
    endpoint->reassembling = false;
    return STATUS_LINK;
}

/* A requester takes only answers to its latest message, a responder only requests. */
static bool is_wanted(const struct mctp_endpoint *endpoint, uint8_t flags) {
    if (endpoint->role == MCTP_REQUESTER) {
        return (flags & FLAG_TO) == 0 && (flags & TAG_MASK) == endpoint->tag;
    }
    return (flags & FLAG_TO) != 0;
}

static void start_message(struct mctp_endpoint *endpoint, uint8_t source, uint8_t flags,
                          size_t payload) {
    endpoint->received = 0;
    endpoint->fragment_size = (uint16_t)payload;
    endpoint->receive_sequence = (uint8_t)((flags >> SEQUENCE_SHIFT) & SEQUENCE_MASK);
    endpoint->receive_header = flags & (FLAG_TO | TAG_MASK);
    endpoint->receive_source = source;
    endpoint->reassembling = true;
}

/* DSP0236: every packet but the last carries as much as the first. */
static bool is_next(const struct mctp_endpoint *endpoint, uint8_t source, uint8_t flags,
                    size_t payload) {
    bool last = (flags & FLAG_EOM) != 0;
    return endpoint->reassembling && source == endpoint->receive_source &&
           (flags & (FLAG_TO | TAG_MASK)) == endpoint->receive_header &&
           ((flags >> SEQUENCE_SHIFT) & SEQUENCE_MASK) == endpoint->receive_sequence &&
           (last ? payload <= endpoint->fragment_size : payload == endpoint->fragment_size);
}

static enum status append(struct mctp_endpoint *endpoint, struct bytes payload) {
    struct writer writer;
    writer_init(&writer, endpoint->buffer, endpoint->capacity);
    writer.size = endpoint->received;
    write_bytes(&writer, payload);
    endpoint->received = writer.size;
    return writer_check(&writer);
}

enum status mctp_receive(struct mctp_endpoint *endpoint, struct bytes packet,
                         struct mctp_message *message) {
    struct reader reader;
    *message = (struct mctp_message){0};
    reader_init(&reader, packet);
    uint8_t version = read_u8(&reader);
    uint8_t destination = read_u8(&reader);
    uint8_t source = read_u8(&reader);
    uint8_t flags = read_u8(&reader);
    struct bytes payload = read_rest(&reader);
    if (reader_check(&reader) != STATUS_OK || payload.size == 0 || version != HEADER_VERSION ||
        (destination != endpoint->eid && destination != EID_NULL) || !is_wanted(endpoint, flags)) {
        /* Not for us, so no reason to break off what is in reassembly. */
        endpoint->statistics.dropped++;
        return STATUS_LINK;
    }
    if ((flags & FLAG_SOM) != 0) {
        endpoint->statistics.dropped += endpoint->reassembling ? 1 : 0;
        start_message(endpoint, source, flags, payload.size);
    } else if (!is_next(endpoint, source, flags, payload.size)) {
        return drop(endpoint);
    }
    if (append(endpoint, payload) != STATUS_OK) {
        return drop(endpoint);
    }
    endpoint->receive_sequence = (uint8_t)((endpoint->receive_sequence + 1) & SEQUENCE_MASK);
    if ((flags & FLAG_EOM) == 0) {
        return STATUS_BUSY;
    }
    endpoint->reassembling = false;
    if (endpoint->role == MCTP_RESPONDER) {
        endpoint->tag = flags & TAG_MASK;
        endpoint->peer_eid = source;
    }
    endpoint->statistics.messages++;
    message->type = endpoint->buffer[0];
    message->body = &endpoint->buffer[1];
    message->size = endpoint->received - 1;
    return STATUS_OK;
}
