/* Both directions of every vendor command; the payload bytes are those of docs/formats/devauth.md.
 */
#include "devauth/devauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buffer[512];
static struct writer writer;

static int start(void **state) {
    (void)state;
    writer_init(&writer, buffer, sizeof buffer);
    return 0;
}

static void assert_payload(const char *bytes, size_t size) {
    assert_int_equal(writer.size, size);
    assert_memory_equal(buffer, bytes, size);
    writer.size = 0;
}
#define ASSERT_PAYLOAD(text) assert_payload(text, sizeof(text) - 1)
#define ZEROS_14             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void requests_as_published(void **state) {
    (void)state;
    devauth_request_simple(&writer, DEVAUTH_DEVICE_INFO);
    ASSERT_PAYLOAD("\x01\x01");
    devauth_request_simple(&writer, DEVAUTH_GENERATE_KEYS);
    ASSERT_PAYLOAD("\x01\x02");
    devauth_request_simple(&writer, DEVAUTH_PUBLIC_KEYS);
    ASSERT_PAYLOAD("\x01\x03");
    devauth_request_permit_nonce(&writer, 1);
    ASSERT_PAYLOAD("\x01\x04\x01");
    devauth_request_permit_execute(&writer, bytes_of("\xd2\x84", 2));
    ASSERT_PAYLOAD("\x01\x05\xd2\x84");
    devauth_request_otp_read(&writer, 0, 4);
    ASSERT_PAYLOAD("\x01\x06\x00\x04");
    devauth_request_simple(&writer, DEVAUTH_REBOOT);
    ASSERT_PAYLOAD("\x01\x07");
    devauth_request_link_payload(&writer, 247);
    ASSERT_PAYLOAD("\x01\x08\xf7\x00");
}

static const struct devauth_device_info INFO = {
    .uid = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D,
            0x1E, 0x1F},
    .family = "AN505-M23",
    .stage = DEVAUTH_STAGE_DEVAUTH,
    .life_cycle = 1,
    .flags = DEVAUTH_FLAG_ROOT_HASH | DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN,
    .version = 0x00010203,
    .link_payload_max = 247,
};

static void device_info_as_published(void **state) {
    struct devauth_device_info info;
    (void)state;
    devauth_write_device_info(&writer, &INFO);
    assert_int_equal(devauth_read_device_info(writer_bytes(&writer), &info), STATUS_OK);
    assert_memory_equal(&info, &INFO, sizeof info);
    ASSERT_PAYLOAD("\x01\x01"
                   "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
                   "AN505-M23\0\0\0\0\0\0\0"
                   "\x02\x01\x1c\x00\x03\x02\x01\x00\xf7\x00");
}

static void answers_are_read_back(void **state) {
    struct devauth_public_keys keys = {.auth = {1}, .enc = {2}, .tls = {3}};
    struct devauth_public_keys read_keys;
    struct devauth_permit_result result = {.command = 1, .life_cycle = 1};
    struct devauth_permit_result read_result;
    uint8_t nonce[32] = {7};
    uint8_t read_nonce[32];
    uint16_t payload = 0;
    struct bytes entries;
    (void)state;
    devauth_write_public_keys(&writer, DEVAUTH_GENERATE_KEYS, &keys);
    assert_int_equal(
        devauth_read_public_keys(writer_bytes(&writer), DEVAUTH_GENERATE_KEYS, &read_keys),
        STATUS_OK);
    assert_memory_equal(&keys, &read_keys, sizeof keys);
    assert_int_not_equal(
        devauth_read_public_keys(writer_bytes(&writer), DEVAUTH_PUBLIC_KEYS, &read_keys),
        STATUS_OK);
    writer.size = 0;
    devauth_write_permit_nonce(&writer, nonce);
    assert_int_equal(devauth_read_permit_nonce(writer_bytes(&writer), read_nonce), STATUS_OK);
    assert_memory_equal(nonce, read_nonce, sizeof nonce);
    writer.size = 0;
    devauth_write_permit_result(&writer, &result);
    assert_int_equal(devauth_read_permit_result(writer_bytes(&writer), &read_result), STATUS_OK);
    assert_memory_equal(&result, &read_result, sizeof result);
    writer.size = 0;
    devauth_write_otp_entries(&writer, bytes_of("0123456701234567", 16));
    assert_int_equal(devauth_read_otp_entries(writer_bytes(&writer), 2, &entries), STATUS_OK);
    assert_int_equal(entries.size, 16);
    assert_int_not_equal(devauth_read_otp_entries(writer_bytes(&writer), 1, &entries), STATUS_OK);
    assert_int_not_equal(devauth_read_otp_entries(writer_bytes(&writer), 3, &entries), STATUS_OK);
    writer.size = 0;
    devauth_write_link_payload(&writer, 128);
    assert_int_equal(devauth_read_link_payload(writer_bytes(&writer), &payload), STATUS_OK);
    assert_int_equal(payload, 128);
    writer.size = 0;
    devauth_write_reboot(&writer);
    assert_int_equal(devauth_read_reboot(writer_bytes(&writer)), STATUS_OK);
}

static void cut_longer_or_foreign_answers_are_refused(void **state) {
    struct devauth_device_info info;
    (void)state;
    devauth_write_device_info(&writer, &INFO);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_not_equal(devauth_read_device_info(bytes_of(buffer, cut), &info), STATUS_OK);
        assert_int_equal(info.stage, 0);
    }
    assert_int_equal(devauth_read_device_info(bytes_of(buffer, writer.size + 1), &info),
                     STATUS_INVALID);
    buffer[0] = 2;
    assert_int_not_equal(devauth_read_device_info(writer_bytes(&writer), &info), STATUS_OK);
    buffer[0] = 1;
    buffer[1] = DEVAUTH_REBOOT;
    assert_int_not_equal(devauth_read_device_info(writer_bytes(&writer), &info), STATUS_OK);
    buffer[1] = DEVAUTH_DEVICE_INFO;
    buffer[37] = 1; /* reserved */
    assert_int_equal(devauth_read_device_info(writer_bytes(&writer), &info), STATUS_INVALID);
}

static void requests_are_read_strictly(void **state) {
    struct devauth_request request;
    uint8_t first = 0;
    uint8_t count = 0;
    uint16_t payload = 0;
    (void)state;
    assert_int_equal(devauth_read_request(bytes_of("\x01\x06\x00\x04", 4), &request), STATUS_OK);
    assert_int_equal(request.command, DEVAUTH_OTP_READ);
    assert_int_equal(devauth_read_otp_body(request.body, &first, &count), STATUS_OK);
    assert_int_equal(count, 4);
    assert_int_equal(devauth_read_request(bytes_of("\x02\x06", 2), &request), STATUS_UNSUPPORTED);
    assert_int_equal(request.command, 0);
    assert_int_equal(devauth_read_request(bytes_of("\x01", 1), &request), STATUS_TRUNCATED);
    assert_int_equal(devauth_read_request(bytes_of(NULL, 0), &request), STATUS_TRUNCATED);
    assert_int_equal(devauth_read_otp_body(bytes_of("\x00\x00", 2), &first, &count),
                     STATUS_INVALID);
    assert_int_equal(devauth_read_otp_body(bytes_of("\x00\x41", 2), &first, &count),
                     STATUS_INVALID);
    assert_int_equal(devauth_read_otp_body(bytes_of("\xff\x02", 2), &first, &count),
                     STATUS_INVALID);
    assert_int_equal(devauth_read_otp_body(bytes_of("\x00\x01\x00", 3), &first, &count),
                     STATUS_INVALID);
    assert_int_equal(devauth_read_link_body(bytes_of("\x40", 1), &payload), STATUS_TRUNCATED);
    assert_int_equal(devauth_read_nonce_body(bytes_of(NULL, 0), &first), STATUS_TRUNCATED);
    assert_int_equal(devauth_read_empty_body(bytes_of("x", 1)), STATUS_INVALID);
}

static const struct devauth_install INSTALL = {
    .target = DEVAUTH_TARGET_BL3,
    .size = 0x00012345,
    .sha256 = {0xA0, 0xA1, 0xA2, [31] = 0xBF},
};
static const struct devauth_install_grant GRANT = {
    .transfer = 3,
    .block_size = 1024,
    .window = 4096,
    .offset = 0,
};
static const struct devauth_install_result RESULT = {
    .target = DEVAUTH_TARGET_BL2,
    .reason = 0x6A95C35A,
    .digest = {0xC0, [31] = 0xDF},
};
static const struct devauth_boot_state BOOT_STATE = {
    .stage = DEVAUTH_STAGE_BOOTLOADER,
    .boot_reason = 1,
    .swap = 2,
    .confirmed = 1,
    .bl2_counter = 5,
    .bl3_counter = 6,
    .bl2 = {0x6A95C35A, 1, 2, 3, 4, 5},
    .primary = {0x6A95C35A, 6, 7, 8, 9, 10},
    .secondary = {2, 0, 0, 0, 0, 0},
};
static const struct devauth_measured_versions VERSIONS = {
    .stage = DEVAUTH_STAGE_APPLICATION,
    .bl2 = {1, 2, 0x0304, 0x05060708, 9, 10},
    .bl3 = {0xF1, 0xF2, 0xF3F4, 0xF5F6F7F8, 0xF9, 0xFA},
};

static void installing_as_published(void **state) {
    struct devauth_request request;
    struct devauth_install install;
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    (void)state;
    devauth_request_install_begin(&writer, &INSTALL);
    assert_int_equal(devauth_read_request(writer_bytes(&writer), &request), STATUS_OK);
    assert_int_equal(request.command, DEVAUTH_INSTALL_BEGIN);
    assert_int_equal(devauth_read_install_body(request.body, &install), STATUS_OK);
    assert_int_equal(install.target, INSTALL.target);
    assert_int_equal(install.size, INSTALL.size);
    assert_memory_equal(install.sha256, INSTALL.sha256, sizeof install.sha256);
    ASSERT_PAYLOAD("\x01\x09\x02\x45\x23\x01\x00\xa0\xa1\xa2" ZEROS_14 ZEROS_14 "\xbf");
    devauth_write_install_grant(&writer, &GRANT);
    assert_int_equal(devauth_read_install_grant(writer_bytes(&writer), &grant), STATUS_OK);
    assert_int_equal(grant.transfer, 3);
    assert_int_equal(grant.block_size, 1024);
    assert_int_equal(grant.window, 4096);
    assert_int_equal(grant.offset, 0);
    ASSERT_PAYLOAD("\x01\x09\x03\x00\x04\x00\x10\x00\x00\x00\x00\x00\x00");
    devauth_request_simple(&writer, DEVAUTH_INSTALL_FINISH);
    ASSERT_PAYLOAD("\x01\x0a");
    devauth_write_install_result(&writer, &RESULT);
    assert_int_equal(devauth_read_install_result(writer_bytes(&writer), &result), STATUS_OK);
    assert_int_equal(result.target, RESULT.target);
    assert_int_equal(result.reason, RESULT.reason);
    assert_memory_equal(result.digest, RESULT.digest, sizeof result.digest);
    ASSERT_PAYLOAD("\x01\x0a\x01\x5a\xc3\x95\x6a\xc0" ZEROS_14 ZEROS_14 "\0\0\xdf");
}

static void bad_installing_is_refused(void **state) {
    struct devauth_install install;
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    (void)state;
    devauth_request_install_begin(&writer, &INSTALL);
    struct bytes body = bytes_of(buffer + 2, writer.size - 2);
    for (size_t cut = 0; cut < body.size; cut++) {
        assert_int_equal(devauth_read_install_body(bytes_of(body.data, cut), &install),
                         STATUS_TRUNCATED);
        assert_int_equal(install.target, 0);
    }
    assert_int_equal(devauth_read_install_body(bytes_of(body.data, body.size + 1), &install),
                     STATUS_INVALID);
    for (unsigned target = 0; target < 256; target++) {
        buffer[2] = (uint8_t)target;
        assert_int_equal(devauth_read_install_body(body, &install),
                         target == 1 || target == 2 ? STATUS_OK : STATUS_INVALID);
    }
    buffer[2] = DEVAUTH_TARGET_BL2;
    memset(buffer + 3, 0, 4); /* size 0 */
    assert_int_equal(devauth_read_install_body(body, &install), STATUS_INVALID);
    assert_int_equal(install.target, 0);
    writer.size = 0;
    devauth_write_install_grant(&writer, &GRANT);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_equal(devauth_read_install_grant(bytes_of(buffer, cut), &grant),
                         STATUS_TRUNCATED);
        assert_int_equal(grant.window, 0);
    }
    assert_int_equal(devauth_read_install_grant(bytes_of(buffer, writer.size + 1), &grant),
                     STATUS_INVALID);
    assert_int_not_equal(devauth_read_install_result(writer_bytes(&writer), &result), STATUS_OK);
    buffer[4] = 0; /* block size */
    assert_int_equal(devauth_read_install_grant(writer_bytes(&writer), &grant), STATUS_INVALID);
    buffer[4] = 4;
    buffer[6] = 0; /* window */
    assert_int_equal(devauth_read_install_grant(writer_bytes(&writer), &grant), STATUS_INVALID);
    writer.size = 0;
    devauth_write_install_result(&writer, &RESULT);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_equal(devauth_read_install_result(bytes_of(buffer, cut), &result),
                         STATUS_TRUNCATED);
        assert_int_equal(result.reason, 0);
    }
    assert_int_equal(devauth_read_install_result(bytes_of(buffer, writer.size + 1), &result),
                     STATUS_INVALID);
    buffer[2] = 3; /* target */
    assert_int_equal(devauth_read_install_result(writer_bytes(&writer), &result), STATUS_INVALID);
    assert_int_equal(result.reason, 0); /* an accepted image is not left behind */
}

static void boot_state_as_published(void **state) {
    struct devauth_boot_state boot;
    (void)state;
    devauth_request_simple(&writer, DEVAUTH_BOOT_STATE);
    ASSERT_PAYLOAD("\x01\x0b");
    devauth_write_boot_state(&writer, &BOOT_STATE);
    assert_int_equal(devauth_read_boot_state(writer_bytes(&writer), &boot), STATUS_OK);
    assert_memory_equal(&boot, &BOOT_STATE, sizeof boot);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_equal(devauth_read_boot_state(bytes_of(buffer, cut), &boot), STATUS_TRUNCATED);
        assert_int_equal(boot.stage, 0);
    }
    assert_int_equal(devauth_read_boot_state(bytes_of(buffer, writer.size + 1), &boot),
                     STATUS_INVALID);
    buffer[5] = 2; /* confirmed is 0 or 1 */
    assert_int_equal(devauth_read_boot_state(writer_bytes(&writer), &boot), STATUS_INVALID);
    assert_int_equal(boot.primary.reason, 0);
    buffer[5] = 1;
    ASSERT_PAYLOAD("\x01\x0b\x03\x01\x02\x01\x05\0\0\0\x06\0\0\0"
                   "\x5a\xc3\x95\x6a\x01\x02\x03\0\x04\0\0\0\x05\0\0\0"
                   "\x5a\xc3\x95\x6a\x06\x07\x08\0\x09\0\0\0\x0a\0\0\0"
                   "\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

static void an_answer_is_not_taken_for_another(void **state) {
    struct devauth_install_grant grant;
    struct devauth_install_result result;
    struct devauth_boot_state boot;
    struct bytes object_id;
    (void)state;
    devauth_write_install_grant(&writer, &GRANT);
    buffer[1] = DEVAUTH_INSTALL_FINISH;
    assert_int_not_equal(devauth_read_install_grant(writer_bytes(&writer), &grant), STATUS_OK);
    writer.size = 0;
    devauth_write_install_result(&writer, &RESULT);
    buffer[1] = DEVAUTH_INSTALL_BEGIN;
    assert_int_not_equal(devauth_read_install_result(writer_bytes(&writer), &result), STATUS_OK);
    writer.size = 0;
    devauth_write_boot_state(&writer, &BOOT_STATE);
    buffer[1] = DEVAUTH_DEVICE_INFO;
    assert_int_not_equal(devauth_read_boot_state(writer_bytes(&writer), &boot), STATUS_OK);
    buffer[1] = DEVAUTH_BOOT_STATE;
    buffer[0] = 2; /* another version of the payload */
    assert_int_not_equal(devauth_read_boot_state(writer_bytes(&writer), &boot), STATUS_OK);
    assert_int_equal(boot.stage, 0);
    writer.size = 0;
    devauth_write_object_id(&writer, bytes_of("x", 1));
    buffer[0] = 2;
    assert_int_not_equal(devauth_read_object_id(writer_bytes(&writer), &object_id), STATUS_OK);
}

static void object_id_as_published(void **state) {
    static const uint8_t id[DEVAUTH_OBJECT_ID_MAX + 1] = {1, 2, 3};
    struct bytes read_back;
    (void)state;
    devauth_request_simple(&writer, DEVAUTH_OBJECT_ID);
    ASSERT_PAYLOAD("\x01\x0c");
    for (size_t size = 0; size <= DEVAUTH_OBJECT_ID_MAX; size++) {
        writer.size = 0;
        devauth_write_object_id(&writer, bytes_of(id, size));
        assert_int_equal(writer.size, 2 + size);
        assert_int_equal(devauth_read_object_id(writer_bytes(&writer), &read_back), STATUS_OK);
        assert_true(bytes_equal(read_back, bytes_of(id, size)));
    }
    assert_int_equal(devauth_read_object_id(bytes_of(buffer, writer.size + 1), &read_back),
                     STATUS_INVALID);
    assert_int_equal(read_back.size, 0);
    assert_int_equal(devauth_read_object_id(bytes_of(buffer, 1), &read_back), STATUS_TRUNCATED);
    buffer[1] = DEVAUTH_BOOT_STATE;
    assert_int_not_equal(devauth_read_object_id(writer_bytes(&writer), &read_back), STATUS_OK);
    writer.size = 0;
    devauth_write_object_id(&writer, bytes_of(id, sizeof id));
    assert_int_equal(writer_check(&writer), STATUS_NO_SPACE);
}

static void reboot_modes_are_read_strictly(void **state) {
    enum devauth_reboot mode;
    (void)state;
    devauth_request_reboot(&writer, DEVAUTH_REBOOT_NORMAL);
    ASSERT_PAYLOAD("\x01\x07");
    devauth_request_reboot(&writer, DEVAUTH_REBOOT_STAY);
    ASSERT_PAYLOAD("\x01\x07\x01");
    assert_int_equal(devauth_read_reboot_body(bytes_of(NULL, 0), &mode), STATUS_OK);
    assert_int_equal(mode, DEVAUTH_REBOOT_NORMAL);
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x00", 1), &mode), STATUS_OK);
    assert_int_equal(mode, DEVAUTH_REBOOT_NORMAL);
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x01", 1), &mode), STATUS_OK);
    assert_int_equal(mode, DEVAUTH_REBOOT_STAY);
    for (unsigned value = 2; value < 256; value++) {
        uint8_t byte = (uint8_t)value;
        assert_int_equal(devauth_read_reboot_body(bytes_of(&byte, 1), &mode), STATUS_INVALID);
        assert_int_equal(mode, DEVAUTH_REBOOT_NORMAL);
    }
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x01\x00", 2), &mode), STATUS_INVALID);
    assert_int_equal(mode, DEVAUTH_REBOOT_NORMAL);
}

static void measured_values_as_published(void **state) {
    struct devauth_measured_keys keys;
    struct devauth_measured_keys read_keys;
    struct devauth_measured_versions versions;
    (void)state;
    memset(keys.enc_key_hash, 0xE1, sizeof keys.enc_key_hash);
    memset(keys.bl2_key_hash, 0xFF, sizeof keys.bl2_key_hash);
    memset(keys.bl3_key_hash, 0xE3, sizeof keys.bl3_key_hash);
    devauth_write_measured_keys(&writer, &keys);
    assert_int_equal(writer.size, DEVAUTH_MEASURED_KEYS_SIZE);
    assert_memory_equal(buffer, &keys, sizeof keys);
    assert_int_equal(devauth_read_measured_keys(writer_bytes(&writer), &read_keys), STATUS_OK);
    assert_memory_equal(&keys, &read_keys, sizeof keys);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_equal(devauth_read_measured_keys(bytes_of(buffer, cut), &read_keys),
                         STATUS_TRUNCATED);
        assert_int_equal(read_keys.enc_key_hash[0], 0);
    }
    assert_int_equal(devauth_read_measured_keys(bytes_of(buffer, writer.size + 1), &read_keys),
                     STATUS_INVALID);
    writer.size = 0;
    devauth_write_measured_versions(&writer, &VERSIONS);
    assert_int_equal(writer.size, DEVAUTH_MEASURED_VERSIONS_SIZE);
    assert_int_equal(devauth_read_measured_versions(writer_bytes(&writer), &versions), STATUS_OK);
    assert_memory_equal(&versions.bl2, &VERSIONS.bl2, sizeof versions.bl2);
    assert_memory_equal(&versions.bl3, &VERSIONS.bl3, sizeof versions.bl3);
    assert_int_equal(versions.stage, VERSIONS.stage);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_equal(devauth_read_measured_versions(bytes_of(buffer, cut), &versions),
                         STATUS_TRUNCATED);
        assert_int_equal(versions.bl2.major, 0);
    }
    assert_int_equal(devauth_read_measured_versions(bytes_of(buffer, writer.size + 1), &versions),
                     STATUS_INVALID);
    ASSERT_PAYLOAD("\x04\x01\x02\x04\x03\x08\x07\x06\x05\x09\0\0\0\x0a\0\0\0"
                   "\xf1\xf2\xf4\xf3\xf8\xf7\xf6\xf5\xf9\0\0\0\xfa\0\0\0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(requests_as_published, start),
        cmocka_unit_test_setup(device_info_as_published, start),
        cmocka_unit_test_setup(answers_are_read_back, start),
        cmocka_unit_test_setup(cut_longer_or_foreign_answers_are_refused, start),
        cmocka_unit_test_setup(requests_are_read_strictly, start),
        cmocka_unit_test_setup(installing_as_published, start),
        cmocka_unit_test_setup(bad_installing_is_refused, start),
        cmocka_unit_test_setup(boot_state_as_published, start),
        cmocka_unit_test_setup(an_answer_is_not_taken_for_another, start),
        cmocka_unit_test_setup(object_id_as_published, start),
        cmocka_unit_test_setup(reboot_modes_are_read_strictly, start),
        cmocka_unit_test_setup(measured_values_as_published, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
