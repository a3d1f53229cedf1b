#include "cli/golden.h"

#include "base/clock.h"
#include "cli/control.h"

#include <stdbool.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));

    return text == NULL ? "" : text;
}

/* The unit of this UID in the programmer's report, borrowed; NULL if it made none. */
static const json_t *made_unit(const json_t *report, const char *uid) {
    size_t index = 0;
    const json_t *unit = NULL;

    json_array_foreach(json_object_get(report, "units"), index, unit) {
        const char *state = text_of(unit, "state");
        if (strcmp(text_of(unit, "uid"), uid) == 0 &&
            (strcmp(state, "done") == 0 || strcmp(state, "recorded") == 0 ||
             strcmp(state, "identified") == 0))
            return unit;
    }
    return NULL;
}

/* Why the sample is none, or the site is not good; 0 if both are. */
static int judge(const json_t *chip, const json_t *findings, const json_t *report,
                 struct error *error) {
    const char *debug = text_of(json_object_get(findings, "debug"), "state");
    const char *uid = text_of(chip, "uid");
    const json_t *unit = made_unit(report, uid);

    if (unit == NULL) {
        (void)error_set(error, ERROR_DENIED, "%s was not made under this job", uid);
        return error_hint(error, "name the job of the golden sample");
    }
    if (strcmp(text_of(chip, "chain"), "verified") != 0)
        return error_set(error, ERROR_DEVICE_UNTRUSTED, "the chip does not prove its certificate");
    if (strcmp(debug, "open") != 0 && strcmp(debug, "refused") != 0)
        return error_set(error, ERROR_DEVICE_DEBUG, "the debug port does not answer: %s", debug);
    if (strcmp(text_of(unit, "state"), "identified") != 0 &&
        strcmp(text_of(chip, "stage"), "application") != 0)
        return error_set(error, ERROR_DEVICE_REFUSED, "the chip does not run its application");
    return 0;
}

static json_t *unit_made(const json_t *site, const json_t *chip, double seconds,
                         const struct error *problem) {
    bool is_good = problem->code == ERROR_NONE;
    json_t *unit = json_pack("{s:s,s:s,s:s,s:s,s:s,s:f}", "site", text_of(site, "name"), "uid",
                             text_of(chip, "uid"), "unit_id", "", "state",
                             is_good ? "golden" : "failed", "step", "golden", "seconds", seconds);

    if (!is_good) {
        (void)json_object_set_new(unit, "code", json_string(error_name(problem->code)));
        (void)json_object_set_new(unit, "reason", json_string(problem->message));
        (void)json_object_set_new(unit, "hint", json_string(problem->hint));
    }
    return unit;
}

/* A chip that cannot be asked is the finding, a programmer that cannot is an error. */
static bool is_of_the_chip(const struct error *error) {
    return error->code == ERROR_DEVICE_LINK || error->code == ERROR_DEVICE_DEBUG ||
           error->code == ERROR_DEVICE_REFUSED || error->code == ERROR_DEVICE_UNTRUSTED ||
           error->code == ERROR_TIMEOUT;
}

json_t *golden_check(struct control *control, const char *job, json_t *site, struct error *error) {
    struct error problem = {0};
    json_t *unit = NULL;
    json_t *chip = NULL;
    uint64_t began_us = clock_monotonic_us();
    json_t *report =
        control_call(control, "report", json_pack("{s:s}", "job_id", job), NULL, NULL, error);
    json_t *checked =
        report == NULL
            ? NULL
            : control_call(control, "produce",
                           json_pack("{s:s,s:b,s:[O]}", "job_id", job, "check", 1, "sites", site),
                           NULL, NULL, error);
    if (checked != NULL) {
        chip = control_call(control, "chip.show", json_pack("{s:O}", "site", site), NULL, NULL,
                            &problem);
        if (chip != NULL) {
            error_clear(&problem);
            (void)judge(chip, json_array_get(json_object_get(checked, "sites"), 0), report,
                        &problem);
        }
        if (problem.code == ERROR_OFFLINE) /* a port of the site that does not open */
            problem.code = ERROR_DEVICE_LINK;
        if (chip != NULL || is_of_the_chip(&problem))
            unit = unit_made(site, chip, (double)(clock_monotonic_us() - began_us) / 1e6, &problem);
        else
            *error = problem;
    }
    json_decref(chip);
    json_decref(checked);
    json_decref(report);
    return unit;
}
