/*
 * For tests of secure boot: a world with a BL2 and a BL3 release, and one unit at a time whose chip
 * is played here. It signs whatever measurements a case wants.
 *
 *     boot_begin, boot_end               the world, once
 *     boot_new_unit, boot_free_unit      an identified unit, each test
 *     boot_release_bl2, boot_secure, boot_run_application, boot_good_record    the good way
 *
 * Whatever must work fails the test when it does not.
 */
#ifndef NUSEC_SERVER_TEST_BOOT_H
#define NUSEC_SERVER_TEST_BOOT_H

#include "server/test_world.h"

#include "attest/attest.h"
#include "base/json.h"
#include "cose/permit.h"
#include "cose/unit_record.h"

enum { LIFE_PROVISIONED = 1, LIFE_SECURED = 2 };
#define GOOD_FLAGS (DEVAUTH_FLAG_ROOT_HASH | DEVAUTH_FLAG_KEYS | DEVAUTH_FLAG_ISSUED_CHAIN)

extern struct test_world boot_world;
extern struct test_programmer boot_programmer;
extern struct test_programmer boot_stranger; /* has no part in the unit */
extern char boot_bl2_id[64];
extern char boot_bl3_id[64];
extern uint8_t boot_bl2_digest[32];
extern uint8_t boot_bl3_digest[32];

/* One unit on its way. */
struct boot_unit {
    struct test_job job;
    struct test_chip chip;
    struct attest attest;
    uint8_t nonce[32];
    uint8_t transcript[UNIT_RECORD_TRANSCRIPT_MAX];
    size_t transcript_size;
};
extern struct boot_unit boot_unit;

int boot_begin(void **state);
int boot_end(void **state);
/* A job that locks its boards. */
int boot_new_unit(void **state);
int boot_free_unit(void **state);
/* The same, "locked" or "open"; the unit before is forgotten, not freed. */
void boot_identified_unit(const char *debug);
/* The chip measures what DevAuth does before there are images and boot keys. */
void boot_measure_devauth(void);

/* "/v1/units/UNIT/`what`"; until the next call. */
char *boot_path(const char *what);
void boot_hash(const void *data, size_t size, uint8_t out[32]);

/* A new nonce; then the signed transcript of the unit's measurements under it. */
void boot_challenge(const char *step);
void boot_measure(void);

/* Fresh memory. */
char *boot_image_body(const char *target);
json_t *boot_ask_image(const char *target);
void boot_image_refused(const char *target, int status, const char *code);

/* With a device nonce of its own. */
json_t *boot_permit_request(const char *command);
/* The payload of a permit other than root_hash in an answer; it points into `encoded`. */
void boot_read_permit(const json_t *answer, struct permit *permit, uint8_t encoded[1024]);
void boot_ask_permit(const char *command, struct permit *permit, uint8_t encoded[1024]);
void boot_permit_refused(const char *command, int status, const char *code);

void boot_expect_state(const char *state);

/* Releases BL2 and checks that the image is complete and this device's. */
void boot_release_bl2(void);
/* Through the lock; the chip then measures what the bootloader does. */
void boot_secure(void);
/* BL3 released; the chip then measures what the application does. */
void boot_run_application(void);

/* A request body in fresh memory: the record of the unit, signed with `key`. */
char *boot_record_body(EVP_PKEY *key, const uint8_t unit_id[16]);
char *boot_good_record(void);

#endif
