/* Client and server against each other on loopback, with a PKI made for the moment. */
#include "base/endpoint.h"
#include "http/http_client.h"
#include "http/http_server.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/test_support.h"
#include "x509/device_certificate.h"
#include "x509/key.h"
#include "x509/test_pki.h"

#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

static char directory[TEST_DIRECTORY_SIZE];
static struct http_server *server;
static char url[160];
static struct error error;
static atomic_uint workers_running;

static void write_file(const char *name, const struct buffer *contents) {
    assert_int_equal(
        file_write_durable(test_path(directory, name), buffer_bytes(contents), 0600, &error), 0);
}

static void issue(enum x509_profile profile, const char *name, const uint8_t public_key[64],
                  struct bytes issuer, struct signer signer, struct buffer *der) {
    static const char *const names[] = {"IP:127.0.0.1", NULL};
    uint64_t now = clock_now_s(&clock_system);
    struct x509_request request = {.profile = profile,
                                   .common_name = name,
                                   .organization = "Test Ltd",
                                   .not_before_s = now - 60,
                                   .not_after_s = now + 3600,
                                   .alternative_names =
                                       profile == X509_PROFILE_SERVER ? names : NULL};
    uint8_t random[10];

    assert_int_equal(RAND_bytes(random, sizeof random), 1);
    x509_serial(now, random, request.serial);
    memcpy(request.public_key, public_key, 64);
    assert_int_equal(x509_issue(&request, issuer, signer, der, &error), 0);
}

/* A leaf with its key, as NAME.pem (with the issuing CA) and NAME.key. */
static void make_leaf(enum x509_profile profile, const char *name, const struct buffer *ca,
                      struct test_key *ca_key) {
    struct buffer der = {0}, pem = {0}, key = {0};
    uint8_t public_key[64];
    char file[64];

    assert_int_equal(x509_file_key_generate(&key, public_key, &error), 0);
    issue(profile, name, public_key, buffer_bytes(ca), test_key_signer(ca_key), &der);
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&der), &pem, &error), 0);
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(ca), &pem, &error), 0);
    snprintf(file, sizeof file, "%s.pem", name);
    write_file(file, &pem);
    snprintf(file, sizeof file, "%s.key", name);
    write_file(file, &key);
    buffer_free(&der);
    buffer_free(&pem);
    buffer_free(&key);
}

/* A root of the same name that has nothing to do with ours. */
static void make_foreign_root(void) {
    struct test_key key;
    struct buffer der = {0}, pem = {0};

    test_key_make(&key);
    issue(X509_PROFILE_ROOT, "Root", key.public_key, bytes_of(NULL, 0), test_key_signer(&key),
          &der);
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&der), &pem, &error), 0);
    write_file("foreign.pem", &pem);
    buffer_free(&der);
    buffer_free(&pem);
}

static void make_pki(void) {
    struct test_key root_key, ca_key;
    struct buffer root = {0}, ca = {0}, pem = {0};

    test_key_make(&root_key);
    test_key_make(&ca_key);
    issue(X509_PROFILE_ROOT, "Root", root_key.public_key, bytes_of(NULL, 0),
          test_key_signer(&root_key), &root);
    issue(X509_PROFILE_OPERATIONS_CA, "Operations", ca_key.public_key, buffer_bytes(&root),
          test_key_signer(&root_key), &ca);
    make_leaf(X509_PROFILE_SERVER, "server", &ca, &ca_key);
    make_leaf(X509_PROFILE_PROGRAMMER, "client", &ca, &ca_key);
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&root), &pem, &error), 0);
    write_file("root.pem", &pem);
    buffer_clear(&pem);
    assert_int_equal(x509_certificate_to_pem(buffer_bytes(&ca), &pem, &error), 0);
    write_file("ca.pem", &pem);
    buffer_free(&pem);
    buffer_free(&root);
    buffer_free(&ca);
}

static void *worker_start(void *context, struct error *failure) {
    (void)failure;
    atomic_fetch_add(&workers_running, 1);
    return context;
}

static void worker_stop(void *worker) {
    (void)worker;
    atomic_fetch_sub(&workers_running, 1);
}

/* What the paths of this server do. */
static void handle(struct http_exchange *exchange, void *worker) {
    const char *path = http_exchange_path(exchange);
    const struct http_peer *peer = http_exchange_peer(exchange);
    struct buffer body = {0};
    int status = 200;

    (void)worker;
    if (strcmp(path, "/who") == 0) {
        buffer_print(&body, "{\"name\":\"%s\"}", peer->certificate.common_name);
    } else if (strcmp(path, "/echo") == 0) {
        struct bytes sent = http_exchange_body(exchange);
        const char *name = http_exchange_query(exchange, "name");

        buffer_print(&body, "{\"method\":\"%s\",\"size\":%zu,\"name\":\"%s\"}",
                     http_exchange_method(exchange), sent.size, name != NULL ? name : "");
    } else if (strcmp(path, "/slow") == 0) {
        usleep(400000);
    } else if (strcmp(path, "/large") == 0) {
        memset(buffer_reserve(&body, 5000), 'x', 5000);
    } else if (strcmp(path, "/full") == 0) {
        status = 409;
        buffer_append_text(&body, "{\"error\":{\"code\":\"job_full\",\"message\":\"all used\","
                                  "\"hint\":\"order more\"}}");
    } else if (strcmp(path, "/broken") == 0) {
        status = 503;
    } else {
        buffer_append_text(&body, "no JSON");
    }
    http_exchange_reply(exchange, status, "application/json", &body);
}

static struct http_server_options server_options(void) {
    return (struct http_server_options){
        .listen = "127.0.0.1:0",
        .certificate_path = strdup(test_path(directory, "server.pem")),
        .key_path = strdup(test_path(directory, "server.key")),
        .root_path = strdup(test_path(directory, "root.pem")),
        .intermediates_path = strdup(test_path(directory, "ca.pem")),
        .io_threads = 2,
        .workers = 2,
        .body_limit = 10000,
        .worker_start = worker_start,
        .worker_stop = worker_stop,
        .handle = handle,
        .context = &server,
    };
}

static void free_paths(const struct http_server_options *options) {
    free((void *)(uintptr_t)options->certificate_path);
    free((void *)(uintptr_t)options->key_path);
    free((void *)(uintptr_t)options->root_path);
    free((void *)(uintptr_t)options->intermediates_path);
}

static int begin(void **state) {
    struct http_server_options options;
    char address[128];

    (void)state;
    test_directory_make(directory);
    make_pki();
    make_foreign_root();
    options = server_options();
    server = http_server_start(&options, &error);
    free_paths(&options);
    if (server == NULL)
        return -1;
    http_server_address(server, address, sizeof address);
    snprintf(url, sizeof url, "https://%s", address);
    return 0;
}

static int end(void **state) {
    (void)state;
    http_server_stop(server);
    test_directory_remove(directory);
    return atomic_load(&workers_running) == 0 ? 0 : -1;
}

static struct http_client *client_with(const char *root, long timeout_ms, size_t limit) {
    const struct http_client_options options = {.base_url = url,
                                                .ca_path = test_path(directory, root),
                                                .certificate_path =
                                                    test_path(directory, "client.pem"),
                                                .key_path = test_path(directory, "client.key"),
                                                .timeout_ms = timeout_ms,
                                                .response_limit = limit};
    struct http_client *client = http_client_create(&options, &error);

    assert_non_null(client);
    return client;
}

static void a_request_and_its_answer(void **state) {
    struct http_client *client = client_with("root.pem", 0, 0);
    struct http_server_statistics before, after;
    json_t *request = json_pack("{s:s}", "a", "b"), *answer = NULL;

    (void)state;
    http_server_statistics(server, &before);
    assert_int_equal(http_client_get(client, "/who", &answer, &error), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "name")), "client");
    json_decref(answer);
    assert_int_equal(http_client_post(client, "/echo?name=x%20y", request, &answer, &error), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "method")), "POST");
    assert_string_equal(json_string_value(json_object_get(answer, "name")), "x y");
    assert_int_equal(json_integer_value(json_object_get(answer, "size")), 9);
    json_decref(answer);
    json_decref(request);
    http_server_statistics(server, &after);
    assert_int_equal(after.requests, before.requests + 2);
    assert_int_equal(after.connections, before.connections + 1); /* kept open */
    http_client_free(client);
}

static void expect(const char *path, struct http_client *client, enum error_code code, int status,
                   bool transient) {
    json_t *answer = NULL;

    assert_int_equal(http_client_get(client, path, &answer, &error), -1);
    assert_null(answer);
    if (error.code != code)
        fail_msg("%s: %s %s", path, error_name(error.code), error.message);
    assert_int_equal(http_client_last_status(client), status);
    assert_int_equal(http_client_is_transient(client, &error), transient);
    http_client_free(client);
}

static void refusals_and_failures_are_told_apart(void **state) {
    (void)state;
    expect("/full", client_with("root.pem", 0, 0), ERROR_JOB_FULL, 409, false);
    assert_string_equal(error.message, "all used");
    assert_string_equal(error.hint, "order more");
    expect("/broken", client_with("root.pem", 0, 0), ERROR_INTERNAL, 503, true);
    expect("/other", client_with("root.pem", 0, 0), ERROR_BAD_REQUEST, 200, false);
    expect("/slow", client_with("root.pem", 100, 0), ERROR_TIMEOUT, 0, true);
    expect("/large", client_with("root.pem", 0, 1000), ERROR_BAD_REQUEST, 0, false);
}

static void nobody_there_is_offline(void **state) {
    char saved[sizeof url];

    (void)state;
    memcpy(saved, url, sizeof saved);
    snprintf(url, sizeof url, "https://127.0.0.1:1");
    expect("/who", client_with("root.pem", 0, 0), ERROR_OFFLINE, 0, true);
    memcpy(url, saved, sizeof saved);
}

/* Takes one connection and ends it when the handshake has begun: properly, or with a reset. */
static void *break_handshake(void *argument) {
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct pollfd ready = {.fd = ((const int *)argument)[0], .events = POLLIN};
    char hello;

    if (poll(&ready, 1, 10000) != 1)
        return NULL;
    int fd = accept(ready.fd, NULL, NULL);
    (void)recv(fd, &hello, 1, 0);
    if (((const int *)argument)[1] != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    else
        while (recv(fd, &hello, 1, MSG_DONTWAIT) > 0)
            continue;
    (void)close(fd);
    return NULL;
}

/* Nobody has refused anything: what was asked before may have been done. */
static void a_handshake_that_breaks_is_offline(void **state) {
    const struct endpoint here = {.kind = ENDPOINT_TCP, .address = "127.0.0.1", .port = "0"};
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    char saved[sizeof url];
    pthread_t thread;

    (void)state;
    memcpy(saved, url, sizeof saved);
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        int argument[2] = {endpoint_listen(&here, &error), with_reset};
        assert_int_equal(getsockname(argument[0], (struct sockaddr *)&address, &size), 0);
        snprintf(url, sizeof url, "https://127.0.0.1:%u", ntohs(address.sin_port));
        assert_int_equal(pthread_create(&thread, NULL, break_handshake, argument), 0);
        expect("/who", client_with("root.pem", 0, 0), ERROR_OFFLINE, 0, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        close(argument[0]);
    }
    memcpy(url, saved, sizeof saved);
}

/* The server's certificate must chain to our root and name the host. */
static void a_server_we_do_not_know_is_refused(void **state) {
    char saved[sizeof url];

    (void)state;
    expect("/who", client_with("foreign.pem", 0, 0), ERROR_UNAUTHENTICATED, 0, false);
    memcpy(saved, url, sizeof saved);
    snprintf(url, sizeof url, "https://localhost:%s", strrchr(saved, ':') + 1);
    expect("/who", client_with("root.pem", 0, 0), ERROR_UNAUTHENTICATED, 0, false);
    memcpy(url, saved, sizeof saved);
}

static void bad_options_are_refused(void **state) {
    const struct http_client_options plain = {.base_url = "http://127.0.0.1", .ca_path = "x"};
    const struct http_client_options no_root = {.base_url = "https://127.0.0.1"};

    (void)state;
    assert_null(http_client_create(&plain, &error));
    assert_int_equal(error.code, ERROR_USAGE);
    assert_null(http_client_create(&no_root, &error));
    assert_int_equal(error.code, ERROR_USAGE);
}

static int put_into_context(void *ssl_context, void *user) {
    unsigned *calls = user;

    (*calls)++;
    return SSL_CTX_use_certificate_chain_file(ssl_context, test_path(directory, "client.pem")) ==
                       1 &&
                   SSL_CTX_use_PrivateKey_file(ssl_context, test_path(directory, "client.key"),
                                               SSL_FILETYPE_PEM) == 1
               ? 0
               : -1;
}

static int give_up(void *ssl_context, void *user) {
    (void)ssl_context;
    (void)user;
    return -1;
}

/* How a key in a PKCS#11 token gets into the connection. */
static void a_callback_may_set_up_tls(void **state) {
    unsigned calls = 0;
    struct http_client_options options = {.base_url = url,
                                          .ca_path = test_path(directory, "root.pem"),
                                          .tls_setup = put_into_context,
                                          .tls_user = &calls};
    struct http_client *client = http_client_create(&options, &error);

    (void)state;
    assert_int_equal(http_client_get(client, "/who", NULL, &error), 0);
    assert_int_equal(http_client_get(client, "/who", NULL, &error), 0);
    assert_int_equal(calls, 1);
    http_client_free(client);
    options.tls_setup = give_up;
    client = http_client_create(&options, &error);
    assert_int_equal(http_client_get(client, "/who", NULL, &error), -1);
    assert_int_equal(error.code, ERROR_USAGE);
    http_client_free(client);
}

static void a_body_over_the_limit_never_reaches_a_worker(void **state) {
    struct http_client *client = client_with("root.pem", 0, 0);
    struct http_answer answer;
    char *large = calloc(1, 20001);

    (void)state;
    memset(large, 'x', 20000);
    assert_int_equal(http_client_send(client, "POST", "/echo", "text/plain", bytes_of(large, 20000),
                                      &answer, &error),
                     -1);
    assert_true(answer.status == 413 || answer.status == 0);
    http_answer_clear(&answer);
    assert_int_equal(http_client_get(client, "/who", NULL, &error), 0);
    http_client_free(client);
    free(large);
}

static void bad_addresses_and_files_are_refused(void **state) {
    static const char *const addresses[] = {"127.0.0.1", ":", "[::1", "no.such.host.invalid:1",
                                            "127.0.0.1:99999x"};
    struct http_server_options options = server_options();
    const char *key = options.key_path;

    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        options.listen = addresses[i];
        assert_null(http_server_start(&options, &error));
        assert_int_equal(error.code, ERROR_USAGE);
    }
    options.listen = "127.0.0.1:0";
    options.key_path = options.root_path;
    assert_null(http_server_start(&options, &error));
    options.key_path = key;
    free_paths(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_answer),
        cmocka_unit_test(refusals_and_failures_are_told_apart),
        cmocka_unit_test(nobody_there_is_offline),
        cmocka_unit_test(a_handshake_that_breaks_is_offline),
        cmocka_unit_test(a_server_we_do_not_know_is_refused),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(a_callback_may_set_up_tls),
        cmocka_unit_test(a_body_over_the_limit_never_reaches_a_worker),
        cmocka_unit_test(bad_addresses_and_files_are_refused),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
