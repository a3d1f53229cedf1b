#include "base/status.h"

const char *status_name(enum status status) {
    switch (status) {
    case STATUS_OK: return "ok";
    case STATUS_INVALID: return "invalid";
    case STATUS_TRUNCATED: return "truncated";
    case STATUS_NO_SPACE: return "no_space";
    case STATUS_UNSUPPORTED: return "unsupported";
    case STATUS_NOT_FOUND: return "not_found";
    case STATUS_DENIED: return "denied";
    case STATUS_BAD_STATE: return "bad_state";
    case STATUS_BAD_SIGNATURE: return "bad_signature";
    case STATUS_BAD_CERTIFICATE: return "bad_certificate";
    case STATUS_CRYPTO: return "crypto";
    case STATUS_NO_ENTROPY: return "no_entropy";
    case STATUS_NO_MEMORY: return "no_memory";
    case STATUS_FLASH: return "flash";
    case STATUS_OTP: return "otp";
    case STATUS_LINK: return "link";
    case STATUS_BUSY: return "busy";
    case STATUS_CLOSED: return "closed";
    case STATUS_MISMATCH: return "mismatch";
    case STATUS_REPLAYED: return "replayed";
    case STATUS_DEBUGGED: return "debugged";
    case STATUS_PEER_ERROR: return "peer_error";
    }
    return "unknown";
}
