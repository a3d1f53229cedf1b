#!/usr/bin/env bash
# Every tracked C file is formatted as .clang-format says, every shell script passes shellcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t scripts < <(git ls-files '*.sh' '*.bash' '.ci/run')
if [ "${#sources[@]}" -eq 0 ] || [ "${#scripts[@]}" -eq 0 ]; then
    echo "check-format: found nothing to look at" >&2
    exit 1
fi
clang-format --dry-run --Werror "${sources[@]}"
shellcheck --shell=bash --external-sources --severity=warning "${scripts[@]}"
echo "check-format: ${#sources[@]} C files and ${#scripts[@]} scripts"
