/*
 * The server's data directory: where everything is, and what `init` decided (server.json).
 *
 *     server.json  softhsm2.conf  tokens/      the server's token
 *     root/                                    the root's own token, its configuration and PIN: to
 *                                              be moved off this machine; `run` never opens it
 *     ca/NAME.pem  certificates, public        tls/server.pem, tls/server.key (0600)
 *     tpm-ca/      CA certificates of makers of TPMs (PEM), put there by the OEM; missing at first
 *     backup/                                  backup of the KEKs and shares of its key: each share
 *                                              to somebody else, off this machine
 *     server.db    the database                firmware/  uploaded octets by SHA-256
 */
#ifndef NUSEC_SERVER_DATA_H
#define NUSEC_SERVER_DATA_H

#include "base/buffer.h"
#include "hsm/hsm.h"

#define SERVER_PATH_MAX 512
#define SERVER_TOKEN    "nusec-server"
#define ROOT_TOKEN      "nusec-root"

struct server_data {
    char directory[SERVER_PATH_MAX - 64];
    char organization[65];
    char url[256];
    char pin_file[SERVER_PATH_MAX];
    char module[SERVER_PATH_MAX]; /* PKCS#11 module */
};

/* "DIR/name" */
struct server_path {
    char text[SERVER_PATH_MAX];
};
struct server_path server_path(const struct server_data *data, const char *name);

/* Only the directory is set. ERROR_USAGE when it is too long. */
int server_data_at(struct server_data *data, const char *directory, struct error *error);
/* Directory and server.json; ERROR_NOT_FOUND before `init`. */
int server_data_load(struct server_data *data, const char *directory, struct error *error);
int server_data_save(const struct server_data *data, struct error *error);

/* The server's token, opened with the PIN file that `init` was given. */
struct hsm *server_hsm_open(const struct server_data *data, struct error *error);

/* A certificate of ca/ as DER, appended. */
int server_certificate_read(const struct server_data *data, const char *name, struct buffer *der,
                            struct error *error);
int server_certificate_write(const struct server_data *data, const char *name, struct bytes der,
                             struct error *error);

#endif
