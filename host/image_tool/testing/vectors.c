#include "image_tool/testing/vectors.h"

#include "base/file.h"

#include <stdio.h>

struct buffer vectors_image(const char *name) {
    struct buffer image = {0};
    struct error error;
    char path[128];

    (void)snprintf(path, sizeof(path), "../../lib/image/vectors/%s", name);
    assert_int_equal(file_read(path, 1 << 20, &image, &error), 0);
    assert_true(image.size > 0);
    return image;
}

struct image_key vectors_key(const char *name) {
    struct image_key key;
    struct error error;
    char path[128];

    (void)snprintf(path, sizeof(path), "testdata/%s", name);
    assert_int_equal(image_key_read(path, NULL, &key, &error), 0);
    return key;
}
