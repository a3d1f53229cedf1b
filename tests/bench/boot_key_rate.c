/*
 * Image signatures per second with per-device keys, beside the same token's plain C_Sign:
 *
 *     boot_key_rate SOFTHSM2_CONF TOKEN_LABEL PIN_FILE SECONDS
 *
 * One thread. "kept" signs with a key that is still unwrapped, "unwrapped" with as many keys in
 * turn as are never kept, "made" makes and wraps new pairs. Prints one JSON object.
 */
#include "hsm/boot_key.h"
#include "server/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEYS 40 /* more than host/hsm keeps */

struct bench {
    struct hsm_key *plain;
    struct hsm_key *kek;
    struct hsm_boot_key keys[KEYS];
};

typedef int bench_step(struct bench *bench, unsigned turn, struct error *error);

static int sign_plain(struct bench *bench, unsigned turn, struct error *error) {
    uint8_t digest[32] = {(uint8_t)turn}, signature[HSM_SIGNATURE_SIZE];
    return hsm_sign(bench->plain, digest, signature, error);
}

static int sign_kept(struct bench *bench, unsigned turn, struct error *error) {
    uint8_t digest[32] = {(uint8_t)turn}, signature[HSM_SIGNATURE_SIZE];
    return hsm_boot_key_sign(bench->kek, &bench->keys[0], digest, signature, error);
}

static int sign_unwrapped(struct bench *bench, unsigned turn, struct error *error) {
    uint8_t digest[32] = {(uint8_t)turn}, signature[HSM_SIGNATURE_SIZE];
    return hsm_boot_key_sign(bench->kek, &bench->keys[turn % KEYS], digest, signature, error);
}

static int make_pair(struct bench *bench, unsigned turn, struct error *error) {
    return hsm_boot_key_make(bench->kek, &bench->keys[turn % KEYS], error);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Per second; negative when a step failed. */
static double rate(struct bench *bench, bench_step *step, double seconds, struct error *error) {
    double begin = now_s();
    unsigned turns = 0;
    while (now_s() < begin + seconds || turns < KEYS) {
        if (step(bench, turns, error) != 0)
            return -1;
        turns++;
    }
    return turns / (now_s() - begin);
}

static int measure(struct bench *bench, double seconds, struct error *error) {
    static const struct {
        const char *name;
        bench_step *step;
    } rows[] = {
        {"made", make_pair},
        {"plain", sign_plain},
        {"kept", sign_kept},
        {"unwrapped", sign_unwrapped},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double per_second = rate(bench, rows[i].step, seconds, error);
        if (per_second < 0)
            return -1;
        printf("%s\"%s\":%.0f", i == 0 ? "{" : ",", rows[i].name, per_second);
    }
    printf("}\n");
    return 0;
}

int main(int argc, char **argv) {
    static struct bench bench;
    struct error error;
    if (argc != 5) {
        fprintf(stderr, "usage: boot_key_rate SOFTHSM2_CONF TOKEN_LABEL PIN_FILE SECONDS\n");
        return 2;
    }
    const struct hsm_config config = {HSM_DEFAULT_MODULE, argv[2], argv[3], argv[1]};
    struct hsm *hsm = hsm_open(&config, &error);
    int result = -1;
    if (hsm != NULL && (bench.plain = hsm_key(hsm, KEY_DEVICE_CA, &error)) != NULL &&
        (bench.kek = hsm_key(hsm, KEY_KEK_BOOT, &error)) != NULL)
        result = measure(&bench, strtod(argv[4], NULL), &error);
    if (result != 0)
        fprintf(stderr, "boot_key_rate: %s\n", error.message);
    hsm_close(hsm);
    return result == 0 ? 0 : 1;
}
