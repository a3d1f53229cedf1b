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
trap 'rm -f "$log"' EXIT

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

unit_tests() { # preset
    say "unit tests ($1)"
    ctest --test-dir "build/$1" -j "$JOBS" --output-on-failure --no-tests=error >"$log" 2>&1
    # "Not Run" and "Timeout" lines also begin with the test's number, so everything that is not
    # "Passed" has failed.
    local ran good
    ran=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$log")
    good=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#.* Passed ' "$log")
    if [ "$ran" -ne "$good" ] || [ "$ran" -eq 0 ]; then cat "$log"; fi
    count "unit tests ($1)" "$good" $((ran - good))
}

# A few seconds each: enough to run every corpus and to notice a target that no longer works.
fuzzing() {
    say "fuzz"
    JOBS=$JOBS scripts/fuzz.sh 3 >"$log" 2>&1
    local good bad
    good=$(grep -c '^ok ' "$log")
    bad=$(grep -c '^not ok ' "$log")
    if [ "$bad" -ne 0 ] || [ "$good" -eq 0 ]; then cat "$log"; fi
    count fuzz "$good" "$bad"
}

end_to_end() {
    say "end to end"
    local file started
    for file in tests/*/*.bats; do
        started=$SECONDS
        BUILD="$PWD/build" timeout 600 bats --formatter tap "$file" >"$log" 2>&1
        local ran plan good
        plan=$(sed -nE 's/^1\.\.([0-9]+)$/\1/p' "$log" | head -n 1)
        ran=${plan:-0}
        good=$(grep -E '^ok [0-9]+ ' "$log" | grep -cv ' # skip')
        # The plan, not the lines printed, says how many cases there are: a crash drops lines.
        if [ "$ran" -ne "$good" ]; then cat "$log"; fi
        count "$(basename "$file") ($((SECONDS - started)) s)" "$good" $((ran - good))
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
unit_tests host
unit_tests host-asan
checks
fuzzing
end_to_end

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
