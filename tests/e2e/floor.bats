#!/usr/bin/env bats
# A careless or hostile factory floor: the wrong chip in the socket, two targets with one UID, a
# programmer whose clock is wrong. Nothing is counted that was not made, and the operator is told why.
load helpers

setup_file() {
    line_setup
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
}

# The first unit of the last result that did not end well.
failure() {
    jq -rs 'map(.units? // empty) | last | map(select(.code)) | first | .'"$1" <<<"$output"
}

# start_programmer_at <shift of its clock, as faketime has it>
start_programmer_at() {
    local library
    library=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
    [ -f "$library" ]
    line_stop programmer
    FAKETIME=$1 FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD=$library \
        line_start programmer nusec-programmer run --state "$LINE/programmer" \
        --socket "$LINE/programmer.sock" --pin-file "$LINE/programmer.pin" --server "$LINE_URL"
    line_wait programmer 20 nusec programmer status
}

@test "a chip of another type in the socket" {
    local job
    job=$(import_job qemu 1)
    native_board wrong
    expect 70 nusec produce "$job" --board "$LINE/wrong" --json
    [ "$(failure step)" = load ]
    [[ $(failure hint) == *AN505-M23* ]]
    expect_counts "$job" 0 1
}

@test "two targets with one UID are one unit" {
    local job
    job=$(import_job 3)
    native_board twin-1
    line_stop twin-1
    line_copy_board twin-1 twin-2
    native_board twin-1
    native_board twin-2
    expect 70 nusec produce "$job" --board "$LINE/twin-1" --board "$LINE/twin-2" --json
    [ "$(failure code)" = busy ]
    expect_counts "$job" 1 2
    # one after the other: the blank one has the UID of a chip that exists
    expect 70 nusec produce "$job" --board "$LINE/twin-1" --board "$LINE/twin-2" --json
    [ "$(failure code)" = uid_under_other_key ] || [ "$(failure code)" = busy ]
    expect_counts "$job" 1 2
    expect 0 nusec job audit "$job"
}

@test "a programmer whose clock is wrong" {
    local job shift
    job=$(import_job 3)
    native_board clock
    for shift in -1d +4000d; do
        start_programmer_at "$shift"
        # before the ledgers agreed nothing is made, and with such a clock there is no TLS
        expect_error 7 unauthenticated nusec produce "$job" --board "$LINE/clock"
        [[ $output == *clock* ]]
        expect_counts "$job" 0 3
    done
    # back again; nothing of the wrong time stays
    line_stop programmer
    line_start_programmer launcher
    expect 0 nusec produce "$job" --board "$LINE/clock"
    expect_counts "$job" 1 2
    # a day ahead is not the programmer's to judge: the server's time counts
    start_programmer_at +1d
    native_board clock-ahead
    expect 0 nusec produce "$job" --board "$LINE/clock-ahead"
    expect_counts "$job" 2 1
    expect 0 nusec job audit "$job"
}

@test "chips that must not be made, and chips that are tried too often" {
    local job uid
    native_board denied
    # with the delays of a real flash: there has to be time to cut the power after a step
    line_start_board tried --native
    uid=$(line_board_control denied status | grep -o 'uid=[^ ]*' | cut -d= -f2)
    printf 'lot;UID\r\n7;%s\r\n' "$uid" >"$LINE/denied.csv"
    job=$(import_job 2 --deny-file "$LINE/denied.csv" --retries 1)
    expect 70 nusec produce "$job" --board "$LINE/denied" --json
    [ "$(failure code)" = uid_denied ]
    # an attempt that ends before anything is given out, and its one retry
    for _ in 1 2; do
        produce_until "$job" keys --board "$LINE/tried"
        line_board_control tried power-cut
        wait "$produce_pid" || true
        line_board_control tried power-on
    done
    expect 70 nusec produce "$job" --board "$LINE/tried" --json
    [ "$(failure code)" = retry_limit ]
    expect_counts "$job" 0 2
    uid=$(line_board_control tried status | grep -o 'uid=[^ ]*' | cut -d= -f2)
    expect 0 nusec job deny "$job" --uid "$uid"
    expect 70 nusec produce "$job" --board "$LINE/tried" --json
    [ "$(failure code)" = uid_denied ]
    expect 0 nusec job audit "$job"
}

@test "a job is watched to its end" {
    local job
    job=$(import_job 1)
    native_board watched
    nusec job watch "$job" --interval 1 >"$LINE/watch.txt" 3>&- &
    local watcher=$!
    expect 0 nusec produce "$job" --board "$LINE/watched"
    wait "$watcher"
    # one that is closed is over, and short
    job=$(import_job 1)
    expect 0 nusec job close "$job" --yes
    expect 70 timeout 20 nusec job watch "$job" --interval 1
    expect_error 2 usage nusec job watch "$job" --interval 0
    grep -q "0 of 1 complete" "$LINE/watch.txt"
    tail -n 1 "$LINE/watch.txt" | grep -q "1 of 1 complete, 0 failed, 0 remaining"
}

# uid_on <board>: whether its chip has power or not.
uid_on() {
    line_board_control "$1" status | grep -o 'uid=[^ ]*' | cut -d= -f2
}

# break_at <job> <step> <board>: the board loses power there, and its unit stays open.
break_at() {
    produce_until "$1" "$2" --board "$LINE/$3"
    line_board_control "$3" power-cut
    wait "$produce_pid" || true
}

# job_state <job>: at the programmer
job_state() {
    nusec programmer status --json | jq -r --arg id "$1" '.jobs[] | select(.id == $id) | .state'
}

@test "a board that breaks in the middle is scrapped at the line, without network" {
    local job uid
    job=$(LINE_FIRMWARE=1 import_job 2)
    native_board whole
    native_board broken
    expect 0 nusec produce "$job" --board "$LINE/whole" --json
    uid=$(uid_on broken)
    break_at "$job" bl2_install broken
    [ "$(job_state "$job")" = finishing ]
    line_stop server
    expect_error 2 usage nusec scrap "$job" "$uid" --reason cracked
    expect_error 3 bad_request nusec scrap "$job" "$uid" --reason "" --yes
    expect_error 4 not_found nusec scrap "$job" "${uid:0:31}$((1 - ${uid:31} % 2))" --reason x --yes
    expect 0 nusec scrap "$job" "$uid" --reason cracked --yes --json
    jq -e '.state == "scrapped" and .counted and (.reported | not)' <<<"$output"
    line_start_server
    # told when the daemon starts again, and by then nothing is waited for
    line_stop programmer
    line_start_programmer launcher
    for _ in $(seq 50); do
        [ "$(job_state "$job")" = complete ] && break
        sleep 0.1
    done
    [ "$(job_state "$job")" = complete ]
    report_field "$job" '.counts | [.done, .scrapped, .scrapped_counted, .remaining, .adds_up] | join(" ")' |
        grep -qx "1 1 1 0 true"
    [ "$(nusec device show "$uid" --json | jq -r '.unit_state + " " + .certificate_state')" = \
        "scrapped revoked" ]
    nusec job report "$job" --format junit | grep -q 'failures="1"'
    nusec job report "$job" --format csv | grep -q '"scrapped".*"cracked"'
    expect 70 nusec job watch "$job" --interval 1
    [[ $output == *"1 of 2 complete, 0 failed, 1 scrapped, 0 remaining"* ]]
    expect 0 nusec job audit "$job"
    # the one that is complete is not scrapped
    expect_error 61 wrong_state nusec scrap "$job" "$(uid_on whole)" --reason x --yes
    expect_error 61 wrong_state nusec job scrap "$job" "$(uid_on whole)" --reason x --yes
}

@test "a unit the OEM has scrapped goes no further, and its chip is not made again" {
    local job uid
    job=$(LINE_FIRMWARE=1 import_job 2)
    native_board recalled
    uid=$(uid_on recalled)
    break_at "$job" bl2_install recalled
    expect_error 4 not_found nusec job scrap "$job" 00000000000000000000000000000000 --reason x --yes
    expect_error 2 usage nusec job scrap "$job" "$uid" --reason "wrong lot"
    expect 0 nusec job scrap "$job" "$uid" --reason "wrong lot" --yes --json
    jq -e '.state == "scrapped" and .counted and .remaining == 1' <<<"$output"
    line_board_control recalled power-on
    for _ in 1 2; do
        expect 70 nusec produce "$job" --board "$LINE/recalled" --json
        [ "$(failure code)" = unit_scrapped ]
    done
    [ "$(nusec programmer status --json |
        jq -r --arg id "$job" '.jobs[] | select(.id == $id) | [.scrapped, .open, .unreported] | join(" ")')" = "1 0 0" ]
    # nothing was permitted to this one: its count comes back
    native_board blank
    uid=$(uid_on blank)
    break_at "$job" keys blank
    line_board_control blank power-on
    expect 0 nusec scrap "$job" "$uid" --reason "bent pin" --yes --json
    jq -e '.reported and (.counted | not) and .remaining == 1' <<<"$output"
    expect 70 nusec produce "$job" --board "$LINE/blank" --json
    [ "$(failure code)" = unit_scrapped ]
    report_field "$job" '.counts | [.scrapped, .scrapped_counted, .remaining, .adds_up] | join(" ")' |
        grep -qx "2 1 1 true"
    expect 0 nusec job audit "$job"
}
