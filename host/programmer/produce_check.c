#include "programmer/produce_check.h"

#include "base/clock.h"
#include "programmer/site.h"
#include "programmer/site_check.h"

static json_t *finding(bool is_well, const struct error *error) {
    json_t *object = json_pack("{s:b}", "ok", (int)is_well);
    if (!is_well) {
        (void)json_object_set_new(object, "code", json_string(error_name(error->code)));
        (void)json_object_set_new(object, "message", json_string(error->message));
    }
    return object;
}

static json_t *server_check(struct programmer *programmer, bool *is_well) {
    struct error error = {0};
    uint64_t now_s = 0;
    uint64_t begin = clock_monotonic_us();
    *is_well = programmer_time(programmer, &now_s, &error) == 0;
    json_t *object = finding(*is_well, &error);
    (void)json_object_set_new(object, "seconds",
                              json_real((double)(clock_monotonic_us() - begin) / 1e6));
    return object;
}

static json_t *firmware_check(struct programmer *programmer, const struct job *job, bool *is_well) {
    struct error error = {0};
    struct firmware firmware;
    const struct firmware_order order = {
        .state_directory = programmer->directory,
        .id = job->package.devauth_id,
        .chip_family = job->package.chip_family,
        .boot_key = programmer->identity.boot_key,
    };
    *is_well = firmware_get(programmer->server, &order, &firmware, &error) == 0;
    if (*is_well)
        firmware_free(&firmware);
    return finding(*is_well, &error);
}

static json_t *sites_check(struct programmer *programmer, const struct unit_site *const *sites,
                           size_t site_count, bool *are_well) {
    const struct chip_options options = site_chip_options(programmer);
    json_t *list = json_array();
    *are_well = true;
    for (size_t i = 0; i < site_count; i++) {
        struct site_findings findings;
        site_check(sites[i], &options, &findings);
        *are_well = *are_well && findings.is_ready;
        (void)json_array_append_new(list, site_findings_json(sites[i], &findings));
    }
    return list;
}

json_t *produce_check(struct programmer *programmer, struct job *job,
                      const struct unit_site *const *sites, size_t site_count) {
    struct error problem;
    bool server_well = false;
    bool firmware_well = false;
    bool sites_well = false;
    struct job_numbers numbers = {0};
    bool job_well = job_check(job, &problem) == 0;
    if (job->journal != NULL)
        job_journal_numbers(job->journal, &numbers);
    bool has_room = numbers.remaining > 0 || job_unfinished(job, &numbers) > 0;
    json_t *server = server_check(programmer, &server_well);
    json_t *firmware = firmware_check(programmer, job, &firmware_well);
    json_t *list = sites_check(programmer, sites, site_count, &sites_well);
    return json_pack("{s:b,s:I,s:s,s:o,s:o,s:o}", "ok",
                     (int)(job_well && has_room && server_well && firmware_well && sites_well),
                     "remaining", (json_int_t)numbers.remaining, "state", job_state(job, &numbers),
                     "server", server, "firmware", firmware, "sites", list);
}
