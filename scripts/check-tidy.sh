#!/usr/bin/env bash
# clang-tidy over every C file that the given build directory compiles: check-tidy.sh BUILD [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: check-tidy.sh BUILD [FILE...]}
shift

if [ "$#" -gt 0 ]; then
    files=("$@")
else
    mapfile -t files < <(jq -r '.[].file' "$build/compile_commands.json" | grep -v '/deps/' | sort -u)
fi
if [ "${#files[@]}" -eq 0 ]; then
    echo "check-tidy: found nothing to look at" >&2
    exit 1
fi
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build" 2>/dev/null
echo "check-tidy: ${#files[@]} files"
