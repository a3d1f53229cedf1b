#!/usr/bin/env bash
# From blank virtual chips to certified ones that run the OEM's application behind secure boot, with
# the debug port locked, the way an OEM and its factory would do it. Everything happens in ./demo,
# fresh each time, and every process started here ends with the script.
#
#   UNITS   how many chips (default 4)
#   SITES   sockets of the line, each going on by itself (default: as many as units, at most 4)
#   BUILD   build folder (default build)
#   DEMO    where to work (default demo)
set -euo pipefail
cd "$(dirname "$0")/.."

UNITS=${UNITS:-4}
SITES=${SITES:-$((UNITS < 4 ? UNITS : 4))}
BUILD=${BUILD:-$PWD/build}
LINE=${DEMO:-$PWD/demo}
export LINE_FIRMWARE=1 # jobs install bootloader and application
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

# A file of sites; what is in the socket of each is what $LINE/socket-N leads to.
write_sites() {
    local site
    for ((site = 1; site <= SITES; site++)); do
        jq -n --arg name "site-$site" --arg dir "$LINE/socket-$site" \
            '{name: $name, debug: "unix:\($dir)/debug", uart: "unix:\($dir)/uart"}'
    done | jq -s '{sites: .}' >"$LINE/sites.json"
    export NUSEC_SITES=$LINE/sites.json
}

# plug <site> <number of the board>: a blank one, into an empty socket.
plug() {
    line_start_board "board-$2"
    ln -sfn "$LINE/board-$2" "$LINE/socket-$1"
}

# The hands of the line, until no blank board is left: takes out what is done, puts the next one in.
operate() { # job
    local next=$((SITES + 1)) site made
    local -a taken=() inside=()
    for ((site = 1; site <= SITES; site++)); do inside[site]=$site taken[site]=0; done
    while [ "$next" -le "$UNITS" ]; do
        for ((site = 1; site <= SITES && next <= UNITS; site++)); do
            made=$(nusec job report "$1" --json | jq --arg site "site-$site" \
                '[.units[] | select(.state == "done" and .site == $site)] | length')
            if [ "$made" -gt "${taken[site]}" ]; then
                line_stop "board-${inside[site]}"
                rm -f "$LINE/socket-$site"
                plug "$site" "$next"
                inside[site]=$next taken[site]=$made
                next=$((next + 1))
            fi
        done
        sleep 0.5
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
    done < <(nusec device list --job "$1" --state=done --json | jq -r '.devices[].uid')
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

# Cold start of every chip: it boots its application, nobody attaches to its debug port, and what it
# measures then is what the server recorded when the unit was done.
check_boots() {
    local number shown
    for ((number = 1; number <= UNITS; number++)); do
        line_start_board "board-$number"
        shown=$(nusec chip show --board "$LINE/board-$number" --compare --json) ||
            fail "board-$number: $shown"
        jq -e '.stage == "application" and .chain == "verified" and .measured.life_cycle == "secured"
            and (.measured.flags | index("debug_locked"))' <<<"$shown" >/dev/null ||
            fail "board-$number does not run its application with debug locked: $shown"
        # the job is complete, so the check as a whole fails
        { nusec produce "$1" --board "$LINE/board-$number" --check --json || true; } |
            jq -e '.sites[0].debug.state == "refused"' >/dev/null ||
            fail "board-$number: the debug port is not refused"
        jq -r '"chip \(.uid): \(.stage) \(.measured.bl3.version) runs, debug refused, measurements as recorded"' \
            <<<"$shown"
        line_stop "board-$number"
    done
}

# The same chip from both sides: what the server knows, what the chip says.
show_one() {
    local uid
    line_start_board board-1
    uid=$(nusec chip show --board "$LINE/board-1" --json | jq -r .uid)
    nusec device show "$uid"
    printf '\n-- the chip itself\n\n'
    nusec chip show --board "$LINE/board-1" --compare
    line_stop board-1
}

# A chip that is done is not made again: its own job is complete, and another job is refused.
check_no_second_time() {
    local answer status=0 other
    other=$(line_order qemu 1) && nusec package import "$LINE/$other.package" >/dev/null
    line_start_board board-1
    answer=$(nusec produce "$1" --board "$LINE/board-1" --json) || status=$?
    grep -q job_full <<<"$answer" || fail "a done chip was made again: $answer"
    echo "the same flash again: refused, job_full"
    status=0
    answer=$(nusec produce "$other" --board "$LINE/board-1" --json) || status=$?
    answer=$(tail -n 1 <<<"$answer")
    jq -e '.units[0].state == "failed" and .remaining == 1' <<<"$answer" >/dev/null ||
        fail "another job took a done chip: $answer"
    [ "$status" -ne 0 ] || fail "another job took a done chip with exit code 0"
    echo "the same flash under another job: $(jq -r '.units[0].reason' <<<"$answer")"
    line_stop board-1
}

# A byte of the image in flash changed, as with a programmer that got at the flash chip.
check_tampered() { # name offset decision stage
    local copy=tampered-$1
    line_copy_board board-1 "$copy"
    line_tamper "$copy" "$2"
    line_start_board "$copy"
    line_wait "$copy" 30 nusec chip show --board "$LINE/$copy"
    line_boot_log "$copy" | grep -qx "$3" || fail "$copy: $(line_boot_log "$copy")"
    nusec chip show --board "$LINE/$copy" --json | jq -e --arg stage "$4" '.stage == $stage' >/dev/null ||
        fail "$copy started an image that was changed"
    echo "a changed byte in $1: boot log says $3, the chip stays in its $4"
    line_stop "$copy"
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
if [ "$SITES" -gt "$UNITS" ]; then SITES=$UNITS; fi
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

step "CM: make $UNITS units, the line runs at $SITES sites"
write_sites
for ((site = 1; site <= SITES; site++)); do plug "$site" "$site"; done
operate "$job" &
operator=$!
# a unit that fails leaves its board in and the job short: not for ever
timeout $((120 + 60 * UNITS)) nusec produce "$job" --continuous || fail "the line did not finish its job"
kill "$operator" 2>/dev/null || true
wait "$operator" 2>/dev/null || true
for ((number = 1; number <= UNITS; number++)); do line_stop "board-$number"; done

step "Checks: identities"
check_certificates "$job"
check_request "$job"
check_job_is_full "$job"

step "Checks: every chip boots its application from power-on"
check_boots "$job"

step "Checks: no second time, and no changed image"
check_no_second_time "$job"
check_tampered BL3 $((LINE_BL3_OFFSET + 0x410)) primary=hash bootloader
check_tampered BL2 $((LINE_BL2_OFFSET + 0x410)) bl2=hash boot_rom

step "One chip from both sides"
show_one

step "OEM: status report"
nusec job report "$job"
echo
nusec device list --job "$job"
echo
echo "$UNITS virtual chips with an identity, secure boot and a locked debug port in $SECONDS s; everything is in ${LINE#"$PWD"/}/"
