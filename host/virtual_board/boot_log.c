#include "virtual_board/boot_log.h"

#include "image/image_reason.h"
#include "image/image_trailer.h"

#include <stdio.h>

static const char *swap_name(uint32_t swap) {
    switch (swap) {
    case IMAGE_SWAP_NONE: return "none";
    case IMAGE_SWAP_TEST: return "test";
    case IMAGE_SWAP_PERMANENT: return "permanent";
    case IMAGE_SWAP_REVERT: return "revert";
    default: return "unknown";
    }
}

static const char *cause_name(uint32_t cause) {
    switch (cause) {
    case BOARD_RESET_POWER_ON: return "power_on";
    case BOARD_RESET_REQUESTED: return "requested";
    case BOARD_RESET_WATCHDOG: return "watchdog";
    case BOARD_RESET_STAY: return "stay";
    default: return "unknown";
    }
}

static const char *reason_name(uint32_t reason) {
    return image_reason_name(reason == 0 ? IMAGE_ACCEPTED : (enum image_reason)reason);
}

static int write_entry(uint32_t entry, char *out, size_t capacity) {
    uint32_t reason = entry & BOARD_BOOT_LOG_REASON_MASK;

    switch (entry >> BOARD_BOOT_LOG_EVENT_SHIFT) {
    case BOARD_BOOT_EVENT_BL2: return snprintf(out, capacity, " bl2=%s", reason_name(reason));
    case BOARD_BOOT_EVENT_PRIMARY:
        return snprintf(out, capacity, " primary=%s", reason_name(reason));
    case BOARD_BOOT_EVENT_SECONDARY:
        return snprintf(out, capacity, " secondary=%s", reason_name(reason));
    case BOARD_BOOT_EVENT_SWAP: return snprintf(out, capacity, " swap=%s", swap_name(reason));
    case BOARD_BOOT_EVENT_STAY: return snprintf(out, capacity, " stay=%s", cause_name(reason));
    default: return snprintf(out, capacity, " unknown=%u", entry);
    }
}

void boot_log_write(const struct board_memory *memory, char *out, size_t capacity) {
    uint32_t count = board_memory_read(memory, BOARD_REGISTER_BOOT_LOG_COUNT);
    uint32_t first = count > BOARD_BOOT_LOG_ENTRIES ? count - BOARD_BOOT_LOG_ENTRIES : 0;
    size_t size = (size_t)snprintf(out, capacity, "%s", first > 0 ? " ..." : "");

    for (uint32_t i = first; i < count && size < capacity; i++) {
        uint32_t at = BOARD_REGISTER_BOOT_LOG + 4 * (i % BOARD_BOOT_LOG_ENTRIES);
        size += (size_t)write_entry(board_memory_read(memory, (enum board_register)at), out + size,
                                    capacity - size);
    }
}
