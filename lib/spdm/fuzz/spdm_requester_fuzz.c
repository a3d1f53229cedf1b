/*
 * Answers to the requester: the first byte chooses the operation, the second how many honest steps
 * come first; then the rest is one answer, in the clear or in a record that opens. It must never
 * read out of bounds, and a session it then has must be one the device has too.
 */
#include "spdm/testing/fixture.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture prepared[3];
static struct fixture fixture;

static void prepare(void) {
    fixture_start(&fixture, 0, 0);
    prepared[0] = fixture;
    (void)!fixture_connect(&fixture);
    prepared[1] = fixture;
    (void)!fixture_open(&fixture);
    prepared[2] = fixture;
}

static enum status start(uint8_t choice) {
    struct spdm_requester *requester = &fixture.requester;
    fixture = prepared[choice % 3];
    switch (choice / 3 % 8) {
    case 0: return spdm_requester_connect(requester);
    case 1: return spdm_requester_get_chain(requester, 0);
    case 2: return spdm_requester_challenge(requester);
    case 3: return spdm_requester_measurements(requester, 0xFF, NULL);
    case 4: return spdm_requester_open_session(requester);
    case 5: return spdm_requester_get_csr(requester, bytes_of("x", 1));
    case 6: return spdm_requester_vendor(requester, bytes_of("x", 1));
    default: return spdm_requester_end_session(requester);
    }
}

static void answer(struct bytes message) {
    struct spdm_requester *requester = &fixture.requester;
    uint8_t wire[SPDM_RECORD_MAX];
    struct writer writer;
    uint8_t type = 0;
    size_t size = message.size;
    writer_init(&writer, wire, sizeof wire);
    if (spdm_requester_output(requester, &writer, &type) != STATUS_OK) {
        return;
    }
    if (type == SPDM_TYPE_SECURED) {
        struct spdm_channel channel = requester->session.response;
        memcpy(&wire[SPDM_SECURED_OFFSET], message.data, message.size);
        (void)!spdm_secured_seal(&channel, requester->session.id, wire, sizeof wire, message.size,
                                 0, &size);
    } else {
        memcpy(wire, message.data, message.size);
    }
    (void)!spdm_requester_input(requester, type, wire, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool ready;
    struct reader reader;
    if (!ready) {
        prepare();
        ready = true;
    }
    reader_init(&reader, bytes_of(data, size));
    if (start(read_u8(&reader)) != STATUS_OK) {
        return 0;
    }
    for (uint8_t steps = read_u8(&reader) % 8; steps > 0; steps--) {
        if (spdm_requester_state(&fixture.requester) != SPDM_REQUESTER_SEND ||
            fixture_step(&fixture) != STATUS_OK) {
            return 0;
        }
    }
    size_t left = reader_remaining(&reader);
    struct bytes message = read_bytes(&reader, left < SPDM_MESSAGE_MAX ? left : SPDM_MESSAGE_MAX);
    if (message.size > 0 && spdm_requester_state(&fixture.requester) == SPDM_REQUESTER_SEND) {
        bool before = fixture.requester.session.phase != SPDM_SESSION_NONE;
        answer(message);
        if (!before && fixture.requester.session.phase != SPDM_SESSION_NONE) {
            abort(); /* a session out of an answer nobody signed */
        }
    }
    return 0;
}
