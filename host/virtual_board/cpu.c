#include "virtual_board/cpu.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* Generous: 32 busy boards on two cores make everything 20 times slower. */
#define STUB_TIMEOUT_MS 10000
#define INTERRUPT_BYTE  0x03

void cpu_init(struct cpu *cpu, int fd) {
    cpu->fd = fd;
    cpu->running = true;
    cpu->described = false;
    rsp_parser_init(&cpu->parser);
}

static int send_bytes(const struct cpu *cpu, struct bytes data) {
    while (data.size > 0) {
        ssize_t sent = send(cpu->fd, data.data, data.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        data = bytes_slice(data, (size_t)sent, data.size - (size_t)sent);
    }
    return 0;
}

/* One byte at a time: the stub's answers are short, and nothing is read beyond what was asked
 * for, so that poll() on the descriptor tells the truth. */
static int next_event(struct cpu *cpu, enum rsp_event *event) {
    uint64_t deadline = clock_monotonic_ms() + STUB_TIMEOUT_MS;

    for (;;) {
        struct pollfd poll_fd = {.fd = cpu->fd, .events = POLLIN};
        uint8_t byte;
        ssize_t got = recv(cpu->fd, &byte, 1, MSG_DONTWAIT);
        if (got == 1) {
            *event = rsp_feed(&cpu->parser, byte);
            if (*event != RSP_NOTHING)
                return 0;
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR) || clock_monotonic_ms() >= deadline)
            return -1;
        (void)poll(&poll_fd, 1, 100);
    }
}

static int next_packet(struct cpu *cpu) {
    enum rsp_event event;

    do {
        if (next_event(cpu, &event) != 0)
            return -1;
    } while (event != RSP_PACKET);
    return send_bytes(cpu, bytes_of("+", 1));
}

static int send_packet(const struct cpu *cpu, struct bytes payload) {
    uint8_t buffer[RSP_PACKET_MAX];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_encode(&writer, payload);
    return writer_check(&writer) == STATUS_OK ? send_bytes(cpu, writer_bytes(&writer)) : -1;
}

static bool is_stop(const struct cpu *cpu) {
    return cpu->parser.size > 0 && (cpu->parser.payload[0] == 'T' || cpu->parser.payload[0] == 'S');
}

/* The answer is in the parser. A stop that crossed the request is skipped. */
static int request(struct cpu *cpu, const struct writer *payload) {
    if (writer_check(payload) != STATUS_OK || send_packet(cpu, writer_bytes(payload)) != 0)
        return -1;
    do {
        if (next_packet(cpu) != 0)
            return -1;
    } while (is_stop(cpu));
    return 0;
}

static int wait_for_stop(struct cpu *cpu) {
    do {
        if (next_packet(cpu) != 0)
            return -1;
    } while (!is_stop(cpu));
    cpu->running = false;
    return 0;
}

int cpu_halt(struct cpu *cpu) {
    uint8_t interrupt = INTERRUPT_BYTE;

    if (!cpu->running)
        return 0;
    if (send_bytes(cpu, bytes_of(&interrupt, 1)) != 0)
        return -1;
    return wait_for_stop(cpu);
}

/* The stub acknowledges, then says nothing more until the core stops. Nothing may be sent before
 * that: any byte would stop the core. */
static int set_going(struct cpu *cpu, const char *command) {
    enum rsp_event event;

    if (send_packet(cpu, bytes_of(command, 1)) != 0)
        return -1;
    do {
        if (next_event(cpu, &event) != 0)
            return -1;
    } while (event != RSP_ACK);
    cpu->running = true;
    return 0;
}

int cpu_resume(struct cpu *cpu) {
    return cpu->running ? 0 : set_going(cpu, "c");
}

int cpu_step(struct cpu *cpu) {
    return cpu->running ? 0 : set_going(cpu, "s");
}

int cpu_check_stop(struct cpu *cpu) {
    return cpu->running ? wait_for_stop(cpu) : 0;
}

static int expect_hex(struct cpu *cpu, uint8_t *out, size_t size, bool *done) {
    struct reader reader;

    reader_init(&reader, bytes_of(cpu->parser.payload, cpu->parser.size));
    rsp_read_hex(&reader, out, size);
    *done = reader_finish(&reader) == STATUS_OK;
    return 0;
}

static int expect_ok(struct cpu *cpu, bool *done) {
    *done = bytes_equal(bytes_of(cpu->parser.payload, cpu->parser.size), bytes_of("OK", 2));
    return 0;
}

int cpu_read(struct cpu *cpu, uint32_t address, uint8_t *out, size_t size, bool *done) {
    uint8_t buffer[32];

    *done = true;
    for (size_t at = 0; at < size && *done; at += CPU_CHUNK_MAX) {
        size_t count = size - at < CPU_CHUNK_MAX ? size - at : CPU_CHUNK_MAX;
        struct writer writer;
        writer_init(&writer, buffer, sizeof(buffer));
        rsp_write_text(&writer, "m");
        rsp_write_number(&writer, address + (uint32_t)at);
        rsp_write_text(&writer, ",");
        rsp_write_number(&writer, (uint32_t)count);
        if (request(cpu, &writer) != 0 || expect_hex(cpu, out + at, count, done) != 0)
            return -1;
    }
    return 0;
}

int cpu_write(struct cpu *cpu, uint32_t address, struct bytes data, bool *done) {
    uint8_t buffer[2 * CPU_CHUNK_MAX + 32];

    *done = true;
    for (size_t at = 0; at < data.size && *done; at += CPU_CHUNK_MAX) {
        size_t count = data.size - at < CPU_CHUNK_MAX ? data.size - at : CPU_CHUNK_MAX;
        struct writer writer;
        writer_init(&writer, buffer, sizeof(buffer));
        rsp_write_text(&writer, "M");
        rsp_write_number(&writer, address + (uint32_t)at);
        rsp_write_text(&writer, ",");
        rsp_write_number(&writer, (uint32_t)count);
        rsp_write_text(&writer, ":");
        rsp_write_hex(&writer, bytes_slice(data, at, count));
        if (request(cpu, &writer) != 0 || expect_ok(cpu, done) != 0)
            return -1;
    }
    return 0;
}

/* QEMU sends the registers of an older kind of ARM until it was asked for its description. */
static int describe(struct cpu *cpu) {
    uint8_t buffer[64];
    struct writer writer;

    if (cpu->described)
        return 0;
    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "qXfer:features:read:target.xml:0,ffb");
    cpu->described = true;
    return request(cpu, &writer);
}

int cpu_read_registers(struct cpu *cpu, uint8_t out[CPU_REGISTERS_SIZE], bool *done) {
    uint8_t buffer[1];
    struct writer writer;

    if (describe(cpu) != 0)
        return -1;
    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "g");
    return request(cpu, &writer) != 0 ? -1 : expect_hex(cpu, out, CPU_REGISTERS_SIZE, done);
}

int cpu_write_registers(struct cpu *cpu, const uint8_t registers[CPU_REGISTERS_SIZE], bool *done) {
    uint8_t buffer[1 + 2 * CPU_REGISTERS_SIZE];
    struct writer writer;

    if (describe(cpu) != 0)
        return -1;
    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, "G");
    rsp_write_hex(&writer, bytes_of(registers, CPU_REGISTERS_SIZE));
    return request(cpu, &writer) != 0 ? -1 : expect_ok(cpu, done);
}

int cpu_breakpoint(struct cpu *cpu, enum cpu_breakpoint what, uint32_t address, bool *done) {
    uint8_t buffer[32];
    struct writer writer;

    writer_init(&writer, buffer, sizeof(buffer));
    rsp_write_text(&writer, what == CPU_BREAKPOINT_INSERT ? "Z1," : "z1,");
    rsp_write_number(&writer, address);
    rsp_write_text(&writer, ",2");
    return request(cpu, &writer) != 0 ? -1 : expect_ok(cpu, done);
}
