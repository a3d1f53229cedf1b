/*
 * What lies in flash as BL2 or BL3 of a native board (docs/formats/virtual_board.md). The code is
 * in this program already, so it names stage, version and program: another build's payload does not
 * start, and two versions are two images.
 */
#include "native.h"

#include "board/board_file.h"
#include "common/board_model.h"
#include "crypto/crypto.h"

#include <string.h>

#define STACK_OFFSET   0u /* as in a real vector table */
#define ENTRY_OFFSET   4u
#define MARKER_OFFSET  256u
#define MARKER_SIZE    32u
#define STAGE_OFFSET   (MARKER_OFFSET + MARKER_SIZE)
#define VERSION_OFFSET (STAGE_OFFSET + 4u)
#define HASH_OFFSET    (VERSION_OFFSET + 4u)

_Static_assert(HASH_OFFSET + CRYPTO_DIGEST_SIZE == NATIVE_PAYLOAD_SIZE, "nothing behind the hash");

static const char marker[MARKER_SIZE] = "NuSEC firmware, native build";

static void put_word(uint8_t *out, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t word_at(const uint8_t *in) {
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void native_payload_make(uint8_t payload[NATIVE_PAYLOAD_SIZE], enum native_stage stage,
                         uint32_t version) {
    memset(payload, 0, NATIVE_PAYLOAD_SIZE);
    put_word(payload + STACK_OFFSET, BOARD_HIDDEN_RAM_ADDRESS + BOARD_HIDDEN_RAM_SIZE);
    put_word(payload + ENTRY_OFFSET, (BOARD_FILE_ADDRESS + MARKER_OFFSET) | 1u);
    memcpy(payload + MARKER_OFFSET, marker, sizeof(marker));
    put_word(payload + STAGE_OFFSET, (uint32_t)stage);
    put_word(payload + VERSION_OFFSET, version);
    native_program_hash(payload + HASH_OFFSET);
}

/* Code is linked for its place: BL2 runs from its slot only, BL3 from the primary one. */
static enum native_stage stage_at(uint32_t offset) {
    return offset < BOARD_PRIMARY_FIRST * BOARD_FLASH_PAGE ? NATIVE_BOOTLOADER : NATIVE_APPLICATION;
}

void native_enter_image(uint32_t offset) {
    uint8_t payload[NATIVE_PAYLOAD_SIZE];
    uint8_t expected[NATIVE_PAYLOAD_SIZE];
    enum native_stage stage = stage_at(offset);
    uint32_t version;

    if (flash_model_read(offset, payload, sizeof(payload)) != STATUS_OK)
        return;
    version = word_at(payload + VERSION_OFFSET);
    native_payload_make(expected, stage, version);
    if (memcmp(payload, expected, sizeof(expected)) != 0)
        return;
    board_raise_peaks(0, (uint32_t)crypto_arena_peak());
    board_note_time(native_clock_us());
    native_hold_stub();
    native_restart(stage, version);
}
