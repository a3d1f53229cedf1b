#include "attack/debug_proxy.h"

#include <string.h>

#define PROGRAM_COUNTER_DIGITS 2

const char *debug_attack_name(enum debug_attack_kind kind) {
    static const char *const names[DEBUG_ATTACK_KINDS] = {
        [DEBUG_PASS] = "pass",
        [DEBUG_ALTER_WRITE] = "alter-write",
        [DEBUG_ALTER_AND_LIE] = "alter-and-lie",
        [DEBUG_ALTER_READ] = "alter-read",
        [DEBUG_SWAP] = "swap",
        [DEBUG_DROP] = "drop",
        [DEBUG_DROP_AND_LIE] = "drop-and-lie",
        [DEBUG_ALTER_REGISTER] = "alter-register",
        [DEBUG_CLOSE] = "close",
        [DEBUG_GARBAGE] = "garbage",
        [DEBUG_REFUSE] = "refuse",
    };
    return kind < DEBUG_ATTACK_KINDS ? names[kind] : "?";
}

void debug_filter_init(struct debug_filter *filter, const struct debug_attack *attack) {
    memset(filter, 0, sizeof(*filter));
    filter->attack = *attack;
    for (int i = 0; i < DEBUG_DIRECTIONS; i++)
        rsp_parser_init(&filter->parsers[i]);
}

static bool covers(const struct debug_range *range, uint32_t address) {
    return address >= range->address && address - range->address < range->size;
}

/* The byte whose two digits are at `digits`. */
static void alter_byte(uint8_t *digits, uint8_t mask) {
    struct reader reader;
    struct writer writer;
    uint8_t byte;

    reader_init(&reader, bytes_of(digits, 2));
    rsp_read_hex(&reader, &byte, 1);
    byte ^= mask;
    writer_init(&writer, digits, 2);
    rsp_write_hex(&writer, bytes_of(&byte, 1));
}

static void swap_halves(uint8_t *digits, size_t size) {
    uint8_t half[RSP_PAYLOAD_MAX / 2];
    size_t count = size / 4 * 2; /* whole bytes */

    memcpy(half, digits, count);
    memmove(digits, digits + count, count);
    memcpy(digits + count, half, count);
}

enum verdict { FORWARD, SWALLOW };

static void answer(struct writer *to_programmer, const char *text) {
    rsp_encode(to_programmer, bytes_of(text, strlen(text)));
}

/* "address,size:" and then, for M, two digits a byte. */
static struct debug_range read_range(struct reader *reader) {
    struct debug_range range;

    range.address = rsp_read_number(reader);
    rsp_expect(reader, ',');
    range.size = rsp_read_number(reader);
    return range;
}

static enum verdict drop(struct debug_filter *filter, const struct debug_range *range,
                         const uint8_t *digits, struct writer *to_programmer) {
    filter->changed++;
    if (filter->attack.kind == DEBUG_DROP_AND_LIE) {
        filter->dropped = *range;
        memcpy(filter->dropped_hex, digits, 2 * (size_t)range->size);
    }
    answer(to_programmer, "OK");
    return SWALLOW;
}

static enum verdict on_write(struct debug_filter *filter, struct reader *arguments,
                             uint8_t *payload, struct writer *to_programmer) {
    struct debug_range range = read_range(arguments);

    rsp_expect(arguments, ':');
    if (reader_check(arguments) != STATUS_OK || !covers(&range, filter->attack.address) ||
        reader_remaining(arguments) != 2 * (size_t)range.size)
        return FORWARD;
    uint8_t *digits = payload + 1 + arguments->position;
    switch (filter->attack.kind) {
    case DEBUG_ALTER_WRITE:
    case DEBUG_ALTER_AND_LIE:
        alter_byte(digits + 2 * (size_t)(filter->attack.address - range.address),
                   filter->attack.mask);
        filter->changed++;
        return FORWARD;
    case DEBUG_SWAP:
        swap_halves(digits, 2 * (size_t)range.size);
        filter->changed++;
        return FORWARD;
    case DEBUG_DROP:
    case DEBUG_DROP_AND_LIE: return drop(filter, &range, digits, to_programmer);
    default: return FORWARD;
    }
}

static void on_register(struct debug_filter *filter, struct reader *arguments, uint8_t *payload) {
    uint32_t number = rsp_read_number(arguments);

    rsp_expect(arguments, '=');
    if (filter->attack.kind != DEBUG_ALTER_REGISTER || reader_check(arguments) != STATUS_OK ||
        number != filter->attack.address)
        return;
    alter_byte(payload + 1 + arguments->position + PROGRAM_COUNTER_DIGITS, filter->attack.mask);
    filter->changed++;
}

/* Attacks on a request by its number. */
static enum verdict on_number(struct debug_filter *filter, struct writer *to_board,
                              struct writer *to_programmer) {
    static const uint8_t garbage[] = "\xFF\x00$m0,40#00$#00#$$X38100000,4:\x7D\x7D\x7D\x7D#11}}##";

    if (filter->requests != filter->attack.packet)
        return FORWARD;
    switch (filter->attack.kind) {
    case DEBUG_CLOSE:
        filter->changed++;
        filter->is_closed = true;
        return SWALLOW;
    case DEBUG_GARBAGE:
        filter->changed++;
        write_bytes(to_board, bytes_of(garbage, sizeof(garbage) - 1));
        return FORWARD;
    case DEBUG_REFUSE:
        filter->changed++;
        answer(to_programmer, "E01");
        return SWALLOW;
    default: return FORWARD;
    }
}

static enum verdict on_request(struct debug_filter *filter, struct rsp_parser *parser,
                               struct writer *to_board, struct writer *to_programmer) {
    struct reader arguments;
    struct debug_range range;

    filter->requests++;
    filter->reading.size = 0;
    if (on_number(filter, to_board, to_programmer) == SWALLOW)
        return SWALLOW;
    if (parser->size == 0)
        return FORWARD;
    reader_init(&arguments, bytes_of(parser->payload + 1, parser->size - 1));
    switch (parser->payload[0]) {
    case 'm':
        range = read_range(&arguments);
        if (reader_finish(&arguments) == STATUS_OK)
            filter->reading = range;
        return FORWARD;
    case 'M': return on_write(filter, &arguments, parser->payload, to_programmer);
    case 'P': on_register(filter, &arguments, parser->payload); return FORWARD;
    default: return FORWARD;
    }
}

static void show_dropped(struct debug_filter *filter, struct rsp_parser *parser) {
    const struct debug_range *reading = &filter->reading;

    for (uint32_t i = 0; i < reading->size; i++)
        if (covers(&filter->dropped, reading->address + i))
            memcpy(parser->payload + 2 * (size_t)i,
                   filter->dropped_hex +
                       2 * (size_t)(reading->address + i - filter->dropped.address),
                   2);
}

static void on_answer(struct debug_filter *filter, struct rsp_parser *parser) {
    const struct debug_range *reading = &filter->reading;
    uint32_t address = filter->attack.address;

    if (reading->size == 0 || parser->size != 2 * (size_t)reading->size)
        return;
    if (filter->attack.kind == DEBUG_DROP_AND_LIE)
        show_dropped(filter, parser);
    if (!covers(reading, address))
        return;
    if (filter->attack.kind == DEBUG_ALTER_READ ||
        (filter->attack.kind == DEBUG_ALTER_AND_LIE && filter->changed > 0)) {
        alter_byte(parser->payload + 2 * (size_t)(address - reading->address), filter->attack.mask);
        filter->changed++;
    }
}

static void on_packet(struct debug_filter *filter, enum debug_direction direction,
                      struct writer *to_board, struct writer *to_programmer) {
    struct rsp_parser *parser = &filter->parsers[direction];

    if (direction == DEBUG_TO_PROGRAMMER) {
        on_answer(filter, parser);
        rsp_encode(to_programmer, bytes_of(parser->payload, parser->size));
    } else if (on_request(filter, parser, to_board, to_programmer) == FORWARD) {
        rsp_encode(to_board, bytes_of(parser->payload, parser->size));
    }
}

void debug_filter_feed(struct debug_filter *filter, enum debug_direction direction,
                       struct bytes input, struct writer *to_board, struct writer *to_programmer) {
    struct writer *onward = direction == DEBUG_TO_BOARD ? to_board : to_programmer;

    for (size_t i = 0; i < input.size && !filter->is_closed; i++) {
        switch (rsp_feed(&filter->parsers[direction], input.data[i])) {
        case RSP_PACKET: on_packet(filter, direction, to_board, to_programmer); break;
        case RSP_ACK:
        case RSP_NACK:
        case RSP_INTERRUPT: write_u8(onward, input.data[i]); break;
        default: break;
        }
    }
}
