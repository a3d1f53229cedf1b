#!/usr/bin/env bash
# Runs a command and shows its output only when it fails: quiet.sh COMMAND [ARGUMENT...]
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "failed: $*" >&2
    exit 1
fi
