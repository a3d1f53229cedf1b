# The programmer's keys in a TPM (swtpm): what it can make, and what nobody can do without that TPM.

load helpers

setup_file() {
    line_folder
    line_create && line_init_server && line_start_server
    line_certify_swtpm tpm
    line_start_swtpm tpm
    LINE_TPM=$(line_tpm tpm)
    export LINE_TPM
    line_start_programmer
}

teardown_file() { line_teardown; }
setup() { line_enter; }

@test "a TPM that is only claimed is not believed" {
    expect_error 47 assurance_unproven nusec programmer prepare --name line-1 \
        --software "$BIN/nusec-programmer"
    [ "$(nusec programmer list --json | jq '.programmers | length')" = 0 ]
}

@test "a TPM of a maker that the server does not know is not believed" {
    line_certify_swtpm stranger
    mkdir -p "$LINE/server/tpm-ca"
    cp "$LINE/stranger-ca/ROOT.pem" "$LINE/stranger-ca/ISSUER.pem" "$LINE/server/tpm-ca"
    expect_error 47 assurance_unproven nusec programmer prepare --name line-1 \
        --software "$BIN/nusec-programmer"
    grep -q "not by a maker" <<<"$output"
    rm -r "$LINE/server/tpm-ca"
}

@test "a programmer with its keys in a TPM is prepared and makes units" {
    line_prepare --assurance software
    local job
    job=$(import_job 2)
    native_board board-1
    expect 0 nusec produce "$job" --board "$LINE/board-1" --json
    expect_counts "$job" 1 1
    expect_certified "$(uids_of "$job")"
    # enrolled as software, so that is what a job can count on
    run line_order native 1 --assurance tpm
    [ "$status" -ne 0 ]
    grep -q assurance_too_low <<<"$output"
}

@test "nothing of a key is in the state directory" {
    [ -f "$LINE/programmer/tpm/authkey.key" ]
    [ -f "$LINE/programmer/tpm/aes-nulink3-1.key" ]
    [ ! -e "$LINE/programmer/tokens" ]
}

@test "after a restart of TPM and programmer the job goes on" {
    line_stop programmer
    line_stop tpm
    line_start_swtpm tpm
    line_start_programmer launcher
    local job
    job=$(nusec programmer status --json | jq -r '.jobs[0].id')
    native_board board-2
    expect 0 nusec produce "$job" --board "$LINE/board-2" --json
    expect_counts "$job" 2 0
}

@test "a package key is rotated in a TPM" {
    nusec programmer rotate
    [ "$(nusec programmer status --json | jq .epoch)" = 2 ]
    local job
    job=$(import_job 1)
    [ "$(nusec programmer status --json | jq --arg job "$job" '.jobs[] | select(.id == $job).remaining')" = 1 ]
}

# start_refused <code name> <text>: the programmer does not start, and says why.
start_refused() {
    run "$BIN/nusec-programmer" run --state "$LINE/programmer" --socket "$LINE/programmer.sock" \
        --pin-file "$LINE/programmer.pin" --server "$LINE_URL" ${LINE_TPM:+--tpm "$LINE_TPM"}
    [ "$status" -ne 0 ]
    grep -q "$1" <<<"$output" && grep -q "$2" <<<"$output" || { echo "$output"; return 1; }
}

@test "the keys are of no use with another TPM, without one, or with another PIN" {
    line_stop programmer
    line_start_swtpm other
    LINE_TPM=$(line_tpm other) start_refused hsm_unavailable "not the TPM"
    mv "$LINE/programmer/tpm/tpm.json" "$LINE/tpm.json"
    LINE_TPM=$(line_tpm other) start_refused altered "another TPM has made it"
    mv "$LINE/tpm.json" "$LINE/programmer/tpm/tpm.json"
    LINE_TPM= start_refused hsm_unavailable "another key store"
    LINE_TPM=$(line_tpm none) start_refused hsm_unavailable "does not answer"
    cp "$LINE/programmer.pin" "$LINE/kept.pin"
    echo 00000000 >"$LINE/programmer.pin"
    start_refused denied "PIN"
    mv "$LINE/kept.pin" "$LINE/programmer.pin"
    line_start_programmer launcher
}

@test "a state directory that is set back to an older copy makes nothing, and says so" {
    local job
    job=$(import_job 3)
    native_board board-3
    expect 0 nusec produce "$job" --board "$LINE/board-3" --json
    line_stop programmer
    cp -a "$LINE/programmer" "$LINE/copy"
    line_start_programmer launcher
    native_board board-4
    expect 0 nusec produce "$job" --board "$LINE/board-4" --json
    line_stop programmer
    mv "$LINE/programmer" "$LINE/kept"
    mv "$LINE/copy" "$LINE/programmer"
    # without the server, which would notice as well
    line_stop server
    line_start_programmer launcher
    nusec programmer status --json | jq -e '.problem | startswith("ledger_rolled_back: ")'
    nusec programmer status | grep -q '^problem .*ledger_rolled_back'
    native_board board-5
    expect_error 48 ledger_rolled_back nusec produce "$job" --board "$LINE/board-5"
    expect_error 48 ledger_rolled_back nusec package import "$LINE/$job.package"
    # and with what belongs there all is well again
    line_stop programmer
    rm -r "$LINE/programmer"
    mv "$LINE/kept" "$LINE/programmer"
    line_start_server
    line_start_programmer launcher
    [ "$(nusec programmer status --json | jq .problem)" = null ]
    expect 0 nusec produce "$job" --board "$LINE/board-5" --json
    expect_counts "$job" 3 0
}

@test "a TPM is proven to the server, and a job that demands one is made with it" {
    mkdir "$LINE/server/tpm-ca"
    cp "$LINE/tpm-ca/ROOT.pem" "$LINE/tpm-ca/ISSUER.pem" "$LINE/server/tpm-ca"
    nusec programmer prepare --name line-2 --software "$BIN/nusec-programmer" --json >"$LINE/prepared"
    [ "$(jq -r .assurance "$LINE/prepared")" = tpm ]
    local id job
    id=$(jq -r .programmer_id "$LINE/prepared")
    [ "$(nusec programmer show "$id" --json | jq -r .assurance)" = tpm ]
    # the jobs of the former identity no longer open, and are counted all the same
    line_stop programmer
    line_start_programmer launcher
    [ "$(nusec programmer status --json | jq .problem)" = null ]
    LINE_PROGRAMMER=line-2
    job=$(import_job 1 --assurance tpm)
    native_board board-6
    expect 0 nusec produce "$job" --board "$LINE/board-6" --json
    expect_certified "$(uids_of "$job")"
}

@test "killed at any moment, the programmer and its TPM still agree" {
    local job round state
    line_stop board-6
    # one to spare: a complete job recognises no chip, and the last kill may come after its unit
    job=$(LINE_PROGRAMMER=line-2 import_job 5)
    round=0
    for state in session reserve keys certificate; do
        round=$((round + 1))
        native_board "crash-$round"
        produce_until "$job" "$state" --board "$LINE/crash-$round"
        line_kill programmer
        wait "$produce_pid" || true
        line_start_programmer launcher
        [ "$(nusec programmer status --json | jq .problem)" = null ]
        # the board as well: a debugger may have been cut off in the middle
        line_stop "crash-$round"
        native_board "crash-$round"
        expect 0 nusec produce "$job" --board "$LINE/crash-$round" --json
        line_stop "crash-$round"
    done
    expect_counts "$job" 4 1
}
