#!/usr/bin/env bats
# A man in the middle on the UART (tests/mitm_proxy.c). Whatever it does to one packet, the unit
# ends certified with the chip's own key, or fails; afterwards, on a clean cable, the same chip can be
# made. Never is there a certificate for anything else, and nothing counts twice.
load helpers

ACTIONS="flip drop repeat replay substitute truncate noise break hang-up"

setup_file() {
    line_setup
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
}

# with_proxy <board> <direction> <action> <number> <job>: one attempt through the proxy; what the
# proxy did is in $proxy, the exit code of the attempt in $status.
with_proxy() {
    : >"$LINE/log/proxy.log"
    line_start proxy mitm_proxy "$LINE/mitm" "$LINE/$1/uart" "$2" "$3" "$4"
    line_wait proxy 5 grep -q ready "$LINE/log/proxy.log"
    run timeout 120 nusec produce "$5" \
        --site "$1=unix:$LINE/$1/debug,unix:$LINE/mitm" --json
    line_stop proxy
    proxy=$(tail -n 1 "$LINE/log/proxy.log")
}

# attack <job> <board> <direction> <action> <number>: the attempt, then a clean one.
attack() {
    native_board "$2"
    with_proxy "$2" "$3" "$4" "$5" "$1"
    if [[ $proxy != *"acted "[1-9]* ]]; then
        echo "$4 of packet $5 $3 never happened: $proxy"
        return 1
    fi
    if [ "$status" -ne 0 ]; then
        expect 0 nusec produce "$1" --board "$LINE/$2"
    fi
    line_stop "$2"
}

# How many packets one unit takes, into $packets_to_device and $packets_to_programmer.
count_packets() {
    native_board "$2"
    with_proxy "$2" to-device pass 0 "$1"
    [ "$status" -eq 0 ]
    line_stop "$2"
    read -r _ packets_to_device _ packets_to_programmer _ <<<"$proxy"
    [ "$packets_to_device" -ge 20 ]
    [ "$packets_to_programmer" -ge 20 ]
}

@test "one packet attacked, either direction, from the first to the last" {
    local job count=0 made action direction total number
    job=$(import_job 37)
    count_packets "$job" count
    made=1
    for direction in to-device to-programmer; do
        total=$packets_to_device
        if [ "$direction" = to-programmer ]; then total=$packets_to_programmer; fi
        for action in $ACTIONS; do
            # Two places for each action, all of them spread over the whole unit.
            for number in $((1 + count * (total / 2) / 9 % total)) \
                $((total / 2 + count * (total / 2) / 9 % (total / 2))); do
                attack "$job" "m$made" "$direction" "$action" "$number"
                made=$((made + 1))
                expect_counts "$job" "$made" $((37 - made))
            done
            count=$((count + 1))
        done
        count=0
    done
    local uid
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$job")
}

@test "every packet of a direction altered: the unit fails and nothing was counted" {
    local job direction
    job=$(import_job 1)
    for direction in to-device to-programmer; do
        native_board "flood-$direction"
        with_proxy "flood-$direction" "$direction" flood 1 "$job"
        [ "$status" -ne 0 ]
        line_stop "flood-$direction"
        expect_counts "$job" 0 1
    done
}

@test "two chips behind each other's cable: neither gets the other's identity" {
    local job
    job=$(import_job 2)
    native_board swap-1
    native_board swap-2
    run nusec produce "$job" --json \
        --site "a=unix:$LINE/swap-1/debug,unix:$LINE/swap-2/uart"
    [ "$status" -ne 0 ]
    expect_counts "$job" 0 2
    expect 0 nusec produce "$job" --board "$LINE/swap-1" --board "$LINE/swap-2"
    expect_counts "$job" 2 0
}
