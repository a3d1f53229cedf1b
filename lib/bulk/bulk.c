#include "bulk/bulk.h"

#include "base/crc32.h"

enum { KIND_DATA = 1, KIND_STATE = 2 };

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static void write_head(struct writer *writer, uint8_t kind, uint8_t transfer) {
    write_u32be(writer, BULK_VENDOR_ID);
    write_u8(writer, kind);
    write_u8(writer, transfer);
}

/* A reader behind the head; it has failed if the message is of another kind or transfer. */
static void open_message(struct reader *reader, struct bytes message, uint8_t kind,
                         uint8_t transfer) {
    reader_init(reader, message);
    uint32_t vendor = read_u32be(reader);
    uint8_t stated_kind = read_u8(reader);
    uint8_t stated_transfer = read_u8(reader);
    if (vendor != BULK_VENDOR_ID || stated_kind != kind || stated_transfer != transfer) {
        reader->failed = true;
    }
}

void bulk_receiver_open(struct bulk_receiver *receiver, uint8_t transfer, uint32_t size,
                        uint32_t window, bulk_sink_function *sink, void *context) {
    *receiver = (struct bulk_receiver){
        .sink = sink,
        .context = context,
        .transfer = transfer,
        .size = size,
        .window = window,
        .status = STATUS_OK,
        .is_open = true,
    };
}

void bulk_receiver_close(struct bulk_receiver *receiver) {
    receiver->is_open = false;
}

static void take(struct bulk_receiver *receiver, uint32_t offset, struct bytes data) {
    if (receiver->status != STATUS_OK || offset != receiver->received) {
        return; /* over, a gap, or a repetition: the answer says where to go on */
    }
    if (data.size > receiver->size - receiver->received) {
        receiver->status = STATUS_INVALID;
        return;
    }
    receiver->status = receiver->sink(receiver->context, offset, data);
    if (receiver->status == STATUS_OK) {
        receiver->received += (uint32_t)data.size;
    }
}

static void write_state(const struct bulk_receiver *receiver, struct writer *response) {
    uint32_t credit = smaller(receiver->window, receiver->size - receiver->received);
    write_head(response, KIND_STATE, receiver->transfer);
    write_u32le(response, receiver->received);
    write_u32le(response, receiver->received + credit);
    write_u16le(response, receiver->status == STATUS_OK ? 0 : (uint16_t)receiver->status);
}

enum status bulk_receiver_handle(struct bulk_receiver *receiver, struct bytes message,
                                 struct writer *response) {
    struct reader reader;
    if (!receiver->is_open) {
        return STATUS_BUSY;
    }
    if (message.size <= BULK_HEADER_SIZE + BULK_CRC_SIZE || message.size > BULK_MESSAGE_MAX) {
        return STATUS_BUSY;
    }
    open_message(&reader, message, KIND_DATA, receiver->transfer);
    uint32_t offset = read_u32le(&reader);
    struct bytes data = read_bytes(&reader, message.size - BULK_HEADER_SIZE - BULK_CRC_SIZE);
    uint32_t crc = read_u32le(&reader);
    if (reader_finish(&reader) != STATUS_OK) {
        return STATUS_BUSY;
    }
    if (crc == crc32_of(bytes_slice(message, 0, message.size - BULK_CRC_SIZE))) {
        take(receiver, offset, data);
    }
    write_state(receiver, response);
    return writer_check(response);
}

bool bulk_receiver_is_complete(const struct bulk_receiver *receiver) {
    return receiver->is_open && receiver->status == STATUS_OK &&
           receiver->received == receiver->size;
}

void bulk_sender_open(struct bulk_sender *sender, struct bytes data, uint8_t transfer,
                      uint16_t block_size, uint32_t window) {
    uint32_t size = (uint32_t)data.size;
    *sender = (struct bulk_sender){
        .data = data,
        .transfer = transfer,
        .block_size = (uint16_t)smaller(smaller(block_size, window), BULK_BLOCK_MAX),
        .limit = smaller(window, size),
        .status =
            data.size <= UINT32_MAX && block_size != 0 && window != 0 ? STATUS_OK : STATUS_INVALID,
    };
}

enum status bulk_sender_next(struct bulk_sender *sender, struct writer *message) {
    uint32_t left = (uint32_t)sender->data.size - sender->sent;
    uint32_t block = smaller(sender->block_size, left);
    /* A block that does not fit the credit waits: short ones would waste the wire. */
    if (sender->status != STATUS_OK || block == 0 || sender->limit < sender->sent ||
        sender->limit - sender->sent < block) {
        return STATUS_BUSY;
    }
    size_t start = message->size;
    write_head(message, KIND_DATA, sender->transfer);
    write_u32le(message, sender->sent);
    write_bytes(message, bytes_slice(sender->data, sender->sent, block));
    write_u32le(message,
                crc32_of(bytes_slice(writer_bytes(message), start, BULK_HEADER_SIZE + block)));
    if (writer_check(message) != STATUS_OK) {
        return STATUS_NO_SPACE;
    }
    sender->sent += block;
    if (sender->sent > sender->highest) {
        sender->highest = sender->sent;
    }
    return STATUS_OK;
}

static void go_back(struct bulk_sender *sender) {
    sender->resent_bytes += sender->sent - sender->received;
    sender->sent = sender->received;
}

/* What the device has grows, or a block was not taken: then something before it is missing. Every
 * block that was on the way behind the missing one says so; the first of them counts. */
static void follow(struct bulk_sender *sender, uint32_t received) {
    if (received > sender->received) {
        sender->received = received;
        sender->went_back = false;
        if (sender->sent < received) {
            sender->sent = received;
        }
    } else if (received == sender->received && sender->sent > received && !sender->went_back) {
        go_back(sender);
        sender->went_back = true;
    }
}

enum status bulk_sender_handle(struct bulk_sender *sender, struct bytes message) {
    struct reader reader;
    if (sender->status != STATUS_OK) {
        return sender->status;
    }
    open_message(&reader, message, KIND_STATE, sender->transfer);
    uint32_t received = read_u32le(&reader);
    uint32_t limit = read_u32le(&reader);
    uint16_t status = read_u16le(&reader);
    if (reader_finish(&reader) != STATUS_OK || received > sender->highest || limit < received) {
        return STATUS_BUSY;
    }
    if (status != 0) {
        sender->status = (enum status)status;
        return sender->status;
    }
    if (received >= sender->received) {
        sender->limit = smaller(limit, (uint32_t)sender->data.size);
        follow(sender, received);
    }
    return STATUS_OK;
}

void bulk_sender_timeout(struct bulk_sender *sender) {
    go_back(sender);
    sender->went_back = false;
}

bool bulk_sender_is_done(const struct bulk_sender *sender) {
    return sender->status == STATUS_OK && sender->received == sender->data.size;
}
