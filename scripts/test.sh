#!/usr/bin/env bash
# Everything behind `make test`. Each part adds to two counters; the last line printed is
# "N passed, M failed", alone on its line, and the exit status is 0 only when M is 0.
#
# A part that ran nothing, a skipped case and a crash all count as failures: a test that passes when
# nothing happened is worse than none.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
JOBS=${JOBS:-$(nproc)}
passed=0
failed=0
log=$(mktemp)
logs=$(mktemp -d)
export logs
bad=$logs/failures # what failed, told once more at the end, where a cut-off log still has it
: >"$bad"
trap 'rm -rf "$log" "$logs"' EXIT

say() {
    printf '\n== %s\n' "$*"
}

# count <what> <passed> <failed>
count() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    if [ $(($2 + $3)) -eq 0 ]; then
        echo "$1: nothing ran"
        failed=$((failed + 1))
    else
        echo "$1: $2 passed, $3 failed"
    fi
    if [ $(($2 + $3)) -eq 0 ] || [ "$3" -ne 0 ]; then echo "$1" >>"$bad"; fi
}

# Names and reasons only: the full output stands above.
tell_failures() {
    [ -s "$bad" ] || return 0
    say "failures"
    cat "$bad"
    grep -hE '^ *[0-9]+/[0-9]+ Test +#|^not ok |FAIL|[Aa]ssert|ERROR: |^# ' "$logs"/*.log | grep -vE ' Passed ' | cut -c 1-200 | tail -n 60
}

# check <what> <command...>: one case, shown when it fails.
check() {
    local what=$1
    shift
    if "$@" >"$log" 2>&1; then
        count "$what" 1 0
    else
        cat "$log"
        count "$what" 0 1
    fi
}

build() { # preset
    say "build ($1)"
    scripts/quiet.sh cmake --preset "$1" && scripts/quiet.sh cmake --build "build/$1" -j "$JOBS"
}

# A build that fails ends the run: nothing after it would mean anything.
need() {
    if ! "$@"; then
        echo "$passed passed, $((failed + 1)) failed"
        exit 1
    fi
}

declare -A pids
# start_unit_tests <preset> [ctest options]: in the background, output in $logs/PRESET.log.
start_unit_tests() {
    local preset=$1
    shift
    ctest --test-dir "build/$preset" -j "$((JOBS + 1))" --output-on-failure --no-tests=error "$@" \
        >"$logs/$preset.log" 2>&1 &
    pids[$preset]=$!
}

# count_unit_tests <preset>: of a finished run.
count_unit_tests() {
    # "Not Run" and "Timeout" lines also begin with the test's number, so everything that is not
    # "Passed" has failed.
    local ran good
    ran=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$logs/$1.log")
    good=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.* Passed ' "$logs/$1.log")
    # A ctest that died has printed nothing of the rest.
    if ! wait "${pids[$1]}" && [ "$ran" -eq "$good" ]; then ran=$((ran + 1)); fi
    if [ "$ran" -ne "$good" ] || [ "$ran" -eq 0 ]; then cat "$logs/$1.log"; fi
    count "unit tests ($1)" "$good" $((ran - good))
}

# Side by side, because most of the long ones wait for time-outs of chips that are dead. What runs
# under QEMU is not the sanitized code; the units of the board test run there for four minutes, and
# unit_boot_test takes the same steps of the programmer.
unit_tests() {
    say "unit tests"
    start_unit_tests host
    start_unit_tests host-asan --exclude-regex 'qemu|programmer_unit_board'
    wait
    count_unit_tests host
    count_unit_tests host-asan
}

# A few seconds each: enough to run every corpus and to notice a target that no longer works.
fuzzing() {
    say "fuzz"
    JOBS=$JOBS scripts/fuzz.sh 3 >"$log" 2>&1
    local good wrong
    good=$(grep -c '^ok ' "$log")
    wrong=$(grep -c '^not ok ' "$log")
    if [ "$wrong" -ne 0 ] || [ "$good" -eq 0 ]; then cat "$log"; fi
    count fuzz "$good" "$wrong"
}

# run_bats <file>: its output in $logs/NAME.log, its seconds in $logs/NAME.seconds.
run_bats() {
    local name started=$SECONDS
    name=$(basename "$1" .bats)
    BUILD="$PWD/build" timeout 600 bats --formatter tap "$1" >"$logs/$name.log" 2>&1
    echo $((SECONDS - started)) >"$logs/$name.seconds"
}
export -f run_bats

# Every file has a production line of its own, so they run side by side, one more than there are
# processors, since there is much waiting in them; the longest begin.
end_to_end() {
    say "end to end"
    local file name ran good
    # shellcheck disable=SC2016 # the inner shell expands it
    printf '%s\0' tests/storm/*.bats tests/attack/*.bats tests/e2e/*.bats | xargs -0 -n 1 -P "$((JOBS + 1))" bash -c 'run_bats "$1"' run
    for file in tests/*/*.bats; do
        name=$(basename "$file" .bats)
        # The plan, not the lines printed, says how many cases there are: a crash drops lines.
        ran=$(sed -nE 's/^1\.\.([0-9]+)$/\1/p' "$logs/$name.log" | head -n 1)
        good=$(grep -E '^ok [0-9]+ ' "$logs/$name.log" | grep -cv ' # skip')
        if [ "${ran:-0}" -ne "$good" ]; then cat "$logs/$name.log"; fi
        count "$name.bats ($(cat "$logs/$name.seconds") s)" "$good" $((${ran:-0} - good))
    done
}

checks() {
    say "checks"
    check "layers, self-test" scripts/check-layers.sh --self-test
    check "layers" scripts/check-layers.sh
    check "tree" scripts/check-tree.sh
    check "documents" scripts/check-docs.sh
    check "format" scripts/check-format.sh
    check "manual pages" scripts/check-man.sh build/host
}

need build host
need build cortex-m23
need build host-asan
unit_tests
checks
fuzzing
end_to_end

tell_failures
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
