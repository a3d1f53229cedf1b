#include "image/image_header.h"

#include <string.h>

#define KNOWN_FLAGS                                                                                \
    (IMAGE_FLAG_AES_128 | IMAGE_FLAG_AES_256 | IMAGE_FLAG_NON_BOOTABLE | IMAGE_FLAG_RAM_LOAD |     \
     IMAGE_FLAG_ROM_FIXED)
#define BOTH_AES (IMAGE_FLAG_AES_128 | IMAGE_FLAG_AES_256)

#define TLV_INFO_SIZE 4u

static enum status check_flags(const struct image_header *header) {
    uint32_t placed = header->flags & (IMAGE_FLAG_RAM_LOAD | IMAGE_FLAG_ROM_FIXED);
    if ((header->flags & ~KNOWN_FLAGS) != 0 || (header->flags & BOTH_AES) == BOTH_AES ||
        placed == (IMAGE_FLAG_RAM_LOAD | IMAGE_FLAG_ROM_FIXED)) {
        return STATUS_UNSUPPORTED;
    }
    /* An address that nothing refers to would be a value no check ever sees. */
    return placed == 0 && header->load_address != 0 ? STATUS_INVALID : STATUS_OK;
}

static enum status check_sizes(const struct image_header *header) {
    uint64_t end = (uint64_t)header->header_size + header->payload_size + header->protected_size +
                   TLV_INFO_SIZE;
    bool has_protected = header->protected_size != 0;
    if (header->header_size < IMAGE_HEADER_SIZE || header->payload_size == 0 || end > UINT32_MAX ||
        (has_protected && header->protected_size < TLV_INFO_SIZE)) {
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status parse(struct bytes input, struct image_header *header) {
    struct reader reader;
    reader_init(&reader, input);
    uint32_t magic = read_u32le(&reader);
    header->load_address = read_u32le(&reader);
    header->header_size = read_u16le(&reader);
    header->protected_size = read_u16le(&reader);
    header->payload_size = read_u32le(&reader);
    header->flags = read_u32le(&reader);
    header->version.major = read_u8(&reader);
    header->version.minor = read_u8(&reader);
    header->version.revision = read_u16le(&reader);
    header->version.build = read_u32le(&reader);
    uint32_t padding = read_u32le(&reader);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        return status;
    }
    if (magic != IMAGE_MAGIC) {
        return STATUS_NOT_FOUND;
    }
    status = padding == 0 ? check_flags(header) : STATUS_INVALID;
    return status == STATUS_OK ? check_sizes(header) : status;
}

enum status image_header_parse(struct bytes input, struct image_header *header) {
    enum status status = parse(input, header);
    if (status != STATUS_OK) {
        memset(header, 0, sizeof *header);
    }
    return status;
}

void image_header_write(struct writer *writer, const struct image_header *header) {
    write_u32le(writer, IMAGE_MAGIC);
    write_u32le(writer, header->load_address);
    write_u16le(writer, header->header_size);
    write_u16le(writer, header->protected_size);
    write_u32le(writer, header->payload_size);
    write_u32le(writer, header->flags);
    write_u8(writer, header->version.major);
    write_u8(writer, header->version.minor);
    write_u16le(writer, header->version.revision);
    write_u32le(writer, header->version.build);
    write_u32le(writer, 0);
}

uint32_t image_header_tlv_offset(const struct image_header *header) {
    return header->header_size + header->payload_size;
}

size_t image_header_content_key_size(const struct image_header *header) {
    switch (header->flags & BOTH_AES) {
    case IMAGE_FLAG_AES_128: return 16;
    case IMAGE_FLAG_AES_256: return 32;
    default: return 0;
    }
}

static int compare(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

int image_version_compare(const struct image_version *a, const struct image_version *b) {
    int order = compare(a->major, b->major);
    if (order == 0) {
        order = compare(a->minor, b->minor);
    }
    return order != 0 ? order : compare(a->revision, b->revision);
}
