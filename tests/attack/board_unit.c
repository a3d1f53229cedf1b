#include "attack/board_unit.h"

#include "base/file.h"
#include "board/board_file.h"
#include "crypto/crypto.h"
#include "devauth/otp_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEBUG_MS  10000
#define ANSWER_MS 4000
#define IMAGE_MAX 0x20000u

static void wire_send(void *context, struct bytes bytes) {
    const struct board_unit *unit = context;

    while (bytes.size > 0) {
        ssize_t sent = send(unit->uart_fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the answer will not come */
        bytes = bytes_slice(bytes, (size_t)sent, bytes.size - (size_t)sent);
    }
}

static size_t wire_receive(void *context, uint8_t *out, size_t capacity) {
    const struct board_unit *unit = context;
    struct pollfd ready = {.fd = unit->uart_fd, .events = POLLIN};

    if (poll(&ready, 1, ANSWER_MS) <= 0)
        return 0;
    ssize_t got = recv(unit->uart_fd, out, capacity, 0);
    return got > 0 ? (size_t)got : 0;
}

void board_unit_prepare(struct board_unit *unit, enum board_kind kind) {
    char path[512];
    struct error error;

    memset(unit, 0, sizeof(*unit));
    unit->uart_fd = -1;
    test_pki_make(&unit->pki);
    (void)snprintf(path, sizeof(path), "%s/devauth.bin", testing_board_firmware(kind));
    assert_int_equal(file_read(path, IMAGE_MAX, &unit->image, &error), 0);
}

void board_unit_make(struct board_unit *unit, enum board_kind kind) {
    testing_board_make(&unit->board, kind);
    assert_int_equal(testing_board_start(&unit->board), -1);
    testing_board_peek(&unit->board, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_UID, unit->uid,
                       sizeof(unit->uid));
}

void board_unit_remove(struct board_unit *unit) {
    testing_board_remove(&unit->board);
}

const char *board_unit_path(const struct board_unit *unit, const char *name) {
    static char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", unit->board.directory, name);
    return path;
}

int board_unit_load(struct board_unit *unit, const char *debug_endpoint, int ready_ms,
                    struct error *error) {
    const struct devauth_parameters parameters = {
        .root = test_identity_certificate(&unit->pki.root),
        .requester = test_identity_certificate(&unit->pki.programmer),
    };
    struct debug_port *port = NULL;

    if (debug_port_open(&port, debug_endpoint, DEBUG_MS, error) != 0)
        return -1;
    int failed = debug_port_load_devauth(port, buffer_bytes(&unit->image), &parameters, ready_ms,
                                         &unit->mailbox, error);
    debug_port_close(port);
    return failed;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static struct wire wire_of(struct board_unit *unit) {
    return (struct wire){.context = unit, .send = wire_send, .receive = wire_receive};
}

enum status board_unit_provision(struct board_unit *unit, const char *uart_path) {
    const struct wire wire = wire_of(unit);
    struct programmer *programmer = &unit->programmer;
    void (*on_step)(void *, enum programmer_step) = programmer->on_step;
    void *context = programmer->on_step_context;

    programmer_init(programmer, &unit->pki, &wire);
    programmer->on_step = on_step;
    programmer->on_step_context = context;
    unit->uart_fd = connect_to(uart_path);
    enum status status = programmer_provision(programmer, unit->uid, unit->mailbox.key_hash);
    (void)close(unit->uart_fd);
    programmer->wire = NULL;
    return status;
}

enum status board_unit_confirm(struct board_unit *unit, const char *uart_path) {
    const struct wire wire = wire_of(unit);

    unit->programmer.wire = &wire;
    unit->uart_fd = connect_to(uart_path);
    enum status status = programmer_confirm(&unit->programmer);
    (void)close(unit->uart_fd);
    unit->programmer.wire = NULL;
    return status;
}

bool board_unit_is_provisioned(const struct board_unit *unit) {
    uint8_t mark[OTP_ENTRY_SIZE];

    testing_board_peek(&unit->board, BOARD_OTP_OFFSET + OTP_LIFE_PROVISIONED * OTP_ENTRY_SIZE, mark,
                       sizeof(mark));
    return memcmp(mark, otp_valid, sizeof(mark)) == 0;
}

bool board_unit_has_our_root(const struct board_unit *unit) {
    uint8_t stored[32];
    uint8_t root_hash[32];

    testing_board_peek(&unit->board, BOARD_OTP_OFFSET + OTP_ROOT_HASH * OTP_ENTRY_SIZE, stored,
                       sizeof(stored));
    crypto_sha256(test_identity_certificate(&unit->pki.root), root_hash);
    return memcmp(stored, root_hash, sizeof(stored)) == 0;
}

bool board_unit_key(const struct board_unit *unit, unsigned role, uint8_t private_key[32],
                    uint8_t public_key[64]) {
    static const uint8_t erased[32] = {[0 ... 31] = 0xFF};
    uint32_t page = BOARD_KEYS_OFFSET + role * BOARD_FLASH_PAGE;

    testing_board_peek(&unit->board, page, private_key, 32);
    testing_board_peek(&unit->board, page + 32, public_key, 64);
    return memcmp(private_key, erased, sizeof(erased)) != 0;
}
