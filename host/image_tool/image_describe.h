/*
 * An image in words: one JSON object, for `nusec firmware inspect` and for scripts. The members are
 * listed in nusec(1).
 */
#ifndef NUSEC_IMAGE_TOOL_IMAGE_DESCRIBE_H
#define NUSEC_IMAGE_TOOL_IMAGE_DESCRIBE_H

#include "image_tool/image_judge.h"

#include <jansson.h>

/* Any bytes. A new reference; NULL when out of memory. */
json_t *image_describe(struct bytes file, const struct image_question *question);

#endif
