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
#include "bulk/bulk.h"
#include "devauth/devauth.h"
#include "mctp/mctp.h"
#include "mctp/mctp_serial.h"
#include "spdm/spdm_requester.h"

#include <stdatomic.h>

/* A chip answers within ST1 + CT (DSP0274 1.2, 7): 0.1 s + 2^23 us; the rest is for the wire. */
#define CHIP_LINK_ANSWER_MS 12000
/* GET_VERSION needs no crypto; a chip that is still starting is asked again. */
#define CHIP_LINK_CONNECT_MS 1500

/* A chip that programs flash takes a block in some tens of milliseconds; one that has erased a page
 * before in some more. A whole second without a word means that something was lost. */
#define CHIP_LINK_BULK_QUIET_MS 1000

struct chip_link_options {
    const struct spdm_requester_config *requester;
    const atomic_bool *stop; /* ends waiting; borrowed */
    int answer_ms;           /* 0: CHIP_LINK_ANSWER_MS */
};

struct chip_link {
    int fd;
    int answer_ms;
    int connect_ms; /* patience with GET_VERSION and what follows it */
    const atomic_bool *stop;
    struct bulk_sender *bulk; /* of the transfer that is running, else NULL */
    uint64_t waited_us;       /* for answers, in all */
    uint64_t bytes;           /* both directions */
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

/* Connects once and agrees on large packets. ERROR_DEVICE_LINK if nobody answers in time. */
int chip_link_call(struct chip_link *link, int patience_ms, struct error *error);

/* Likewise, asking a silent chip again. ERROR_TIMEOUT if it stays silent. */
int chip_link_connect(struct chip_link *link, struct error *error);

/* A DevAuth command (devauth.h): sends `payload`, returns the answer, valid until the next call. */
int chip_link_command(struct chip_link *link, struct bytes payload, struct bytes *answer,
                      struct error *error);

/* How many bytes the chip is known to have. */
typedef void chip_link_progress(void *context, size_t done, size_t total);

/*
 * Sends `data` outside of the session as the chip granted it (INSTALL_BEGIN): as much on the way as
 * the grant allows, on from the last byte the chip has when something is lost. ERROR_DEVICE_LINK
 * when the chip takes nothing more for as long as an answer may take, ERROR_DEVICE_REFUSED when it
 * ends the transfer. The session stays open. `progress` may be NULL.
 */
int chip_link_bulk(struct chip_link *link, struct bytes data,
                   const struct devauth_install_grant *grant, chip_link_progress *progress,
                   void *context, struct error *error);

#endif
