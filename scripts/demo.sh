#!/usr/bin/env bash
# From blank virtual chips to certified ones, the way an OEM and its factory would do it. Everything
# happens in ./demo, fresh each time, and every process started here ends with the script.
#
#   UNITS   how many chips (default 4)
#   SITES   how many targets the programmer drives at once (default: as many as units, at most 4)
#   BUILD   build folder (default build)
#   DEMO    where to work (default demo)
set -euo pipefail
cd "$(dirname "$0")/.."

UNITS=${UNITS:-4}
SITES=${SITES:-$((UNITS < 4 ? UNITS : 4))}
BUILD=${BUILD:-$PWD/build}
LINE=${DEMO:-$PWD/demo}
. scripts/line.bash

step() {
    printf '\n== %s\n' "$*"
}

fail() {
    echo "demo: $*" >&2
    exit 1
}

# start_boards <first number> <count>: blank boards, and their --board options in $boards.
start_boards() {
    local number
    boards=()
    for ((number = $1 + 1; number <= $1 + $2; number++)); do
        line_start_board "board-$number"
        boards+=(--board "$LINE/board-$number")
    done
}

stop_boards() {
    local option
    for option in "${boards[@]}"; do
        if [ "$option" != --board ]; then line_stop "$(basename "$option")"; fi
    done
}

# Every device certificate, by OpenSSL's strictest reading, against root and DEVICE CA.
check_certificates() {
    local uid chain
    mkdir -p "$LINE/certificates"
    while read -r uid; do
        chain=$LINE/certificates/$uid.chain.pem
        nusec device certificate "$uid" --output "$chain"
        openssl x509 -in "$chain" -out "$LINE/certificates/$uid.pem"
        openssl verify -x509_strict -CAfile "$NUSEC_PROFILE/ca.pem" -untrusted "$chain" \
            "$LINE/certificates/$uid.pem" | sed "s|$LINE/||"
    done < <(nusec device list --job "$1" --state identified --json | jq -r '.devices[].uid')
    local different
    different=$(for chain in "$LINE"/certificates/*.chain.pem; do
        openssl x509 -in "$chain" -noout -pubkey
    done | grep -v -e '-----' | paste -d '' - - | sort -u | wc -l)
    [ "$different" -eq "$UNITS" ] || fail "$different certified keys for $UNITS units"
}

# The request a chip signed itself: OpenSSL checks the proof of possession.
check_request() {
    local uid
    uid=$(nusec device list --job "$1" --json | jq -r '.devices[0].uid')
    nusec device certificate "$uid" --csr --output "$LINE/certificates/$uid.csr"
    # its exit status is 0 even when it refuses
    openssl req -verify -noout -in "$LINE/certificates/$uid.csr" 2>&1 | grep 'verify OK' | sed "s|^|request of $uid: |"
}

# One board more than was ordered.
check_job_is_full() {
    local answer status=0
    start_boards "$UNITS" 1
    answer=$(nusec produce "$1" "${boards[@]}" --json) || status=$?
    stop_boards
    grep -q job_full <<<"$answer" || fail "unit $((UNITS + 1)) was not refused: $answer"
    [ "$status" -ne 0 ] || fail "unit $((UNITS + 1)) was refused with exit code 0"
    echo "unit $((UNITS + 1)) of $UNITS: refused, job_full"
}

if [ "$UNITS" -lt 1 ] || [ "$SITES" -lt 1 ]; then fail "UNITS and SITES are at least 1"; fi
trap line_stop_all EXIT
trap 'exit 130' INT TERM
line_create

step "OEM: server with root, two CAs and authority keys"
line_init_server
line_start_server
nusec whoami

step "OEM, trusted room: prepare the programmer, restart it under its launcher"
line_start_programmer
line_prepare
nusec programmer status

step "OEM: firmware, job for $UNITS units, encrypted package"
job=$(line_order qemu "$UNITS")
nusec job show "$job"

step "CM: import the package"
nusec package import "$LINE/$job.package"

step "CM: make $UNITS units, $SITES at a time"
for ((made = 0; made < UNITS; made += batch)); do
    batch=$((UNITS - made < SITES ? UNITS - made : SITES))
    start_boards "$made" "$batch"
    nusec produce "$job" "${boards[@]}"
    stop_boards
done

step "Checks"
check_certificates "$job"
check_request "$job"
check_job_is_full "$job"

step "OEM: status report"
nusec job report "$job"
echo
nusec device list --job "$job"
echo
echo "$UNITS certified virtual chips in $SECONDS s; everything is in ${LINE#"$PWD"/}/"
