/* Both ends of a transfer, message by message and over a pipe that loses, repeats and reorders
 * messages. bulk_wire_test.c has the same over real frames. */
#include "bulk/bulk.h"

#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define IMAGE_SIZE 100003u
#define WINDOW     4096u
#define BLOCK      1024u
#define TRANSFER   7
#define ENDLESS    100000
/* A DATA message of one byte. */
#define SMALL_BLOCK (BULK_HEADER_SIZE + 1 + BULK_CRC_SIZE)

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

static enum status nowhere(void *context, uint32_t offset, struct bytes data) {
    (void)context;
    (void)offset;
    (void)data;
    return STATUS_OK;
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

/* The examples of docs/formats/bulk.md; their CRCs are Python's zlib.crc32. */
static void messages_as_published(void **state) {
    static const uint8_t bytes[1032] = {0x5A, [1024] = 0x11, 0x22, 0x33, 0x44,
                                        0x55, 0x66,          0x77, 0x88};
    static const char first[] = "\x00\x00\x7e\xd9\x01\x07\x00\x00\x00\x00\x5a\x7a\x47\x78\x7a";
    static const char second[] = "\x00\x00\x7e\xd9\x01\x07\x00\x04\x00\x00"
                                 "\x11\x22\x33\x44\x55\x66\x77\x88\x1e\x23\x0c\x8a";
    static const char answered[] = "\x00\x00\x7e\xd9\x02\x07\x00\x04\x00\x00"
                                   "\x00\x14\x00\x00\x00\x00";
    (void)state;
    bulk_sender_open(&sender, bytes_of(bytes, 1), TRANSFER, BLOCK, WINDOW);
    assert_true(bytes_equal(next_data(), bytes_of(first, sizeof first - 1)));
    bulk_sender_open(&sender, bytes_of(bytes, sizeof bytes), TRANSFER, BLOCK, WINDOW);
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(writer.size, BULK_STATE_SIZE);
    assert_memory_equal(state_message, answered, BULK_STATE_SIZE);
    assert_true(bytes_equal(next_data(), bytes_of(second, sizeof second - 1)));
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

/* The first block, of one byte; `message` has room for its CRC. */
static void make_small_block(uint8_t message[SMALL_BLOCK]) {
    struct writer small;
    writer_init(&small, message, SMALL_BLOCK);
    write_u32be(&small, BULK_VENDOR_ID);
    write_u8(&small, 1);
    write_u8(&small, TRANSFER);
    write_u32le(&small, 0);
    write_u8(&small, 0x5A);
    write_u32le(&small, crc32_of(writer_bytes(&small)));
    assert_int_equal(small.size, SMALL_BLOCK);
}

static void foreign_and_malformed_messages_get_no_answer(void **state) {
    static uint8_t longer[BULK_MESSAGE_MAX + 1];
    uint8_t message[SMALL_BLOCK];
    (void)state;
    make_small_block(message);
    for (size_t i = 0; i < 6; i++) {
        message[i] ^= 1;
        assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_BUSY);
        assert_int_equal(writer.size, 0);
        message[i] ^= 1;
    }
    for (size_t size = 0; size < sizeof message; size++) {
        assert_int_equal(give(bytes_of(message, size)), STATUS_BUSY);
    }
    memcpy(longer, message, sizeof message);
    assert_int_equal(give(bytes_of(longer, sizeof longer)), STATUS_BUSY);
    assert_int_equal(receiver.received, 0);
    assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_OK);
    assert_int_equal(receiver.received, 1);
    bulk_receiver_close(&receiver);
    assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_BUSY);
    assert_false(bulk_receiver_is_complete(&receiver));
}

static void a_damaged_block_is_not_taken(void **state) {
    uint8_t message[SMALL_BLOCK];
    (void)state;
    make_small_block(message);
    for (size_t i = 6; i < sizeof message; i++) {
        message[i] ^= 0x80;
        assert_int_equal(give(bytes_of(message, sizeof message)), STATUS_OK);
        assert_int_equal(writer.size, BULK_STATE_SIZE); /* and its answer asks for it again */
        assert_int_equal(receiver.received, 0);
        assert_int_equal(receiver.status, STATUS_OK);
        message[i] ^= 0x80;
    }
    /* Beyond the image, were it not damaged. */
    bulk_receiver_open(&receiver, TRANSFER, BLOCK - 1, WINDOW, sink, NULL);
    struct bytes block = next_data();
    data_message[block.size - 1] ^= 1;
    assert_int_equal(give(block), STATUS_OK);
    assert_int_equal(receiver.status, STATUS_OK);
    assert_int_equal(taken[0], 0);
}

/* A pipe of a few messages, one for each direction. */
#define PIPE_MAX 12
struct pipe {
    uint8_t messages[PIPE_MAX][BULK_MESSAGE_MAX];
    size_t sizes[PIPE_MAX];
    size_t count;
};
static struct pipe to_chip;
static struct pipe to_host;
static struct {
    unsigned lost;
    unsigned repeated;
    unsigned reordered;
} happened;

static void pipe_swap_last(struct pipe *pipe) {
    uint8_t kept[BULK_MESSAGE_MAX];
    size_t last = pipe->count - 1;
    size_t size = pipe->sizes[last];
    memcpy(kept, pipe->messages[last], size);
    memcpy(pipe->messages[last], pipe->messages[last - 1], pipe->sizes[last - 1]);
    pipe->sizes[last] = pipe->sizes[last - 1];
    memcpy(pipe->messages[last - 1], kept, size);
    pipe->sizes[last - 1] = size;
}

static void pipe_append(struct pipe *pipe, struct bytes message) {
    assert_true(pipe->count < PIPE_MAX);
    memcpy(pipe->messages[pipe->count], message.data, message.size);
    pipe->sizes[pipe->count++] = message.size;
}

static void pipe_put(struct pipe *pipe, struct bytes message) {
    unsigned fate = next_random() % 100;
    if (fate < 4) {
        happened.lost++;
        return;
    }
    pipe_append(pipe, message);
    if (fate < 8) {
        happened.repeated++;
        pipe_append(pipe, message);
    } else if (fate < 12 && pipe->count > 1) {
        happened.reordered++;
        pipe_swap_last(pipe);
    }
}

static bool pipe_take(struct pipe *pipe, uint8_t out[BULK_MESSAGE_MAX], size_t *size) {
    if (pipe->count == 0) {
        return false;
    }
    *size = pipe->sizes[0];
    memcpy(out, pipe->messages[0], *size);
    pipe->count--;
    memmove(pipe->messages[0], pipe->messages[1], pipe->count * BULK_MESSAGE_MAX);
    memmove(&pipe->sizes[0], &pipe->sizes[1], pipe->count * sizeof pipe->sizes[0]);
    return true;
}

/* One thing happens, by chance: the host sends, the chip answers, or the host hears. */
static bool something_happens(void) {
    static uint8_t message[BULK_MESSAGE_MAX];
    size_t size = 0;
    unsigned first = next_random() % 3;
    for (unsigned i = 0; i < 3; i++) {
        unsigned what = (first + i) % 3;
        writer_init(&writer, data_message, sizeof data_message);
        if (what == 0 && to_chip.count + 2 <= PIPE_MAX &&
            bulk_sender_next(&sender, &writer) == STATUS_OK) {
            pipe_put(&to_chip, writer_bytes(&writer));
            return true;
        }
        if (what == 1 && to_host.count + 2 <= PIPE_MAX && pipe_take(&to_chip, message, &size)) {
            assert_int_equal(give(bytes_of(message, size)), STATUS_OK);
            pipe_put(&to_host, writer_bytes(&writer));
            return true;
        }
        if (what == 2 && pipe_take(&to_host, message, &size)) {
            assert_int_equal(bulk_sender_handle(&sender, bytes_of(message, size)), STATUS_OK);
            return true;
        }
    }
    return false;
}

static void losses_repetitions_and_reordering_cost_time_only(void **state) {
    (void)state;
    memset(&happened, 0, sizeof happened);
    for (uint32_t seed = 1; seed <= 40; seed++) {
        unsigned silences = 0;
        start(NULL);
        noise = seed;
        to_chip.count = to_host.count = 0;
        for (unsigned i = 0; !bulk_sender_is_done(&sender); i++) {
            assert_true(i < ENDLESS);
            assert_true(sender.sent - receiver.received <= WINDOW ||
                        sender.sent < receiver.received);
            if (!something_happens()) {
                silences++;
                bulk_sender_timeout(&sender);
            }
        }
        assert_true(bulk_receiver_is_complete(&receiver));
        assert_memory_equal(image, taken, sizeof image);
        assert_true(sender.resent_bytes > 0);
        assert_true(silences < 40);
    }
    assert_true(happened.lost > 100 && happened.repeated > 100 && happened.reordered > 100);
}

/* 4 GiB - 1 of zeros that take no memory, for the last offsets there are. */
static void offsets_go_to_the_end_of_32_bits(void **state) {
    const uint32_t tail = 2 * BLOCK + 7;
    void *zeros =
        mmap(NULL, UINT32_MAX, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    (void)state;
    assert_ptr_not_equal(zeros, MAP_FAILED);
    bulk_sender_open(&sender, bytes_of(zeros, UINT32_MAX), TRANSFER, BLOCK, WINDOW);
    sender.sent = sender.received = sender.highest = UINT32_MAX - tail;
    sender.limit = UINT32_MAX;
    bulk_receiver_open(&receiver, TRANSFER, UINT32_MAX, WINDOW, nowhere, NULL);
    receiver.received = UINT32_MAX - tail;
    for (unsigned i = 0; i < 3; i++) {
        assert_false(bulk_sender_is_done(&sender));
        assert_int_equal(give(next_data()), STATUS_OK);
        assert_int_equal(answer(), STATUS_OK);
        assert_int_equal(sender.limit, UINT32_MAX);
    }
    assert_true(bulk_sender_is_done(&sender));
    assert_true(bulk_receiver_is_complete(&receiver));
    /* The very last block once more, and then one byte too many. */
    sender.sent = UINT32_MAX - 7;
    assert_int_equal(give(next_data()), STATUS_OK);
    assert_int_equal(receiver.received, UINT32_MAX);
    assert_int_equal(receiver.status, STATUS_OK);
    receiver.received = UINT32_MAX - 7;
    receiver.size = UINT32_MAX - 1;
    assert_int_equal(give(bytes_of(data_message, BULK_HEADER_SIZE + 7 + BULK_CRC_SIZE)), STATUS_OK);
    assert_int_equal(receiver.status, STATUS_INVALID);
    /* What 32 bits cannot count is not begun. */
    bulk_sender_open(&sender, bytes_of(zeros, (size_t)UINT32_MAX + 1), TRANSFER, BLOCK, WINDOW);
    writer_init(&writer, data_message, sizeof data_message);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_BUSY);
    assert_int_equal(sender.status, STATUS_INVALID);
    assert_false(bulk_sender_is_done(&sender));
    assert_int_equal(munmap(zeros, UINT32_MAX), 0);
}

static void an_ended_transfer_stays_ended(void **state) {
    uint8_t good[BULK_STATE_SIZE];
    (void)state;
    assert_int_equal(give(next_data()), STATUS_OK);
    memcpy(good, state_message, sizeof good);
    state_message[14] = (uint8_t)STATUS_FLASH;
    state_message[15] = (uint8_t)(STATUS_FLASH >> 8);
    assert_int_equal(answer(), STATUS_FLASH);
    assert_int_equal(bulk_sender_handle(&sender, bytes_of(good, sizeof good)), STATUS_FLASH);
    bulk_sender_timeout(&sender);
    writer_init(&writer, data_message, sizeof data_message);
    assert_int_equal(bulk_sender_next(&sender, &writer), STATUS_BUSY);
    assert_false(bulk_sender_is_done(&sender));
    /* No number is success, not even the low half of STATUS_OK's. */
    start(NULL);
    assert_int_equal(give(next_data()), STATUS_OK);
    state_message[14] = (uint8_t)STATUS_OK;
    state_message[15] = (uint8_t)(STATUS_OK >> 8);
    assert_int_not_equal(answer(), STATUS_OK);
    assert_false(bulk_sender_is_done(&sender));
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
        cmocka_unit_test_setup(a_damaged_block_is_not_taken, start),
        cmocka_unit_test_setup(losses_repetitions_and_reordering_cost_time_only, start),
        cmocka_unit_test_setup(offsets_go_to_the_end_of_32_bits, start),
        cmocka_unit_test_setup(an_ended_transfer_stays_ended, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
