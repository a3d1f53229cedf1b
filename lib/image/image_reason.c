#include "image/image_reason.h"

const char *image_reason_name(enum image_reason reason) {
    switch (reason) {
    case IMAGE_ACCEPTED: return "accepted";
    case IMAGE_REASON_READ: return "read";
    case IMAGE_REASON_EMPTY: return "empty";
    case IMAGE_REASON_HEADER: return "header";
    case IMAGE_REASON_FLAGS: return "flags";
    case IMAGE_REASON_HEADER_SIZE: return "header_size";
    case IMAGE_REASON_SIZE: return "size";
    case IMAGE_REASON_TLV_FORMAT: return "tlv_format";
    case IMAGE_REASON_TLV_UNKNOWN: return "tlv_unknown";
    case IMAGE_REASON_TLV_DUPLICATE: return "tlv_duplicate";
    case IMAGE_REASON_TLV_MISSING: return "tlv_missing";
    case IMAGE_REASON_ENCRYPTION: return "encryption";
    case IMAGE_REASON_HASH: return "hash";
    case IMAGE_REASON_KEY: return "key";
    case IMAGE_REASON_SIGNATURE: return "signature";
    case IMAGE_REASON_COUNTER_LOW: return "counter_low";
    case IMAGE_REASON_COUNTER_HIGH: return "counter_high";
    case IMAGE_REASON_DEPENDENCY: return "dependency";
    case IMAGE_REASON_CONTENT_KEY: return "content_key";
    }
    return "unknown";
}
