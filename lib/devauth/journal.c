#include "devauth/journal.h"

#include "base/crc32.h"

#include <string.h>

#define HEADER_SIZE     16 /* of a half: magic, format, reserved, generation, CRC */
#define RECORD_OVERHEAD 16 /* record header and commit cell */
#define CHUNK           64 /* copied at once; a multiple of JOURNAL_UNIT */
#define NO_HALF         (-1)

static const uint8_t HALF_MAGIC[4] = {'N', 'S', 'J', '1'};
static const uint8_t COMMIT_MAGIC[4] = {'D', 'O', 'N', 'E'};
#define FORMAT 1

static uint32_t padded(uint32_t size) {
    return (size + (JOURNAL_UNIT - 1)) & ~(uint32_t)(JOURNAL_UNIT - 1);
}

static uint32_t half_size(const struct journal *journal) {
    return journal->flash.page_bytes * journal->flash.half_pages;
}

static uint32_t half_offset(const struct journal *journal, int32_t half) {
    return journal->flash.first_offset + (half == 0 ? 0 : half_size(journal));
}

struct record {
    uint16_t type;
    uint16_t size;
    uint32_t header_crc;
};

/* The generation goes into the record's CRC, so that nothing left over from an older life of the
 * page can pass as a record of this one. */
static uint32_t record_crc(const struct record *record, uint32_t generation) {
    uint8_t bytes[8];
    struct writer writer;
    writer_init(&writer, bytes, sizeof bytes);
    write_u16le(&writer, record->type);
    write_u16le(&writer, record->size);
    write_u32le(&writer, generation);
    return crc32_of(bytes_of(bytes, sizeof bytes));
}

static enum status read_header(const struct journal *journal, int32_t half, bool *is_valid,
                               uint32_t *generation) {
    uint8_t bytes[HEADER_SIZE];
    struct reader reader;
    enum status status = journal->flash.read(half_offset(journal, half), bytes, sizeof bytes);
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, bytes_of(bytes, sizeof bytes));
    bool is_half = bytes_equal(read_bytes(&reader, 4), bytes_of(HALF_MAGIC, sizeof HALF_MAGIC));
    uint16_t format = read_u16le(&reader);
    (void)read_u16le(&reader);
    *generation = read_u32le(&reader);
    uint32_t crc = read_u32le(&reader);
    *is_valid = is_half && format == FORMAT && crc == crc32_of(bytes_of(bytes, 12));
    return STATUS_OK;
}

static void make_header(uint8_t bytes[HEADER_SIZE], uint32_t generation) {
    struct writer writer;
    writer_init(&writer, bytes, HEADER_SIZE);
    write_bytes(&writer, bytes_of(HALF_MAGIC, sizeof HALF_MAGIC));
    write_u16le(&writer, FORMAT);
    write_u16le(&writer, 0);
    write_u32le(&writer, generation);
    write_u32le(&writer, crc32_of(bytes_of(bytes, 12)));
}

enum place { PLACE_FREE, PLACE_RECORD, PLACE_BROKEN };

/* What is at `position` of the active half. */
static enum status read_record(const struct journal *journal, uint32_t position,
                               struct record *record, enum place *place) {
    uint8_t bytes[JOURNAL_UNIT];
    uint8_t erased[JOURNAL_UNIT];
    struct reader reader;
    memset(erased, 0xFF, sizeof erased);
    enum status status =
        journal->flash.read(half_offset(journal, journal->active) + position, bytes, sizeof bytes);
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, bytes_of(bytes, sizeof bytes));
    record->type = read_u16le(&reader);
    record->size = read_u16le(&reader);
    record->header_crc = read_u32le(&reader);
    uint32_t room = half_size(journal) - position - RECORD_OVERHEAD;
    if (memcmp(bytes, erased, sizeof bytes) == 0) {
        *place = PLACE_FREE;
    } else if (record->header_crc == record_crc(record, journal->generation) && record->type > 0 &&
               record->type < JOURNAL_TYPES && padded(record->size) <= room) {
        *place = PLACE_RECORD;
    } else {
        *place = PLACE_BROKEN;
    }
    return STATUS_OK;
}

/* CRC of the payload at `position`, as the flash has it now. */
static enum status payload_crc(const struct journal *journal, uint32_t position, uint32_t size,
                               uint32_t *crc) {
    uint8_t chunk[CHUNK];
    uint32_t base = half_offset(journal, journal->active) + position + JOURNAL_UNIT;
    uint32_t running = CRC32_START;
    for (uint32_t done = 0; done < size; done += CHUNK) {
        uint32_t part = size - done < CHUNK ? size - done : CHUNK;
        enum status status = journal->flash.read(base + done, chunk, part);
        if (status != STATUS_OK) {
            return status;
        }
        running = crc32_update(running, bytes_of(chunk, part));
    }
    *crc = ~running;
    return STATUS_OK;
}

static enum status check_commit(const struct journal *journal, uint32_t position,
                                const struct record *record, bool *is_committed) {
    uint8_t bytes[JOURNAL_UNIT];
    struct reader reader;
    uint32_t crc = 0;
    enum status status = journal->flash.read(half_offset(journal, journal->active) + position +
                                                 JOURNAL_UNIT + padded(record->size),
                                             bytes, sizeof bytes);
    if (status == STATUS_OK) {
        status = payload_crc(journal, position, record->size, &crc);
    }
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, bytes_of(bytes, sizeof bytes));
    uint32_t stored = read_u32le(&reader);
    *is_committed = stored == crc &&
                    bytes_equal(read_rest(&reader), bytes_of(COMMIT_MAGIC, sizeof COMMIT_MAGIC));
    return STATUS_OK;
}

/* Walks the active half; stops, closed, at the first thing it does not understand. */
static enum status scan(struct journal *journal) {
    uint32_t position = HEADER_SIZE;
    while (position + RECORD_OVERHEAD <= half_size(journal)) {
        struct record record;
        enum place place = PLACE_BROKEN;
        bool is_committed = false;
        enum status status = read_record(journal, position, &record, &place);
        if (status == STATUS_OK && place == PLACE_RECORD) {
            status = check_commit(journal, position, &record, &is_committed);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (place == PLACE_FREE) {
            break;
        }
        if (!is_committed) {
            journal->closed = true;
            break;
        }
        journal->record[record.type] = record.size > 0 ? position : 0;
        position += RECORD_OVERHEAD + padded(record.size);
    }
    journal->end = position;
    return STATUS_OK;
}

enum status journal_mount(struct journal *journal, const struct journal_flash *flash) {
    memset(journal, 0, sizeof *journal);
    journal->flash = *flash;
    journal->active = NO_HALF;
    for (int32_t half = 0; half < 2; half++) {
        bool is_valid = false;
        uint32_t generation = 0;
        enum status status = read_header(journal, half, &is_valid, &generation);
        if (status != STATUS_OK) {
            return status;
        }
        if (is_valid && (journal->active == NO_HALF || generation > journal->generation)) {
            journal->active = half;
            journal->generation = generation;
        }
    }
    return journal->active == NO_HALF ? STATUS_OK : scan(journal);
}

enum status journal_read(struct journal *journal, enum journal_type type, uint8_t *out,
                         size_t capacity, size_t *size) {
    struct record record;
    enum place place = PLACE_BROKEN;
    bool is_committed = false;
    *size = 0;
    if (type <= 0 || type >= JOURNAL_TYPES || journal->active == NO_HALF ||
        journal->record[type] == 0) {
        return STATUS_NOT_FOUND;
    }
    uint32_t position = journal->record[type];
    enum status status = read_record(journal, position, &record, &place);
    if (status == STATUS_OK && place == PLACE_RECORD) {
        status = check_commit(journal, position, &record, &is_committed);
    }
    if (status != STATUS_OK || !is_committed) {
        return STATUS_FLASH;
    }
    if (record.size > capacity) {
        return STATUS_NO_SPACE;
    }
    status = journal->flash.read(half_offset(journal, journal->active) + position + JOURNAL_UNIT,
                                 out, record.size);
    *size = status == STATUS_OK ? record.size : 0;
    return status;
}

/* A record being written to `half`, which need not be the active one. */
struct append {
    uint32_t offset; /* device offset of the next unit */
    uint32_t crc;
};

static enum status append_start(const struct journal *journal, struct append *append,
                                uint32_t offset, enum journal_type type, uint32_t size,
                                uint32_t generation) {
    uint8_t bytes[JOURNAL_UNIT];
    struct writer writer;
    struct record record = {.type = (uint16_t)type, .size = (uint16_t)size, .header_crc = 0};
    writer_init(&writer, bytes, sizeof bytes);
    write_u16le(&writer, record.type);
    write_u16le(&writer, record.size);
    write_u32le(&writer, record_crc(&record, generation));
    append->crc = CRC32_START;
    append->offset = offset + JOURNAL_UNIT;
    return journal->flash.program(offset, bytes, sizeof bytes);
}

/* Every part but the last is CHUNK bytes; the last is padded with erased bytes. */
static enum status append_part(const struct journal *journal, struct append *append,
                               const uint8_t *part, uint32_t size) {
    uint8_t chunk[CHUNK];
    memset(chunk, 0xFF, sizeof chunk);
    memcpy(chunk, part, size);
    append->crc = crc32_update(append->crc, bytes_of(part, size));
    enum status status = journal->flash.program(append->offset, chunk, padded(size));
    append->offset += padded(size);
    return status;
}

static enum status append_commit(const struct journal *journal, const struct append *append) {
    uint8_t bytes[JOURNAL_UNIT];
    struct writer writer;
    writer_init(&writer, bytes, sizeof bytes);
    write_u32le(&writer, ~append->crc);
    write_bytes(&writer, bytes_of(COMMIT_MAGIC, sizeof COMMIT_MAGIC));
    return journal->flash.program(append->offset, bytes, sizeof bytes);
}

static enum status append_value(const struct journal *journal, uint32_t offset,
                                enum journal_type type, struct bytes value, uint32_t generation) {
    struct append append;
    enum status status =
        append_start(journal, &append, offset, type, (uint32_t)value.size, generation);
    for (size_t done = 0; done < value.size && status == STATUS_OK; done += CHUNK) {
        size_t part = value.size - done < CHUNK ? value.size - done : CHUNK;
        status = append_part(journal, &append, bytes_slice(value, done, part).data, (uint32_t)part);
    }
    return status == STATUS_OK ? append_commit(journal, &append) : status;
}

/* Copies a live record of the active half; its CRC is checked on the way. */
static enum status copy_record(const struct journal *journal, enum journal_type type,
                               uint32_t offset, uint32_t generation, uint32_t *taken) {
    uint8_t chunk[CHUNK];
    struct append append;
    struct record record;
    enum place place = PLACE_BROKEN;
    bool is_committed = false;
    uint32_t source = half_offset(journal, journal->active) + journal->record[type];
    enum status status = read_record(journal, journal->record[type], &record, &place);
    if (status == STATUS_OK && place == PLACE_RECORD) {
        status = check_commit(journal, journal->record[type], &record, &is_committed);
    }
    if (status != STATUS_OK || !is_committed) {
        return STATUS_FLASH;
    }
    status = append_start(journal, &append, offset, type, record.size, generation);
    for (uint32_t done = 0; done < record.size && status == STATUS_OK; done += CHUNK) {
        uint32_t part = record.size - done < CHUNK ? record.size - done : CHUNK;
        status = journal->flash.read(source + JOURNAL_UNIT + done, chunk, part);
        if (status == STATUS_OK) {
            status = append_part(journal, &append, chunk, part);
        }
    }
    *taken = RECORD_OVERHEAD + padded(record.size);
    return status == STATUS_OK ? append_commit(journal, &append) : status;
}

static enum status erase_half(const struct journal *journal, int32_t half) {
    enum status status = STATUS_OK;
    for (uint32_t page = 0; page < journal->flash.half_pages && status == STATUS_OK; page++) {
        status =
            journal->flash.erase(half_offset(journal, half) + page * journal->flash.page_bytes);
    }
    return status;
}

/* Bytes the live records other than `type` take. */
static enum status live_size(const struct journal *journal, enum journal_type type,
                             uint32_t *size) {
    *size = 0;
    for (unsigned other = 1; other < JOURNAL_TYPES; other++) {
        struct record record;
        enum place place = PLACE_BROKEN;
        if (other == (unsigned)type || journal->record[other] == 0) {
            continue;
        }
        enum status status = read_record(journal, journal->record[other], &record, &place);
        if (status != STATUS_OK || place != PLACE_RECORD) {
            return STATUS_FLASH;
        }
        *size += RECORD_OVERHEAD + padded(record.size);
    }
    return STATUS_OK;
}

/* Moves to the other half: erase, live records, the new one, and the header last of all. */
static enum status compact(struct journal *journal, enum journal_type type, struct bytes value) {
    uint8_t header[HEADER_SIZE];
    uint32_t position = HEADER_SIZE;
    uint32_t record[JOURNAL_TYPES] = {0};
    uint32_t generation = journal->generation + 1;
    int32_t target = journal->active == 0 ? 1 : 0;
    uint32_t base = half_offset(journal, target);
    enum status status = erase_half(journal, target);
    for (unsigned other = 1; other < JOURNAL_TYPES && status == STATUS_OK; other++) {
        uint32_t taken = 0;
        if (other == (unsigned)type || journal->record[other] == 0) {
            continue;
        }
        status =
            copy_record(journal, (enum journal_type)other, base + position, generation, &taken);
        record[other] = position;
        position += taken;
    }
    if (status == STATUS_OK && value.size > 0) {
        status = append_value(journal, base + position, type, value, generation);
        record[type] = position;
        position += RECORD_OVERHEAD + padded((uint32_t)value.size);
    }
    make_header(header, generation);
    if (status == STATUS_OK) {
        status = journal->flash.program(base, header, sizeof header);
    }
    if (status != STATUS_OK) {
        return status;
    }
    journal->active = target;
    journal->generation = generation;
    journal->end = position;
    journal->closed = false;
    memcpy(journal->record, record, sizeof record);
    return STATUS_OK;
}

/* True if the next `size` bytes of the active half are erased. */
static bool is_free(const struct journal *journal, uint32_t size) {
    uint8_t chunk[CHUNK];
    uint8_t erased[CHUNK];
    uint32_t base = half_offset(journal, journal->active) + journal->end;
    memset(erased, 0xFF, sizeof erased);
    for (uint32_t done = 0; done < size; done += CHUNK) {
        uint32_t part = size - done < CHUNK ? size - done : CHUNK;
        if (journal->flash.read(base + done, chunk, part) != STATUS_OK ||
            memcmp(chunk, erased, part) != 0) {
            return false;
        }
    }
    return true;
}

static bool can_append(const struct journal *journal, uint32_t size) {
    return journal->active != NO_HALF && !journal->closed &&
           size <= half_size(journal) - journal->end && is_free(journal, size);
}

static enum status verify(struct journal *journal, enum journal_type type, struct bytes value) {
    uint8_t chunk[CHUNK];
    uint32_t position = journal->record[type];
    if (value.size == 0) {
        return position == 0 ? STATUS_OK : STATUS_FLASH;
    }
    uint32_t base = half_offset(journal, journal->active) + position + JOURNAL_UNIT;
    for (size_t done = 0; done < value.size; done += CHUNK) {
        size_t part = value.size - done < CHUNK ? value.size - done : CHUNK;
        if (journal->flash.read(base + (uint32_t)done, chunk, part) != STATUS_OK ||
            !bytes_equal(bytes_of(chunk, part), bytes_slice(value, done, part))) {
            return STATUS_FLASH;
        }
    }
    return STATUS_OK;
}

enum status journal_write(struct journal *journal, enum journal_type type, struct bytes value) {
    uint32_t live = 0;
    if (type <= 0 || type >= JOURNAL_TYPES) {
        return STATUS_INVALID;
    }
    enum status status = live_size(journal, type, &live);
    if (status != STATUS_OK) {
        return status;
    }
    if (value.size > UINT16_MAX ||
        HEADER_SIZE + live + RECORD_OVERHEAD + padded((uint32_t)value.size) > half_size(journal)) {
        return STATUS_NO_SPACE;
    }
    uint32_t size = RECORD_OVERHEAD + padded((uint32_t)value.size);
    bool is_written = false;
    if (can_append(journal, size)) {
        status = append_value(journal, half_offset(journal, journal->active) + journal->end, type,
                              value, journal->generation);
        is_written = status == STATUS_OK;
        /* A failed append leaves cells of unknown state: this half takes no more. */
        journal->closed = !is_written;
    }
    if (is_written) {
        journal->record[type] = value.size > 0 ? journal->end : 0;
        journal->end += size;
    } else {
        status = compact(journal, type, value);
    }
    return status == STATUS_OK ? verify(journal, type, value) : status;
}
