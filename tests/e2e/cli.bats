#!/usr/bin/env bats
# The command line by itself: help, exit codes, JSON, with nobody there to talk to.
load helpers

setup() {
    BUILD=${BUILD:-$PWD/build}
    LINE=$BATS_TEST_TMPDIR
    LINE_PORT=1
    line_enter
    export NUSEC_PROFILE=$BATS_TEST_TMPDIR/profile
}

commands() {
    nusec --words | sed -n 's/^command //p'
}

# A profile whose files exist and whose server does not.
make_profile() {
    mkdir -p "$NUSEC_PROFILE"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test -days 1 \
        -keyout "$NUSEC_PROFILE/client.key" -out "$NUSEC_PROFILE/client.pem" 2>/dev/null
    cp "$NUSEC_PROFILE/client.pem" "$NUSEC_PROFILE/ca.pem"
    echo '{"url":"https://127.0.0.1:1","certificate":"client.pem","key":"client.key","ca":"ca.pem"}' \
        >"$NUSEC_PROFILE/profile.json"
}

@test "help lists every command and each explains itself" {
    expect 0 nusec --help
    local help=$output count=0
    while read -r words; do
        grep -qF "  $words " <<<"$help"
        # shellcheck disable=SC2086
        expect 0 nusec $words --help
        [[ $output == "usage: nusec $words"* ]]
        count=$((count + 1))
    done < <(commands)
    [ "$count" -ge 15 ]
}

@test "every exit code belongs to one error" {
    local codes
    codes=$(nusec --words | awk '$1 == "exit" { print $2 }')
    [ "$(wc -l <<<"$codes")" -ge 40 ]
    [ "$(sort <<<"$codes" | uniq -d)" = "" ]
    [ "$(sort -n <<<"$codes" | head -n 1)" -gt 0 ]
}

@test "version" {
    expect 0 nusec --version
    [[ $output =~ ^nusec\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "no command, unknown command, half a command" {
    expect 2 nusec
    expect 2 nusec jobs
    expect 2 nusec job
    expect 2 nusec job creates
    expect_error 2 usage nusec device
}

@test "options: unknown, doubled, without value, missing, too many arguments" {
    expect_error 2 usage nusec whoami --colour
    expect_error 2 usage nusec job list --profile a --profile b
    expect 2 nusec job list --profile
    expect_error 2 usage nusec job export job-1
    expect_error 2 usage nusec job show
    expect_error 2 usage nusec job show a b
    expect_error 2 usage nusec job create --product a --programmer-id b --family c --firmware d \
        --count -1
    expect_error 2 usage nusec job create --product a --programmer-id b --family c --firmware d \
        --count 1 --expires yesterday
    expect_error 2 usage nusec job create --product a --programmer-id b --family c --firmware d \
        --count 1 --uid 123
}

@test "produce: sites that cannot be" {
    expect_error 2 usage nusec produce job-1
    expect_error 2 usage nusec produce job-1 --site a
    expect_error 2 usage nusec produce job-1 --site a=b
    expect_error 2 usage nusec produce job-1 --site a=b,
    expect_error 2 usage nusec produce job-1 --site =b,c
    expect_error 2 usage nusec produce job-1 --site a=b,c,d
    expect_error 2 usage nusec produce job-1 --site a=b,c --site a=d,e
    expect_error 2 usage nusec produce job-1 --board /x/a --board /y/a/
}

@test "a profile that is not there or not whole is refused with a hint" {
    expect_error 2 usage nusec whoami
    [ -n "$(jq -r .error.hint <<<"$output")" ]
    make_profile
    echo '{"url":"https://127.0.0.1:1"}' >"$NUSEC_PROFILE/profile.json"
    expect_error 2 usage nusec whoami
    echo 'not json' >"$NUSEC_PROFILE/profile.json"
    expect_error 2 usage nusec whoami
}

@test "server away: offline, exit code 10, in every command that needs it" {
    make_profile
    expect_error 10 offline nusec whoami
    expect_error 10 offline nusec job list
    expect_error 10 offline nusec device list --job job-1
    expect_error 10 offline nusec programmer revoke prg-1
    expect_error 10 offline nusec firmware upload "$NUSEC_PROFILE/ca.pem" --kind devauth \
        --family f --version 1
}

@test "programmer away: offline, exit code 10" {
    export NUSEC_PROGRAMMER=unix:$BATS_TEST_TMPDIR/none.sock
    expect_error 10 offline nusec programmer status
    expect_error 10 offline nusec produce job-1 --site a=unix:/x,unix:/y
    echo package >"$BATS_TEST_TMPDIR/package"
    expect_error 10 offline nusec package import "$BATS_TEST_TMPDIR/package"
    expect 10 nusec programmer status --programmer unix:/nonexistent
    [[ $output == *"is nusec-programmer running?"* ]]
}

@test "a file that is not there" {
    make_profile
    expect_error 4 not_found nusec package import "$BATS_TEST_TMPDIR/none"
    expect_error 4 not_found nusec firmware upload "$BATS_TEST_TMPDIR/none" --kind devauth \
        --family f --version 1
}

@test "an image over the limit is not sent" {
    make_profile
    truncate -s 8388609 "$BATS_TEST_TMPDIR/image"
    expect_error 8 too_large nusec firmware upload "$BATS_TEST_TMPDIR/image" --kind devauth \
        --family f --version 1
}
