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

# start_proxy <board> <direction> <action> <number>: on the board's UART, at $LINE/<board>.mitm.
start_proxy() {
    line_start "proxy-$1" mitm_proxy "$LINE/$1.mitm" "$LINE/$1/uart" "$2" "$3" "$4"
    line_wait "proxy-$1" 5 grep -q ready "$LINE/log/proxy-$1.log"
    sites+=(--site "$1=unix:$LINE/$1/debug,unix:$LINE/$1.mitm")
    boards+=(--board "$LINE/$1")
}

# What the proxy of a board counted and did.
stop_proxy() {
    line_stop "proxy-$1"
    tail -n 1 "$LINE/log/proxy-$1.log"
}

# How many packets one unit takes, into $packets_to_device and $packets_to_programmer.
count_packets() {
    native_board count
    start_proxy count to-device pass 0
    expect 0 nusec produce "$1" "${sites[@]}"
    read -r _ packets_to_device _ packets_to_programmer _ <<<"$(stop_proxy count)"
    line_stop count
    [ "$packets_to_device" -ge 20 ]
    [ "$packets_to_programmer" -ge 20 ]
    sites=() boards=()
}

# Two places for each action and direction, all of them spread over the whole unit; a board each.
start_attacks() {
    local direction action total place number index=0 half
    for direction in to-device to-programmer; do
        total=$packets_to_device
        if [ "$direction" = to-programmer ]; then total=$packets_to_programmer; fi
        half=$((total / 2))
        place=0
        for action in $ACTIONS; do
            for number in $((1 + place * half / 9)) $((half + place * half / 9)); do
                index=$((index + 1))
                native_board "m$index"
                start_proxy "m$index" "$direction" "$action" "$number"
                echo "m$index: $action of packet $number $direction"
            done
            place=$((place + 1))
        done
    done
    [ "$index" -eq 36 ]
}

@test "one packet attacked, either direction, from the first to the last" {
    local job index did uid sites=() boards=()
    job=$(import_job 38)
    count_packets "$job"
    start_attacks
    run nusec produce "$job" "${sites[@]}" --json
    for ((index = 1; index <= 36; index++)); do
        did=$(stop_proxy "m$index")
        echo "m$index: $did"
        [[ $did == *"acted "[1-9]* ]]
    done
    # Now a clean cable: whatever was not finished is, and what was is not made again.
    run nusec produce "$job" "${boards[@]}" --json
    echo "$output" | tail -n 1
    expect_counts "$job" 37 1
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$job")
}

@test "every packet of a direction altered: the unit fails and nothing was counted" {
    local job direction
    job=$(import_job 1)
    for direction in to-device to-programmer; do
        local sites=() boards=()
        native_board "flood-$direction"
        start_proxy "flood-$direction" "$direction" flood 1
        run nusec produce "$job" "${sites[@]}" --json
        [ "$status" -ne 0 ]
        [[ $(stop_proxy "flood-$direction") == *"acted "[1-9]* ]]
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
