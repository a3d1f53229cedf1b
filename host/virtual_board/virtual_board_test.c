/*
 * The real launcher with a real board behind it. Built twice: TEST_BOARD_KIND is BOARD_NATIVE or
 * BOARD_QEMU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "debug_port/debug_port.h"
#include "devauth/otp_map.h"
#include "virtual_board/testing_chip.h"
#include "virtual_board/testing_virtual_board.h"
#include "x509/test_pki.h"

#define TIMEOUT_MS   60000
#define STACK_BUDGET 8192
#define SKIPPED      77

static struct testing_board board;
static struct buffer devauth_image;
static struct error error;

static int setup(void **state) {
    (void)state;
    testing_board_make(&board, TEST_BOARD_KIND);
    return testing_board_start(&board) == -1 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    testing_board_remove(&board);
    return 0;
}

static struct debug_port *attach(void) {
    struct debug_port *port;

    if (debug_port_open(&port, testing_board_endpoint(&board, "debug"), TIMEOUT_MS, &error) != 0)
        fail_msg("%s (%s)", error.message, error.detail);
    return port;
}

/* For this reason, said in words. */
static bool attach_is_refused(const char *reason) {
    struct debug_port *port;

    if (debug_port_open(&port, testing_board_endpoint(&board, "debug"), TIMEOUT_MS, &error) == 0) {
        debug_port_close(port);
        return false;
    }
    return error.code == ERROR_DEVICE_DEBUG && port == NULL &&
           strstr(error.message, reason) != NULL;
}

/* The launcher notices a closed connection in its own time. */
static void wait_until_detached(void) {
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;

    while (strcmp(testing_board_control(&board, "attach-state"), "ok detached") != 0)
        assert_true(clock_monotonic_ms() < deadline);
}

/* As a programmer does after noise on the line, which may have eaten the beginning of a request. */
static bool chip_answers_at_last(int uart) {
    for (int i = 0; i < TIMEOUT_MS / 500; i++) {
        if (testing_chip_answers(uart, 500))
            return true;
    }
    return false;
}

/* Until nothing has come for a while: answers to requests that were given up. */
static void drain(int uart) {
    struct pollfd poll_fd = {.fd = uart, .events = POLLIN};
    uint8_t buffer[256];

    while (poll(&poll_fd, 1, 500) == 1)
        assert_true(recv(uart, buffer, sizeof(buffer), 0) > 0);
}

static void the_chip_answers_through_power_cuts(void **state) {
    int uart = testing_board_connect(&board, "uart");

    (void)state;
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    assert_false(testing_chip_answers(uart, 200));
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    assert_int_equal(testing_board_status(&board, "starts"), 2);
    close(uart);
    uart = testing_board_connect(&board, "uart"); /* another client, later */
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    close(uart);
}

static void memory_is_written_and_read_back(void **state) {
    struct debug_port *port = attach();
    uint8_t pattern[5000];
    uint8_t out[5000];
    uint32_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 7);
    assert_int_equal(
        debug_port_write(port, 0x38100001u, bytes_of(pattern, sizeof(pattern)), &error), 0);
    assert_int_equal(debug_port_read(port, 0x38100001u, out, sizeof(out), &error), 0);
    assert_memory_equal(pattern, out, sizeof(out));
    assert_int_equal(debug_port_write_register(port, 5, 0xC0FFEE01u, &error), 0);
    assert_int_equal(debug_port_read_register(port, 5, &value, &error), 0);
    assert_int_equal(value, 0xC0FFEE01u);
    assert_int_equal(debug_port_write_register(port, 24, 0, &error), -1);
    debug_port_close(port);
}

static void hidden_and_fixed_places_are_refused(void **state) {
    static const uint32_t no_read[] = {
        BOARD_HIDDEN_RAM_ADDRESS, BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET,
        BOARD_FILE_ADDRESS + BOARD_REGISTERS_OFFSET, 0x28180000u, 0x50200000u};
    static const uint32_t no_write[] = {BOARD_ROM_ADDRESS, BOARD_FILE_ADDRESS,
                                        BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET,
                                        BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET, 0x50200000u};
    static const uint8_t secret[] = "a private key";
    uint8_t out[sizeof(secret)];
    struct debug_port *port;

    (void)state;
    testing_board_poke(&board, BOARD_KEYS_OFFSET, secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(no_read) / sizeof(no_read[0]); i++) {
        port = attach();
        memset(out, 0x5A, sizeof(out));
        assert_int_equal(debug_port_read(port, no_read[i], out, sizeof(out), &error), -1);
        assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
        assert_memory_not_equal(out, secret, sizeof(secret));
        debug_port_close(port);
        wait_until_detached();
    }
    for (size_t i = 0; i < sizeof(no_write) / sizeof(no_write[0]); i++) {
        port = attach();
        assert_int_equal(debug_port_write(port, no_write[i], bytes_of("\0\0\0\0", 4), &error), -1);
        assert_int_equal(error.code, ERROR_DEVICE_DEBUG);
        debug_port_close(port);
        wait_until_detached();
    }
    testing_board_peek(&board, BOARD_KEYS_OFFSET, out, sizeof(out));
    assert_memory_equal(out, secret, sizeof(secret)); /* it was there all the time */
    testing_board_peek(&board, 0, out, 4);
    assert_memory_equal(out, "\xFF\xFF\xFF\xFF", 4);
}

static void attaching_raises_the_register(void **state) {
    uint32_t attached;
    uint32_t attaches;
    struct debug_port *port;

    (void)state;
    testing_board_peek(&board, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_DEBUG_ATTACHES, &attaches,
                       4);
    assert_int_equal(attaches, 0);
    port = attach();
    testing_board_peek(&board, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_DEBUG_ATTACHED, &attached,
                       4);
    assert_int_equal(attached, 1);
    assert_string_equal(testing_board_control(&board, "attach-state"), "ok attached");
    assert_true(attach_is_refused("another debugger")); /* one at a time */
    assert_int_equal(debug_port_detach(port, &error), 0);
    debug_port_close(port);
    wait_until_detached();
    testing_board_peek(&board, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_DEBUG_ATTACHED, &attached,
                       4);
    testing_board_peek(&board, BOARD_REGISTERS_OFFSET + BOARD_REGISTER_DEBUG_ATTACHES, &attaches,
                       4);
    assert_int_equal(attached, 0);
    assert_int_equal(attaches, 1);
}

static void a_halted_chip_is_silent_and_goes_on(void **state) {
    int uart = testing_board_connect(&board, "uart");
    struct debug_port *port = attach();

    (void)state;
    assert_false(testing_chip_answers(uart, 300));
    debug_port_close(port); /* without a detach */
    wait_until_detached();
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    port = attach();
    assert_int_equal(debug_port_run(port, &error), 0);
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    drain(uart);
    assert_int_equal(debug_port_halt(port, &error), 0);
    assert_false(testing_chip_answers(uart, 300));
    assert_int_equal(debug_port_detach(port, &error), 0);
    debug_port_close(port);
    close(uart);
}

static void a_locked_chip_refuses(void **state) {
    struct debug_port *port = attach();
    uint8_t out[4];

    (void)state;
    /* Locked from the next reset on, for those who are in as well. */
    testing_board_poke(&board, BOARD_OTP_OFFSET + OTP_LIFE_SECURED * OTP_ENTRY_SIZE, otp_valid,
                       OTP_ENTRY_SIZE);
    assert_int_equal(debug_port_read(port, BOARD_SRAM_ADDRESS, out, sizeof(out), &error), 0);
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    assert_int_equal(debug_port_read(port, BOARD_SRAM_ADDRESS, out, sizeof(out), &error), -1);
    debug_port_close(port);
    assert_true(attach_is_refused("locked"));
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    assert_true(attach_is_refused("no power"));
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
    assert_true(attach_is_refused("locked"));
    assert_non_null(strstr(testing_board_control(&board, "status"), "debug=locked"));
    /* Keys and firmware gone, it opens again for the one who looks for what was wrong with it. */
    testing_board_poke(&board, BOARD_OTP_OFFSET + OTP_LIFE_RMA * OTP_ENTRY_SIZE, otp_valid,
                       OTP_ENTRY_SIZE);
    assert_true(attach_is_refused("locked")); /* not before the ROM has decided anew */
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    assert_non_null(strstr(testing_board_control(&board, "status"), "debug=open"));
    debug_port_close(attach());
}

static void who_may_not_attach_disturbs_nobody(void **state) {
    struct debug_port *port = attach();
    int silent = testing_board_connect(&board, "debug");
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;
    struct pollfd poll_fd = {.fd = silent, .events = POLLIN};
    uint8_t out[4];

    (void)state;
    assert_true(attach_is_refused("another debugger"));
    /* One that says nothing is not kept. */
    assert_int_equal(poll(&poll_fd, 1, TIMEOUT_MS), 1);
    assert_true(clock_monotonic_ms() < deadline);
    assert_int_equal(recv(silent, out, 1, 0), 0);
    close(silent);
    assert_int_equal(debug_port_read(port, BOARD_SRAM_ADDRESS, out, sizeof(out), &error), 0);
    debug_port_close(port);
    wait_until_detached();
    debug_port_close(attach());
}

static void raw_request(int fd, const char *payload, char *reply, size_t capacity) {
    uint8_t packet[256];
    struct writer writer;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    size_t size = 0;

    writer_init(&writer, packet, sizeof(packet));
    rsp_encode(&writer, bytes_of(payload, strlen(payload)));
    assert_int_equal(send(fd, packet, writer.size, MSG_NOSIGNAL), writer.size);
    while (size < 4 || reply[size - 3] != '#') {
        assert_true(size < capacity - 1);
        assert_int_equal(poll(&poll_fd, 1, TIMEOUT_MS), 1);
        assert_int_equal(recv(fd, reply + size, 1, 0), 1);
        size++;
    }
    reply[size] = '\0';
}

static void the_emulator_does_not_show(void **state) {
    static const char *const nothing[] = {"qRcmd,696e666f2072656769737465727320", /* info ... */
                                          "qRcmd,78702030", "k", "vKill;1"};
    static const char *const unsupported[] = {"qqemu.PhyMemMode",
                                              "Qqemu.PhyMemMode:1",
                                              "qemu.sstep",
                                              "R00",
                                              "vAttach;1",
                                              "vRun;",
                                              "!",
                                              "bs",
                                              "Z2,0,4",
                                              "qXfer:memory-map:read::0,100",
                                              "vFlashErase:0,1000"};
    int fd = testing_board_connect(&board, "debug");
    char reply[4200];

    (void)state;
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        raw_request(fd, nothing[i], reply, sizeof(reply));
        assert_string_equal(reply, "+$E01#a6");
    }
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        raw_request(fd, unsupported[i], reply, sizeof(reply));
        assert_string_equal(reply, "+$#00");
    }
    raw_request(fd, "qXfer:features:read:target.xml:0,fff", reply, sizeof(reply));
    assert_null(strstr(reply, "system-registers"));
    assert_non_null(strstr(reply, "xpsr"));
    close(fd);
}

static void monitor_reset_goes_through_the_rom(void **state) {
    int fd = testing_board_connect(&board, "debug");
    char reply[64];

    (void)state;
    raw_request(fd, "qRcmd,7265736574", reply, sizeof(reply)); /* reset */
    assert_string_equal(reply, "+$OK#9a");
    assert_int_equal(testing_board_status(&board, "starts"), 2);
    raw_request(fd, "m38100000,4", reply, sizeof(reply)); /* halted, and still attached */
    assert_int_equal(strlen(reply), 1 + 4 + 8);
    close(fd);
}

static void garbage_changes_nothing(void **state) {
    static const char *const broken[] = {"m",
                                         "m,",
                                         "m38000000",
                                         "m38000000,",
                                         "mzz,4",
                                         "m0,ffff",
                                         "m38000000,-1",
                                         "M38000000,2",
                                         "M38000000,2:1",
                                         "M38000000,1:zz",
                                         "P",
                                         "P0f",
                                         "Pff=00",
                                         "p",
                                         "pfff",
                                         "G00",
                                         "X38000000,4:",
                                         "c1000",
                                         "Z0,",
                                         "Z1,10000000,99",
                                         "z0,0,2",
                                         "vCont;x",
                                         "qRcmd,",
                                         "qRcmd,7265736574657",
                                         "m38000000,4,4"};
    int fd = testing_board_connect(&board, "debug");
    char reply[256];
    uint32_t seed = 7;
    uint8_t noise[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        raw_request(fd, broken[i], reply, sizeof(reply));
        assert_memory_equal(reply, "+$E", 3);
    }
    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(seed >> 24);
    }
    (void)send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
    close(fd);
    wait_until_detached();
    fd = testing_board_connect(&board, "control");
    (void)send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
    close(fd);
    fd = testing_board_connect(&board, "uart");
    (void)send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
    assert_true(chip_answers_at_last(fd));
    close(fd);
    assert_string_equal(testing_board_control(&board, "no-such-command"), "error no such command");
    assert_string_equal(testing_board_control(&board, "tear x"),
                        "error a number of operations is needed");
    debug_port_close(attach());
}

static void load_devauth(struct bytes image, struct devauth_mailbox *mailbox, int expected) {
    struct test_pki pki;
    struct test_key key;
    struct buffer programmer = {0};
    struct devauth_parameters parameters;
    struct debug_port *port = attach();

    test_pki_make(&pki);
    test_key_make(&key);
    test_pki_leaf(&pki, X509_PROFILE_PROGRAMMER, key.public_key, &programmer);
    parameters.root = buffer_bytes(&pki.root);
    parameters.requester = buffer_bytes(&programmer);
    if (debug_port_load_devauth(port, image, &parameters, expected == 0 ? TIMEOUT_MS : 1000,
                                mailbox, &error) != expected)
        fail_msg("%s (%s)", error.message, error.detail);
    debug_port_close(port);
    buffer_free(&programmer);
    test_pki_free(&pki);
}

static void devauth_starts_and_is_what_was_loaded(void **state) {
    struct devauth_mailbox mailbox;
    struct devauth_mailbox second;
    struct debug_port *port;
    int uart = testing_board_connect(&board, "uart");
    uint8_t *copy = malloc(devauth_image.size);

    (void)state;
    load_devauth(buffer_bytes(&devauth_image), &mailbox, 0);
    assert_int_equal(mailbox.state, DEVAUTH_MAILBOX_READY);
    assert_int_equal(testing_board_status(&board, "stage"), 2);
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    /* The image in memory stays what was verified: DevAuth measures it. */
    wait_until_detached();
    port = attach();
    assert_int_equal(debug_port_read(port, BOARD_DEVAUTH_ADDRESS, copy, devauth_image.size, &error),
                     0);
    assert_memory_equal(copy, devauth_image.data, devauth_image.size);
    assert_int_equal(debug_port_detach(port, &error), 0);
    debug_port_close(port);
    free(copy);
    printf("stack peak %ld, arena peak %ld bytes\n", testing_board_status(&board, "stack_peak"),
           testing_board_status(&board, "arena_peak"));
    if (board.kind == BOARD_QEMU) { /* a process has no painted stack, a sanitizer no arena */
        assert_true(testing_board_status(&board, "arena_peak") > 0);
        assert_true(testing_board_status(&board, "stack_peak") > 0);
    }
    assert_true(testing_board_status(&board, "stack_peak") < STACK_BUDGET);
    load_devauth(buffer_bytes(&devauth_image), &second, 0); /* over a running one */
    assert_memory_not_equal(mailbox.key_hash, second.key_hash, sizeof(mailbox.key_hash));
    assert_string_equal(testing_board_control(&board, "reset"), "ok");
    assert_int_equal(testing_board_status(&board, "stage"), 1); /* gone with the reset */
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    close(uart);
}

static void other_files_are_not_loaded(void **state) {
    struct devauth_mailbox mailbox;

    (void)state;
    load_devauth(bytes_of("MZ", 2), &mailbox, -1);
    assert_int_equal(error.code, ERROR_UNTRUSTED_SOFTWARE);
    load_devauth(bytes_slice(buffer_bytes(&devauth_image), 0, devauth_image.size - 1), &mailbox,
                 -1);
    assert_int_equal(error.code, ERROR_UNTRUSTED_SOFTWARE);
    assert_int_equal(testing_board_status(&board, "stage"), 1);
}

static void image_and_layout_agree(void **state) {
    struct devauth_image_header header;

    (void)state;
    assert_int_equal(devauth_image_parse(buffer_bytes(&devauth_image), &header), STATUS_OK);
    assert_int_equal(header.load_address, BOARD_DEVAUTH_ADDRESS);
    assert_true(header.image_size <= BOARD_DEVAUTH_CAPACITY);
    assert_int_equal(header.parameters_address, BOARD_PARAMETERS_ADDRESS);
    assert_int_equal(header.parameters_capacity, BOARD_PARAMETERS_CAPACITY);
    assert_int_equal(header.mailbox_address, BOARD_MAILBOX_ADDRESS);
    assert_in_range(header.stack_top, BOARD_HIDDEN_RAM_ADDRESS + STACK_BUDGET,
                    BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE);
}

static void a_power_cut_ends_the_attachment(void **state) {
    struct debug_port *port = attach();
    uint8_t out[4];

    (void)state;
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    assert_int_equal(debug_port_read(port, BOARD_SRAM_ADDRESS, out, sizeof(out), &error), -1);
    debug_port_close(port);
    assert_string_equal(testing_board_control(&board, "reset"), "error the board has no power");
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
    port = attach();
    assert_int_equal(debug_port_read(port, BOARD_SRAM_ADDRESS, out, sizeof(out), &error), 0);
    debug_port_close(port);
}

static void a_slow_line_is_slow(void **state) {
    uint64_t began;
    int uart;

    (void)state;
    assert_int_equal(testing_board_stop(&board), 0);
    board.options[0] = "--baud=300";
    assert_int_equal(testing_board_start(&board), -1);
    uart = testing_board_connect(&board, "uart");
    began = clock_monotonic_ms();
    assert_true(testing_chip_answers(uart, TIMEOUT_MS));
    /* Request and answer have 15 bytes and more each, at 30 a second. */
    assert_true(clock_monotonic_ms() - began >= 1000);
    close(uart);
}

static void impossible_options_are_refused(void **state) {
    static const char *const impossible[] = {"--baud=299", "--baud=4000001", "--baud=x",
                                             "--icount=11", "--delays=maybe"};

    (void)state;
    assert_int_equal(testing_board_stop(&board), 0);
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        board.options[0] = impossible[i];
        assert_int_equal(testing_board_start(&board), error_exit_code(ERROR_USAGE));
    }
}

static void the_log_can_be_printed(void **state) {
    char text[256];

    (void)state;
    assert_string_equal(testing_board_control(&board, "power-cut"), "ok");
    testing_board_poke(&board, BOARD_OTP_OFFSET + OTP_LIFE_PROVISIONED * OTP_ENTRY_SIZE, otp_valid,
                       OTP_ENTRY_SIZE);
    assert_string_equal(testing_board_control(&board, "power-on"), "ok");
    while (testing_board_status(&board, "boot_log") == 0)
        ;
    assert_int_equal(testing_board_run(&board, "log", text, sizeof(text)), 0);
    assert_string_equal(text, "bl2=empty\n");
    assert_int_equal(testing_board_stop(&board), 0);
    assert_int_equal(testing_board_run(&board, "log", text, sizeof(text)),
                     error_exit_code(ERROR_OFFLINE));
    assert_int_equal(testing_board_run(&board, "logs", text, sizeof(text)),
                     error_exit_code(ERROR_USAGE));
}

static void two_launchers_on_one_board_are_refused(void **state) {
    struct testing_board second = board;

    (void)state;
    second.launcher = 0;
    assert_true(testing_board_start(&second) > 0);
    assert_true(strstr(testing_board_control(&board, "status"), "power=on") != NULL);
    debug_port_close(attach());
}

static void the_end_is_clean(void **state) {
    static const char *const gone[] = {"uart", "debug", "control", "pid"};
    char first_uid[64];
    char path[128];

    (void)state;
    (void)snprintf(first_uid, sizeof(first_uid), "%.39s", testing_board_control(&board, "status"));
    assert_int_equal(testing_board_stop(&board), 0);
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", board.directory, gone[i]);
        assert_false(file_exists(path));
    }
    assert_int_equal(testing_board_start(&board), -1); /* the same chip again */
    assert_memory_equal(first_uid, testing_board_control(&board, "status"), 39);
}

static long child_of(pid_t parent) {
    char path[64];
    char text[32] = {0};
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    return strtol(text, NULL, 10);
}

static void a_killed_launcher_takes_its_chip_along(void **state) {
    pid_t chip = (pid_t)child_of(board.launcher);
    uint64_t deadline = clock_monotonic_ms() + TIMEOUT_MS;

    (void)state;
    assert_true(chip > 0);
    assert_int_equal(kill(board.launcher, SIGKILL), 0);
    assert_int_equal(waitpid(board.launcher, NULL, 0), board.launcher);
    board.launcher = 0;
    while (kill(chip, 0) == 0)
        assert_true(clock_monotonic_ms() < deadline);
    assert_int_equal(testing_board_start(&board), -1); /* over the sockets it left behind */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_chip_answers_through_power_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_written_and_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(hidden_and_fixed_places_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(attaching_raises_the_register, setup, teardown),
        cmocka_unit_test_setup_teardown(a_halted_chip_is_silent_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_locked_chip_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(who_may_not_attach_disturbs_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(the_emulator_does_not_show, setup, teardown),
        cmocka_unit_test_setup_teardown(monitor_reset_goes_through_the_rom, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(devauth_starts_and_is_what_was_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files_are_not_loaded, setup, teardown),
        cmocka_unit_test(image_and_layout_agree),
        cmocka_unit_test_setup_teardown(a_power_cut_ends_the_attachment, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_line_is_slow, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_options_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_log_can_be_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(two_launchers_on_one_board_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_is_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_launcher_takes_its_chip_along, setup, teardown),
    };
    char path[512];
    int result;

    (void)snprintf(path, sizeof(path), "%s/devauth.bin", testing_board_firmware(TEST_BOARD_KIND));
    if (!file_exists(path)) {
        printf("no %s: nothing tested\n", path);
        return SKIPPED;
    }
    if (file_read(path, 1u << 20, &devauth_image, &error) != 0)
        return 1;
    result = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_free(&devauth_image);
    return result;
}
