#include "base/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct error error;

static void append(struct ledger_head *head, uint64_t n, struct buffer *out) {
    const struct ledger_member members[] = {
        {.key = "state", .kind = LEDGER_TEXT, .text = "reserved"},
        {.key = "uid", .kind = LEDGER_BYTES, .bytes = bytes_of("0123456789abcdef", 16)},
        {.key = "n", .kind = LEDGER_NUMBER, .number = n},
    };
    assert_int_equal(ledger_append(head, 1000 + n, "unit", members, 3, out, &error), 0);
}

static void both_sides_walk_the_same_chain(void **state) {
    (void)state;
    struct ledger_head writer = {0};
    struct ledger_head reader = {0};
    for (uint64_t n = 1; n <= 5; n++) {
        struct buffer encoded = {0};
        struct ledger_entry entry;
        struct bytes uid;
        char text[16];
        uint64_t number;
        append(&writer, n, &encoded);
        assert_int_equal(ledger_extend(&reader, buffer_bytes(&encoded), &entry, &error), 0);
        assert_int_equal(entry.sequence, n);
        assert_int_equal(entry.time, 1000 + n);
        assert_string_equal(entry.type, "unit");
        assert_memory_equal(&reader, &writer, sizeof(reader));
        assert_int_equal(ledger_body_text(&entry, "state", text, sizeof(text)), 0);
        assert_string_equal(text, "reserved");
        assert_int_equal(ledger_body_number(&entry, "n", &number), 0);
        assert_int_equal(number, n);
        assert_int_equal(ledger_body_bytes(&entry, "uid", &uid), 0);
        assert_int_equal(uid.size, 16);
        assert_int_equal(ledger_body_bytes(&entry, "state", &uid), -1);
        assert_int_equal(ledger_body_number(&entry, "absent", &number), -1);
        assert_int_equal(ledger_body_text(&entry, "state", text, 8), -1);
        buffer_free(&encoded);
    }
}

/* Deterministic: this is the encoding docs/formats/ledger.md shows. */
static void first_entry_is_these_bytes(void **state) {
    (void)state;
    static const uint8_t expected[] = {
        0x85, 0x01, 0x58, 0x20, 0,   0,   0,    0,    0,   0,    0,    0,   0,   0,    0,   0, 0, 0,
        0,    0,    0,    0,    0,   0,   0,    0,    0,   0,    0,    0,   0,   0,    0,   0, 0, 0,
        0x0A, 0x64, 'u',  'n',  'i', 't', 0xA2, 0x61, 'n', 0x02, 0x62, 'i', 'd', 0x41, 0xFF};
    const struct ledger_member members[] = {
        {.key = "id", .kind = LEDGER_BYTES, .bytes = bytes_of("\xFF", 1)},
        {.key = "n", .kind = LEDGER_NUMBER, .number = 2},
    };
    struct ledger_head head = {0};
    struct buffer out = {0};
    assert_int_equal(ledger_append(&head, 10, "unit", members, 2, &out, &error), 0);
    assert_int_equal(out.size, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
    buffer_free(&out);
}

static void every_change_is_noticed(void **state) {
    (void)state;
    struct ledger_head head = {0};
    struct buffer first = {0};
    struct buffer second = {0};
    struct ledger_entry entry;
    append(&head, 1, &first);
    append(&head, 2, &second);
    for (size_t i = 0; i < first.size; i++) {
        struct ledger_head reader = {0};
        first.data[i] ^= 4;
        /* A change that still parses breaks the link of the entry behind it. */
        if (ledger_extend(&reader, buffer_bytes(&first), &entry, &error) == 0) {
            assert_int_equal(ledger_extend(&reader, buffer_bytes(&second), &entry, &error), -1);
            assert_int_equal(error.code, ERROR_LEDGER_DIVERGED);
        }
        first.data[i] ^= 4;
    }
    for (size_t size = 0; size < first.size; size++)
        assert_int_equal(ledger_parse(bytes_of(first.data, size), &entry, &error), -1);
    buffer_append(&first, "", 1);
    assert_int_equal(ledger_parse(buffer_bytes(&first), &entry, &error), -1);
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
    buffer_free(&first);
    buffer_free(&second);
}

static void gaps_and_repeats_are_refused(void **state) {
    (void)state;
    struct ledger_head head = {0};
    struct ledger_head reader = {0};
    struct buffer first = {0};
    struct buffer second = {0};
    struct ledger_entry entry;
    append(&head, 1, &first);
    append(&head, 2, &second);
    assert_int_equal(ledger_extend(&reader, buffer_bytes(&second), &entry, &error), -1);
    assert_int_equal(error.code, ERROR_LEDGER_DIVERGED);
    assert_int_equal(reader.sequence, 0);
    assert_int_equal(ledger_extend(&reader, buffer_bytes(&first), &entry, &error), 0);
    assert_int_equal(ledger_extend(&reader, buffer_bytes(&first), &entry, &error), -1);
    assert_int_equal(error.code, ERROR_LEDGER_DIVERGED);
    assert_int_equal(ledger_extend(&reader, buffer_bytes(&second), &entry, &error), 0);
    buffer_free(&first);
    buffer_free(&second);
}

static void bad_entries_are_not_written(void **state) {
    (void)state;
    struct ledger_member twice[] = {{.key = "a", .kind = LEDGER_NUMBER},
                                    {.key = "a", .kind = LEDGER_NUMBER}};
    static const uint8_t large[LEDGER_ENTRY_MAX];
    struct ledger_member long_one = {
        .key = "a", .kind = LEDGER_BYTES, .bytes = bytes_of(large, sizeof(large))};
    struct ledger_head head = {0};
    struct buffer out = {0};
    assert_int_equal(ledger_append(&head, 1, "unit", twice, 2, &out, &error), -1);
    assert_int_equal(ledger_append(&head, 1, "unit", &long_one, 1, &out, &error), -1);
    assert_int_equal(ledger_append(&head, 1, "", NULL, 0, &out, &error), -1);
    assert_int_equal(ledger_append(&head, 1, "a type that is much longer than one may be", NULL, 0,
                                   &out, &error),
                     -1);
    assert_int_equal(ledger_append(&head, 1, "unit", twice, LEDGER_MEMBERS_MAX + 1, &out, &error),
                     -1);
    assert_int_equal(out.size, 0);
    assert_int_equal(head.sequence, 0);
    assert_int_equal(ledger_append(&head, 1, "unit", NULL, 0, &out, &error), 0);
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_walk_the_same_chain),
        cmocka_unit_test(first_entry_is_these_bytes),
        cmocka_unit_test(every_change_is_noticed),
        cmocka_unit_test(gaps_and_repeats_are_refused),
        cmocka_unit_test(bad_entries_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
