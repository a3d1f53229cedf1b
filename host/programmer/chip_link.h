/*
 * The UART side of one target: an SPDM requester (lib/spdm) over MCTP serial (lib/mctp), pumped
 * over a byte stream with time-outs.
 *
 *     chip_link_open(link, endpoint, &options, error);
 *     chip_link_run(link, spdm_requester_connect(&link->requester), error);      and so on
 *     chip_link_close(link);
 *
 * Noise costs frames, a lost frame costs the operation: ERROR_DEVICE_LINK. The way back is always
 * another spdm_requester_connect, since GET_VERSION drops whatever the chip was in. What fails its
 * proof is ERROR_DEVICE_UNTRUSTED, what the chip refuses is ERROR_DEVICE_REFUSED.
 */
#ifndef NUSEC_PROGRAMMER_CHIP_LINK_H
#define NUSEC_PROGRAMMER_CHIP_LINK_H

#include "base/error.h"
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_requester.h"

#include <stdatomic.h>

/* A chip answers within ST1 + CT (DSP0274 1.2, 7): 0.1 s + 2^23 us; the rest is for the wire. */
#define CHIP_LINK_ANSWER_MS 12000
/* GET_VERSION needs no crypto; a chip that is still starting is asked again. */
#define CHIP_LINK_CONNECT_MS 1500

struct chip_link_options {
    const struct spdm_requester_config *requester;
    const atomic_bool *stop; /* ends waiting; borrowed */
    int answer_ms;           /* 0: CHIP_LINK_ANSWER_MS */
};

struct chip_link {
    int fd;
    int answer_ms;
    const atomic_bool *stop;
    uint64_t waited_us; /* for answers, in all */
    uint64_t bytes;     /* both directions */
    struct spdm_requester requester;
    struct mctp_serial_deframer deframer;
    struct mctp_endpoint endpoint;
    uint8_t reassembly[1 + SPDM_RECORD_MAX];
    uint8_t message[SPDM_RECORD_MAX];
};

/* ERROR_OFFLINE or ERROR_TIMEOUT if the endpoint does not open. */
int chip_link_open(struct chip_link *link, const char *endpoint,
                   const struct chip_link_options *options, struct error *error);
/* Wipes the session. A zeroed link whose fd is -1 is fine. */
void chip_link_close(struct chip_link *link);

/* Carries messages until the operation that was started with `started` is done. */
int chip_link_run(struct chip_link *link, enum status started, struct error *error);

/* Connects, asking a silent chip again, and agrees on large packets. ERROR_TIMEOUT if it stays
 * silent. */
int chip_link_connect(struct chip_link *link, struct error *error);

/* A DevAuth command (devauth.h): sends `payload`, returns the answer, valid until the next call. */
int chip_link_command(struct chip_link *link, struct bytes payload, struct bytes *answer,
                      struct error *error);

#endif
