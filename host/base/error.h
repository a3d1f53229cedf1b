/*
 * The one error of everything in host/.
 *
 * A function that can fail returns 0 or -1 (or NULL) and on failure has filled the caller's
 * `struct error`: `code` decides what programs do, `message` is for the person who asked,
 * `hint` says what that person can do next (may be empty), `detail` goes to the log only and never
 * over the network or to a client. No secret goes into any of them. One table maps a code to its
 * snake_case name (JSON), HTTP status and exit code.
 *
 *     if (file_read(path, 4096, &buffer, error) != 0)
 *         return -1;
 *     return error_set(error, ERROR_EXPIRED, "the package expired %s", text);
 *
 * `error` may not be NULL. A callee overwrites what was there. Libraries return; programs exit.
 */
#ifndef NUSEC_HOST_BASE_ERROR_H
#define NUSEC_HOST_BASE_ERROR_H

/* Append only: the names are in the REST API and in scripts. */
enum error_code {
    ERROR_NONE,
    ERROR_INTERNAL,
    ERROR_USAGE,
    ERROR_BAD_REQUEST,
    ERROR_NOT_FOUND,
    ERROR_DENIED,
    ERROR_CONFLICT,
    ERROR_UNAUTHENTICATED,
    ERROR_TOO_LARGE,
    ERROR_OFFLINE,         /* the peer could not be reached */
    ERROR_TIMEOUT,         /* the peer was reached and did not answer in time */
    ERROR_STORAGE_FULL,    /* disk full: nothing was changed */
    ERROR_STORAGE,         /* any other file or database failure */
    ERROR_HSM_UNAVAILABLE, /* token gone, PIN refused, module missing */
    ERROR_BUSY,            /* somebody else holds it; later */
    ERROR_UNSUPPORTED,
    /* packages and jobs */
    ERROR_WRONG_PROGRAMMER, /* the package is for another programmer */
    ERROR_WRONG_EPOCH,      /* for this programmer, under a key epoch it no longer opens */
    ERROR_ALTERED,          /* authentication tag or signature does not match */
    ERROR_UNTRUSTED_SIGNER, /* signed, but not by a job authority of our root */
    ERROR_BAD_PACKAGE,      /* not a package, or the format is broken */
    ERROR_EXPIRED,
    ERROR_REPLAYED,
    ERROR_BELOW_FLOOR, /* older than the import floor */
    ERROR_COUNT_ZERO,
    ERROR_UNKNOWN_JOB,
    ERROR_JOB_CLOSED,
    ERROR_JOB_FULL,
    ERROR_UID_NOT_LISTED,
    ERROR_UID_UNDER_OTHER_KEY,
    ERROR_LEDGER_DIVERGED,
    ERROR_ASSURANCE_TOO_LOW, /* the job demands a better key store than the programmer has */
    ERROR_NOT_PREPARED,      /* the programmer was not prepared yet */
    ERROR_REVOKED,
    /* certificates */
    ERROR_BAD_CSR,
    ERROR_BAD_CSR_SIGNATURE,
    ERROR_BAD_CERTIFICATE,
    /* target chips */
    ERROR_DEVICE_LINK,        /* UART: nothing, or nonsense, came back */
    ERROR_DEVICE_DEBUG,       /* debug port refused or lost */
    ERROR_DEVICE_REFUSED,     /* the chip answered with an error */
    ERROR_DEVICE_UNTRUSTED,   /* the chip's proof does not hold */
    ERROR_UNTRUSTED_SOFTWARE, /* a signed image or its manifest does not match */
    /* units on the server */
    ERROR_WRONG_TOKEN,          /* not the token of the job's newest package */
    ERROR_ALREADY_IDENTIFIED,   /* the UID has its identity: final here */
    ERROR_UNIT_OPEN,            /* an earlier attempt was not ended */
    ERROR_WRONG_STATE,          /* the state table has no such step */
    ERROR_CSR_SUBJECT,          /* the request names another UID than the reservation */
    ERROR_CSR_NONCE,            /* the request carries another nonce than the reservation */
    ERROR_CERTIFICATE_MISMATCH, /* read back is not what was issued */
    ERROR_METHOD_NOT_ALLOWED,
    ERROR_KEY_UNDER_OTHER_UID, /* one AUTH key, two UIDs: a copied or emulated chip */
    /* firmware of units */
    ERROR_CHALLENGE_EXPIRED,      /* the nonce is used up, too old, or another step's */
    ERROR_ATTESTATION_REFUSED,    /* what the chip measures is not what was ordered */
    ERROR_IMAGE_REFUSED,          /* a chip or a tool does not accept an image */
    ERROR_JOB_PAUSED,             /* the OEM holds the job; try again when it goes on */
    ERROR_PROGRAMMER_ROLLED_BACK, /* its ledger ends before an entry the server has */
    ERROR_SERVER_ROLLED_BACK,     /* the server's copy ends before an entry it acknowledged */
    ERROR_UID_DENIED,             /* the job is not to make this chip */
    ERROR_RETRY_LIMIT,            /* the chip was tried as often as the job allows */
    ERROR_LEDGER_ROLLED_BACK,     /* the programmer's ledgers and its TPM's counter disagree */
    ERROR_ASSURANCE_UNPROVEN,     /* a key store claims to be a TPM and does not prove it */
    ERROR_UNIT_SCRAPPED,          /* the unit was given up for good; its chip is not made again */
    ERROR_CODE_COUNT
};

struct error {
    enum error_code code;
    char message[256];
    char hint[192];
    char detail[256];
};

void error_clear(struct error *error);

/* Replaces the whole error; hint and detail become empty. Always returns -1. */
int error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Add to an error that was set. Always return -1. */
int error_hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
int error_detail(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the message. Always returns -1. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* ERROR_STORAGE_FULL for ENOSPC and EDQUOT, ERROR_NOT_FOUND for ENOENT, ERROR_BUSY for EAGAIN, else
 * ERROR_STORAGE; the errno text is in the message. Always returns -1. */
int error_set_errno(struct error *error, int errno_value, const char *what);

const char *error_name(enum error_code code);
int error_http_status(enum error_code code);
int error_exit_code(enum error_code code);
/* What a client makes of a server's code name; ERROR_INTERNAL if the name is unknown. */
enum error_code error_code_of_name(const char *name);

#endif
