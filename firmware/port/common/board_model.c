#include "common/board_model_private.h"

#include "image/image_reason.h"

static const struct board_platform *board;
static uint32_t debug_attaches_seen;

void board_model_start(const struct board_platform *platform) {
    board = platform;
    debug_attaches_seen = 0;
}

uint8_t board_file_byte(uint32_t offset) {
    return board->file[offset];
}

void board_file_read(uint32_t offset, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i++)
        out[i] = board->file[offset + i];
}

void board_file_open(void) {
    if (board->open_writes != NULL)
        board->open_writes();
}

void board_file_close(void) {
    if (board->close_writes != NULL)
        board->close_writes();
}

void board_file_put(uint32_t offset, uint8_t value) {
    board->file[offset] = value;
}

void board_stall(uint32_t microseconds) {
    if (board_register_read(BOARD_REGISTER_DELAYS) != 0)
        board->stall(microseconds);
}

void board_scrub_stack(void) {
    if (board->scrub_stack != NULL)
        board->scrub_stack();
}

/* One aligned access: the launcher reads and writes these words from another process. */
static volatile uint32_t *register_word(enum board_register at) {
    return (volatile uint32_t *)(volatile void *)(board->file + BOARD_REGISTERS_OFFSET + at);
}

uint32_t board_register_read(enum board_register at) {
    return *register_word(at);
}

void board_register_write(enum board_register at, uint32_t value) {
    board_file_open();
    *register_word(at) = value;
    board_file_close();
}

void board_register_add(enum board_register at, uint32_t value) {
    board_register_write(at, board_register_read(at) + value);
}

void board_register_raise(enum board_register at, uint32_t value) {
    if (value > board_register_read(at))
        board_register_write(at, value);
}

_Static_assert((int)BOARD_BOOT_EVENT_BL2 == (int)HAL_BOOT_EVENT_BL2 &&
                   (int)BOARD_BOOT_EVENT_PRIMARY == (int)HAL_BOOT_EVENT_PRIMARY &&
                   (int)BOARD_BOOT_EVENT_SECONDARY == (int)HAL_BOOT_EVENT_SECONDARY &&
                   (int)BOARD_BOOT_EVENT_SWAP == (int)HAL_BOOT_EVENT_SWAP &&
                   (int)BOARD_BOOT_EVENT_STAY == (int)HAL_BOOT_EVENT_STAY,
               "the launcher reads the log by these numbers");
_Static_assert((int)BOARD_RESET_POWER_ON == (int)HAL_BOOT_POWER_ON &&
                   (int)BOARD_RESET_REQUESTED == (int)HAL_BOOT_REQUESTED &&
                   (int)BOARD_RESET_WATCHDOG == (int)HAL_BOOT_WATCHDOG &&
                   (int)BOARD_RESET_STAY == (int)HAL_BOOT_STAY,
               "and reset causes by these");

static enum board_register indexed(enum board_register first, uint32_t index) {
    return (enum board_register)((uint32_t)first + 4 * index);
}

/* Of the stage that runs, from 0; BOARD_STAGES where there is none. */
static uint32_t stage_index(void) {
    uint32_t stage = board_register_read(BOARD_REGISTER_STAGE);

    return stage == 0 || stage > BOARD_STAGES ? BOARD_STAGES : stage - 1;
}

void board_raise_peaks(uint32_t stack, uint32_t arena) {
    uint32_t index = stage_index();

    board_register_raise(BOARD_REGISTER_STACK_PEAK, stack);
    board_register_raise(BOARD_REGISTER_ARENA_PEAK, arena);
    if (index == BOARD_STAGES)
        return;
    board_register_raise(indexed(BOARD_REGISTER_STAGE_PEAKS, 2 * index), stack);
    board_register_raise(indexed(BOARD_REGISTER_STAGE_PEAKS, 2 * index + 1), arena);
}

void board_note_time(uint64_t microseconds) {
    uint32_t index = stage_index();

    if (index != BOARD_STAGES)
        board_register_write(indexed(BOARD_REGISTER_STAGE_TIMES, index), (uint32_t)microseconds);
}

static uint32_t compressed(uint32_t reason) {
    if (reason == (uint32_t)IMAGE_ACCEPTED)
        return 0;
    return reason < BOARD_BOOT_LOG_REASON_MASK ? reason : BOARD_BOOT_LOG_REASON_MASK;
}

void board_boot_log(enum hal_boot_event event, uint32_t reason) {
    uint32_t count = board_register_read(BOARD_REGISTER_BOOT_LOG_COUNT);

    board_register_write(indexed(BOARD_REGISTER_BOOT_LOG, count % BOARD_BOOT_LOG_ENTRIES),
                         (uint32_t)event << BOARD_BOOT_LOG_EVENT_SHIFT | compressed(reason));
    board_register_write(BOARD_REGISTER_BOOT_LOG_COUNT, count + 1);
}

void board_fault_die(void) {
    *register_word(BOARD_REGISTER_FAULT_FIRED) = 1;
    for (;;)
        board->die();
}

bool board_fault_in_operation(void) {
    uint32_t kind = *register_word(BOARD_REGISTER_FAULT_KIND);
    uint32_t number = *register_word(BOARD_REGISTER_OPERATIONS) + 1;

    *register_word(BOARD_REGISTER_OPERATIONS) = number;
    if (kind == BOARD_FAULT_NONE || number != *register_word(BOARD_REGISTER_FAULT_AT))
        return false;
    if (kind == BOARD_FAULT_STOP)
        board_fault_die();
    return true;
}

uint8_t board_fault_noise(void) {
    static uint32_t state;

    if (state == 0)
        state = *register_word(BOARD_REGISTER_OPERATIONS) | 0x80000000u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (uint8_t)(state >> 8);
}

bool board_debug_attached(bool clear) {
    uint32_t attaches = board_register_read(BOARD_REGISTER_DEBUG_ATTACHES);
    bool attached =
        board_register_read(BOARD_REGISTER_DEBUG_ATTACHED) != 0 || attaches != debug_attaches_seen;

    if (clear)
        debug_attaches_seen = attaches;
    return attached;
}

bool board_debug_locked(void) {
    return board_register_read(BOARD_REGISTER_DEBUG_LOCK) != BOARD_DEBUG_OPEN;
}

void board_debug_latch(enum hal_life_cycle life_cycle) {
    bool is_open = life_cycle == HAL_LIFE_BLANK || life_cycle == HAL_LIFE_PROVISIONED ||
                   life_cycle == HAL_LIFE_RMA;

    board_register_write(BOARD_REGISTER_DEBUG_LOCK,
                         is_open ? BOARD_DEBUG_OPEN : BOARD_DEBUG_LOCKED);
}

void board_uid(uint8_t uid[HAL_UID_SIZE]) {
    board_file_read(BOARD_REGISTERS_OFFSET + BOARD_REGISTER_UID, uid, HAL_UID_SIZE);
}

enum hal_boot_reason board_boot_reason(void) {
    switch (board_register_read(BOARD_REGISTER_RESET_CAUSE)) {
    case HAL_BOOT_REQUESTED: return HAL_BOOT_REQUESTED;
    case HAL_BOOT_WATCHDOG: return HAL_BOOT_WATCHDOG;
    case HAL_BOOT_STAY: return HAL_BOOT_STAY;
    default: return HAL_BOOT_POWER_ON;
    }
}

void board_prepare_reset(enum hal_boot_reason reason) {
    board_register_write(BOARD_REGISTER_RESET_CAUSE, (uint32_t)reason);
    board_register_write(BOARD_REGISTER_DEBUG_LOCK, BOARD_DEBUG_UNKNOWN);
}
