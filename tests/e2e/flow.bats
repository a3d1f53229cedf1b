#!/usr/bin/env bats
# The identity flow and its accounting: four units ordered, on native boards and one under QEMU.
load helpers

setup_file() {
    line_setup
    job=$(import_job 4)
    export job
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
}

@test "a chip under QEMU becomes certified" {
    local emulated
    emulated=$(import_job qemu 1)
    line_start_board qemu-1
    expect 0 nusec produce "$emulated" --board "$LINE/qemu-1"
    expect_counts "$emulated" 1 0
    expect_certified "$(uids_of "$emulated")"
}

@test "three native chips at once become certified" {
    native_board native-0
    native_board native-1
    native_board native-2
    expect 0 nusec produce "$job" --board "$LINE/native-0" --board "$LINE/native-1" \
        --board "$LINE/native-2" --json
    [ "$(jq -r 'select(.identified) | .identified' <<<"$output")" = 3 ]
    expect_counts "$job" 3 1
    local uid
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$job")
}

@test "a finished chip is not made again and does not count again" {
    run nusec produce "$job" --board "$LINE/native-1" --json
    expect_counts "$job" 3 1
}

@test "the fourth unit is the last: a fifth is refused with job_full" {
    native_board native-3
    native_board native-4
    expect 0 nusec produce "$job" --board "$LINE/native-3"
    expect_counts "$job" 4 0
    run nusec produce "$job" --board "$LINE/native-4" --json
    [ "$status" -ne 0 ]
    [[ $output == *job_full* ]]
    expect_counts "$job" 4 0
}

@test "the chip that was refused can still be made for another job" {
    local other
    other=$(import_job 1)
    expect 0 nusec produce "$other" --board "$LINE/native-4"
    expect_counts "$other" 1 0
}

@test "a certified chip is refused by another job and the attempt is recorded" {
    local other
    other=$(import_job 1)
    run nusec produce "$other" --board "$LINE/native-1" --json
    [ "$status" -ne 0 ]
    expect_counts "$other" 0 1
}

@test "a UID under another key is refused and flagged" {
    local other uid
    uid=$(uids_of "$job" | head -n 1)
    other=$(import_job 1)
    native_board forged --uid "$uid"
    run nusec produce "$other" --board "$LINE/forged" --json
    [ "$status" -ne 0 ]
    [[ $output == *uid_under_other_key* ]]
    expect_counts "$other" 0 1
    expect_certified "$uid"
}

@test "only chips of the UID list are made" {
    local other listed=00112233445566778899AABBCCDDEEFF
    other=$(import_job 2 --uid "$listed")
    native_board unlisted
    native_board listed --uid "$listed"
    run nusec produce "$other" --board "$LINE/unlisted" --json
    [ "$status" -ne 0 ]
    [[ $output == *uid_not_listed* ]]
    expect_counts "$other" 0 2
    expect 0 nusec produce "$other" --board "$LINE/listed"
    expect_counts "$other" 1 1
    expect_certified "$listed"
}

@test "a paused job makes nothing until it is resumed, a closed one never again" {
    local other
    other=$(import_job 2)
    native_board held
    expect 0 nusec job pause "$other" --reason "line audit"
    run nusec produce "$other" --board "$LINE/held" --json
    [ "$status" -ne 0 ]
    [[ $output == *job_paused* ]]
    expect_counts "$other" 0 2
    expect 0 nusec job resume "$other"
    expect 0 nusec produce "$other" --board "$LINE/held"
    expect_counts "$other" 1 1
    expect 2 nusec job close "$other" </dev/null
    expect 0 nusec job close "$other" --yes
    native_board late
    run nusec produce "$other" --board "$LINE/late" --json
    [ "$status" -ne 0 ]
    [[ $output == *job_closed* ]]
    [ "$(nusec job show "$other" --json | jq -r '"\(.state) \(.used) \(.remaining) \(.recalled)"')" = \
        "closed 1 0 1" ]
    expect 30 nusec job resume "$other"
    # The report in its other formats says the same.
    [ "$(nusec job report "$other" --format csv | tail -n +2 | cut -d, -f3)" = '"identified"' ]
    nusec job report "$other" --format junit >"$LINE/report.xml"
    grep -q 'tests="1" failures="0" skipped="0"' "$LINE/report.xml"
    grep -q '<property name="recalled" value="1"/>' "$LINE/report.xml"
    run nusec job report "$other" --format pdf
    [ "$status" -eq 2 ]
}

@test "two jobs at once keep their counts apart" {
    local a b
    a=$(import_job 1)
    b=$(import_job 1)
    native_board job-a
    native_board job-b
    nusec produce "$a" --board "$LINE/job-a" >/dev/null 3>&- &
    expect 0 nusec produce "$b" --board "$LINE/job-b"
    wait $!
    expect_counts "$a" 1 0
    expect_counts "$b" 1 0
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

@test "a revoked chip is listed as revoked" {
    local uid
    uid=$(uids_of "$job" | head -n 1)
    expect 2 nusec device revoke "$uid" --reason "test" </dev/null # nobody to ask
    expect 0 nusec device revoke "$uid" --reason "test" --yes
    [ "$(nusec device show "$uid" --json | jq -r .certificate_state)" = revoked ]
    expect 0 nusec device list
    [[ $output == ID*"PUB KEY"*"SECURE BOOT KEY"*"REVOKE CERT"* ]]
    expect_error 4 not_found nusec device show FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF
}

@test "every listing is one JSON document" {
    local command
    for command in whoami "programmer list" "firmware list" "job list" "job report $job" \
        "job show $job" "device list" "programmer status"; do
        # shellcheck disable=SC2086
        expect 0 nusec $command --json
        jq -e 'type == "object"' <<<"$output" >/dev/null
    done
}

@test "the launcher refuses software that is not what was signed" {
    line_stop programmer
    cp "$BIN/nusec-programmer" "$LINE/nusec-programmer"
    printf 'x' >>"$LINE/nusec-programmer"
    run timeout 10 nusec-programmer-launcher --state "$LINE/programmer" \
        --program "$LINE/nusec-programmer" -- run --state "$LINE/programmer" --socket "$LINE/programmer.sock" \
        --pin-file "$LINE/programmer.pin" --server "$LINE_URL"
    [ "$status" -eq 54 ]
    line_start_programmer launcher
    expect_counts "$job" 4 0
}

@test "a revoked programmer gets nothing more" {
    local other id
    other=$(import_job 1)
    id=$(nusec programmer list --json | jq -r '.programmers[0].id')
    expect 2 nusec programmer revoke "$id" </dev/null # nobody to ask
    expect 0 nusec programmer revoke "$id" --reason "test" --yes --json
    [ "$(jq -r --arg job "$job" '.jobs[] | select(.job_id == $job) | .units.identified' <<<"$output")" = \
        "$(report_field "$job" .counts.identified)" ]
    [ "$(jq -r '.uids | length' <<<"$output")" -gt 0 ]
    [ "$(jq -r .state <<<"$output")" = revoked ]
    native_board too-late
    run nusec produce "$other" --board "$LINE/too-late" --json
    [ "$status" -ne 0 ]
    expect_counts "$other" 0 1
}

@test "the benchmark's load still works: certificates for chips that are none" {
    mkdir -p "$LINE/load"
    expect 0 issue_load "$LINE_URL" "$NUSEC_PROFILE" "$LINE/load" "$FIRMWARE/devauth.bin" 20 2
    [ "$(jq -r '.per_second > 0' <<<"$output")" = true ]
}
