#!/usr/bin/env bash
# The documents name what exists: every relative link in a Markdown file, and every path in back
# quotes that begins with one of our folders (wildcards allowed), leads to a file of this tree. Every
# decision is in the index.
set -euo pipefail
cd "$(dirname "$0")/.."

checked=0
wrong=0
expect_path() { # document path
    checked=$((checked + 1))
    # Unquoted on purpose: a path may contain wildcards, and then one match is enough.
    # shellcheck disable=SC2086
    if ! compgen -G $2 >/dev/null; then
        echo "check-docs: $1 names $2, which is not there" >&2
        wrong=1
    fi
}

while IFS= read -r document; do
    folder=$(dirname "$document")
    while IFS= read -r link; do
        expect_path "$document" "$folder/$link"
    done < <(grep -oP '\]\((?!https?:|mailto:|#)\K[^)#]+' "$document" || true)
    while IFS= read -r path; do
        expect_path "$document" "$path"
    done < <(grep -oP '`\K(lib|host|firmware|scripts|tests|docs|cmake)/[A-Za-z0-9_./*-]+(?=`)' "$document" || true)
done < <(git ls-files '*.md')

for decision in docs/decisions/[0-9]*.md; do
    checked=$((checked + 1))
    if ! grep -qF "($(basename "$decision"))" docs/decisions/README.md; then
        echo "check-docs: docs/decisions/README.md lacks $decision" >&2
        wrong=1
    fi
done
if [ "$checked" -lt 20 ] || [ "$wrong" -ne 0 ]; then
    echo "check-docs: $checked names looked up" >&2
    exit 1
fi
echo "check-docs: $checked names"
