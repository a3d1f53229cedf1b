/* Any messages to either end of a transfer. */
#include "bulk/bulk.h"

#include "base/crc32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum status sink(void *context, uint32_t offset, struct bytes bytes) {
    uint32_t *taken = context;
    if (offset != *taken || bytes.size == 0) {
        __builtin_trap();
    }
    *taken += (uint32_t)bytes.size;
    return offset == 3000 ? STATUS_FLASH : STATUS_OK;
}

/* The next message of the input: a length byte and that many bytes. An even length gets a good CRC
 * behind it, which no fuzzer finds by itself. */
static struct bytes next_message(struct reader *reader, uint8_t buffer[BULK_MESSAGE_MAX]) {
    struct writer writer;
    uint8_t length = read_u8(reader);
    size_t left = reader_remaining(reader);
    struct bytes message = read_bytes(reader, length < left ? length : left);
    writer_init(&writer, buffer, BULK_MESSAGE_MAX);
    write_bytes(&writer, message);
    if (length % 2 == 0) {
        write_u32le(&writer, crc32_of(message));
    }
    return writer_bytes(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t image[5000];
    uint8_t in[BULK_MESSAGE_MAX];
    uint8_t out[BULK_MESSAGE_MAX];
    struct bulk_receiver receiver;
    struct bulk_sender sender;
    struct reader reader;
    uint32_t taken = 0;
    bulk_receiver_open(&receiver, 1, sizeof image, 4096, sink, &taken);
    bulk_sender_open(&sender, bytes_of(image, sizeof image), 1, 1000, 4096);
    reader_init(&reader, bytes_of(data, size));
    while (reader_remaining(&reader) > 1) {
        struct writer writer;
        struct bytes message = next_message(&reader, in);
        writer_init(&writer, out, sizeof out);
        if (bulk_receiver_handle(&receiver, message, &writer) == STATUS_OK) {
            (void)!bulk_sender_handle(&sender, writer_bytes(&writer));
        }
        (void)!bulk_sender_handle(&sender, message);
        writer_init(&writer, out, sizeof out);
        (void)!bulk_sender_next(&sender, &writer);
        if (sender.sent > sizeof image || receiver.received > sizeof image ||
            sender.received > sender.highest || sender.limit > sizeof image) {
            __builtin_trap();
        }
    }
    return 0;
}
