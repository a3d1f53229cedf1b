#include "programmer/site_check.h"

#include "programmer/chip_names.h"

#define DEBUG_MS   2000
#define MEET_MS    700
#define MEET_TRIES 2

static void uart_check(const struct unit_site *site, const struct chip_options *options,
                       struct site_findings *findings) {
    struct chip chip;
    findings->uart = SITE_UART_ABSENT;
    if (chip_open(&chip, site->uart, options, &findings->uart_error) != 0)
        return;
    findings->uart = SITE_UART_SILENT;
    for (int i = 0; i < MEET_TRIES && findings->uart == SITE_UART_SILENT; i++)
        if (chip_meet(&chip, MEET_MS, &findings->info, &findings->uart_error) == 0)
            findings->uart = SITE_UART_ANSWERS;
    chip_close(&chip);
}

/* A chip that runs something of ours needs its debug server only for the proof that it is refused,
 * any other one needs to be let in. */
static bool is_ready(const struct site_findings *findings) {
    bool runs =
        findings->uart == SITE_UART_ANSWERS && (findings->info.stage == DEVAUTH_STAGE_BOOTLOADER ||
                                                findings->info.stage == DEVAUTH_STAGE_APPLICATION);
    return findings->debug == DEBUG_PORT_OPEN || (runs && findings->debug == DEBUG_PORT_REFUSED);
}

void site_check(const struct unit_site *site, const struct chip_options *options,
                struct site_findings *findings) {
    *findings = (struct site_findings){.debug = DEBUG_PORT_ABSENT};
    uart_check(site, options, findings);
    (void)debug_port_probe(site->debug, DEBUG_MS, &findings->debug, &findings->debug_error);
    findings->is_ready = findings->uart != SITE_UART_ABSENT && is_ready(findings);
}

static json_t *part(const char *state, bool is_well, const struct error *error) {
    json_t *object = json_pack("{s:s}", "state", state);
    if (!is_well) {
        (void)json_object_set_new(object, "code", json_string(error_name(error->code)));
        (void)json_object_set_new(object, "message", json_string(error->message));
    }
    return object;
}

json_t *site_findings_json(const struct unit_site *site, const struct site_findings *findings) {
    static const char *const debug_states[] = {[DEBUG_PORT_OPEN] = "open",
                                               [DEBUG_PORT_REFUSED] = "refused",
                                               [DEBUG_PORT_SILENT] = "silent",
                                               [DEBUG_PORT_ABSENT] = "absent"};
    static const char *const uart_states[] = {[SITE_UART_ANSWERS] = "answers",
                                              [SITE_UART_SILENT] = "silent",
                                              [SITE_UART_ABSENT] = "absent"};
    bool answers = findings->uart == SITE_UART_ANSWERS;
    bool is_on = answers || findings->debug == DEBUG_PORT_OPEN;
    json_t *uart = part(uart_states[findings->uart], answers, &findings->uart_error);
    if (answers)
        (void)json_object_set_new(uart, "chip", chip_info_json(&findings->info));
    return json_pack("{s:s,s:b,s:o,s:o,s:s}", "site", site->name, "ok", (int)findings->is_ready,
                     "debug",
                     part(debug_states[findings->debug], findings->debug == DEBUG_PORT_OPEN,
                          &findings->debug_error),
                     "uart", uart, "power", is_on ? "on" : "unknown");
}
