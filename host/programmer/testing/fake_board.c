#include "programmer/testing/fake_board.h"

#include "base/endpoint.h"
#include "board/devauth_image.h"
#include "board/rsp.h"
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "programmer/testing/fake_chip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SRAM_BASE       0x8000u
#define SRAM_SIZE       0x4000u
#define PARAMETERS_AT   (SRAM_BASE + 0x1000u)
#define PARAMETERS_SIZE 0x2000u
#define MAILBOX_AT      (SRAM_BASE + 0x3800u)

struct fake_board {
    struct fake_chip *chip;
    char uart[160];
    char debug[160];
    int uart_listener;
    int debug_listener;
    int uart_fd;
    int debug_fd;
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    uint8_t request[1 + SPDM_RECORD_MAX];
    uint8_t response[SPDM_RECORD_MAX];
    struct rsp_parser parser;
    uint8_t sram[SRAM_SIZE];
    atomic_bool stop;
    atomic_bool debug_gone;
    pthread_t thread;
};

void fake_board_devauth(unsigned char image[FAKE_DEVAUTH_SIZE]) {
    const struct devauth_image_header header = {.family = FAKE_CHIP_FAMILY,
                                                .load_address = SRAM_BASE,
                                                .image_size = FAKE_DEVAUTH_SIZE,
                                                .entry = SRAM_BASE + 0x41,
                                                .stack_top = SRAM_BASE + SRAM_SIZE,
                                                .parameters_address = PARAMETERS_AT,
                                                .parameters_capacity = PARAMETERS_SIZE,
                                                .mailbox_address = MAILBOX_AT,
                                                .version = 1};
    memset(image, 0x42, FAKE_DEVAUTH_SIZE);
    devauth_image_write(&header, image);
}

static void send_all(int fd, struct bytes data) {
    while (data.size > 0) {
        ssize_t sent = send(fd, data.data, data.size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data = bytes_slice(data, (size_t)sent, data.size - (size_t)sent);
    }
}

static void message_send(struct fake_board *board, uint8_t type, struct bytes message) {
    mctp_send(&board->endpoint, type, message);
    for (;;) {
        uint8_t packet[MCTP_PACKET_MAX];
        uint8_t frame[MCTP_SERIAL_FRAME_MAX];
        struct writer packet_writer;
        struct writer frame_writer;
        writer_init(&packet_writer, packet, sizeof packet);
        writer_init(&frame_writer, frame, sizeof frame);
        if (mctp_send_next(&board->endpoint, &packet_writer) != STATUS_OK)
            return;
        assert_int_equal(mctp_serial_frame(writer_bytes(&packet_writer), &frame_writer), STATUS_OK);
        send_all(board->uart_fd, writer_bytes(&frame_writer));
    }
}

static void uart_byte(struct fake_board *board, uint8_t byte) {
    struct bytes packet;
    struct mctp_message message;
    struct writer response;
    uint8_t type = 0;
    if (!mctp_serial_receive(&board->deframer, byte, &packet) ||
        mctp_receive(&board->endpoint, packet, &message) != STATUS_OK)
        return;
    writer_init(&response, board->response, sizeof board->response);
    (void)pthread_mutex_lock(&board->chip->mutex);
    if (fake_chip_handle(board->chip, message.type, message.body, message.size, &response, &type)) {
        message_send(board, type, writer_bytes(&response));
        fake_chip_sent(board->chip, &board->endpoint);
    }
    (void)pthread_mutex_unlock(&board->chip->mutex);
}

static bool uart_serve(struct fake_board *board) {
    uint8_t input[512];
    ssize_t count = recv(board->uart_fd, input, sizeof input, 0);
    for (ssize_t i = 0; i < count; i++)
        uart_byte(board, input[i]);
    return count > 0;
}

static void reply(struct fake_board *board, const char *text) {
    uint8_t packet[RSP_PACKET_MAX];
    struct writer writer;
    writer_init(&writer, packet, sizeof packet);
    rsp_encode(&writer, bytes_of(text, strlen(text)));
    send_all(board->debug_fd, writer_bytes(&writer));
}

/* The run inside SRAM that an m or M request names; the reader stands behind it. */
static uint8_t *run_read(struct fake_board *board, struct reader *reader, size_t *size) {
    uint32_t address = rsp_read_number(reader);
    rsp_expect(reader, ',');
    *size = rsp_read_number(reader);
    assert_true(address >= SRAM_BASE && address - SRAM_BASE + *size <= SRAM_SIZE);
    return &board->sram[address - SRAM_BASE];
}

static void memory_read(struct fake_board *board, struct reader *reader) {
    char text[RSP_PAYLOAD_MAX + 1] = {0};
    struct writer writer;
    size_t size = 0;
    const uint8_t *run = run_read(board, reader, &size);
    writer_init(&writer, (uint8_t *)text, sizeof text - 1);
    rsp_write_hex(&writer, bytes_of(run, size));
    reply(board, text);
}

static void memory_write(struct fake_board *board, struct reader *reader) {
    size_t size = 0;
    uint8_t *run = run_read(board, reader, &size);
    rsp_expect(reader, ':');
    rsp_read_hex(reader, run, size);
    reply(board, "OK");
}

static void devauth_start(struct fake_board *board) {
    struct devauth_mailbox mailbox = {.state = DEVAUTH_MAILBOX_READY, .status = STATUS_OK};
    (void)pthread_mutex_lock(&board->chip->mutex);
    fake_chip_start_devauth(board->chip, mailbox.key_hash);
    (void)pthread_mutex_unlock(&board->chip->mutex);
    devauth_mailbox_write(&mailbox, &board->sram[MAILBOX_AT - SRAM_BASE]);
}

static void packet_handle(struct fake_board *board) {
    struct reader reader;
    reader_init(&reader, bytes_of(board->parser.payload, board->parser.size));
    send_all(board->debug_fd, bytes_of("+", 1));
    switch (read_u8(&reader)) {
    case 'q': reply(board, ""); break;
    case '?': reply(board, "S05"); break;
    case 'p': reply(board, "00000001"); break; /* xPSR: thread mode */
    case 'P': reply(board, "OK"); break;
    case 'm': memory_read(board, &reader); break;
    case 'M': memory_write(board, &reader); break;
    case 'c': devauth_start(board); break;
    case 'D': reply(board, "OK"); break;
    default: reply(board, ""); break;
    }
}

static bool debug_serve(struct fake_board *board) {
    uint8_t input[4096];
    ssize_t count = recv(board->debug_fd, input, sizeof input, 0);
    for (ssize_t i = 0; i < count && !board->chip->debug_is_silent; i++) {
        enum rsp_event event = rsp_feed(&board->parser, input[i]);
        if (event == RSP_PACKET)
            packet_handle(board);
        else if (event == RSP_INTERRUPT)
            reply(board, "T02");
    }
    return count > 0;
}

static void drop(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void uart_accept(struct fake_board *board) {
    drop(&board->uart_fd);
    board->uart_fd = accept(board->uart_listener, NULL, NULL);
    mctp_serial_init(&board->deframer);
}

static void debug_accept(struct fake_board *board) {
    drop(&board->debug_fd);
    board->debug_fd = accept(board->debug_listener, NULL, NULL);
    rsp_parser_init(&board->parser);
    if (!fake_chip_is_debuggable(board->chip) && !board->chip->debug_is_silent)
        drop(&board->debug_fd);
}

static void *board_thread(void *argument) {
    struct fake_board *board = argument;
    while (!atomic_load(&board->stop)) {
        struct pollfd ready[4] = {{.fd = board->uart_listener, .events = POLLIN},
                                  {.fd = board->debug_listener, .events = POLLIN},
                                  {.fd = board->uart_fd, .events = POLLIN},
                                  {.fd = board->debug_fd, .events = POLLIN}};
        if (atomic_load(&board->debug_gone))
            drop(&board->debug_listener);
        if (poll(ready, 4, 20) <= 0)
            continue;
        if (ready[2].revents != 0 && !uart_serve(board))
            drop(&board->uart_fd);
        if (ready[3].revents != 0 && !debug_serve(board))
            drop(&board->debug_fd);
        if (ready[0].revents != 0)
            uart_accept(board);
        if (ready[1].revents != 0 && board->debug_listener >= 0)
            debug_accept(board);
    }
    return NULL;
}

static int listen_at(char path[160], const char *directory, const char *name,
                     const struct fake_chip *chip) {
    struct endpoint endpoint;
    struct error error;
    (void)snprintf(path, 160, "unix:%s/%s-%02x%02x%02x", directory, name, chip->uid[0],
                   chip->uid[1], chip->uid[2]);
    assert_int_equal(endpoint_parse(path, &endpoint, &error), 0);
    int listener = endpoint_listen(&endpoint, &error);
    assert_true(listener >= 0);
    return listener;
}

struct fake_board *fake_board_start(struct fake_chip *chip, const char *directory) {
    struct fake_board *board = calloc(1, sizeof *board);
    assert_non_null(board);
    board->chip = chip;
    board->uart_fd = -1;
    board->debug_fd = -1;
    board->uart_listener = listen_at(board->uart, directory, "uart", chip);
    board->debug_listener = listen_at(board->debug, directory, "debug", chip);
    mctp_init(&board->endpoint, MCTP_RESPONDER, MCTP_EID_DEVICE, MCTP_EID_PROGRAMMER,
              board->request, sizeof board->request);
    assert_int_equal(pthread_create(&board->thread, NULL, board_thread, board), 0);
    return board;
}

void fake_board_stop(struct fake_board *board) {
    atomic_store(&board->stop, true);
    assert_int_equal(pthread_join(board->thread, NULL), 0);
    drop(&board->uart_fd);
    drop(&board->debug_fd);
    drop(&board->uart_listener);
    drop(&board->debug_listener);
    free(board);
}

const char *fake_board_uart(const struct fake_board *board) {
    return board->uart;
}

const char *fake_board_debug(const struct fake_board *board) {
    return board->debug;
}

/* The listener is the thread's: it closes it at its next turn. */
void fake_board_close_debug(struct fake_board *board) {
    atomic_store(&board->debug_gone, true);
    (void)usleep(60000);
    (void)unlink(board->debug + strlen("unix:"));
}
