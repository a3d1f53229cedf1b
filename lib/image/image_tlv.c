#include "image/image_tlv.h"

#include <string.h>

/* An info and an entry head have the same shape: two 16-bit numbers. */
static enum status read_pair(const struct image_source *source, uint32_t offset, uint16_t *first,
                             uint16_t *second) {
    uint8_t raw[4];
    struct reader reader;
    enum status status = image_source_read(source, offset, raw, sizeof raw);
    reader_init(&reader, bytes_of(raw, sizeof raw));
    *first = read_u16le(&reader);
    *second = read_u16le(&reader);
    return status == STATUS_OK ? reader_finish(&reader) : status;
}

static enum status open_area(const struct image_source *source, uint32_t offset, uint16_t magic,
                             uint16_t *total) {
    uint16_t found = 0;
    enum status status = read_pair(source, offset, &found, total);
    if (status != STATUS_OK) {
        return status;
    }
    if (found != magic || *total < IMAGE_TLV_INFO_SIZE) {
        return STATUS_INVALID;
    }
    /* read_pair succeeded, so `offset` is inside the slot. */
    return *total <= source->size - offset ? STATUS_OK : STATUS_TRUNCATED;
}

enum status image_tlv_open(struct image_tlv_iterator *iterator, const struct image_source *source,
                           const struct image_header *header) {
    uint32_t start = image_header_tlv_offset(header);
    uint16_t total = 0;
    enum status status = STATUS_OK;
    memset(iterator, 0, sizeof *iterator);
    iterator->source = source;
    if (header->protected_size != 0) {
        status = open_area(source, start, IMAGE_TLV_PROTECTED_INFO_MAGIC, &total);
        /* The header says where hashing ends: a second opinion would open a gap. */
        if (status == STATUS_OK && total != header->protected_size) {
            status = STATUS_INVALID;
        }
    }
    uint32_t unprotected = start + header->protected_size;
    if (status == STATUS_OK) {
        status = open_area(source, unprotected, IMAGE_TLV_INFO_MAGIC, &total);
    }
    if (status == STATUS_OK) {
        iterator->unprotected = unprotected;
        iterator->end = unprotected + total;
        iterator->position = start + IMAGE_TLV_INFO_SIZE;
    }
    return status;
}

enum status image_tlv_next(struct image_tlv_iterator *iterator, struct image_tlv *tlv) {
    memset(tlv, 0, sizeof *tlv);
    if (iterator->position == iterator->unprotected) {
        iterator->position += IMAGE_TLV_INFO_SIZE;
    }
    if (iterator->position == iterator->end) {
        return STATUS_NOT_FOUND;
    }
    bool is_protected = iterator->position < iterator->unprotected;
    uint32_t limit = is_protected ? iterator->unprotected : iterator->end;
    uint16_t type = 0;
    uint16_t size = 0;
    if (iterator->position > limit || limit - iterator->position < IMAGE_TLV_ENTRY_SIZE) {
        return STATUS_INVALID;
    }
    enum status status = read_pair(iterator->source, iterator->position, &type, &size);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t data = iterator->position + IMAGE_TLV_ENTRY_SIZE;
    if (size > limit - data) {
        return STATUS_INVALID;
    }
    tlv->area = is_protected ? IMAGE_TLV_PROTECTED : IMAGE_TLV_UNPROTECTED;
    tlv->type = type;
    tlv->size = size;
    tlv->offset = data;
    iterator->position = data + size;
    return STATUS_OK;
}

enum status image_tlv_read(const struct image_tlv_iterator *iterator, const struct image_tlv *tlv,
                           uint8_t *out, size_t size) {
    if (tlv->size != size) {
        memset(out, 0, size);
        return STATUS_NO_SPACE;
    }
    return image_source_read(iterator->source, tlv->offset, out, size);
}

void image_tlv_write(struct writer *writer, uint16_t type, struct bytes data) {
    if (data.size > UINT16_MAX) {
        writer->failed = true;
        return;
    }
    write_u16le(writer, type);
    write_u16le(writer, (uint16_t)data.size);
    write_bytes(writer, data);
}
