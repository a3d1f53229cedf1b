/*
 * Whether a production could start at a site, without changing anything: is the debug server there
 * and does it let us in, does anything answer on the UART. An open chip's core stands still for the
 * moment the debugger is in.
 */
#ifndef NUSEC_PROGRAMMER_SITE_CHECK_H
#define NUSEC_PROGRAMMER_SITE_CHECK_H

#include "debug_port/debug_port.h"
#include "programmer/chip.h"
#include "programmer/unit.h"

enum site_uart {
    SITE_UART_ANSWERS,
    SITE_UART_SILENT,
    SITE_UART_ABSENT, /* the port does not open */
};

struct site_findings {
    enum debug_port_answer debug;
    struct error debug_error; /* unless OPEN */
    enum site_uart uart;
    struct error uart_error;         /* unless ANSWERS */
    struct devauth_device_info info; /* if it ANSWERS */
    bool is_ready;                   /* a unit could be made or taken up again */
};

void site_check(const struct unit_site *site, const struct chip_options *options,
                struct site_findings *findings);

/* As docs/formats/control.md has it; a new reference. */
json_t *site_findings_json(const struct unit_site *site, const struct site_findings *findings);

#endif
