#!/usr/bin/env bats
# Power that goes away in the middle of a flash or OTP operation. One unit is made to count its
# operations; then each of many boards is torn at another one, all over the unit and densely where the
# root hash goes to OTP. On the next run every chip is finished with the identity it has, or made
# again, and counts once.
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

board_status() { # board field
    line_board_control "$1" status | grep -o "$2=[^ ]*" | cut -d= -f2
}

# Operation numbers to tear: 8 over the whole unit, then every third of the last 42, which are OTP.
places() { # total
    local i
    for i in 0 1 2 3 4 5 6 7; do echo $((1 + i * ($1 - 43) / 7)); done
    for ((i = $1 - 41; i <= $1; i += 3)); do echo "$i"; done
    echo "$1"
}

@test "an operation torn anywhere" {
    local job total place torn=0 boards=() names=()
    job=$(import_job 30)
    native_board whole
    expect 0 nusec produce "$job" --board "$LINE/whole"
    total=$(board_status whole operations)
    [ "$total" -gt 100 ]
    line_stop whole
    for place in $(places "$total"); do
        native_board "torn-$place"
        line_board_control "torn-$place" "tear $place"
        names+=("torn-$place")
        boards+=(--board "$LINE/torn-$place")
    done
    run nusec produce "$job" "${boards[@]}"
    for place in "${names[@]}"; do
        # the last places may be behind the end of a unit whose certificate is a byte shorter
        if [ "$(board_status "$place" torn)" = 1 ]; then torn=$((torn + 1)); fi
        line_board_control "$place" power-on
    done
    [ "$torn" -ge $((${#names[@]} - 2)) ]
    expect 0 nusec produce "$job" "${boards[@]}"
    for place in "${names[@]}"; do line_stop "$place"; done
    expect_counts "$job" $((${#names[@]} + 1)) $((29 - ${#names[@]}))
    local uid
    while read -r uid; do expect_certified "$uid"; done < <(uids_of "$job")
}
