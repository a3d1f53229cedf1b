#!/usr/bin/env bash
# `make bench`: what the system does per second and per unit, each beside a baseline measured in the
# same run. Absolute figures belong to this machine; the ratios carry over.
#
#   CERTIFICATES  per measurement of the issuing server (default 6000)
#   CONNECTIONS   how many at once, a list (default "1 8 64")
#   ONLY_UNITS    1: only the seconds per unit, installations, and what a boot costs
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=$PWD/${BUILD:-build}
LINE=$PWD/build/bench
LINE_PORT=${PORT:-18643}
. scripts/line.bash
. tests/bench/baselines.bash
. tests/bench/unit_times.bash
. tests/bench/install_rate.bash
. tests/bench/gang.bash
CERTIFICATES=${CERTIFICATES:-6000}

for tool in cfssl wrk softhsm2-util jq; do
    command -v "$tool" >/dev/null || { echo "bench: $tool is missing; run make deps" >&2 && exit 1; }
done
trap line_stop_all EXIT

ratio() { # numerator denominator
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'
}

raw_sign_rate() { # threads
    SOFTHSM2_CONF=$LINE/server/softhsm2.conf sign_rate /usr/lib/softhsm/libsofthsm2.so nusec-server \
        "$LINE/server.pin" device-ca "$1" 3 | jq -r .per_second
}

issuing() {
    local raw one_process cfssl result rate
    echo "== certificates per second"
    baseline_prepare
    raw=$(raw_sign_rate 2)
    one_process=$(baseline_openssl_ca)
    cfssl=$(baseline_cfssl)
    printf '%-46s %8s\n' "C_Sign, key of DEVICE CA, 2 threads" "$raw" \
        "cfssl serve (no TLS, no HSM, no database)" "$cfssl" \
        "openssl ca, PKCS#11 engine, process each" "$one_process"
    printf '%-46s %8s %8s %8s %10s %8s %8s\n' "NuSEC server, whole path" "/s" "/ C_Sign" "/ cfssl" \
        "/ openssl" "p50 ms" "p99 ms"
    mkdir -p "$LINE/load"
    issue_load "$LINE_URL" "$NUSEC_PROFILE" "$LINE/load" "$FIRMWARE/devauth.bin" "$CERTIFICATES" ${CONNECTIONS:-1 8 64} |
        while read -r result; do
            rate=$(jq -r .per_second <<<"$result")
            printf '%-46s %8s %8s %8s %10s %8s %8s\n' \
                "  $(jq -r .connections <<<"$result") connections" "$rate" "$(ratio "$rate" "$raw")" \
                "$(ratio "$rate" "$cfssl")" "$(ratio "$rate" "$one_process")" \
                "$(jq -r .p50_ms <<<"$result")" "$(jq -r .p99_ms <<<"$result")"
        done
}

signing() {
    local rates
    echo "== signatures per second with boot keys of devices, one thread"
    rates=$(boot_key_rate "$LINE/server/softhsm2.conf" nusec-server "$LINE/server.pin" 2)
    jq -r '"C_Sign, key of DEVICE CA  \(.plain)",
        "boot key, kept unwrapped  \(.kept)  / C_Sign \(.kept / .plain * 100 | round / 100)",
        "boot key, unwrapped       \(.unwrapped)  / C_Sign \(.unwrapped / .plain * 100 | round / 100)",
        "boot keys made            \(.made)"' <<<"$rates"
}

# What is written down of a step, beside the step. An issuance has four such steps.
recording() {
    local costs
    costs=$(record_cost "$LINE/record.db")
    echo "== ledger and events, microseconds of processor time"
    jq -r '"a reservation \(.step_us), of it ledger entry and event \(.record_us), \(.record_us / .step_us * 100 | round) %"' <<<"$costs"
}

line_create
line_init_server
line_start_server
[ -n "${ONLY_UNITS:-}" ] || { issuing && echo && signing && echo && recording; }
echo
unit_times
echo
gang
echo
install_rates
echo
echo "== instructions and memory of a boot"
boot_bench
