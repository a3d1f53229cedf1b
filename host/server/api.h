/*
 * The REST API: from one HTTP exchange to a handler and back.
 *
 * api_handle finds the route, checks who asks (certificate, role, not revoked), the body's size and
 * form, and calls the handler in the worker thread. A handler
 *   returns API_DONE with the reply written (api_reply_json and friends),
 *   returns API_FAILED with `error` filled, or
 *   ends with `return api_commit(...)`: its write goes to the database thread, and `finish` writes
 *   the reply once that is durable. A refusal is then decided in the write function.
 *
 * A handler never touches SQL or PKCS#11: it speaks JSON to the client and calls the service.
 */
#ifndef NUSEC_SERVER_API_H
#define NUSEC_SERVER_API_H

#include "base/json.h"
#include "http/http_server.h"
#include "server/metrics.h"
#include "server/service.h"

enum api_role {
    ROLE_ADMIN = 1,
    ROLE_OPERATOR = 2,
    ROLE_CM_OPERATOR = 4,
    ROLE_AUDITOR = 8,
    ROLE_PROGRAMMER = 16,
};
#define ROLE_ANY (ROLE_ADMIN | ROLE_OPERATOR | ROLE_CM_OPERATOR | ROLE_AUDITOR | ROLE_PROGRAMMER)

/* One worker thread's own. */
struct api_worker {
    struct service *service;
    struct metrics *metrics;
    _Atomic(struct http_server *) *server; /* for its counters; NULL when not running */
    struct store_db *reader;
};

struct api_caller {
    enum api_role role;
    const char *role_name;                           /* "oem-admin" */
    char name[STORE_NAME_MAX + 1];                   /* operator name or programmer id */
    char actor[STORE_NAME_MAX + STORE_ROLE_MAX + 2]; /* "oem-admin:name" */
};

struct api_call;
enum api_result { API_DONE, API_FAILED, API_PENDING };
typedef enum api_result api_handler(struct api_call *call, struct error *error);
/* The reply after a commit; -1 with `error` when the service refused after all. */
typedef int api_finish(struct api_call *call, struct error *error);

enum api_body { BODY_NONE, BODY_JSON, BODY_OCTETS };

struct api_route {
    const char *method;
    const char *pattern; /* segments; {name} matches one segment, in order parameter[0], [1] */
    unsigned roles;
    enum api_body body;
    size_t body_limit;
    api_handler *handler;
};

/* The whole API; deny by default: what is not here does not exist. */
extern const struct api_route api_routes[];
extern const size_t api_route_count;

#define API_PARAMETER_MAX 64
struct api_call {
    struct http_exchange *exchange;
    struct api_worker *worker;
    struct service *service;
    struct store_db *reader;
    const struct api_route *route;
    struct api_caller caller;
    char parameter[2][API_PARAMETER_MAX + 1];
    json_t *request; /* BODY_JSON */
    /* the reply */
    int status;
    const char *content_type;
    struct buffer reply;
    /* api_commit */
    struct store_write write;
    api_finish *finish;
    void *operation;         /* freed with the call */
    void (*release)(void *); /* what `operation` holds, if anything: before it is freed */
};

/* Entry for struct http_server_options. */
void api_handle(struct http_exchange *exchange, void *worker);

/* 200 or `status` with a JSON object; takes the reference. */
enum api_result api_reply_json(struct api_call *call, int status, json_t *object,
                               struct error *error);
/* The text or octets already in call->reply. */
enum api_result api_reply_raw(struct api_call *call, int status, const char *content_type,
                              struct error *error);

/* Zeroed memory that lives as long as the call; NULL: `error`. */
void *api_operation(struct api_call *call, size_t size, struct error *error);
enum api_result api_commit(struct api_call *call, store_write_function *run, void *context,
                           api_finish *finish);

/* Member and parameter access: ERROR_BAD_REQUEST. */
int api_read_uid(const char *text, uint8_t uid[STORE_UID_SIZE], struct error *error);
int api_read_unit_id(const struct api_call *call, uint8_t id[UNIT_ID_SIZE], struct error *error);
json_t *api_hex(const void *data, size_t size);
json_t *api_base64(const void *data, size_t size);
/* 0 is JSON null. */
json_t *api_time_or_null(uint64_t unix_s);
/* Unbounded certificate validity and the like come out as the year 9999. */
json_t *api_time(uint64_t unix_s);

/* SHA-256 of the member token_b64. */
int api_read_token_hash(const json_t *request, uint8_t hash[32], struct error *error);

/* May this caller see the job? CM operators and programmers only their own: ERROR_DENIED. */
int api_check_job_access(const struct api_call *call, const struct store_job *job,
                         struct error *error);

#endif
