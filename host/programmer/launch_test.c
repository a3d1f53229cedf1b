/* The launcher starts the OEM's software and nothing else. */
#include "programmer/launch.h"

#include "base/encoding.h"
#include "cose/manifest.h"
#include "crypto/crypto.h"
#include "programmer/software.h"
#include "programmer/testing/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "program"

struct fixture {
    char *directory;
    char program[128];
    struct boot_key key;
    struct buffer binary;
    struct buffer manifest;
};

static void pin_key(const struct fixture *fixture, const struct boot_key *key) {
    char hex[129];
    char text[256];
    hex_encode(bytes_of(key->public_key, 64), hex);
    (void)snprintf(text, sizeof text, "{\"installed\":true,\"rotpk_sboot_hex\":\"%s\"}", hex);
    scratch_write(fixture->directory, "programmer.json", bytes_of(text, strlen(text)));
}

static void install(struct fixture *fixture, const struct boot_key *key, const char *kind,
                    uint64_t counter) {
    boot_key_manifest(key, kind, "linux", counter, buffer_bytes(&fixture->binary),
                      &fixture->manifest);
    scratch_write(fixture->directory, LAUNCH_MANIFEST_FILE, buffer_bytes(&fixture->manifest));
}

/* /bin/sh stands for the program: it is a real binary and says what it was given. */
static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->directory = scratch_make();
    (void)snprintf(fixture->program, sizeof fixture->program, "%s/" PROGRAM, fixture->directory);
    boot_key_make(&fixture->key);
    scratch_read("/bin", "sh", &fixture->binary);
    scratch_write(fixture->directory, PROGRAM, buffer_bytes(&fixture->binary));
    pin_key(fixture, &fixture->key);
    install(fixture, &fixture->key, MANIFEST_KIND_PROGRAMMER, 5);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    scratch_remove(fixture->directory);
    buffer_free(&fixture->binary);
    buffer_free(&fixture->manifest);
    free(fixture);
    return 0;
}

static int verify(const struct fixture *fixture, enum launch_policy policy, int *descriptor,
                  struct error *error) {
    const struct launch_request request = {
        .state_directory = fixture->directory, .program = fixture->program, .policy = policy};
    return launch_verify(&request, descriptor, error);
}

static void expect_refused(const struct fixture *fixture, enum launch_policy policy,
                           enum error_code code) {
    struct error error = {0};
    int descriptor = -1;
    assert_int_equal(verify(fixture, policy, &descriptor, &error), -1);
    assert_int_equal(descriptor, -1);
    assert_string_equal(error_name(error.code), error_name(code));
}

static void expect_accepted(const struct fixture *fixture, enum launch_policy policy) {
    struct error error = {0};
    int descriptor = -1;
    if (verify(fixture, policy, &descriptor, &error) != 0)
        fail_msg("%s", error.message);
    assert_true(descriptor >= 0);
    assert_int_equal(close(descriptor), 0);
}

static unsigned long long stored_floor(const struct fixture *fixture) {
    unsigned long long value = 99;
    struct error error;
    assert_int_equal(launch_floor_load(fixture->directory, &value, &error), 0);
    return value;
}

static void test_signed_binary_runs(void **state) {
    const struct fixture *fixture = *state;
    struct error error = {0};
    int descriptor = -1;
    int output[2];
    char *arguments[] = {"nusec-programmer", "-c", "echo started; env", NULL};
    char text[4096] = {0};
    assert_int_equal(setenv("LD_PRELOAD_EVIL", "1", 1), 0);
    assert_int_equal(verify(fixture, LAUNCH_SIGNED_ONLY, &descriptor, &error), 0);
    assert_int_equal(pipe(output), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(output[1], STDOUT_FILENO);
        (void)close(output[0]);
        (void)launch_execute(descriptor, arguments, &error);
        _exit(99);
    }
    (void)close(output[1]);
    (void)close(descriptor);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(output[0], text, sizeof text - 1) > 0);
    (void)close(output[0]);
    assert_int_equal(status, 0);
    assert_int_equal(strncmp(text, "started\n", 8), 0);
    /* the caller's environment does not reach the program */
    assert_null(strstr(text, "EVIL"));
    assert_int_equal(unsetenv("LD_PRELOAD_EVIL"), 0);
}

/* The check and the start are of the same bytes, whatever happens to the file in between. */
static void test_checked_bytes_cannot_change(void **state) {
    const struct fixture *fixture = *state;
    struct error error = {0};
    int descriptor = -1;
    int writer = open(fixture->program, O_WRONLY);
    assert_int_equal(verify(fixture, LAUNCH_SIGNED_ONLY, &descriptor, &error), 0);
    assert_int_equal(pwrite(writer, "#!/bin/evil\n", 12, 0), 12);
    assert_int_equal(close(writer), 0);
    uint8_t first[4] = {0};
    assert_int_equal(pread(descriptor, first, sizeof first, 0), 4);
    assert_memory_equal(first, "\177ELF", 4);
    assert_true(pwrite(descriptor, "evil", 4, 0) < 0);
    assert_int_not_equal(ftruncate(descriptor, 0), 0);
    (void)close(descriptor);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
}

static void test_altered_binary(void **state) {
    struct fixture *fixture = *state;
    static const size_t places[] = {0, 100, 4096};
    for (size_t i = 0; i <= 3; i++) {
        size_t place = i < 3 ? places[i] : fixture->binary.size - 1;
        fixture->binary.data[place] ^= 1;
        scratch_write(fixture->directory, PROGRAM, buffer_bytes(&fixture->binary));
        fixture->binary.data[place] ^= 1;
        expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    }
    scratch_write(fixture->directory, PROGRAM, buffer_bytes(&fixture->binary));
    expect_accepted(fixture, LAUNCH_SIGNED_ONLY);
}

static void test_other_sizes(void **state) {
    struct fixture *fixture = *state;
    scratch_write(fixture->directory, PROGRAM,
                  bytes_of(fixture->binary.data, fixture->binary.size - 1));
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    scratch_write(fixture->directory, PROGRAM, bytes_of("", 0));
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    buffer_append(&fixture->binary, "x", 1);
    scratch_write(fixture->directory, PROGRAM, buffer_bytes(&fixture->binary));
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    assert_int_equal(truncate(fixture->program, SOFTWARE_SIZE_MAX + 1), 0);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    assert_int_equal(unlink(fixture->program), 0);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_NOT_FOUND);
}

static void test_other_key(void **state) {
    struct fixture *fixture = *state;
    struct boot_key other;
    boot_key_make(&other);
    install(fixture, &other, MANIFEST_KIND_PROGRAMMER, 5);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    expect_refused(fixture, LAUNCH_UNPREPARED, ERROR_UNTRUSTED_SOFTWARE);
    install(fixture, &fixture->key, MANIFEST_KIND_PROGRAMMER, 5);
    pin_key(fixture, &other);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
}

static void test_altered_manifest(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < fixture->manifest.size; i++) {
        fixture->manifest.data[i] ^= 0x10;
        scratch_write(fixture->directory, LAUNCH_MANIFEST_FILE, buffer_bytes(&fixture->manifest));
        fixture->manifest.data[i] ^= 0x10;
        expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    }
}

static void test_manifest_of_another_kind(void **state) {
    struct fixture *fixture = *state;
    install(fixture, &fixture->key, MANIFEST_KIND_DEVAUTH, 5);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
}

static void test_missing_manifest(void **state) {
    const struct fixture *fixture = *state;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/" LAUNCH_MANIFEST_FILE, fixture->directory);
    assert_int_equal(unlink(path), 0);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_NOT_PREPARED);
}

/* The floor rises with what ran and never falls. */
static void test_older_software(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(stored_floor(fixture), 0);
    expect_accepted(fixture, LAUNCH_SIGNED_ONLY);
    assert_int_equal(stored_floor(fixture), 5);
    install(fixture, &fixture->key, MANIFEST_KIND_PROGRAMMER, 4);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    expect_refused(fixture, LAUNCH_UNPREPARED, ERROR_UNTRUSTED_SOFTWARE);
    assert_int_equal(stored_floor(fixture), 5);
    install(fixture, &fixture->key, MANIFEST_KIND_PROGRAMMER, 5);
    expect_accepted(fixture, LAUNCH_SIGNED_ONLY);
    install(fixture, &fixture->key, MANIFEST_KIND_PROGRAMMER, 6);
    expect_accepted(fixture, LAUNCH_SIGNED_ONLY);
    assert_int_equal(stored_floor(fixture), 6);
}

/* A binary that is refused must not raise the floor, or it would lock the good one out. */
static void test_refused_binary_leaves_the_floor(void **state) {
    struct fixture *fixture = *state;
    install(fixture, &fixture->key, MANIFEST_KIND_PROGRAMMER, 9);
    scratch_write(fixture->directory, PROGRAM, bytes_of("\177ELF", 4));
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_UNTRUSTED_SOFTWARE);
    assert_int_equal(stored_floor(fixture), 0);
}

static void test_damaged_floor(void **state) {
    const struct fixture *fixture = *state;
    static const char *const texts[] = {"", "x\n", "5", "5 \n", "99999999999999999999999\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        scratch_write(fixture->directory, LAUNCH_FLOOR_FILE, bytes_of(texts[i], strlen(texts[i])));
        expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_STORAGE);
    }
}

static void test_unprepared(void **state) {
    const struct fixture *fixture = *state;
    static const char fresh[] = "{\"installed\":false}";
    static const char broken[] = "{\"installed\":";
    scratch_write(fixture->directory, "programmer.json", bytes_of(fresh, sizeof fresh - 1));
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_NOT_PREPARED);
    expect_accepted(fixture, LAUNCH_UNPREPARED);
    /* damage is not the same as fresh */
    scratch_write(fixture->directory, "programmer.json", bytes_of(broken, sizeof broken - 1));
    expect_refused(fixture, LAUNCH_UNPREPARED, ERROR_BAD_REQUEST);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/programmer.json", fixture->directory);
    assert_int_equal(unlink(path), 0);
    expect_refused(fixture, LAUNCH_SIGNED_ONLY, ERROR_NOT_PREPARED);
    expect_accepted(fixture, LAUNCH_UNPREPARED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signed_binary_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checked_bytes_cannot_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered_binary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered_manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_of_another_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_software, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_binary_leaves_the_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unprepared, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
