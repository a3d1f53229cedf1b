#!/usr/bin/env bash
# The one-way rule: firmware -> lib <- host. Firmware and host never see each other, a program is
# never included (but by tests), lib/base stands on nothing, lib and firmware know no operating
# system, and an address literal stands only in firmware/port/ (and in lib/board and
# host/virtual_board, which are the virtual board's silicon).
#
#   check-layers.sh          checks this tree: #include lines, and the link graph CMake computes
#   check-layers.sh --self-test   builds small trees that each break one rule; each must be refused
#   check-layers.sh --tree DIR    checks another tree
#
# Includes are resolved by which file exists, the way the compiler does it, because lib/base and
# host/base share a prefix. Link edges come from CMake itself (its graphviz output), not from reading
# CMakeLists.txt, so a link hidden in a variable or a function is seen as well.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PROGRAMS="cli gateway programmer server virtual_board spdm_bridge"
OS_HEADERS='stdio|stdlib|unistd|fcntl|errno|time|signal|pthread|poll|sys/[a-z]+|arpa/[a-z]+|netinet/[a-z]+'

# violation <text...>: remembers that something was found; the scan goes on to report all of it.
violation() {
    echo "check-layers: $*" >&2
    violations=$((violations + 1))
}

# layer_of <path below the tree>: lib, firmware, host or other.
layer_of() {
    case $1 in
    lib/* | firmware/* | host/*) echo "${1%%/*}" ;;
    *) echo other ;;
    esac
}

# may_use <from layer> <to layer>
may_use() {
    case $1:$2 in
    lib:lib | firmware:firmware | firmware:lib | host:host | host:lib | other:*) return 0 ;;
    *) return 1 ;;
    esac
}

# The files an include of "folder/header.h" can mean, by include root.
resolve_include() {
    local root
    for root in lib firmware host firmware/port tests; do
        if [ -f "$tree/$root/$1" ]; then echo "$root/$1"; fi
    done
}

check_include() { # file included
    local file=$1 target=$2 folder
    if ! may_use "$(layer_of "$file")" "$(layer_of "$target")"; then
        violation "$file includes $target"
    fi
    case $file in
    lib/base/*) case $target in lib/base/*) ;; *) violation "$file is lib/base and includes $target" ;; esac ;;
    esac
    for folder in $PROGRAMS; do
        case $target in
        host/"$folder"/*) case $file in
            host/"$folder"/* | tests/* | *_test.c) ;;
            *) violation "$file includes $target, which belongs to a program" ;;
            esac ;;
        esac
    done
}

check_includes() {
    local file header target
    while IFS=: read -r file header; do
        includes=$((includes + 1))
        while read -r target; do
            if [ -n "$target" ]; then check_include "$file" "$target"; fi
        done <<<"$(resolve_include "$header")"
    done < <(cd "$tree" && list_sources | xargs -0 grep -HoP '^\s*#\s*include\s*"\K[^"/]+/[^"]+' || true)
}

# Portable code that reaches for the operating system would build on the host and not on a chip.
check_os_headers() {
    local hit
    while read -r hit; do
        if [ -n "$hit" ]; then violation "operating system header in portable code: $hit"; fi
    done < <(cd "$tree" && list_sources | xargs -0 grep -HnE "^\s*#\s*include\s*<($OS_HEADERS)\.h>" |
        grep -E '^(lib|firmware)/' | grep -vE '^firmware/port/|^lib/crypto/(openssl|mbedtls_config)/|/testing/|_(test|fuzz)\.c:' || true)
}

check_address_literals() {
    local hit
    while read -r hit; do
        if [ -n "$hit" ]; then violation "address literal outside firmware/port/: $hit"; fi
    done < <(cd "$tree" && list_sources | xargs -0 grep -HnE '\b0x[1-5E][0-9A-Fa-f]{5}00[uUlL]*\b' |
        grep -vE '^firmware/port/|^lib/board/|^host/virtual_board/|_test\.c:' || true)
}

list_sources() {
    find lib firmware host tests \( -name '*.c' -o -name '*.h' -o -name '*.S' \) -print0 2>/dev/null
}

# Writes "target folder type" lines of the configured tree, from CMake's file API.
target_folders() {
    jq -rs '.[] | select(.paths.source) | "\(.name) \(.paths.source) \(.type)"' \
        "$1"/.cmake/api/v1/reply/target-*.json
}

# Writes "from to" lines: which target links which, from CMake's graphviz output.
link_edges() {
    sed -nE 's|^ *"node[0-9]+" -> "node[0-9]+".*// (.*) -> (.*)$|\1 \2|p' "$1"
}

check_links() {
    local build=$1 from to type
    mkdir -p "$build/.cmake/api/v1/query"
    touch "$build/.cmake/api/v1/query/codemodel-v2"
    if ! cmake -G Ninja -S "$tree" -B "$build" --graphviz="$build/links.dot" >"$build/configure.log" 2>&1; then
        cat "$build/configure.log" >&2
        violation "the tree does not configure"
        return
    fi
    declare -A folder=() library=()
    while read -r from to type; do
        folder[$from]=$to
        if [ "$type" != EXECUTABLE ]; then library[$from]=1; fi
    done < <(target_folders "$build")
    while read -r from to; do
        links=$((links + 1))
        # Libraries of the system have no folder here, and an edge to a program says only that it has
        # to be built first.
        if [ -z "${folder[$from]:-}" ] || [ -z "${library[$to]:-}" ]; then continue; fi
        if ! may_use "$(layer_of "${folder[$from]}/")" "$(layer_of "${folder[$to]}/")"; then
            violation "target $from (${folder[$from]}) links $to (${folder[$to]})"
        fi
    done < <(link_edges "$build/links.dot")
}

# check_tree <dir>: 0 when the rule holds. A scan that saw no include or no link proves nothing.
check_tree() {
    tree=$1
    violations=0 includes=0 links=0
    local build
    build=$(mktemp -d)
    check_includes
    check_os_headers
    check_address_literals
    check_links "$build"
    rm -rf "$build"
    if [ "$includes" -eq 0 ] || [ "$links" -eq 0 ]; then
        violation "saw $includes includes and $links links: nothing was checked"
    fi
    [ "$violations" -eq 0 ]
}

# A tree that obeys every rule; each self-test breaks one of them.
make_good_tree() {
    local dir=$1
    mkdir -p "$dir"/{lib/base,lib/mctp,firmware/hal,firmware/port/board,host/base,host/server}
    echo 'int base(void);' >"$dir/lib/base/bytes.h"
    printf '#include "base/bytes.h"\nint mctp(void);\n' >"$dir/lib/mctp/mctp.h"
    echo 'int hal(void);' >"$dir/firmware/hal/hal.h"
    echo 'int error(void);' >"$dir/host/base/error.h"
    echo 'int server(void);' >"$dir/host/server/server.h"
    printf '#include "base/bytes.h"\nint base(void){return 0;}\n' >"$dir/lib/base/base.c"
    printf '#include "mctp/mctp.h"\nint mctp(void){return 0;}\n' >"$dir/lib/mctp/mctp.c"
    printf '#include "mctp/mctp.h"\nint hal(void){return 0;}\n' >"$dir/firmware/hal/hal.c"
    printf 'int uart = 0x40004000;\n' >"$dir/firmware/port/board/uart.c"
    printf '#include "mctp/mctp.h"\n#include "base/error.h"\nint server(void){return 0;}\n' >"$dir/host/server/server.c"
    cat >"$dir/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.25)
project(layers LANGUAGES C)
add_subdirectory(lib)
add_subdirectory(firmware)
add_subdirectory(host)
CMAKE
    printf 'add_library(base base/base.c)\nadd_library(mctp mctp/mctp.c)\ntarget_link_libraries(mctp PRIVATE base)\n' >"$dir/lib/CMakeLists.txt"
    printf 'add_library(hal hal/hal.c)\ntarget_link_libraries(hal PRIVATE mctp)\n' >"$dir/firmware/CMakeLists.txt"
    printf 'add_library(server server/server.c)\ntarget_link_libraries(server PRIVATE mctp)\n' >"$dir/host/CMakeLists.txt"
}

# expect_refusal <what> <file> <line>: the good tree plus one line must be refused.
expect_refusal() {
    local dir
    dir=$(mktemp -d)
    make_good_tree "$dir"
    mkdir -p "$(dirname "$dir/$2")"
    printf '%s\n' "$3" >>"$dir/$2"
    if (check_tree "$dir") 2>/dev/null; then
        echo "check-layers: self-test: $1 was not noticed" >&2
        self_test_failures=$((self_test_failures + 1))
    fi
    rm -rf "$dir"
}

self_test() {
    local dir
    self_test_failures=0
    dir=$(mktemp -d)
    make_good_tree "$dir"
    if ! (check_tree "$dir"); then
        echo "check-layers: self-test: a good tree was refused" >&2
        self_test_failures=1
    fi
    rm -rf "$dir"
    expect_refusal "lib including firmware" lib/mctp/mctp.c '#include "hal/hal.h"'
    expect_refusal "lib including host" lib/mctp/mctp.c '#include "base/error.h"'
    expect_refusal "firmware including host" firmware/hal/hal.c '# include "base/error.h"'
    expect_refusal "host including firmware" host/server/server.c '#include "hal/hal.h"'
    expect_refusal "lib/base including lib/mctp" lib/base/base.c '#include "mctp/mctp.h"'
    expect_refusal "a program included" host/base/error.c '#include "server/server.h"'
    expect_refusal "stdio in lib" lib/mctp/mctp.c '#include <stdio.h>'
    expect_refusal "an address in lib" lib/mctp/mctp.c 'int uart = 0x40004000;'
    expect_refusal "lib linking host" lib/CMakeLists.txt 'target_link_libraries(mctp PRIVATE server)'
    expect_refusal "host linking firmware" host/CMakeLists.txt 'target_link_libraries(server PUBLIC hal)'
    [ "$self_test_failures" -eq 0 ]
}

case ${1:-} in
--self-test)
    self_test
    echo "check-layers: self-test: 1 good tree accepted, 10 violations refused"
    ;;
--tree) check_tree "${2:?--tree needs a folder}" ;;
*)
    check_tree "$here/.."
    echo "check-layers: $includes includes and $links links obey firmware -> lib <- host"
    ;;
esac
