/*
 * What the server does, without HTTP: jobs, programmers, firmware, units. The API layer calls it;
 * it calls the database (store), the token (authority) and the firmware files (blobs).
 *
 * Reading happens on the caller's own connection. A function that changes something either blocks
 * until it is committed, or, on the hot path, only prepares the write: the caller submits it and is
 * told when it is durable (see api_commit in api.h).
 */
#ifndef NUSEC_SERVER_SERVICE_H
#define NUSEC_SERVER_SERVICE_H

#include "base/clock.h"

#include <pthread.h>

#include "image/image_header.h"
#include "server/authority.h"
#include "store/store_audit.h"
#include "store/store_boot.h"
#include "store/store_device.h"
#include "store/store_event.h"
#include "store/store_firmware.h"
#include "store/store_ledger.h"
#include "store/store_programmer.h"
#include "store/store_release.h"
#include "store/store_tpm.h"
#include "store/store_unit.h"
#include "tpm_evidence/tpm_evidence.h"

#define SERVICE_VERSION      "0.1.0"
#define SERVICE_COUNT_MAX    10000000u /* units of one job */
#define SERVICE_UIDS_MAX     100000u
#define SERVICE_FIRMWARE_MAX ((size_t)8 << 20)
#define SERVICE_RANGE_MAX    ((size_t)1 << 20) /* of an upload, in one request */
#define SERVICE_HEADER_SIZE  0x400u            /* of images: the vector table's alignment */
#define SERVICE_KIND_BL2     "bl2"
#define SERVICE_KIND_BL3     "bl3"

struct service {
    struct server_data data;
    struct authority authority;
    struct store *store;
    struct clock clock;
    pthread_mutex_t upload_mutex;
    struct buffer chain_b64; /* JSON: "root","device ca" as every certificate answer has them */
};

/* `outstanding` as in struct store_config. */
int service_open(struct service *service, const char *directory,
                 const struct store_config *store_config, struct error *error);
void service_close(struct service *service);

uint64_t service_now(const struct service *service);
/* "job-" and 8 hexadecimal digits. */
int service_new_id(const char *prefix, char id[STORE_ID_MAX + 1], struct error *error);
/* Text for names: 1 to 64 bytes of printable ASCII; ERROR_BAD_REQUEST names the field. */
int service_check_text(const char *field, const char *text, struct error *error);

/* TPMs of programmers (service_tpm.c, tpm_evidence/tpm_evidence.h). */
struct service_tpm_challenge {
    struct bytes ek_certificate; /* DER */
    struct bytes ak_public;      /* TPMT_PUBLIC */
    /* results */
    char id[STORE_ID_MAX + 1];
    struct tpm_evidence_challenge challenge;
};
/* ERROR_ASSURANCE_UNPROVEN for a TPM of no maker that the server knows. */
int service_tpm_challenge(struct service *service, struct service_tpm_challenge *request,
                          struct error *error);

struct service_tpm_proof {
    const char *challenge_id;
    struct bytes authkey_public; /* TPMT_PUBLIC */
    struct bytes attest;         /* TPMS_ATTEST */
    uint8_t signature[64];
};
/* ERROR_ASSURANCE_UNPROVEN, ERROR_CHALLENGE_EXPIRED. The challenge is a result, to be used up with
 * what it was for. */
int service_tpm_verify(struct service *service, struct store_db *reader,
                       const struct service_tpm_proof *proof, const uint8_t public_key[64],
                       struct store_tpm_challenge *challenge, struct error *error);

/* Programmers (service_programmers.c). `actor` is who asks, for the event table. */
struct service_enrolment {
    const char *name;
    const char *csr_pem;
    const char *assurance;
    const struct service_tpm_proof *tpm; /* NULL: none */
    const char *actor;
    struct store_programmer programmer; /* result */
    struct buffer certificate;          /* result, DER */
};
int service_programmer_enrol(struct service *service, struct store_db *reader,
                             struct service_enrolment *enrolment, struct error *error);
/* `reason` may be NULL. */
int service_programmer_revoke(struct service *service, const char *id, const char *actor,
                              const char *reason, struct error *error);

struct service_agreement {
    const char *programmer_id;
    const char *actor;
    uint8_t peer_point[65];
    uint8_t peer_signature[64];
    /* results */
    uint64_t epoch;
    uint8_t point[65];
    uint8_t signature[64];
    uint8_t wrapped_key[64];
    size_t wrapped_key_size;
};
/* The key of the next epoch; the programmer must have signed the transcript. */
int service_programmer_agree(struct service *service, struct store_db *reader,
                             struct service_agreement *agreement, struct error *error);

/* Firmware (service_firmware.c). */
struct service_upload {
    const char *kind;
    const char *family;
    const char *version;
    const char *actor;
    struct bytes octets;
    const struct store_upload *upload; /* what was announced: BL2 and BL3 */
    struct store_firmware firmware;    /* results */
    struct store_release release;      /* BL2 and BL3 */
};
bool service_firmware_kind_is_known(const char *kind);
int service_firmware_upload(struct service *service, struct service_upload *upload,
                            struct error *error);
/* Uploads in ranges (service_upload.c). The caller fills kind to actor; id is a result. `offset` is
 * where to go on. */
int service_upload_begin(struct service *service, struct store_upload *upload, uint64_t *offset,
                         struct error *error);
int service_upload_find(struct service *service, struct store_db *reader, const char *id,
                        const char *actor, struct store_upload *upload, uint64_t *offset,
                        struct error *error);
/* ERROR_CONFLICT with `next` filled when `offset` is not where the upload is. */
int service_upload_range(struct service *service, struct store_db *reader, const char *id,
                         const char *actor, uint64_t offset, struct bytes octets, uint64_t *next,
                         struct error *error);
/* ERROR_ALTERED (and the upload is dropped) unless the digest is the announced one. */
int service_upload_finish(struct service *service, struct store_db *reader, const char *id,
                          const char *actor, struct service_upload *result, struct error *error);

/* Releases (service_release.c). */
bool service_is_release_kind(const char *kind);
/* "1.2.3" or "1.2.3+4". */
int service_release_version(const char *text, struct image_version *version, struct error *error);
/* Version, counter, header and size of a BL2 or BL3. */
int service_release_check(const struct store_upload *upload, struct error *error);
/* Header, encrypted payload, protected TLVs: stored as a blob. */
int service_release_make(struct service *service, const struct store_upload *upload,
                         struct bytes payload, struct store_release *release, struct error *error);
/* The device's own signing key, made the first time. */
int service_boot_key(struct service *service, struct store_db *reader,
                     const uint8_t uid[STORE_UID_SIZE], enum store_target target,
                     struct store_boot_key *key, struct error *error);
/* The part of the image that is one device's: signature, and for BL3 its wrapped content key. */
int service_image_tlvs(struct service *service, const struct store_release *release,
                       const struct store_boot_key *key, const uint8_t enc_key[64],
                       struct store_image *image, struct error *error);

/* The octets, checked against their hash, appended. For BL2 and BL3 the body of the release. */
int service_firmware_read(struct service *service, struct store_db *reader,
                          const struct store_firmware *firmware, struct buffer *octets,
                          struct error *error);

/* Jobs (service_jobs.c). */
struct service_order {
    struct store_job job; /* product to assurance filled by the caller; id is a result */
    uint8_t *uids;
    size_t uid_count;
    uint8_t *denied;
    size_t denied_count;
    const char *actor;
};
int service_job_create(struct service *service, struct store_db *reader,
                       struct service_order *order, struct error *error);
/* A new package with a new token, which from now on is the only one that is right. */
int service_job_export(struct service *service, struct store_db *reader, const char *job_id,
                       const char *actor, struct buffer *package, uint64_t *sequence,
                       struct error *error);

/* Chips that are not to be made under a job; what was made stays. */
struct service_denial {
    const char *job_id;
    const char *actor;
    const uint8_t *uids;
    size_t uid_count;
    uint64_t now;
};
int service_job_deny(struct service *service, struct service_denial *denial, struct error *error);

/* Pause, go on, close. Repeating is fine; a closed or stopped job stays what it is
 * (ERROR_JOB_CLOSED). */
struct service_hold {
    const char *job_id;
    const char *actor;
    enum job_hold hold;
    const char *reason; /* "" or a short text, for the event */
    uint64_t now;
    struct store_job job; /* result */
};
int service_job_hold(struct service *service, struct service_hold *change, struct error *error);

/* Another end of the job. The package at the programmer has the old one signed: it wants a new
 * export. ERROR_BAD_REQUEST unless it is to come, ERROR_JOB_CLOSED. */
struct service_extension {
    const char *job_id;
    const char *actor;
    uint64_t expires;
    uint64_t now;
    struct store_job job; /* result */
};
int service_job_extend(struct service *service, struct service_extension *extension,
                       struct error *error);

struct service_activation {
    const char *job_id;
    const char *programmer_id;
    uint8_t token_hash[32];
    uint64_t sequence;
    uint64_t now;
    struct store_job job; /* result */
};
int service_job_activate(struct service *service, struct service_activation *activation,
                         struct error *error);

/* Units (service_units.c): each prepares a write of store_unit.h. */
void service_token_hash(const uint8_t token[32], uint8_t hash[32]);
int service_prepare_reservation(struct service *service, struct store_reservation *reservation,
                                struct error *error);

struct service_issue {
    struct store_issue write;
    uint8_t csr[1024];
    size_t csr_size;
    uint8_t der[UNIT_DER_MAX];
};
/* Reads and verifies the CSR and signs the certificate. 1: the same request was answered before
 * and write.issued_der is already filled; 0: submit store_unit_issue. */
int service_prepare_issue(struct service *service, struct store_db *reader,
                          struct service_issue *issue, struct error *error);

struct service_permit {
    struct store_permit write;
    uint8_t object_id[64]; /* OBJECT_ID */
    size_t object_id_size;
    uint8_t boot_key_hash[32]; /* BOOT_KEY_HASH, filled here */
    struct buffer encoded;
};
/* 1: `encoded` was issued before; 0: submit store_unit_permit. */
int service_prepare_permit(struct service *service, struct store_db *reader,
                           struct service_permit *permit, struct error *error);

/* Secure boot (service_boot.c). */
int service_find_boot_key_hash(struct service *service, struct store_db *reader,
                               const struct store_unit *unit, struct service_permit *permit,
                               struct error *error);
int service_sign_later_permit(struct service *service, const uint8_t uid[STORE_UID_SIZE],
                              struct service_permit *permit, struct error *error);
/* Nonce and times; the rest is the caller's. Then submit store_challenge_add. */
int service_prepare_challenge(struct service *service, struct store_challenge *challenge,
                              struct error *error);

struct service_image {
    struct store_image write; /* target, answer.unit_id, nonce and programmer_id by the caller */
    struct buffer transcript;
    uint8_t measurements[STORE_MEASUREMENTS_MAX];
    struct store_release release; /* results */
    uint8_t key_hash[32];
};
/* Verifies the chip's measurements and signs its image. 1: answered before, as `write` says; 0:
 * submit store_image_release. ERROR_ATTESTATION_REFUSED names what is not as ordered. */
int service_prepare_image(struct service *service, struct store_db *reader,
                          struct service_image *image, struct error *error);

struct service_record {
    struct store_record write; /* answer.unit_id and programmer_id by the caller */
    struct buffer encoded;
    uint8_t measurements[STORE_MEASUREMENTS_MAX];
    char site[65];
};
/* X || Y of its certificate. */
int service_programmer_key(struct store_db *reader, const char *programmer_id, uint8_t key[64],
                           struct error *error);

/* ERROR_ALTERED unless `status`, of a unit that is scrapped, is signed by its programmer. */
int service_check_scrap(struct store_db *reader, const struct store_status *status,
                        struct error *error);

/* Then submit store_record_accept. */
int service_prepare_record(struct service *service, struct store_db *reader,
                           struct service_record *record, struct error *error);

struct service_rma {
    struct store_rma_permit write;
    struct buffer encoded;
};
/* Then submit store_rma_permit. */
int service_prepare_rma(struct service *service, struct store_db *reader, struct service_rma *rma,
                        struct error *error);

#endif
