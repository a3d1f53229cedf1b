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
    .target = DEVAUTH_TARGET_BL3, .size = 0x01020304, .sha256 = {0xAA, 0xBB}};

static void installing_requests_are_read_strictly(void **state) {
    struct devauth_request request;
    struct devauth_install install;
    (void)state;
    memset(&install, 0, sizeof install); /* padding too */
    devauth_request_install_begin(&writer, &INSTALL);
    assert_int_equal(writer.size, 2 + 37);
    assert_memory_equal(buffer, "\x01\x09\x02\x04\x03\x02\x01\xaa\xbb", 9);
    assert_int_equal(devauth_read_request(writer_bytes(&writer), &request), STATUS_OK);
    assert_int_equal(devauth_read_install_body(request.body, &install), STATUS_OK);
    assert_memory_equal(&install, &INSTALL, sizeof install);
    for (size_t cut = 0; cut < 37; cut++) {
        assert_int_equal(devauth_read_install_body(bytes_of(&buffer[2], cut), &install),
                         STATUS_TRUNCATED);
        assert_int_equal(install.size, 0);
    }
    assert_int_equal(devauth_read_install_body(bytes_of(&buffer[2], 38), &install), STATUS_INVALID);
    buffer[2] = 3;
    assert_int_equal(devauth_read_install_body(request.body, &install), STATUS_INVALID);
    buffer[2] = 0;
    assert_int_equal(devauth_read_install_body(request.body, &install), STATUS_INVALID);
    buffer[2] = 1;
    memset(&buffer[3], 0, 4);
    assert_int_equal(devauth_read_install_body(request.body, &install), STATUS_INVALID);
}

static void rebooting_knows_two_ways(void **state) {
    enum devauth_reboot mode = DEVAUTH_REBOOT_NORMAL;
    (void)state;
    devauth_request_reboot(&writer, DEVAUTH_REBOOT_STAY);
    ASSERT_PAYLOAD("\x01\x07\x01");
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x01", 1), &mode), STATUS_OK);
    assert_int_equal(mode, DEVAUTH_REBOOT_STAY);
    assert_int_equal(devauth_read_reboot_body(bytes_of(NULL, 0), &mode), STATUS_OK);
    assert_int_equal(mode, DEVAUTH_REBOOT_NORMAL);
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x00", 1), &mode), STATUS_OK);
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x02", 1), &mode), STATUS_INVALID);
    assert_int_equal(devauth_read_reboot_body(bytes_of("\x01\x01", 2), &mode), STATUS_INVALID);
    assert_int_equal(mode, DEVAUTH_REBOOT_NORMAL);
}

/* Every answer that is written, read back whole, refused when cut, longer or another's. */
typedef enum status read_answer(struct bytes payload, void *out);

static void check_answer(read_answer *read, const void *expected, void *out, size_t size) {
    uint8_t command = buffer[1];
    memset(out, 0, size); /* padding too */
    assert_int_equal(read(writer_bytes(&writer), out), STATUS_OK);
    assert_memory_equal(out, expected, size);
    for (size_t cut = 0; cut < writer.size; cut++) {
        assert_int_not_equal(read(bytes_of(buffer, cut), out), STATUS_OK);
    }
    assert_int_equal(read(bytes_of(buffer, writer.size + 1), out), STATUS_INVALID);
    buffer[1] = command == DEVAUTH_REBOOT ? DEVAUTH_BOOT_STATE : DEVAUTH_REBOOT;
    assert_int_not_equal(read(writer_bytes(&writer), out), STATUS_OK);
    writer.size = 0;
}

static enum status read_grant(struct bytes payload, void *out) {
    return devauth_read_install_grant(payload, out);
}

static enum status read_result(struct bytes payload, void *out) {
    return devauth_read_install_result(payload, out);
}

static enum status read_boot_state(struct bytes payload, void *out) {
    return devauth_read_boot_state(payload, out);
}

static void installing_answers_are_read_back(void **state) {
    static struct devauth_install_grant grant;
    static struct devauth_install_grant grant_out;
    static struct devauth_install_result result;
    static struct devauth_install_result result_out;
    static struct devauth_boot_state boot;
    static struct devauth_boot_state boot_out;
    (void)state;
    grant.transfer = 3;
    grant.block_size = 1024;
    grant.window = 4096;
    devauth_write_install_grant(&writer, &grant);
    assert_int_equal(writer.size, 2 + 11);
    check_answer(read_grant, &grant, &grant_out, sizeof grant);
    grant.window = 0;
    devauth_write_install_grant(&writer, &grant);
    assert_int_equal(devauth_read_install_grant(writer_bytes(&writer), &grant_out), STATUS_INVALID);
    writer.size = 0;
    result.target = DEVAUTH_TARGET_BL2;
    result.reason = 0x6A95C35A;
    result.digest[31] = 9;
    devauth_write_install_result(&writer, &result);
    assert_int_equal(writer.size, 2 + 37);
    check_answer(read_result, &result, &result_out, sizeof result);
    boot.stage = DEVAUTH_STAGE_BOOTLOADER;
    boot.swap = 2;
    boot.bl3_counter = 7;
    boot.primary.reason = 12;
    boot.secondary.revision = 0x0102;
    boot.secondary.security_counter = 8;
    devauth_write_boot_state(&writer, &boot);
    assert_int_equal(writer.size, 2 + 12 + 3 * 16);
    check_answer(read_boot_state, &boot, &boot_out, sizeof boot);
}

static void object_ids_are_bounded(void **state) {
    uint8_t id[DEVAUTH_OBJECT_ID_MAX + 1] = {1};
    struct bytes read_id;
    (void)state;
    devauth_write_object_id(&writer, bytes_of(id, DEVAUTH_OBJECT_ID_MAX));
    assert_int_equal(devauth_read_object_id(writer_bytes(&writer), &read_id), STATUS_OK);
    assert_int_equal(read_id.size, DEVAUTH_OBJECT_ID_MAX);
    writer.size = 0;
    devauth_write_object_id(&writer, bytes_of(NULL, 0));
    assert_int_equal(devauth_read_object_id(writer_bytes(&writer), &read_id), STATUS_OK);
    assert_int_equal(read_id.size, 0);
    writer.size = 0;
    devauth_write_object_id(&writer, bytes_of(id, sizeof id));
    assert_int_equal(devauth_read_object_id(writer_bytes(&writer), &read_id), STATUS_INVALID);
    assert_int_equal(read_id.size, 0);
}

static void measured_values_are_read_back(void **state) {
    static struct devauth_measured_keys keys = {{1}, {2}, {3}};
    static struct devauth_measured_keys keys_out;
    static struct devauth_measured_versions versions;
    static struct devauth_measured_versions versions_out;
    (void)state;
    devauth_write_measured_keys(&writer, &keys);
    assert_int_equal(writer.size, DEVAUTH_MEASURED_KEYS_SIZE);
    assert_int_equal(devauth_read_measured_keys(writer_bytes(&writer), &keys_out), STATUS_OK);
    assert_memory_equal(&keys, &keys_out, sizeof keys);
    assert_int_equal(devauth_read_measured_keys(bytes_of(buffer, 95), &keys_out), STATUS_TRUNCATED);
    assert_int_equal(devauth_read_measured_keys(bytes_of(buffer, 97), &keys_out), STATUS_INVALID);
    writer.size = 0;
    versions.stage = DEVAUTH_STAGE_APPLICATION;
    versions.bl2 = (struct devauth_measured_image){1, 2, 3, 4, 5, 6};
    versions.bl3 = (struct devauth_measured_image){7, 8, 9, 10, 11, 12};
    devauth_write_measured_versions(&writer, &versions);
    assert_int_equal(writer.size, DEVAUTH_MEASURED_VERSIONS_SIZE);
    memset(&versions_out, 0, sizeof versions_out);
    assert_int_equal(devauth_read_measured_versions(writer_bytes(&writer), &versions_out),
                     STATUS_OK);
    assert_memory_equal(&versions, &versions_out, sizeof versions);
    assert_int_equal(devauth_read_measured_versions(bytes_of(buffer, 32), &versions_out),
                     STATUS_TRUNCATED);
    assert_int_equal(devauth_read_measured_versions(bytes_of(buffer, 34), &versions_out),
                     STATUS_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(requests_as_published, start),
        cmocka_unit_test_setup(device_info_as_published, start),
        cmocka_unit_test_setup(answers_are_read_back, start),
        cmocka_unit_test_setup(cut_longer_or_foreign_answers_are_refused, start),
        cmocka_unit_test_setup(requests_are_read_strictly, start),
        cmocka_unit_test_setup(installing_requests_are_read_strictly, start),
        cmocka_unit_test_setup(rebooting_knows_two_ways, start),
        cmocka_unit_test_setup(installing_answers_are_read_back, start),
        cmocka_unit_test_setup(object_ids_are_bounded, start),
        cmocka_unit_test_setup(measured_values_are_read_back, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
