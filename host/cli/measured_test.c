#include "cli/measured.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZEROS    "0000000000000000000000000000000000000000000000000000000000000000"
#define DIGEST_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define DIGEST_3 "3333333333333333333333333333333333333333333333333333333333333333"
#define KEY_E    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define KEY_2    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_3    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
/* stage 4; BL2 0.1.0+0, counter 1 of 1; BL3 1.2.3+4, counter 7 of 6 */
#define VERSIONS                                                                                   \
    "04"                                                                                           \
    "00010000000000000100000001000000"                                                             \
    "01020300040000000700000006000000"

static json_t *measurement(const char *name, const char *value) {
    return json_pack("{s:s,s:s}", "name", name, "value_hex", value);
}

/* What `chip.show` answers of a chip that is done. */
static json_t *chip(void) {
    return json_pack("{s:[o,o,o,o,o,o,o]}", "measurements", measurement("image", DIGEST_3),
                     measurement("otp", ZEROS), measurement("device", "021e"),
                     measurement("bl2", DIGEST_2), measurement("bl3", DIGEST_3),
                     measurement("keys", KEY_E KEY_2 KEY_3), measurement("versions", VERSIONS));
}

static void takes_the_form_of_the_servers_boot_section(void **state) {
    struct error error;
    json_t *shown = chip();
    json_t *measured = measured_of_chip(shown, &error);
    json_t *expected =
        json_pack("{s:s,s:s,s:[s,s,s,s],s:{s:s,s:i,s:i,s:s,s:s},s:{s:s,s:i,s:i,s:s,s:s},s:s}",
                  "stage", "application", "life_cycle", "secured", "flags", "debug_locked",
                  "root_hash", "keys", "issued_chain", "bl2", "version", "0.1.0+0",
                  "security_counter", 1, "chip_counter", 1, "digest_hex", DIGEST_2, "key_hash_hex",
                  KEY_2, "bl3", "version", "1.2.3+4", "security_counter", 7, "chip_counter", 6,
                  "digest_hex", DIGEST_3, "key_hash_hex", KEY_3, "enc_key_hash_hex", KEY_E);

    (void)state;
    assert_non_null(expected);
    assert_true(json_equal(measured, expected));
    json_decref(expected);
    json_decref(measured);
    json_decref(shown);
}

static void nothing_measured_is_null(void **state) {
    struct error error;
    json_t *shown = json_pack("{s:[]}", "measurements");
    json_t *measured = measured_of_chip(shown, &error);

    (void)state;
    assert_true(json_is_null(measured));
    json_decref(measured);
    json_decref(shown);
}

static void other_measurements_are_refused(void **state) {
    static const char *const names[] = {"device", "bl2", "bl3", "keys", "versions"};
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        /* missing, of another size, no hexadecimal */
        for (int fault = 0; fault < 3; fault++) {
            json_t *shown = chip();
            size_t index = 0;
            json_t *found = NULL;
            json_t *list = json_object_get(shown, "measurements");
            json_array_foreach(list, index, found) {
                if (strcmp(json_string_value(json_object_get(found, "name")), names[i]) != 0)
                    continue;
                if (fault == 0)
                    (void)json_object_set_new(found, "name", json_string("other"));
                else
                    (void)json_object_set_new(found, "value_hex",
                                              json_string(fault == 1 ? "0102030405" : "zz"));
            }
            assert_null(measured_of_chip(shown, &error));
            assert_int_equal(error.code, ERROR_BAD_REQUEST);
            json_decref(shown);
        }
    }
}

static void every_difference_is_named(void **state) {
    static const struct {
        const char *outer;
        const char *inner;
        const char *name;
    } cases[] = {
        {"stage", NULL, "stage"},
        {"life_cycle", NULL, "life_cycle"},
        {"flags", NULL, "flags"},
        {"enc_key_hash_hex", NULL, "enc_key_hash_hex"},
        {"bl2", "version", "bl2.version"},
        {"bl2", "digest_hex", "bl2.digest_hex"},
        {"bl2", "key_hash_hex", "bl2.key_hash_hex"},
        {"bl3", "security_counter", "bl3.security_counter"},
        {"bl3", "chip_counter", "bl3.chip_counter"},
        {"bl3", "digest_hex", "bl3.digest_hex"},
        {"bl3", "key_hash_hex", "bl3.key_hash_hex"},
    };
    struct error error;
    json_t *shown = chip();
    json_t *measured = measured_of_chip(shown, &error);
    char name[64];

    (void)state;
    assert_null(measured_difference(measured, measured, name, sizeof(name)));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *other = json_deep_copy(measured);
        json_t *target = cases[i].inner == NULL ? other : json_object_get(other, cases[i].outer);
        const char *member = cases[i].inner == NULL ? cases[i].outer : cases[i].inner;
        (void)json_object_set_new(target, member, json_string("other"));
        assert_string_equal(measured_difference(measured, other, name, sizeof(name)),
                            cases[i].name);
        (void)json_object_del(target, member);
        assert_string_equal(measured_difference(measured, other, name, sizeof(name)),
                            cases[i].name);
        json_decref(other);
    }
    /* the server measured nothing at all */
    json_t *nothing = json_null();
    assert_non_null(measured_difference(measured, nothing, name, sizeof(name)));
    json_decref(nothing);
    json_decref(measured);
    json_decref(shown);
}

static void what_is_not_there_is_said_in_words(void **state) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    json_t *measured =
        json_pack("{s:s,s:s,s:[],s:{s:s,s:i,s:i,s:s,s:s},s:{s:s,s:i,s:i,s:s,s:s},s:s}", "stage",
                  "devauth", "life_cycle", "provisioned", "flags", "bl2", "version", "0.0.0+0",
                  "security_counter", 0, "chip_counter", 3, "digest_hex", ZEROS, "key_hash_hex",
                  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "bl3",
                  "version", "1.0.0+0", "security_counter", 1, "chip_counter", 1, "digest_hex",
                  DIGEST_3, "key_hash_hex", KEY_3, "enc_key_hash_hex", KEY_E);

    (void)state;
    measured_print(out, measured);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "BL2: no image the chip accepts"));
    assert_null(strstr(text, "0.0.0+0"));
    assert_non_null(strstr(text, "key hash in OTP     blank"));
    assert_non_null(strstr(text, "\nBL3\n"));
    assert_non_null(strstr(text, DIGEST_3));
    json_decref(measured);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_form_of_the_servers_boot_section),
        cmocka_unit_test(nothing_measured_is_null),
        cmocka_unit_test(other_measurements_are_refused),
        cmocka_unit_test(every_difference_is_named),
        cmocka_unit_test(what_is_not_there_is_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
