#!/usr/bin/env bats
# Programs that die, a server that goes away, boards that lose power: afterwards nothing is lost and
# nothing counted twice.
load helpers

STEPS="session reserve keys csr certificate install verify root_hash confirm"

setup_file() {
    line_setup
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
}

# Ends a run that was interrupted, then makes the same board again.
finish_unit() { # job board
    wait "$produce_pid" 2>/dev/null || true
    expect 0 nusec produce "$1" --board "$LINE/$2"
}

@test "SIGKILL of the programmer at every step" {
    local job step made=0
    job=$(import_job 10)
    for step in $STEPS; do
        native_board "board-$step"
        produce_until "$job" "$step" --board "$LINE/board-$step"
        line_kill programmer
        line_start_programmer launcher
        finish_unit "$job" "board-$step"
        line_stop "board-$step"
        made=$((made + 1))
        expect_counts "$job" "$made" $((10 - made))
    done
    local uid
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$job")
}

@test "SIGKILL of the server at every step it takes part in" {
    local job step made=0
    job=$(import_job 7)
    for step in reserve csr certificate install root_hash confirm; do
        native_board "board-s-$step"
        produce_until "$job" "$step" --board "$LINE/board-s-$step"
        line_kill server
        sleep 0.3
        line_start_server
        finish_unit "$job" "board-s-$step"
        line_stop "board-s-$step"
        made=$((made + 1))
        expect_counts "$job" "$made" $((7 - made))
    done
}

# Nine chips at once, each cut at a step of its own: recovery takes its time, and they share it.
@test "power cut of the chip at every step" {
    local job step since=$SECONDS boards=() left=$STEPS
    job=$(import_job 10)
    for step in $STEPS; do
        native_board "cut-$step"
        boards+=(--board "$LINE/cut-$step")
    done
    produce_until "$job" session "${boards[@]}"
    while [ -n "${left// /}" ]; do
        [ $((SECONDS - since)) -lt 60 ]
        for step in $left; do
            if grep "\"site\": *\"cut-$step\"" "$LINE/produce.json" |
                grep -q "\"state\": *\"$step\""; then
                line_board_control "cut-$step" power-cut
                line_board_control "cut-$step" power-on
                left=${left/$step/}
            fi
        done
    done
    wait "$produce_pid" || true
    run nusec produce "$job" "${boards[@]}" --json
    for step in $STEPS; do line_stop "cut-$step"; done
    expect_counts "$job" 9 1
    local uid
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$job")
}

@test "the tool on the desk dies: the unit goes on or is made again" {
    local job
    job=$(import_job 1)
    native_board board-desk
    produce_until "$job" keys --board "$LINE/board-desk"
    kill -KILL "$produce_pid"
    wait "$produce_pid" 2>/dev/null || true
    local since=$SECONDS
    until [ "$(report_field "$job" .counts.identified)" = 1 ]; do
        [ $((SECONDS - since)) -lt 60 ]
        run nusec produce "$job" --board "$LINE/board-desk"
        sleep 0.5
    done
    expect_counts "$job" 1 0
}

@test "a board that is not there fails alone" {
    local job
    job=$(import_job 2)
    native_board board-here
    expect 70 nusec produce "$job" --board "$LINE/board-here" --board "$LINE/nowhere" --json
    [ "$(jq -rs 'last | "\(.identified) \(.failed)"' <<<"$output")" = "1 1" ]
    expect_counts "$job" 1 1
}

# restart_programmer_with <directory>: as its state directory, the old one is gone.
restart_programmer_with() {
    line_stop programmer
    rm -rf "$LINE/programmer"
    cp -a "$1" "$LINE/programmer"
    line_start_programmer launcher
}

@test "an older copy of the programmer's disk is named, and a second programmer with a copy" {
    local job
    job=$(import_job 3)
    native_board board-l1
    native_board board-l2
    line_stop programmer
    cp -a "$LINE/programmer" "$LINE/programmer.old"
    line_start_programmer launcher
    expect 0 nusec produce "$job" --board "$LINE/board-l1"
    line_stop programmer
    cp -a "$LINE/programmer" "$LINE/programmer.new"
    restart_programmer_with "$LINE/programmer.old"
    expect_error 57 programmer_rolled_back nusec produce "$job" --board "$LINE/board-l2"
    expect_counts "$job" 1 2
    # the one that was copied is told as well
    restart_programmer_with "$LINE/programmer.new"
    run nusec produce "$job" --board "$LINE/board-l2" --json
    [ "$status" -ne 0 ]
    [ "$(report_field "$job" .job.state)" = stopped ]
    expect_counts "$job" 1 2
}

@test "an older copy of the server's database is named" {
    local job
    job=$(import_job 3)
    native_board board-d1
    native_board board-d2
    line_stop server
    cp -a "$LINE/server" "$LINE/server.old"
    line_start_server
    expect 0 nusec produce "$job" --board "$LINE/board-d1"
    line_stop server
    rm -rf "$LINE/server"
    mv "$LINE/server.old" "$LINE/server"
    line_start_server
    line_stop programmer
    line_start_programmer launcher
    expect_error 58 server_rolled_back nusec produce "$job" --board "$LINE/board-d2"
    [ "$(report_field "$job" .job.state)" = stopped ]
}
