#include "virtual_board/access.h"

#include "board/board_file.h"

#include <stddef.h>

#define SYSTEM_CONTROL_ADDRESS 0xE000E000u
#define SYSTEM_CONTROL_SIZE    0x1000u
#define HIDDEN_END             (BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE)

struct window {
    uint32_t address;
    uint32_t size;
    bool writable;
};

static const struct window windows[] = {
    {BOARD_ROM_ADDRESS, BOARD_ROM_SIZE, false},
    {BOARD_SRAM_ADDRESS, BOARD_HIDDEN_RAM_ADDRESS - BOARD_SRAM_ADDRESS, true},
    {HIDDEN_END, BOARD_SRAM_ADDRESS + BOARD_SRAM_SIZE - HIDDEN_END, true},
    {BOARD_FILE_ADDRESS + BOARD_FLASH_OFFSET, BOARD_FLASH_SIZE, false},
    {BOARD_FILE_ADDRESS + BOARD_OTP_OFFSET, BOARD_OTP_PUBLIC_SIZE, false},
    {BOARD_FILE_ADDRESS + BOARD_OTP_LOCK_OFFSET, BOARD_OTP_LOCK_SIZE, false},
    {SYSTEM_CONTROL_ADDRESS, SYSTEM_CONTROL_SIZE, false},
};

bool access_allowed(enum access_kind kind, uint32_t address, uint32_t size) {
    if (size == 0)
        return false;
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        const struct window *window = &windows[i];
        if (address < window->address || address - window->address >= window->size ||
            size > window->size - (address - window->address))
            continue;
        return kind == ACCESS_READ || window->writable;
    }
    return false;
}
