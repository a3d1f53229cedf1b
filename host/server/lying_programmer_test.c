/*
 * A programmer with a valid certificate that lies, at a real server. It plays its chips itself, so
 * it can sign whatever they should say, and it asks for everything, in any order, for any unit,
 * with parts of one request in another. However long it goes on, it holds what its job ordered and
 * nothing else (docs/threat-model.md).
 *
 * NUSEC_SEED makes other choices than those of every run; what fails prints it.
 */
#include "server/test_boot.h"

#include "base/encoding.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ORDERED = 4, LISTED = 6, CHIPS = 8, STEPS = 5000, ATTEMPTS = 16 };

static struct test_job own_job;
static struct test_job other_job; /* of boot_stranger */
static struct boot_unit victim;   /* a unit of it */
static struct boot_unit units[CHIPS];
static uint64_t random_state;
static unsigned accepted;
static unsigned refused;
static struct error error;

static unsigned draw(unsigned below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 20) % below);
}

static bool lies(void) {
    return draw(6) == 0;
}

/* An answer of any kind is the server's word; no answer, or a fault, is a defect. */
static int note(int status) {
    bool is_answer = status != 0 && (status < 500 || error.code == ERROR_UNSUPPORTED);

    if (!is_answer)
        fail_msg("%d %s %s", status, error_name(error.code), error.message);
    *(status < 300 ? &accepted : &refused) += 1;
    return status;
}

/* POSTs `request` (stolen) for the unit in work; the answer (stolen by the caller), or NULL. */
static json_t *ask(const char *what, json_t *request) {
    json_t *answer = NULL;

    http_client_post(boot_programmer.client, boot_path(what), request, &answer, &error);
    json_decref(request);
    if (note(http_client_last_status(boot_programmer.client)) < 300)
        return answer;
    json_decref(answer);
    return NULL;
}

/* Another unit's id for the time of one request: one of its own, or one of another line. */
static void lie_about_unit(struct test_chip *chip) {
    const struct boot_unit *other = draw(3) == 0 ? &victim : &units[draw(CHIPS)];

    if (lies())
        memcpy(chip->unit_id, other->chip.unit_id, sizeof chip->unit_id);
}

/* The same chip, as it says, with other keys: one more certificate for one more emulator. */
static void new_keys(struct test_chip *chip) {
    struct test_chip fresh;

    test_chip_make(&fresh);
    memcpy(chip->private_key, fresh.private_key, sizeof fresh.private_key);
    memcpy(chip->auth_key, fresh.auth_key, sizeof fresh.auth_key);
    test_chip_free(&fresh);
}

static void do_reserve(void) {
    struct test_job job = lies() ? other_job : own_job;

    if (lies())
        job.token_b64[draw(40)] = 'A';
    if (lies())
        memcpy(job.id, lies() ? other_job.id : own_job.id, sizeof job.id);
    note(test_reserve(&boot_programmer, &job, &boot_unit.chip, 1 + draw(ATTEMPTS), &error));
}

static void do_certify(void) {
    struct test_chip *chip = &boot_unit.chip;
    struct test_chip told = *chip;

    lie_about_unit(&told);
    if (lies())
        told.nonce[draw(32)] ^= 1;
    if (lies())
        new_keys(&told);
    if (note(test_certify(&boot_programmer, &told, &error)) >= 300)
        return;
    memcpy(told.unit_id, chip->unit_id, sizeof told.unit_id);
    *chip = told;
}

/* What a chip that executed the permit would measure from then on. */
static void obey(const char *command, const json_t *answer) {
    struct attest *attest = &boot_unit.attest;
    struct permit_boot_key_hash key;
    struct permit permit;
    uint8_t encoded[1024];

    if (strcmp(command, "root_hash") == 0) /* the life cycle says so from the start */
        return;
    boot_read_permit(answer, &permit, encoded);
    assert_memory_equal(permit.uid, boot_unit.chip.uid, 16);
    if (permit.command == PERMIT_BOOT_KEY_HASH) {
        assert_int_equal(permit_parse_boot_key_hash(permit.arguments, &key), STATUS_OK);
        memcpy(key.target == 1 ? attest->keys.bl2_key_hash : attest->keys.bl3_key_hash,
               key.key_hash, 32);
    } else if (strcmp(command, "lock") == 0) {
        attest->life_cycle = LIFE_SECURED;
        attest->flags |= DEVAUTH_FLAG_DEBUG_LOCKED;
        attest->versions.stage = DEVAUTH_STAGE_BOOTLOADER;
        memcpy(attest->image, boot_bl2_digest, 32);
        memcpy(attest->bl2, boot_bl2_digest, 32);
    }
}

static void do_permit(void) {
    static const char *const commands[] = {"root_hash",   "boot_key_hash_bl2", "boot_key_hash_bl3",
                                           "lock",        "object_id",         "rma",
                                           "decommission"};
    const char *command = commands[draw(sizeof commands / sizeof commands[0])];
    json_t *request = boot_permit_request(command);
    uint8_t other_key[32];

    boot_hash(units[draw(CHIPS)].chip.auth_key, 64, other_key);
    if (lies())
        (void)json_object_set_new(request, "auth_key_hash_hex", json_hex(bytes_of(other_key, 32)));
    if (strcmp(command, "object_id") == 0)
        (void)json_object_set_new(request, "object_id_hex", json_string("0102"));
    json_t *answer = ask("permits", request);
    if (answer != NULL)
        obey(command, answer);
    json_decref(answer);
}

static void do_status(void) {
    /* "failed" is rare and "scrapped" rarer, or no unit would get far. */
    const char *state = draw(40) == 0     ? "failed"
                        : draw(1000) == 0 ? "scrapped"
                        : lies()          ? "done"
                                          : "identified";

    note(test_status(&boot_programmer, &boot_unit.chip, state, &error));
}

static const char *any_step(void) {
    static const char *const steps[] = {"bl2", "bl3", "record"};

    return steps[draw(3)];
}

/* A nonce for the step that is next, as the liar knows it, or for any. */
static bool challenge(const char *step) {
    json_t *answer = ask("challenges", json_pack("{s:s}", "step", lies() ? any_step() : step));
    bool given = answer != NULL;

    if (given)
        assert_int_equal(json_read_hex(answer, "nonce_hex", boot_unit.nonce, 32, &error), 0);
    json_decref(answer);
    return given;
}

static void measure(void) {
    const struct attest truth = boot_unit.attest;

    if (lies())
        boot_unit.attest.flags ^= (uint8_t)(1u << draw(8));
    if (lies())
        boot_unit.attest.keys.enc_key_hash[draw(32)] ^= 1;
    if (lies())
        boot_unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
    boot_measure();
    boot_unit.attest = truth;
    if (lies())
        boot_unit.transcript[draw((unsigned)boot_unit.transcript_size)] ^= 1;
}

static void do_image(void) {
    const char *target = draw(2) == 0 ? "bl2" : "bl3";

    if (!lies() && !challenge(target))
        return;
    measure();
    char *text = boot_image_body(lies() ? any_step() : target);
    json_t *answer = ask("images", json_loads(text, 0, NULL));
    free(text);
    if (answer != NULL && strcmp(target, "bl3") == 0) {
        boot_unit.attest.versions.stage = DEVAUTH_STAGE_APPLICATION;
        memcpy(boot_unit.attest.image, boot_bl3_digest, 32);
        memcpy(boot_unit.attest.bl3, boot_bl3_digest, 32);
    }
    json_decref(answer);
}

static void do_record(void) {
    uint8_t unit_id[16] = {0};

    if (!lies() && !challenge("record"))
        return;
    measure();
    (void)hex_decode(lies() ? victim.chip.unit_id : boot_unit.chip.unit_id, unit_id, 16);
    boot_unit.job = lies() ? other_job : own_job;
    char *text = boot_record_body(lies() ? boot_stranger.key : boot_programmer.key, unit_id);
    json_decref(ask("record", json_loads(text, 0, NULL)));
    free(text);
}

/* What belongs to the OEM, or to nobody. */
static void do_trespass(void) {
    static const char *const paths[] = {
        "/v1/jobs",          "/v1/jobs/%s/export",   "/v1/programmers",   "/v1/uploads",
        "/v1/jobs/%s/units", "/v1/jobs/%s/activate", "/v1/jobs/%s/ledger"};
    const char *format = paths[draw(sizeof paths / sizeof paths[0])];
    bool is_own = strstr(format, "export") != NULL && lies(); /* the rest it may, of its own */
    char path[128];

    (void)snprintf(path, sizeof path, format, is_own ? own_job.id : other_job.id);
    json_t *request = json_pack("{s:i, s:s, s:i, s:s}", "count", 100, "token_b64",
                                own_job.token_b64, "sequence", 1, "product", "more");
    http_client_post(boot_programmer.client, path, request, NULL, &error);
    json_decref(request);
    assert_true(note(http_client_last_status(boot_programmer.client)) >= 400);
}

static void step(void) {
    static void (*const actions[])(void) = {do_reserve, do_certify, do_permit,
                                            do_permit,  do_status,  do_image,
                                            do_image,   do_record,  do_trespass};
    unsigned index = draw(CHIPS);

    boot_unit = units[index];
    actions[draw(sizeof actions / sizeof actions[0])]();
    units[index] = boot_unit;
}

static void make_job(unsigned count, const struct test_programmer *programmer, json_t *uids,
                     struct test_job *job) {
    json_t *answer =
        test_post(boot_world.admin, "/v1/jobs",
                  json_pack("{s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:s, s:o}", "product", "lamp",
                            "programmer_id", programmer->id, "count", (int)count, "expires",
                            (json_int_t)9999999999, "chip_family", "TEST", "devauth_id",
                            boot_world.devauth_id, "bl2_id", boot_bl2_id, "bl3_id", boot_bl3_id,
                            "uids", uids));

    (void)snprintf(job->id, sizeof job->id, "%s", json_string_value(json_object_get(answer, "id")));
    json_decref(answer);
    test_job_export(&boot_world, programmer, job);
}

static int begin(void **state) {
    json_t *uids = json_array();
    char uid[33];

    (void)boot_begin(state);
    for (size_t i = 0; i < CHIPS; i++) {
        test_chip_make(&boot_unit.chip);
        boot_measure_devauth();
        units[i] = boot_unit;
        hex_encode_upper(bytes_of(boot_unit.chip.uid, 16), uid);
        if (i < LISTED)
            (void)json_array_append_new(uids, json_string(uid));
        boot_unit = (struct boot_unit){0};
    }
    make_job(ORDERED, &boot_programmer, uids, &own_job);
    test_job_activate(&boot_programmer, &own_job);
    make_job(2, &boot_stranger, json_array(), &other_job);
    test_job_activate(&boot_stranger, &other_job);
    test_chip_make(&victim.chip);
    test_unit(&boot_stranger, &other_job, &victim.chip);
    return 0;
}

static int end(void **state) {
    for (size_t i = 0; i < CHIPS; i++)
        test_chip_free(&units[i].chip);
    test_chip_free(&victim.chip);
    return boot_end(state);
}

static int64_t of_own_job(const char *what) {
    char sql[512];

    (void)snprintf(sql, sizeof sql, "SELECT %s", what);
    for (char *mark; (mark = strstr(sql, "$JOB")) != NULL;) {
        char rest[512];

        (void)snprintf(rest, sizeof rest, "%s", mark + 4);
        (void)snprintf(mark, sizeof sql - (size_t)(mark - sql), "'%.16s'%s", own_job.id, rest);
    }
    return test_sql_number(&boot_world, sql);
}

#define UNITS_OF_JOB    "(SELECT id FROM units WHERE job_id=$JOB)"
#define UIDS_WITH(what) "count(DISTINCT uid) FROM units WHERE job_id=$JOB AND id IN (" what ")"

static void holds_no_more_than_ordered(void) {
    int64_t used = of_own_job("used FROM jobs WHERE id=$JOB");

    assert_in_range(used, 0, ORDERED);
    assert_int_equal(used, of_own_job("count(DISTINCT uid) FROM units"
                                      " WHERE job_id=$JOB AND counted=1"));
    assert_in_range(of_own_job("count(*) FROM certificates WHERE kind='device' AND state='valid'"
                               " AND serial IN (SELECT certificate_serial FROM units"
                               " WHERE job_id=$JOB)"),
                    0, used);
    assert_in_range(of_own_job(UIDS_WITH("SELECT unit_id FROM images")), 0, used);
    assert_in_range(of_own_job(UIDS_WITH("SELECT unit_id FROM permits WHERE command<>1")), 0, used);
    assert_in_range(of_own_job("count(*) FROM records WHERE unit_id IN " UNITS_OF_JOB), 0, used);
}

static void nothing_else_has_changed(void) {
    assert_int_equal(of_own_job("count FROM jobs WHERE id=$JOB"), ORDERED);
    assert_int_equal(of_own_job("count(*) FROM jobs"), 2);
    assert_int_equal(of_own_job("count(*) FROM rma"), 0);
    assert_int_equal(of_own_job("count(*) FROM permits WHERE command IN (4, 5)"), 0);
    assert_int_equal(of_own_job("count(*) FROM units WHERE job_id=$JOB AND uid NOT IN"
                                " (SELECT uid FROM job_uids WHERE job_id=$JOB)"),
                     0);
    /* BL3 only after the permit to lock, a record only after BL3. */
    assert_int_equal(of_own_job("count(*) FROM images WHERE target=2 AND unit_id NOT IN"
                                " (SELECT unit_id FROM permits WHERE command=3)"),
                     0);
    assert_int_equal(of_own_job("count(*) FROM records WHERE unit_id NOT IN"
                                " (SELECT unit_id FROM images WHERE target=2)"),
                     0);
    assert_int_equal(test_count(&boot_world, &other_job, "identified"), 1);
    assert_int_equal(test_count(&boot_world, &other_job, "remaining"), 1);
    assert_int_equal(of_own_job("count(*) FROM permits WHERE command<>1 AND unit_id NOT IN"
                                " " UNITS_OF_JOB),
                     0);
}

static void a_liar_gets_what_was_ordered(void **state) {
    (void)state;
    for (unsigned i = 0; i < STEPS; i++) {
        step();
        if (i % 50 == 0)
            holds_no_more_than_ordered();
    }
    holds_no_more_than_ordered();
    nothing_else_has_changed();
    /* It was let do something, all that there was to do, and was refused much more. */
    int64_t done = of_own_job("count(*) FROM units WHERE job_id=$JOB AND state=6");
    print_message("%u accepted, %u refused, %lld of %d done\n", accepted, refused, (long long)done,
                  ORDERED);
    assert_int_equal(of_own_job("used FROM jobs WHERE id=$JOB"), ORDERED);
    assert_true(done > 0);
    assert_true(accepted > 100 && refused > accepted);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_liar_gets_what_was_ordered)};
    const char *seed = getenv("NUSEC_SEED");

    random_state = seed != NULL ? strtoull(seed, NULL, 0) | 1 /* it stays at 0 */ : 20261126;
    print_message("NUSEC_SEED=%llu\n", (unsigned long long)random_state);
    return cmocka_run_group_tests(tests, begin, end);
}
