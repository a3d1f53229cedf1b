#include "attack/uart_proxy.h"

#include <string.h>

#define FLAGS_AT       3
#define FLAG_SOM       0x80u
#define FLAG_EOM       0x40u
#define SEQUENCE_MASK  0x30u
#define SEQUENCE_STEP  0x10u
#define OVERSIZED_SIZE 6000u
#define FLIPPED_BIT    0x04u

const char *uart_attack_name(enum uart_attack_kind kind) {
    static const char *const names[UART_ATTACK_KINDS] = {
        [UART_PASS] = "pass",
        [UART_FLIP_BEGIN] = "flip-begin",
        [UART_FLIP_MIDDLE] = "flip-middle",
        [UART_FLIP_END] = "flip-end",
        [UART_TRUNCATE] = "truncate",
        [UART_HALVE] = "halve",
        [UART_EXTEND] = "extend",
        [UART_DROP] = "drop",
        [UART_DUPLICATE] = "duplicate",
        [UART_DELAY] = "delay",
        [UART_REPLAY] = "replay",
        [UART_ERROR] = "error",
        [UART_NOISE] = "noise",
        [UART_OVERSIZED] = "oversized",
        [UART_OUT_OF_ORDER] = "out-of-order",
        [UART_FLOOD] = "flood",
        [UART_TAKE_OVER] = "take-over",
    };
    return kind < UART_ATTACK_KINDS ? names[kind] : "?";
}

void uart_proxy_init(struct uart_proxy *proxy, const struct uart_attack *attack) {
    memset(proxy, 0, sizeof(*proxy));
    proxy->attack = *attack;
    for (int i = 0; i < UART_DIRECTIONS; i++)
        mctp_serial_init(&proxy->streams[i].deframer);
}

static void send_packet(const uint8_t header[MCTP_HEADER_SIZE], uint8_t flags, struct bytes payload,
                        struct writer *out) {
    uint8_t buffer[MCTP_PACKET_MAX];
    struct writer packet;

    writer_init(&packet, buffer, sizeof(buffer));
    write_bytes(&packet, bytes_of(header, FLAGS_AT));
    write_u8(&packet, flags);
    write_bytes(&packet, payload);
    if (writer_check(&packet) != STATUS_OK ||
        mctp_serial_frame(writer_bytes(&packet), out) != STATUS_OK)
        out->failed = true;
}

/* In packets as long as the sender's own. `stutter` names a packet to be sent twice, or is -1. */
static void send_message(const uint8_t header[MCTP_HEADER_SIZE], size_t fragment,
                         struct bytes message, int stutter, struct writer *out) {
    uint8_t kept = header[FLAGS_AT] & (uint8_t) ~(FLAG_SOM | FLAG_EOM | SEQUENCE_MASK);
    uint8_t sequence = header[FLAGS_AT] & SEQUENCE_MASK;
    size_t sent = 0;

    for (int i = 0; sent < message.size; i++) {
        size_t left = message.size - sent;
        size_t size = left < fragment ? left : fragment;
        uint8_t flags =
            (uint8_t)(kept | sequence | (sent == 0 ? FLAG_SOM : 0) | (size == left ? FLAG_EOM : 0));
        struct bytes payload = bytes_slice(message, sent, size);
        send_packet(header, flags, payload, out);
        if (i == stutter)
            send_packet(header, flags, payload, out);
        sequence = (uint8_t)(sequence + SEQUENCE_STEP) & SEQUENCE_MASK;
        sent += size;
    }
}

static void pass(const struct uart_stream *stream, struct writer *out) {
    send_message(stream->header, stream->fragment,
                 bytes_of(stream->message.data, stream->message.size), -1, out);
}

static void send_noise(const struct uart_stream *stream, struct writer *out) {
    static const uint8_t noise[] = {0x00, 0xFF, 0x13, 0x7E, 0x01, 0xFF, 0x7D, 0x7D, 0x7E, 0x7E,
                                    0x01, 0x05, 0x01, 0x7E, 0x02, 0x00, 0x55, 0xAA, 0x7E, 0x01};
    size_t begin = out->size;

    write_bytes(out, bytes_of(noise, sizeof(noise)));
    pass(stream, out); /* the whole message, but with every check sequence broken */
    if (writer_check(out) == STATUS_OK)
        for (size_t i = begin + sizeof(noise) + 2; i < out->size; i++)
            if (out->data[i] == 0x7E && out->data[i - 1] != 0x7E)
                out->data[i - 1] ^= 0x01;
}

/* A message no buffer holds, the last packet included, on the tag of the real one. */
static void send_oversized(const struct uart_stream *stream, struct writer *out) {
    static uint8_t oversized[OVERSIZED_SIZE];

    memset(oversized, 0x5A, sizeof(oversized));
    memcpy(oversized, stream->message.data, stream->message.size < 8 ? stream->message.size : 8);
    send_message(stream->header, stream->fragment, bytes_of(oversized, sizeof(oversized)), -1, out);
}

static void flip(struct uart_message *message, size_t at) {
    message->data[at < message->size ? at : message->size - 1] ^= FLIPPED_BIT;
}

static void replace(struct uart_message *message, struct bytes with) {
    if (with.size == 0 || with.size > sizeof(message->data))
        return;
    memcpy(message->data, with.data, with.size);
    message->size = with.size;
}

/* What a machine in the middle can always say of its own. */
static struct bytes own_message(enum uart_direction direction) {
    static const uint8_t get_version[] = {SPDM_TYPE_CLEAR, SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0};
    static const uint8_t error[] = {SPDM_TYPE_CLEAR, SPDM_VERSION_12, SPDM_ERROR,
                                    SPDM_ERROR_UNSPECIFIED, 0};

    return direction == UART_TO_DEVICE ? bytes_of(get_version, sizeof(get_version))
                                       : bytes_of(error, sizeof(error));
}

static struct bytes recorded(const struct uart_proxy *proxy, enum uart_direction direction) {
    const struct uart_recording *recording = proxy->attack.recording;
    unsigned number = proxy->streams[direction].count;

    if (recording == NULL || number > recording->count[direction])
        return bytes_of(NULL, 0);
    const struct uart_message *message = &recording->messages[direction][number - 1];
    return bytes_of(message->data, message->size);
}

static void hold(struct uart_stream *stream) {
    stream->held = stream->message;
    memcpy(stream->held_header, stream->header, sizeof(stream->header));
}

/* Changes the message in place; false if it is not to be sent now. */
static bool change(struct uart_proxy *proxy, enum uart_direction direction) {
    struct uart_stream *stream = &proxy->streams[direction];
    struct uart_message *message = &stream->message;

    switch (proxy->attack.kind) {
    case UART_FLIP_BEGIN: flip(message, 1); break;
    case UART_FLOOD:
    case UART_FLIP_MIDDLE: flip(message, message->size / 2); break;
    case UART_FLIP_END: flip(message, message->size - 1); break;
    case UART_TRUNCATE: message->size--; break;
    case UART_HALVE: message->size = (message->size + 1) / 2; break;
    case UART_EXTEND:
        memset(message->data + message->size, 0, 4);
        message->size += 4;
        break;
    case UART_DROP: return false;
    case UART_DELAY: hold(stream); return false;
    case UART_REPLAY:
    case UART_TAKE_OVER: replace(message, recorded(proxy, direction)); break;
    case UART_ERROR: replace(message, own_message(direction)); break;
    default: break;
    }
    return message->size > 0;
}

/* Attacks that leave the message as it is and add something. */
static bool is_addition(enum uart_attack_kind kind) {
    return kind == UART_NOISE || kind == UART_OVERSIZED || kind == UART_OUT_OF_ORDER ||
           kind == UART_DUPLICATE;
}

static void attack(struct uart_proxy *proxy, enum uart_direction direction, struct writer *out) {
    struct uart_stream *stream = &proxy->streams[direction];
    struct bytes message = bytes_of(stream->message.data, stream->message.size);

    if (proxy->acted++ == 0) {
        proxy->attacked_type = stream->message.data[0];
        proxy->attacked_code = stream->message.size > 2 ? stream->message.data[2] : 0;
    }
    proxy->changed += is_addition(proxy->attack.kind);
    switch (proxy->attack.kind) {
    case UART_NOISE:
        send_noise(stream, out);
        pass(stream, out);
        return;
    case UART_OVERSIZED:
        send_oversized(stream, out);
        pass(stream, out);
        return;
    case UART_OUT_OF_ORDER:
        send_message(stream->header, stream->fragment, message,
                     message.size > stream->fragment ? 1 : 0, out);
        return;
    case UART_DUPLICATE:
        pass(stream, out);
        pass(stream, out);
        return;
    default: break;
    }
    static struct uart_message before;
    before = stream->message;
    bool is_sent = change(proxy, direction);
    proxy->changed +=
        !is_sent || !bytes_equal(bytes_of(before.data, before.size),
                                 bytes_of(stream->message.data, stream->message.size));
    if (is_sent)
        pass(stream, out);
}

static bool is_target(const struct uart_proxy *proxy, enum uart_direction direction) {
    const struct uart_attack *wanted = &proxy->attack;
    unsigned number = proxy->streams[direction].count;
    bool lasts = wanted->kind == UART_FLOOD || wanted->kind == UART_TAKE_OVER;

    if (wanted->kind == UART_PASS || direction != wanted->direction)
        return false;
    return lasts ? number >= wanted->message : number == wanted->message;
}

static void write_down(struct uart_proxy *proxy, enum uart_direction direction) {
    struct uart_recording *record = proxy->record;

    if (record != NULL && record->count[direction] < UART_RECORDING_MAX)
        record->messages[direction][record->count[direction]++] = proxy->streams[direction].message;
}

static void whole_message(struct uart_proxy *proxy, enum uart_direction direction,
                          struct writer *out) {
    struct uart_stream *stream = &proxy->streams[direction];

    stream->count++;
    write_down(proxy, direction);
    if (is_target(proxy, direction)) {
        attack(proxy, direction, out);
        return;
    }
    pass(stream, out);
    if (stream->held.size > 0) {
        send_message(stream->held_header, stream->fragment,
                     bytes_of(stream->held.data, stream->held.size), -1, out);
        stream->held.size = 0;
    }
}

static void take_packet(struct uart_proxy *proxy, enum uart_direction direction,
                        struct bytes packet, struct writer *out) {
    struct uart_stream *stream = &proxy->streams[direction];
    struct uart_message *message = &stream->message;
    uint8_t flags = packet.data[FLAGS_AT];
    struct bytes payload = bytes_slice(packet, MCTP_HEADER_SIZE, packet.size - MCTP_HEADER_SIZE);

    if ((flags & FLAG_SOM) != 0) {
        memcpy(stream->header, packet.data, MCTP_HEADER_SIZE);
        stream->fragment =
            payload.size < MCTP_PAYLOAD_BASELINE ? MCTP_PAYLOAD_BASELINE : payload.size;
        message->size = 0;
    }
    if (payload.size > sizeof(message->data) - message->size)
        message->size = 0; /* neither side sends this */
    memcpy(message->data + message->size, payload.data, payload.size);
    message->size += payload.size;
    if ((flags & FLAG_EOM) != 0)
        whole_message(proxy, direction, out);
}

void uart_proxy_feed(struct uart_proxy *proxy, enum uart_direction direction, struct bytes input,
                     struct writer *out) {
    struct bytes packet;

    for (size_t i = 0; i < input.size; i++)
        if (mctp_serial_receive(&proxy->streams[direction].deframer, input.data[i], &packet))
            take_packet(proxy, direction, packet, out);
}
