/* Both ends of a transfer, over nothing, over a lossy pipe, and over the real framing. */
#include "bulk/bulk.h"

#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE_SIZE 100003u
#define WINDOW     4096u
#define BLOCK      1024u
#define TRANSFER   7
#define ENDLESS    100000

static uint8_t image[IMAGE_SIZE];
static uint8_t taken[IMAGE_SIZE];
static enum status sink_result;
static struct bulk_receiver receiver;
static struct bulk_sender sender;
static uint8_t data_message[BULK_MESSAGE_MAX];
static uint8_t state_message[BULK_STATE_SIZE];
static struct writer writer;
static uint32_t noise;

static uint32_t next_random(void) {
    noise = noise * 1664525u + 1013904223u;
    return noise >> 8;
}

static enum status sink(void *context, uint32_t offset, struct bytes data) {
    (void)context;
    assert_true(offset + data.size <= sizeof taken);
    memcpy(&taken[offset], data.data, data.size);
    return sink_result;
}

static int start(void **state) {
    (void)state;
    noise = 1;
    for (size_t i = 0; i < sizeof image; i++) {
        image[i] = (uint8_t)next_random();
    }
    memset(taken, 0, sizeof taken);
    sink_result = STATUS_OK;
    bulk_receiver_open(&receiver, TRANSFER, sizeof image, WINDOW, sink, NULL);
    bulk_sender_open(&sender, bytes_of(image, sizeof image), TRANSFER, BLOCK, WINDOW);
    return 0;
}

static struct bytes next_data(void) {
    writer_init(&writer, data_message, sizeof data_message);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_OK);
    return writer_bytes(&writer);
}

static enum status give(struct bytes message) {
    writer_init(&writer, state_message, sizeof state_message);
    return bulk_receiver_handle(&receiver, message, &writer);
}

static enum status answer(void) {
    return bulk_sender_handle(&sender, bytes_of(state_message, sizeof state_message));
}

static void everything_arrives(void **state) {
    (void)state;
    while (!bulk_sender_is_done(&sender)) {
        assert_int_equal(give(next_data()), STATUS_OK);
        assert_int_equal(answer(), STATUS_OK);
    }
    assert_true(bulk_receiver_is_complete(&receiver));
    assert_memory_equal(image, taken, sizeof image);
    assert_int_equal(sender.resent_bytes, 0);
}

static void messages_as_published(void **state) {
    static const uint8_t data[] = {0, 0, 0x7E, 0xD9, 1, TRANSFER, 0, 0, 0, 0};
    static const uint8_t answered[] = {0, 0, 0x7E, 0xD9, 2, TRANSFER, 0, 4,
                                       0, 0, 0,    0x14, 0, 0,        0, 0};
    (void)state;
    struct bytes message = next_data();
    assert_int_equal(message.size, BULK_MESSAGE_MAX);
    assert_memory_equal(message.data, data, sizeof data);
    assert_int_equal(give(message), STATUS_OK);
    assert_int_equal(writer.size, BULK_STATE_SIZE);
    assert_memory_equal(state_message, answered, sizeof answered);
}

static void the_window_is_kept(void **state) {
    (void)state;
    for (unsigned i = 0; i < WINDOW / BLOCK; i++) {
        (void)next_data();
    }
    writer_init(&writer, data_message, sizeof data_message);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_BUSY);
}

static void a_gap_is_not_taken_and_repaired_once(void **state) {
    static uint8_t behind[3][BULK_MESSAGE_MAX];
    (void)state;
    (void)next_data(); /* lost */
    for (unsigned i = 0; i < 3; i++) {
        memcpy(behind[i], next_data().data, BULK_MESSAGE_MAX);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(give(bytes_of(behind[i], BULK_MESSAGE_MAX)), STATUS_OK);
        assert_int_equal(receiver.received, 0);
        assert_int_equal(answer(), STATUS_OK);
        /* The first answer sends it back; those behind it must not do so again. */
        assert_int_equal(sender.sent, i * BLOCK);
        (void)next_data();
    }
    while (!bulk_sender_is_done(&sender)) {
        writer_init(&writer, data_message, sizeof data_message);
        if (bulk_sender_next(&sender, &writer) == STATUS_BUSY) {
            bulk_sender_timeout(&sender);
            continue;
        }
        assert_int_equal(give(writer_bytes(&writer)), STATUS_OK);
        assert_int_equal(answer(), STATUS_OK);
    }
    assert_memory_equal(image, taken, sizeof image);
    assert_true(sender.resent_bytes > 0);
}

static void a_repeated_block_is_not_taken_twice(void **state) {
    static uint8_t kept[BULK_MESSAGE_MAX];
    (void)state;
    struct bytes message = next_data();
    memcpy(kept, message.data, message.size);
    assert_int_equal(give(message), STATUS_OK);
    assert_int_equal(give(bytes_of(kept, BULK_MESSAGE_MAX)), STATUS_OK);
    assert_int_equal(receiver.received, BLOCK);
}

static void a_lost_answer_is_made_good_by_the_next(void **state) {
    (void)state;
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(answer(), STATUS_OK);
    assert_int_equal(sender.received, 2 * BLOCK);
    assert_int_equal(sender.resent_bytes, 0);
}

static void a_failing_sink_ends_the_transfer(void **state) {
    (void)state;
    sink_result = STATUS_FLASH;
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(answer(), STATUS_FLASH);
    writer_init(&writer, data_message, sizeof data_message);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_BUSY);
    sink_result = STATUS_OK;
    bulk_sender_open(&sender, bytes_of(image, sizeof image), TRANSFER, BLOCK, WINDOW);
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(receiver.received, 0);
    assert_int_equal(answer(), STATUS_FLASH);
    assert_false(bulk_receiver_is_complete(&receiver));
}

static void more_than_announced_is_refused(void **state) {
    (void)state;
    bulk_receiver_open(&receiver, TRANSFER, BLOCK - 1, WINDOW, sink, NULL);
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(answer(), STATUS_INVALID);
    assert_int_equal(receiver.received, 0);
}

static void foreign_and_malformed_messages_get_no_answer(void **state) {
    uint8_t message[BULK_HEADER_SIZE + 1] = {0, 0, 0x7E, 0xD9, 1, TRANSFER};
    (void)state;
    assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_OK);
    assert_int_equal(receiver.received, 1);
    for (size_t i = 0; i < 6; i++) {
        message[i] ^= 1;
        assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_BUSY);
        message[i] ^= 1;
    }
    for (size_t size = 0; size <= BULK_HEADER_SIZE; size++) {
        assert_int_equal(give(bytes_of(message, size)), STATUS_BUSY);
    }
    static uint8_t longer[BULK_MESSAGE_MAX + 1] = {0, 0, 0x7E, 0xD9, 1, TRANSFER, 1};
    assert_int_equal(give(bytes_of(longer, sizeof longer)), STATUS_BUSY);
    bulk_receiver_close(&receiver);
    assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_BUSY);
    assert_false(bulk_receiver_is_complete(&receiver));
}

static void answers_that_cannot_be_are_ignored(void **state) {
    (void)state;
    assert_int_equal(give(next_data()), STATUS_OK);
    state_message[7] = 0x10; /* more than was ever sent */
    assert_int_equal(answer(), STATUS_BUSY);
    assert_int_equal(give(next_data()), STATUS_OK);
    state_message[11] = 0; /* a limit below what was received */
    assert_int_equal(answer(), STATUS_BUSY);
    assert_int_equal(bulk_sender_handle(&sender, bytes_of(state_message, 15)), STATUS_BUSY);
    assert_int_equal(sender.received, 0);
}

static void a_limit_never_leads_beyond_the_data(void **state) {
    (void)state;
    assert_int_equal(give(next_data()), STATUS_OK);
    memset(&state_message[10], 0xFF, 4);
    assert_int_equal(answer(), STATUS_OK);
    assert_int_equal(sender.limit, IMAGE_SIZE);
}

static void nothing_can_be_sent_without_room(void **state) {
    (void)state;
    writer_init(&writer, data_message, BULK_MESSAGE_MAX - 1);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_NO_SPACE);
    assert_int_equal(sender.sent, 0);
    bulk_sender_open(&sender, bytes_of(image, sizeof image), TRANSFER, 0, WINDOW);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_BUSY);
    /* A window smaller than a block still carries everything. */
    bulk_receiver_open(&receiver, TRANSFER, sizeof image, 100, sink, NULL);
    bulk_sender_open(&sender, bytes_of(image, sizeof image), TRANSFER, BLOCK, 100);
    everything_arrives(state);
}

/* The wire: packets framed, some bytes hit by noise, both directions. */
struct end {
    struct mctp_endpoint endpoint;
    struct mctp_serial_deframer deframer;
    uint8_t buffer[1 + BULK_MESSAGE_MAX];
};
static struct end host;
static struct end chip;
static uint64_t wire_bytes; /* to the chip */

static void end_start(struct end *end, enum mctp_role role) {
    bool is_host = role == MCTP_REQUESTER;
    mctp_init(&end->endpoint, role, is_host ? MCTP_EID_PROGRAMMER : MCTP_EID_DEVICE,
              is_host ? MCTP_EID_DEVICE : MCTP_EID_PROGRAMMER, end->buffer, sizeof end->buffer);
    mctp_set_payload(&end->endpoint, MCTP_PAYLOAD_MAX);
    mctp_serial_init(&end->deframer);
}

/* Carries what `from` has to send; true if a whole message arrived. */
static bool carry(struct end *from, struct end *to, unsigned hit_per_10000,
                  struct mctp_message *message) {
    uint8_t packet[MCTP_PACKET_MAX];
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    struct writer packet_writer;
    struct writer frame_writer;
    struct bytes arrived;
    bool whole = false;
    for (;;) {
        writer_init(&packet_writer, packet, sizeof packet);
        if (mctp_send_next(&from->endpoint, &packet_writer) != STATUS_OK) {
            return whole;
        }
        writer_init(&frame_writer, frame, sizeof frame);
        assert_int_equal(mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer), STATUS_OK);
        wire_bytes += from == &host ? frame_writer.size : 0;
        for (size_t i = 0; i < frame_writer.size; i++) {
            bool is_hit = next_random() % 10000 < hit_per_10000;
            uint8_t byte = is_hit ? (uint8_t)next_random() : frame[i];
            if (mctp_serial_receive(&to->deframer, byte, &arrived) &&
                mctp_receive(&to->endpoint, arrived, message) == STATUS_OK) {
                whole = true;
            }
        }
    }
}

static void transfer_over_the_wire(unsigned hit_per_10000) {
    unsigned silent = 0;
    end_start(&host, MCTP_REQUESTER);
    end_start(&chip, MCTP_RESPONDER);
    wire_bytes = 0;
    mctp_send(&host.endpoint, BULK_MCTP_TYPE, bytes_of(NULL, 0)); /* takes a tag */
    for (unsigned i = 0; !bulk_sender_is_done(&sender); i++) {
        struct mctp_message message;
        assert_true(i < ENDLESS);
        writer_init(&writer, data_message, sizeof data_message);
        if (bulk_sender_next(&sender, &writer) != STATUS_OK) {
            silent++;
            bulk_sender_timeout(&sender);
            continue;
        }
        mctp_send_again(&host.endpoint, BULK_MCTP_TYPE, writer_bytes(&writer));
        if (!carry(&host, &chip, hit_per_10000, &message)) {
            continue;
        }
        if (give(bytes_of(message.body, message.size)) != STATUS_OK) {
            continue;
        }
        mctp_send(&chip.endpoint, BULK_MCTP_TYPE, bytes_of(state_message, sizeof state_message));
        if (carry(&chip, &host, hit_per_10000, &message) && message.type == BULK_MCTP_TYPE) {
            enum status status = bulk_sender_handle(&sender, bytes_of(message.body, message.size));
            assert_true(status == STATUS_OK || status == STATUS_BUSY);
        }
    }
    assert_true(bulk_receiver_is_complete(&receiver));
    assert_memory_equal(image, taken, sizeof image);
    printf("noise %u in 10000 bytes: %u bytes sent again, %u silences, %.1f %% of the wire's bits "
           "are data\n",
           hit_per_10000, (unsigned)sender.resent_bytes, silent,
           100.0 * (double)IMAGE_SIZE / (double)wire_bytes);
}

static void a_clean_wire_carries_it_once(void **state) {
    (void)state;
    transfer_over_the_wire(0);
    assert_int_equal(sender.resent_bytes, 0);
    assert_int_equal(host.endpoint.statistics.dropped, 0);
}

static void noise_costs_time_only(void **state) {
    (void)state;
    transfer_over_the_wire(2);
    assert_true(sender.resent_bytes > 0);
    start(NULL);
    transfer_over_the_wire(5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everything_arrives, start),
        cmocka_unit_test_setup(messages_as_published, start),
        cmocka_unit_test_setup(the_window_is_kept, start),
        cmocka_unit_test_setup(a_gap_is_not_taken_and_repaired_once, start),
        cmocka_unit_test_setup(a_repeated_block_is_not_taken_twice, start),
        cmocka_unit_test_setup(a_lost_answer_is_made_good_by_the_next, start),
        cmocka_unit_test_setup(a_failing_sink_ends_the_transfer, start),
        cmocka_unit_test_setup(more_than_announced_is_refused, start),
        cmocka_unit_test_setup(foreign_and_malformed_messages_get_no_answer, start),
        cmocka_unit_test_setup(answers_that_cannot_be_are_ignored, start),
        cmocka_unit_test_setup(a_limit_never_leads_beyond_the_data, start),
        cmocka_unit_test_setup(nothing_can_be_sent_without_room, start),
        cmocka_unit_test_setup(a_clean_wire_carries_it_once, start),
        cmocka_unit_test_setup(noise_costs_time_only, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
