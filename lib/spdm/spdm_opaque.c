#include "spdm/spdm_opaque.h"

#define VERSION_11 0x1100
#define VERSION_12 0x1200 /* the same records; 1.2 only settles the byte order of the counter */

#define REGISTRY_DMTF    0
#define DATA_VERSION     1
#define DATA_SELECTION   0
#define DATA_OFFER       1
#define ALIGNMENT        4
#define ELEMENTS_MAX     16
#define OFFER_DATA_SIZE  5
#define SELECT_DATA_SIZE 4

/* Length, one element, its header, the identifiers of the data. */
static void write_element(struct writer *writer, uint16_t data_size, uint8_t id) {
    uint16_t padded = (uint16_t)((data_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    write_u16le(writer, (uint16_t)(8 + padded));
    write_u8(writer, 1);
    write_fill(writer, 0, 3);
    write_u8(writer, REGISTRY_DMTF);
    write_u8(writer, 0);
    write_u16le(writer, data_size);
    write_u8(writer, DATA_VERSION);
    write_u8(writer, id);
}

void spdm_opaque_write_offer(struct writer *writer) {
    write_element(writer, OFFER_DATA_SIZE, DATA_OFFER);
    write_u8(writer, 1);
    write_u16le(writer, VERSION_11);
    write_fill(writer, 0, 3);
}

void spdm_opaque_write_selection(struct writer *writer, uint16_t version) {
    write_element(writer, SELECT_DATA_SIZE, DATA_SELECTION);
    write_u16le(writer, version);
}

/* The data of the DMTF secured-message element with this id; empty if there is none. */
static enum status find_element(struct bytes opaque, uint8_t wanted, struct bytes *found) {
    struct reader reader;
    *found = (struct bytes){.data = NULL, .size = 0};
    reader_init(&reader, opaque);
    uint8_t count = read_u8(&reader);
    read_skip(&reader, 3);
    for (uint8_t i = 0; i < count && i < ELEMENTS_MAX; i++) {
        uint8_t registry = read_u8(&reader);
        uint8_t vendor_size = read_u8(&reader);
        read_skip(&reader, vendor_size);
        uint16_t size = read_u16le(&reader);
        struct bytes data = read_bytes(&reader, size);
        read_skip(&reader, (0 - reader.position) % ALIGNMENT);
        struct reader inside;
        reader_init(&inside, data);
        uint8_t data_version = read_u8(&inside);
        uint8_t id = read_u8(&inside);
        if (registry == REGISTRY_DMTF && data_version == DATA_VERSION && id == wanted) {
            *found = read_rest(&inside);
        }
    }
    return reader_finish(&reader);
}

enum status spdm_opaque_parse_offer(struct bytes opaque, uint16_t *version) {
    struct bytes data;
    struct reader reader;
    *version = 0;
    enum status status = find_element(opaque, DATA_OFFER, &data);
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, data);
    uint8_t count = read_u8(&reader);
    for (uint8_t i = 0; i < count; i++) {
        uint16_t offered = read_u16le(&reader);
        if ((offered == VERSION_11 || offered == VERSION_12) && offered > *version) {
            *version = offered;
        }
    }
    status = reader_finish(&reader);
    if (status == STATUS_OK && *version == 0) {
        status = STATUS_UNSUPPORTED;
    }
    return status;
}

enum status spdm_opaque_parse_selection(struct bytes opaque) {
    struct bytes data;
    struct reader reader;
    enum status status = find_element(opaque, DATA_SELECTION, &data);
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(&reader, data);
    uint16_t version = read_u16le(&reader);
    status = reader_finish(&reader);
    if (status != STATUS_OK) {
        return status;
    }
    return version == VERSION_11 ? STATUS_OK : STATUS_UNSUPPORTED;
}
