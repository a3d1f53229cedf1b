#!/usr/bin/env bash
# Runs every fuzz target for a while, from its committed corpus: fuzz.sh [SECONDS-EACH]. Prints a line
# per target; fails when one crashed. What it finds new stays in build/fuzz/corpus, and an input that
# crashes in build/fuzz/crashes.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-5}
JOBS=${JOBS:-$(nproc)}

scripts/quiet.sh cmake --preset fuzz
mapfile -t targets < <(ninja -C build/fuzz -t targets all | sed -n 's|^fuzz/\([a-z0-9_]*\): .*|\1|p')
if [ "${#targets[@]}" -eq 0 ]; then
    echo "fuzz: no targets" >&2
    exit 1
fi
scripts/quiet.sh ninja -C build/fuzz -j "$JOBS" "${targets[@]/#/fuzz/}"

# The corpus folders beside a target's source: "corpus", or those with a part of the target's name.
corpora_of() { # name
    local source folder part
    source=$(jq -r --arg dir "CMakeFiles/$1.dir/" \
        '[.[] | select(.command | contains($dir))][0].file' build/fuzz/compile_commands.json)
    for folder in "$(dirname "$source")"/*corpus*/; do
        part=$(basename "$folder" | sed 's/_*corpus_*//')
        if [ -d "$folder" ] && [[ $1 == *"$part"* ]]; then echo "$folder"; fi
    done
}

run_target() { # name seconds
    local name=$1 corpora
    mkdir -p "build/fuzz/corpus/$name" build/fuzz/crashes
    mapfile -t corpora < <(corpora_of "$name")
    if "build/fuzz/fuzz/$name" -max_total_time="$2" -rss_limit_mb=4096 -timeout=10 \
        -artifact_prefix="build/fuzz/crashes/$name-" "build/fuzz/corpus/$name" \
        "${corpora[@]}" >"build/fuzz/$name.log" 2>&1; then
        echo "ok $name, ${#corpora[@]} corpus folders, $(sed -n 's/^Done \([0-9]* runs\).*/\1/p' "build/fuzz/$name.log")"
    else
        echo "not ok $name"
        tail -n 30 "build/fuzz/$name.log" | sed 's/^/# /'
    fi
}
export -f run_target corpora_of

# shellcheck disable=SC2016 # the inner shell expands them
results=$(printf '%s\n' "${targets[@]}" |
    xargs -I{} -P "$JOBS" bash -c 'run_target "$1" "$2"' run {} "$seconds")
echo "$results"
if grep -q '^not ok' <<<"$results"; then exit 1; fi
