#include "image/image_source.h"

#include <string.h>

enum status image_source_read(const struct image_source *source, uint32_t offset, uint8_t *out,
                              size_t size) {
    enum status status = STATUS_TRUNCATED;
    if (offset <= source->size && size <= source->size - offset) {
        status = source->read(source->context, offset, out, size);
    }
    if (status != STATUS_OK) {
        memset(out, 0, size);
    }
    return status;
}

static enum status read_memory(void *context, uint32_t offset, uint8_t *out, size_t size) {
    const struct bytes *memory = context;
    struct bytes run = bytes_slice(*memory, offset, size);
    if (run.size != size) {
        return STATUS_TRUNCATED;
    }
    if (size > 0) {
        memcpy(out, run.data, size);
    }
    return STATUS_OK;
}

struct image_source image_source_of(const struct bytes *memory) {
    return (struct image_source){
        .read = read_memory,
        /* The context is mutable for other sources' sake; read_memory only reads it. */
        .context = (void *)memory,
        .size = memory->size <= UINT32_MAX ? (uint32_t)memory->size : 0,
    };
}
