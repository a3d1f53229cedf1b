/* Images and keys for the tests of host/image_tool: lib/image/vectors, and the PEM files beside. */
#ifndef NUSEC_IMAGE_TOOL_TESTING_VECTORS_H
#define NUSEC_IMAGE_TOOL_TESTING_VECTORS_H

/* cmocka.h needs these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image_tool/image_key.h"

/* lib/image/vectors/<name>, a file of imgtool's. Free it. */
struct buffer vectors_image(const char *name);
/* testdata/<name> */
struct image_key vectors_key(const char *name);

#endif
