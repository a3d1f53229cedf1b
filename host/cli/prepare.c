#include "cli/prepare.h"

#include "cli/command.h"
#include "cli/control.h"
#include "cli/firmware.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* Programmer software has no chip; its family says which build it is. */
#define SOFTWARE_FAMILY "programmer"

/* One run: both connections, and what later steps need of earlier ones. */
struct run {
    const struct prepare *request;
    struct http_client *server;
    struct control *programmer;
    char *url;
    json_t *result;
};

typedef int step_function(struct run *run, struct error *error);

/* Moves members from one object to another, so that they travel as they came. */
static int copy_members(json_t *to, const json_t *from, const char *const *names, size_t count,
                        struct error *error) {
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(from, names[i]);
        if (value == NULL)
            return error_set(error, ERROR_BAD_REQUEST, "the answer lacks \"%s\"", names[i]);
        if (json_object_set(to, names[i], value) != 0)
            return error_set(error, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

static json_t *ask(struct run *run, const char *method, json_t *parameters, struct error *error) {
    return control_call(run->programmer, method, parameters, NULL, NULL, error);
}

/* The TPM opens the server's challenge and states where AUTHKEY is; it passes here as it came. */
static int prove_tpm(struct run *run, json_t *request, struct error *error) {
    static const char *const challenge_fields[] = {"credential_b64", "encrypted_secret_b64"};
    static const char *const proof_fields[] = {"authkey_public_b64", "attest_b64", "signature_b64"};
    static const char *const id[] = {"challenge_id"};
    json_t *offer = ask(run, "prepare.tpm_begin", NULL, error);
    json_t *challenge = NULL;
    json_t *answer = json_object();
    json_t *proof = json_object();
    json_t *stated = NULL;
    int result = -1;

    if (offer != NULL &&
        http_client_post(run->server, "/v1/tpm-challenges", offer, &challenge, error) == 0 &&
        copy_members(answer, challenge, challenge_fields, 2, error) == 0 &&
        (stated = ask(run, "prepare.tpm_prove", json_incref(answer), error)) != NULL &&
        copy_members(proof, challenge, id, 1, error) == 0 &&
        copy_members(proof, stated, proof_fields, 3, error) == 0)
        result = json_object_set(request, "tpm", proof);
    json_decref(offer);
    json_decref(challenge);
    json_decref(answer);
    json_decref(proof);
    json_decref(stated);
    return result;
}

static bool is_tpm(const json_t *csr) {
    const char *assurance = json_string_value(json_object_get(csr, "assurance"));

    return assurance != NULL && strcmp(assurance, "tpm") == 0;
}

/* AUTHKEY is born in the programmer's key store; only the request leaves it. */
static int certify(struct run *run, struct error *error) {
    static const char *const from_programmer[] = {"csr_pem", "assurance"};
    static const char *const from_server[] = {"certificate_pem"};
    json_t *answer = NULL;
    const char *id = NULL;
    int result = -1;

    json_t *csr = ask(run, "prepare.csr", json_pack("{s:s}", "name", run->request->name), error);
    json_t *request = json_pack("{s:s}", "name", run->request->name);
    if (csr != NULL && run->request->assurance != NULL)
        (void)json_object_set_new(csr, "assurance", json_string(run->request->assurance));
    if (csr != NULL && copy_members(request, csr, from_programmer, 2, error) == 0 &&
        (!is_tpm(csr) || prove_tpm(run, request, error) == 0) &&
        http_client_post(run->server, "/v1/programmers", request, &answer, error) == 0 &&
        json_read_string(answer, "id", &id, error) == 0 &&
        copy_members(run->result, csr, from_programmer + 1, 1, error) == 0 &&
        copy_members(run->result, answer, from_server, 1, error) == 0)
        result = json_object_set_new(run->result, "programmer_id", json_string(id));
    json_decref(csr);
    json_decref(request);
    json_decref(answer);
    return result;
}

static int install(struct run *run, struct error *error) {
    static const char *const anchors[] = {"root_pem", "device_ca_pem", "operations_ca_pem",
                                          "job_authority_pem", "rotpk_sboot_hex"};
    static const char *const own[] = {"programmer_id", "certificate_pem"};
    static const char *const kept[] = {"certificate_sha256_hex"};
    json_t *ca = NULL;
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s}", "server_url", run->url);
    int result = -1;

    if (http_client_get(run->server, "/v1/ca", &ca, error) == 0 &&
        copy_members(request, ca, anchors, 5, error) == 0 &&
        copy_members(request, run->result, own, 2, error) == 0 &&
        (answer = ask(run, "prepare.install", json_incref(request), error)) != NULL)
        result = copy_members(run->result, answer, kept, 1, error);
    json_decref(ca);
    json_decref(request);
    json_decref(answer);
    return result;
}

/* AES_NuLink3: both ends prove themselves; the key passes here wrapped. */
static int agree(struct run *run, struct error *error) {
    static const char *const fields[] = {"epoch", "point_b64", "signature_b64", "wrapped_key_b64"};
    const char *id = json_string_value(json_object_get(run->result, "programmer_id"));
    char *path = command_path("/v1/programmers/%s/agreement", id);
    json_t *offer = ask(run, "prepare.agree_begin", NULL, error);
    json_t *answer = NULL;
    json_t *finish = json_object();
    json_t *done = NULL;
    int result = -1;

    if (offer != NULL && http_client_post(run->server, path, offer, &answer, error) == 0 &&
        copy_members(finish, answer, fields, 4, error) == 0 &&
        (done = ask(run, "prepare.agree_finish", json_incref(finish), error)) != NULL)
        result = copy_members(run->result, answer, fields, 1, error);
    free(path);
    json_decref(offer);
    json_decref(answer);
    json_decref(finish);
    json_decref(done);
    return result;
}

/* The server signs the programmer's own software; its launcher starts nothing else. */
static int sign_software(struct run *run, struct error *error) {
    static const char *const manifest[] = {"manifest_b64"};
    const struct firmware_upload upload = {
        .path = run->request->software,
        .kind = "programmer",
        .family = SOFTWARE_FAMILY,
        .version = run->request->software_version,
    };
    json_t *answer = firmware_upload(run->server, &upload, error);
    json_t *request = json_object();
    json_t *done = NULL;
    int result = -1;

    if (answer != NULL && copy_members(request, answer, manifest, 1, error) == 0 &&
        (done = ask(run, "prepare.software", json_incref(request), error)) != NULL)
        result = json_object_set(run->result, "software_id", json_object_get(answer, "id"));
    json_decref(answer);
    json_decref(request);
    json_decref(done);
    return result;
}

static const struct {
    const char *name;
    step_function *run;
} steps[] = {
    {"certificate for AUTHKEY", certify},
    {"root and CA certificates, ROTPK_SBOOT", install},
    {"AES_NuLink3", agree},
    {"signed programmer software", sign_software},
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

/* Which one it is only the programmer itself knows. */
static int identify(struct run *run, struct error *error) {
    static const char *const id[] = {"programmer_id"};
    json_t *status = ask(run, "status", NULL, error);
    int result = -1;

    if (status != NULL && !json_is_true(json_object_get(status, "prepared"))) {
        (void)error_set(error, ERROR_NOT_PREPARED, "the programmer was not prepared yet");
        (void)error_hint(error, "nusec programmer prepare comes first");
    } else if (status != NULL) {
        result = copy_members(run->result, status, id, 1, error);
    }
    json_decref(status);
    return result;
}

static int run_rotation(struct run *run, struct error *error) {
    return identify(run, error) == 0 ? agree(run, error) : -1;
}

static int run_steps(struct run *run, struct error *error) {
    for (size_t i = 0; i < STEP_COUNT; i++) {
        if (!command_common.json)
            (void)fprintf(stderr, "[%zu/%zu] %s\n", i + 1, STEP_COUNT, steps[i].name);
        if (steps[i].run(run, error) != 0)
            return error_prefix(error, "%s", steps[i].name);
    }
    return 0;
}

/* Brings both ends together for some work. */
static json_t *run_between(struct run *run, step_function *work, struct error *error) {
    run->result = json_object();
    run->server = command_server(&run->url, error);
    if (run->server != NULL)
        run->programmer = command_programmer(error);
    if (run->programmer == NULL || work(run, error) != 0) {
        json_decref(run->result);
        run->result = NULL;
    }
    control_close(run->programmer);
    http_client_free(run->server);
    free(run->url);
    return run->result;
}

json_t *prepare_programmer(const struct prepare *prepare, struct error *error) {
    struct run run = {.request = prepare};

    return run_between(&run, run_steps, error);
}

json_t *prepare_rotate(struct error *error) {
    struct run run = {.request = NULL};

    return run_between(&run, run_rotation, error);
}
