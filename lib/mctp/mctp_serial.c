#include "mctp/mctp_serial.h"

#define FLAG             0x7E
#define ESCAPE           0x7D
#define ESCAPED_FLAG     0x5E
#define ESCAPED_ESCAPE   0x5D
#define REVISION         0x01
#define FCS_START        0xFFFF
#define FCS_POLYNOMIAL   0x8408 /* RFC 1662, reflected */
#define FCS_SIZE         2
#define FCS_SIZE_LONGEST 4 /* both bytes escaped */

static uint16_t fcs_add(uint16_t fcs, uint8_t byte) {
    fcs ^= byte;
    for (int bit = 0; bit < 8; bit++) {
        uint16_t carry = (uint16_t)(fcs & 1);
        fcs = (uint16_t)(fcs >> 1);
        if (carry != 0) {
            fcs ^= FCS_POLYNOMIAL;
        }
    }
    return fcs;
}

static uint16_t fcs_of(struct bytes packet) {
    uint16_t fcs = fcs_add(FCS_START, REVISION);
    fcs = fcs_add(fcs, (uint8_t)packet.size);
    for (size_t i = 0; i < packet.size; i++) {
        fcs = fcs_add(fcs, packet.data[i]);
    }
    return fcs;
}

enum status mctp_serial_frame(struct bytes packet, struct writer *frame) {
    if (packet.size < MCTP_SERIAL_PACKET_MIN || packet.size > MCTP_SERIAL_PACKET_MAX) {
        return STATUS_INVALID;
    }
    write_u8(frame, FLAG);
    write_u8(frame, REVISION);
    write_u8(frame, (uint8_t)packet.size);
    for (size_t i = 0; i < packet.size; i++) {
        uint8_t byte = packet.data[i];
        if (byte == FLAG || byte == ESCAPE) {
            write_u8(frame, ESCAPE);
            byte = byte == FLAG ? ESCAPED_FLAG : ESCAPED_ESCAPE;
        }
        write_u8(frame, byte);
    }
    write_u16be(frame, fcs_of(packet));
    write_u8(frame, FLAG);
    return writer_check(frame);
}

void mctp_serial_init(struct mctp_serial_deframer *deframer) {
    *deframer = (struct mctp_serial_deframer){.state = MCTP_SERIAL_HUNT};
}

/* Gives up the frame. A flag may end this frame or begin the next, so it always begins one. */
static void drop(struct mctp_serial_deframer *deframer, uint8_t byte) {
    deframer->dropped++;
    deframer->state = byte == FLAG ? MCTP_SERIAL_REVISION : MCTP_SERIAL_HUNT;
}

static void take_count(struct mctp_serial_deframer *deframer, uint8_t byte) {
    if (byte < MCTP_SERIAL_PACKET_MIN || byte > MCTP_SERIAL_PACKET_MAX) {
        drop(deframer, byte);
        return;
    }
    deframer->count = byte;
    deframer->received = 0;
    deframer->check_size = 0;
    deframer->state = MCTP_SERIAL_PACKET;
}

static void take_packet_byte(struct mctp_serial_deframer *deframer, uint8_t byte) {
    deframer->packet[deframer->received++] = byte;
    deframer->state =
        deframer->received == deframer->count ? MCTP_SERIAL_CHECK : MCTP_SERIAL_PACKET;
}

static void take_escaped(struct mctp_serial_deframer *deframer, uint8_t byte) {
    if (byte == ESCAPED_FLAG) {
        take_packet_byte(deframer, FLAG);
    } else if (byte == ESCAPED_ESCAPE) {
        take_packet_byte(deframer, ESCAPE);
    } else {
        drop(deframer, byte);
    }
}

/* Undoes escapes in the FCS; how many FCS bytes that makes, or 0 if there is a bad escape. */
static uint8_t unescape_check(const struct mctp_serial_deframer *deframer, uint8_t fcs[FCS_SIZE],
                              bool *open) {
    uint8_t size = 0;
    *open = false;
    for (uint8_t i = 0; i < deframer->check_size; i++) {
        uint8_t byte = deframer->check[i];
        if (size == FCS_SIZE || byte == FLAG) {
            return 0;
        }
        if (byte == ESCAPE) {
            if (i + 1 == deframer->check_size) {
                *open = true;
                return size;
            }
            i++;
            byte = (uint8_t)(deframer->check[i] ^ 0x20);
            if (byte != FLAG && byte != ESCAPE) {
                return 0;
            }
        }
        fcs[size++] = byte;
    }
    return size;
}

/* The two bytes as they are come first; only if they do not match can they have been escaped. */
static bool take_check(struct mctp_serial_deframer *deframer, uint8_t byte, struct bytes *packet) {
    struct bytes whole = {.data = deframer->packet, .size = deframer->count};
    deframer->check[deframer->check_size++] = byte;
    if (deframer->check_size < FCS_SIZE) {
        return false;
    }
    uint16_t wanted = fcs_of(whole);
    uint8_t high = (uint8_t)(wanted >> 8);
    uint8_t low = (uint8_t)wanted;
    bool good =
        deframer->check_size == FCS_SIZE && deframer->check[0] == high && deframer->check[1] == low;
    if (!good) {
        uint8_t fcs[FCS_SIZE] = {0};
        bool open = false;
        uint8_t size = unescape_check(deframer, fcs, &open);
        if (deframer->check_size < FCS_SIZE_LONGEST && (open || size == 1)) {
            return false;
        }
        good = size == FCS_SIZE && fcs[0] == high && fcs[1] == low;
    }
    if (!good) {
        drop(deframer, byte);
        return false;
    }
    deframer->frames++;
    deframer->state = MCTP_SERIAL_HUNT;
    *packet = whole;
    return true;
}

bool mctp_serial_receive(struct mctp_serial_deframer *deframer, uint8_t byte,
                         struct bytes *packet) {
    *packet = (struct bytes){.data = NULL, .size = 0};
    switch (deframer->state) {
    case MCTP_SERIAL_HUNT:
        if (byte == FLAG) {
            deframer->state = MCTP_SERIAL_REVISION;
        }
        break;
    case MCTP_SERIAL_REVISION:
        if (byte == REVISION) {
            deframer->state = MCTP_SERIAL_COUNT;
        } else if (byte != FLAG) {
            deframer->state = MCTP_SERIAL_HUNT;
        }
        break;
    case MCTP_SERIAL_COUNT: take_count(deframer, byte); break;
    case MCTP_SERIAL_PACKET:
        if (byte == FLAG) {
            drop(deframer, byte);
        } else if (byte == ESCAPE) {
            deframer->state = MCTP_SERIAL_ESCAPED;
        } else {
            take_packet_byte(deframer, byte);
        }
        break;
    case MCTP_SERIAL_ESCAPED: take_escaped(deframer, byte); break;
    case MCTP_SERIAL_CHECK: return take_check(deframer, byte, packet);
    }
    return false;
}
