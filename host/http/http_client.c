#include "http/http_client.h"

#include "base/json.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CONNECT_TIMEOUT_MS 5000
#define DEFAULT_TIMEOUT_MS         30000
#define DEFAULT_RESPONSE_LIMIT     ((size_t)16 << 20)

struct http_client {
    CURL *curl;
    char *base_url;
    http_client_tls_setup *tls_setup;
    void *tls_user;
    size_t response_limit;
    int last_status;
    char curl_error[CURL_ERROR_SIZE];
};

/* Where curl's callbacks put one answer. */
struct receiver {
    struct buffer *body;
    size_t limit;
    bool too_large;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    struct receiver *receiver = user;
    size_t bytes = size * count;

    if (bytes > receiver->limit || receiver->body->size > receiver->limit - bytes) {
        receiver->too_large = true;
        return 0;
    }
    buffer_append(receiver->body, data, bytes);
    return receiver->body->failed ? 0 : bytes;
}

static CURLcode on_ssl_context(CURL *curl, void *ssl_context, void *user) {
    struct http_client *client = user;

    (void)curl;
    return client->tls_setup(ssl_context, client->tls_user) == 0 ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static CURLcode set_tls(struct http_client *client, const struct http_client_options *options) {
    CURL *curl = client->curl;
    CURLcode rv = curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_path);

    /* The system's store of public CAs must never vouch for this server. */
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rv == CURLE_OK && options->certificate_path != NULL)
        rv = curl_easy_setopt(curl, CURLOPT_SSLCERT, options->certificate_path);
    if (rv == CURLE_OK && options->key_path != NULL)
        rv = curl_easy_setopt(curl, CURLOPT_SSLKEY, options->key_path);
    if (rv == CURLE_OK && options->tls_setup != NULL) {
        rv = curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
        if (rv == CURLE_OK)
            rv = curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, client);
    }
    return rv;
}

static CURLcode set_options(struct http_client *client, const struct http_client_options *options) {
    CURL *curl = client->curl;
    long connect_ms = options->connect_timeout_ms;
    long total_ms = options->timeout_ms;
    CURLcode rv = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_error);

    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* A proxy taken from the environment would see nothing, but could keep us off the line. */
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                              connect_ms > 0 ? connect_ms : DEFAULT_CONNECT_TIMEOUT_MS);
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                              total_ms > 0 ? total_ms : DEFAULT_TIMEOUT_MS);
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    return rv == CURLE_OK ? set_tls(client, options) : rv;
}

struct http_client *http_client_create(const struct http_client_options *options,
                                       struct error *error) {
    struct http_client *client = NULL;

    pthread_once(&curl_once, curl_start);
    if (options->base_url == NULL || strncmp(options->base_url, "https://", 8) != 0 ||
        options->ca_path == NULL) {
        error_set(error, ERROR_USAGE, "the server address must be https:// and have a root CA");
        return NULL;
    }
    client = calloc(1, sizeof *client);
    if (client != NULL) {
        client->curl = curl_easy_init();
        client->base_url = strdup(options->base_url);
        client->tls_setup = options->tls_setup;
        client->tls_user = options->tls_user;
        client->response_limit =
            options->response_limit != 0 ? options->response_limit : DEFAULT_RESPONSE_LIMIT;
    }
    if (client == NULL || client->curl == NULL || client->base_url == NULL ||
        set_options(client, options) != CURLE_OK) {
        error_set(error, ERROR_INTERNAL, "cannot set up the HTTPS client");
        http_client_free(client);
        return NULL;
    }
    return client;
}

void http_client_free(struct http_client *client) {
    if (client == NULL)
        return;
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    free(client->base_url);
    free(client);
}

void http_answer_clear(struct http_answer *answer) {
    buffer_free(&answer->body);
    answer->status = 0;
    answer->content_type[0] = '\0';
}

/* OpenSSL reports a connection that ended in the handshake among its own errors. */
static bool is_broken_handshake(const char *text) {
    return strstr(text, "unexpected eof") != NULL ||
           (strstr(text, "alert") == NULL && strstr(text, "error:") == NULL);
}

static int tls_refused(const struct http_client *client, const char *text, struct error *error) {
    error_set(error, ERROR_UNAUTHENTICATED, "TLS with %s was refused: %s", client->base_url, text);
    if (strstr(text, "expired") != NULL || strstr(text, "not yet valid") != NULL)
        return error_hint(error, "is the clock of this machine right?");
    return error_hint(error, "wrong root CA, or a certificate the server does not accept");
}

/* What a failed transfer means to the caller: offline, too slow, or refused by TLS. */
static int transfer_failed(const struct http_client *client, CURLcode rv, bool too_large,
                           struct error *error) {
    const char *text = client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(rv);

    switch (rv) {
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        error_set(error, ERROR_USAGE, "client certificate, key or CA file: %s", text);
        return error_hint(error, "check the profile's certificate files");
    case CURLE_SSL_CONNECT_ERROR:
        /* A connection that breaks in the handshake has been refused by nobody. */
        if (is_broken_handshake(text))
            break;
        return tls_refused(client, text, error);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR: return tls_refused(client, text, error);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(error, ERROR_TIMEOUT, "%s did not answer in time", client->base_url);
    case CURLE_WRITE_ERROR:
        return too_large ? error_set(error, ERROR_BAD_REQUEST, "the answer is too large")
                         : error_set(error, ERROR_INTERNAL, "out of memory");
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        /* With TLS 1.3 a refused client certificate shows only when the answer is read. */
        if (strstr(text, "alert") != NULL)
            return error_set(error, ERROR_UNAUTHENTICATED, "%s refused our certificate: %s",
                             client->base_url, text);
        break;
    default: break;
    }
    error_set(error, ERROR_OFFLINE, "cannot reach %s", client->base_url);
    error_hint(error, "is the server running and the network up?");
    return error_detail(error, "%s", text);
}

/* Code, message and hint from the body of a refusal. */
static int answer_refused(const struct http_answer *answer, struct error *error) {
    struct error ignored;
    json_t *body = json_parse_object(buffer_bytes(&answer->body), &ignored);
    json_t *inner = json_object_get(body, "error");
    const char *name = json_string_value(json_object_get(inner, "code"));
    const char *message = json_string_value(json_object_get(inner, "message"));
    const char *hint = json_string_value(json_object_get(inner, "hint"));

    if (name != NULL) {
        error_set(error, error_code_of_name(name), "%s", message != NULL ? message : name);
        if (hint != NULL)
            error_hint(error, "%s", hint);
        error_detail(error, "HTTP %d %s", answer->status, name);
    } else {
        error_set(error, answer->status >= 500 ? ERROR_INTERNAL : ERROR_BAD_REQUEST,
                  "the server answered with status %d", answer->status);
    }
    json_decref(body);
    return -1;
}

static struct curl_slist *request_headers(const char *content_type) {
    char line[128];
    /* Waiting for "100 Continue" costs a round trip or a second; the limits are known. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");

    if (content_type != NULL) {
        snprintf(line, sizeof line, "Content-Type: %s", content_type);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static CURLcode set_request(struct http_client *client, const char *method, const char *path,
                            const char *content_type, struct bytes body) {
    CURL *curl = client->curl;
    struct buffer url = {0};
    bool has_body = content_type != NULL;
    CURLcode rv = CURLE_OUT_OF_MEMORY;

    buffer_append_text(&url, client->base_url);
    buffer_append_text(&url, path);
    if (!url.failed)
        rv = curl_easy_setopt(curl, CURLOPT_URL, buffer_text(&url));
    buffer_free(&url);
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (rv == CURLE_OK && (has_body || strcmp(method, "GET") != 0)) {
        rv = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
        if (rv == CURLE_OK)
            rv = curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                                  body.size != 0 ? (const char *)body.data : "");
    }
    if (rv == CURLE_OK)
        rv = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    return rv;
}

static void take_answer(struct http_client *client, struct http_answer *answer) {
    long status = 0;
    const char *type = NULL;

    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(client->curl, CURLINFO_CONTENT_TYPE, &type);
    answer->status = (int)status;
    if (type != NULL)
        snprintf(answer->content_type, sizeof answer->content_type, "%s", type);
    client->last_status = answer->status;
}

int http_client_send(struct http_client *client, const char *method, const char *path,
                     const char *content_type, struct bytes body, struct http_answer *answer,
                     struct error *error) {
    struct receiver receiver = {&answer->body, client->response_limit, false};
    struct curl_slist *headers = request_headers(content_type);
    CURLcode rv;

    memset(answer, 0, sizeof *answer);
    client->last_status = 0;
    client->curl_error[0] = '\0';
    rv = set_request(client, method, path, content_type, body);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &receiver);
    if (rv == CURLE_OK)
        rv = curl_easy_perform(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (rv != CURLE_OK)
        return transfer_failed(client, rv, receiver.too_large, error);
    take_answer(client, answer);
    if (answer->status >= 400)
        return answer_refused(answer, error);
    if (answer->status < 200 || answer->status >= 300)
        return error_set(error, ERROR_BAD_REQUEST, "the server answered with status %d",
                         answer->status);
    return 0;
}

static int send_json(struct http_client *client, const char *method, const char *path,
                     const char *content_type, struct bytes body, json_t **answer,
                     struct error *error) {
    struct http_answer raw;
    int result = http_client_send(client, method, path, content_type, body, &raw, error);

    if (answer != NULL)
        *answer = NULL;
    if (result == 0 && answer != NULL) {
        *answer = json_parse_object(buffer_bytes(&raw.body), error);
        if (*answer == NULL)
            result = error_prefix(error, "the server's answer to %s", path);
    }
    http_answer_clear(&raw);
    return result;
}

int http_client_get(struct http_client *client, const char *path, json_t **answer,
                    struct error *error) {
    return send_json(client, "GET", path, NULL, bytes_of(NULL, 0), answer, error);
}

int http_client_post(struct http_client *client, const char *path, const json_t *request,
                     json_t **answer, struct error *error) {
    struct buffer body = {0};
    int result = 0;

    if (answer != NULL)
        *answer = NULL;
    if (request == NULL)
        buffer_append_text(&body, "{}");
    else
        result = json_write(request, &body, error);
    if (result == 0)
        result = buffer_check(&body, error);
    if (result == 0)
        result =
            send_json(client, "POST", path, "application/json", buffer_bytes(&body), answer, error);
    buffer_free(&body);
    return result;
}

int http_client_last_status(const struct http_client *client) {
    return client->last_status;
}

bool http_client_is_transient(const struct http_client *client, const struct error *error) {
    return client->last_status >= 500 ||
           (client->last_status == 0 &&
            (error->code == ERROR_OFFLINE || error->code == ERROR_TIMEOUT));
}
