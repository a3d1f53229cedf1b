/* boot_rom's own loop, with the programmer living in the chip's idle time. */
#include "boot_rom/boot_rom_stage.h"

#include "devauth/otp_map.h"
#include "devauth/testing/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;
static struct hal hal;
static jmp_buf out_of_the_loop;

/* What the programmer does next; the last one leaves. */
typedef void script_function(void);
static script_function *script;
static enum status connect_result;

static void wait(void) {
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

static void run(void) {
    bench_plug_in(&bench);
    assert_int_equal(bench_start_connect(&bench, BENCH_READ_ONLY), STATUS_OK);
    if (setjmp(out_of_the_loop) == 0) {
        boot_rom_stage_run(&hal);
    }
}

static int make(void **state) {
    (void)state;
    bench_make(&bench);
    hal = ram_chip_hal;
    hal.wait = wait;
    return 0;
}

static uint8_t request[16];

static void vendor(const uint8_t *payload, size_t size) {
    memcpy(request, payload, size);
    assert_int_equal(spdm_requester_vendor(&bench.requester, bytes_of(request, size)), STATUS_OK);
}

static void ask_info(void) {
    static const uint8_t payload[] = {1, DEVAUTH_DEVICE_INFO};
    connect_result = bench_result(&bench);
    script = leave;
    vendor(payload, sizeof payload);
}

static void blank_chip_says_what_it_is(void **state) {
    struct devauth_device_info info;
    (void)state;
    script = ask_info;
    run();
    assert_int_equal(connect_result, STATUS_OK);
    assert_int_equal(bench_result(&bench), STATUS_OK);
    assert_int_equal(devauth_read_device_info(spdm_requester_result(&bench.requester), &info),
                     STATUS_OK);
    assert_int_equal(info.stage, DEVAUTH_STAGE_BOOT_ROM);
    assert_int_equal(info.life_cycle, HAL_LIFE_BLANK);
    assert_memory_equal(info.uid, ram_chip.uid, sizeof info.uid);
    assert_string_equal(info.family, "RAM-CHIP");
}

static void provisioned_chip_waits_as_well(void **state) {
    struct devauth_device_info info;
    (void)state;
    memcpy(ram_chip.otp[OTP_IDENTITY_VALID], otp_valid, OTP_ENTRY_SIZE);
    memcpy(ram_chip.otp[OTP_LIFE_PROVISIONED], otp_valid, OTP_ENTRY_SIZE);
    script = ask_info;
    run();
    assert_int_equal(devauth_read_device_info(spdm_requester_result(&bench.requester), &info),
                     STATUS_OK);
    assert_int_equal(info.life_cycle, HAL_LIFE_PROVISIONED);
    assert_int_equal(info.flags, DEVAUTH_FLAG_ROOT_HASH);
}

static unsigned command;

/* What a chip without a BL2 of its own says to each command. */
static enum status expected(unsigned asked) {
    switch (asked) {
    case DEVAUTH_REBOOT:
    case DEVAUTH_INSTALL_BEGIN:
    case DEVAUTH_INSTALL_FINISH: return STATUS_DENIED;
    default: return STATUS_UNSUPPORTED;
    }
}

static bool is_answered(unsigned asked) {
    return asked == DEVAUTH_DEVICE_INFO || asked == DEVAUTH_LINK_PAYLOAD ||
           asked == DEVAUTH_BOOT_STATE;
}

static void ask_everything_else(void) {
    uint8_t payload[] = {1, 0};
    if (command > 0) {
        assert_int_equal(bench_result(&bench), expected(command));
    }
    do {
        command++;
    } while (is_answered(command));
    if (command > 20) {
        script = leave;
        leave();
    }
    payload[1] = (uint8_t)command;
    vendor(payload, sizeof payload);
}

static void it_does_nothing_else(void **state) {
    (void)state;
    command = 0;
    script = ask_everything_else;
    run();
    assert_int_equal(command, 21);
}

/* No certificate, so no chain, challenge, measurement or session. */
static void ask_chain(void) {
    script = leave;
    assert_int_equal(spdm_requester_get_chain(&bench.requester, 0), STATUS_UNSUPPORTED);
    leave();
}

static void it_has_no_identity(void **state) {
    (void)state;
    script = ask_chain;
    run();
    assert_false(bench_is_running(&bench));
}

static void a_chip_without_entropy_stays_silent(void **state) {
    (void)state;
    ram_chip.entropy_is_dead = true;
    script = leave;
    run();
    assert_int_equal(ram_chip.tx_size, 0);
    assert_int_not_equal(bench_result(&bench), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blank_chip_says_what_it_is, make),
        cmocka_unit_test_setup(provisioned_chip_waits_as_well, make),
        cmocka_unit_test_setup(it_does_nothing_else, make),
        cmocka_unit_test_setup(it_has_no_identity, make),
        cmocka_unit_test_setup(a_chip_without_entropy_stays_silent, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
