#include "board/devauth_image.h"

#include <string.h>

#define IMAGE_VERSION      1u
#define PARAMETERS_VERSION 1u
#define MAILBOX_VERSION    1u
#define MAX_REGION         0x100000u

static const uint8_t image_magic[4] = {'N', 'S', 'D', 'A'};
static const uint8_t parameters_magic[4] = {'N', 'S', 'P', 'B'};
static const uint8_t mailbox_magic[4] = {'N', 'S', 'M', 'B'};

struct region {
    uint32_t start;
    uint32_t size;
};

/* True if the regions share a byte, or one wraps around the address space. */
static bool regions_clash(struct region a, struct region b) {
    if (a.size > UINT32_MAX - a.start || b.size > UINT32_MAX - b.start)
        return true;
    return a.start < b.start + b.size && b.start < a.start + a.size;
}

static bool header_is_consistent(const struct devauth_image_header *header, size_t file_size) {
    struct region image = {header->load_address, header->image_size};
    struct region parameters = {header->parameters_address, header->parameters_capacity};
    struct region mailbox = {header->mailbox_address, DEVAUTH_MAILBOX_SIZE};

    if (header->image_size != file_size || header->image_size > MAX_REGION ||
        header->parameters_capacity < DEVAUTH_PARAMETERS_HEADER ||
        header->parameters_capacity > MAX_REGION)
        return false;
    if ((header->entry & 1u) == 0 ||
        header->entry < header->load_address + DEVAUTH_IMAGE_HEADER_SIZE ||
        header->entry - header->load_address >= header->image_size)
        return false;
    if (((header->load_address | header->stack_top) & 7u) != 0 ||
        ((header->parameters_address | header->mailbox_address) & 3u) != 0)
        return false;
    return !regions_clash(image, parameters) && !regions_clash(image, mailbox) &&
           !regions_clash(parameters, mailbox);
}

enum status devauth_image_parse(struct bytes image, struct devauth_image_header *header) {
    struct reader reader;
    uint16_t version;
    uint16_t size;
    uint8_t reserved[8];
    static const uint8_t zero[sizeof(reserved)];

    reader_init(&reader, image);
    memset(header, 0, sizeof(*header));
    if (!bytes_equal(read_bytes(&reader, 4), bytes_of(image_magic, 4)))
        return image.size < 4 ? STATUS_TRUNCATED : STATUS_INVALID;
    version = read_u16le(&reader);
    size = read_u16le(&reader);
    read_copy(&reader, header->family, sizeof(header->family));
    header->load_address = read_u32le(&reader);
    header->image_size = read_u32le(&reader);
    header->entry = read_u32le(&reader);
    header->stack_top = read_u32le(&reader);
    header->parameters_address = read_u32le(&reader);
    header->parameters_capacity = read_u32le(&reader);
    header->mailbox_address = read_u32le(&reader);
    header->version = read_u32le(&reader);
    read_copy(&reader, reserved, sizeof(reserved));
    if (reader_check(&reader) != STATUS_OK)
        return STATUS_TRUNCATED;
    if (version != IMAGE_VERSION)
        return STATUS_UNSUPPORTED;
    if (size != DEVAUTH_IMAGE_HEADER_SIZE || memcmp(reserved, zero, sizeof(zero)) != 0 ||
        !header_is_consistent(header, image.size))
        return STATUS_INVALID;
    return STATUS_OK;
}

void devauth_image_write(const struct devauth_image_header *header,
                         uint8_t out[DEVAUTH_IMAGE_HEADER_SIZE]) {
    struct writer writer;

    writer_init(&writer, out, DEVAUTH_IMAGE_HEADER_SIZE);
    write_bytes(&writer, bytes_of(image_magic, 4));
    write_u16le(&writer, IMAGE_VERSION);
    write_u16le(&writer, DEVAUTH_IMAGE_HEADER_SIZE);
    write_bytes(&writer, bytes_of(header->family, sizeof(header->family)));
    write_u32le(&writer, header->load_address);
    write_u32le(&writer, header->image_size);
    write_u32le(&writer, header->entry);
    write_u32le(&writer, header->stack_top);
    write_u32le(&writer, header->parameters_address);
    write_u32le(&writer, header->parameters_capacity);
    write_u32le(&writer, header->mailbox_address);
    write_u32le(&writer, header->version);
    write_fill(&writer, 0, 8);
}

enum status devauth_parameters_parse(struct bytes block, struct devauth_parameters *parameters) {
    struct reader reader;
    bool is_block;
    uint16_t version;
    uint16_t reserved;
    uint32_t root_size;
    uint32_t requester_size;

    reader_init(&reader, block);
    is_block = bytes_equal(read_bytes(&reader, 4), bytes_of(parameters_magic, 4));
    version = read_u16le(&reader);
    reserved = read_u16le(&reader);
    root_size = read_u32le(&reader);
    requester_size = read_u32le(&reader);
    parameters->root = read_bytes(&reader, root_size);
    parameters->requester = read_bytes(&reader, requester_size);
    if (reader_check(&reader) != STATUS_OK)
        return STATUS_TRUNCATED;
    if (!is_block || reserved != 0 || root_size == 0 || requester_size == 0)
        return STATUS_INVALID;
    return version == PARAMETERS_VERSION ? STATUS_OK : STATUS_UNSUPPORTED;
}

void devauth_parameters_write(struct writer *writer, const struct devauth_parameters *parameters) {
    write_bytes(writer, bytes_of(parameters_magic, 4));
    write_u16le(writer, PARAMETERS_VERSION);
    write_u16le(writer, 0);
    write_u32le(writer, (uint32_t)parameters->root.size);
    write_u32le(writer, (uint32_t)parameters->requester.size);
    write_bytes(writer, parameters->root);
    write_bytes(writer, parameters->requester);
}

enum status devauth_mailbox_parse(const uint8_t mailbox[DEVAUTH_MAILBOX_SIZE],
                                  struct devauth_mailbox *out) {
    static const uint8_t empty[sizeof(mailbox_magic)];
    struct reader reader;
    bool is_mailbox;
    uint16_t version;
    uint16_t state;

    memset(out, 0, sizeof(*out));
    if (memcmp(mailbox, empty, sizeof(empty)) == 0)
        return STATUS_OK;
    reader_init(&reader, bytes_of(mailbox, DEVAUTH_MAILBOX_SIZE));
    is_mailbox = bytes_equal(read_bytes(&reader, 4), bytes_of(mailbox_magic, 4));
    version = read_u16le(&reader);
    state = read_u16le(&reader);
    out->status = read_u32le(&reader);
    read_copy(&reader, out->key_hash, sizeof(out->key_hash));
    if (reader_finish(&reader) != STATUS_OK || !is_mailbox || version != MAILBOX_VERSION ||
        (state != DEVAUTH_MAILBOX_READY && state != DEVAUTH_MAILBOX_FAILED))
        return STATUS_INVALID;
    out->state = (enum devauth_mailbox_state)state;
    return STATUS_OK;
}

void devauth_mailbox_write(const struct devauth_mailbox *mailbox,
                           uint8_t out[DEVAUTH_MAILBOX_SIZE]) {
    struct writer writer;

    writer_init(&writer, out, DEVAUTH_MAILBOX_SIZE);
    write_bytes(&writer, bytes_of(mailbox_magic, 4));
    write_u16le(&writer, MAILBOX_VERSION);
    write_u16le(&writer, (uint16_t)mailbox->state);
    write_u32le(&writer, mailbox->status);
    write_bytes(&writer, bytes_of(mailbox->key_hash, sizeof(mailbox->key_hash)));
}
