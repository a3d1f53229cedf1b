/*
 * Bulk data to a device, with credits: the bytes of an image between INSTALL_BEGIN and
 * INSTALL_FINISH (devauth/devauth.h). No I/O, no clock, no allocation. docs/formats/bulk.md.
 *
 * The data is not secret (BL2 is signed, BL3 is signed and encrypted) and is checked as a whole at
 * INSTALL_FINISH, so it travels outside the session and the wire stays full: while the device
 * programs one block the next ones arrive.
 *
 * MCTP message type 7F (vendor defined, IANA; DSP0239), body:
 *
 *     enterprise number u32 big-endian = 32473 | kind u8 | transfer u8 | ...
 *     DATA (to the device)    offset u32 | bytes, 1 to the granted block size | CRC-32 u32
 *     STATE (to the sender)   received u32 | limit u32 | status u16
 *
 * `received` is the number of bytes taken so far without a gap, `limit` the offset up to which the
 * sender may send; status 0 means go on, anything else (enum status) ends the transfer. Integers
 * are little-endian but for the enterprise number. A STATE answers every DATA. DATA that leaves a
 * gap, repeats, or has a wrong CRC is not taken; its STATE says where to go on (go-back-N).
 *
 * All DATA messages of a transfer travel under one MCTP tag (the first by mctp_send, the others by
 * mctp_send_again), since several are on the way at once. MCTP alone would then join the beginning
 * of one to the end of a later one when exactly 4, 8, ... packets between them are lost, which is
 * what a chip whose fetches stall while flash is erased does lose: hence the CRC
 * (base/crc32.h, over all bytes before it). It is no protection against anybody.
 */
#ifndef NUSEC_BULK_BULK_H
#define NUSEC_BULK_BULK_H

#include "base/bytes.h"

#define BULK_MCTP_TYPE   0x7F /* MCTP_TYPE_IANA */
#define BULK_VENDOR_ID   32473u
#define BULK_HEADER_SIZE 10 /* enterprise number, kind, transfer, offset */
#define BULK_CRC_SIZE    4
#define BULK_STATE_SIZE  16
#define BULK_BLOCK_MAX   1024
#define BULK_MESSAGE_MAX (BULK_HEADER_SIZE + BULK_BLOCK_MAX + BULK_CRC_SIZE)

/* Device. */

/* Takes bytes that follow those taken before; its failure ends the transfer. */
typedef enum status bulk_sink_function(void *context, uint32_t offset, struct bytes data);

struct bulk_receiver {
    bulk_sink_function *sink;
    void *context;
    uint8_t transfer;
    uint32_t size;
    uint32_t window;
    uint32_t received;
    enum status status; /* OK, or why the transfer ended */
    bool is_open;
};

/* `size` bytes are expected; a transfer that was open is dropped. */
void bulk_receiver_open(struct bulk_receiver *receiver, uint8_t transfer, uint32_t size,
                        uint32_t window, bulk_sink_function *sink, void *context);
void bulk_receiver_close(struct bulk_receiver *receiver);

/*
 * Takes one message body. OK: `response` (at least BULK_STATE_SIZE bytes) is to be sent as type
 * BULK_MCTP_TYPE. BUSY: nothing to send (malformed, another transfer, none open).
 */
MUST_USE enum status bulk_receiver_handle(struct bulk_receiver *receiver, struct bytes message,
                                          struct writer *response);

/* True when every byte was taken. */
bool bulk_receiver_is_complete(const struct bulk_receiver *receiver);

/* Programmer. */

struct bulk_sender {
    struct bytes data; /* borrowed */
    uint8_t transfer;
    uint16_t block_size;
    uint32_t sent;     /* the next offset to send */
    uint32_t highest;  /* the furthest that ever was sent */
    uint32_t received; /* what the device has */
    uint32_t limit;
    bool went_back;        /* since the device last took something */
    uint32_t resent_bytes; /* for statistics */
    enum status status;
};

/* Blocks are no longer than the window, the device's block size and BULK_BLOCK_MAX. */
void bulk_sender_open(struct bulk_sender *sender, struct bytes data, uint8_t transfer,
                      uint16_t block_size, uint32_t window);

/* The next DATA message; BUSY when the credit is used up or everything was sent; NO_SPACE. */
MUST_USE enum status bulk_sender_next(struct bulk_sender *sender, struct writer *message);

/* Takes a STATE message. OK, BUSY (not ours, or one that cannot be), or the status with which the
 * device ended the transfer: from then on always that. */
MUST_USE enum status bulk_sender_handle(struct bulk_sender *sender, struct bytes message);

/* Nothing came for the caller's time-out: go on from what the device is known to have. */
void bulk_sender_timeout(struct bulk_sender *sender);

/* True when the device has every byte. */
bool bulk_sender_is_done(const struct bulk_sender *sender);

#endif
