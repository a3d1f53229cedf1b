/*
 * A server in memory with the interface of programmer/server.h, for tests: it keeps the server's
 * rules (a UID counts once, a permit only after a certificate, an image only for measurements under
 * its nonce, the ledger is one chain), counts what it was asked, and can be away or lose its answer
 * at any call. Linked in place of server.c.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_FAKE_SERVER_H
#define NUSEC_PROGRAMMER_TESTING_FAKE_SERVER_H

#include "base/ledger.h"
#include "image/image_write.h"
#include "programmer/server.h"
#include "programmer/testing/oem.h"

#define FAKE_UNITS_MAX 64

enum fake_fault {
    FAKE_NO_FAULT,
    FAKE_AWAY,        /* did not act, no answer */
    FAKE_ANSWER_LOST, /* acted, no answer */
    FAKE_REFUSES,     /* answers with `refusal` */
};

struct fake_unit {
    uint8_t uid[16];
    uint32_t attempt;
    uint8_t id[16];
    uint8_t nonce[32];
    enum {
        FAKE_RESERVED,
        FAKE_IDENTIFIED,
        FAKE_FAILED,
        FAKE_SUPERSEDED,
        FAKE_SECURED,
        FAKE_DONE,
        FAKE_SCRAPPED
    } state;
    bool counted;
    bool permitted;
    bool certificate_valid;
    uint8_t auth_key[64];
    uint8_t enc_key[64];
    uint8_t csr_sha256[32];
    struct buffer certificate;
    /* firmware */
    struct test_key boot_keys[2]; /* BL2's, BL3's */
    bool key_permitted[2];
    uint8_t challenge[32];
    char challenge_step[8]; /* "": none that was not used */
    uint8_t answered[32];   /* the nonce of the last image or record, which may be asked again */
    uint8_t record_sha256[32];
};

/* One firmware of the job. */
struct fake_image {
    char id[24];
    struct image_plan plan;
    uint8_t content_key[32];
    struct buffer body;
    uint8_t digest[32];
};

struct fake_server {
    struct oem *oem;
    pthread_mutex_t mutex;
    /* the job */
    uint32_t count;
    uint32_t used;
    uint64_t sequence;
    uint8_t token[32];
    bool job_known;
    struct fake_unit units[FAKE_UNITS_MAX];
    size_t unit_count;
    struct ledger_head ledger;
    /* firmware it offers */
    struct buffer firmware;
    struct buffer firmware_manifest;
    struct fake_image images[2]; /* BL2, BL3 */
    bool leaves_debug_open;      /* the job's setting */
    bool serves_other_body;
    bool serves_other_tlvs; /* signed with nobody's key */
    unsigned expires;       /* so many nonces are too old when they come back */
    bool rma_authorised;
    char serial[64]; /* of the one unit of a test that has one */
    char site[64];   /* as told last, as the number of steps */
    size_t step_count;
    struct buffer last_record; /* as the programmer sent it */
    /* faults */
    unsigned calls;      /* made so far */
    unsigned fault_call; /* the call (1, 2, ...) that gets `fault`; 0: none */
    unsigned fault_span; /* how many calls in a row; 0 counts as 1 */
    enum fake_fault fault;
    enum error_code refusal;
    /* signed time */
    uint64_t now_s;
    bool time_of_other_nonce;
    bool time_of_other_signer;
};

extern struct fake_server fake_server;

void fake_server_reset(struct oem *oem);

/* Certificates that would be accepted in the field; must never exceed the job's count. */
unsigned fake_server_valid_certificates(void);
unsigned fake_server_identified(void);
unsigned fake_server_done(void);

/* Makes both images of the job: of random payloads, or of these. */
void fake_server_make_images(size_t bl2_size, size_t bl3_size);
void fake_server_take_images(struct bytes bl2, struct bytes bl3);

#endif
