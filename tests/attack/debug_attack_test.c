/*
 * A man in the middle on the debug cable while DevAuth is loaded into a blank chip. Whatever he
 * changes, the run is refused, or it ends with a certificate for the chip's own key and the right
 * root; and without him the same chip is finished.
 */
#include "attack/board_unit.h"
#include "attack/debug_proxy.h"
#include "attack/relay.h"
#include "board/board_file.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define READY_MS      30000
#define READY_SOON_MS 2000 /* for a chip that will not start */
#define PC            15
#define SP            13

static struct board_unit unit;
static unsigned requests; /* of a load that nobody attacks */

/* Offsets of what is attacked. */
#define IMAGE      BOARD_DEVAUTH_ADDRESS
#define PARAMETERS BOARD_PARAMETERS_ADDRESS
#define MAILBOX    BOARD_MAILBOX_ADDRESS

static uint32_t root_at(uint32_t offset) {
    return PARAMETERS + DEVAUTH_PARAMETERS_HEADER + offset;
}

static uint32_t requester_at(uint32_t offset) {
    return root_at((uint32_t)unit.pki.root.certificate_size + offset);
}

static int load_through(struct debug_filter *filter, const struct debug_attack *attack,
                        struct error *error) {
    struct relay *relay = test_malloc(sizeof(*relay));
    char listen_path[96];
    char endpoint[128];

    (void)snprintf(listen_path, sizeof(listen_path), "%s", board_unit_path(&unit, "middle"));
    (void)snprintf(endpoint, sizeof(endpoint), "unix:%s", listen_path);
    debug_filter_init(filter, attack);
    assert_int_equal(
        relay_start(relay, listen_path, board_unit_path(&unit, "debug"), relay_debug, filter), 0);
    int failed = board_unit_load(&unit, endpoint, READY_SOON_MS, error);
    relay_stop(relay);
    test_free(relay);
    return failed;
}

static enum status provision(void) {
    char path[96];

    (void)snprintf(path, sizeof(path), "%s", board_unit_path(&unit, "uart"));
    return board_unit_provision(&unit, path);
}

static void check_chip(void) {
    uint8_t private_key[32];
    uint8_t public_key[64];

    if (!board_unit_is_provisioned(&unit))
        return;
    assert_true(board_unit_has_our_root(&unit));
    assert_true(unit.programmer.issued.exists);
    assert_true(board_unit_key(&unit, 0, private_key, public_key));
    assert_memory_equal(unit.programmer.issued.auth_key, public_key, sizeof(public_key));
}

/* The chip is not harmed: the same one goes through when nobody is in the middle. */
static void check_retry(void) {
    char endpoint[128];
    struct error error;

    if (board_unit_is_provisioned(&unit))
        return;
    (void)snprintf(endpoint, sizeof(endpoint), "%s", testing_board_endpoint(&unit.board, "debug"));
    if (board_unit_load(&unit, endpoint, READY_MS, &error) != 0)
        fail_msg("retry: %s", error.message);
    assert_int_equal(provision(), STATUS_OK);
    assert_true(board_unit_is_provisioned(&unit));
    check_chip();
}

enum expected {
    NOT_LOADED,   /* the programmer notices before DevAuth is trusted */
    NO_SESSION,   /* DevAuth or the programmer refuses the other's chain */
    ANY_GOOD_END, /* refused or right */
};

static void run_case(const struct debug_attack *attack, enum expected expected) {
    struct debug_filter *filter = test_malloc(sizeof(*filter));
    struct error error;

    error_clear(&error);
    board_unit_make(&unit, BOARD_NATIVE);
    unit.programmer.issued.exists = false;
    int failed = load_through(filter, attack, &error);
    assert_true(filter->changed > 0);
    test_free(filter);
    if (failed != 0)
        assert_int_not_equal(error.message[0], '\0');
    enum status status = failed == 0 ? provision() : STATUS_CLOSED;
    print_message("%s at 0x%08x/%u: %s%s\n", debug_attack_name(attack->kind), attack->address,
                  attack->packet, failed != 0 ? error.message : status_name(status),
                  failed == 0 && status != STATUS_OK ? " in the session" : "");
    if (expected == NOT_LOADED)
        assert_int_not_equal(failed, 0);
    if (expected == NO_SESSION) {
        assert_int_equal(failed, 0);
        assert_int_not_equal(status, STATUS_OK);
        assert_int_equal(unit.programmer.step, STEP_SESSION);
        assert_false(board_unit_is_provisioned(&unit));
    }
    check_chip();
    check_retry();
    board_unit_remove(&unit);
}

static void image(void **state) {
    static const enum debug_attack_kind kinds[] = {DEBUG_ALTER_WRITE, DEBUG_ALTER_READ, DEBUG_SWAP,
                                                   DEBUG_DROP};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct debug_attack attack = {kinds[i], IMAGE + 70, 0x01, 0};
        run_case(&attack, NOT_LOADED);
    }
    /* Other code than the programmer's runs, or none: the chip is the attacker's for this run. */
    const struct debug_attack lie = {DEBUG_ALTER_AND_LIE, IMAGE + 70, 0x01, 0};
    run_case(&lie, ANY_GOOD_END);
    const struct debug_attack drop = {DEBUG_DROP_AND_LIE, IMAGE, 0x01, 0};
    run_case(&drop, ANY_GOOD_END);
}

static void parameters_read_back(void **state) {
    static const enum debug_attack_kind kinds[] = {DEBUG_ALTER_WRITE, DEBUG_ALTER_READ, DEBUG_SWAP,
                                                   DEBUG_DROP};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct debug_attack root = {kinds[i], root_at(100), 0x40, 0};
        run_case(&root, NOT_LOADED);
    }
}

/* The chip is started with another root or for another programmer, and the lie hides it: then it
 * does not believe the real programmer. */
static void another_root(void **state) {
    const struct debug_attack attack = {DEBUG_ALTER_AND_LIE, root_at(200), 0x01, 0};

    (void)state;
    run_case(&attack, NO_SESSION);
}

static void another_programmer(void **state) {
    const struct debug_attack attack = {DEBUG_ALTER_AND_LIE, requester_at(200), 0x01, 0};

    (void)state;
    run_case(&attack, NO_SESSION);
}

static void broken_parameters(void **state) {
    const struct debug_attack magic = {DEBUG_ALTER_AND_LIE, PARAMETERS, 0xFF, 0};
    const struct debug_attack size = {DEBUG_ALTER_AND_LIE, PARAMETERS + 10, 0x7F, 0};

    (void)state;
    run_case(&magic, NOT_LOADED);
    run_case(&size, NOT_LOADED);
}

/* The key hash in the mailbox is what the session must show. */
static void another_key_hash(void **state) {
    const struct debug_attack attack = {DEBUG_ALTER_READ, MAILBOX + 12, 0x01, 0};

    (void)state;
    run_case(&attack, NOT_LOADED); /* already when the cleared mailbox is read back */
}

static void forged_mailbox(void **state) {
    const struct debug_attack magic = {DEBUG_ALTER_AND_LIE, MAILBOX, 0x01, 0};
    const struct debug_attack hash = {DEBUG_ALTER_AND_LIE, MAILBOX + 20, 0x80, 0};

    (void)state;
    run_case(&magic, NOT_LOADED);
    run_case(&hash, NO_SESSION);
}

static void start_elsewhere(void **state) {
    const struct debug_attack pc = {DEBUG_ALTER_REGISTER, PC, 0x10, 0};
    const struct debug_attack sp = {DEBUG_ALTER_REGISTER, SP, 0x10, 0};

    (void)state;
    run_case(&pc, NOT_LOADED);
    run_case(&sp, NOT_LOADED);
}

/* The cable is cut, disturbed, or answers an error at every request of a load. */
static void every_request(void **state) {
    static const enum debug_attack_kind kinds[] = {DEBUG_CLOSE, DEBUG_REFUSE, DEBUG_GARBAGE};

    (void)state;
    for (unsigned packet = 1; packet <= requests; packet++) {
        const struct debug_attack attack = {kinds[packet % 3], 0, 0, packet};
        run_case(&attack, ANY_GOOD_END);
    }
}

/* Without attack: how many requests there are. */
static int prepare(void **state) {
    const struct debug_attack none = {DEBUG_PASS, 0, 0, 0};
    struct debug_filter *filter = test_malloc(sizeof(*filter));
    struct error error;

    (void)state;
    assert_int_equal(crypto_init(NULL, NULL), STATUS_OK);
    board_unit_prepare(&unit, BOARD_NATIVE);
    board_unit_make(&unit, BOARD_NATIVE);
    if (load_through(filter, &none, &error) != 0)
        fail_msg("%s", error.message);
    requests = filter->requests;
    test_free(filter);
    assert_int_equal(provision(), STATUS_OK);
    assert_true(board_unit_is_provisioned(&unit));
    check_chip();
    board_unit_remove(&unit);
    print_message("%u requests\n", requests);
    return requests > 10 ? 0 : -1;
}

static int clean_up(void **state) {
    (void)state;
    board_unit_remove(&unit);
    return 0;
}

static int finish(void **state) {
    (void)state;
    buffer_free(&unit.image);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(image, clean_up),
        cmocka_unit_test_teardown(parameters_read_back, clean_up),
        cmocka_unit_test_teardown(another_root, clean_up),
        cmocka_unit_test_teardown(another_programmer, clean_up),
        cmocka_unit_test_teardown(broken_parameters, clean_up),
        cmocka_unit_test_teardown(another_key_hash, clean_up),
        cmocka_unit_test_teardown(forged_mailbox, clean_up),
        cmocka_unit_test_teardown(start_elsewhere, clean_up),
        cmocka_unit_test_teardown(every_request, clean_up),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}
