#include "spdm/testing/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE_MAX        8192
#define SIGNED_FINISH_SIZE (4 + 64 + 32)

static const struct {
    const char *file;
    const char *name; /* NULL: the file is one run */
} RUNS[VECTOR_RUNS] = {
    {"vectors/plain.json", NULL},
    {"vectors/mutual.json", NULL},
    {"vectors/encapsulated.json", "basic_then_session_encap_hb_keyupdate"},
    {"vectors/encapsulated.json", "get_digests_optimised_piecewise_certificate"},
    {"vectors/encapsulated.json", "handshake_in_the_clear_keyupdate_all"},
    {"vectors/encapsulated.json", "requester_slot_1"},
};

static uint8_t nibble(char c) {
    const char *digits = "0123456789abcdef";
    const char *place = strchr(digits, c);
    assert_true(c != '\0' && place != NULL);
    return (uint8_t)(place - digits);
}

static size_t decode(const char *hex, uint8_t *out, size_t capacity) {
    size_t size = strlen(hex) / 2;
    assert_true(strlen(hex) % 2 == 0 && size <= capacity);
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return size;
}

static const json_t *find(const struct vector_run *run, const char *field) {
    char first[64];
    const char *dot = strchr(field, '.');
    if (dot == NULL) {
        return json_object_get(run->fields, field);
    }
    snprintf(first, sizeof first, "%.*s", (int)(dot - field), field);
    return json_object_get(json_object_get(run->fields, first), dot + 1);
}

bool vectors_has(const struct vector_run *run, const char *field) {
    return find(run, field) != NULL;
}

struct bytes vectors_bytes(struct vector_run *run, const char *field) {
    const char *hex = json_string_value(find(run, field));
    if (hex == NULL) {
        fail_msg("%s: no field %s", run->name, field);
        return bytes_of(NULL, 0); /* not reached */
    }
    assert_true(run->stored < sizeof run->storage / sizeof run->storage[0]);
    uint8_t *out = test_malloc(strlen(hex) / 2 + 1);
    run->storage[run->stored++] = out;
    return bytes_of(out, decode(hex, out, strlen(hex) / 2));
}

/*
 * The two flat files have the whole transcript up to ResponderVerifyData as one field; with mutual
 * authentication, the hash of the requester's chain (Cm) ends it.
 */
static void split_transcript(struct vector_run *run) {
    struct bytes whole = vectors_bytes(run, "K_transcript");
    size_t start = run->vca.size + 32;
    size_t opaque = start + 4 + 2 + 2 + 32 + 64;
    size_t size = opaque - start + 2 + whole.data[opaque];
    run->key_exchange = bytes_slice(whole, start, size);
    size_t end = whole.size - (run->finish.size > SIGNED_FINISH_SIZE - 1 ? 32 : 0);
    run->key_exchange_rsp = bytes_slice(whole, start + size, end - start - size);
    run->requester_chain_hash = bytes_slice(whole, end, whole.size - end);
}

void vectors_load(struct vector_run *run, unsigned int index) {
    json_error_t error;
    memset(run, 0, sizeof *run);
    run->name = RUNS[index].name == NULL ? RUNS[index].file : RUNS[index].name;
    run->root = json_load_file(RUNS[index].file, 0, &error);
    if (run->root == NULL) {
        fail_msg("%s: %s", RUNS[index].file, error.text);
    }
    run->fields = RUNS[index].name == NULL
                      ? run->root
                      : json_object_get(json_object_get(run->root, "runs"), RUNS[index].name);
    run->log = json_object_get(run->fields, "log");
    run->vca = vectors_bytes(run, "VCA");
    run->finish = vectors_bytes(run, "FINISH");
    run->finish_rsp = vectors_bytes(run, "FINISH_RSP");
    run->clear_handshake = json_is_true(json_object_get(run->fields, "handshake_in_the_clear"));
    if (run->log == NULL) {
        run->chain = vectors_bytes(run, "cert_chain");
        split_transcript(run);
    } else {
        run->chain = vectors_bytes(run, "responder_cert_chain");
        run->requester_chain = vectors_bytes(run, "requester_cert_chain");
        run->requester_chain_hash = vectors_bytes(run, "Cm");
        run->key_exchange = vectors_bytes(run, "KEY_EXCHANGE");
        run->key_exchange_rsp = vectors_bytes(run, "KEY_EXCHANGE_RSP");
    }
}

void vectors_free(struct vector_run *run) {
    for (unsigned int i = 0; i < run->stored; i++) {
        test_free(run->storage[i]);
    }
    json_decref(run->root);
}

size_t vectors_log_size(const struct vector_run *run) {
    return json_array_size(run->log);
}

struct vector_message vectors_message(const struct vector_run *run, size_t index) {
    static uint8_t spdm[MESSAGE_MAX];
    static uint8_t wire[MESSAGE_MAX];
    const json_t *entry = json_array_get(run->log, index);
    const char *direction = json_string_value(json_object_get(entry, "dir"));
    size_t spdm_size = decode(json_string_value(json_object_get(entry, "spdm")), spdm, sizeof spdm);
    size_t wire_size = decode(json_string_value(json_object_get(entry, "wire")), wire, sizeof wire);
    return (struct vector_message){
        .channel = json_string_value(json_object_get(entry, "ch")),
        .from_requester = strcmp(direction, "req") == 0,
        .sequence = (uint64_t)json_integer_value(json_object_get(entry, "seq")),
        .spdm = bytes_of(spdm, spdm_size),
        .wire = bytes_of(wire, wire_size),
    };
}
