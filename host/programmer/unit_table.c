#include "programmer/unit_table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 32

/* UIDs of one lot are nearly consecutive, so all 16 bytes go in (FNV-1a). */
static size_t uid_hash(const uint8_t uid[JOB_UID_SIZE]) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < JOB_UID_SIZE; i++)
        hash = (hash ^ uid[i]) * 0x100000001B3u;
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot of this UID, or the free one where it belongs. */
static uint32_t *slot_of(const struct unit_table *table, const uint8_t uid[JOB_UID_SIZE]) {
    size_t index = uid_hash(uid) & (table->slot_count - 1);
    while (table->slots[index] != 0 &&
           memcmp(table->units[table->slots[index] - 1].uid, uid, JOB_UID_SIZE) != 0)
        index = (index + 1) & (table->slot_count - 1);
    return &table->slots[index];
}

struct job_unit *unit_table_find(const struct unit_table *table, const uint8_t uid[JOB_UID_SIZE]) {
    if (table->slot_count == 0)
        return NULL;
    uint32_t slot = *slot_of(table, uid);
    return slot != 0 ? &table->units[slot - 1] : NULL;
}

static int table_grow(struct unit_table *table) {
    size_t capacity = table->capacity != 0 ? table->capacity * 2 : FIRST_CAPACITY;
    struct job_unit *units = realloc(table->units, capacity * sizeof *units);
    if (units == NULL)
        return -1;
    table->units = units;
    table->capacity = capacity;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return -1;
    free(table->slots);
    table->slots = slots;
    table->slot_count = capacity * 2;
    for (size_t i = 0; i < table->count; i++)
        *slot_of(table, units[i].uid) = (uint32_t)(i + 1);
    return 0;
}

struct job_unit *unit_table_add(struct unit_table *table, const uint8_t uid[JOB_UID_SIZE]) {
    struct job_unit *known = unit_table_find(table, uid);
    if (known != NULL)
        return known;
    if (table->count >= table->capacity && table_grow(table) != 0)
        return NULL;
    if (table->units == NULL)
        return NULL;
    struct job_unit *unit = &table->units[table->count];
    *unit = (struct job_unit){0};
    memcpy(unit->uid, uid, JOB_UID_SIZE);
    table->count++;
    *slot_of(table, uid) = (uint32_t)table->count;
    return unit;
}

void unit_table_free(struct unit_table *table) {
    free(table->units);
    free(table->slots);
    *table = (struct unit_table){0};
}
