/*
 * Starting DevAuth in a blank chip's SRAM: docs/formats/devauth_image.md, "Sequence".
 */
#include "debug_port/debug_port.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REGISTER_XPSR         25u
#define XPSR_EXCEPTION_NUMBER 0x1FFu
#define THREAD_MODE_TRIES     50
#define POLL_MS               2
#define PARAMETERS_MAX        0x10000u

static void sleep_ms(int milliseconds) {
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000L};

    while (nanosleep(&time, &time) != 0)
        ;
}

/* Started from inside an interrupt handler, DevAuth would never see that interrupt again: its
 * active bit can only be cleared by returning from it. */
static int halt_in_thread_mode(struct debug_port *port, struct error *error) {
    for (int i = 0; i < THREAD_MODE_TRIES; i++) {
        uint32_t xpsr;
        if (debug_port_halt(port, error) != 0 ||
            debug_port_read_register(port, REGISTER_XPSR, &xpsr, error) != 0)
            return -1;
        if ((xpsr & XPSR_EXCEPTION_NUMBER) == 0)
            return 0;
        if (debug_port_run(port, error) != 0)
            return -1;
        sleep_ms(POLL_MS);
    }
    return error_set(error, ERROR_DEVICE_DEBUG, "the core never leaves an exception handler");
}

/* On real chips a write to SRAM without a clock vanishes, so nothing counts until read back. */
static int write_and_compare(struct debug_port *port, uint32_t address, struct bytes data,
                             struct error *error) {
    uint8_t *copy = malloc(data.size);
    int result = -1;

    if (copy == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    if (debug_port_write(port, address, data, error) != 0 ||
        debug_port_read(port, address, copy, data.size, error) != 0)
        goto out;
    if (!bytes_equal(data, bytes_of(copy, data.size))) {
        error_set(error, ERROR_DEVICE_DEBUG, "SRAM at 0x%08x does not hold what was written",
                  address);
        goto out;
    }
    result = 0;
out:
    free(copy);
    return result;
}

static int write_parameters(struct debug_port *port, const struct devauth_image_header *header,
                            const struct devauth_parameters *parameters, struct error *error) {
    uint8_t *block;
    struct writer writer;
    int result = -1;

    if (header->parameters_capacity > PARAMETERS_MAX)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE, "unlikely parameter block in the image");
    block = malloc(header->parameters_capacity);
    if (block == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    writer_init(&writer, block, header->parameters_capacity);
    devauth_parameters_write(&writer, parameters);
    if (writer_check(&writer) != STATUS_OK)
        error_set(error, ERROR_TOO_LARGE, "the certificates do not fit into the parameter block");
    else
        result = write_and_compare(port, header->parameters_address, writer_bytes(&writer), error);
    free(block);
    return result;
}

static int read_mailbox(struct debug_port *port, uint32_t address, struct devauth_mailbox *mailbox,
                        struct error *error) {
    uint8_t raw[DEVAUTH_MAILBOX_SIZE];

    if (debug_port_halt(port, error) != 0 ||
        debug_port_read(port, address, raw, sizeof(raw), error) != 0)
        return -1;
    if (devauth_mailbox_parse(raw, mailbox) != STATUS_OK)
        return error_set(error, ERROR_DEVICE_DEBUG, "DevAuth's mailbox holds something else");
    return 0;
}

static int wait_until_ready(struct debug_port *port, uint32_t address, int timeout_ms,
                            struct devauth_mailbox *mailbox, struct error *error) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    int pause_ms = POLL_MS;

    for (;;) {
        sleep_ms(pause_ms);
        if (read_mailbox(port, address, mailbox, error) != 0)
            return -1;
        if (mailbox->state == DEVAUTH_MAILBOX_READY)
            return 0;
        if (mailbox->state == DEVAUTH_MAILBOX_FAILED)
            return error_set(error, ERROR_DEVICE_REFUSED, "DevAuth did not start: %s",
                             status_name((enum status)mailbox->status));
        if (clock_monotonic_ms() >= deadline)
            return error_set(error, ERROR_TIMEOUT, "DevAuth was started but does not report");
        if (debug_port_run(port, error) != 0)
            return -1;
        pause_ms = pause_ms < 50 ? 2 * pause_ms : pause_ms; /* a halt costs the chip time */
    }
}

int debug_port_load_devauth(struct debug_port *port, struct bytes image,
                            const struct devauth_parameters *parameters, int ready_timeout_ms,
                            struct devauth_mailbox *mailbox, struct error *error) {
    static const uint8_t empty[DEVAUTH_MAILBOX_SIZE];
    struct devauth_image_header header;

    memset(mailbox, 0, sizeof(*mailbox));
    if (devauth_image_parse(image, &header) != STATUS_OK)
        return error_set(error, ERROR_UNTRUSTED_SOFTWARE, "the file is no DevAuth image");
    if (halt_in_thread_mode(port, error) != 0 ||
        write_and_compare(port, header.load_address, image, error) != 0 ||
        write_parameters(port, &header, parameters, error) != 0 ||
        write_and_compare(port, header.mailbox_address, bytes_of(empty, sizeof(empty)), error) != 0)
        return -1;
    if (debug_port_start(port, header.stack_top, header.entry, error) != 0 ||
        wait_until_ready(port, header.mailbox_address, ready_timeout_ms, mailbox, error) != 0)
        return -1;
    return debug_port_detach(port, error);
}
