#include "programmer/chip_link_internal.h"

#include "base/clock.h"

#include <poll.h>

struct transfer {
    struct chip_link *link;
    struct bulk_sender sender;
    chip_link_progress *progress;
    void *context;
    size_t total;
    bool began;         /* the first message has taken the transfer's MCTP tag */
    uint32_t known;     /* `received` of the last progress */
    uint64_t moved_ms;  /* when that was */
    uint64_t silent_ms; /* when the chip last said anything, or was last sent to again */
};

/* Sends one DATA message; 1 when the credit does not allow it, or everything is on the way. */
static int block_send(struct transfer *transfer, struct error *error) {
    struct chip_link *link = transfer->link;
    uint8_t block[BULK_MESSAGE_MAX];
    struct writer message;
    writer_init(&message, block, sizeof block);
    enum status status = bulk_sender_next(&transfer->sender, &message);
    if (status == STATUS_BUSY)
        return 1;
    if (status != STATUS_OK)
        return error_set(error, ERROR_INTERNAL, "a block could not be written: %s",
                         status_name(status));
    if (transfer->began)
        mctp_send_again(&link->endpoint, BULK_MCTP_TYPE, writer_bytes(&message));
    else
        mctp_send(&link->endpoint, BULK_MCTP_TYPE, writer_bytes(&message));
    transfer->began = true;
    return chip_link_send_frames(link, error);
}

/* What came in since the last call, if anything. */
static int news_take(struct transfer *transfer, struct error *error) {
    uint32_t messages = transfer->link->endpoint.statistics.messages;
    if (chip_link_receive(transfer->link, error) != 0)
        return -1;
    if (transfer->sender.status != STATUS_OK)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip ended the transfer at %u bytes: %s",
                         transfer->sender.received, status_name(transfer->sender.status));
    uint64_t now = clock_monotonic_ms();
    if (transfer->link->endpoint.statistics.messages != messages)
        transfer->silent_ms = now;
    if (transfer->sender.received != transfer->known) {
        transfer->known = transfer->sender.received;
        transfer->moved_ms = now;
        if (transfer->progress != NULL)
            transfer->progress(transfer->context, transfer->known, transfer->total);
    }
    return 0;
}

/* Nothing may be sent now: waits for the chip, and goes back to what it has when it stays silent.
 */
static int news_wait(struct transfer *transfer, struct error *error) {
    uint64_t quiet = transfer->silent_ms + CHIP_LINK_BULK_QUIET_MS;
    uint64_t end = transfer->moved_ms + (uint64_t)transfer->link->answer_ms;
    int ready = chip_link_wait(transfer->link, POLLIN, quiet < end ? quiet : end);
    if (ready < 0)
        return error_set(error, ERROR_BUSY, "the programmer is stopping");
    if (ready > 0)
        return news_take(transfer, error);
    uint64_t now = clock_monotonic_ms();
    if (now >= end)
        return chip_link_error(error, "the chip stopped taking the image");
    if (now >= quiet) {
        bulk_sender_timeout(&transfer->sender);
        transfer->silent_ms = now;
    }
    return 0;
}

static int transfer_run(struct transfer *transfer, struct error *error) {
    while (!bulk_sender_is_done(&transfer->sender)) {
        int sent = block_send(transfer, error);
        if (sent < 0 || (sent == 0 && news_take(transfer, error) != 0) ||
            (sent > 0 && news_wait(transfer, error) != 0))
            return -1;
    }
    return 0;
}

int chip_link_bulk(struct chip_link *link, struct bytes data,
                   const struct devauth_install_grant *grant, chip_link_progress *progress,
                   void *context, struct error *error) {
    uint64_t now = clock_monotonic_ms();
    uint64_t begin_us = clock_monotonic_us();
    struct transfer transfer = {.link = link,
                                .progress = progress,
                                .context = context,
                                .total = data.size,
                                .moved_ms = now,
                                .silent_ms = now};
    uint16_t block = grant->block_size < BULK_BLOCK_MAX ? grant->block_size : BULK_BLOCK_MAX;
    bulk_sender_open(&transfer.sender, data, grant->transfer, block, grant->window);
    link->bulk = &transfer.sender;
    int failed = transfer_run(&transfer, error);
    link->bulk = NULL;
    link->waited_us += clock_monotonic_us() - begin_us;
    return failed;
}
