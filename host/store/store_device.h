/*
 * The device table: every UID that ever got a certificate, with its newest one.
 */
#ifndef NUSEC_STORE_DEVICE_H
#define NUSEC_STORE_DEVICE_H

#include "store/store_unit.h"

#include <stdbool.h>

struct store_device {
    uint8_t uid[STORE_UID_SIZE];
    char job_id[STORE_ID_MAX + 1];
    uint8_t unit_id[UNIT_ID_SIZE];
    enum unit_state unit_state;
    char programmer_id[STORE_ID_MAX + 1];
    char board_serial[UNIT_LINE_TEXT_MAX + 1]; /* "": none was told */
    char site[UNIT_LINE_TEXT_MAX + 1];
    uint8_t auth_key[64];
    uint8_t enc_key[64];
    uint8_t tls_key[64];
    uint8_t serial[UNIT_SERIAL_SIZE];
    uint8_t certificate_hash[32];
    char certificate_state[16]; /* valid, revoked, superseded; expired is for the reader to say */
    uint64_t issued;
    uint64_t not_after;
    uint64_t revoked; /* 0: not revoked */
    bool has_bl2_key; /* the device's own boot keys, made when first needed */
    bool has_bl3_key;
    uint8_t bl2_key[64];
    uint8_t bl3_key[64];
};

struct store_device_filter {
    const char *job_id;      /* NULL: any */
    const char *unit_state;  /* NULL: any; a name of unit_state_name */
    const char *cm_operator; /* NULL: any */
};

typedef void store_device_visitor(void *context, const struct store_device *device);
int store_device_list(struct store_db *db, const struct store_device_filter *filter,
                      store_device_visitor *visit, void *context, struct error *error);

/* ERROR_NOT_FOUND. */
int store_device_find(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                      struct store_device *device, struct error *error);

/* Appends certificate and CSR of the device's newest certificate, DER. Either may be NULL. */
int store_device_certificate(struct store_db *db, const struct store_device *device,
                             struct buffer *der, struct buffer *csr, struct error *error);

/* A write function: revokes the newest certificate and leaves an event. Repeating is fine. */
struct store_device_revoke {
    uint8_t uid[STORE_UID_SIZE];
    const char *reason;
    const char *actor;
    uint64_t now;
};
store_write_function store_device_revoke;

#endif
