# shellcheck shell=bash
# shellcheck disable=SC2154 # status and output are set by bats run
# A production line per test file, in a folder of its own under /tmp (unix socket paths are short),
# and the assertions that several files need.
#
#   setup_file() { line_setup; }           a line that is prepared, with no job yet
#   teardown_file() { line_teardown; }
#   setup() { line_enter; }                every test gets the same line
#
# NUSEC_KEEP=1 keeps the folder and prints its name.

line_folder() {
    LINE=$(mktemp -d /tmp/nusec-e2e.XXXXXX)
    LINE_PORT=
    BUILD=${BUILD:-$PWD/build}
    line_enter
    export LINE LINE_PORT BUILD
}

line_enter() {
    bats_require_minimum_version 1.5.0
    # shellcheck source=scripts/line.bash
    . "${BATS_TEST_DIRNAME:-tests/e2e}/../../scripts/line.bash"
}

line_setup() {
    line_folder
    line_create && line_init_server && line_start_server && line_start_programmer && line_prepare
}

line_teardown() {
    line_enter
    line_stop_all
    if [ -n "${NUSEC_KEEP:-}" ]; then
        echo "# kept $LINE" >&3
    else
        rm -rf "$LINE"
    fi
}

# import_job [qemu|native] <count> [job create options]: a job whose package was imported, for
# native boards unless told otherwise; prints the job.
import_job() {
    local kind=native job
    case $1 in qemu | native) kind=$1 && shift ;; esac
    job=$(line_order "$kind" "$@") && nusec package import "$LINE/$job.package" >/dev/null &&
        echo "$job"
}

native_board() {
    line_start_board "$@" --native --delays off
}

# expect <exit code> <command...>: --json errors go to standard output, all output to $output.
expect() {
    local wanted=$1
    shift
    run "$@"
    if [ "$status" -ne "$wanted" ]; then
        echo "exit code $status instead of $wanted: $*"
        echo "$output"
        return 1
    fi
}

# expect_error <exit code> <code name> <command...>: the command is run with --json.
expect_error() {
    local wanted=$1 name=$2
    shift 2
    expect "$wanted" "$@" --json
    local got
    got=$(jq -rs 'map(select(.error)) | last | .error.code' <<<"$output")
    if [ "$got" != "$name" ]; then
        echo "error $got instead of $name: $output"
        return 1
    fi
}

# report_field <job> <jq filter>
report_field() {
    nusec job report "$1" --json | jq -r "$2"
}

# expect_counts <job> <identified> <remaining>: and that the report adds up.
expect_counts() {
    local counts
    counts=$(report_field "$1" '.counts | "\(.identified) \(.remaining)"')
    [ "$counts" = "$2 $3" ] || { echo "identified and remaining: $counts, not $2 $3"; return 1; }
    [ "$(report_field "$1" '.counts | .ordered == .identified + .reserved + .remaining')" = true ] ||
        { echo "the report does not add up"; nusec job report "$1"; return 1; }
}

# The UID of the chip on a board, as the last finished unit of the job's report has it.
uids_of() {
    report_field "$1" '.units[] | select(.state == "identified") | .uid'
}

# expect_certified <uid>: OpenSSL accepts the chain at its strictest, the key in the certificate is
# the one recorded for the chip, its name is the UID, and the chip's request proves possession.
expect_certified() {
    local uid=$1 chain=$LINE/check.pem leaf=$LINE/check-leaf.pem
    nusec device certificate "$uid" --output "$chain"
    openssl x509 -in "$chain" -out "$leaf"
    openssl verify -x509_strict -CAfile "$NUSEC_PROFILE/ca.pem" -untrusted "$chain" "$leaf"
    [ "$(key_of x509 "$leaf")" = "$(nusec device show "$uid" --json | jq -r .auth_public_key_hex)" ]
    openssl x509 -in "$leaf" -noout -subject | grep -q "serialNumber = $uid"
    nusec device certificate "$uid" --csr --output "$LINE/check.csr"
    # its exit status is 0 even when it refuses
    openssl req -in "$LINE/check.csr" -noout -verify 2>&1 | grep -q 'verify OK'
    [ "$(key_of req "$LINE/check.csr")" = "$(key_of x509 "$leaf")" ]
}

# X and Y of a P-256 key, in hexadecimal: the last 64 bytes of its SubjectPublicKeyInfo.
key_of() {
    openssl "$1" -in "$2" -noout -pubkey | openssl pkey -pubin -outform DER | tail -c 64 | xxd -p -c 64
}

# produce_until <job> <state> <boards...>: starts a run in the background and returns when a unit
# has reported that state; its id is in $produce_pid, its events in $LINE/produce.json.
produce_until() {
    local job=$1 state=$2 since=$SECONDS
    shift 2
    : >"$LINE/produce.json"
    nusec produce "$job" "$@" --json >"$LINE/produce.json" 2>&1 3>&- &
    produce_pid=$!
    until grep -q "\"state\": *\"$state\"" "$LINE/produce.json"; do
        if ! kill -0 "$produce_pid" 2>/dev/null || [ $((SECONDS - since)) -ge 60 ]; then
            echo "the run never came to $state:"
            cat "$LINE/produce.json"
            return 1
        fi
        sleep 0.01
    done
}
