#include "package/payload.h"

#include "cose/cbor.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT_VERSION 1
#define MEMBER_COUNT   14
/* Everything but the UIDs, generously: 4 texts, 2 * 16 settings, hashes and integers. */
#define FIXED_SIZE_MAX 4096

/* Keys of the map. */
enum member {
    MEMBER_FORMAT = 1,
    MEMBER_PROGRAMMER,
    MEMBER_CERTIFICATE,
    MEMBER_EPOCH,
    MEMBER_SEQUENCE,
    MEMBER_JOB,
    MEMBER_TOKEN,
    MEMBER_COUNT_OF_UNITS,
    MEMBER_EXPIRY,
    MEMBER_UIDS,
    MEMBER_FAMILY,
    MEMBER_DEVAUTH,
    MEMBER_SETTINGS,
    MEMBER_ISSUED,
};

/* RFC 8949, 4.2.1: keys in the bytewise order of their encodings, so a shorter text comes first. */
static int compare_settings(const void *a, const void *b) {
    const struct package_setting *left = a;
    const struct package_setting *right = b;
    size_t left_size = strlen(left->key);
    size_t right_size = strlen(right->key);
    if (left_size != right_size)
        return left_size < right_size ? -1 : 1;
    return strcmp(left->key, right->key);
}

static void write_settings(struct writer *writer, const struct package *package) {
    struct package_setting sorted[PACKAGE_SETTINGS_MAX];
    memcpy(sorted, package->settings, package->setting_count * sizeof(sorted[0]));
    qsort(sorted, package->setting_count, sizeof(sorted[0]), compare_settings);
    cbor_write_map(writer, package->setting_count);
    for (size_t i = 0; i < package->setting_count; i++) {
        cbor_write_text(writer, sorted[i].key);
        cbor_write_text(writer, sorted[i].value);
    }
}

static void write_uids(struct writer *writer, const struct package *package) {
    struct bytes all = bytes_of(package->uids, package->uid_count * PACKAGE_UID_SIZE);
    cbor_write_array(writer, package->uid_count);
    for (size_t i = 0; i < package->uid_count; i++)
        cbor_write_bytes(writer, bytes_slice(all, i * PACKAGE_UID_SIZE, PACKAGE_UID_SIZE));
}

static void write_uint(struct writer *writer, enum member member, uint64_t value) {
    cbor_write_uint(writer, member);
    cbor_write_uint(writer, value);
}

static void write_text(struct writer *writer, enum member member, const char *value) {
    cbor_write_uint(writer, member);
    cbor_write_text(writer, value);
}

static void write_bstr(struct writer *writer, enum member member, const uint8_t *value,
                       size_t size) {
    cbor_write_uint(writer, member);
    cbor_write_bytes(writer, bytes_of(value, size));
}

static void write_members(struct writer *writer, const struct package *package) {
    cbor_write_map(writer, MEMBER_COUNT);
    write_uint(writer, MEMBER_FORMAT, FORMAT_VERSION);
    write_text(writer, MEMBER_PROGRAMMER, package->programmer_id);
    write_bstr(writer, MEMBER_CERTIFICATE, package->programmer_certificate_sha256, 32);
    write_uint(writer, MEMBER_EPOCH, package->epoch);
    write_uint(writer, MEMBER_SEQUENCE, package->sequence);
    write_text(writer, MEMBER_JOB, package->job_id);
    write_bstr(writer, MEMBER_TOKEN, package->token, PACKAGE_TOKEN_SIZE);
    write_uint(writer, MEMBER_COUNT_OF_UNITS, package->count);
    write_uint(writer, MEMBER_EXPIRY, package->expiry_s);
    cbor_write_uint(writer, MEMBER_UIDS);
    write_uids(writer, package);
    write_text(writer, MEMBER_FAMILY, package->chip_family);
    write_text(writer, MEMBER_DEVAUTH, package->devauth_id);
    cbor_write_uint(writer, MEMBER_SETTINGS);
    write_settings(writer, package);
    write_uint(writer, MEMBER_ISSUED, package->issued_s);
}

int payload_write(const struct package *package, struct buffer *out, struct error *error) {
    struct writer writer;
    if (package->uid_count > PACKAGE_UID_MAX || package->setting_count > PACKAGE_SETTINGS_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "too many UIDs or settings for a package");
    size_t capacity = FIXED_SIZE_MAX + package->uid_count * (PACKAGE_UID_SIZE + 1);
    size_t before = out->size;
    writer_init(&writer, buffer_reserve(out, capacity), capacity);
    if (buffer_check(out, error) != 0)
        return -1;
    write_members(&writer, package);
    if (writer_check(&writer) != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "the package does not fit its buffer");
    out->size = before + writer.size;
    return 0;
}

/* At most PACKAGE_TEXT_MAX bytes, none of them a NUL that would cut it short. */
static void read_text_value(struct reader *reader, char out[PACKAGE_TEXT_MAX + 1]) {
    struct bytes text = cbor_read_text(reader);
    memset(out, 0, PACKAGE_TEXT_MAX + 1);
    if (text.size > PACKAGE_TEXT_MAX || (text.size != 0 && memchr(text.data, 0, text.size) != NULL))
        reader->failed = true;
    else if (text.size != 0)
        memcpy(out, text.data, text.size);
}

static void read_text(struct reader *reader, enum member member, char out[PACKAGE_TEXT_MAX + 1]) {
    cbor_expect_uint(reader, member);
    read_text_value(reader, out);
}

static uint64_t read_uint(struct reader *reader, enum member member, uint64_t limit) {
    cbor_expect_uint(reader, member);
    uint64_t value = cbor_read_uint(reader);
    if (value <= limit)
        return value;
    reader->failed = true;
    return 0;
}

static void read_bstr(struct reader *reader, enum member member, uint8_t *out, size_t size) {
    cbor_expect_uint(reader, member);
    cbor_read_fixed(reader, out, size);
}

static void read_uids(struct reader *reader, struct package *package) {
    cbor_expect_uint(reader, MEMBER_UIDS);
    size_t count = cbor_read_array(reader);
    if (reader->failed || count > PACKAGE_UID_MAX) {
        reader->failed = true;
        return;
    }
    if (count == 0)
        return;
    package->uids = calloc(count, PACKAGE_UID_SIZE);
    if (package->uids == NULL) {
        reader->failed = true;
        return;
    }
    package->uid_count = count;
    for (size_t i = 0; i < count; i++)
        cbor_read_fixed(reader, &package->uids[i * PACKAGE_UID_SIZE], PACKAGE_UID_SIZE);
}

static void read_settings(struct reader *reader, struct package *package) {
    struct cbor_map map;
    cbor_expect_uint(reader, MEMBER_SETTINGS);
    cbor_read_map(reader, &map);
    while (cbor_map_next(reader, &map)) {
        if (package->setting_count == PACKAGE_SETTINGS_MAX) {
            reader->failed = true;
            return;
        }
        struct package_setting *setting = &package->settings[package->setting_count++];
        read_text_value(reader, setting->key);
        read_text_value(reader, setting->value);
    }
}

static void read_members(struct reader *reader, struct package *package) {
    cbor_expect_map(reader, MEMBER_COUNT);
    cbor_expect_uint(reader, MEMBER_FORMAT);
    cbor_expect_uint(reader, FORMAT_VERSION);
    read_text(reader, MEMBER_PROGRAMMER, package->programmer_id);
    read_bstr(reader, MEMBER_CERTIFICATE, package->programmer_certificate_sha256, 32);
    package->epoch = (uint32_t)read_uint(reader, MEMBER_EPOCH, UINT32_MAX);
    package->sequence = read_uint(reader, MEMBER_SEQUENCE, INT64_MAX);
    read_text(reader, MEMBER_JOB, package->job_id);
    read_bstr(reader, MEMBER_TOKEN, package->token, PACKAGE_TOKEN_SIZE);
    package->count = (uint32_t)read_uint(reader, MEMBER_COUNT_OF_UNITS, UINT32_MAX);
    package->expiry_s = read_uint(reader, MEMBER_EXPIRY, INT64_MAX);
    read_uids(reader, package);
    read_text(reader, MEMBER_FAMILY, package->chip_family);
    read_text(reader, MEMBER_DEVAUTH, package->devauth_id);
    read_settings(reader, package);
    package->issued_s = read_uint(reader, MEMBER_ISSUED, INT64_MAX);
}

int payload_read(struct bytes encoded, struct package *package, struct error *error) {
    struct reader reader;
    memset(package, 0, sizeof(*package));
    reader_init(&reader, encoded);
    read_members(&reader, package);
    if (reader_finish(&reader) == STATUS_OK && package->job_id[0] != '\0' &&
        package->programmer_id[0] != '\0')
        return 0;
    package_free(package);
    return error_set(error, ERROR_BAD_PACKAGE, "the package's contents break the format");
}
