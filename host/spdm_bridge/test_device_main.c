/*
 * spdm-test-device: our responder on a socket that stands for a UART, for holding foreign
 * requesters against it without a board.
 */
#include "spdm_bridge/identity.h"
#include "spdm_bridge/test_device.h"

#include "base/endpoint.h"
#include "base/log.h"
#include "base/options.h"
#include "crypto/crypto.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    const char *listen;
    const char *chain;
    const char *key;
    const char *root;
} arguments;

static const struct option_entry ENTRIES[] = {
    {OPTION_TEXT, "listen", "ENDPOINT", "where the UART is offered", &arguments.listen,
     OPTION_REQUIRED},
    {OPTION_TEXT, "chain", "FILE", "certificates of slot 0, root first", &arguments.chain,
     OPTION_REQUIRED},
    {OPTION_TEXT, "key", "FILE", "private key (PEM)", &arguments.key, OPTION_REQUIRED},
    {OPTION_TEXT, "root", "FILE", "root of requesters that authenticate themselves",
     &arguments.root, OPTION_OPTIONAL},
};

static const struct option_set OPTIONS = {"spdm-test-device",
                                          "--listen ENDPOINT --chain FILE --key FILE [--root FILE]",
                                          "Answers SPDM requests with our responder, for tests.",
                                          ENTRIES,
                                          sizeof ENTRIES / sizeof ENTRIES[0],
                                          0,
                                          0};

static int serve(int listener, const struct test_device *device, struct error *error) {
    struct pollfd poller = {.fd = listener, .events = POLLIN};
    while (poll(&poller, 1, -1) > 0) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && test_device_serve(device, fd, error) != 0) {
            log_error_event("device.stopped", error);
        }
        (void)close(fd);
    }
    return error_set(error, ERROR_INTERNAL, "the listening socket is gone");
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct endpoint endpoint;
    struct buffer chain = {0};
    struct buffer root = {0};
    struct test_device device = {0};
    log_start("spdm-test-device", LOG_LEVEL_INFO);
    switch (options_parse(&OPTIONS, argc, argv, NULL, &error)) {
    case OPTIONS_HELP: options_help(&OPTIONS, stdout); return 0;
    case OPTIONS_FAILED: log_error_event("usage", &error); return error_exit_code(error.code);
    case OPTIONS_OK: break;
    }
    int listener = -1;
    if (crypto_init(NULL, NULL) == STATUS_OK &&
        identity_read_certificates(arguments.chain, &chain, &error) == 0 &&
        identity_read_key(arguments.key, device.private_key, &error) == 0 &&
        (arguments.root == NULL ||
         identity_read_certificates(arguments.root, &root, &error) == 0) &&
        endpoint_parse(arguments.listen, &endpoint, &error) == 0) {
        device.chain = buffer_bytes(&chain);
        device.requester_root = buffer_bytes(&root);
        listener = endpoint_listen(&endpoint, &error);
    }
    if (listener >= 0) {
        (void)serve(listener, &device, &error);
    }
    log_error_event("device.failed", &error);
    return error_exit_code(error.code);
}
