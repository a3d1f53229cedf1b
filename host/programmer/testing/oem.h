/*
 * The other side of the programmer for its tests: an OEM with a throw-away PKI, a token of its own
 * beside the programmer's, and everything it signs. Test support; aborts on any failure.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_OEM_H
#define NUSEC_PROGRAMMER_TESTING_OEM_H

#include "programmer/programmer.h"
#include "programmer/testing/scratch.h"
#include "x509/device_certificate.h"
#include "x509/test_pki.h"

#define OEM_PROGRAMMER_ID "prog-1"
#define OEM_JOB_ID        "job-1"

struct oem {
    struct test_pki pki;
    struct test_key job_authority_key;
    struct test_key command_key;
    struct boot_key boot_key;
    struct buffer job_authority; /* certificates, DER */
    struct buffer command_authority;
    struct buffer programmer;
    struct device_issuer issuer;
    struct hsm *hsm;
    struct hsm_key *kek;
    uint32_t epoch;
    struct hsm_wrapped_key nulink3; /* AES_NuLink3 of `epoch`, as the server stores it */
};

/* TEST_PKI_NOW, always. */
extern const struct clock oem_clock;

/* `directory` is the programmer's state directory, whose SoftHSM configuration is shared. */
void oem_make(struct oem *oem, const char *directory);
void oem_free(struct oem *oem);

/* Opens a programmer on `directory`, with its keys in a TPM if `tpm` is not NULL. */
void oem_open_programmer(struct programmer *programmer, const char *directory);
void oem_open_programmer_with(struct programmer *programmer, const char *directory,
                              const char *tpm);

/* Runs a control method; NULL and `error` when it is refused. `params` is taken over. */
json_t *oem_call(struct programmer *programmer, control_method_function *method, json_t *params,
                 struct error *error);

/* What prepare.install and prepare.agree_finish get from the server, so that a test can spoil it.
 * oem_agreement_answer runs prepare.agree_begin itself. */
json_t *oem_install_params(struct oem *oem, struct programmer *programmer);
json_t *oem_agreement_answer(struct oem *oem, struct programmer *programmer, uint32_t epoch);

/* All of prepare. */
void oem_prepare(struct oem *oem, struct programmer *programmer);

/* A good package for OEM_JOB_ID and the programmer of oem_prepare, to be changed and sealed. */
struct package oem_package(const struct oem *oem, uint64_t sequence, uint32_t count,
                           const char *chip_family, const char *devauth_id);
void oem_seal(struct oem *oem, const struct package *package, struct buffer *out);
struct package_authority oem_authority(struct oem *oem);

/* A device certificate, the first permit of a chip, and the later ones, whose `statement` is a
 * permit payload. */
void oem_certify(struct oem *oem, const uint8_t uid[16], const uint8_t auth_key[64],
                 struct buffer *out);
void oem_permit(struct oem *oem, const uint8_t uid[16], const uint8_t auth_key_hash[32],
                const uint8_t nonce[32], struct buffer *out);

void oem_sign_permit(struct oem *oem, struct bytes statement, struct buffer *out);

#endif
