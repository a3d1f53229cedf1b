#!/usr/bin/env bash
# Everything behind `make test`. Each part adds to two counters; the last line printed is
# "N passed, M failed", alone on its line, and the exit status is 0 only when M is 0.
#
# A part that ran nothing, a skipped case and a crash all count as failures: a test that passes when
# nothing happened is worse than none.
#
# Boards and lines run against the wall clock, and here they run in a crowd. What fails in it is run
# once more alone, and that counts; that it was needed is said.
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

# "Not Run" and "Timeout" lines also begin with the test's number, so everything that is not
# "Passed" has failed.
tests_ran() { # log
    grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$1"
}
tests_passed() { # log
    grep -cE '^ *[0-9]+/[0-9]+ Test +#.* Passed ' "$1"
}

# count_unit_tests <preset>: of a started run.
count_unit_tests() {
    local ran good status=0
    wait "${pids[$1]}" || status=$? # by its number: a wait for all forgets how each one ended
    ran=$(tests_ran "$logs/$1.log")
    good=$(tests_passed "$logs/$1.log")
    # A ctest that died has printed nothing of the rest.
    if [ "$status" -ne 0 ] && [ "$ran" -eq "$good" ]; then ran=$((ran + 1)); fi
    if [ "$ran" -ne "$good" ] && [ "$ran" -eq "$(tests_ran "$logs/$1.log")" ]; then
        cat "$logs/$1.log"
        echo "once more, alone:"
        ctest --test-dir "build/$1" --rerun-failed --output-on-failure --no-tests=error >"$logs/$1-alone.log" 2>&1
        cat "$logs/$1-alone.log"
        good=$((good + $(tests_passed "$logs/$1-alone.log")))
    fi
    count "unit tests ($1)" "$good" $((ran - good))
}

# Side by side, because most of the long ones wait for time-outs of chips that are dead. What runs
# under QEMU is not the sanitized code; the units of the board test run there for four minutes, and
# unit_boot_test takes the same steps of the programmer.
unit_tests() {
    say "unit tests"
    start_unit_tests host
    start_unit_tests host-asan --exclude-regex 'qemu|programmer_unit_board'
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

# The plan, not the lines printed, says how many cases there are: a crash drops lines.
cases_planned() { # name
    local planned
    planned=$(sed -nE 's/^1\.\.([0-9]+)$/\1/p' "$logs/$1.log" | head -n 1)
    echo "${planned:-0}"
}
cases_passed() { # name
    grep -E '^ok [0-9]+ ' "$logs/$1.log" | grep -cv ' # skip'
}

# Every file has a production line of its own, so they run side by side, one more than there are
# processors, since there is much waiting in them; the longest begin.
end_to_end() {
    say "end to end"
    local file name
    # shellcheck disable=SC2016 # the inner shell expands it
    printf '%s\0' tests/storm/*.bats tests/attack/*.bats tests/e2e/*.bats | xargs -0 -n 1 -P "$((JOBS + 1))" bash -c 'run_bats "$1"' run
    for file in tests/*/*.bats; do
        name=$(basename "$file" .bats)
        if [ "$(cases_planned "$name")" -ne "$(cases_passed "$name")" ]; then
            cat "$logs/$name.log"
            echo "$name.bats once more, alone:"
            run_bats "$file"
            cat "$logs/$name.log"
        fi
        count "$name.bats ($(cat "$logs/$name.seconds") s)" "$(cases_passed "$name")" \
            $(($(cases_planned "$name") - $(cases_passed "$name")))
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
