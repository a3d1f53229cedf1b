/*
 * Images and keys for the tests of lib/image: built from parts, so that a test can leave out, add
 * or misplace any entry and still have it signed. Fails the running test when something does not
 * work.
 */
#ifndef NUSEC_IMAGE_TESTING_FIXTURE_H
#define NUSEC_IMAGE_TESTING_FIXTURE_H

/* cmocka.h needs these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/image_verify.h"
#include "image/image_write.h"

#define FIXTURE_SLOT_SIZE    8192
#define FIXTURE_PAYLOAD_SIZE 1000
#define FIXTURE_HEADER_SIZE  0x400
#define FIXTURE_COUNTER      7

#define assert_status(call, expected) assert_int_equal((call), (expected))

/* Known private keys: 32 times one byte. The imgtool vectors use the same ones. */
struct fixture_key {
    uint8_t private_byte;
    uint8_t public_key[CRYPTO_PUBLIC_KEY_SIZE];
};
extern const struct fixture_key FIXTURE_SIGNER;
extern const struct fixture_key FIXTURE_STRANGER;
extern const struct fixture_key FIXTURE_DEVICE;
extern const struct fixture_key FIXTURE_OTHER_DEVICE;

/* A slot's memory; what is behind the image is erased. */
struct fixture_slot {
    uint8_t data[FIXTURE_SLOT_SIZE];
    size_t image_size;
    struct bytes memory; /* all of `data`, for image_source_of */
};

extern const struct image_plan FIXTURE_PLAN; /* plain */
extern const uint8_t FIXTURE_CONTENT_KEY[IMAGE_CONTENT_KEY_MAX];

/* 1000 bytes that repeat every 256; the imgtool vectors' payload. */
struct bytes fixture_payload(void);

/* Image by `plan` in `slot`; with a content key encrypted, and that key wrapped for FIXTURE_DEVICE.
 */
void fixture_build(struct fixture_slot *slot, const struct image_plan *plan,
                   enum image_key_form form, struct bytes content_key);

enum { /* entries that fixture_compose leaves out */
       FIXTURE_WITHOUT_HASH = 1,
       FIXTURE_WITHOUT_KEY = 2,
       FIXTURE_WITHOUT_SIGNATURE = 4,
};

/* An image from any parts, correctly hashed and signed. */
struct fixture_parts {
    struct image_header header; /* protected_size is filled in */
    struct bytes protected_entries;
    struct bytes unprotected_entries; /* behind the usual three */
    unsigned without;
};
struct fixture_parts fixture_parts(void); /* plain, no entries but the security counter */
void fixture_compose(struct fixture_slot *slot, const struct fixture_parts *parts);

/* What a chip with FIXTURE_SIGNER's hash in OTP would ask for; counter 5 to 255. */
struct image_policy fixture_policy(size_t content_key_size);

image_sign_function fixture_sign;   /* context: struct fixture_key */
image_agree_function fixture_agree; /* context: struct fixture_key */

/* As a bootloader does it: unwrap for `device`, verify through the decrypting source. */
enum image_reason fixture_verify_encrypted(const struct fixture_slot *slot,
                                           const struct image_policy *policy,
                                           const struct fixture_key *device,
                                           struct image_report *report);
enum image_reason fixture_verify(const struct fixture_slot *slot,
                                 const struct image_policy *policy);

/* Reads vectors/<name> into an erased slot. */
void fixture_load(struct fixture_slot *slot, const char *name);

int fixture_start(void **state); /* group setup: crypto_init */

#endif
