#include "programmer/ledger_file.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_LIMIT      ((size_t)512 << 20)
#define CHECK_TEXT_SIZE 16

struct line_place {
    uint64_t offset;
    uint32_t size; /* of the base64 part */
    uint8_t hash[LEDGER_HASH_SIZE];
};

struct ledger_file {
    char *path;
    int fd;
    bool broken; /* an append failed and could not be undone */
    uint64_t size;
    struct ledger_head head;
    struct line_place *lines; /* lines[i] is entry i + 1 */
    size_t line_capacity;
    ledger_file_visitor *visit;
    void *context;
};

static int line_note(struct ledger_file *file, uint64_t sequence, uint64_t offset, size_t size,
                     const uint8_t hash[LEDGER_HASH_SIZE], struct error *error) {
    size_t index = (size_t)sequence - 1;
    if (index >= file->line_capacity) {
        size_t capacity = file->line_capacity != 0 ? file->line_capacity * 2 : 256;
        struct line_place *lines = realloc(file->lines, capacity * sizeof *lines);
        if (lines == NULL)
            return error_set(error, ERROR_INTERNAL, "out of memory");
        file->lines = lines;
        file->line_capacity = capacity;
    }
    file->lines[index] = (struct line_place){.offset = offset, .size = (uint32_t)size};
    memcpy(file->lines[index].hash, hash, LEDGER_HASH_SIZE);
    return 0;
}

static int damage(const struct ledger_file *file, uint64_t line, const char *why,
                  struct error *error) {
    (void)error_set(error, ERROR_LEDGER_DIVERGED, "the ledger %s was changed: line %llu has %s",
                    file->path, (unsigned long long)line, why);
    return error_hint(error, "the job cannot go on; ask the OEM for a new one");
}

/* "<base64 of the entry> <first bytes of its hash>": the chain shows a change one line late and not
 * at all in the last line, the hash shows it where it is. Against somebody who computes hashes it
 * is the server's copy that helps. */
static void check_text(const uint8_t hash[LEDGER_HASH_SIZE], char text[CHECK_TEXT_SIZE + 1]) {
    hex_encode(bytes_of(hash, CHECK_TEXT_SIZE / 2), text);
}

static int line_replay(struct ledger_file *file, char *text, uint64_t offset, struct error *error) {
    uint8_t encoded[LEDGER_ENTRY_MAX];
    char check[CHECK_TEXT_SIZE + 1];
    size_t size = 0;
    uint64_t line = file->head.sequence + 1;
    struct ledger_entry entry;
    char *blank = strchr(text, ' ');
    if (blank == NULL)
        return damage(file, line, "no check", error);
    *blank = '\0';
    if (base64_decode(text, encoded, sizeof encoded, &size) != 0 ||
        ledger_parse(bytes_of(encoded, size), &entry, error) != 0)
        return damage(file, line, "no entry", error);
    check_text(entry.hash, check);
    if (strcmp(blank + 1, check) != 0)
        return damage(file, line, "an entry that is not the one written", error);
    if (ledger_extend(&file->head, bytes_of(encoded, size), &entry, error) != 0)
        return damage(file, line, "an entry that does not continue the chain", error);
    const char *why = file->visit(file->context, &entry);
    if (why != NULL)
        return damage(file, line, why, error);
    return line_note(file, entry.sequence, offset, strlen(text), entry.hash, error);
}

/* Cuts the file back to `size`, durably. */
static int file_cut(struct ledger_file *file, uint64_t size) {
    if (ftruncate(file->fd, (off_t)size) != 0 || fsync(file->fd) != 0)
        return -1;
    file->size = size;
    return 0;
}

static int text_replay(struct ledger_file *file, struct buffer *text, struct error *error) {
    size_t start = 0;
    while (start < text->size) {
        char *line = (char *)text->data + start;
        char *end = memchr(line, '\n', text->size - start);
        if (end == NULL)
            break;
        *end = '\0';
        if (strlen(line) != (size_t)(end - line))
            return damage(file, file->head.sequence + 1, "no entry", error);
        if (line_replay(file, line, start, error) != 0)
            return -1;
        start += (size_t)(end - line) + 1;
    }
    file->size = text->size;
    if (start == text->size)
        return 0;
    log_warn("ledger.torn", "path", file->path, "bytes", LOG_NUMBER(text->size - start));
    if (file_cut(file, start) != 0)
        return error_set_errno(error, errno, file->path);
    return 0;
}

static int file_create(const char *path, struct error *error) {
    if (file_exists(path))
        return 0;
    return file_create_durable(path, bytes_of("", 0), 0600, error);
}

static int file_load(struct ledger_file *file, struct error *error) {
    struct buffer text = {0};
    if (file_create(file->path, error) != 0)
        return -1;
    file->fd = open(file->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (file->fd < 0)
        return error_set_errno(error, errno, file->path);
    int failed = file_read(file->path, FILE_LIMIT, &text, error);
    if (failed == 0)
        failed = text_replay(file, &text, error);
    buffer_free(&text);
    return failed;
}

int ledger_file_open(const char *path, ledger_file_visitor *visit, void *context,
                     struct ledger_file **file, struct error *error) {
    struct ledger_file *opened = calloc(1, sizeof *opened);
    *file = NULL;
    if (opened == NULL || (opened->path = strdup(path)) == NULL) {
        free(opened);
        return error_set(error, ERROR_INTERNAL, "out of memory");
    }
    opened->fd = -1;
    opened->visit = visit;
    opened->context = context;
    if (file_load(opened, error) != 0) {
        ledger_file_close(opened);
        return -1;
    }
    *file = opened;
    return 0;
}

void ledger_file_close(struct ledger_file *file) {
    if (file == NULL)
        return;
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->lines);
    free(file->path);
    free(file);
}

/* A line is acknowledged only when it is durable; a failed one is taken back. */
static int line_write(struct ledger_file *file, const char *text,
                      const uint8_t hash[LEDGER_HASH_SIZE], struct error *error) {
    struct buffer line = {0};
    char check[CHECK_TEXT_SIZE + 1];
    check_text(hash, check);
    buffer_print(&line, "%s %s\n", text, check);
    if (buffer_check(&line, error) != 0)
        return -1;
    ssize_t written = write(file->fd, line.data, line.size);
    bool whole = written >= 0 && (size_t)written == line.size;
    bool done = whole && fsync(file->fd) == 0;
    int saved = done ? 0 : (whole || written < 0 ? errno : ENOSPC);
    size_t size = line.size;
    buffer_free(&line);
    if (saved == 0) {
        file->size += size;
        return 0;
    }
    file->broken = file_cut(file, file->size) != 0;
    return error_set_errno(error, saved, file->path);
}

/* On disk, then in memory; when memory cannot follow, the journal is not written any more. */
static int entry_store(struct ledger_file *file, const char *text, const struct ledger_entry *entry,
                       struct error *error) {
    uint64_t offset = file->size;
    if (line_write(file, text, entry->hash, error) != 0)
        return -1;
    int failed = line_note(file, entry->sequence, offset, strlen(text), entry->hash, error);
    const char *why = failed == 0 ? file->visit(file->context, entry) : NULL;
    if (why != NULL)
        failed = error_set(error, ERROR_INTERNAL, "the ledger refused its own entry: %s", why);
    file->broken = failed != 0;
    return failed;
}

int ledger_file_append(struct ledger_file *file, const char *type,
                       const struct ledger_member *members, size_t member_count,
                       struct error *error) {
    if (file->broken)
        return error_set(error, ERROR_STORAGE, "the ledger %s can no longer be written",
                         file->path);
    struct ledger_head head = file->head;
    struct buffer encoded = {0};
    struct ledger_entry entry;
    int failed = ledger_append(&head, clock_now_s(&clock_system), type, members, member_count,
                               &encoded, error);
    if (failed == 0)
        failed = ledger_parse(buffer_bytes(&encoded), &entry, error);
    char *text = failed == 0 ? base64_encode(buffer_bytes(&encoded)) : NULL;
    if (text != NULL)
        failed = entry_store(file, text, &entry, error);
    else if (failed == 0)
        failed = error_set(error, ERROR_INTERNAL, "out of memory");
    if (failed == 0)
        file->head = head;
    free(text);
    buffer_free(&encoded);
    return failed;
}

void ledger_file_head(const struct ledger_file *file, struct ledger_head *head) {
    *head = file->head;
}

bool ledger_file_hash(const struct ledger_file *file, uint64_t sequence,
                      uint8_t hash[LEDGER_HASH_SIZE]) {
    bool found = sequence <= file->head.sequence;
    memset(hash, 0, LEDGER_HASH_SIZE);
    if (found && sequence > 0)
        memcpy(hash, file->lines[sequence - 1].hash, LEDGER_HASH_SIZE);
    return found;
}

int ledger_file_line(const struct ledger_file *file, uint64_t sequence, struct buffer *out,
                     struct error *error) {
    if (sequence == 0 || sequence > file->head.sequence)
        return error_set(error, ERROR_NOT_FOUND, "the ledger has no entry %llu",
                         (unsigned long long)sequence);
    const struct line_place *place = &file->lines[sequence - 1];
    uint8_t *line = buffer_reserve(out, place->size);
    if (line == NULL)
        return buffer_check(out, error);
    if (pread(file->fd, line, place->size, (off_t)place->offset) != (ssize_t)place->size)
        return error_set(error, ERROR_STORAGE, "cannot read the ledger %s", file->path);
    return 0;
}
