#include "tpm/testing/interposer.h"

#include "base/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADER_SIZE 10 /* tag, size, command or response code */
#define MESSAGE_MAX 4096
#define READ_PUBLIC 0x00000173U
#define UNIQUE_SIZE 68 /* TPMS_ECC_POINT of P-256: the end of its public area */
#define COORDINATE  32

static bool read_full(int fd, uint8_t *out, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, out + done, size - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* A whole command or response; 0 at the end of the connection. */
static size_t message_read(int fd, uint8_t message[MESSAGE_MAX]) {
    struct reader reader = {0};
    if (!read_full(fd, message, HEADER_SIZE))
        return 0;
    reader_init(&reader, bytes_of(message + 2, 4));
    size_t size = read_u32be(&reader);
    if (size < HEADER_SIZE || size > MESSAGE_MAX ||
        !read_full(fd, message + HEADER_SIZE, size - HEADER_SIZE))
        return 0;
    return size;
}

static uint32_t code_of(const uint8_t message[MESSAGE_MAX]) {
    struct reader reader = {0};
    reader_init(&reader, bytes_of(message + 6, 4));
    return read_u32be(&reader);
}

static void key_replace(struct interposer *interposer, uint8_t *response, size_t size) {
    struct reader reader = {0};
    reader_init(&reader, bytes_of(response + HEADER_SIZE, size - HEADER_SIZE));
    size_t end = HEADER_SIZE + 2 + (size_t)read_u16be(&reader);
    if (code_of(response) != 0 || end > size || end < HEADER_SIZE + 2 + UNIQUE_SIZE)
        return;
    uint8_t *unique = response + end - UNIQUE_SIZE;
    memcpy(unique + 2, interposer->key, COORDINATE);
    memcpy(unique + 4 + COORDINATE, interposer->key + COORDINATE, COORDINATE);
    interposer->replacements++;
}

static void hand_on(struct interposer *interposer, int client, int tpm) {
    uint8_t message[MESSAGE_MAX];
    for (size_t size; (size = message_read(client, message)) > 0;) {
        uint32_t command = code_of(message);
        if (write(tpm, message, size) != (ssize_t)size || (size = message_read(tpm, message)) == 0)
            return;
        if (command == READ_PUBLIC)
            key_replace(interposer, message, size);
        if (write(client, message, size) != (ssize_t)size)
            return;
    }
}

/* tpm2-tss connects anew whenever it likes. */
static void *serve(void *context) {
    struct interposer *interposer = context;
    struct endpoint endpoint = {.kind = ENDPOINT_UNIX};
    struct error error;
    (void)snprintf(endpoint.address, sizeof endpoint.address, "%s", interposer->tpm_path);
    for (int client; (client = accept(interposer->listener, NULL, NULL)) >= 0;) {
        int tpm = endpoint_connect(&endpoint, 1000, &error);
        if (tpm >= 0) {
            hand_on(interposer, client, tpm);
            (void)close(tpm);
        }
        (void)close(client);
    }
    return NULL;
}

void interposer_start(struct interposer *interposer, const struct swtpm *swtpm) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char control[96];
    (void)snprintf(interposer->tpm_path, sizeof interposer->tpm_path, "%s/socket",
                   swtpm->directory);
    (void)snprintf(control, sizeof control, "%s/socket.ctrl", swtpm->directory);
    (void)snprintf(interposer->socket_path, sizeof interposer->socket_path, "%s/between",
                   swtpm->directory);
    (void)snprintf(interposer->control_path, sizeof interposer->control_path, "%s.ctrl",
                   interposer->socket_path);
    (void)snprintf(interposer->tcti, sizeof interposer->tcti, "swtpm:path=%s",
                   interposer->socket_path);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", interposer->socket_path);
    interposer->replacements = 0;
    assert_int_equal(symlink(control, interposer->control_path), 0);
    interposer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(interposer->listener >= 0);
    assert_int_equal(bind(interposer->listener, (const struct sockaddr *)&address, sizeof address),
                     0);
    assert_int_equal(listen(interposer->listener, 1), 0);
    assert_int_equal(pthread_create(&interposer->thread, NULL, serve, interposer), 0);
}

void interposer_stop(struct interposer *interposer) {
    (void)shutdown(interposer->listener, SHUT_RDWR); /* ends accept */
    assert_int_equal(pthread_join(interposer->thread, NULL), 0);
    (void)close(interposer->listener);
    (void)unlink(interposer->socket_path);
    (void)unlink(interposer->control_path);
}
