#!/usr/bin/env bats
# What the import of a package refuses, each with its own code. Count zero inside a signed package
# is in host/package's own tests: the server does not make one.
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

import() {
    nusec package import "$1" "${@:2}"
}

jobs_imported() {
    nusec programmer status --json | jq '.jobs | length'
}

@test "inspect shows what is inside, and not the token" {
    local job
    job=$(line_order native 3)
    expect 0 nusec package inspect "$LINE/$job.package" --json
    [ "$(jq -r '"\(.job_id) \(.count)"' <<<"$output")" = "$job 3" ]
    [[ $output != *token* ]]
    expect 0 nusec package inspect "$LINE/$job.package"
    [[ $output == *"$job"* ]]
}

@test "no package at all" {
    head -c 300 /dev/urandom >"$LINE/noise"
    : >"$LINE/empty"
    local before
    before=$(jobs_imported)
    expect_error 24 bad_package import "$LINE/noise"
    expect_error 24 bad_package import "$LINE/empty"
    [ "$(jobs_imported)" = "$before" ]
}

@test "a byte altered anywhere" {
    local job size offset step before byte
    job=$(line_order native 1)
    size=$(stat -c %s "$LINE/$job.package")
    before=$(jobs_imported)
    step=$((size / 40))
    for ((offset = 0; offset < size; offset += step)); do
        cp "$LINE/$job.package" "$LINE/altered"
        byte=$(xxd -s "$offset" -l 1 -p "$LINE/altered")
        printf '%b' "\\x$(printf %02x $((0x$byte ^ 0x01)))" |
            dd of="$LINE/altered" bs=1 seek="$offset" conv=notrunc status=none
        run import "$LINE/altered" --json
        case $(jq -r .error.code <<<"$output") in
        altered | bad_package | wrong_programmer | wrong_epoch) ;;
        *) echo "byte $offset of $size: $output" && return 1 ;;
        esac
    done
    # Behind the header everything is under the authentication tag.
    [ "$(jq -r .error.code <<<"$output")" = altered ]
    [ "$(jobs_imported)" = "$before" ]
    expect 0 import "$LINE/$job.package"
}

@test "truncated, and with something behind it" {
    local job
    job=$(line_order native 1)
    head -c -1 "$LINE/$job.package" >"$LINE/short"
    expect_error 24 bad_package import "$LINE/short"
    (cat "$LINE/$job.package" && printf 'x') >"$LINE/long"
    expect_error 24 bad_package import "$LINE/long"
}

@test "replayed" {
    local job
    job=$(line_order native 2)
    expect 0 import "$LINE/$job.package"
    expect_error 26 replayed import "$LINE/$job.package"
    [ "$(report_field "$job" .counts.remaining)" = 2 ]
}

@test "an older export of a job that was imported" {
    local job
    job=$(line_order native 1)
    mv "$LINE/$job.package" "$LINE/older"
    nusec job export "$job" --output "$LINE/newer"
    expect 0 import "$LINE/newer"
    expect_error 26 replayed import "$LINE/older"
}

# The floor rises when the programmer forgets an old job to make room; here it is raised by hand.
@test "older than the import floor" {
    local job
    job=$(line_order native 1)
    line_stop programmer
    cp "$LINE/programmer/programmer.json" "$LINE/programmer.json"
    jq '.import_floor = 1000' "$LINE/programmer.json" >"$LINE/programmer/programmer.json"
    line_start_programmer launcher
    expect_error 27 below_floor import "$LINE/$job.package"
    line_stop programmer
    cp "$LINE/programmer.json" "$LINE/programmer/programmer.json"
    line_start_programmer launcher
    expect 0 import "$LINE/$job.package"
}

@test "expired" {
    local job
    job=$(line_order native 1 --expires +2s)
    sleep 3
    expect_error 25 expired import "$LINE/$job.package"
}

@test "an expired job makes nothing" {
    local job
    job=$(import_job 1 --expires +3s)
    native_board late
    sleep 4
    run nusec produce "$job" --board "$LINE/late" --json
    [ "$status" -ne 0 ]
    [[ $output == *expired* ]]
    expect_counts "$job" 0 1
}

@test "count zero is not even ordered" {
    run line_order native 0
    [ "$status" -ne 0 ]
    [[ $output == *count_zero* || $output == *bad_request* ]]
}

@test "for another programmer" {
    local other
    NUSEC_PROGRAMMER=unix:$LINE/other.sock
    mkdir -p "$LINE/other"
    line_start other nusec-programmer run --state "$LINE/other" --socket "$LINE/other.sock" \
        --pin-file "$LINE/programmer.pin" --server "$LINE_URL"
    line_wait other 20 nusec programmer status
    expect 0 nusec programmer prepare --name line-2 --software "$BIN/nusec-programmer" --json
    local job
    job=$(LINE_PROGRAMMER=line-2 line_order native 1)
    expect_error 20 wrong_programmer import "$LINE/$job.package" \
        --programmer "unix:$LINE/programmer.sock"
    expect 0 import "$LINE/$job.package"
    line_stop other
}

@test "a programmer that was not prepared" {
    local job
    job=$(line_order native 1)
    NUSEC_PROGRAMMER=unix:$LINE/blank.sock
    line_start blank nusec-programmer run --state "$LINE/blank" --socket "$LINE/blank.sock" \
        --pin-file "$LINE/programmer.pin" --server "$LINE_URL"
    line_wait blank 20 nusec programmer status
    expect_error 36 not_prepared import "$LINE/$job.package"
    line_stop blank
}

@test "server away: import says so and works later" {
    local job
    job=$(line_order native 1)
    line_stop server
    expect_error 10 offline import "$LINE/$job.package"
    line_start_server
    expect 0 import "$LINE/$job.package"
}

# The server's own data was restored from a copy that is older than the order.
@test "a job the server does not know" {
    local job
    line_stop server
    cp -a "$LINE/server" "$LINE/server.old"
    line_start_server
    job=$(line_order native 1)
    line_stop server
    mv "$LINE/server" "$LINE/server.new"
    cp -a "$LINE/server.old" "$LINE/server"
    line_start_server
    expect_error 29 unknown_job import "$LINE/$job.package"
    line_stop server
    rm -rf "$LINE/server"
    mv "$LINE/server.new" "$LINE/server"
    line_start_server
    expect 0 import "$LINE/$job.package"
}

@test "rotation of the package key" {
    local before after imported epoch
    imported=$(import_job 1)
    before=$(line_order native 1)
    epoch=$(nusec programmer status --json | jq .epoch)
    expect 0 nusec programmer rotate --json
    [ "$(jq .epoch <<<"$output")" = $((epoch + 1)) ]
    [ "$(nusec programmer status --json | jq .epoch)" = $((epoch + 1)) ]
    # a package under the old key is of no use any more, a new one is
    expect_error 21 wrong_epoch nusec package import "$LINE/$before.package"
    expect 0 nusec job export "$before" --output "$LINE/again.package"
    expect 0 nusec package import "$LINE/again.package"
    # what was imported before goes on, also after a restart
    line_stop programmer
    line_start_programmer launcher
    native_board rotated
    expect 0 nusec produce "$imported" --board "$LINE/rotated"
    expect 0 nusec programmer list
    [[ $output == *"KEY AGREED"* ]]
}

@test "a job whose end is moved" {
    local job old new
    job=$(import_job 1 --expires +1d)
    old=$(nusec job show "$job" --json | jq .expires)
    expect_error 3 bad_request nusec job extend "$job" --expires 2020-01-01
    expect 0 nusec job extend "$job" --expires +9d
    new=$(nusec job show "$job" --json | jq .expires)
    [ "$new" -gt "$old" ]
    # the programmer goes by the package it has, until it gets another
    [ "$(nusec programmer status --json | jq --arg job "$job" '.jobs[] | select(.id == $job) | .expires')" = "$old" ]
    expect 0 nusec job export "$job" --output "$LINE/extended.package"
    expect 0 nusec package import "$LINE/extended.package"
    [ "$(nusec programmer status --json | jq --arg job "$job" '.jobs[] | select(.id == $job) | .expires')" = "$new" ]
    native_board extended
    expect 0 nusec produce "$job" --board "$LINE/extended"
}
