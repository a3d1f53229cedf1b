#!/usr/bin/env bash
# Installs what building, testing and the demo need on Debian 12, and fetches Mbed TLS. Does nothing,
# without touching the network, when everything is there.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

PACKAGES=(
    # build
    cmake ninja-build pkg-config gcc libc6-dev dpkg-dev xxd
    # host libraries
    libssl-dev openssl libevent-dev libcurl4-openssl-dev libjansson-dev libcbor-dev libsqlite3-dev
    sqlite3 libp11-kit-dev softhsm2 libgfshare-dev libtss2-dev
    # firmware and its emulator
    gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
    # tests, checks, fuzzing, bench
    libcmocka-dev bats faketime valgrind clang clang-format clang-tidy libclang-rt-14-dev golang-cfssl
    libengine-pkcs11-openssl swtpm swtpm-tools curl jq procps mandoc shellcheck wrk
)

missing() {
    local wanted
    wanted=$(printf '%s\n' "${PACKAGES[@]}" | sort)
    # An unknown package makes dpkg-query fail after listing the others; that is what we look for.
    comm -23 <(echo "$wanted") \
        <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${PACKAGES[@]}" 2>/dev/null |
            sed -n 's/^ii  *//p' | sort)
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

mapfile -t packages < <(missing)
if [ "${#packages[@]}" -gt 0 ]; then
    echo "installing: ${packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${packages[@]}"
fi
scripts/fetch-mbedtls.sh
