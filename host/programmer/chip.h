/*
 * One target chip: whom to believe, and what it can be asked. chip_boot.h has the rest: firmware,
 * measurements, starting again.
 *
 * Before its certificate is issued a chip is known by the hash of its slot-0 key, read over the
 * debug port; afterwards by its certificate. Nothing else is accepted, so a chip cannot be swapped
 * or impersonated on the UART in the middle of a unit.
 *
 *     chip_open(chip, endpoint, &options, error);
 *     chip_meet(chip, patience, &info, error);          who is there? proves nothing
 *     chip_expect_stage, chip_require_leaf              what is known of it
 *     chip_session(chip, error);                        again after every ERROR_DEVICE_LINK
 *     chip_info, chip_generate_keys, ...                inside the session
 *     chip_close(chip);
 */
#ifndef NUSEC_PROGRAMMER_CHIP_H
#define NUSEC_PROGRAMMER_CHIP_H

#include "base/clock.h"
#include "devauth/devauth.h"
#include "programmer/chip_link.h"
#include "programmer/identity.h"
#include "programmer/key_store.h"

/* The chip's life cycle as DEVICE_INFO states it. */
enum chip_life {
    CHIP_LIFE_BLANK = 0,
    CHIP_LIFE_PROVISIONED = 1,
    CHIP_LIFE_SECURED = 2,
    CHIP_LIFE_RETIRING = 3,
    CHIP_LIFE_RETIRED = 4,
    CHIP_LIFE_RMA = 5,
};

struct chip_options {
    const struct identity *identity;   /* borrowed until chip_close */
    const struct key_store *key_store; /* likewise */
    const struct clock *clock;
    const atomic_bool *stop;
    const uint8_t *mailbox_key_hash; /* 32 bytes, copied; NULL: DevAuth was not loaded here */
    int answer_ms;                   /* 0: the default */
};

struct chip {
    struct chip_link link;
    const struct identity *identity;
    const struct key_store *key_store;
    const struct clock *clock;
    uint8_t own_chain[SPDM_CHAIN_MAX];
    uint8_t mailbox_key_hash[32];
    bool has_mailbox;
    bool any_issued;     /* whoever has a certificate of ours will do */
    bool require_issued; /* only `issued_sha256` will do */
    bool has_issued;     /* the leaf we gave it, or it had when we met it */
    uint8_t issued_sha256[32];
    enum devauth_stage_id stage; /* that sessions are with */
    /* What the chip showed when the session was opened. */
    bool shows_issued;
    struct x509_info leaf; /* of an issued chain */
};

int chip_open(struct chip *chip, const char *endpoint, const struct chip_options *options,
              struct error *error);
void chip_close(struct chip *chip);

/* From now on the chip must also be believed with this leaf certificate, or with nothing else. */
void chip_expect_leaf(struct chip *chip, const uint8_t leaf_sha256[32]);
void chip_require_leaf(struct chip *chip, const uint8_t leaf_sha256[32]);
/* From now on DevAuth on the other end is the one with this key. */
void chip_expect_mailbox(struct chip *chip, const uint8_t key_hash[32]);
/* From now on any certificate that verifies up to our root will do. */
void chip_expect_anybody(struct chip *chip);

/* Which stage the next sessions are with; DevAuth at first. DevAuth must ask who we are. The others
 * take nothing but what proves itself, need not ask, and must show an issued chain. */
void chip_expect_stage(struct chip *chip, enum devauth_stage_id stage);

/* Connects without a session and asks who is there, once. Drops a session. Nothing is proven, and a
 * stage without an identity can say no more. ERROR_DEVICE_LINK if nobody answers in time. */
int chip_meet(struct chip *chip, int patience_ms, struct devauth_device_info *info,
              struct error *error);

/* Connect, chain, session. Ends an earlier session. ERROR_DEVICE_UNTRUSTED. */
int chip_session(struct chip *chip, struct error *error);
bool chip_has_session(const struct chip *chip);
/* Ends the session if there is one, so that neither end keeps its keys. Best effort. */
void chip_end_session(struct chip *chip);

int chip_info(struct chip *chip, struct devauth_device_info *info, struct error *error);
int chip_generate_keys(struct chip *chip, struct devauth_public_keys *keys, struct error *error);
int chip_public_keys(struct chip *chip, struct devauth_public_keys *keys, struct error *error);
/* The chip's PKCS#10 for this reservation, DER, appended to `csr`; not checked here. */
int chip_csr(struct chip *chip, const uint8_t uid[16], const uint8_t auth_key[64],
             const uint8_t nonce[32], struct buffer *csr, struct error *error);
/* Stores root, DEVICE CA and `leaf` in slot 0. */
int chip_install(struct chip *chip, struct bytes leaf, struct error *error);
int chip_permit_nonce(struct chip *chip, uint8_t command, uint8_t nonce[32], struct error *error);
int chip_permit_execute(struct chip *chip, struct bytes permit, struct error *error);
/* A 32-byte hash: four OTP entries from `first`. */
int chip_otp_hash(struct chip *chip, uint8_t first, uint8_t hash[32], struct error *error);
/* Whether a validity entry says so. */
int chip_otp_is_valid(struct chip *chip, uint8_t entry, bool *is_valid, struct error *error);

/* A command (devauth.h) that has no arguments. */
int chip_simple(struct chip *chip, enum devauth_command command, struct bytes *answer,
                struct error *error);
/* Always -1: what came back is not what the format says. */
int chip_nonsense(struct error *error, const char *what);

#endif
