/*
 * Results of everything in lib/ and firmware/.
 *
 * One append-only list for the whole code base: a value never changes its meaning and is never
 * reused, because statuses travel in vendor responses and in boot logs. STATUS_OK is a distant
 * non-zero value, so that a zeroed register, a skipped call or a single flipped bit is not success.
 *
 * Every function that returns a status must have its result used; compare by name, never by
 * truth value.
 */
#ifndef NUSEC_BASE_STATUS_H
#define NUSEC_BASE_STATUS_H

enum status {
    STATUS_OK = 0x3A5CC35A,

    STATUS_INVALID = 0x101,       /* input breaks its format */
    STATUS_TRUNCATED = 0x102,     /* input ends before its format does */
    STATUS_NO_SPACE = 0x103,      /* the caller's buffer is too small */
    STATUS_UNSUPPORTED = 0x104,   /* well formed, but not something we do */
    STATUS_NOT_FOUND = 0x105,     /* no such slot, key, record */
    STATUS_DENIED = 0x106,        /* the caller has no authority for this */
    STATUS_BAD_STATE = 0x107,     /* not now: out of order */
    STATUS_BAD_SIGNATURE = 0x108, /* signature, MAC or tag does not match */
    STATUS_BAD_CERTIFICATE = 0x109,
    STATUS_CRYPTO = 0x10A,     /* the crypto implementation failed */
    STATUS_NO_ENTROPY = 0x10B, /* the TRNG failed; nothing random was produced */
    STATUS_NO_MEMORY = 0x10C,  /* the static crypto arena is exhausted */
    STATUS_FLASH = 0x10D,      /* flash operation failed or read back differently */
    STATUS_OTP = 0x10E,        /* OTP entry locked, torn, or holds another value */
    STATUS_LINK = 0x10F,       /* framing, fragment or check-sequence error */
    STATUS_BUSY = 0x110,       /* nothing available now, call again */
    STATUS_CLOSED = 0x111,     /* the session or connection is gone */
    STATUS_MISMATCH = 0x112,   /* two values that must agree do not */
    STATUS_REPLAYED = 0x113,   /* nonce, sequence or permit already used */
    STATUS_DEBUGGED = 0x114,   /* refused while a debugger is attached */
    STATUS_PEER_ERROR = 0x115, /* the peer answered with an error message */
};

#define MUST_USE __attribute__((warn_unused_result))

/* A short lower-case name ("bad_signature") for logs; never NULL. */
const char *status_name(enum status status);

#endif
