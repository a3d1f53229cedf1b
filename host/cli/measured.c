#include "cli/measured.h"

#include "cli/output.h"

#include "base/json.h"
#include "devauth/devauth.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE 32

static const struct output_column fields[] = {
    {"measured", "measured_at", OUTPUT_TIME},          {"stage", "stage", OUTPUT_TEXT},
    {"life cycle", "life_cycle", OUTPUT_TEXT},         {"flags", "flags_text", OUTPUT_TEXT},
    {"ENC key hash", "enc_key_hash_hex", OUTPUT_TEXT},
};

static const struct output_column image_fields[] = {
    {"version", "version", OUTPUT_TEXT},
    {"security counter", "security_counter", OUTPUT_TEXT},
    {"the chip's counter", "chip_counter", OUTPUT_TEXT},
    {"image digest", "digest_hex", OUTPUT_TEXT},
    {"key hash in OTP", "key_hash_hex", OUTPUT_TEXT},
};

/* A measurement's value by its name, exactly `size` bytes. */
static int read_value(const json_t *chip, const char *name, uint8_t *out, size_t size,
                      struct error *error) {
    const json_t *list = json_object_get(chip, "measurements");
    size_t index = 0;
    const json_t *measurement = NULL;

    json_array_foreach(list, index, measurement) {
        const char *found = json_string_value(json_object_get(measurement, "name"));
        if (found != NULL && strcmp(found, name) == 0)
            return json_read_hex(measurement, "value_hex", out, size, error);
    }
    return error_set(error, ERROR_BAD_REQUEST, "the chip's measurement \"%s\" is missing", name);
}

static const char *name_of(const char *const *names, size_t count, uint8_t value) {
    return value < count ? names[value] : "unknown";
}

static const char *stage_name(uint8_t stage) {
    static const char *const names[] = {"unknown", "boot_rom", "devauth", "bootloader",
                                        "application"};
    return name_of(names, sizeof(names) / sizeof(names[0]), stage);
}

static const char *life_name(uint8_t life_cycle) {
    static const char *const names[] = {"blank",    "provisioned", "secured",
                                        "retiring", "retired",     "rma"};
    return name_of(names, sizeof(names) / sizeof(names[0]), life_cycle);
}

static json_t *flags_of(uint8_t flags) {
    static const char *const names[] = {"debugger", "debug_locked", "root_hash", "keys",
                                        "issued_chain"};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (((unsigned)flags >> i & 1u) != 0)
            (void)json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

static json_t *image_of(const struct devauth_measured_image *image, const uint8_t *digest,
                        const uint8_t *key_hash) {
    char version[32];

    (void)snprintf(version, sizeof(version), "%u.%u.%u+%u", image->major, image->minor,
                   image->revision, (unsigned)image->build);
    return json_pack("{s:s,s:I,s:I,s:o,s:o}", "version", version, "security_counter",
                     (json_int_t)image->security_counter, "chip_counter",
                     (json_int_t)image->chip_counter, "digest_hex",
                     json_hex(bytes_of(digest, DIGEST_SIZE)), "key_hash_hex",
                     json_hex(bytes_of(key_hash, DIGEST_SIZE)));
}

json_t *measured_of_chip(const json_t *chip, struct error *error) {
    uint8_t device[2] = {0};
    uint8_t bl2[DIGEST_SIZE] = {0};
    uint8_t bl3[DIGEST_SIZE] = {0};
    uint8_t keys_value[DEVAUTH_MEASURED_KEYS_SIZE] = {0};
    uint8_t versions_value[DEVAUTH_MEASURED_VERSIONS_SIZE] = {0};
    struct devauth_measured_keys keys;
    struct devauth_measured_versions versions;

    if (json_array_size(json_object_get(chip, "measurements")) == 0)
        return json_null();
    if (read_value(chip, "device", device, sizeof(device), error) != 0 ||
        read_value(chip, "bl2", bl2, sizeof(bl2), error) != 0 ||
        read_value(chip, "bl3", bl3, sizeof(bl3), error) != 0 ||
        read_value(chip, "keys", keys_value, sizeof(keys_value), error) != 0 ||
        read_value(chip, "versions", versions_value, sizeof(versions_value), error) != 0)
        return NULL;
    if (devauth_read_measured_keys(bytes_of(keys_value, sizeof(keys_value)), &keys) != STATUS_OK ||
        devauth_read_measured_versions(bytes_of(versions_value, sizeof(versions_value)),
                                       &versions) != STATUS_OK) {
        (void)error_set(error, ERROR_BAD_REQUEST, "the chip's measurements are not understood");
        return NULL;
    }
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o}", "stage", stage_name(versions.stage), "life_cycle",
                     life_name(device[0]), "flags", flags_of(device[1]), "bl2",
                     image_of(&versions.bl2, bl2, keys.bl2_key_hash), "bl3",
                     image_of(&versions.bl3, bl3, keys.bl3_key_hash), "enc_key_hash_hex",
                     json_hex(bytes_of(keys.enc_key_hash, DIGEST_SIZE)));
}

static bool is_all(const char *text, char digit) {
    return text == NULL ||
           (text[0] == digit && strspn(text, (char[]){digit, '\0'}) == strlen(text));
}

/* Zeros and FFs say that there is nothing; a person should not have to know. */
static void print_image(FILE *out, const char *name, const json_t *image) {
    const char *digest = json_string_value(json_object_get(image, "digest_hex"));
    const char *key_hash = json_string_value(json_object_get(image, "key_hash_hex"));
    json_t *shown = json_copy((json_t *)image);

    (void)fprintf(out, "\n%s%s\n", name, is_all(digest, '0') ? ": no image the chip accepts" : "");
    if (is_all(digest, '0')) {
        (void)json_object_del(shown, "version");
        (void)json_object_del(shown, "security_counter");
        (void)json_object_del(shown, "digest_hex");
    }
    if (is_all(key_hash, 'f'))
        (void)json_object_set_new(shown, "key_hash_hex", json_string("blank"));
    output_fields(out, image_fields, sizeof(image_fields) / sizeof(image_fields[0]), shown);
    json_decref(shown);
}

void measured_print(FILE *out, const json_t *measured) {
    json_t *shown = json_copy((json_t *)measured);
    char flags[128];

    output_list(json_object_get(measured, "flags"), flags, sizeof(flags));
    (void)json_object_set_new(shown, "flags_text", json_string(flags));
    size_t skipped = json_object_get(measured, "measured_at") == NULL ? 1 : 0;
    output_fields(out, fields + skipped, sizeof(fields) / sizeof(fields[0]) - skipped, shown);
    print_image(out, "BL2", json_object_get(measured, "bl2"));
    print_image(out, "BL3", json_object_get(measured, "bl3"));
    json_decref(shown);
}

static const char *image_difference(const json_t *a, const json_t *b, const char *image, char *name,
                                    size_t size) {
    const json_t *one = json_object_get(a, image);
    const json_t *other = json_object_get(b, image);

    for (size_t i = 0; i < sizeof(image_fields) / sizeof(image_fields[0]); i++) {
        const char *member = image_fields[i].member;
        if (!json_equal(json_object_get(one, member), json_object_get(other, member))) {
            (void)snprintf(name, size, "%s.%s", image, member);
            return name;
        }
    }
    return NULL;
}

const char *measured_difference(const json_t *a, const json_t *b, char *name, size_t size) {
    static const char *const members[] = {"stage", "life_cycle", "flags", "enc_key_hash_hex"};

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (!json_equal(json_object_get(a, members[i]), json_object_get(b, members[i]))) {
            (void)snprintf(name, size, "%s", members[i]);
            return name;
        }
    }
    const char *difference = image_difference(a, b, "bl2", name, size);
    return difference != NULL ? difference : image_difference(a, b, "bl3", name, size);
}
