/*
 * Certificates per second through the whole server: mutual TLS kept alive, reservation already
 * made, CSR signed by a fresh device key, proof of possession checked, HSM signature, durable
 * commit, ledger and event rows.
 *
 *     issue_load URL PROFILE_DIR WORK_DIR DEVAUTH_IMAGE UNITS_PER_RUN CONNECTIONS...
 *
 * Prints one JSON object per run. Every answer must be a certificate, or the run has failed.
 */
#include "base/clock.h"
#include "base/encoding.h"
#include "base/json.h"
#include "crypto/crypto.h"
#include "devauth/certificate.h"
#include "load_client.h"
#include "load_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    uint8_t uid[16];
    uint8_t private_key[32];
    uint8_t keys[3][64]; /* AUTH, ENC, TLS */
};

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    return crypto_p256_sign(context, digest, signature);
}

static int unit_make(struct unit *unit) {
    uint8_t other[32];
    return crypto_random(unit->uid, 16) == STATUS_OK &&
                   crypto_p256_generate(unit->private_key, unit->keys[0]) == STATUS_OK &&
                   crypto_p256_generate(other, unit->keys[1]) == STATUS_OK &&
                   crypto_p256_generate(other, unit->keys[2]) == STATUS_OK
               ? 0
               : -1;
}

static char *reservation_body(const struct unit *unit, const struct load_job *job) {
    char uid[33];
    char body[256];
    hex_encode_upper(bytes_of(unit->uid, 16), uid);
    snprintf(body, sizeof body, "{\"uid\":\"%s\",\"attempt\":1,\"token_b64\":\"%s\"}", uid,
             job->token_base64);
    return strdup(body);
}

/* Turns the reservation's answer into the certificate request that follows it. */
static int certificate_request_make(struct unit *unit, const struct load_request *reserved,
                                    struct load_request *request, struct error *error) {
    uint8_t csr[CERTIFICATE_CSR_MAX];
    uint8_t nonce[32];
    struct writer writer;
    const char *unit_id;
    json_t *answer = json_parse_object(buffer_bytes(&reserved->answer), error);
    if (answer == NULL || reserved->status != 201 ||
        json_read_string(answer, "unit_id", &unit_id, error) != 0 ||
        json_read_hex(answer, "nonce_hex", nonce, sizeof nonce, error) != 0) {
        json_decref(answer);
        return error_set(error, ERROR_BAD_REQUEST, "reservation answered %d: %.120s",
                         reserved->status, buffer_text(&reserved->answer));
    }
    struct certificate_request fields = {.uid = unit->uid,
                                         .nonce = nonce,
                                         .auth_key = unit->keys[0],
                                         .enc_key = unit->keys[1],
                                         .tls_key = unit->keys[2]};
    writer_init(&writer, csr, sizeof csr);
    enum status status = certificate_write_csr(&writer, &fields, sign, unit->private_key);
    snprintf(request->path, sizeof request->path, "/v1/units/%s/certificate", unit_id);
    json_decref(answer);
    char *encoded = base64_encode(writer_bytes(&writer));
    if (status != STATUS_OK || encoded == NULL) {
        free(encoded);
        return error_set(error, ERROR_INTERNAL, "cannot write a CSR");
    }
    struct buffer body = {0};
    buffer_print(&body, "{\"csr_b64\":\"%s\"}", encoded);
    request->body = strdup(buffer_text(&body));
    buffer_free(&body);
    free(encoded);
    return 0;
}

static int compare_latency(const void *a, const void *b) {
    const struct load_request *left = a;
    const struct load_request *right = b;
    return (left->latency_s > right->latency_s) - (left->latency_s < right->latency_s);
}

static int report(struct load_request *requests, size_t count, unsigned connections, double seconds,
                  struct error *error) {
    for (size_t i = 0; i < count; i++) {
        if (requests[i].status != 200) {
            return error_set(error, ERROR_INTERNAL, "answer %d: %.160s", requests[i].status,
                             buffer_text(&requests[i].answer));
        }
    }
    qsort(requests, count, sizeof *requests, compare_latency);
    printf("{\"connections\":%u,\"certificates\":%zu,\"seconds\":%.3f,\"per_second\":%.0f,"
           "\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
           connections, count, seconds, (double)count / seconds,
           requests[count / 2].latency_s * 1e3, requests[count * 99 / 100].latency_s * 1e3);
    fflush(stdout);
    return 0;
}

static void requests_free(struct load_request *requests, size_t count) {
    for (size_t i = 0; requests != NULL && i < count; i++) {
        free(requests[i].body);
        buffer_free(&requests[i].answer);
    }
    free(requests);
}

static int run(const struct load_target *target, const struct load_job *job, size_t count,
               unsigned connections, struct error *error) {
    struct unit *units = calloc(count, sizeof *units);
    struct load_request *reserve = calloc(count, sizeof *reserve);
    struct load_request *certify = calloc(count, sizeof *certify);
    int result = units == NULL || reserve == NULL || certify == NULL ? -1 : 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = unit_make(&units[i]);
        snprintf(reserve[i].path, sizeof reserve[i].path, "/v1/jobs/%s/units", job->job_id);
        reserve[i].body = reservation_body(&units[i], job);
    }
    if (result == 0 && load_run(target, reserve, count, 16, error) < 0) {
        result = -1;
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = certificate_request_make(&units[i], &reserve[i], &certify[i], error);
    }
    if (result == 0) {
        double seconds = load_run(target, certify, count, connections, error);
        result = seconds < 0 ? -1 : report(certify, count, connections, seconds, error);
    }
    requests_free(reserve, reserve == NULL ? 0 : count);
    requests_free(certify, certify == NULL ? 0 : count);
    free(units);
    return result;
}

/* "https://host:port" */
static int parse_url(const char *url, struct load_target *target, char host[128]) {
    static const char scheme[] = "https://";
    const char *name = url + sizeof scheme - 1;
    char *end;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || strchr(name, ':') == NULL) {
        return -1;
    }
    unsigned long port = strtoul(strchr(name, ':') + 1, &end, 10);
    if (*end != 0 || port == 0 || port > 65535) {
        return -1;
    }
    snprintf(host, 128, "%.*s", (int)strcspn(name, ":"), name);
    target->host = host;
    target->port = (unsigned short)port;
    return 0;
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct load_job job;
    struct load_target target = {0};
    char host[128];
    char ca[256];
    if (argc < 7 || parse_url(argv[1], &target, host) != 0 ||
        crypto_init(NULL, NULL) != STATUS_OK) {
        fprintf(stderr, "usage: issue_load URL PROFILE WORK IMAGE UNITS CONNECTIONS...\n");
        return 2;
    }
    struct load_files files = {.work = argv[3], .image = argv[4]};
    size_t units = strtoul(argv[5], NULL, 10);
    int runs = argc - 6;
    snprintf(ca, sizeof ca, "%s/ca.pem", argv[2]);
    if (load_job_create(argv[1], argv[2], &files, (uint32_t)(units * (size_t)runs), &job, &error) !=
        0) {
        fprintf(stderr, "issue_load: %s (%s)\n", error.message, error.detail);
        return 1;
    }
    target.ca_path = ca;
    target.certificate_path = job.certificate_path;
    target.key_path = job.key_path;
    for (int i = 0; i < runs; i++) {
        if (run(&target, &job, units, (unsigned)strtoul(argv[6 + i], NULL, 10), &error) != 0) {
            fprintf(stderr, "issue_load: %s (%s)\n", error.message, error.detail);
            return 1;
        }
    }
    return 0;
}
