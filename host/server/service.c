#include "server/service.h"

#include "base/encoding.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_chain_text(struct service *service, struct error *error) {
    char *root = base64_encode(buffer_bytes(&service->authority.root));
    char *device_ca = base64_encode(buffer_bytes(&service->authority.device_ca));

    if (root != NULL && device_ca != NULL)
        buffer_print(&service->chain_b64, "\"%s\",\"%s\"", root, device_ca);
    else
        service->chain_b64.failed = true;
    free(root);
    free(device_ca);
    return buffer_check(&service->chain_b64, error);
}

int service_open(struct service *service, const char *directory,
                 const struct store_config *store_config, struct error *error) {
    memset(service, 0, sizeof *service);
    service->clock = clock_system;
    pthread_mutex_init(&service->upload_mutex, NULL);
    if (server_data_load(&service->data, directory, error) != 0 ||
        server_authority_open(&service->authority, &service->data, error) != 0)
        return -1;
    service->store = store_open(server_path(&service->data, "server.db").text, store_config, error);
    if (service->store == NULL || make_chain_text(service, error) != 0) {
        service_close(service);
        return -1;
    }
    return 0;
}

void service_close(struct service *service) {
    store_close(service->store);
    service->store = NULL;
    buffer_free(&service->chain_b64);
    pthread_mutex_destroy(&service->upload_mutex);
    server_authority_close(&service->authority);
}

uint64_t service_now(const struct service *service) {
    return clock_now_s(&service->clock);
}

int service_new_id(const char *prefix, char id[STORE_ID_MAX + 1], struct error *error) {
    uint8_t random[4];
    char digits[2 * sizeof random + 1];

    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(error, ERROR_INTERNAL, "no random numbers");
    hex_encode(bytes_of(random, sizeof random), digits);
    snprintf(id, STORE_ID_MAX + 1, "%s%s", prefix, digits);
    return 0;
}

int service_check_text(const char *field, const char *text, struct error *error) {
    size_t size = strlen(text);

    if (size == 0 || size > STORE_NAME_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "%s must have 1 to %d characters", field,
                         STORE_NAME_MAX);
    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] > 0x7E)
            return error_set(error, ERROR_BAD_REQUEST, "%s must be printable ASCII", field);
    return 0;
}
