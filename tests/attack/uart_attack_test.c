/*
 * A man in the middle on the UART attacks every message of the identity flow, one run per message
 * and kind of attack, against DevAuth on a chip in memory. Whatever he does, the run fails, or the
 * chip has a certificate for its own key and the right root; and the next run without him succeeds.
 *
 * NUSEC_ATTACK_STRIDE=n runs every n-th message of each kind only (sanitizers are slow).
 */
#include "attack/programmer.h"
#include "attack/uart_proxy.h"
#include "devauth/otp_map.h"
#include "devauth/testing/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUR_CHIP   0x10
#define OTHER_CHIP 0x80
#define STREAM_MAX (2 * RAM_CHIP_LINK_SIZE)

/* The chip, the man in the middle, the programmer. */
static struct bench bench;
static struct uart_proxy proxy;
static struct programmer programmer;

static struct uart_recording ours;  /* an undisturbed run of this chip */
static struct uart_recording other; /* of another chip, of another OEM */

/* What the programmer has not read yet. */
static uint8_t pending[STREAM_MAX];
static size_t pending_size;
static size_t pending_taken;

static void wire_send(void *context, struct bytes bytes) {
    struct writer out;

    (void)context;
    writer_init(&out, ram_chip.rx, sizeof(ram_chip.rx));
    out.size = ram_chip.rx_size;
    uart_proxy_feed(&proxy, UART_TO_DEVICE, bytes, &out);
    assert_int_equal(writer_check(&out), STATUS_OK);
    ram_chip.rx_size = out.size;
}

/* The chip works until it has nothing more to do: what is not there then never comes. */
static void let_chip_work(void) {
    struct writer out;

    while (device_link_poll(&bench.link) == DEVICE_LINK_ACTIVE)
        ;
    writer_init(&out, pending, sizeof(pending));
    uart_proxy_feed(&proxy, UART_TO_PROGRAMMER, bytes_of(ram_chip.tx, ram_chip.tx_size), &out);
    assert_int_equal(writer_check(&out), STATUS_OK);
    ram_chip.tx_size = 0;
    pending_size = out.size;
    pending_taken = 0;
}

static size_t wire_receive(void *context, uint8_t *out, size_t capacity) {
    (void)context;
    if (pending_taken == pending_size)
        let_chip_work();
    size_t left = pending_size - pending_taken;
    size_t size = left < capacity ? left : capacity;
    memcpy(out, &pending[pending_taken], size);
    pending_taken += size;
    return size;
}

static const struct wire wire = {NULL, wire_send, wire_receive};

/* However it came to the request: the certificate is for the key that is in the chip. */
static void check_issued(void *context, enum programmer_step done) {
    (void)context;
    if (done == STEP_CSR)
        assert_memory_equal(programmer.issued.auth_key, ram_chip.public_key[HAL_KEY_AUTH], 64);
}

static void power_on(void) {
    pending_size = 0;
    pending_taken = 0;
    assert_int_equal(bench_boot(&bench), STATUS_OK);
}

static enum status provision(void) {
    programmer_init(&programmer, &bench.pki, &wire);
    programmer.on_step = check_issued;
    return programmer_provision(&programmer, ram_chip.uid, bench.key_hash);
}

static bool is_provisioned(void) {
    return ram_chip_hal.life_cycle() == HAL_LIFE_PROVISIONED;
}

/* What must hold after any run, good or bad. */
static void check_chip(void) {
    uint8_t hash[32];

    assert_int_equal(ram_chip.violations, 0);
    if (!is_provisioned()) {
        assert_int_equal(ram_chip_hal.life_cycle(), HAL_LIFE_BLANK);
        return;
    }
    crypto_sha256(test_identity_certificate(&bench.pki.root), hash);
    assert_memory_equal(ram_chip.otp[OTP_ROOT_HASH], hash, sizeof(hash));
    crypto_sha256(bytes_of(bench.pki.command_authority.public_key, 64), hash);
    assert_memory_equal(ram_chip.otp[OTP_COMMAND_KEY_A_HASH], hash, sizeof(hash));
    assert_true(programmer.issued.exists);
    assert_memory_equal(programmer.issued.auth_key, ram_chip.public_key[HAL_KEY_AUTH], 64);
}

/* Without the man in the middle the unit is finished, or shows that it is. */
static void check_retry(void) {
    const struct uart_attack none = {.kind = UART_PASS};

    uart_proxy_init(&proxy, &none);
    power_on();
    if (is_provisioned())
        assert_int_equal(programmer_confirm(&programmer), STATUS_OK);
    else
        assert_int_equal(provision(), STATUS_OK);
    assert_true(is_provisioned());
    check_chip();
}

static bool is_authentic(uint8_t type, uint8_t code) {
    switch (code) {
    case SPDM_GET_VERSION:
    case SPDM_VERSION:
    case SPDM_GET_CAPABILITIES:
    case SPDM_CAPABILITIES:
    case SPDM_NEGOTIATE_ALGORITHMS:
    case SPDM_ALGORITHMS:
    case SPDM_KEY_EXCHANGE:
    case SPDM_KEY_EXCHANGE_RSP: return true;
    default: return type == SPDM_TYPE_SECURED;
    }
}

/* True if the programmer must not have got to the end: an authentic message did not arrive as it
 * was sent, or did not arrive at all. */
static bool must_fail(enum uart_attack_kind kind) {
    switch (kind) {
    case UART_NOISE:
    case UART_OVERSIZED:
    case UART_OUT_OF_ORDER:
    case UART_DUPLICATE: return false;
    case UART_DROP:
    case UART_DELAY: return true;
    default: return is_authentic(proxy.attacked_type, proxy.attacked_code);
    }
}

static void run_case(const struct uart_attack *attack, unsigned *refused) {
    ram_chip_make(OUR_CHIP);
    uart_proxy_init(&proxy, attack);
    power_on();
    enum status status = provision();
    assert_true(proxy.acted > 0);
    check_chip();
    if (status == STATUS_OK) {
        assert_true(is_provisioned());
        assert_int_equal(programmer.step, STEP_DONE);
    }
    if (proxy.changed == 0)
        assert_int_equal(status, STATUS_OK); /* the recorded message was the same */
    else if (must_fail(attack->kind))
        assert_int_not_equal(status, STATUS_OK);
    if (attack->kind == UART_DELAY && !is_provisioned()) {
        status = provision(); /* and now what was held back comes out of order */
        check_chip();
    }
    *refused += status != STATUS_OK;
    check_retry();
}

static unsigned stride(void) {
    const char *text = getenv("NUSEC_ATTACK_STRIDE");
    unsigned long value = text == NULL ? 1 : strtoul(text, NULL, 10);

    return value == 0 ? 1 : (unsigned)value;
}

static void attack_all(enum uart_attack_kind kind, const struct uart_recording *recording) {
    unsigned runs = 0;
    unsigned refused = 0;

    for (unsigned direction = 0; direction < UART_DIRECTIONS; direction++) {
        unsigned step = stride();
        for (unsigned n = 1 + (unsigned)kind % step; n <= ours.count[direction]; n += step) {
            const struct uart_attack attack = {kind, (enum uart_direction)direction, n, recording};
            print_message("%s message %u to %s\n", uart_attack_name(kind), n,
                          direction == UART_TO_DEVICE ? "device" : "programmer");
            run_case(&attack, &refused);
            runs++;
        }
    }
    print_message("%s: %u runs, %u refused\n", uart_attack_name(kind), runs, refused);
    assert_true(runs > 0);
}

static void every_message(void **state) {
    attack_all(*(const enum uart_attack_kind *)*state, NULL);
}

static void every_message_from_an_earlier_run(void **state) {
    attack_all(*(const enum uart_attack_kind *)*state, &ours);
}

static void every_message_from_another_chip(void **state) {
    attack_all(*(const enum uart_attack_kind *)*state, &other);
}

static void record(uint8_t chip, struct uart_recording *recording) {
    const struct uart_attack none = {.kind = UART_PASS};

    ram_chip_make(chip);
    uart_proxy_init(&proxy, &none);
    proxy.record = recording;
    power_on();
    assert_int_equal(provision(), STATUS_OK);
    check_chip();
}

/* The runs without attack: how many messages there are, and what will be replayed. */
static int record_both(void **state) {
    (void)state;
    bench_make(&bench);
    record(OTHER_CHIP, &other);
    bench_make(&bench);
    record(OUR_CHIP, &ours);
    print_message("%u messages to the device, %u to the programmer\n", ours.count[UART_TO_DEVICE],
                  ours.count[UART_TO_PROGRAMMER]);
    return ours.count[UART_TO_DEVICE] > 20 &&
                   ours.count[UART_TO_DEVICE] == ours.count[UART_TO_PROGRAMMER]
               ? 0
               : -1;
}

int main(void) {
    static enum uart_attack_kind kinds[UART_ATTACK_KINDS];
    struct CMUnitTest tests[UART_ATTACK_KINDS + 2];
    size_t count = 0;

    for (unsigned i = 0; i < UART_ATTACK_KINDS; i++)
        kinds[i] = (enum uart_attack_kind)i;
    for (unsigned i = UART_PASS + 1; i < UART_ATTACK_KINDS; i++) {
        bool replays = i == UART_REPLAY || i == UART_TAKE_OVER;
        tests[count++] = (struct CMUnitTest){
            .name = uart_attack_name(kinds[i]),
            .test_func = replays ? every_message_from_an_earlier_run : every_message,
            .initial_state = &kinds[i]};
        if (replays)
            tests[count++] = (struct CMUnitTest){
                .name = i == UART_REPLAY ? "other chip's message" : "take-over by another chip",
                .test_func = every_message_from_another_chip,
                .initial_state = &kinds[i]};
    }
    return _cmocka_run_group_tests("uart attacks", tests, count, record_both, NULL);
}
