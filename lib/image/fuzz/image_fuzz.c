/*
 * Any bytes as a slot: verified as plain and through the decrypting view, its trailer read. The
 * policy trusts a key that does not exist, so nothing may be accepted.
 */
#include "image/image_encrypt.h"
#include "image/image_trailer.h"
#include "image/image_verify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum status any_agree(void *context, const uint8_t peer[CRYPTO_PUBLIC_KEY_SIZE],
                             uint8_t shared[32]) {
    (void)context;
    memcpy(shared, peer, 32);
    return STATUS_OK;
}

static void verify(const struct image_source *source, size_t content_key_size) {
    const struct image_policy policy = {.counter_maximum = UINT32_MAX,
                                        .content_key_size = (uint8_t)content_key_size};
    struct image_report report;
    enum status status = image_verify(source, &policy, &report);
    /* No key hashes to zero. */
    if (status == STATUS_OK || image_is_accepted(status, report.reason) == HARDENED_YES ||
        report.image_size > source->size) {
        abort();
    }
}

static void read_trailer(const struct image_source *source) {
    struct image_trailer_layout layout = {.page_size = 64, .content_key_size = 32};
    struct image_trailer trailer;
    layout.sectors_max = (uint16_t)(source->size / layout.page_size);
    layout.slot_size = layout.sectors_max * layout.page_size;
    if (image_trailer_check(&layout) == STATUS_OK &&
        image_trailer_read(source, &layout, &trailer) == STATUS_OK &&
        (trailer.swap_size_bytes > layout.slot_size || trailer.swap_image > 15)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct bytes slot = bytes_of(data, size);
    const struct image_source source = image_source_of(&slot);
    struct image_header header;
    uint8_t key[IMAGE_CONTENT_KEY_MAX];
    verify(&source, 0);
    if (image_read_header(&source, &header) == STATUS_OK) {
        struct image_decrypting_source view;
        size_t key_size = image_header_content_key_size(&header);
        (void)!image_read_content_key(&source, &header, any_agree, NULL, key);
        const struct image_source plain =
            image_decrypting_source_of(&view, &source, &header, bytes_of(key, key_size));
        verify(&plain, key_size);
    }
    read_trailer(&source);
    return 0;
}
