/*
 * Any bytes as an image, judged and described in every way. No key that anybody has is trusted, so
 * nothing may be accepted.
 */
#include "image_tool/image_describe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct bytes file, const struct image_question *question) {
    struct image_verdict verdict;
    json_t *object = image_describe(file, question);

    image_judge(file, question, &verdict);
    if (object == NULL || verdict.state == IMAGE_VERDICT_ACCEPTED)
        abort();
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t nobody[CRYPTO_PUBLIC_KEY_SIZE] = {1};
    struct image_key device = {.has_private = true};
    const struct bytes file = bytes_of(data, size);

    memset(device.private_key, 0x33, sizeof(device.private_key));
    for (enum image_stage stage = IMAGE_STAGE_ANY; stage <= IMAGE_STAGE_BL3; stage++) {
        const struct image_question own = {.stage = stage};
        const struct image_question foreign = {
            .stage = stage, .public_key = nobody, .device = &device};
        ask(file, &own);
        ask(file, &foreign);
    }
    return 0;
}
