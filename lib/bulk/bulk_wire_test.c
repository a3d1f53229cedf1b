/* A transfer through packets and frames, with several blocks on the way, over a line that damages
 * bytes, loses them one by one, and loses thousands in a row as a chip does while its flash erases.
 */
#include "bulk/bulk.h"

#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define IMAGE_SIZE  100003u
#define WINDOW      4096u
#define BLOCK       1024u
#define TRANSFER    7
#define ENDLESS     1000000
#define LINE_MAX    8192 /* bytes on the way, buffers of both ends included */
#define PACKETS_MAX 10u  /* of two whole blocks */

static uint8_t image[IMAGE_SIZE];
static uint8_t taken[IMAGE_SIZE];
static struct bulk_receiver receiver;
static struct bulk_sender sender;
static uint32_t noise;

/* What is wrong with a line. */
struct fault {
    unsigned damaged_per_10000;
    unsigned lost_per_10000;
    unsigned stalls_per_10000; /* bytes before which the receiver goes deaf */
    unsigned stall_bytes;      /* at most */
};

struct line {
    uint8_t bytes[LINE_MAX];
    size_t size;
    size_t deaf; /* bytes still to be lost */
};

struct end {
    struct mctp_endpoint endpoint;
    struct mctp_serial_deframer deframer;
    uint8_t buffer[1 + BULK_MESSAGE_MAX];
};

static struct end host;
static struct end chip;
static struct line to_chip;
static struct line to_host;
static uint64_t wire_bytes; /* sent to the chip */
static unsigned joined;     /* messages that reached the chip and were never sent */
static uint8_t data_message[BULK_MESSAGE_MAX];
static uint8_t state_message[BULK_STATE_SIZE];

static uint32_t next_random(void) {
    noise = noise * 1664525u + 1013904223u;
    return noise >> 8;
}

static enum status sink(void *context, uint32_t offset, struct bytes data) {
    (void)context;
    assert_true(offset + data.size <= sizeof taken);
    memcpy(&taken[offset], data.data, data.size);
    return STATUS_OK;
}

static void end_start(struct end *end, enum mctp_role role, uint16_t payload) {
    bool is_host = role == MCTP_REQUESTER;
    mctp_init(&end->endpoint, role, is_host ? MCTP_EID_PROGRAMMER : MCTP_EID_DEVICE,
              is_host ? MCTP_EID_DEVICE : MCTP_EID_PROGRAMMER, end->buffer, sizeof end->buffer);
    mctp_set_payload(&end->endpoint, payload);
    mctp_serial_init(&end->deframer);
}

static void begin(uint32_t seed, uint16_t payload) {
    noise = seed;
    for (size_t i = 0; i < sizeof image; i++) {
        image[i] = (uint8_t)next_random();
    }
    memset(taken, 0, sizeof taken);
    end_start(&host, MCTP_REQUESTER, payload);
    end_start(&chip, MCTP_RESPONDER, payload);
    to_chip.size = to_chip.deaf = to_host.size = to_host.deaf = 0;
    wire_bytes = 0;
    bulk_receiver_open(&receiver, TRANSFER, sizeof image, WINDOW, sink, NULL);
    bulk_sender_open(&sender, bytes_of(image, sizeof image), TRANSFER, BLOCK, WINDOW);
}

/* The next packet of `end` as a frame; false if it has none or the line is full. */
static bool put_frame(struct end *end, struct line *line) {
    uint8_t packet[MCTP_PACKET_MAX];
    uint8_t frame[MCTP_SERIAL_FRAME_MAX];
    struct writer packet_writer;
    struct writer frame_writer;
    writer_init(&packet_writer, packet, sizeof packet);
    if (line->size + sizeof frame > sizeof line->bytes ||
        mctp_send_next(&end->endpoint, &packet_writer) != STATUS_OK) {
        return false;
    }
    writer_init(&frame_writer, frame, sizeof frame);
    assert_int_equal(mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer), STATUS_OK);
    memcpy(&line->bytes[line->size], frame, frame_writer.size);
    line->size += frame_writer.size;
    return true;
}

/* Up to `count` bytes leave the line; OK when they complete a message. */
static enum status take_bytes(struct end *end, struct line *line, const struct fault *fault,
                              size_t count, struct mctp_message *message) {
    enum status status = STATUS_BUSY;
    size_t used = 0;
    while (used < line->size && used < count && status != STATUS_OK) {
        struct bytes packet;
        uint8_t byte = line->bytes[used++];
        bool is_lost = next_random() % 10000 < fault->lost_per_10000;
        if (next_random() % 10000 < fault->stalls_per_10000) {
            line->deaf = next_random() % fault->stall_bytes;
        }
        if (line->deaf > 0) {
            line->deaf--;
            is_lost = true;
        }
        if (next_random() % 10000 < fault->damaged_per_10000) {
            byte = (uint8_t)next_random();
        }
        if (!is_lost && mctp_serial_receive(&end->deframer, byte, &packet)) {
            status = mctp_receive(&end->endpoint, packet, message);
        }
    }
    line->size -= used;
    memmove(line->bytes, &line->bytes[used], line->size);
    return status;
}

static bool host_sends(void) {
    struct writer writer;
    size_t before = to_chip.size;
    if (!put_frame(&host, &to_chip)) {
        writer_init(&writer, data_message, sizeof data_message);
        if (host.endpoint.sending || bulk_sender_next(&sender, &writer) != STATUS_OK) {
            return false;
        }
        if (sender.highest <= BLOCK) {
            mctp_send(&host.endpoint, BULK_MCTP_TYPE, writer_bytes(&writer));
        } else {
            mctp_send_again(&host.endpoint, BULK_MCTP_TYPE, writer_bytes(&writer));
        }
        assert_true(put_frame(&host, &to_chip));
    }
    wire_bytes += to_chip.size - before;
    return true;
}

static bool is_of_the_image(struct bytes message) {
    struct reader reader;
    reader_init(&reader, message);
    read_skip(&reader, BULK_HEADER_SIZE - 4);
    uint32_t offset = read_u32le(&reader);
    struct bytes data = read_bytes(&reader, message.size - BULK_HEADER_SIZE - BULK_CRC_SIZE);
    return reader_check(&reader) == STATUS_OK &&
           bytes_equal(data, bytes_slice(bytes_of(image, sizeof image), offset, data.size));
}

static bool chip_answers(const struct fault *fault) {
    struct mctp_message message;
    struct writer writer;
    if (to_chip.size == 0) {
        return false;
    }
    if (take_bytes(&chip, &to_chip, fault, next_random() % 600, &message) == STATUS_OK) {
        struct bytes body = bytes_of(message.body, message.size);
        joined += is_of_the_image(body) ? 0 : 1;
        writer_init(&writer, state_message, sizeof state_message);
        if (bulk_receiver_handle(&receiver, body, &writer) == STATUS_OK) {
            mctp_send(&chip.endpoint, BULK_MCTP_TYPE, writer_bytes(&writer));
            (void)put_frame(&chip, &to_host);
        }
    }
    return true;
}

static bool host_hears(const struct fault *fault) {
    struct mctp_message message;
    if (to_host.size == 0) {
        return false;
    }
    if (take_bytes(&host, &to_host, fault, next_random() % 60, &message) == STATUS_OK) {
        assert_int_equal(bulk_sender_handle(&sender, bytes_of(message.body, message.size)),
                         STATUS_OK);
    }
    return true;
}

/* Until the host knows that the chip has everything; how often nothing moved any more. */
static unsigned run(const struct fault *fault) {
    unsigned silences = 0;
    for (unsigned i = 0; !bulk_sender_is_done(&sender); i++) {
        bool moved = false;
        assert_true(i < ENDLESS);
        moved |= next_random() % 3 != 0 && host_sends();
        moved |= chip_answers(fault);
        moved |= host_hears(fault);
        if (!moved && !host_sends()) {
            silences++;
            bulk_sender_timeout(&sender);
        }
    }
    assert_true(bulk_receiver_is_complete(&receiver));
    assert_memory_equal(image, taken, sizeof image);
    return silences;
}

static void a_clean_line_carries_it_once(void **state) {
    static const struct fault NONE = {0};
    (void)state;
    for (uint16_t payload = MCTP_PAYLOAD_BASELINE; payload <= MCTP_PAYLOAD_MAX; payload += 61) {
        begin(payload, payload);
        assert_int_equal(run(&NONE), 0);
        assert_int_equal(sender.resent_bytes, 0);
        assert_int_equal(host.endpoint.statistics.dropped, 0);
        assert_int_equal(chip.endpoint.statistics.dropped, 0);
    }
}

/* Random bytes, so that escapes are as frequent as they are in ciphertext. */
static void nearly_all_of_the_line_is_image(void **state) {
    static const struct fault NONE = {0};
    (void)state;
    begin(1, MCTP_PAYLOAD_MAX);
    (void)run(&NONE);
    double share = 100.0 * (double)IMAGE_SIZE / (double)wire_bytes;
    printf("%u bytes of image in %u bytes on the line: %.1f %%\n", IMAGE_SIZE, (unsigned)wire_bytes,
           share);
    assert_true(share > 93.0);
}

static void faults_cost_time_only(void **state) {
    static const struct fault FAULTS[] = {
        {.damaged_per_10000 = 1},
        {.damaged_per_10000 = 5},
        {.lost_per_10000 = 3},
        {.stalls_per_10000 = 1, .stall_bytes = 2500},
        {.stalls_per_10000 = 3, .stall_bytes = 9000},
        {.damaged_per_10000 = 1, .lost_per_10000 = 1, .stalls_per_10000 = 1, .stall_bytes = 3000},
    };
    (void)state;
    joined = 0;
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++) {
        unsigned silences = 0;
        uint64_t bytes = 0;
        for (uint32_t seed = 1; seed <= 12; seed++) {
            begin(seed, seed % 3 == 0 ? MCTP_PAYLOAD_BASELINE : MCTP_PAYLOAD_MAX);
            silences += run(&FAULTS[i]);
            bytes += wire_bytes;
            assert_true(sender.resent_bytes > 0);
            assert_true(chip.deframer.dropped + chip.endpoint.statistics.dropped > 0);
        }
        printf(
            "of 10000 bytes %u damaged, %u lost, %u stalls: %.1f silences, %.0f %% of the line\n",
            FAULTS[i].damaged_per_10000, FAULTS[i].lost_per_10000, FAULTS[i].stalls_per_10000,
            silences / 12.0, 12 * 100.0 * IMAGE_SIZE / (double)bytes);
    }
    printf("%u messages of two halves\n", joined);
    assert_true(joined > 0);
}

/* Eight packets lost: their sequence numbers go round twice, and MCTP notices nothing. */
static void two_halves_of_two_blocks_are_not_taken(void **state) {
    uint8_t packets[PACKETS_MAX][MCTP_PACKET_MAX];
    size_t sizes[PACKETS_MAX] = {0};
    struct mctp_message message;
    struct writer writer;
    size_t count = 0;
    (void)state;
    begin(1, MCTP_PAYLOAD_MAX);
    for (unsigned block = 0; block < 2; block++) {
        writer_init(&writer, data_message, sizeof data_message);
        assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_OK);
        mctp_send_again(&host.endpoint, BULK_MCTP_TYPE, writer_bytes(&writer));
        do {
            assert_true(count < PACKETS_MAX);
            writer_init(&writer, packets[count], MCTP_PACKET_MAX);
            assert_int_equal(mctp_send_next(&host.endpoint, &writer), STATUS_OK);
            sizes[count++] = writer.size;
        } while (host.endpoint.sending);
    }
    assert_int_equal(count, PACKETS_MAX);
    assert_int_equal(mctp_receive(&chip.endpoint, bytes_of(packets[0], sizes[0]), &message),
                     STATUS_BUSY);
    count--;
    assert_int_equal(mctp_receive(&chip.endpoint, bytes_of(packets[count], sizes[count]), &message),
                     STATUS_OK);
    writer_init(&writer, state_message, sizeof state_message);
    assert_int_equal(bulk_receiver_handle(&receiver, bytes_of(message.body, message.size), &writer),
                     STATUS_OK);
    assert_int_equal(receiver.received, 0);
    assert_int_equal(bulk_sender_handle(&sender, writer_bytes(&writer)), STATUS_OK);
    assert_int_equal(sender.sent, 0); /* and both come again */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_line_carries_it_once),
        cmocka_unit_test(nearly_all_of_the_line_is_image),
        cmocka_unit_test(faults_cost_time_only),
        cmocka_unit_test(two_halves_of_two_blocks_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
