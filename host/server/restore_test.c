/* Back up, wipe, restore, sign for an old device: the real server's commands and a real token. */
#include "base/file.h"
#include "base/test_support.h"
#include "crypto/crypto.h"
#include "hsm/boot_key.h"
#include "server/authority.h"
#include "server/kek_backup.h"
#include "server/server_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[TEST_DIRECTORY_SIZE];
static char data_path[128];
static struct error error;
static struct hsm_boot_key old_device;
static uint8_t content_key[HSM_CONTENT_KEY_SIZE];
static uint8_t wrapped_content[HSM_WRAPPED_KEY_MAX];
static size_t wrapped_content_size;

static const uint8_t DIGEST[32] = {4, 5, 6};

/* The exit code of `nusec-server ...`. */
static int server(const char *const *arguments) {
    struct buffer output = {0};
    int code = test_run(arguments, bytes_of(NULL, 0), STDERR_FILENO, &output);
    if (code != 0)
        print_message("%.*s", (int)output.size, (const char *)output.data);
    buffer_free(&output);
    return code;
}

static const char *backup_file(const char *name, char path[192]) {
    snprintf(path, 192, "%s/backup/%s", data_path, name);
    return path;
}

/* restore with the shares named by their digits. */
static int restore(const char *shares, bool only_check) {
    char backup[192], share[8][192], name[16];
    const char *arguments[32] = {NUSEC_SERVER_PATH, "restore", "--data", data_path, "--backup"};
    size_t count = 5;
    arguments[count++] = backup_file("kek-backup.json", backup);
    for (size_t i = 0; shares[i] != '\0'; i++) {
        snprintf(name, sizeof name, "share-%c.json", shares[i]);
        arguments[count++] = "--share";
        arguments[count++] = backup_file(name, share[i]);
    }
    if (only_check)
        arguments[count++] = "--check";
    return server(arguments);
}

static struct hsm *open_token(void) {
    struct server_data data;
    assert_int_equal(server_data_load(&data, data_path, &error), 0);
    struct hsm *hsm = server_hsm_open(&data, &error);
    assert_non_null(hsm);
    return hsm;
}

static void wipe_keks(void) {
    struct hsm *hsm = open_token();
    assert_int_equal(hsm_destroy(hsm, KEY_KEK_BOOT, &error), 0);
    assert_int_equal(hsm_destroy(hsm, KEY_KEK_PROGRAMMER, &error), 0);
    assert_int_equal(hsm_destroy(hsm, KEY_KEK_CONTENT, &error), 0);
    hsm_close(hsm);
}

/* 0, or the error of signing for the device whose keys were made before the loss. */
static int sign_for_old_device(void) {
    uint8_t signature[HSM_SIGNATURE_SIZE], opened[HSM_CONTENT_KEY_SIZE];
    struct hsm *hsm = open_token();
    struct hsm_key *boot = hsm_key(hsm, KEY_KEK_BOOT, &error);
    struct hsm_key *content = hsm_key(hsm, KEY_KEK_CONTENT, &error);
    int result = -1;
    if (boot != NULL && content != NULL)
        result = hsm_boot_key_sign(boot, &old_device, DIGEST, signature, &error);
    if (result == 0) {
        assert_int_equal(crypto_p256_verify(old_device.public_key, DIGEST, signature), STATUS_OK);
        result = hsm_content_key_open(content, bytes_of(wrapped_content, wrapped_content_size),
                                      opened, &error);
    }
    if (result == 0)
        assert_memory_equal(opened, content_key, sizeof content_key);
    hsm_close(hsm);
    return result;
}

static void init_server(void) {
    char pin[128];
    const char *const arguments[] = {
        NUSEC_SERVER_PATH,    "init", "--data", data_path,           "--organization",  "Test Ltd",
        "--pin-file",         pin,    "--url",  "https://127.0.0.1", "--backup-shares", "5",
        "--backup-threshold", "3",    NULL};
    snprintf(pin, sizeof pin, "%s/pin", directory);
    assert_int_equal(file_write_durable(pin, bytes_of("47110815", 8), 0600, &error), 0);
    assert_int_equal(server(arguments), 0);
}

static int begin(void **state) {
    (void)state;
    test_directory_make(directory);
    snprintf(data_path, sizeof data_path, "%s/server", directory);
    init_server();
    struct hsm *hsm = open_token();
    struct hsm_key *boot = hsm_key(hsm, KEY_KEK_BOOT, &error);
    struct hsm_key *content = hsm_key(hsm, KEY_KEK_CONTENT, &error);
    assert_non_null(boot);
    assert_non_null(content);
    assert_int_equal(hsm_boot_key_make(boot, &old_device, &error), 0);
    assert_int_equal(
        hsm_content_key_make(content, content_key, wrapped_content, &wrapped_content_size, &error),
        0);
    hsm_close(hsm);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_directory_remove(directory);
    return 0;
}

static void test_restored_keys_serve_old_devices(void **state) {
    (void)state;
    assert_int_equal(sign_for_old_device(), 0);
    wipe_keks();
    assert_int_not_equal(sign_for_old_device(), 0);
    assert_int_equal(restore("254", false), 0);
    assert_int_equal(sign_for_old_device(), 0);
    /* Any three of them, and more than three. */
    wipe_keks();
    assert_int_equal(restore("13542", false), 0);
    assert_int_equal(sign_for_old_device(), 0);
}

static void test_check_changes_nothing(void **state) {
    (void)state;
    assert_int_equal(restore("135", true), 0);
    wipe_keks();
    assert_int_equal(restore("135", true), 0);
    assert_int_not_equal(sign_for_old_device(), 0);
    assert_int_equal(restore("135", false), 0);
}

static void test_keys_that_are_there_stay(void **state) {
    (void)state;
    assert_int_equal(restore("123", false), error_exit_code(ERROR_CONFLICT));
    assert_int_equal(sign_for_old_device(), 0);
}

static void test_a_restore_that_was_cut_off_goes_on(void **state) {
    (void)state;
    struct hsm *hsm = open_token();
    assert_int_equal(hsm_destroy(hsm, KEY_KEK_CONTENT, &error), 0);
    hsm_close(hsm);
    assert_int_not_equal(sign_for_old_device(), 0);
    assert_int_equal(restore("345", false), 0);
    assert_int_equal(sign_for_old_device(), 0);
}

static void test_too_few_shares(void **state) {
    (void)state;
    assert_int_equal(restore("12", true), error_exit_code(ERROR_USAGE));
    assert_int_equal(restore("112", true), error_exit_code(ERROR_USAGE));
}

/* Replaces `from` by `to` of the same length in a file of the backup, once; returns what was. */
static struct buffer alter(const char *name, const char *from, const char *to) {
    char path[192];
    struct buffer before = {0}, after = {0};
    assert_int_equal(file_read(backup_file(name, path), 4096, &before, &error), 0);
    buffer_append(&after, before.data, before.size);
    buffer_append(&after, "", 1); /* strstr wants an end */
    char *found = strstr((char *)after.data, from);
    assert_non_null(found);
    for (size_t i = 0; to[i] != '\0'; i++) /* in the middle of the text: no end is written */
        found[strlen(from) + i] = to[i];
    assert_int_equal(file_write_durable(path, bytes_of(after.data, before.size), 0600, &error), 0);
    buffer_free(&after);
    return before;
}

static void put_back(const char *name, struct buffer *contents) {
    char path[192];
    assert_int_equal(
        file_write_durable(backup_file(name, path), buffer_bytes(contents), 0600, &error), 0);
    buffer_free(contents);
}

static void expect_refused(const char *name, const char *behind, const char *written,
                           enum error_code code) {
    struct buffer before = alter(name, behind, written);
    int exit_code = restore("123", true);
    put_back(name, &before);
    assert_int_equal(exit_code, error_exit_code(code));
    assert_int_equal(restore("123", true), 0);
}

static void test_altered_files_are_refused(void **state) {
    (void)state;
    expect_refused("share-2.json", "\"value_hex\":\"", "0123456789ABCDEF", ERROR_ALTERED);
    expect_refused("share-2.json", "\"backup_hex\":\"", "0123456789ABCDEF", ERROR_USAGE);
    expect_refused("share-2.json", "\"share\":", "7", ERROR_ALTERED);
    expect_refused("share-2.json", "\"share\":", "0", ERROR_USAGE);
    expect_refused("share-2.json", "\"type\":\"", "nusec-kek-sharf", ERROR_USAGE);
    expect_refused("kek-backup.json", "\"kek-boot\":\"", "0123456789ABCDEF", ERROR_ALTERED);
    expect_refused("kek-backup.json", "\"kek-content\":\"", "0123456789ABCDEF", ERROR_ALTERED);
    expect_refused("kek-backup.json", "\"threshold\":", "4", ERROR_USAGE);
    /* A smaller threshold than the shares were made with opens nothing. */
    struct buffer before = alter("kek-backup.json", "\"threshold\":", "2");
    int exit_code = restore("12", true);
    put_back("kek-backup.json", &before);
    assert_int_equal(exit_code, error_exit_code(ERROR_ALTERED));
}

static void test_impossible_numbers_of_shares(void **state) {
    (void)state;
    static const char *const orders[] = {"1", "17", "0"};
    char pin[128], path[160];
    snprintf(pin, sizeof pin, "%s/pin", directory);
    snprintf(path, sizeof path, "%s/never", directory);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        const char *const arguments[] = {
            NUSEC_SERVER_PATH, "init",       "--data", path,    "--organization",
            "Test Ltd",        "--pin-file", pin,      "--url", "https://127.0.0.1",
            "--backup-shares", orders[i],    NULL};
        assert_int_equal(server(arguments), error_exit_code(ERROR_USAGE));
        assert_false(file_exists(path));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restored_keys_serve_old_devices),
        cmocka_unit_test(test_check_changes_nothing),
        cmocka_unit_test(test_keys_that_are_there_stay),
        cmocka_unit_test(test_a_restore_that_was_cut_off_goes_on),
        cmocka_unit_test(test_too_few_shares),
        cmocka_unit_test(test_altered_files_are_refused),
        cmocka_unit_test(test_impossible_numbers_of_shares),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
