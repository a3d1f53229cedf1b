#!/usr/bin/env bash
# What must not be in a tracked file: names of package hosts, paths of one machine, private keys (but
# those of tests, in testdata/), markers of unfinished work.
set -euo pipefail
cd "$(dirname "$0")/.."

# The brackets keep this file from matching itself.
HOSTS='deb[.]debian[.]org|security[.]debian[.]org|snapshot[.]debian[.]org|pypi[.]org|pythonhosted[.]org|registry[.]npmjs|crates[.]io|proxy[.]golang|ghcr[.]io|docker[.]io|packages[.]microsoft'
PATHS='(^|[^A-Za-z0-9_.])/(wor[k]|far[m]|hom[e]/[a-z]+)/'
KEYS='^-----BEGIN (EC |RSA |ENCRYPTED )?PRIVATE KE[Y]-----'
UNFINISHED='\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b'

found=0
forbid() { # what pattern [pathspec...]
    local what=$1 pattern=$2
    shift 2
    if git grep -nIP "$pattern" -- . ':!LICENSE' "$@"; then
        echo "check-tree: $what in a tracked file" >&2
        found=1
    fi
}

files=$(git ls-files | wc -l)
if [ "$files" -eq 0 ]; then
    echo "check-tree: no tracked files" >&2
    exit 1
fi
forbid "a package host" "$HOSTS"
forbid "a path of one machine" "$PATHS"
forbid "a private key" "$KEYS" ':!*/testdata/*'
forbid "unfinished work" "$UNFINISHED" '*.c' '*.h' '*.sh' '*.bash' '*.cmake' '*CMakeLists.txt'
[ "$found" -eq 0 ]
echo "check-tree: $files tracked files"
