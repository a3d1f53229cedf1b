/*
 * A real server on loopback with a real SoftHSM token, for the tests of this folder: init, run,
 * stop, kill; programmers and chips that do over the API what real ones do.
 *
 * Everything here aborts the test (cmocka's fail) when it does not work; what is to be refused is
 * asked for with test_expect.
 */
#ifndef NUSEC_SERVER_TEST_WORLD_H
#define NUSEC_SERVER_TEST_WORLD_H

#include "base/buffer.h"
#include "hsm/hsm.h"
#include "http/http_client.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <sys/types.h>

struct test_world {
    char directory[64]; /* all of it, removed by test_world_end */
    char data[160];
    char url[64];
    pid_t server;
    struct http_client *admin;
    struct hsm *key_store; /* the programmers' token */
    char devauth_id[64];
};

void test_world_begin(struct test_world *world);
void test_world_end(struct test_world *world);

/* Starts the server; stops it by SIGTERM (and expects exit code 0), or kills it. */
void test_server_start(struct test_world *world);
void test_server_stop(struct test_world *world);
void test_server_kill(struct test_world *world);

/* A client with the certificate and key of a profile directory made by `operator add`. */
struct http_client *test_operator(struct test_world *world, const char *name, const char *role);
struct http_client *test_client(const struct test_world *world, const char *certificate_path,
                                const char *key_path);

struct test_programmer {
    char id[64];
    char certificate_path[192];
    char key_path[192];
    EVP_PKEY *key;
    struct buffer certificate; /* DER */
    uint32_t epoch;
    char key_label[32];
    struct http_client *client;
};

/* Enrolled and, with `agreed`, sharing a key with the server. */
void test_programmer_make(struct test_world *world, const char *name, bool agreed,
                          struct test_programmer *programmer);
void test_programmer_free(struct test_programmer *programmer);
/* Opens a new connection, for use after a restart of the server. */
void test_programmer_connect(struct test_world *world, struct test_programmer *programmer);

struct test_job {
    char id[64];
    char token_b64[64];
    uint64_t sequence;
};

/* A job of an hour for the world's DevAuth image; `uids` may be NULL. */
void test_job_make(struct test_world *world, const struct test_programmer *programmer,
                   unsigned count, json_t *uids, struct test_job *job);
/* Export, open the package as the programmer does, activate. */
void test_job_export(struct test_world *world, const struct test_programmer *programmer,
                     struct test_job *job);
void test_job_activate(struct test_programmer *programmer, const struct test_job *job);

/* The smallest thing that passes for a DevAuth image, of the family TEST. */
#define TEST_IMAGE_SIZE 80
struct bytes test_devauth_image(uint8_t out[TEST_IMAGE_SIZE]);

struct test_chip {
    uint8_t uid[16];
    uint8_t private_key[32];
    uint8_t auth_key[64];
    uint8_t enc_key[64];
    uint8_t tls_key[64];
    /* filled by the steps */
    char unit_id[40];
    uint8_t nonce[32];
    char certificate_hash_hex[65];
    struct buffer certificate; /* DER */
};

/* A chip with its own UID and keys. */
void test_chip_make(struct test_chip *chip);
void test_chip_free(struct test_chip *chip);
/* The chip's CSR as base64 in fresh memory. */
char *test_chip_csr(const struct test_chip *chip);

/* The steps of a unit; each returns the HTTP status, 0 when there was no answer. */
int test_reserve(struct test_programmer *programmer, const struct test_job *job,
                 struct test_chip *chip, unsigned attempt, struct error *error);
int test_certify(struct test_programmer *programmer, struct test_chip *chip, struct error *error);
int test_permit(struct test_programmer *programmer, const struct test_chip *chip,
                const uint8_t device_nonce[32], struct error *error);
int test_status(struct test_programmer *programmer, const struct test_chip *chip, const char *state,
                struct error *error);
/* All of them, which must work. */
void test_unit(struct test_programmer *programmer, const struct test_job *job,
               struct test_chip *chip);

/* GET with an answer that must be 200. */
json_t *test_get(struct http_client *client, const char *path);
/* POSTs `request` (stolen) and requires status 200 or 201. */
json_t *test_post(struct http_client *client, const char *path, json_t *request);
/* Firmware for the family TEST: begun; and all of it, in one range. */
json_t *test_upload_begin(struct http_client *client, const char *kind, const char *version,
                          unsigned counter, struct bytes octets);
json_t *test_upload(struct http_client *client, const char *kind, const char *version,
                    unsigned counter, struct bytes octets);
/* Sends and requires a refusal with this status and error code. */
void test_expect(struct http_client *client, const char *method, const char *path, const char *body,
                 int status, const char *code);

/* A member of a report's counts. */
json_int_t test_count(struct test_world *world, const struct test_job *job, const char *name);

/* Runs a shell command and returns its exit status. */
int test_shell(const char *command);

/* Runs SQL on the server's database from outside and returns the first column as a number. */
int64_t test_sql_number(const struct test_world *world, const char *sql);
/* Somebody edits the database beside the server. */
void test_sql_change(const struct test_world *world, const char *sql);

#endif
