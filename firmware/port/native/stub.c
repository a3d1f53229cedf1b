/*
 * The debug stub: as much of QEMU's as the launcher's proxy uses, on a core that can be stopped
 * only where it enters the HAL. Its registers are make-believe but for one purpose: SP, PC and
 * "continue" start DevAuth.
 */
#include "native.h"

#include "board/devauth_image.h"
#include "board/rsp.h"
#include "common/board_model.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REGISTERS      17
#define REGISTER_SP    13
#define REGISTER_PC    15
#define REGISTER_XPSR  16
#define XPSR_THUMB     0x01000000u
#define CPUID_ADDRESS  0xE000ED00u
#define CPUID_M23      0x411CD200u
#define INTERRUPT_STOP "T02thread:01;"
#define STEP_STOP      "T05thread:01;"

static struct {
    pthread_mutex_t request; /* held while one is answered, and before `mutex` */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool executing; /* the stage is between two HAL calls, or inside one */
    bool halted;    /* it may not leave the HAL */
    uint32_t registers[REGISTERS];
    bool moved; /* SP or PC were written since the core stopped */
    struct rsp_parser parser;
} core = {
    .request = PTHREAD_MUTEX_INITIALIZER,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
    .executing = true,
    .registers = {[REGISTER_PC] = BOARD_ROM_ADDRESS, [REGISTER_XPSR] = XPSR_THUMB},
};

void native_enter_idle(void) {
    (void)pthread_mutex_lock(&core.mutex);
    core.executing = false;
    (void)pthread_cond_broadcast(&core.changed);
    (void)pthread_mutex_unlock(&core.mutex);
}

void native_leave_idle(void) {
    (void)pthread_mutex_lock(&core.mutex);
    while (core.halted)
        (void)pthread_cond_wait(&core.changed, &core.mutex);
    core.executing = true;
    (void)pthread_mutex_unlock(&core.mutex);
}

/* A request taken in by this process and answered by nobody would be a dead debug port. */
void native_hold_stub(void) {
    bool halted;

    do {
        native_enter_idle();
        native_leave_idle();
        native_enter_idle();
        (void)pthread_mutex_lock(&core.request);
        (void)pthread_mutex_lock(&core.mutex);
        halted = core.halted;
        core.executing = !halted;
        (void)pthread_mutex_unlock(&core.mutex);
        if (halted)
            (void)pthread_mutex_unlock(&core.request);
    } while (halted);
}

static void halt(void) {
    (void)pthread_mutex_lock(&core.mutex);
    core.halted = true;
    while (core.executing)
        (void)pthread_cond_wait(&core.changed, &core.mutex);
    (void)pthread_mutex_unlock(&core.mutex);
}

static void resume(void) {
    (void)pthread_mutex_lock(&core.mutex);
    core.halted = false;
    (void)pthread_cond_broadcast(&core.changed);
    (void)pthread_mutex_unlock(&core.mutex);
}

static void send_bytes(struct bytes data) {
    if (send(NATIVE_STUB_FD, data.data, data.size, MSG_NOSIGNAL) != (ssize_t)data.size)
        exit(0); /* the launcher is gone */
}

static void reply(const struct writer *payload) {
    uint8_t buffer[RSP_PACKET_MAX];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_encode(&writer, writer_bytes(payload));
    send_bytes(writer_bytes(&writer));
}

static void reply_text(const char *text) {
    uint8_t buffer[32];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, text);
    reply(&writer);
}

/* True if the core was told to go to DevAuth's start, and DevAuth is there. */
static bool starts_devauth(void) {
    uint8_t image[NATIVE_IMAGE_SIZE];
    struct devauth_image_header header;

    native_image_make(image);
    return devauth_image_parse(bytes_of(image, sizeof(image)), &header) == STATUS_OK &&
           memcmp(native_sram() + (BOARD_DEVAUTH_ADDRESS - BOARD_SRAM_ADDRESS), image,
                  sizeof(image)) == 0 &&
           core.registers[REGISTER_PC] == (header.entry & ~1u) &&
           core.registers[REGISTER_SP] == header.stack_top;
}

static void handle_continue(void) {
    if (!core.moved) {
        resume();
        return;
    }
    if (starts_devauth())
        native_restart(NATIVE_DEVAUTH, 0);
    /* Anywhere else is nothing this core could execute: a fault, and so a reset. */
    board_register_write(BOARD_REGISTER_CRASH_PC, core.registers[REGISTER_PC]);
    board_register_add(BOARD_REGISTER_CRASHES, 1);
    board_prepare_reset(HAL_BOOT_WATCHDOG);
    native_restart(NATIVE_BOOT_ROM, 0);
}

static uint8_t memory_byte(uint32_t address) {
    if (address >= BOARD_SRAM_ADDRESS && address - BOARD_SRAM_ADDRESS < BOARD_SRAM_SIZE)
        return native_sram()[address - BOARD_SRAM_ADDRESS];
    if (address >= BOARD_FILE_ADDRESS && address - BOARD_FILE_ADDRESS < BOARD_FILE_SIZE)
        return native_board_file()[address - BOARD_FILE_ADDRESS];
    if (address >= CPUID_ADDRESS && address - CPUID_ADDRESS < 4)
        return (uint8_t)(CPUID_M23 >> 8 * (address - CPUID_ADDRESS));
    return 0; /* the ROM's code is not ARM code here */
}

static void handle_read(struct reader *arguments) {
    uint8_t buffer[RSP_PAYLOAD_MAX];
    struct writer writer;
    uint32_t address = rsp_read_number(arguments);
    uint32_t size;

    rsp_expect(arguments, ',');
    size = rsp_read_number(arguments);
    if (reader_finish(arguments) != STATUS_OK || size > RSP_PAYLOAD_MAX / 2) {
        reply_text("E22");
        return;
    }
    writer_init(&writer, buffer, sizeof(buffer));
    for (uint32_t i = 0; i < size; i++) {
        uint8_t byte = memory_byte(address + i);
        rsp_write_hex(&writer, bytes_of(&byte, 1));
    }
    reply(&writer);
}

static void handle_write(struct reader *arguments) {
    uint8_t data[RSP_PAYLOAD_MAX / 2];
    uint32_t address = rsp_read_number(arguments);
    uint32_t size;

    rsp_expect(arguments, ',');
    size = rsp_read_number(arguments);
    rsp_expect(arguments, ':');
    if (size > sizeof(data)) {
        reply_text("E22");
        return;
    }
    rsp_read_hex(arguments, data, size);
    if (reader_finish(arguments) != STATUS_OK || address < BOARD_SRAM_ADDRESS ||
        address - BOARD_SRAM_ADDRESS > BOARD_SRAM_SIZE - size) {
        reply_text("E22");
        return;
    }
    memcpy(native_sram() + (address - BOARD_SRAM_ADDRESS), data, size);
    reply_text("OK");
}

static void handle_read_registers(void) {
    uint8_t buffer[8 * REGISTERS];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    for (size_t i = 0; i < REGISTERS; i++) {
        const uint32_t value = core.registers[i];
        const uint8_t word[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                                 (uint8_t)(value >> 24)};
        rsp_write_hex(&writer, bytes_of(word, sizeof(word)));
    }
    reply(&writer);
}

static void handle_write_registers(struct reader *arguments) {
    uint8_t words[4 * REGISTERS];
    struct reader reader;
    uint32_t old_pc = core.registers[REGISTER_PC];
    uint32_t old_sp = core.registers[REGISTER_SP];

    rsp_read_hex(arguments, words, sizeof(words));
    if (reader_finish(arguments) != STATUS_OK) {
        reply_text("E22");
        return;
    }
    reader_init(&reader, bytes_of(words, sizeof(words)));
    for (size_t i = 0; i < REGISTERS; i++)
        core.registers[i] = read_u32le(&reader);
    core.registers[REGISTER_PC] &= ~1u;
    if (core.registers[REGISTER_PC] != old_pc || core.registers[REGISTER_SP] != old_sp)
        core.moved = true;
    reply_text("OK");
}

static void handle_packet(void) {
    struct reader arguments;

    send_bytes(bytes_of("+", 1));
    reader_init(&arguments, bytes_of(core.parser.payload, core.parser.size));
    switch (read_u8(&arguments)) {
    case 'm': handle_read(&arguments); break;
    case 'M': handle_write(&arguments); break;
    case 'g': handle_read_registers(); break;
    case 'G': handle_write_registers(&arguments); break;
    case 'c': handle_continue(); break;
    case 's': reply_text(STEP_STOP); break;
    default: reply_text(""); break;
    }
}

static void handle_stub(void) {
    uint8_t byte;

    if (recv(NATIVE_STUB_FD, &byte, 1, 0) != 1)
        exit(0);
    switch (rsp_feed(&core.parser, byte)) {
    case RSP_PACKET: handle_packet(); break;
    case RSP_INTERRUPT:
        halt();
        reply_text(INTERRUPT_STOP);
        break;
    default: break;
    }
}

/* The only message is the reset pin. */
static void handle_monitor(void) {
    uint8_t byte;

    if (recv(NATIVE_MONITOR_FD, &byte, 1, 0) != 1)
        exit(0);
    native_restart(NATIVE_BOOT_ROM, 0);
}

static void *serve(void *unused) {
    struct pollfd fds[] = {{.fd = NATIVE_STUB_FD, .events = POLLIN},
                           {.fd = NATIVE_MONITOR_FD, .events = POLLIN}};

    (void)unused;
    for (;;) {
        if (poll(fds, 2, -1) <= 0)
            continue;
        (void)pthread_mutex_lock(&core.request);
        if (fds[1].revents != 0)
            handle_monitor();
        if (fds[0].revents != 0)
            handle_stub();
        (void)pthread_mutex_unlock(&core.request);
    }
    return NULL;
}

void native_stub_start(void) {
    pthread_t thread;

    rsp_parser_init(&core.parser);
    if (pthread_create(&thread, NULL, serve, NULL) != 0) {
        (void)fprintf(stderr, "no thread for the debug stub\n");
        exit(1);
    }
    (void)pthread_detach(thread);
}
