#!/usr/bin/env bash
# Manual pages are well formed, and docs/man/nusec.1 documents every command, option and exit code
# that the program itself prints: check-man.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
nusec=${1:?usage: check-man.sh BUILD}/bin/nusec
page=docs/man/nusec.1

mapfile -t pages < <(git ls-files 'docs/man/*.[1-8]')
if [ "${#pages[@]}" -eq 0 ]; then
    echo "check-man: no pages" >&2
    exit 1
fi
mandoc -T lint -W warning "${pages[@]}"

text=$(mandoc -T ascii -O width=200 "$page" | sed 's|.\x08||g')

# section <command>: the text under its heading, which stands three columns in.
section() {
    awk -v heading="   $1" '/^ ? ? ?[^ ]/ { inside = ($0 == heading) } inside' <<<"$text"
}

missing=0
documented=0
need() { # what text where
    documented=$((documented + 1))
    if ! grep -qE -- "(^|[^a-z-])$2([^a-z-]|\$)" <<<"$3"; then
        echo "check-man: $page lacks $1 $2" >&2
        missing=1
    fi
}

while read -r kind words; do
    case $kind in
    command) need command "$words" "$(section "$words")" ;;
    option) need "option of ${words% --*}" "--${words##*--}" "$(section "${words% --*}")" ;;
    exit) need "exit code" "${words/ / +}" "$text" ;;
    esac
done < <("$nusec" --words)
if [ "$documented" -lt 20 ] || [ "$missing" -ne 0 ]; then
    echo "check-man: $documented words looked up" >&2
    exit 1
fi
echo "check-man: ${#pages[@]} pages, $documented commands, options and exit codes"
