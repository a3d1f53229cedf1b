/* The stage's own loop: the mailbox, noise on the line, and a session through it all. */
#include "devauth/devauth_stage.h"

#include "devauth/testing/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;
static struct hal hal;
static jmp_buf out_of_the_loop;
static uint8_t block[2048];
static struct devauth_mailbox mailbox;
static unsigned published;
static unsigned waits;

/* What the programmer does when its operation is over. */
typedef void script_function(void);
static script_function *script;

static void publish(const uint8_t encoded[DEVAUTH_MAILBOX_SIZE]) {
    published++;
    assert_int_equal(devauth_mailbox_parse(encoded, &mailbox), STATUS_OK);
}

static void wait(void) {
    waits++;
    if (spdm_requester_state(&bench.requester) == SPDM_REQUESTER_WAIT) {
        bench_take(&bench);
    }
    if (!bench_is_running(&bench)) {
        script();
    }
    if (spdm_requester_state(&bench.requester) == SPDM_REQUESTER_SEND) {
        bench_put(&bench);
    }
}

static void leave(void) {
    longjmp(out_of_the_loop, 1);
}

static int make(void **state) {
    struct writer writer;
    (void)state;
    bench_make(&bench);
    hal = ram_chip_hal;
    hal.wait = wait;
    published = 0;
    waits = 0;
    memset(block, 0, sizeof block);
    writer_init(&writer, block, sizeof block);
    const struct devauth_parameters parameters = {
        .root = test_identity_certificate(&bench.pki.root),
        .requester = test_identity_certificate(&bench.pki.programmer)};
    devauth_parameters_write(&writer, &parameters);
    return writer_check(&writer) == STATUS_OK ? 0 : -1;
}

static void run(void) {
    bench_plug_in(&bench);
    if (setjmp(out_of_the_loop) == 0) {
        devauth_stage_run(&hal, bytes_of(block, sizeof block), bytes_of("image", 5), publish);
    }
}

static void open_session(void) {
    script = leave;
    assert_int_equal(bench_result(&bench), STATUS_OK);
    assert_int_equal(spdm_requester_open_session(&bench.requester), STATUS_OK);
}

static void get_chain(void) {
    script = open_session;
    assert_int_equal(bench_result(&bench), STATUS_OK);
    assert_int_equal(spdm_requester_get_chain(&bench.requester, 0), STATUS_OK);
}

/* The mailbox is out before the first wait, and its key is the one slot 0 proves. */
static void connect(void) {
    assert_int_equal(published, 1);
    assert_int_equal(mailbox.state, DEVAUTH_MAILBOX_READY);
    memcpy(bench.key_hash, mailbox.key_hash, 32);
    script = get_chain;
    assert_int_equal(bench_start_connect(&bench, BENCH_PRIVILEGED), STATUS_OK);
}

static void ready_and_answering(void **state) {
    (void)state;
    script = connect;
    run();
    assert_int_equal(mailbox.status, STATUS_OK);
    assert_int_equal(bench_result(&bench), STATUS_OK);
    assert_int_equal(spdm_requester_privilege(&bench.requester), SPDM_PRIVILEGE_PRIVILEGED);
}

static void wrong_mailbox_key_is_noticed(void) {
    script = leave;
    assert_int_not_equal(bench_result(&bench), STATUS_OK);
    leave();
}

static void get_chain_of_another(void) {
    script = wrong_mailbox_key_is_noticed;
    assert_int_equal(spdm_requester_get_chain(&bench.requester, 0), STATUS_OK);
}

static void connect_to_an_impostor(void) {
    connect();
    bench.key_hash[0] ^= 1;
    spdm_requester_expect_key(&bench.requester, bench.key_hash);
    script = get_chain_of_another;
}

static void the_mailbox_key_is_required(void **state) {
    (void)state;
    script = connect_to_an_impostor;
    run();
    assert_int_not_equal(bench_result(&bench), STATUS_OK);
}

/* Everything a broken cable can make, then a good request. */
static void noise_then_connect(void) {
    uint32_t noise = 12345;
    for (size_t i = 0; i < 8000; i++) {
        noise = noise * 1103515245u + 12345u;
        ram_chip.rx[i] = i % 97 == 0 ? 0x7E : (uint8_t)(noise >> 16);
    }
    ram_chip.rx_size = 8000;
    connect();
}

static void noise_is_dropped(void **state) {
    (void)state;
    script = noise_then_connect;
    run();
    assert_int_equal(bench_result(&bench), STATUS_OK);
}

static void a_bad_start_is_reported_and_stays_silent(void **state) {
    (void)state;
    block[0] ^= 1;
    script = leave;
    run();
    assert_int_equal(published, 1);
    assert_int_equal(mailbox.state, DEVAUTH_MAILBOX_FAILED);
    assert_int_equal(mailbox.status, STATUS_INVALID);
    assert_int_equal(ram_chip.tx_size, 0);
}

static void no_entropy_is_reported(void **state) {
    (void)state;
    ram_chip.entropy_is_dead = true;
    script = leave;
    run();
    assert_int_equal(mailbox.state, DEVAUTH_MAILBOX_FAILED);
    assert_int_equal(mailbox.status, STATUS_NO_ENTROPY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ready_and_answering, make),
        cmocka_unit_test_setup(the_mailbox_key_is_required, make),
        cmocka_unit_test_setup(noise_is_dropped, make),
        cmocka_unit_test_setup(a_bad_start_is_reported_and_stays_silent, make),
        cmocka_unit_test_setup(no_entropy_is_reported, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
