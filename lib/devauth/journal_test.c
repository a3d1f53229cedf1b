/* The journal over a flash in RAM: contents, wear rules, and a power cut at every operation. */
#include "devauth/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGE       256u
#define HALF_PAGES 2u
#define FIRST      PAGE
#define HALF       ((size_t)PAGE * HALF_PAGES)
#define SIZE       (FIRST + 2 * HALF + PAGE)

static uint8_t flash[SIZE];
static unsigned operations;
static unsigned cut_at;
static bool tear_it;
static bool is_dead;
static unsigned violations;

static enum status flash_read(uint32_t offset, uint8_t *out, size_t size) {
    if (is_dead || offset + size > SIZE) {
        return STATUS_FLASH;
    }
    memcpy(out, flash + offset, size);
    return STATUS_OK;
}

static bool dies_now(void) {
    operations++;
    is_dead = is_dead || operations == cut_at;
    return is_dead;
}

static enum status program_unit(uint32_t offset, const uint8_t *data) {
    for (unsigned i = 0; i < JOURNAL_UNIT; i++) {
        if (flash[offset + i] != 0xFF) {
            violations++;
            return STATUS_FLASH;
        }
    }
    bool was_dead = is_dead;
    if (dies_now()) {
        for (unsigned i = 0; i < JOURNAL_UNIT && tear_it && !was_dead; i++) {
            flash[offset + i] = (uint8_t)(data[i] | (operations % 2 == 0 ? 0x3C : 0xC3));
        }
        return STATUS_FLASH;
    }
    memcpy(flash + offset, data, JOURNAL_UNIT);
    return STATUS_OK;
}

static enum status flash_program(uint32_t offset, const uint8_t *data, size_t size) {
    if (offset % JOURNAL_UNIT != 0 || size % JOURNAL_UNIT != 0 || offset < FIRST ||
        offset + size > FIRST + 2 * HALF) {
        violations++;
        return STATUS_FLASH;
    }
    enum status status = STATUS_OK;
    for (size_t done = 0; done < size && status == STATUS_OK; done += JOURNAL_UNIT) {
        status = program_unit(offset + (uint32_t)done, data + done);
    }
    return status;
}

static enum status flash_erase(uint32_t offset) {
    if (offset % PAGE != 0 || offset < FIRST || offset >= FIRST + 2 * HALF) {
        violations++;
        return STATUS_FLASH;
    }
    bool was_dead = is_dead;
    if (dies_now()) {
        if (tear_it && !was_dead) {
            memset(flash + offset + PAGE / 2, 0xFF, PAGE / 2);
        }
        return STATUS_FLASH;
    }
    memset(flash + offset, 0xFF, PAGE);
    return STATUS_OK;
}

static const struct journal_flash FLASH = {
    .read = flash_read,
    .program = flash_program,
    .erase = flash_erase,
    .first_offset = FIRST,
    .page_bytes = PAGE,
    .half_pages = HALF_PAGES,
};

static struct journal journal;

static void power_on(void) {
    is_dead = false;
    operations = 0;
    cut_at = 0;
    assert_int_equal(journal_mount(&journal, &FLASH), STATUS_OK);
}

static int start(void **state) {
    (void)state;
    memset(flash, 0xFF, sizeof flash);
    violations = 0;
    power_on();
    return 0;
}

static struct bytes value_of(uint8_t fill, size_t size) {
    static uint8_t value[1024];
    memset(value, fill, size);
    return bytes_of(value, size);
}

static void assert_holds(enum journal_type type, uint8_t fill, size_t size) {
    uint8_t out[1024];
    size_t found = 0;
    assert_int_equal(journal_read(&journal, type, out, sizeof out, &found), STATUS_OK);
    assert_int_equal(found, size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(out[i], fill);
    }
}

static void assert_lacks(enum journal_type type) {
    uint8_t out[8];
    size_t found = 1;
    assert_int_equal(journal_read(&journal, type, out, sizeof out, &found), STATUS_NOT_FOUND);
    assert_int_equal(found, 0);
}

static void an_erased_flash_is_empty(void **state) {
    (void)state;
    assert_lacks(JOURNAL_CERTIFICATE_CHAIN);
    assert_lacks((enum journal_type)0);
    assert_lacks((enum journal_type)JOURNAL_TYPES);
}

static void garbage_is_empty_too(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof flash; i++) {
        flash[i] = (uint8_t)(i * 7 + 3);
    }
    power_on();
    assert_lacks(JOURNAL_CERTIFICATE_CHAIN);
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(1, 40)),
                     STATUS_OK);
    assert_holds(JOURNAL_CERTIFICATE_CHAIN, 1, 40);
    assert_int_equal(violations, 0);
}

static void values_outlive_power(void **state) {
    (void)state;
    for (size_t size = 1; size < 70; size++) {
        assert_int_equal(
            journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of((uint8_t)size, size)),
            STATUS_OK);
        assert_int_equal(journal_write(&journal, JOURNAL_OBJECT_ID, value_of(0xFF, 9)), STATUS_OK);
        power_on();
        assert_holds(JOURNAL_CERTIFICATE_CHAIN, (uint8_t)size, size);
        assert_holds(JOURNAL_OBJECT_ID, 0xFF, 9);
    }
    assert_true(journal.generation > 10);
    assert_int_equal(violations, 0);
}

static void removed_stays_removed(void **state) {
    (void)state;
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(1, 40)),
                     STATUS_OK);
    assert_int_equal(journal_write(&journal, JOURNAL_OBJECT_ID, value_of(2, 16)), STATUS_OK);
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, bytes_of(NULL, 0)),
                     STATUS_OK);
    power_on();
    assert_lacks(JOURNAL_CERTIFICATE_CHAIN);
    for (unsigned i = 0; i < 40; i++) { /* through a compaction */
        assert_int_equal(journal_write(&journal, JOURNAL_OBJECT_ID, value_of(3, 16)), STATUS_OK);
    }
    power_on();
    assert_lacks(JOURNAL_CERTIFICATE_CHAIN);
    assert_holds(JOURNAL_OBJECT_ID, 3, 16);
}

/* The example of docs/formats/journal.md; its CRCs were computed with Python's zlib.crc32. */
static void stored_bytes_as_published(void **state) {
    static const uint8_t stored[] = {0x4E, 0x53, 0x4A, 0x31, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00,
                                     0x00, 0x00, 0xA7, 0x3D, 0x1F, 0x87, 0x01, 0x00, 0x05, 0x00,
                                     0x21, 0x29, 0xF9, 0x41, 0x4E, 0x75, 0x53, 0x45, 0x43, 0xFF,
                                     0xFF, 0xFF, 0x18, 0x7A, 0x21, 0x71, 0x44, 0x4F, 0x4E, 0x45};
    (void)state;
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, bytes_of("NuSEC", 5)),
                     STATUS_OK);
    assert_memory_equal(flash + FIRST, stored, sizeof stored);
    assert_int_equal(flash[FIRST + sizeof stored], 0xFF);
}

static void too_large_changes_nothing(void **state) {
    uint8_t small[8];
    size_t size = 0;
    (void)state;
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(1, 200)),
                     STATUS_OK);
    assert_int_equal(journal_write(&journal, JOURNAL_OBJECT_ID, value_of(2, 300)), STATUS_NO_SPACE);
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(3, HALF)),
                     STATUS_NO_SPACE);
    assert_holds(JOURNAL_CERTIFICATE_CHAIN, 1, 200);
    assert_lacks(JOURNAL_OBJECT_ID);
    assert_int_equal(journal_read(&journal, JOURNAL_CERTIFICATE_CHAIN, small, sizeof small, &size),
                     STATUS_NO_SPACE);
    assert_int_equal(size, 0);
    /* The largest that fits: the whole half but its header and the record's. */
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(4, HALF - 32)),
                     STATUS_OK);
    assert_holds(JOURNAL_CERTIFICATE_CHAIN, 4, HALF - 32);
}

static void a_flipped_bit_is_not_returned(void **state) {
    (void)state;
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(0x55, 40)),
                     STATUS_OK);
    for (size_t i = 16; i < 16 + 8 + 40 + 8; i++) {
        uint8_t out[64];
        size_t size = 0;
        flash[FIRST + i] ^= 0x04;
        assert_int_equal(journal_read(&journal, JOURNAL_CERTIFICATE_CHAIN, out, sizeof out, &size),
                         STATUS_FLASH);
        assert_int_equal(size, 0);
        power_on();
        assert_lacks(JOURNAL_CERTIFICATE_CHAIN);
        flash[FIRST + i] ^= 0x04;
        power_on();
    }
    assert_holds(JOURNAL_CERTIFICATE_CHAIN, 0x55, 40);
}

static void records_of_an_older_generation_do_not_count(void **state) {
    uint8_t record[8 + 40 + 8];
    (void)state;
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(1, 40)),
                     STATUS_OK);
    memcpy(record, flash + FIRST + 16, sizeof record);
    for (unsigned i = 0; journal.generation < 3; i++) {
        assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(2, 40)),
                         STATUS_OK);
    }
    assert_int_equal(journal.active, 0);
    memcpy(flash + FIRST + journal.end, record, sizeof record);
    power_on();
    assert_holds(JOURNAL_CERTIFICATE_CHAIN, 2, 40);
    assert_true(journal.closed);
    assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(3, 40)),
                     STATUS_OK);
    assert_holds(JOURNAL_CERTIFICATE_CHAIN, 3, 40);
    assert_int_equal(violations, 0);
}

/* Writes a new value with a cut at each operation in turn, from `flash_before`. */
static unsigned cut_every_operation(const uint8_t *flash_before, bool tear) {
    unsigned cuts = 0;
    for (unsigned at = 1;; at++) {
        uint8_t out[64];
        size_t size = 0;
        memcpy(flash, flash_before, sizeof flash);
        power_on();
        cut_at = at;
        tear_it = tear;
        enum status status = journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(9, 48));
        if (!is_dead) {
            assert_int_equal(status, STATUS_OK);
            return cuts;
        }
        cuts++;
        assert_int_not_equal(status, STATUS_OK);
        power_on();
        assert_holds(JOURNAL_OBJECT_ID, 7, 24);
        assert_int_equal(journal_read(&journal, JOURNAL_CERTIFICATE_CHAIN, out, sizeof out, &size),
                         STATUS_OK);
        assert_true((size == 40 && out[0] == 8 && out[39] == 8) ||
                    (size == 48 && out[0] == 9 && out[47] == 9));
        assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(10, 56)),
                         STATUS_OK);
        power_on();
        assert_holds(JOURNAL_CERTIFICATE_CHAIN, 10, 56);
        assert_holds(JOURNAL_OBJECT_ID, 7, 24);
        assert_int_equal(violations, 0);
    }
}

static void a_cut_leaves_the_old_or_the_new_value(void **state) {
    static uint8_t before[SIZE];
    unsigned with_compaction = 0;
    (void)state;
    assert_int_equal(journal_write(&journal, JOURNAL_OBJECT_ID, value_of(7, 24)), STATUS_OK);
    /* From every fill level of the half, so appends and compactions are both cut. */
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(journal_write(&journal, JOURNAL_CERTIFICATE_CHAIN, value_of(8, 40)),
                         STATUS_OK);
        memcpy(before, flash, sizeof before);
        unsigned cuts = cut_every_operation(before, false);
        assert_true(cuts >= 8); /* header, six units, commit */
        assert_int_equal(cut_every_operation(before, true), cuts);
        with_compaction += cuts > 8 ? 1 : 0;
        memcpy(flash, before, sizeof flash);
        power_on();
    }
    assert_true(with_compaction > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_erased_flash_is_empty, start),
        cmocka_unit_test_setup(garbage_is_empty_too, start),
        cmocka_unit_test_setup(values_outlive_power, start),
        cmocka_unit_test_setup(removed_stays_removed, start),
        cmocka_unit_test_setup(stored_bytes_as_published, start),
        cmocka_unit_test_setup(too_large_changes_nothing, start),
        cmocka_unit_test_setup(a_flipped_bit_is_not_returned, start),
        cmocka_unit_test_setup(records_of_an_older_generation_do_not_count, start),
        cmocka_unit_test_setup(a_cut_leaves_the_old_or_the_new_value, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
