#include "image/testing/fixture.h"

#include <string.h>

#define PAGE 512

static const struct image_trailer_layout LAYOUT = {
    .slot_size = FIXTURE_SLOT_SIZE, .page_size = PAGE, .sectors_max = 16, .content_key_size = 32};

static struct fixture_slot slot;

static int erase(void **state) {
    (void)state;
    memset(slot.data, 0xFF, sizeof slot.data);
    slot.memory = bytes_of(slot.data, sizeof slot.data);
    return 0;
}

/* Programs as flash does: only erased, aligned cells. */
static void program(struct image_trailer_cell cell) {
    assert_int_equal(cell.offset % IMAGE_TRAILER_CELL_SIZE, 0);
    assert_int_equal(cell.size % IMAGE_TRAILER_CELL_SIZE, 0);
    assert_in_range(cell.offset + cell.size, 1, sizeof slot.data);
    for (size_t i = 0; i < cell.size; i++) {
        assert_int_equal(slot.data[cell.offset + i], 0xFF);
        slot.data[cell.offset + i] = cell.data[i];
    }
}

static struct image_trailer read_trailer(void) {
    const struct image_source source = image_source_of(&slot.memory);
    struct image_trailer trailer;
    assert_status(image_trailer_read(&source, &LAYOUT, &trailer), STATUS_OK);
    return trailer;
}

static void offsets_as_published(void **state) {
    (void)state;
    uint32_t end = FIXTURE_SLOT_SIZE;
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_MAGIC), end - 16);
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_IMAGE_OK), end - 24);
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_COPY_DONE), end - 32);
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_SWAP_INFO), end - 40);
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_SWAP_SIZE), end - 48);
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_KEY_0), end - 80);
    assert_int_equal(image_trailer_offset(&LAYOUT, IMAGE_TRAILER_KEY_1), end - 112);
    assert_int_equal(image_trailer_size(&LAYOUT), 112 + 16 * 3 * 8);
    assert_int_equal(image_trailer_reserved(&LAYOUT), 2 * PAGE);
    assert_int_equal(image_trailer_move_offset(&LAYOUT, 0), end - 496);
    assert_int_equal(image_trailer_move_offset(&LAYOUT, 15), end - 496 + 15 * 8);
    assert_int_equal(image_trailer_swap_offset(&LAYOUT, 0, 0), end - 496 + 16 * 8);
    assert_int_equal(image_trailer_swap_offset(&LAYOUT, 0, 1), end - 496 + 17 * 8);
    assert_int_equal(image_trailer_swap_offset(&LAYOUT, 15, 1), end - 112 - 8);
    struct image_trailer_layout layout = LAYOUT;
    layout.content_key_size = 0;
    assert_int_equal(image_trailer_size(&layout), 48 + 16 * 3 * 8);
    layout.content_key_size = 16;
    assert_int_equal(image_trailer_size(&layout), 80 + 16 * 3 * 8);
}

/* Every cell there is, programmed once: none overlaps another. */
static void round_trip(void **state) {
    (void)state;
    const struct image_source source = image_source_of(&slot.memory);
    uint8_t key[32];
    assert_status(image_trailer_read_key(&source, &LAYOUT, IMAGE_TRAILER_KEY_0, key),
                  STATUS_NOT_FOUND);
    program(image_trailer_set_magic(&LAYOUT));
    program(image_trailer_set_flag(&LAYOUT, IMAGE_TRAILER_IMAGE_OK));
    program(image_trailer_set_flag(&LAYOUT, IMAGE_TRAILER_COPY_DONE));
    program(image_trailer_set_swap_info(&LAYOUT, IMAGE_SWAP_PERMANENT, 5));
    program(image_trailer_set_swap_size(&LAYOUT, 4321));
    program(image_trailer_set_key(&LAYOUT, IMAGE_TRAILER_KEY_0, FIXTURE_CONTENT_KEY));
    program(image_trailer_set_key(&LAYOUT, IMAGE_TRAILER_KEY_1, FIXTURE_SIGNER.public_key));
    for (uint16_t i = 0; i < LAYOUT.sectors_max; i++) {
        program(image_trailer_set_status(image_trailer_move_offset(&LAYOUT, i), 1));
        program(image_trailer_set_status(image_trailer_swap_offset(&LAYOUT, i, 0), 1));
        program(image_trailer_set_status(image_trailer_swap_offset(&LAYOUT, i, 1), 2));
    }
    struct image_trailer trailer = read_trailer();
    assert_int_equal(trailer.magic, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.image_ok, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.copy_done, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.swap_info, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.swap, IMAGE_SWAP_PERMANENT);
    assert_int_equal(trailer.swap_image, 5);
    assert_int_equal(trailer.swap_size, IMAGE_TRAILER_SET);
    assert_int_equal(trailer.swap_size_bytes, 4321);
    assert_status(image_trailer_read_key(&source, &LAYOUT, IMAGE_TRAILER_KEY_0, key), STATUS_OK);
    assert_memory_equal(key, FIXTURE_CONTENT_KEY, sizeof key);
    assert_status(image_trailer_read_key(&source, &LAYOUT, IMAGE_TRAILER_KEY_1, key), STATUS_OK);
    assert_memory_equal(key, FIXTURE_SIGNER.public_key, sizeof key);
}

static void erased_is_unset(void **state) {
    (void)state;
    struct image_trailer trailer = read_trailer();
    assert_int_equal(trailer.magic, IMAGE_TRAILER_UNSET);
    assert_int_equal(trailer.image_ok, IMAGE_TRAILER_UNSET);
    assert_int_equal(trailer.copy_done, IMAGE_TRAILER_UNSET);
    assert_int_equal(trailer.swap_info, IMAGE_TRAILER_UNSET);
    assert_int_equal(trailer.swap, IMAGE_SWAP_NONE);
    assert_int_equal(trailer.swap_size, IMAGE_TRAILER_UNSET);
}

static unsigned bad_fields(const struct image_trailer *trailer) {
    const enum image_trailer_state states[] = {trailer->magic, trailer->image_ok,
                                               trailer->copy_done, trailer->swap_info,
                                               trailer->swap_size};
    unsigned bad = 0;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        bad += states[i] == IMAGE_TRAILER_BAD ? 1 : 0;
    }
    return bad;
}

/*
 * Every byte of a full trailer changed in every single bit and inverted: exactly that field is BAD.
 * Not authenticated and so not noticed: a swap info or size that is another valid one.
 */
static void every_changed_byte_is_noticed(void **state) {
    (void)state;
    program(image_trailer_set_magic(&LAYOUT));
    program(image_trailer_set_flag(&LAYOUT, IMAGE_TRAILER_IMAGE_OK));
    program(image_trailer_set_flag(&LAYOUT, IMAGE_TRAILER_COPY_DONE));
    program(image_trailer_set_swap_info(&LAYOUT, IMAGE_SWAP_TEST, 0));
    program(image_trailer_set_swap_size(&LAYOUT, 4096));
    struct image_trailer trailer = read_trailer();
    assert_int_equal(bad_fields(&trailer), 0);
    for (size_t place = sizeof slot.data - 48; place < sizeof slot.data; place++) {
        bool is_swap_info = place == sizeof slot.data - 40;
        bool is_swap_size = place < sizeof slot.data - 44;
        for (unsigned bit = 0; bit <= 8; bit++) {
            uint8_t change = (uint8_t)(bit == 8 ? 0xFF : 1u << bit);
            slot.data[place] ^= change;
            trailer = read_trailer();
            unsigned bad = bad_fields(&trailer);
            bool other_value = (is_swap_info && trailer.swap_info == IMAGE_TRAILER_SET) ||
                               (is_swap_size && trailer.swap_size == IMAGE_TRAILER_SET);
            assert_int_equal(bad, other_value ? 0 : 1);
            slot.data[place] ^= change;
        }
    }
}

/* A power cut while one cell is programmed leaves some of its zeros unwritten: never another SET.
 */
static void torn_flags_are_bad(void **state) {
    (void)state;
    uint32_t place = image_trailer_offset(&LAYOUT, IMAGE_TRAILER_IMAGE_OK);
    unsigned torn = 0;
    for (unsigned value = 0; value <= UINT8_MAX; value++) {
        slot.data[place] = (uint8_t)value;
        enum image_trailer_state expected = value == 0xFF   ? IMAGE_TRAILER_UNSET
                                            : value == 0x01 ? IMAGE_TRAILER_SET
                                                            : IMAGE_TRAILER_BAD;
        struct image_trailer trailer = read_trailer();
        assert_int_equal(trailer.image_ok, expected);
        torn += expected == IMAGE_TRAILER_BAD ? 1 : 0;
    }
    assert_int_equal(torn, 254);
}

static void swap_size_stays_in_the_slot(void **state) {
    (void)state;
    uint32_t largest = FIXTURE_SLOT_SIZE - 2 * PAGE;
    program(image_trailer_set_swap_size(&LAYOUT, largest));
    assert_int_equal(read_trailer().swap_size, IMAGE_TRAILER_SET);
    (void)erase(NULL);
    program(image_trailer_set_swap_size(&LAYOUT, largest + 1));
    assert_int_equal(read_trailer().swap_size, IMAGE_TRAILER_BAD);
    assert_int_equal(read_trailer().swap_size_bytes, 0);
}

#define U IMAGE_TRAILER_UNSET
#define S IMAGE_TRAILER_SET
#define B IMAGE_TRAILER_BAD

static struct image_trailer trailer_of(const enum image_trailer_state states[3]) {
    return (struct image_trailer){
        .magic = states[0], .image_ok = states[1], .copy_done = states[2]};
}

static void swaps_are_decided_by_both(void **state) {
    (void)state;
    static const struct {
        enum image_trailer_state primary[3]; /* magic, image_ok, copy_done */
        enum image_trailer_state secondary[3];
        enum image_swap swap;
    } CASES[] = {
        {{U, U, U}, {U, U, U}, IMAGE_SWAP_NONE},      {{U, U, U}, {S, U, U}, IMAGE_SWAP_TEST},
        {{S, S, S}, {S, U, U}, IMAGE_SWAP_TEST},      {{U, U, U}, {S, S, U}, IMAGE_SWAP_PERMANENT},
        {{S, U, S}, {S, S, U}, IMAGE_SWAP_PERMANENT}, {{S, U, S}, {U, U, U}, IMAGE_SWAP_REVERT},
        {{S, S, S}, {U, U, U}, IMAGE_SWAP_NONE},      {{S, U, U}, {U, U, U}, IMAGE_SWAP_NONE},
        {{S, B, S}, {U, U, U}, IMAGE_SWAP_NONE},      {{B, U, S}, {U, U, U}, IMAGE_SWAP_NONE},
        {{S, U, B}, {U, U, U}, IMAGE_SWAP_NONE},      {{U, U, U}, {B, U, U}, IMAGE_SWAP_NONE},
        {{U, U, U}, {S, B, U}, IMAGE_SWAP_NONE},      {{U, U, U}, {U, S, U}, IMAGE_SWAP_NONE},
        {{S, U, S}, {B, U, U}, IMAGE_SWAP_NONE},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct image_trailer primary = trailer_of(CASES[i].primary);
        const struct image_trailer secondary = trailer_of(CASES[i].secondary);
        assert_int_equal(image_trailer_decide(&primary, &secondary), CASES[i].swap);
    }
}

static void refuses_layouts_that_cannot_be(void **state) {
    (void)state;
    struct image_trailer_layout layout = LAYOUT;
    assert_status(image_trailer_check(&layout), STATUS_OK);
    layout.content_key_size = 24;
    assert_status(image_trailer_check(&layout), STATUS_INVALID);
    layout = LAYOUT;
    layout.page_size = 0;
    assert_status(image_trailer_check(&layout), STATUS_INVALID);
    layout.page_size = 500;
    assert_status(image_trailer_check(&layout), STATUS_INVALID);
    layout = LAYOUT;
    layout.slot_size += 8;
    assert_status(image_trailer_check(&layout), STATUS_INVALID);
    layout = LAYOUT;
    layout.sectors_max = 15;
    assert_status(image_trailer_check(&layout), STATUS_INVALID);
    layout = LAYOUT;
    layout.slot_size = 2 * PAGE;
    assert_status(image_trailer_check(&layout), STATUS_NO_SPACE);
    layout = LAYOUT;
    layout.sectors_max = UINT16_MAX;
    assert_status(image_trailer_check(&layout), STATUS_NO_SPACE);
}

static void writes_whole_slots(void **state) {
    (void)state;
    static struct fixture_slot plain;
    struct image_trailer_layout layout = LAYOUT;
    struct writer writer;
    const struct image_policy policy = fixture_policy(0);
    layout.content_key_size = 0;
    fixture_build(&plain, &FIXTURE_PLAN, IMAGE_KEY_FULL, bytes_of(NULL, 0));
    for (int permanent = 0; permanent <= 1; permanent++) {
        memset(slot.data, 0, sizeof slot.data);
        writer_init(&writer, slot.data, sizeof slot.data);
        write_bytes(&writer, bytes_of(plain.data, plain.image_size));
        assert_status(image_write_slot_end(&writer, &layout,
                                           permanent != 0 ? IMAGE_SLOT_UPGRADE_PERMANENT
                                                          : IMAGE_SLOT_UPGRADE),
                      STATUS_OK);
        assert_int_equal(writer.size, sizeof slot.data);
        struct image_trailer trailer = read_trailer();
        const struct image_trailer primary = {.swap = IMAGE_SWAP_NONE};
        assert_int_equal(image_trailer_decide(&primary, &trailer),
                         permanent != 0 ? IMAGE_SWAP_PERMANENT : IMAGE_SWAP_TEST);
        assert_int_equal(fixture_verify(&slot, &policy), IMAGE_ACCEPTED);
        assert_int_equal(slot.data[plain.image_size], 0xFF);
    }
    writer_init(&writer, slot.data, sizeof slot.data);
    write_fill(&writer, 0, layout.slot_size - image_trailer_reserved(&layout) + 1);
    assert_status(image_write_slot_end(&writer, &layout, IMAGE_SLOT_UPGRADE), STATUS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(offsets_as_published, erase),
        cmocka_unit_test_setup(round_trip, erase),
        cmocka_unit_test_setup(erased_is_unset, erase),
        cmocka_unit_test_setup(every_changed_byte_is_noticed, erase),
        cmocka_unit_test_setup(torn_flags_are_bad, erase),
        cmocka_unit_test_setup(swap_size_stays_in_the_slot, erase),
        cmocka_unit_test_setup(swaps_are_decided_by_both, erase),
        cmocka_unit_test_setup(refuses_layouts_that_cannot_be, erase),
        cmocka_unit_test_setup(writes_whole_slots, erase),
    };
    return cmocka_run_group_tests(tests, fixture_start, NULL);
}
