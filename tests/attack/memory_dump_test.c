/*
 * A debugger that reads all it is allowed to, registers included, at every step of the identity
 * flow. No dump holds a private key of the chip, in either byte order; every dump holds what is
 * known to be there, so that a dump of nothing does not pass.
 *
 * ATTACK_BOARD_KIND chooses the board.
 */
#include "attack/board_unit.h"
#include "base/clock.h"
#include "board/board_file.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "virtual_board/testing_firmware.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define DEBUG_MS       20000
#define READY_MS       60000
#define KEY_SIZE       32
#define CORE_REGISTERS 16
#define REGISTERS_SIZE ((size_t)4 * CORE_REGISTERS)
#define SNAPSHOTS_MAX  4000
#define STACK_SIZE     8192
#define STACK_PAINT    0xA5

/* All the proxy shows: the hidden RAM is the hole in the middle of SRAM. */
static const struct {
    uint32_t address;
    uint32_t size;
} windows[] = {
    {BOARD_ROM_ADDRESS, BOARD_ROM_SIZE},
    {BOARD_SRAM_ADDRESS, BOARD_HIDDEN_RAM_ADDRESS - BOARD_SRAM_ADDRESS},
    {BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE,
     BOARD_SRAM_ADDRESS + BOARD_SRAM_SIZE - BOARD_HIDDEN_RAM_ADDRESS - BOARD_HIDDEN_RAM_SIZE},
    {BOARD_FILE_ADDRESS + BOARD_FLASH_OFFSET, BOARD_FLASH_SIZE},
    {BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET, BOARD_OTP_PUBLIC_SIZE},
    {BOARD_FILE_ADDRESS + BOARD_OTP_LOCK_OFFSET, BOARD_OTP_LOCK_SIZE},
};
#define WINDOWS (sizeof(windows) / sizeof(windows[0]))

struct dump {
    const char *when;
    uint8_t *data;
    size_t size;
};

#define DUMPS_MAX 12
static struct dump dumps[DUMPS_MAX];
static size_t dump_count;
static struct board_unit unit;
/* Slot 0's key before there is an issued certificate. */
static uint8_t ephemeral_public[64];

static void take_registers(struct debug_port *port, uint8_t out[REGISTERS_SIZE]) {
    struct error error;
    struct writer writer;

    writer_init(&writer, out, REGISTERS_SIZE);
    for (unsigned i = 0; i < CORE_REGISTERS; i++) {
        uint32_t value;
        if (debug_port_read_register(port, i, &value, &error) != 0)
            fail_msg("%s", error.message);
        write_u32le(&writer, value);
    }
}

/* Of an attached, halted chip. */
static void take_dump(struct debug_port *port, const char *when) {
    struct dump *dump = &dumps[dump_count++];
    struct error error;
    size_t size = REGISTERS_SIZE;

    assert_true(dump_count <= DUMPS_MAX);
    for (size_t i = 0; i < WINDOWS; i++)
        size += windows[i].size;
    *dump = (struct dump){when, malloc(size), size};
    assert_non_null(dump->data);
    take_registers(port, dump->data);
    size = REGISTERS_SIZE;
    for (size_t i = 0; i < WINDOWS; i++) {
        if (debug_port_read(port, windows[i].address, dump->data + size, windows[i].size, &error))
            fail_msg("%s: %s", when, error.message);
        size += windows[i].size;
    }
}

static struct debug_port *attach(void) {
    struct debug_port *port = NULL;
    struct error error;

    if (debug_port_open(&port, testing_board_endpoint(&unit.board, "debug"), DEBUG_MS, &error) != 0)
        fail_msg("%s", error.message);
    return port;
}

static void detach(struct debug_port *port) {
    struct error error;

    assert_int_equal(debug_port_detach(port, &error), 0);
    debug_port_close(port);
}

static void attach_and_dump(const char *when) {
    struct debug_port *port = attach();

    take_dump(port, when);
    detach(port);
}

static bool contains(const struct dump *dump, struct bytes what) {
    return memmem(dump->data, dump->size, what.data, what.size) != NULL;
}

static void reverse(const uint8_t in[KEY_SIZE], uint8_t out[KEY_SIZE]) {
    for (size_t i = 0; i < KEY_SIZE; i++)
        out[i] = in[KEY_SIZE - 1 - i];
}

/* The dump knows this very scalar. */
static void check_no_scalar(const struct dump *dump, const uint8_t private_key[KEY_SIZE]) {
    uint8_t reversed[KEY_SIZE];

    reverse(private_key, reversed);
    if (contains(dump, bytes_of(private_key, KEY_SIZE)) ||
        contains(dump, bytes_of(reversed, KEY_SIZE)))
        fail_msg("a private key can be read %s", dump->when);
}

/* Whether these 32 bytes, as a scalar, belong to the public key: agreeing with the generator gives
 * the point's x coordinate. */
static bool is_private_key_of(const uint8_t scalar[KEY_SIZE], const uint8_t public_key[64]) {
    static const uint8_t generator[64] = {
        0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5, 0x63,
        0xA4, 0x40, 0xF2, 0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4, 0xA1,
        0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96, 0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A, 0x7F,
        0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16, 0x2B, 0xCE, 0x33, 0x57,
        0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5};
    uint8_t x[32];

    return crypto_p256_agree(scalar, generator, x) == STATUS_OK &&
           memcmp(x, public_key, sizeof(x)) == 0;
}

static bool is_either(const uint8_t scalar[KEY_SIZE], const uint8_t public_key[64]) {
    uint8_t reversed[KEY_SIZE];

    reverse(scalar, reversed);
    return is_private_key_of(scalar, public_key) || is_private_key_of(reversed, public_key);
}

/* The ephemeral key is in no file: every window of bytes that came into being since the chip was
 * blank, but for the image, is tried as a scalar. */
static unsigned check_no_ephemeral(const struct dump *dump, const struct dump *before) {
    unsigned tried = 0;
    unsigned changed = 0; /* bytes of the window that differ */

    for (size_t i = 0; i < dump->size; i++) {
        changed += dump->data[i] != before->data[i];
        if (i >= KEY_SIZE)
            changed -= dump->data[i - KEY_SIZE] != before->data[i - KEY_SIZE];
        if (i + 1 < KEY_SIZE || changed < KEY_SIZE / 2)
            continue;
        tried++;
        if (is_either(dump->data + i + 1 - KEY_SIZE, ephemeral_public))
            fail_msg("the ephemeral private key can be read %s", dump->when);
    }
    return tried;
}

static const struct dump *dump_named(const char *when) {
    for (size_t i = 0; i < dump_count; i++)
        if (strcmp(dumps[i].when, when) == 0)
            return &dumps[i];
    fail_msg("no dump %s", when);
    return NULL;
}

static void on_step(void *context, enum programmer_step done) {
    static const char *const when[STEP_DONE] = {
        [STEP_CONNECT] = "after connect",     [STEP_SESSION] = "after session",
        [STEP_KEYS] = "after keys",           [STEP_CSR] = "after csr",
        [STEP_INSTALL] = "after install",     [STEP_VERIFY] = "after verify",
        [STEP_ROOT_HASH] = "after root hash", [STEP_CONFIRM] = NULL,
    };

    (void)context;
    if (done == STEP_SESSION)
        memcpy(ephemeral_public, spdm_requester_peer_key(&unit.programmer.requester),
               sizeof(ephemeral_public));
    if (when[done] != NULL)
        attach_and_dump(when[done]);
}

static void load(struct debug_port *port) {
    const struct devauth_parameters parameters = {
        .root = test_identity_certificate(&unit.pki.root),
        .requester = test_identity_certificate(&unit.pki.programmer),
    };
    struct error error;

    if (debug_port_load_devauth(port, buffer_bytes(&unit.image), &parameters, READY_MS,
                                &unit.mailbox, &error) != 0)
        fail_msg("%s", error.message);
    debug_port_close(port);
}

static enum status provision(void) {
    char path[96];

    (void)snprintf(path, sizeof(path), "%s", board_unit_path(&unit, "uart"));
    return board_unit_provision(&unit, path);
}

/* What must be found: the image from loading on, the programmer's certificate from the start on,
 * the chip's certificate once it is installed. */
static void check_known(void) {
    struct bytes certificate = test_identity_certificate(&unit.programmer.device);

    for (size_t i = 1; i < dump_count; i++)
        assert_true(contains(&dumps[i], buffer_bytes(&unit.image)));
    for (size_t i = 2; i < dump_count; i++)
        assert_true(contains(&dumps[i], test_identity_certificate(&unit.pki.programmer)));
    assert_false(contains(dump_named("after csr"), certificate));
    assert_true(contains(dump_named("after install"), certificate));
    assert_true(contains(dump_named("after root hash"), certificate));
}

static void no_key_in_any_dump(void **state) {
    struct debug_port *port;
    struct error error;
    unsigned tried = 0;

    (void)state;
    unit.programmer.on_step = on_step;
    port = attach();
    take_dump(port, "of the blank chip");
    assert_int_equal(
        debug_port_write(port, BOARD_DEVAUTH_ADDRESS, buffer_bytes(&unit.image), &error), 0);
    take_dump(port, "after load");
    load(port);
    attach_and_dump("after start");
    assert_int_equal(provision(), STATUS_OK);
    unit.programmer.on_step = NULL;
    assert_true(board_unit_is_provisioned(&unit));

    check_known();
    for (unsigned role = 0; role < KEY_ROLES; role++) {
        uint8_t private_key[KEY_SIZE];
        uint8_t public_key[64];
        assert_true(board_unit_key(&unit, role, private_key, public_key));
        assert_true(is_private_key_of(private_key, public_key)); /* these are the keys */
        for (size_t i = 0; i < dump_count; i++)
            check_no_scalar(&dumps[i], private_key);
    }
    for (size_t i = 2; i < dump_count; i++)
        tried += check_no_ephemeral(&dumps[i], dump_named("after load"));
    print_message("%zu dumps of %zu bytes, %u windows tried\n", dump_count, dumps[0].size, tried);
    assert_true(tried > 1000);
}

static void put_firmware(void) {
    struct buffer bl2 = {0};
    struct buffer bl3 = {0};
    struct testing_image image = {.slot = TESTING_BL2, .counter = 1};

    testing_firmware_load(ATTACK_BOARD_KIND, "bootloader.bin", &bl2);
    testing_firmware_load(ATTACK_BOARD_KIND, "application.bin", &bl3);
    testing_firmware_put_key_hashes(&unit.board);
    image.payload = buffer_bytes(&bl2);
    testing_firmware_put(&unit.board, &image);
    image.slot = TESTING_PRIMARY;
    image.payload = buffer_bytes(&bl3);
    testing_firmware_put(&unit.board, &image);
    buffer_free(&bl2);
    buffer_free(&bl3);
}

/* The application's stack is at the start of SRAM, painted where it was never used, and again after
 * each operation with a key: what is left shows less than the deepest use. */
static void check_scrubbed_stack(void) {
    uint8_t stack[STACK_SIZE];
    struct debug_port *port = attach();
    struct error error;
    long unused = 0;

    assert_int_equal(debug_port_read(port, BOARD_SRAM_ADDRESS, stack, sizeof(stack), &error), 0);
    detach(port);
    while (unused < STACK_SIZE && stack[unused] == STACK_PAINT)
        unused++;
    print_message("%ld bytes of stack show, of %ld that were used\n", STACK_SIZE - unused,
                  testing_board_status(&unit.board, "stack_peak"));
    assert_true(unused < STACK_SIZE);
    assert_true(STACK_SIZE - unused < testing_board_status(&unit.board, "stack_peak"));
}

/* Its stack is where a debugger reads, and the AUTH key has just signed on it. */
static void no_key_of_the_application(void **state) {
    uint64_t deadline = clock_monotonic_ms() + READY_MS;
    uint8_t private_key[KEY_SIZE];
    uint8_t public_key[64];

    (void)state;
    load(attach());
    assert_int_equal(provision(), STATUS_OK);
    assert_string_equal(testing_board_control(&unit.board, "power-cut"), "ok");
    put_firmware();
    assert_string_equal(testing_board_control(&unit.board, "power-on"), "ok");
    while (testing_board_status(&unit.board, "stage") != DEVAUTH_STAGE_APPLICATION)
        assert_true(clock_monotonic_ms() < deadline);
    /* The session stands, on the issued chain; this programmer wants more than the application
     * gives anybody. */
    assert_int_equal(board_unit_confirm(&unit, board_unit_path(&unit, "uart")), STATUS_DENIED);
    assert_memory_equal(spdm_requester_peer_key(&unit.programmer.requester),
                        unit.programmer.issued.auth_key, 64);
    attach_and_dump("after a session with the application");
    for (unsigned role = 0; role < KEY_ROLES; role++) {
        assert_true(board_unit_key(&unit, role, private_key, public_key));
        check_no_scalar(&dumps[0], private_key);
    }
    assert_true(contains(&dumps[0], test_identity_certificate(&unit.programmer.device)));
    if (ATTACK_BOARD_KIND == BOARD_QEMU) /* a process has a stack of its own */
        check_scrubbed_stack();
}

/* Each by a debugger of its own. */
static void hidden_memory_is_refused(void **state) {
    static const struct {
        uint32_t address;
        uint32_t size;
    } hidden[] = {
        {BOARD_HIDDEN_RAM_ADDRESS, 1},
        {BOARD_HIDDEN_RAM_ADDRESS - 4, 8},
        {BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE / 2, 64},
        {BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE - 1, 2},
        {BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET, 1},
        {BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET, KEY_SIZE},
        {BOARD_FILE_ADDRESS + BOARD_KEYS_OFFSET + BOARD_KEYS_SIZE - 1, 1},
        {BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET + BOARD_OTP_PUBLIC_SIZE - 1, 2},
        {BOARD_FILE_ADDRESS + BOARD_OTP_LOCK_OFFSET + BOARD_OTP_LOCK_SIZE - 1, 2},
        {BOARD_FILE_ADDRESS + BOARD_UNITS_OFFSET, 4},
        {BOARD_FILE_ADDRESS + BOARD_REGISTERS_OFFSET, 4},
        /* the other security state's names for the same memory */
        {BOARD_HIDDEN_RAM_ADDRESS ^ BOARD_ROM_ADDRESS, 64},
        {(BOARD_FILE_ADDRESS ^ BOARD_ROM_ADDRESS) + BOARD_KEYS_OFFSET, KEY_SIZE},
    };
    uint8_t out[64];
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        struct debug_port *port = attach();
        assert_int_not_equal(debug_port_read(port, hidden[i].address, out, hidden[i].size, &error),
                             0);
        debug_port_close(port);
    }
}

static struct debug_port *staying;

static void attach_and_stay(void *context, enum programmer_step done) {
    struct error error;

    (void)context;
    if (done != STEP_SESSION)
        return;
    staying = attach();
    assert_int_equal(debug_port_run(staying, &error), 0);
}

static void no_keys_while_attached(void **state) {
    uint8_t private_key[KEY_SIZE];
    uint8_t public_key[64];

    (void)state;
    load(attach());
    unit.programmer.on_step = attach_and_stay;
    assert_int_equal(provision(), STATUS_DEBUGGED);
    unit.programmer.on_step = NULL;
    assert_int_equal(unit.programmer.step, STEP_KEYS);
    debug_port_close(staying);
    for (unsigned role = 0; role < KEY_ROLES; role++)
        assert_false(board_unit_key(&unit, role, private_key, public_key));
    load(attach());
    assert_int_equal(provision(), STATUS_OK);
}

/* A debugger that comes in again and again while the chip works, for what is in its registers. */
struct intruder {
    pthread_t thread;
    atomic_bool stop;
    unsigned count;
    uint8_t registers[SNAPSHOTS_MAX][REGISTERS_SIZE];
};
static struct intruder intruder;

static void *intrude(void *context) {
    (void)context;
    while (!atomic_load(&intruder.stop) && intruder.count < SNAPSHOTS_MAX) {
        struct debug_port *port = NULL;
        struct error error;
        char endpoint[128];
        (void)snprintf(endpoint, sizeof(endpoint), "unix:%s/debug", unit.board.directory);
        if (debug_port_open(&port, endpoint, DEBUG_MS, &error) != 0)
            continue;
        uint8_t *out = intruder.registers[intruder.count];
        struct writer writer;
        bool complete = true;
        writer_init(&writer, out, sizeof(intruder.registers[0]));
        for (unsigned i = 0; i < CORE_REGISTERS && complete; i++) {
            uint32_t value = 0;
            complete = debug_port_read_register(port, i, &value, &error) == 0;
            write_u32le(&writer, value);
        }
        intruder.count += complete;
        (void)debug_port_detach(port, &error);
        debug_port_close(port);
        (void)usleep(2000);
    }
    return NULL;
}

static void intrude_after_keys(void *context, enum programmer_step done) {
    (void)context;
    if (done == STEP_KEYS)
        assert_int_equal(pthread_create(&intruder.thread, NULL, intrude, NULL), 0);
}

static void no_key_in_registers(void **state) {
    (void)state;
    load(attach());
    unit.programmer.on_step = intrude_after_keys;
    enum status status = provision();
    unit.programmer.on_step = NULL;
    atomic_store(&intruder.stop, true);
    (void)pthread_join(intruder.thread, NULL);
    assert_int_equal(status, STATUS_OK);
    print_message("%u looks at the registers\n", intruder.count);
    assert_true(intruder.count >= 2); /* the native board is done in no time */
    const struct dump all = {"in the registers", intruder.registers[0],
                             intruder.count * sizeof(intruder.registers[0])};
    for (unsigned role = 0; role < KEY_ROLES; role++) {
        uint8_t private_key[KEY_SIZE];
        uint8_t public_key[64];
        assert_true(board_unit_key(&unit, role, private_key, public_key));
        check_no_scalar(&all, private_key);
    }
}

static int make(void **state) {
    (void)state;
    board_unit_make(&unit, ATTACK_BOARD_KIND);
    return 0;
}

static int clean_up(void **state) {
    (void)state;
    board_unit_remove(&unit);
    while (dump_count > 0)
        free(dumps[--dump_count].data);
    return 0;
}

static int prepare(void **state) {
    (void)state;
    testing_firmware_start(); /* crypto, too */
    board_unit_prepare(&unit, ATTACK_BOARD_KIND);
    return 0;
}

static int finish(void **state) {
    (void)state;
    buffer_free(&unit.image);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_key_in_any_dump, make, clean_up),
        cmocka_unit_test_setup_teardown(no_key_of_the_application, make, clean_up),
        cmocka_unit_test_setup_teardown(hidden_memory_is_refused, make, clean_up),
        cmocka_unit_test_setup_teardown(no_keys_while_attached, make, clean_up),
        cmocka_unit_test_setup_teardown(no_key_in_registers, make, clean_up),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}
