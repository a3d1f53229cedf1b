#include "cli/command.h"

#include "base/buffer.h"
#include "cli/control.h"
#include "cli/profile.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PROGRAMMER "unix:/run/nusec/programmer.sock"

struct command_common command_common;

struct http_client *command_server(char **url, struct error *error) {
    struct profile profile = {0};
    struct http_client *client = NULL;

    if (profile_load(command_common.profile, &profile, error) == 0) {
        const struct http_client_options options = {
            .base_url = profile.url,
            .ca_path = profile.ca,
            .certificate_path = profile.certificate,
            .key_path = profile.key,
        };
        client = http_client_create(&options, error);
        if (client != NULL && url != NULL) {
            *url = profile.url;
            profile.url = NULL;
        }
    }
    profile_clear(&profile);
    return client;
}

const char *command_programmer_endpoint(void) {
    const char *endpoint = command_common.programmer;

    if (endpoint == NULL)
        endpoint = getenv("NUSEC_PROGRAMMER");
    return endpoint == NULL || endpoint[0] == '\0' ? DEFAULT_PROGRAMMER : endpoint;
}

struct control *command_programmer(struct error *error) {
    return control_open(command_programmer_endpoint(), error);
}

json_t *command_get(const char *path, struct error *error) {
    struct http_client *client = command_server(NULL, error);
    json_t *answer = NULL;

    if (client != NULL)
        (void)http_client_get(client, path, &answer, error);
    http_client_free(client);
    return answer;
}

json_t *command_post(const char *path, json_t *request, struct error *error) {
    struct http_client *client = command_server(NULL, error);
    json_t *answer = NULL;

    if (client != NULL)
        (void)http_client_post(client, path, request, &answer, error);
    http_client_free(client);
    json_decref(request);
    return answer;
}

json_t *command_ask_programmer(const char *method, json_t *parameters, struct error *error) {
    struct control *control = command_programmer(error);
    json_t *answer = NULL;

    if (control == NULL)
        json_decref(parameters);
    else
        answer = control_call(control, method, parameters, NULL, NULL, error);
    control_close(control);
    return answer;
}

static void append_encoded(struct buffer *out, const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (isalnum(*at) || strchr("-._~", *at) != NULL)
            buffer_append(out, at, 1);
        else
            buffer_print(out, "%%%02X", *at);
    }
}

char *command_path(const char *format, ...) {
    struct buffer path = {0};
    va_list arguments;

    va_start(arguments, format);
    for (const char *at = format; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            append_encoded(&path, va_arg(arguments, const char *));
            at++;
        } else {
            buffer_append(&path, at, 1);
        }
    }
    va_end(arguments);
    char *text = path.failed ? NULL : strdup(buffer_text(&path));
    buffer_free(&path);
    return text;
}
