#include "server/test_world.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_support.h"
#include "board/devauth_image.h"
#include "crypto/crypto.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct error failure;

static void require(int result) {
    if (result != 0)
        fail_msg("%s %s (%s)", error_name(failure.code), failure.message, failure.detail);
}

static void in_world(const struct test_world *world, const char *name, char path[192]) {
    snprintf(path, 192, "%.100s/%.60s", world->directory, name);
}

/* Runs nusec-server with the arguments and returns its exit code. */
static int run_server_command(char *const arguments[]) {
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDOUT_FILENO);
        execv(NUSEC_SERVER_PATH, arguments);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void initialise(struct test_world *world) {
    char pin[192], admin[192];
    char *const arguments[] = {
        "nusec-server", "init",       "--data", world->data, "--organization",
        "Test Ltd",     "--pin-file", pin,      "--url",     "https://127.0.0.1",
        "--admin-out",  admin,        NULL};

    in_world(world, "pin", pin);
    in_world(world, "admin", admin);
    require(file_write_durable(pin, bytes_of("47110815", 8), 0600, &failure));
    assert_int_equal(run_server_command(arguments), 0);
}

static void open_key_store(struct test_world *world) {
    char pin[192], configuration[192], tokens[192];
    const struct hsm_config config = {HSM_DEFAULT_MODULE, "programmers", pin, configuration};

    in_world(world, "pin", pin);
    in_world(world, "softhsm2.conf", configuration);
    in_world(world, "tokens", tokens);
    require(hsm_softhsm_configure(configuration, tokens, &failure));
    require(hsm_init_token(&config, pin, &failure));
    world->key_store = hsm_open(&config, &failure);
    require(world->key_store != NULL ? 0 : -1);
}

struct bytes test_devauth_image(uint8_t out[TEST_IMAGE_SIZE]) {
    const struct devauth_image_header header = {.family = "TEST",
                                                .load_address = 0x1000,
                                                .image_size = TEST_IMAGE_SIZE,
                                                .entry = 0x1041,
                                                .stack_top = 0x8000,
                                                .parameters_address = 0x2000,
                                                .parameters_capacity = 0x1000,
                                                .mailbox_address = 0x4000,
                                                .version = 1};

    memset(out, 0, TEST_IMAGE_SIZE);
    devauth_image_write(&header, out);
    return bytes_of(out, TEST_IMAGE_SIZE);
}

json_t *test_upload_begin(struct http_client *client, const char *kind, const char *version,
                          unsigned counter, struct bytes octets) {
    uint8_t digest[32];

    crypto_sha256(octets, digest);
    return test_post(client, "/v1/uploads",
                     json_pack("{s:s, s:s, s:s, s:i, s:I, s:o}", "kind", kind, "family", "TEST",
                               "version", version, "security_counter", (int)counter, "size",
                               (json_int_t)octets.size, "sha256_hex",
                               json_hex(bytes_of(digest, sizeof digest))));
}

json_t *test_upload(struct http_client *client, const char *kind, const char *version,
                    unsigned counter, struct bytes octets) {
    json_t *begun = test_upload_begin(client, kind, version, counter, octets);
    const char *id = json_string_value(json_object_get(begun, "upload_id"));
    struct http_answer answer;
    char path[128];
    json_t *firmware;

    snprintf(path, sizeof path, "/v1/uploads/%s?offset=0", id);
    require(http_client_send(client, "PUT", path, "application/octet-stream", octets, &answer,
                             &failure));
    http_answer_clear(&answer);
    snprintf(path, sizeof path, "/v1/uploads/%s/finish", id);
    firmware = test_post(client, path, json_object());
    json_decref(begun);
    return firmware;
}

static void upload_devauth(struct test_world *world) {
    uint8_t octets[TEST_IMAGE_SIZE];
    json_t *object;

    object = test_upload(world->admin, "devauth", "1.0", 0, test_devauth_image(octets));
    snprintf(world->devauth_id, sizeof world->devauth_id, "%s",
             json_string_value(json_object_get(object, "id")));
    assert_non_null(json_object_get(object, "manifest_b64"));
    json_decref(object);
}

void test_world_begin(struct test_world *world) {
    memset(world, 0, sizeof *world);
    test_directory_make(world->directory);
    snprintf(world->data, sizeof world->data, "%s/data", world->directory);
    initialise(world);
    test_server_start(world);
    upload_devauth(world);
    open_key_store(world);
}

void test_world_end(struct test_world *world) {
    if (world->server != 0)
        test_server_stop(world);
    http_client_free(world->admin);
    hsm_close(world->key_store);
    test_directory_remove(world->directory);
}

/* Waits for "listening on https://..." and takes the address from it. */
static void read_address(struct test_world *world, int fd) {
    char line[200] = "";
    size_t size = 0;

    while (size + 1 < sizeof line && strchr(line, '\n') == NULL) {
        ssize_t got = read(fd, line + size, 1);

        if (got <= 0)
            fail_msg("the server ended before it listened");
        line[++size] = '\0';
    }
    assert_int_equal(sscanf(line, "listening on %63s", world->url), 1);
}

void test_server_start(struct test_world *world) {
    char certificate[192], key[192];
    int out[2];

    assert_int_equal(pipe(out), 0);
    world->server = fork();
    if (world->server == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(NUSEC_SERVER_PATH, "nusec-server", "run", "--data", world->data, "--listen",
              "127.0.0.1:0", "--log-level", "error", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    read_address(world, out[0]);
    close(out[0]);
    in_world(world, "admin/client.pem", certificate);
    in_world(world, "admin/client.key", key);
    http_client_free(world->admin);
    world->admin = test_client(world, certificate, key);
}

void test_server_stop(struct test_world *world) {
    int status = 0;

    kill(world->server, SIGTERM);
    assert_int_equal(waitpid(world->server, &status, 0), world->server);
    world->server = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

void test_server_kill(struct test_world *world) {
    kill(world->server, SIGKILL);
    assert_int_equal(waitpid(world->server, NULL, 0), world->server);
    world->server = 0;
}

struct http_client *test_client(const struct test_world *world, const char *certificate_path,
                                const char *key_path) {
    char root[192];
    const struct http_client_options options = {.base_url = world->url,
                                                .ca_path = root,
                                                .certificate_path = certificate_path,
                                                .key_path = key_path};
    struct http_client *client;

    in_world(world, "data/ca/root.pem", root);
    client = http_client_create(&options, &failure);
    require(client != NULL ? 0 : -1);
    return client;
}

struct http_client *test_operator(struct test_world *world, const char *name, const char *role) {
    char out[192], certificate[256], key[256];
    char *const arguments[] = {"nusec-server", "operator", "add",        "--data",
                               world->data,    "--name",   (char *)name, "--role",
                               (char *)role,   "--out",    out,          NULL};

    in_world(world, name, out);
    assert_int_equal(run_server_command(arguments), 0);
    snprintf(certificate, sizeof certificate, "%s/client.pem", out);
    snprintf(key, sizeof key, "%s/client.key", out);
    return test_client(world, certificate, key);
}

json_t *test_get(struct http_client *client, const char *path) {
    json_t *answer = NULL;

    require(http_client_get(client, path, &answer, &failure));
    return answer;
}

json_t *test_post(struct http_client *client, const char *path, json_t *request) {
    json_t *answer = NULL;

    require(http_client_post(client, path, request, &answer, &failure));
    json_decref(request);
    return answer;
}

void test_expect(struct http_client *client, const char *method, const char *path, const char *body,
                 int status, const char *code) {
    struct http_answer answer;
    struct error error = {0};
    json_t *object;

    assert_int_equal(
        http_client_send(client, method, path, body != NULL ? "application/json" : NULL,
                         bytes_of(body, body != NULL ? strlen(body) : 0), &answer, &error),
        -1);
    object = json_loads(buffer_text(&answer.body), 0, NULL);
    if (answer.status != status)
        fail_msg("%s %s: %d instead of %d: %s", method, path, answer.status, status, error.message);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(object, "error"), "code")), code);
    json_decref(object);
    http_answer_clear(&answer);
}

int test_shell(const char *command) {
    const char *const arguments[] = {"sh", "-c", command, NULL};
    struct buffer output = {0};
    int status = test_run(arguments, bytes_of(NULL, 0), STDERR_FILENO, &output);

    buffer_free(&output);
    return status;
}

int64_t test_sql_number(const struct test_world *world, const char *sql) {
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;
    char path[192];
    int64_t value;

    in_world(world, "data/server.db", path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

void test_sql_change(const struct test_world *world, const char *sql) {
    char *message = NULL;
    sqlite3 *db = NULL;
    char path[192];

    in_world(world, "data/server.db", path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}
