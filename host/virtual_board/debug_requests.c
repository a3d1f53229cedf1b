#include "virtual_board/debug_requests.h"

#include "virtual_board/access.h"

#include <string.h>

#define REGISTER_XPSR 25u
#define XPSR_INDEX    16u
#define READ_MAX      (RSP_PAYLOAD_MAX / 2 - 8)
#define ERROR_REFUSED "E01"
#define ERROR_BAD     "E22"
#define STOP_REPLY    "T05thread:01;"

typedef enum debug_result request_handler(struct debug_proxy *proxy, struct reader *arguments,
                                          struct writer *reply);

static enum debug_result answer(struct writer *reply, const char *text) {
    rsp_write_text(reply, text);
    return DEBUG_REPLY;
}

static enum debug_result answer_done(struct writer *reply, bool done) {
    return answer(reply, done ? "OK" : ERROR_REFUSED);
}

static enum debug_result handle_why(struct debug_proxy *proxy, struct reader *arguments,
                                    struct writer *reply) {
    (void)arguments;
    /* Asked while running only by a client that just connected; attaching halted the core. */
    if (debug_proxy_halt(proxy) != 0)
        return DEBUG_LOST;
    return answer(reply, STOP_REPLY);
}

static enum debug_result handle_supported(struct debug_proxy *proxy, struct reader *arguments,
                                          struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "PacketSize=1000;QStartNoAckMode+;qXfer:features:read+;vContSupported+");
}

static enum debug_result handle_no_ack(struct debug_proxy *proxy, struct reader *arguments,
                                       struct writer *reply) {
    (void)arguments;
    proxy->acknowledge = false;
    return answer(reply, "OK");
}

/* address,length */
static void read_range(struct reader *arguments, uint32_t *address, uint32_t *size) {
    *address = rsp_read_number(arguments);
    rsp_expect(arguments, ',');
    *size = rsp_read_number(arguments);
}

static enum debug_result handle_read(struct debug_proxy *proxy, struct reader *arguments,
                                     struct writer *reply) {
    uint8_t data[READ_MAX];
    uint32_t address;
    uint32_t size;
    bool done;

    read_range(arguments, &address, &size);
    if (reader_finish(arguments) != STATUS_OK || size > READ_MAX)
        return answer(reply, ERROR_BAD);
    if (proxy->board->cpu.running || !access_allowed(ACCESS_READ, address, size))
        return answer(reply, ERROR_REFUSED);
    if (cpu_read(&proxy->board->cpu, address, data, size, &done) != 0)
        return DEBUG_LOST;
    if (!done)
        return answer(reply, ERROR_REFUSED);
    rsp_write_hex(reply, bytes_of(data, size));
    return DEBUG_REPLY;
}

static enum debug_result write_memory(struct debug_proxy *proxy, uint32_t address,
                                      struct bytes data, struct writer *reply) {
    bool done;

    if (data.size == 0) /* how a debugger probes whether X works at all */
        return answer(reply, "OK");
    if (proxy->board->cpu.running || !access_allowed(ACCESS_WRITE, address, (uint32_t)data.size))
        return answer(reply, ERROR_REFUSED);
    if (cpu_write(&proxy->board->cpu, address, data, &done) != 0)
        return DEBUG_LOST;
    return answer_done(reply, done);
}

static enum debug_result handle_write(struct debug_proxy *proxy, struct reader *arguments,
                                      struct writer *reply) {
    uint8_t data[RSP_PAYLOAD_MAX / 2];
    uint32_t address;
    uint32_t size;

    read_range(arguments, &address, &size);
    rsp_expect(arguments, ':');
    if (reader_check(arguments) != STATUS_OK || size > sizeof(data))
        return answer(reply, ERROR_BAD);
    rsp_read_hex(arguments, data, size);
    if (reader_finish(arguments) != STATUS_OK)
        return answer(reply, ERROR_BAD);
    return write_memory(proxy, address, bytes_of(data, size), reply);
}

static enum debug_result handle_write_binary(struct debug_proxy *proxy, struct reader *arguments,
                                             struct writer *reply) {
    uint8_t data[RSP_PAYLOAD_MAX];
    struct bytes escaped;
    uint32_t address;
    uint32_t size;

    read_range(arguments, &address, &size);
    rsp_expect(arguments, ':');
    escaped = read_rest(arguments);
    if (reader_finish(arguments) != STATUS_OK || escaped.size > sizeof(data))
        return answer(reply, ERROR_BAD);
    if (escaped.size > 0)
        memcpy(data, escaped.data, escaped.size);
    if (rsp_unescape(data, escaped.size) != size)
        return answer(reply, ERROR_BAD);
    return write_memory(proxy, address, bytes_of(data, size), reply);
}

static enum debug_result handle_read_registers(struct debug_proxy *proxy, struct reader *arguments,
                                               struct writer *reply) {
    uint8_t registers[CPU_REGISTERS_SIZE];
    bool done;

    if (reader_finish(arguments) != STATUS_OK)
        return answer(reply, ERROR_BAD);
    if (proxy->board->cpu.running)
        return answer(reply, ERROR_REFUSED);
    if (cpu_read_registers(&proxy->board->cpu, registers, &done) != 0)
        return DEBUG_LOST;
    if (!done)
        return answer(reply, ERROR_REFUSED);
    rsp_write_hex(reply, bytes_of(registers, sizeof(registers)));
    return DEBUG_REPLY;
}

static enum debug_result handle_write_registers(struct debug_proxy *proxy, struct reader *arguments,
                                                struct writer *reply) {
    uint8_t registers[CPU_REGISTERS_SIZE];
    bool done;

    rsp_read_hex(arguments, registers, sizeof(registers));
    if (reader_finish(arguments) != STATUS_OK)
        return answer(reply, ERROR_BAD);
    if (proxy->board->cpu.running)
        return answer(reply, ERROR_REFUSED);
    if (cpu_write_registers(&proxy->board->cpu, registers, &done) != 0)
        return DEBUG_LOST;
    return answer_done(reply, done);
}

/* GDB's number of a register to its place in the `g` packet; false for one we do not have. */
static bool register_index(uint32_t number, size_t *index) {
    if (number >= XPSR_INDEX && number != REGISTER_XPSR)
        return false;
    *index = number == REGISTER_XPSR ? XPSR_INDEX : number;
    return true;
}

static enum debug_result handle_read_register(struct debug_proxy *proxy, struct reader *arguments,
                                              struct writer *reply) {
    uint8_t registers[CPU_REGISTERS_SIZE];
    uint32_t number = rsp_read_number(arguments);
    size_t index;
    bool done;

    if (reader_finish(arguments) != STATUS_OK || !register_index(number, &index))
        return answer(reply, ERROR_BAD);
    if (proxy->board->cpu.running)
        return answer(reply, ERROR_REFUSED);
    if (cpu_read_registers(&proxy->board->cpu, registers, &done) != 0)
        return DEBUG_LOST;
    if (!done)
        return answer(reply, ERROR_REFUSED);
    rsp_write_hex(reply, bytes_slice(bytes_of(registers, sizeof(registers)), 4 * index, 4));
    return DEBUG_REPLY;
}

static enum debug_result handle_write_register(struct debug_proxy *proxy, struct reader *arguments,
                                               struct writer *reply) {
    uint8_t registers[CPU_REGISTERS_SIZE];
    uint8_t value[4];
    uint32_t number = rsp_read_number(arguments);
    size_t index;
    bool done;

    rsp_expect(arguments, '=');
    rsp_read_hex(arguments, value, sizeof(value));
    if (reader_finish(arguments) != STATUS_OK || !register_index(number, &index))
        return answer(reply, ERROR_BAD);
    if (proxy->board->cpu.running)
        return answer(reply, ERROR_REFUSED);
    if (cpu_read_registers(&proxy->board->cpu, registers, &done) != 0)
        return DEBUG_LOST;
    if (!done)
        return answer(reply, ERROR_REFUSED);
    memcpy(registers + 4 * index, value, sizeof(value));
    if (cpu_write_registers(&proxy->board->cpu, registers, &done) != 0)
        return DEBUG_LOST;
    return answer_done(reply, done);
}

static enum debug_result run(struct debug_proxy *proxy) {
    return cpu_resume(&proxy->board->cpu) != 0 ? DEBUG_LOST : DEBUG_RUNNING;
}

static enum debug_result step(struct debug_proxy *proxy) {
    return cpu_step(&proxy->board->cpu) != 0 ? DEBUG_LOST : DEBUG_RUNNING;
}

/* No resume address: nothing we know of sends one, and P does the same. */
static enum debug_result handle_continue(struct debug_proxy *proxy, struct reader *arguments,
                                         struct writer *reply) {
    if (reader_finish(arguments) != STATUS_OK)
        return answer(reply, ERROR_BAD);
    return run(proxy);
}

static enum debug_result handle_step(struct debug_proxy *proxy, struct reader *arguments,
                                     struct writer *reply) {
    if (reader_finish(arguments) != STATUS_OK)
        return answer(reply, ERROR_BAD);
    return step(proxy);
}

static enum debug_result handle_vcont_query(struct debug_proxy *proxy, struct reader *arguments,
                                            struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "vCont;c;C;s;S");
}

/* One thread: the first action is the one for it. A signal means nothing to a core. */
static enum debug_result handle_vcont(struct debug_proxy *proxy, struct reader *arguments,
                                      struct writer *reply) {
    switch (read_u8(arguments)) {
    case 'c':
    case 'C': return run(proxy);
    case 's':
    case 'S': return step(proxy);
    default: return answer(reply, ERROR_BAD);
    }
}

static bool read_breakpoint(struct reader *arguments, uint32_t *address) {
    uint32_t kind;

    *address = rsp_read_number(arguments);
    rsp_expect(arguments, ',');
    kind = rsp_read_number(arguments);
    return reader_finish(arguments) == STATUS_OK && kind <= 4;
}

static enum debug_result handle_insert(struct debug_proxy *proxy, struct reader *arguments,
                                       struct writer *reply) {
    uint32_t address;
    bool done;

    if (!read_breakpoint(arguments, &address))
        return answer(reply, ERROR_BAD);
    if (proxy->board->cpu.running || proxy->breakpoint_count == DEBUG_PROXY_BREAKPOINTS)
        return answer(reply, ERROR_REFUSED);
    if (cpu_breakpoint(&proxy->board->cpu, CPU_BREAKPOINT_INSERT, address, &done) != 0)
        return DEBUG_LOST;
    if (done)
        proxy->breakpoints[proxy->breakpoint_count++] = address;
    return answer_done(reply, done);
}

static enum debug_result handle_remove(struct debug_proxy *proxy, struct reader *arguments,
                                       struct writer *reply) {
    uint32_t address;
    size_t at = 0;
    bool done;

    if (!read_breakpoint(arguments, &address))
        return answer(reply, ERROR_BAD);
    while (at < proxy->breakpoint_count && proxy->breakpoints[at] != address)
        at++;
    if (proxy->board->cpu.running || at == proxy->breakpoint_count)
        return answer(reply, ERROR_REFUSED);
    if (cpu_breakpoint(&proxy->board->cpu, CPU_BREAKPOINT_REMOVE, address, &done) != 0)
        return DEBUG_LOST;
    proxy->breakpoints[at] = proxy->breakpoints[--proxy->breakpoint_count];
    return answer_done(reply, done);
}

/* "monitor reset": through the ROM, then halted. Nothing else of a monitor exists. */
static enum debug_result handle_monitor(struct debug_proxy *proxy, struct reader *arguments,
                                        struct writer *reply) {
    uint8_t command[5];
    struct error error;

    rsp_read_hex(arguments, command, sizeof(command));
    if (reader_finish(arguments) != STATUS_OK || memcmp(command, "reset", sizeof(command)) != 0)
        return answer(reply, ERROR_REFUSED);
    if (board_reset(proxy->board, &error) != 0 || !board_debug_is_open(proxy->board) ||
        debug_proxy_halt(proxy) != 0)
        return DEBUG_LOST;
    return answer(reply, "OK");
}

static void write_target_description(struct writer *writer) {
    static const char *const names[] = {"r0", "r1", "r2",  "r3",  "r4",  "r5", "r6", "r7",
                                        "r8", "r9", "r10", "r11", "r12", "sp", "lr", "pc"};

    rsp_write_text(writer, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                           "<target><architecture>arm</architecture>"
                           "<feature name=\"org.gnu.gdb.arm.m-profile\">");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rsp_write_text(writer, "<reg name=\"");
        rsp_write_text(writer, names[i]);
        rsp_write_text(writer, "\" bitsize=\"32\"/>");
    }
    rsp_write_text(writer, "<reg name=\"xpsr\" bitsize=\"32\" regnum=\"25\"/>"
                           "</feature></target>");
}

static enum debug_result handle_features(struct debug_proxy *proxy, struct reader *arguments,
                                         struct writer *reply) {
    uint8_t buffer[1536];
    struct writer description;
    uint32_t offset;
    uint32_t size;
    size_t left;

    (void)proxy;
    read_range(arguments, &offset, &size);
    if (reader_finish(arguments) != STATUS_OK)
        return answer(reply, ERROR_BAD);
    writer_init(&description, buffer, sizeof(buffer));
    write_target_description(&description);
    left = offset < description.size ? description.size - offset : 0;
    if (size > RSP_PAYLOAD_MAX - 1)
        size = RSP_PAYLOAD_MAX - 1;
    rsp_write_text(reply, left <= size ? "l" : "m");
    write_bytes(reply, bytes_slice(writer_bytes(&description), offset, left < size ? left : size));
    return DEBUG_REPLY;
}

static enum debug_result handle_detach(struct debug_proxy *proxy, struct reader *arguments,
                                       struct writer *reply) {
    (void)proxy;
    (void)arguments;
    (void)answer(reply, "OK");
    return DEBUG_DETACH;
}

static enum debug_result handle_ok(struct debug_proxy *proxy, struct reader *arguments,
                                   struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "OK");
}

/* A debugger cannot destroy a chip. */
static enum debug_result handle_refused(struct debug_proxy *proxy, struct reader *arguments,
                                        struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, ERROR_REFUSED);
}

static enum debug_result handle_threads(struct debug_proxy *proxy, struct reader *arguments,
                                        struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "m1");
}

static enum debug_result handle_threads_end(struct debug_proxy *proxy, struct reader *arguments,
                                            struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "l");
}

static enum debug_result handle_thread(struct debug_proxy *proxy, struct reader *arguments,
                                       struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "QC1");
}

static enum debug_result handle_attached(struct debug_proxy *proxy, struct reader *arguments,
                                         struct writer *reply) {
    (void)proxy;
    (void)arguments;
    return answer(reply, "1");
}

/* The first prefix that fits decides, so a longer one stands before its beginning. */
static const struct {
    const char *prefix;
    request_handler *handle;
} requests[] = {
    {"?", handle_why},
    {"qSupported", handle_supported},
    {"QStartNoAckMode", handle_no_ack},
    {"qXfer:features:read:target.xml:", handle_features},
    {"qRcmd,", handle_monitor},
    {"qfThreadInfo", handle_threads},
    {"qsThreadInfo", handle_threads_end},
    {"qAttached", handle_attached},
    {"qC", handle_thread},
    {"vCont?", handle_vcont_query},
    {"vCont;", handle_vcont},
    {"vKill", handle_refused},
    {"m", handle_read},
    {"M", handle_write},
    {"X", handle_write_binary},
    {"g", handle_read_registers},
    {"G", handle_write_registers},
    {"p", handle_read_register},
    {"P", handle_write_register},
    {"c", handle_continue},
    {"s", handle_step},
    {"Z0,", handle_insert},
    {"Z1,", handle_insert},
    {"z0,", handle_remove},
    {"z1,", handle_remove},
    {"H", handle_ok},
    {"T", handle_ok},
    {"D", handle_detach},
    {"k", handle_refused},
};

enum debug_result debug_request(struct debug_proxy *proxy, struct writer *reply) {
    struct bytes payload = bytes_of(proxy->parser.payload, proxy->parser.size);

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        size_t length = strlen(requests[i].prefix);
        struct reader arguments;
        if (payload.size < length || memcmp(payload.data, requests[i].prefix, length) != 0)
            continue;
        reader_init(&arguments, bytes_slice(payload, length, payload.size - length));
        return requests[i].handle(proxy, &arguments, reply);
    }
    return DEBUG_REPLY; /* empty: unsupported */
}
