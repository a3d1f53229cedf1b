#!/usr/bin/env bats
# The line runs: sites from a file, chip after chip at each, boards that are swapped, a chip that is
# pulled out, serial numbers, a golden sample, and a handler that drives it all over a socket.
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

# write_sites <name...>: a file of sites; the socket of each is whatever $LINE/NAME links to.
write_sites() {
    local name
    for name in "$@"; do
        jq -n --arg name "$name" --arg dir "$LINE/socket-$name" \
            '{name: $name, debug: "unix:\($dir)/debug", uart: "unix:\($dir)/uart"}'
    done | jq -s '{sites: .}' >"$LINE/sites.json"
    export NUSEC_SITES=$LINE/sites.json
}

# plug <site> <board>: the board, started, into the socket of the site.
plug() {
    native_board "$2"
    ln -sfn "$LINE/$2" "$LINE/socket-$1"
}

# swap_boards <site> <board>: out with it, and a blank one in; a board process that ends is a chip
# that was pulled out.
swap_boards() {
    line_stop "$2"
    rm -f "$LINE/socket-$1"
    plug "$1" "$3"
}

# wait_for <seconds> <text> <file>
wait_for() {
    local since=$SECONDS
    until grep -q -e "$2" "$3"; do
        if [ $((SECONDS - since)) -ge "$1" ]; then cat "$3" && return 1; fi
        sleep 0.02
    done
}

@test "chip after chip at each site until the job is full" {
    local job
    write_sites left right unused
    job=$(import_job 4)
    plug left chip-1
    nusec produce "$job" --sites 2 --continuous >"$LINE/run.txt" 2>&1 3>&- &
    local run=$!
    # the empty socket at the right holds up nobody
    wait_for 30 '^right .*put in a chip' "$LINE/run.txt"
    wait_for 30 '^left .*PASS .*identified' "$LINE/run.txt"
    plug right chip-2
    wait_for 30 '^right .*PASS' "$LINE/run.txt"
    # one made already is not made again: it has to be taken out first
    wait_for 30 '^left .*take out the chip' "$LINE/run.txt"
    swap_boards left chip-1 chip-3
    wait_for 30 'PASS 3   FAIL 0   REMAINING 1' "$LINE/run.txt"
    swap_boards right chip-2 chip-4
    wait "$run"
    grep -q 'PASS 4   FAIL 0   REMAINING 0' "$LINE/run.txt"
    expect_counts "$job" 4 0
    expect 0 nusec job audit "$job"
}

@test "on a terminal there are totals and a line per site, redrawn in place" {
    local job
    job=$(import_job 1)
    native_board shown
    COLUMNS=120 script -qec "stty cols 120; nusec produce $job --board $LINE/shown" "$LINE/terminal.txt" >/dev/null
    grep -q 'PASS 0   FAIL 0   REMAINING 1' "$LINE/terminal.txt"
    grep -q 'shown .*######.* keys' "$LINE/terminal.txt"
    grep -q $'\033\\[2A' "$LINE/terminal.txt"
    grep -q 'shown .*======= PASS ======= identified' "$LINE/terminal.txt"
    grep -q 'PASS 1   FAIL 0   REMAINING 0' "$LINE/terminal.txt"
    script -qec "stty cols 60; nusec job watch $job" "$LINE/watch.txt" >/dev/null
    grep -q '1 of 1 complete' "$LINE/watch.txt"
}

@test "after a power failure it is said what was cut off, and what resumed" {
    local job
    job=$(LINE_FIRMWARE=1 import_job 1)
    native_board cut
    produce_until "$job" bl2_install --board "$LINE/cut"
    line_kill programmer
    line_kill cut
    wait "$produce_pid" || true
    line_start_programmer launcher
    native_board cut
    expect 0 nusec produce "$job" --board "$LINE/cut"
    grep -q '^1 cut off earlier: each goes on where it stopped' <<<"$output"
    grep -q '^cut .*PASS .*resumed where it was cut off' <<<"$output"
    [ "$(report_field "$job" '.counts | "\(.done) \(.remaining) \(.adds_up)"')" = "1 0 true" ]
}

@test "a chip pulled out in mid-unit fails alone" {
    local job
    write_sites left right
    job=$(import_job 2)
    # with the delays of a real flash, so that there is a middle
    line_start_board pulled --native
    ln -sfn "$LINE/pulled" "$LINE/socket-left"
    plug right stays
    nusec produce "$job" --continuous >"$LINE/run.txt" 2>&1 3>&- &
    local run=$!
    wait_for 30 '^left  *keys' "$LINE/run.txt"
    line_kill pulled
    rm -f "$LINE/socket-left"
    wait_for 60 '^left .*FAIL' "$LINE/run.txt"
    wait_for 30 '^right .*PASS' "$LINE/run.txt"
    # another chip in the same socket takes its place
    plug left another
    wait "$run" || [ $? -eq 70 ]
    expect_counts "$job" 2 0
    expect 0 nusec job audit "$job"
}

@test "what stops the line stops every site" {
    local job
    write_sites left
    job=$(import_job 2)
    expect 0 nusec job pause "$job"
    plug left paused
    expect_error 46 job_paused timeout 60 nusec produce "$job" --continuous
    expect_counts "$job" 0 2
    # a line whose operator goes away begins no other unit
    expect 0 nusec job resume "$job"
    nusec produce "$job" --continuous >"$LINE/run.txt" 2>&1 3>&- &
    local run=$!
    wait_for 30 '^left .*PASS' "$LINE/run.txt"
    kill "$run"
    wait "$run" || true
    swap_boards left paused next
    sleep 2
    expect_counts "$job" 1 1
}

@test "a serial number goes with the unit, and belongs to one" {
    local job
    job=$(import_job 2)
    native_board sn-1
    native_board sn-2
    expect 0 nusec produce "$job" --board "$LINE/sn-1" --serial "sn-1=SN 0815"
    [ "$(report_field "$job" '.units[0].serial')" = "SN 0815" ]
    expect_error 2 usage nusec produce "$job" --board "$LINE/sn-2" --serial "other=1"
    expect_error 3 bad_request nusec produce "$job" --board "$LINE/sn-2" --serial "sn-2="
    expect_error 2 usage nusec produce "$job" --board "$LINE/sn-2" --serial "sn-2=1" --continuous
    expect_counts "$job" 1 1
}

@test "the file of sites is read with care" {
    local job
    job=$(import_job 1)
    unset NUSEC_SITES
    expect_error 2 usage nusec produce "$job"
    write_sites left
    expect_error 2 usage nusec produce "$job" --sites 2
    expect_error 2 usage nusec produce "$job" --sites 1 --board "$LINE/x"
    echo '{"sites": [{"name": "left"}]}' >"$LINE/sites.json"
    expect_error 2 usage nusec produce "$job"
    echo '{"sites": [' >"$LINE/sites.json"
    expect_error 2 usage nusec produce "$job"
    expect_error 2 usage nusec produce "$job" --golden --check
    expect_error 2 usage nusec produce "$job" --continuous --dry-run
}

@test "a golden sample shows that a site is good" {
    local job other
    job=$(LINE_FIRMWARE=1 import_job 1)
    other=$(import_job 1)
    native_board golden
    native_board blank
    expect 70 nusec produce "$job" --board "$LINE/golden" --golden --json
    [ "$(jq -r '.[0].code' <<<"$output")" = denied ]
    expect 0 nusec produce "$job" --board "$LINE/golden"
    expect 0 nusec produce "$job" --board "$LINE/golden" --golden --json
    [ "$(jq -r '.[0] | "\(.result) \(.bin) \(.state)"' <<<"$output")" = "PASS 1 golden" ]
    # of another job, a site without power, and nothing is counted by any of it
    expect 70 nusec produce "$other" --board "$LINE/golden" --golden
    line_board_control golden power-cut
    expect 70 nusec produce "$job" --board "$LINE/golden" --golden --json
    [ "$(jq -r '.[0] | "\(.result) \(.bin)"' <<<"$output")" = "FAIL 4" ]
    expect_counts "$other" 0 1
}

# talk <answers> <line...>: sends the lines, and reads until as many lines came back.
talk() {
    local count=$1 line
    shift
    for line in "$@"; do printf '%s\n' "$line" >&"$to_handler"; done
    output=
    while [ "$count" -gt 0 ] && IFS= read -r -t 60 -u "$from_handler" line; do
        output+=$line$'\n'
        count=$((count - 1))
    done
    printf '%s' "$output"
    [ "$count" -eq 0 ]
}

# Joins two pipes to the handler's socket.
connect_handler() {
    coproc handler {
        exec perl -MIO::Socket::UNIX -MIO::Select -e '
            my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
            my $select = IO::Select->new($socket, \*STDIN);
            while (1) {
                for my $ready ($select->can_read) {
                    sysread($ready, my $bytes, 4096) or exit 0;
                    syswrite($ready == $socket ? \*STDOUT : $socket, $bytes);
                }
            }' "$LINE/handler.sock" 3>&-
    }
    # bash closes its own ends as soon as the other side has gone
    exec {from_handler}<&"${handler[0]}" {to_handler}>&"${handler[1]}"
}

@test "a handler drives the sites and sorts the boards" {
    local job
    write_sites A B
    job=$(import_job 2)
    plug A handled
    line_start handler nusec handler "$job" --listen "unix:$LINE/handler.sock"
    line_wait handler 10 grep -q ready "$LINE/log/handler.log"
    connect_handler
    talk 1 HELLO
    [ "$output" = "NUSEC 1 job=$job sites=A,B"$'\n' ]
    talk 2 "START A serial=SN 7"
    grep -q '^OK START A$' <<<"$output"
    grep -q '^RESULT A PASS bin=1 state=identified uid=[0-9A-F]\{32\} step=done code=- seconds=' <<<"$output"
    [ "$(report_field "$job" '.units[0].serial')" = "SN 7" ]
    # the same board again, an empty socket, and requests that are none
    talk 2 "START A"
    grep -q '^RESULT A PASS bin=2 state=already_identified' <<<"$output"
    talk 2 "START B"
    grep -q '^RESULT B FAIL bin=4 state=failed uid=- step=attach code=' <<<"$output"
    talk 2 "GOLDEN A"
    grep -q '^RESULT A PASS bin=1 state=golden' <<<"$output"
    talk 5 "START C" "START" "JUMP" "HELLO you" "START A serial="
    [ "$output" = "ERROR unknown_site C
ERROR unknown_site 
ERROR unknown_command
ERROR bad_request
ERROR bad_request A
" ]
    talk 5 STATUS
    grep -q '^SITE A idle$' <<<"$output"
    grep -q '^OK STATUS passed=2 failed=1$' <<<"$output"
    # a client that goes away stops no unit; the next one can ask for the end
    plug B second
    talk 2 "START B" "START B"
    grep -q '^ERROR busy B$' <<<"$output"
    talk 1 QUIT
    connect_handler
    for _ in $(seq 100); do
        talk 5 STATUS && grep -q '^RESULT B PASS bin=1' <<<"$output" && break
        sleep 0.2
    done
    grep -q '^RESULT B PASS bin=1' <<<"$output"
    expect_counts "$job" 2 0
    # a line that never ends is cut off
    printf 'X%.0s' {1..600} >&"$to_handler"
    talk 1
    [ "$output" = "ERROR too_large"$'\n' ]
    line_stop handler
    [ ! -e "$LINE/handler.sock" ]
    expect_error 2 usage nusec handler "$job" --listen tcp:0.0.0.0:5555
    expect_error 29 unknown_job nusec handler job-none --listen "unix:$LINE/handler.sock"
}
