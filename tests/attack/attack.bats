#!/usr/bin/env bats
# The men in the middle of this folder against the whole line: server, programmer, boards. Whatever
# they do to a message or to the debug port, a unit ends refused, with the step it ended at, or
# certified with the key that is in that chip's flash; what is not made is not counted; and on clean
# cables the same chips are made.
load ../e2e/helpers

UART_KINDS="flip-begin flip-middle flip-end truncate extend drop delay replay error oversized \
out-of-order take-over"
# lib/board/board_file.h
OTP_ROOT_HASH=$((0x100000)) OTP_PROVISIONED=$((0x100000 + 32 * 8)) AUTH_PUBLIC=$((0x102000 + 32))
UID_AT=$((0x110010))
IMAGE=$((0x38100000)) PARAMETERS=$((0x38120000)) MAILBOX=$((0x38122000))

setup_file() {
    line_setup
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
    sites=() boards=() names=()
}

# flash_of <board> <offset> <size>: hexadecimal.
flash_of() {
    xxd -s "$2" -l "$3" -p -c 64 "$LINE/$1/flash.img"
}

# start_site <name> uart|debug <attack...>: a blank board with one cable tapped by attack_proxy, whose
# socket is $LINE/<name>.middle.
start_site() {
    local name=$1 cable=$2
    native_board "$name"
    line_start "proxy-$name" attack_proxy "$LINE/$name.middle" "$LINE/$name/$cable" "${@:2}"
    line_wait "proxy-$name" 5 grep -q ready "$LINE/log/proxy-$name.log"
    case $cable in
    uart) sites+=(--site "$name=unix:$LINE/$name/debug,unix:$LINE/$name.middle") ;;
    debug) sites+=(--site "$name=unix:$LINE/$name.middle,unix:$LINE/$name/uart") ;;
    esac
    boards+=(--board "$LINE/$name")
    names+=("$name")
    echo "$name: ${*:2}"
}

stop_proxy() {
    line_stop "proxy-$1"
    tail -n 1 "$LINE/log/proxy-$1.log"
}

# Every proxy did something to what passed through it.
stop_proxies() {
    local name did
    for name in "${names[@]}"; do
        did=$(stop_proxy "$name")
        echo "$name: $did"
        [[ $did == *"changed "[1-9]* ]] || return 1
    done
}

# A unit that did not end well says where and why; at least one did not.
expect_reasons() {
    jq -rs 'map(select(.units)) | last | .units[] | select(.state != "identified")
        | "\(.site) \(.state) at \(.step): \(.code), \(.reason)"' <<<"$output" >"$LINE/reasons"
    cat "$LINE/reasons"
    [ -s "$LINE/reasons" ] && ! grep -qE 'null|at :' "$LINE/reasons"
}

# expect_truth <board>: a provisioned chip has our root, and the certificate on record is for the
# key in its flash; a chip that is not provisioned is not identified.
expect_truth() {
    local uid row root
    uid=$(flash_of "$1" "$UID_AT" 16 | tr a-f A-F)
    row=$(nusec device show "$uid" --json 2>/dev/null) || row='{}'
    if [ "$(flash_of "$1" "$OTP_PROVISIONED" 8)" = "$(printf NSECOTP1 | xxd -p)" ]; then
        root=$(openssl x509 -in "$NUSEC_PROFILE/ca.pem" -outform DER | sha256sum | cut -d ' ' -f 1)
        [ "$(flash_of "$1" "$OTP_ROOT_HASH" 32)" = "$root" ] || { echo "$1: another root" && return 1; }
        [ "$(jq -r .auth_public_key_hex <<<"$row")" = "$(flash_of "$1" "$AUTH_PUBLIC" 64)" ] ||
            { echo "$1: certificate for another key: $row" && return 1; }
    elif [ "$(jq -r .unit_state <<<"$row")" = identified ]; then
        echo "$1: identified, but its chip is blank" && return 1
    fi
}

# ... and the job's numbers say the same.
expect_truths() {
    local name
    for name in "${names[@]}"; do expect_truth "$name" || return 1; done
    report_field "$1" '.counts | "\(.identified) identified, \(.reserved) open, \(.remaining) remain"'
    [ "$(report_field "$1" '.counts | .ordered == .identified + .reserved + .remaining')" = true ]
}

# finish <job> <count>: clean cables; then every board's chip is identified, once.
finish() {
    run nusec produce "$1" "${boards[@]}" --json
    echo "$output" | tail -n 1
    expect_counts "$1" "$2" 0
    expect_truths "$1"
    local uid
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$1")
}

# Messages of a good run, and its recording, of another chip of the same job.
record() {
    native_board record
    line_start proxy-record attack_proxy "$LINE/record.middle" "$LINE/record/uart" uart to-device \
        pass 0 "$LINE/recording"
    line_wait proxy-record 5 grep -q ready "$LINE/log/proxy-record.log"
    expect 0 nusec produce "$1" --site "record=unix:$LINE/record/debug,unix:$LINE/record.middle"
    read -r _ to_device _ to_programmer _ <<<"$(stop_proxy record)"
    line_stop record
    echo "$to_device messages to the device, $to_programmer to the programmer"
    [ "$to_device" -ge 20 ] && [ "$to_device" -eq "$to_programmer" ]
}

@test "one message attacked, either direction, from the first to the last" {
    local job direction kind number index=0
    job=$(import_job 25)
    record "$job"
    for direction in to-device to-programmer; do
        for kind in $UART_KINDS; do
            # Spread over the whole unit.
            number=$((1 + (index * 13 % 24) * to_device / 24))
            index=$((index + 1))
            start_site "m$index" uart "$direction" "$kind" "$number" "$LINE/recording"
        done
    done
    [ "$index" -eq 24 ]
    run nusec produce "$job" "${sites[@]}" --json
    stop_proxies
    expect_reasons
    expect_truths "$job"
    finish "$job" 25
}

@test "the debug cable: image, root, programmer, mailbox, and every request" {
    local job root_size index kind packet lie=alter-and-lie
    root_size=$(openssl x509 -in "$NUSEC_PROFILE/ca.pem" -outform DER | wc -c)
    job=$(import_job 27)
    for kind in alter-write alter-read swap drop; do
        start_site "image-$kind" debug "$kind" $((IMAGE + 70)) 0x01 0
        start_site "root-$kind" debug "$kind" $((PARAMETERS + 16 + 150)) 0x01 0
    done
    start_site root-lie debug "$lie" $((PARAMETERS + 16 + 150)) 0x01 0
    start_site requester-lie debug "$lie" $((PARAMETERS + 16 + root_size + 150)) 0x01 0
    start_site mailbox-lie debug "$lie" $((MAILBOX + 20)) 0x80 0
    for ((packet = 1; packet <= 16; packet++)); do
        index=$((packet % 3))
        kind=(close refuse garbage)
        start_site "p$packet" debug "${kind[index]}" 0 0 "$packet"
    done
    [ "${#names[@]}" -eq 27 ]
    run nusec produce "$job" "${sites[@]}" --json
    [ "$status" -ne 0 ]
    stop_proxies
    expect_reasons
    expect_truths "$job"
    finish "$job" 27
}
