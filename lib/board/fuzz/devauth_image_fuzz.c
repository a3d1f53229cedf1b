/* Any bytes as image, parameter block and mailbox; what parses must come back the same. */
#include "board/devauth_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct devauth_image_header header;
    struct devauth_parameters parameters;
    struct devauth_mailbox mailbox;
    uint8_t again[DEVAUTH_IMAGE_HEADER_SIZE];

    if (devauth_image_parse(bytes_of(data, size), &header) == STATUS_OK) {
        devauth_image_write(&header, again);
        if (memcmp(again, data, sizeof(again)) != 0)
            abort();
    }
    if (devauth_parameters_parse(bytes_of(data, size), &parameters) == STATUS_OK &&
        parameters.root.size + parameters.requester.size > size)
        abort();
    if (size >= DEVAUTH_MAILBOX_SIZE && devauth_mailbox_parse(data, &mailbox) == STATUS_OK &&
        mailbox.state != DEVAUTH_MAILBOX_EMPTY) {
        devauth_mailbox_write(&mailbox, again);
        if (memcmp(again, data, DEVAUTH_MAILBOX_SIZE) != 0)
            abort();
    }
    return 0;
}
