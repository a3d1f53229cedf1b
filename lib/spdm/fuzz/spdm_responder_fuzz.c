/*
 * Requests to the responder: each is u16 size, u8 place, bytes. Place 0 sends it in the clear, 1
 * as a record that opens (as a peer with the session keys could), 2 as a record as it is. The first
 * input byte chooses how far the connection is.
 */
#include "spdm/testing/fixture.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture prepared[4];
static struct fixture fixture;

/* The ops point at the fixture that owns them, so all of them live in `fixture`. */
static void prepare(void) {
    fixture_start(&fixture, 0, 0);
    prepared[0] = fixture;
    (void)!fixture_connect(&fixture);
    prepared[1] = fixture;
    (void)!fixture_handshake(&fixture);
    prepared[2] = fixture;
    (void)!fixture_open(&fixture);
    prepared[3] = fixture;
}

static void send_raw(struct bytes message) {
    uint8_t record[SPDM_RECORD_MAX];
    uint8_t answer[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    writer_init(&writer, answer, sizeof answer);
    memcpy(record, message.data, message.size);
    (void)!spdm_responder_handle(&fixture.responder, SPDM_TYPE_SECURED, record, message.size,
                                 &writer, &type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool ready;
    struct reader reader;
    if (!ready) {
        prepare();
        ready = true;
    }
    reader_init(&reader, bytes_of(data, size));
    fixture = prepared[read_u8(&reader) % 4];
    while (reader_remaining(&reader) > 3) {
        size_t length = read_u16le(&reader) % (SPDM_MESSAGE_MAX + 1);
        uint8_t place = read_u8(&reader);
        length = length < reader_remaining(&reader) ? length : reader_remaining(&reader);
        struct bytes message = read_bytes(&reader, length);
        if (length == 0) {
            continue;
        }
        switch (place % 3) {
        case 0: (void)!fixture_send(&fixture, message); break;
        case 1: (void)!fixture_send_inside(&fixture, message); break;
        default: send_raw(message); break;
        }
    }
    return 0;
}
