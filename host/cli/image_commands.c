/* nusec firmware sign | verify | inspect: images on the desk, without any server */
#include "cli/command.h"
#include "cli/number.h"
#include "cli/output.h"

#include "base/encoding.h"
#include "base/file.h"
#include "base/secret.h"
#include "image_tool/image_describe.h"
#include "image_tool/image_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT         ((size_t)64 << 20)
#define PASSPHRASE_SIZE    256
#define HEADER_SIZE        "0x400"
#define AES_BITS           "256"
#define DEPENDENCIES_LIMIT 16

static struct {
    const char *key;
    const char *passphrase_file;
    const char *output;
    /* sign */
    const char *version;
    const char *counter;
    const char *header_size;
    const char *key_form;
    const char *encrypt_for;
    const char *aes;
    bool clear;
    struct option_list dependencies;
    const char *slot_size;
    bool pad;
    bool confirm;
    /* verify, inspect */
    const char *enc_key;
    const char *stage;
    const char *counter_min;
} arguments = {.header_size = HEADER_SIZE};

/* Keys named on the command line; wiped by keys_wipe. */
struct keys {
    struct image_key signer;
    struct image_key other; /* the device's */
};

static void keys_wipe(struct keys *keys) {
    secret_wipe(keys, sizeof(*keys));
}

static int read_key(const char *path, struct image_key *key, struct error *error) {
    char passphrase[PASSPHRASE_SIZE];
    int result = 0;

    if (path == NULL)
        return 0;
    if (arguments.passphrase_file != NULL)
        result = file_read_secret(arguments.passphrase_file, passphrase, error);
    if (result == 0)
        result =
            image_key_read(path, arguments.passphrase_file == NULL ? NULL : passphrase, key, error);
    secret_wipe(passphrase, sizeof(passphrase));
    return result;
}

static int read_keys(const char *other, struct keys *keys, struct error *error) {
    memset(keys, 0, sizeof(*keys));
    if (read_key(arguments.key, &keys->signer, error) == 0 &&
        read_key(other, &keys->other, error) == 0)
        return 0;
    keys_wipe(keys);
    return -1;
}

/* ---- sign ---- */

static int read_encryption(const struct keys *keys, struct image_order *order,
                           struct error *error) {
    const char *aes = arguments.aes == NULL ? AES_BITS : arguments.aes;

    if (arguments.encrypt_for == NULL)
        return arguments.aes == NULL && !arguments.clear
                   ? 0
                   : error_set(error, ERROR_USAGE, "--aes and --clear need --encrypt-for");
    if (strcmp(aes, "128") != 0 && strcmp(aes, "256") != 0)
        return error_set(error, ERROR_USAGE, "--aes is 128 or 256, not %s", aes);
    order->plan.content_key_size = strcmp(aes, "128") == 0 ? 16 : 32;
    order->encrypt_for = keys->other.public_key;
    order->is_clear = arguments.clear;
    return 0;
}

static int read_slot(struct image_order *order, struct error *error) {
    uint64_t size = 0;

    if (arguments.slot_size == NULL)
        return !arguments.pad && !arguments.confirm
                   ? 0
                   : error_set(error, ERROR_USAGE, "--pad and --confirm need --slot-size");
    if (number_parse("--slot-size", arguments.slot_size, FILE_LIMIT, &size, error) != 0)
        return -1;
    if (size == 0)
        return error_set(error, ERROR_USAGE, "--slot-size is at least one page");
    order->slot_size = (uint32_t)size;
    if (arguments.pad || arguments.confirm)
        order->fill = arguments.confirm ? IMAGE_FILL_CONFIRM : IMAGE_FILL_TEST;
    return 0;
}

static int read_form(struct image_order *order, struct error *error) {
    const char *form = arguments.key_form == NULL ? "full" : arguments.key_form;

    if (strcmp(form, "full") != 0 && strcmp(form, "hash") != 0)
        return error_set(error, ERROR_USAGE, "--key-form is full or hash, not %s", form);
    order->form = strcmp(form, "full") == 0 ? IMAGE_KEY_FULL : IMAGE_KEY_HASH;
    return 0;
}

static int read_dependencies(struct image_dependency *dependencies, struct image_order *order,
                             struct error *error) {
    if (arguments.dependencies.count > DEPENDENCIES_LIMIT)
        return error_set(error, ERROR_USAGE, "at most %d dependencies", DEPENDENCIES_LIMIT);
    for (size_t i = 0; i < arguments.dependencies.count; i++) {
        if (image_dependency_parse(arguments.dependencies.items[i], &dependencies[i], error) != 0)
            return -1;
    }
    order->plan.dependencies = dependencies;
    order->plan.dependency_count = arguments.dependencies.count;
    return 0;
}

static int read_order(const struct keys *keys, struct image_dependency *dependencies,
                      struct image_order *order, struct error *error) {
    uint64_t counter = 0;
    uint64_t header_size = 0;

    if (image_version_parse(arguments.version, &order->plan.version, error) != 0 ||
        number_parse("--counter", arguments.counter, UINT32_MAX, &counter, error) != 0 ||
        number_parse("--header-size", arguments.header_size, UINT16_MAX, &header_size, error) !=
            0 ||
        read_encryption(keys, order, error) != 0 || read_slot(order, error) != 0 ||
        read_form(order, error) != 0 || read_dependencies(dependencies, order, error) != 0)
        return -1;
    order->key = &keys->signer;
    order->plan.security_counter = (uint32_t)counter;
    order->plan.header_size = (uint16_t)header_size;
    return 0;
}

static const struct output_column sign_columns[] = {
    {"image", "file", OUTPUT_TEXT},        {"size", "file_size", OUTPUT_TEXT},
    {"version", "version", OUTPUT_TEXT},   {"security counter", "security_counter", OUTPUT_TEXT},
    {"digest", "digest_hex", OUTPUT_TEXT}, {"key hash for OTP", "otp_hash_hex", OUTPUT_TEXT},
};

/* The description of what was signed, a few members of it brought to the top. */
static int print_signed(struct bytes image, const struct image_order *order, struct error *error) {
    const struct image_question question = {.public_key = order->key->public_key};
    uint8_t hash[CRYPTO_DIGEST_SIZE];
    char hash_hex[2 * CRYPTO_DIGEST_SIZE + 1];
    json_t *object = image_describe(image, &question);

    if (object == NULL)
        return error_set(error, ERROR_INTERNAL, "out of memory");
    image_key_otp_hash(order->key->public_key, hash);
    hex_encode(bytes_of(hash, sizeof(hash)), hash_hex);
    (void)json_object_set_new(object, "file", json_string(arguments.output));
    (void)json_object_set_new(object, "otp_hash_hex", json_string(hash_hex));
    (void)json_object_set(object, "version",
                          json_object_get(json_object_get(object, "header"), "version"));
    return output_answer(object, NULL, sign_columns,
                         sizeof(sign_columns) / sizeof(sign_columns[0]));
}

static int sign(const struct option_list *operands, struct error *error) {
    struct image_dependency dependencies[DEPENDENCIES_LIMIT];
    struct image_order order = {.fill = IMAGE_FILL_NONE};
    struct buffer payload = {0};
    struct buffer image = {0};
    struct keys keys;
    int result = -1;

    if (read_keys(arguments.encrypt_for, &keys, error) != 0)
        return -1;
    if (read_order(&keys, dependencies, &order, error) == 0 &&
        file_read(operands->items[0], FILE_LIMIT, &payload, error) == 0) {
        result = image_sign(&order, buffer_bytes(&payload), &image, error);
        if (result != 0)
            (void)error_prefix(error, "%s", operands->items[0]);
    }
    if (result == 0)
        result = file_write_durable(arguments.output, buffer_bytes(&image), 0644, error);
    if (result == 0)
        result = print_signed(buffer_bytes(&image), &order, error);
    buffer_free(&payload);
    buffer_free(&image);
    keys_wipe(&keys);
    return result;
}

/* ---- verify, inspect ---- */

static int read_stage(struct image_question *question, struct error *error) {
    if (arguments.stage == NULL)
        question->stage = IMAGE_STAGE_ANY;
    else if (strcmp(arguments.stage, "bl2") == 0)
        question->stage = IMAGE_STAGE_BL2;
    else if (strcmp(arguments.stage, "bl3") == 0)
        question->stage = IMAGE_STAGE_BL3;
    else
        return error_set(error, ERROR_USAGE, "--stage is bl2 or bl3, not %s", arguments.stage);
    return 0;
}

static int read_question(const struct keys *keys, struct image_question *question,
                         struct error *error) {
    uint64_t counter = 0;
    uint64_t size = 0;

    if (read_stage(question, error) != 0 ||
        (arguments.counter_min != NULL &&
         number_parse("--counter-min", arguments.counter_min, UINT32_MAX, &counter, error) != 0) ||
        (arguments.slot_size != NULL &&
         number_parse("--slot-size", arguments.slot_size, FILE_LIMIT, &size, error) != 0))
        return -1;
    if (arguments.enc_key != NULL && !keys->other.has_private) {
        (void)error_set(error, ERROR_USAGE, "--enc-key must be the device's private key");
        return error_hint(error, "its public half only encrypts; without it leave --enc-key out");
    }
    question->public_key = arguments.key == NULL ? NULL : keys->signer.public_key;
    question->device = arguments.enc_key == NULL ? NULL : &keys->other;
    question->is_clear = arguments.clear;
    question->counter_minimum = (uint32_t)counter;
    question->slot_size = (uint32_t)size;
    return 0;
}

/* The image described, with its verdict; a new reference. */
static json_t *ask(const char *path, struct error *error) {
    struct image_question question = {.stage = IMAGE_STAGE_ANY};
    struct buffer file = {0};
    struct keys keys;
    json_t *object = NULL;

    if (read_keys(arguments.enc_key, &keys, error) != 0)
        return NULL;
    if (read_question(&keys, &question, error) == 0 &&
        file_read(path, FILE_LIMIT, &file, error) == 0) {
        object = image_describe(buffer_bytes(&file), &question);
        if (object == NULL)
            (void)error_set(error, ERROR_INTERNAL, "out of memory");
        else
            (void)json_object_set_new(object, "file", json_string(path));
    }
    buffer_free(&file);
    keys_wipe(&keys);
    return object;
}

static const char *text_of(const json_t *object, const char *outer, const char *inner) {
    const char *text = json_string_value(json_object_get(json_object_get(object, outer), inner));

    return text == NULL ? "" : text;
}

static int refuse(const json_t *object, const char *path, struct error *error) {
    (void)error_set(error, ERROR_IMAGE_REFUSED, "%s: %s", path,
                    text_of(object, "verdict", "reason"));
    return error_hint(error, "%s", text_of(object, "verdict", "hint"));
}

static int verify(const struct option_list *operands, struct error *error) {
    const char *path = operands->items[0];
    json_t *object = ask(path, error);
    int result = 0;

    if (object == NULL)
        return -1;
    const char *state = text_of(object, "verdict", "state");
    if (strcmp(state, "refused") == 0) {
        result = refuse(object, path, error);
    } else if (strcmp(state, "accepted") != 0) {
        (void)error_set(error, ERROR_USAGE,
                        "%s: encrypted; key, signature and counter are good, the contents were not "
                        "looked at",
                        path);
        result =
            error_hint(error, "give the device's private key with --enc-key FILE; or --clear, if "
                              "this is from a primary slot");
    } else if (command_common.json) {
        output_json(stdout, object);
    } else {
        (void)printf("%s: accepted\n", path);
    }
    json_decref(object);
    return result;
}

static const struct output_column inspect_columns[] = {
    {"file", "file", OUTPUT_TEXT},
    {"file size", "file_size", OUTPUT_TEXT},
    {"image size", "image_size", OUTPUT_TEXT},
    {"version", "version", OUTPUT_TEXT},
    {"security counter", "security_counter", OUTPUT_TEXT},
    {"header size", "header_size", OUTPUT_TEXT},
    {"payload size", "payload_size", OUTPUT_TEXT},
    {"flags", "flags_text", OUTPUT_TEXT},
    {"digest", "digest_hex", OUTPUT_TEXT},
    {"public key", "public_key_hex", OUTPUT_TEXT},
    {"key hash for OTP", "otp_hash_hex", OUTPUT_TEXT},
    {"key hash (imgtool)", "info_hash_hex", OUTPUT_TEXT},
    {"signature", "signature_text", OUTPUT_TEXT},
    {"payload", "payload_text", OUTPUT_TEXT},
    {"trailer", "trailer_text", OUTPUT_TEXT},
};

static const struct output_column tlv_columns[] = {
    {"AREA", "area", OUTPUT_TEXT}, {"TYPE", "type", OUTPUT_TEXT},
    {"NAME", "name", OUTPUT_TEXT}, {"OFFSET", "offset", OUTPUT_TEXT},
    {"SIZE", "size", OUTPUT_TEXT}, {"DATA", "data_hex", OUTPUT_SHORT},
};

static void set_text(json_t *object, const char *member, const char *text) {
    (void)json_object_set_new(object, member, json_string(text));
}

static const char *signature_text(const json_t *object) {
    static const struct {
        const char *state;
        const char *text;
    } texts[] = {
        {"valid", "valid"},
        {"valid_under_own_key", "valid under the key it names; whose that is needs --key"},
        {"other_key", "by another key than the one given"},
        {"invalid", "INVALID"},
        {"missing", "missing"},
    };
    const char *state = json_string_value(json_object_get(object, "signature"));

    for (size_t i = 0; state != NULL && i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(texts[i].state, state) == 0)
            return texts[i].text;
    }
    return "not checked";
}

static void payload_text(const json_t *encryption, char *text, size_t size) {
    const char *payload = json_string_value(json_object_get(encryption, "payload"));
    const char *device = json_string_value(json_object_get(encryption, "wrapped_for"));
    long long bits = json_integer_value(json_object_get(encryption, "aes_bits"));
    const char *whom = "for one device; for which one only its own key tells (--enc-key)";

    if (payload == NULL || strcmp(payload, "plain") == 0) {
        (void)snprintf(text, size, "plain");
        return;
    }
    if (device != NULL && strcmp(device, "this_device") == 0)
        whom = "for the device of --enc-key";
    else if (device != NULL && strcmp(device, "another_device") == 0)
        whom = "for ANOTHER device than that of --enc-key";
    (void)snprintf(text, size, "%s, AES-%lld, wrapped %s",
                   strcmp(payload, "clear") == 0 ? "in plaintext, for a primary slot" : "encrypted",
                   bits, whom);
}

static void trailer_text(const json_t *trailer, char *text, size_t size) {
    if (!json_is_object(trailer)) {
        (void)snprintf(text, size, "none: the file is no whole slot");
        return;
    }
    (void)snprintf(text, size, "magic %s, image_ok %s, copy_done %s; in a secondary slot: swap %s",
                   json_string_value(json_object_get(trailer, "magic")),
                   json_string_value(json_object_get(trailer, "image_ok")),
                   json_string_value(json_object_get(trailer, "copy_done")),
                   json_string_value(json_object_get(trailer, "asks_for")));
}

static void print_verdict(const json_t *object) {
    const char *state = text_of(object, "verdict", "state");
    const char *hint = text_of(object, "verdict", "hint");

    if (strcmp(state, "undecided") == 0) {
        const json_t *needs = json_object_get(json_object_get(object, "verdict"), "needs");
        size_t index = 0;
        const json_t *option = NULL;
        (void)printf("\nBoot: nothing wrong was found; to decide give");
        json_array_foreach(needs, index, option)(void)
            printf("%s --%s FILE", index == 0 ? "" : " and", json_string_value(option));
        (void)fputc('\n', stdout);
        return;
    }
    (void)printf("\nBoot: %s\n", text_of(object, "verdict", "reason"));
    if (hint[0] != '\0')
        (void)printf("      %s\n", hint);
}

static void print_image(const json_t *object) {
    json_t *shown = json_copy((json_t *)object);
    char text[192];

    (void)json_object_update_missing(shown, json_object_get(object, "header"));
    (void)json_object_update_missing(shown, json_object_get(object, "key"));
    output_list(json_object_get(json_object_get(object, "header"), "flags"), text, sizeof(text));
    set_text(shown, "flags_text", text);
    set_text(shown, "signature_text", signature_text(object));
    payload_text(json_object_get(object, "encryption"), text, sizeof(text));
    set_text(shown, "payload_text", text);
    trailer_text(json_object_get(object, "trailer"), text, sizeof(text));
    set_text(shown, "trailer_text", text);
    output_fields(stdout, inspect_columns, sizeof(inspect_columns) / sizeof(inspect_columns[0]),
                  shown);
    (void)fputc('\n', stdout);
    output_table(stdout, tlv_columns, sizeof(tlv_columns) / sizeof(tlv_columns[0]),
                 json_object_get(object, "tlvs"));
    print_verdict(object);
    json_decref(shown);
}

static int inspect(const struct option_list *operands, struct error *error) {
    json_t *object = ask(operands->items[0], error);
    int result = 0;

    if (object == NULL)
        return -1;
    if (json_is_null(json_object_get(object, "header")))
        result = refuse(object, operands->items[0], error);
    else if (command_common.json)
        output_json(stdout, object);
    else
        print_image(object);
    json_decref(object);
    return result;
}

#define PASSPHRASE_OPTION                                                                          \
    {                                                                                              \
        OPTION_TEXT, "passphrase-file", "FILE", "passphrase of an encrypted key",                  \
            &arguments.passphrase_file, OPTION_OPTIONAL                                            \
    }

static const struct option_entry sign_entries[] = {
    {OPTION_TEXT, "key", "FILE", "private P-256 key, PEM", &arguments.key, OPTION_REQUIRED},
    {OPTION_TEXT, "version", "VERSION", "1.2.3 or 1.2.3+4", &arguments.version, OPTION_REQUIRED},
    {OPTION_TEXT, "counter", "N", "security counter", &arguments.counter, OPTION_REQUIRED},
    {OPTION_TEXT, "output", "FILE", "where to write the image", &arguments.output, OPTION_REQUIRED},
    {OPTION_TEXT, "header-size", "N", "bytes before the vector table (default 0x400)",
     &arguments.header_size, OPTION_OPTIONAL},
    {OPTION_TEXT, "key-form", "FORM", "full (default) or hash: what the image carries of the key",
     &arguments.key_form, OPTION_OPTIONAL},
    {OPTION_TEXT, "encrypt-for", "FILE", "the device's public ENC key, PEM", &arguments.encrypt_for,
     OPTION_OPTIONAL},
    {OPTION_TEXT, "aes", "BITS", "256 (default) or 128", &arguments.aes, OPTION_OPTIONAL},
    {OPTION_FLAG, "clear", NULL, "leave the payload in plaintext, for a primary slot",
     &arguments.clear, OPTION_OPTIONAL},
    {OPTION_LIST, "dependency", "IMAGE:VERSION", "least version of another image; may be repeated",
     &arguments.dependencies, OPTION_OPTIONAL},
    {OPTION_TEXT, "slot-size", "N", "refuse what does not fit the slot beside its trailer",
     &arguments.slot_size, OPTION_OPTIONAL},
    {OPTION_FLAG, "pad", NULL, "write the whole slot, asking for a test swap", &arguments.pad,
     OPTION_OPTIONAL},
    {OPTION_FLAG, "confirm", NULL, "write the whole slot, asking for a permanent swap",
     &arguments.confirm, OPTION_OPTIONAL},
    PASSPHRASE_OPTION,
    COMMAND_JSON_OPTION};
static const struct option_set sign_options = COMMAND_OPTION_SET(
    "nusec firmware sign", "FILE --key FILE --version VERSION --counter N --output FILE [options]",
    "Makes a signed MCUboot image of a raw binary, with a key from a file: for developers' "
    "boards.\n"
    "Production images are signed by the server.",
    sign_entries, 1, 1);

#define QUESTION_ENTRIES                                                                             \
    {OPTION_TEXT,        "enc-key",      "FILE", "the device's private ENC key, to look inside",     \
     &arguments.enc_key, OPTION_OPTIONAL},                                                           \
        {OPTION_TEXT,      "stage",        "STAGE", "judge as a chip does: bl2 or bl3",              \
         &arguments.stage, OPTION_OPTIONAL},                                                         \
        {OPTION_TEXT,                                                                                \
         "counter-min",                                                                              \
         "N",                                                                                        \
         "the chip's counter (default 0)",                                                           \
         &arguments.counter_min,                                                                     \
         OPTION_OPTIONAL},                                                                           \
        {OPTION_TEXT,                                                                                \
         "slot-size",                                                                                \
         "N",                                                                                        \
         "bytes of the slot (default: of the stage, or the file)",                                   \
         &arguments.slot_size,                                                                       \
         OPTION_OPTIONAL},                                                                           \
        {OPTION_FLAG,      "clear",        NULL, "the payload is in plaintext: from a primary slot", \
         &arguments.clear, OPTION_OPTIONAL},                                                         \
        PASSPHRASE_OPTION, COMMAND_JSON_OPTION

static const struct option_entry verify_entries[] = {{OPTION_TEXT, "key", "FILE",
                                                      "the signer's key, public or private, PEM",
                                                      &arguments.key, OPTION_REQUIRED},
                                                     QUESTION_ENTRIES};
static const struct option_set verify_options = COMMAND_OPTION_SET(
    "nusec firmware verify", "FILE --key FILE [options]",
    "Says whether a chip would start an image, and if not why, in the words of its boot log.",
    verify_entries, 1, 1);

static const struct option_entry inspect_entries[] = {{OPTION_TEXT, "key", "FILE",
                                                       "the signer's key, public or private, PEM",
                                                       &arguments.key, OPTION_OPTIONAL},
                                                      QUESTION_ENTRIES};
static const struct option_set inspect_options = COMMAND_OPTION_SET(
    "nusec firmware inspect", "FILE [options]",
    "Shows what is in an image, imgtool's ones too, and what a boot would say to it.",
    inspect_entries, 1, 1);

const struct command image_commands[] = {
    {&sign_options, sign}, {&verify_options, verify}, {&inspect_options, inspect}, {0}};
