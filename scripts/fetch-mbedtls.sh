#!/usr/bin/env bash
# Puts the pinned Mbed TLS LTS release into deps/mbedtls, from Debian 13's source package.
#
# Debian 12 only has 2.28, which is out of support, so the source package of the next release is read
# through a temporary deb-src list made from the mirrors this machine already uses. Neither the
# system's apt configuration nor its package lists are touched, and root is not needed.
#
# What is trusted is SHA256 below: apt also checks the archive signature where the installed keyring
# knows the key of Debian 13, but a Debian 12 keyring that was never updated does not, and then the
# checksum alone decides. A tarball placed in deps/ by hand (a machine without a network) passes
# through the same check.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=3.6.6
SHA256=8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
SUITE=trixie
TARBALL=mbedtls_$VERSION.orig.tar.bz2
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "fetch-mbedtls: $*" >&2
    exit 1
}

is_unpacked() {
    [ "$(cat deps/mbedtls/.nusec-sha256 2>/dev/null)" = "$SHA256" ]
}

matches_pin() {
    echo "$SHA256  $1" | sha256sum --check --status
}

# apt with its own lists, no sources but ours, and of the system's settings only how to reach a mirror
# (proxy, authentication): hooks of the system's apt would need root.
private_apt() {
    local tool=$1
    shift
    APT_CONFIG=$work/apt.conf "$tool" -qq "$@"
}

write_apt_config() {
    mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/empty"
    apt-config dump | grep '^Acquire::' >"$work/apt.conf" || true
    cat >>"$work/apt.conf" <<CONFIG
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$work/empty";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/empty";
Dir::State::lists "$work/lists";
Dir::Cache "$work";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONFIG
}

# The base addresses of the machine's archives; apt itself reads both formats of its source lists.
archive_bases() {
    apt-get --print-uris update -o Dir::State::lists="$work/lists" |
        sed -n "s|^'\(.*\)/dists/.*/InRelease'.*|\1|p" | awk '!seen[$0]++'
}

# try_archive <base> <suite> <option>: downloads the source tarball if that archive has the version.
try_archive() {
    echo "deb-src [$3] $1 $2 main" >"$work/sources.list"
    private_apt apt-get update >>"$work/log" 2>&1 || return 1
    local found
    found=$(private_apt apt-cache showsrc mbedtls 2>>"$work/log" |
        sed -n "s/^Version: \($VERSION-.*\)/\1/p" | head -n 1)
    echo "$1 $2: ${found:-no mbedtls $VERSION}" >>"$work/log"
    [ -n "$found" ] || return 1
    (cd "$work" && private_apt apt-get source --download-only --tar-only "mbedtls=$found") \
        >>"$work/log" 2>&1
}

download() {
    local base suite option
    local trust=("trusted=yes")
    [ -r "$KEYRING" ] && trust=("signed-by=$KEYRING" "trusted=yes")
    write_apt_config
    archive_bases >"$work/bases"
    for option in "${trust[@]}"; do
        for suite in "$SUITE" "$SUITE-security" "$SUITE-updates"; do
            while read -r base; do
                if try_archive "$base" "$suite" "$option"; then
                    return 0
                fi
            done <"$work/bases"
        done
    done
    cat "$work/log" >&2
    fail "no configured archive offers mbedtls $VERSION for $SUITE." \
        "If Debian moved on, change VERSION and SHA256 here after reading the release notes," \
        "or place $TARBALL in deps/."
}

unpack() {
    mkdir "$work/tree"
    tar -xjf "deps/$TARBALL" -C "$work/tree" --strip-components=1
    echo "$SHA256" >"$work/tree/.nusec-sha256"
    rm -rf deps/mbedtls
    mv "$work/tree" deps/mbedtls
}

is_unpacked && exit 0
mkdir -p deps
# Two builds that start at once: the second one waits and finds the work done.
exec 9>deps/.lock
flock 9
is_unpacked && exit 0
work=$(mktemp -d "$PWD/deps/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ ! -f "deps/$TARBALL" ]; then
    echo "fetching Mbed TLS $VERSION (source package of Debian $SUITE)"
    download
    matches_pin "$work/$TARBALL" ||
        fail "$TARBALL from the archive does not have the pinned SHA-256; nothing was unpacked."
    mv "$work/$TARBALL" deps/
fi
matches_pin "deps/$TARBALL" ||
    fail "deps/$TARBALL does not have the pinned SHA-256; delete it and try again."
unpack
