#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "board/board_file.h"
#include "board/devauth_image.h"

#define IMAGE_SIZE 256u

static const struct devauth_image_header good = {
    .family = "TEST",
    .load_address = BOARD_DEVAUTH_ADDRESS,
    .image_size = IMAGE_SIZE,
    .entry = (BOARD_DEVAUTH_ADDRESS + 0x80) | 1,
    .stack_top = BOARD_HIDDEN_RAM_ADDRESS + 0x2000,
    .parameters_address = BOARD_PARAMETERS_ADDRESS,
    .parameters_capacity = BOARD_PARAMETERS_CAPACITY,
    .mailbox_address = BOARD_MAILBOX_ADDRESS,
    .version = 7,
};

static enum status parse(const struct devauth_image_header *header) {
    uint8_t image[IMAGE_SIZE] = {0};
    struct devauth_image_header out;

    devauth_image_write(header, image);
    return devauth_image_parse(bytes_of(image, sizeof(image)), &out);
}

static void header_comes_back(void **state) {
    uint8_t image[IMAGE_SIZE] = {0};
    struct devauth_image_header out;

    (void)state;
    devauth_image_write(&good, image);
    assert_int_equal(devauth_image_parse(bytes_of(image, sizeof(image)), &out), STATUS_OK);
    assert_memory_equal(&out, &good, sizeof(good));
    assert_memory_equal(image, "NSDA\x01\x00\x40\x00TEST", 12);
}

static void bad_headers_are_refused(void **state) {
    struct devauth_image_header bad[12];

    (void)state;
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].image_size--;
    bad[1].image_size++;
    bad[2].entry &= ~1u;
    bad[3].entry = bad[3].load_address + IMAGE_SIZE + 1;
    bad[4].entry = bad[4].load_address + 1;
    bad[5].parameters_address = bad[5].load_address + IMAGE_SIZE - 4;
    bad[6].mailbox_address = bad[6].load_address;
    bad[7].mailbox_address = bad[7].parameters_address + bad[7].parameters_capacity - 4;
    bad[8].parameters_capacity = 8;
    bad[9].load_address = 0xFFFFFF80u; /* wraps */
    bad[10].stack_top |= 4;
    bad[11].parameters_capacity = 0xFFFFFFFFu;
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(parse(&bad[i]), STATUS_INVALID);
}

static void other_files_are_refused(void **state) {
    uint8_t image[IMAGE_SIZE] = {0};
    struct devauth_image_header out;

    (void)state;
    devauth_image_write(&good, image);
    for (size_t size = 0; size < DEVAUTH_IMAGE_HEADER_SIZE; size++)
        assert_int_equal(devauth_image_parse(bytes_of(image, size), &out), STATUS_TRUNCATED);
    image[4] = 2;
    assert_int_equal(devauth_image_parse(bytes_of(image, sizeof(image)), &out), STATUS_UNSUPPORTED);
    image[4] = 1;
    image[63] = 1; /* reserved */
    assert_int_equal(devauth_image_parse(bytes_of(image, sizeof(image)), &out), STATUS_INVALID);
    image[63] = 0;
    image[0] = 'M';
    assert_int_equal(devauth_image_parse(bytes_of(image, sizeof(image)), &out), STATUS_INVALID);
}

static void parameters_come_back(void **state) {
    uint8_t block[64];
    struct writer writer;
    struct devauth_parameters in = {bytes_of("root", 4), bytes_of("requester", 9)};
    struct devauth_parameters out;

    (void)state;
    memset(block, 0xA5, sizeof(block)); /* what follows the block is not its business */
    writer_init(&writer, block, sizeof(block));
    devauth_parameters_write(&writer, &in);
    assert_int_equal(devauth_parameters_parse(bytes_of(block, sizeof(block)), &out), STATUS_OK);
    assert_true(bytes_equal(in.root, out.root));
    assert_true(bytes_equal(in.requester, out.requester));
    for (size_t size = 0; size < writer.size; size++)
        assert_int_equal(devauth_parameters_parse(bytes_of(block, size), &out), STATUS_TRUNCATED);
    block[6] = 1;
    assert_int_equal(devauth_parameters_parse(bytes_of(block, sizeof(block)), &out),
                     STATUS_INVALID);
    block[6] = 0;
    block[4] = 9;
    assert_int_equal(devauth_parameters_parse(bytes_of(block, sizeof(block)), &out),
                     STATUS_UNSUPPORTED);
    memset(block + 8, 0xFF, 4); /* a root of 4 GiB */
    assert_int_equal(devauth_parameters_parse(bytes_of(block, sizeof(block)), &out),
                     STATUS_TRUNCATED);
}

static void empty_certificates_are_refused(void **state) {
    uint8_t block[64] = {0};
    struct writer writer;
    struct devauth_parameters in = {bytes_of(NULL, 0), bytes_of("requester", 9)};

    (void)state;
    writer_init(&writer, block, sizeof(block));
    devauth_parameters_write(&writer, &in);
    assert_int_equal(devauth_parameters_parse(bytes_of(block, sizeof(block)), &in), STATUS_INVALID);
}

static void mailbox_comes_back(void **state) {
    uint8_t raw[DEVAUTH_MAILBOX_SIZE] = {0};
    struct devauth_mailbox in = {DEVAUTH_MAILBOX_FAILED, STATUS_NO_ENTROPY, {1, 2, 3}};
    struct devauth_mailbox out;

    (void)state;
    assert_int_equal(devauth_mailbox_parse(raw, &out), STATUS_OK);
    assert_int_equal(out.state, DEVAUTH_MAILBOX_EMPTY);
    devauth_mailbox_write(&in, raw);
    assert_int_equal(devauth_mailbox_parse(raw, &out), STATUS_OK);
    assert_memory_equal(&in, &out, sizeof(in));
    raw[6] = 3; /* no such state */
    assert_int_equal(devauth_mailbox_parse(raw, &out), STATUS_INVALID);
    raw[6] = 1;
    raw[4] = 2; /* another version */
    assert_int_equal(devauth_mailbox_parse(raw, &out), STATUS_INVALID);
    memset(raw, 0, 4); /* not complete yet: the magic is written last */
    assert_int_equal(devauth_mailbox_parse(raw, &out), STATUS_OK);
    assert_int_equal(out.state, DEVAUTH_MAILBOX_EMPTY);
    memset(raw, 0xFF, sizeof(raw));
    assert_int_equal(devauth_mailbox_parse(raw, &out), STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_comes_back),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(parameters_come_back),
        cmocka_unit_test(empty_certificates_are_refused),
        cmocka_unit_test(mailbox_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
