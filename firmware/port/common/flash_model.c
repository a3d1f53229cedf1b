/*
 * NOR flash: what real hardware refuses is refused here, because QEMU's memory would accept it.
 */
#include "common/board_model_private.h"

const struct hal_flash_geometry flash_model_geometry = {
    .size_bytes = BOARD_FLASH_SIZE,
    .page_bytes = BOARD_FLASH_PAGE,
    .unit_bytes = BOARD_FLASH_UNIT,
    .erase_us = BOARD_FLASH_ERASE_US,
    .program_us = BOARD_FLASH_PROGRAM_US,
    .stalls_fetch = true,
    .journal_first = BOARD_JOURNAL_FIRST,
    .journal_pages = BOARD_JOURNAL_PAGES,
    .bl2_first = 0,
    .bl2_pages = BOARD_BL2_PAGES,
    .primary_first = BOARD_PRIMARY_FIRST,
    .secondary_first = BOARD_SECONDARY_FIRST,
    .slot_pages = BOARD_SLOT_PAGES,
};

static bool is_inside(uint32_t offset, size_t size) {
    return offset <= BOARD_FLASH_SIZE && size <= BOARD_FLASH_SIZE - offset;
}

static bool unit_is_fresh(uint32_t offset) {
    uint32_t unit = offset / BOARD_FLASH_UNIT;

    return ((uint32_t)board_file_byte(BOARD_UNITS_OFFSET + unit / 8) >> (unit % 8) & 1u) != 0;
}

static void unit_set_fresh(uint32_t offset, bool fresh) {
    uint32_t unit = offset / BOARD_FLASH_UNIT;
    uint32_t at = BOARD_UNITS_OFFSET + unit / 8;
    uint8_t bit = (uint8_t)(1u << (unit % 8));
    uint8_t old = board_file_byte(at);

    board_file_put(at, (uint8_t)(fresh ? (old | bit) : (old & ~bit)));
}

static bool unit_is_erased(uint32_t offset) {
    for (uint32_t i = 0; i < BOARD_FLASH_UNIT; i++) {
        if (board_file_byte(offset + i) != 0xFF)
            return false;
    }
    return unit_is_fresh(offset);
}

static void program_unit(uint32_t offset, const uint8_t *data) {
    bool torn = board_fault_in_operation();

    unit_set_fresh(offset, false);
    for (uint32_t i = 0; i < BOARD_FLASH_UNIT; i++)
        board_file_put(offset + i, torn ? (uint8_t)(data[i] | board_fault_noise()) : data[i]);
    if (torn)
        board_fault_die();
}

enum status flash_engine_program(uint32_t offset, const uint8_t *data, size_t size) {
    for (uint32_t done = 0; done < size; done += BOARD_FLASH_UNIT) {
        if (!unit_is_erased(offset + done))
            return STATUS_FLASH;
        board_file_open();
        program_unit(offset + done, data + done);
        board_file_close();
        board_stall(BOARD_FLASH_PROGRAM_US);
        for (uint32_t i = 0; i < BOARD_FLASH_UNIT; i++) {
            if (board_file_byte(offset + done + i) != data[done + i])
                return STATUS_FLASH;
        }
    }
    return STATUS_OK;
}

enum status flash_engine_erase(uint32_t offset) {
    bool torn;

    board_stall(BOARD_FLASH_ERASE_US);
    board_file_open();
    torn = board_fault_in_operation();
    for (uint32_t i = 0; i < BOARD_FLASH_PAGE; i++) {
        /* Half an erase: some bits came up, others still hold, nothing may be programmed. */
        uint8_t old = board_file_byte(offset + i);
        board_file_put(offset + i, torn ? (uint8_t)(old | board_fault_noise()) : 0xFF);
    }
    for (uint32_t i = 0; i < BOARD_FLASH_PAGE; i += BOARD_FLASH_UNIT)
        unit_set_fresh(offset + i, !torn);
    if (torn)
        board_fault_die();
    board_file_close();
    return STATUS_OK;
}

enum status flash_model_read(uint32_t offset, uint8_t *out, size_t size) {
    if (!is_inside(offset, size))
        return STATUS_INVALID;
    board_file_read(BOARD_FLASH_OFFSET + offset, out, size);
    return STATUS_OK;
}

enum status flash_model_program(uint32_t offset, const uint8_t *data, size_t size) {
    if (!is_inside(offset, size) || offset % BOARD_FLASH_UNIT != 0 || size % BOARD_FLASH_UNIT != 0)
        return STATUS_INVALID;
    return flash_engine_program(BOARD_FLASH_OFFSET + offset, data, size);
}

enum status flash_model_erase(uint32_t offset) {
    if (!is_inside(offset, BOARD_FLASH_PAGE) || offset % BOARD_FLASH_PAGE != 0)
        return STATUS_INVALID;
    return flash_engine_erase(BOARD_FLASH_OFFSET + offset);
}
