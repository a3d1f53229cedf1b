#!/usr/bin/env bats
# A thousand units while everything fails; see storm.h. NUSEC_SEED repeats a run, and
# NUSEC_STORM_UNITS makes it shorter or longer (the walk over all steps needs 154 with firmware).
load ../e2e/helpers

setup_file() {
    line_setup
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
}

@test "server, programmer and chips agree after a storm" {
    local units=${NUSEC_STORM_UNITS:-1000} seed=${NUSEC_SEED:-$((RANDOM * 32768 + RANDOM))}
    local firmware=160 with without
    [ "$units" -gt "$firmware" ]
    with=$(LINE_FIRMWARE=1 import_job "$firmware")
    without=$(import_job $((units - firmware)))
    line_stop programmer
    line_stop server
    echo "# seed $seed" >&3
    expect 0 nusec-storm --line "$LINE" --port "$LINE_PORT" --seed "$seed" \
        --firmware-job "$with" --firmware-count "$firmware" \
        --identity-job "$without" --identity-count $((units - firmware))
    echo "$output" | tail -n 12
    line_start_server
    for job in "$with" "$without"; do
        expect 0 nusec job audit "$job"
        [ "$(report_field "$job" '.counts | .remaining + .reserved + .failed')" = 0 ]
        [ "$(report_field "$job" '.counts | .identified + .done == .ordered')" = true ]
    done
}
