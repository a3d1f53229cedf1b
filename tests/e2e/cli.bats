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

# Images on the desk: nothing here needs a server.

KEYS=${BATS_TEST_DIRNAME:-tests/e2e}/../../host/image_tool/testdata
VECTORS=${BATS_TEST_DIRNAME:-tests/e2e}/../../lib/image/vectors

# sign <output> [options]
sign() {
    local output=$1
    shift
    head -c 3000 /dev/zero >"$BATS_TEST_TMPDIR/payload"
    nusec firmware sign "$BATS_TEST_TMPDIR/payload" --key "$KEYS/signer.pem" --version 1.2.3+4 \
        --counter 7 --output "$BATS_TEST_TMPDIR/$output" "$@"
}

@test "an image is signed, verified and shown" {
    local image=$BATS_TEST_TMPDIR/image
    expect 0 sign image --json
    [ "$(jq -r .version <<<"$output")" = 1.2.3+4 ]
    [ "$(jq -r .otp_hash_hex <<<"$output")" = \
        "$(openssl pkey -in "$KEYS/signer.pem" -pubout -outform DER | tail -c 64 | sha256sum | cut -d ' ' -f 1)" ]
    expect 0 nusec firmware verify "$image" --key "$KEYS/signer_pub.pem" --stage bl2
    [ "$output" = "$image: accepted" ]
    expect 0 nusec firmware inspect "$image" --key "$KEYS/signer_pub.pem"
    [[ $output == *"signature           valid"*"Boot: accepted" ]]
    expect 0 nusec firmware inspect "$image" --json
    [ "$(jq -r .verdict.state <<<"$output")" = undecided ]
    [ "$(jq -r '.verdict.needs[0]' <<<"$output")" = key ]
}

@test "every reason for refusing an image has its word, a hint and exit code 56" {
    local image=$BATS_TEST_TMPDIR/image
    expect 0 sign image
    refused() { # word options
        local word=$1
        shift
        expect_error 56 image_refused nusec firmware verify "$image" --key "$KEYS/signer.pem" "$@"
        [[ $(jq -r .error.message <<<"$output") == *": $word" ]] || { echo "$output"; return 1; }
        [ -n "$(jq -r .error.hint <<<"$output")" ]
    }
    refused encryption --stage bl3
    refused counter_low --counter-min 8
    refused size --stage bl2 --slot-size 2048
    expect_error 56 image_refused nusec firmware verify "$image" --key "$KEYS/stranger.pem"
    [[ $output == *": key"* ]]
    printf 'x' | dd of="$image" bs=1 seek=2000 conv=notrunc status=none
    refused hash
    expect 0 sign image --header-size 0x200
    refused header_size --stage bl2
    truncate -s 2000 "$image"
    refused size
    echo nonsense >"$image"
    refused size
    head -c 5000 /dev/urandom >"$image"
    refused header
    expect_error 56 image_refused nusec firmware inspect "$image"
    : >"$image"
    refused size
    refused empty --stage bl2
}

@test "imgtool's images are understood, encrypted ones with the device's key" {
    local name
    for name in plain_full plain_hash clear_256 slot_confirm; do
        expect 0 nusec firmware verify "$VECTORS/$name.bin" --key "$KEYS/signer.pem"
    done
    for name in encrypted_256 encrypted_128; do
        expect 0 nusec firmware verify "$VECTORS/$name.bin" --key "$KEYS/signer.pem" --enc-key "$KEYS/device.pem"
        expect_error 56 image_refused nusec firmware verify "$VECTORS/$name.bin" \
            --key "$KEYS/signer.pem" --enc-key "$KEYS/other_device.pem"
        [[ $output == *content_key* ]]
        expect_error 2 usage nusec firmware verify "$VECTORS/$name.bin" --key "$KEYS/signer.pem"
        expect 0 nusec firmware inspect "$VECTORS/$name.bin" --key "$KEYS/signer.pem" --json
        [ "$(jq -r .encryption.payload <<<"$output")" = unopened ]
    done
    expect_error 2 usage nusec firmware verify "$VECTORS/encrypted_256.bin" --key "$KEYS/signer.pem" \
        --enc-key "$KEYS/device_pub.pem"
    expect 0 nusec firmware inspect "$VECTORS/slot_confirm.bin" --json
    [ "$(jq -r .trailer.asks_for <<<"$output")" = permanent ]
}

@test "an image for one device, in a slot of its own" {
    local image=$BATS_TEST_TMPDIR/slot
    expect 0 sign slot --encrypt-for "$KEYS/device_pub.pem" --slot-size 0x73000 --pad
    [ "$(stat -c %s "$image")" -eq $((0x73000)) ]
    expect 0 nusec firmware verify "$image" --key "$KEYS/signer.pem" --enc-key "$KEYS/device.pem" --stage bl3
    expect 0 nusec firmware inspect "$image" --key "$KEYS/signer.pem" --enc-key "$KEYS/device.pem" --json
    [ "$(jq -r '"\(.encryption.wrapped_for) \(.trailer.asks_for) \(.verdict.state)"' <<<"$output")" = \
        "this_device test accepted" ]
    expect 0 sign slot --encrypt-for "$KEYS/device_pub.pem" --clear
    expect 0 nusec firmware inspect "$image" --key "$KEYS/signer.pem" --json
    [ "$(jq -r .encryption.payload <<<"$output")" = clear ]
}

@test "signing refuses what makes no sense, and writes nothing" {
    expect_error 2 usage sign bad --aes 128
    expect_error 2 usage sign bad --clear
    expect_error 2 usage sign bad --encrypt-for "$KEYS/device_pub.pem" --aes 192
    expect_error 2 usage sign bad --encrypt-for "$KEYS/p384.pem"
    expect_error 2 usage sign bad --pad
    expect_error 2 usage sign bad --slot-size 5000
    expect_error 8 too_large sign bad --slot-size 8192
    expect_error 2 usage sign bad --header-size 16
    expect_error 2 usage sign bad --header-size 0x10000
    expect_error 2 usage sign bad --key-form half
    expect_error 2 usage sign bad --dependency 1
    local file=$BATS_TEST_TMPDIR/payload
    local sign=(nusec firmware sign "$file" --output "$BATS_TEST_TMPDIR/bad")
    expect_error 2 usage "${sign[@]}" --key "$KEYS/signer_pub.pem" --version 1.0.0 --counter 1
    expect_error 2 usage "${sign[@]}" --key "$KEYS/rsa.pem" --version 1.0.0 --counter 1
    expect_error 2 usage "${sign[@]}" --key "$KEYS/signer.pem" --version 1.0 --counter 1
    expect_error 2 usage "${sign[@]}" --key "$KEYS/signer.pem" --version 1.0.0 --counter 4294967296
    expect_error 4 not_found "${sign[@]}" --key "$KEYS/none.pem" --version 1.0.0 --counter 1
    expect_error 2 usage nusec firmware sign "$VECTORS/plain_full.bin" --key "$KEYS/signer.pem" \
        --version 1.0.0 --counter 1 --output "$BATS_TEST_TMPDIR/bad"
    [ ! -e "$BATS_TEST_TMPDIR/bad" ]
}

@test "an encrypted key is opened with a passphrase from a file only" {
    local passphrase=$BATS_TEST_TMPDIR/passphrase
    local verify=(nusec firmware verify "$VECTORS/plain_full.bin" --key "$KEYS/signer_encrypted.pem")
    expect_error 2 usage "${verify[@]}"
    [[ $output == *--passphrase-file* ]]
    (umask 077 && echo correct >"$passphrase")
    expect 0 "${verify[@]}" --passphrase-file "$passphrase"
    (umask 077 && echo wrong >"$passphrase")
    expect_error 2 usage "${verify[@]}" --passphrase-file "$passphrase"
    chmod 644 "$passphrase"
    run "${verify[@]}" --passphrase-file "$passphrase"
    [ "$status" -ne 0 ]
}

@test "what cannot be undone is not done by a script without --yes" {
    make_profile
    expect_error 2 usage nusec device rma 00112233445566778899AABBCCDDEEFF --reason test </dev/null
    [[ $output == *--yes* ]]
    expect_error 2 usage nusec chip rma 00112233445566778899AABBCCDDEEFF --board /x/a </dev/null
    expect_error 10 offline nusec device rma 00112233445566778899AABBCCDDEEFF --reason test --yes
    expect_error 2 usage nusec device rma 00112233445566778899AABBCCDDEEFF --yes
    expect_error 2 usage nusec chip show
    expect_error 2 usage nusec chip show --board /x/a --board /x/b
}

@test "at a terminal the UID has to be typed" {
    make_profile
    local uid=00112233445566778899AABBCCDDEEFF
    # the answer is what stands on the terminal; the command's exit code is that of script
    run script -qec "nusec device rma $uid --reason test" /dev/null <<<"yes"
    [ "$status" -eq 5 ]
    [[ $output == *"never comes back"*"not confirmed: nothing was done"* ]]
    run script -qec "nusec device rma $uid --reason test" /dev/null <<<"${uid,,}"
    [ "$status" -eq 10 ] # confirmed, and then nobody answers
}
