#!/usr/bin/env bats
# From an ordered firmware to a running, attested application behind a locked debug port, and every
# way in which that is refused. Native boards, and one chip under QEMU.
load helpers

setup_file() {
    export LINE_FIRMWARE=1
    line_setup
    job=$(import_job 8)
    export job
    native_board first
    nusec produce "$job" --board "$LINE/first" >"$LINE/log/first-produce.log"
    uid=$(nusec chip show --board "$LINE/first" --json | jq -r .uid)
    export uid
}

teardown_file() {
    line_teardown
}

setup() {
    line_enter
}

# remaining <job>
remaining() {
    report_field "$1" .counts.remaining
}

# expect_running <board>: from the chip itself, and the same as the server has of it.
expect_running() {
    expect 0 nusec chip show --board "$LINE/$1" --compare --json
    jq -e '.stage == "application" and .chain == "verified" and .life_cycle == "secured" and
        .measured.life_cycle == "secured" and (.measured.flags | index("debug_locked")) and
        .boot.confirmed and .boot.bl2.reason == "accepted" and .boot.primary.reason == "accepted"' \
        <<<"$output"
}

# expect_stage <board> <stage>
expect_stage() {
    expect 0 nusec chip show --board "$LINE/$1" --json
    [ "$(jq -r .stage <<<"$output")" = "$2" ] || { echo "$output"; return 1; }
}

# The last line of a run: its result. expect_unit <jq filter that must hold>
expect_unit() {
    jq -se "last | $1" <<<"$output" >/dev/null || { echo "not $1: $output"; return 1; }
}

# cut_off <job> <step> <board>: the plug of the whole bench is pulled when the unit comes to a step;
# then everything is back.
cut_off() {
    produce_until "$1" "$2" --board "$LINE/$3"
    line_kill programmer
    line_board_control "$3" power-cut || true
    # shellcheck disable=SC2154 # set by produce_until
    wait "$produce_pid" || true
    line_board_control "$3" power-on || true
    line_start_programmer launcher
}

# changed_copy <name> <offset>: the first board's flash with one byte inverted, started.
changed_copy() {
    line_stop first
    line_copy_board first "$1"
    line_tamper "$1" "$2"
    native_board first
    native_board "$1"
    line_wait "$1" 30 nusec chip show --board "$LINE/$1"
}

@test "a unit ends done, with application and a locked debug port" {
    [ "$(report_field "$job" ".units[] | select(.uid == \"$uid\") | .state")" = "done" ]
    [ "$(remaining "$job")" -eq 7 ]
    expect_running first
    expect_certified "$uid"
    grep -q debug_refused "$LINE/log/first-produce.log"
}

@test "device show and chip show say the same, for people too" {
    local server chip
    server=$(nusec device show "$uid" --json | jq -S '.boot | del(.measured_at)')
    chip=$(nusec chip show --board "$LINE/first" --json | jq -S .measured)
    [ "$server" = "$chip" ]
    [ "$(jq -r .bl3.version <<<"$chip")" = 1.0.0+0 ]
    expect 0 nusec device show "$uid"
    [[ $output == *"What the chip measured last"*"debug_locked"*"1.0.0+0"* ]]
    expect 0 nusec chip show --board "$LINE/first" --compare
    [[ $output == *"The server has the same of this chip."* ]]
}

@test "what was ordered is what is measured: digests, keys, counters" {
    local bl3 boot
    bl3=$(nusec job show "$job" --json | jq -r .bl3_id)
    boot=$(nusec device show "$uid" --json)
    [ "$(jq -r .boot.bl3.digest_hex <<<"$boot")" = \
        "$(nusec firmware show "$bl3" --json | jq -r .image_digest_hex)" ]
    [ "$(jq -r .boot.bl3.key_hash_hex <<<"$boot")" = \
        "$(jq -r .pk_bl3_hex <<<"$boot" | xxd -r -p | sha256sum | cut -d ' ' -f 1)" ]
    [ "$(jq -r .boot.bl2.key_hash_hex <<<"$boot")" = \
        "$(jq -r .rotpk_hex <<<"$boot" | xxd -r -p | sha256sum | cut -d ' ' -f 1)" ]
    [ "$(jq -r .boot.bl3.chip_counter <<<"$boot")" -eq 1 ]
    # every device its own keys
    [ "$(nusec device list --json | jq '[.devices[].rotpk_hex] | map(select(. != null)) |
        length == (unique | length)')" = true ]
}

@test "the application starts again from power-on" {
    line_board_control first power-cut
    line_board_control first power-on
    line_wait first 30 nusec chip show --board "$LINE/first"
    expect_running first
    [ "$(line_boot_log first)" = $'bl2=accepted\nprimary=accepted' ]
}

@test "a chip that is done is not made again by its job" {
    expect 0 nusec produce "$job" --board "$LINE/first" --json
    expect_unit '.units[0].state == "already_done" and .done == 0 and .remaining == 7'
    [ "$(remaining "$job")" -eq 7 ]
    expect_running first
}

@test "a chip that is done is refused by another job" {
    local other
    other=$(import_job 1)
    expect 70 nusec produce "$other" --board "$LINE/first" --json
    expect_unit '.units[0].state == "failed" and .remaining == 1'
    [ "$(remaining "$other")" -eq 1 ]
    expect_running first
}

@test "nobody attaches to the debug port of a chip that is done" {
    expect 0 nusec produce "$job" --board "$LINE/first" --check --json
    expect_unit '.sites[0].debug.state == "refused" and .sites[0].uart.state == "answers"'
    expect 0 nusec produce "$job" --board "$LINE/first" --check
    [[ $output == *locked* ]]
}

@test "a changed application does not start, and the server's record does not fit" {
    changed_copy changed-bl3 $((LINE_BL3_OFFSET + 0x410))
    expect_stage changed-bl3 bootloader
    line_boot_log changed-bl3 | grep -qx primary=hash
    expect_error 55 attestation_refused nusec chip show --board "$LINE/changed-bl3" --compare
    expect 70 nusec produce "$job" --board "$LINE/changed-bl3" --json
    [ "$(remaining "$job")" -eq 7 ]
    line_stop changed-bl3
}

@test "a changed bootloader does not start, and is repaired" {
    changed_copy changed-bl2 $((LINE_BL2_OFFSET + 0x410))
    expect_stage changed-bl2 boot_rom
    line_boot_log changed-bl2 | grep -qx bl2=hash
    expect_error 53 device_untrusted nusec chip show --board "$LINE/changed-bl2" --compare
    # the programmer that made the chip has kept its BL2 and repairs it; nothing counts again
    expect 0 nusec produce "$job" --board "$LINE/changed-bl2" --json
    expect_unit '.units[0].state == "already_done" and .done == 0'
    [ "$(remaining "$job")" -eq 7 ]
    expect_running changed-bl2
    line_stop changed-bl2
}

# device_key <member> <file>: one of the first chip's boot keys, public, as PEM.
device_key() {
    { echo 3059301306072a8648ce3d020106082a8648ce3d03010703420004 &&
        nusec device show "$uid" --json | jq -r ".$1"; } | xxd -r -p |
        openssl pkey -pubin -inform DER -out "$2"
}

# desk_says <board> <word>: what `firmware verify` says of the primary slot in a board's flash.
desk_says() {
    local slot=$LINE/slot.bin
    dd if="$LINE/$1/flash.img" of="$slot" bs=2048 skip=44 count=230 status=none
    run nusec firmware verify "$slot" --key "$LINE/pk_bl3.pem" --stage bl3 --counter-min 1 --clear
    [[ ${lines[0]} == *": $2" ]] || { echo "$1: $output instead of $2"; return 1; }
}

@test "what is wrong with an image is named alike in the boot log and on the desk" {
    local offset reason size
    device_key pk_bl3_hex "$LINE/pk_bl3.pem"
    desk_says first accepted
    size=$(stat -c %s "$BUILD/host/firmware/application.bin")
    size=$(((size + 15) / 16 * 16)) # encrypted in blocks
    # magic; version; payload; security counter; digest; key; signature
    while read -r offset reason; do
        changed_copy "cut-$offset" $((LINE_BL3_OFFSET + offset))
        line_boot_log "cut-$offset" | grep -qx "primary=$reason" ||
            { echo "$offset: $(line_boot_log "cut-$offset") instead of $reason"; return 1; }
        desk_says "cut-$offset" "$reason"
        expect_stage "cut-$offset" bootloader
        line_stop "cut-$offset"
    done <<-END
	0 header
	20 hash
	$((0x400 + 16)) hash
	$((0x400 + size + 8)) hash
	$((0x400 + size + 12 + 8)) hash
	$((0x400 + size + 12 + 4)) tlv_unknown
	$((0x400 + size + 12 + 4 + 2)) tlv_format
	$((0x400 + size + 12 + 4 + 36 + 4 + 40)) key
	$((0x400 + size + 12 + 4 + 36 + 95 + 4 + 20)) signature
	END
}

@test "a chip of another job's flash under a new UID boots nothing" {
    line_stop first
    line_copy_board first other-uid
    native_board first
    run nusec-virtual-board --state "$LINE/other-uid" --uid 00112233445566778899AABBCCDDEEFF --native create
    [ "$status" -ne 0 ] # the launcher refuses to rename a chip
    # the first chip's images in a blank chip: it has no key hash, so nothing starts
    native_board blank
    line_stop blank
    dd if="$LINE/first/flash.img" of="$LINE/blank/flash.img" bs=2048 count=504 conv=notrunc status=none
    native_board blank
    line_wait blank 30 nusec chip show --board "$LINE/blank"
    expect_stage blank boot_rom
    [ -z "$(line_boot_log blank)" ] # not even looked at: the chip is blank
    line_stop blank
}

@test "another chip's images do not start: they were signed and wrapped for one" {
    native_board second
    expect 0 nusec produce "$job" --board "$LINE/second"
    [ "$(remaining "$job")" -eq 6 ]
    line_stop second
    line_stop first
    line_copy_board second foreign
    dd if="$LINE/first/flash.img" of="$LINE/foreign/flash.img" bs=2048 skip=44 seek=44 count=460 \
        conv=notrunc status=none
    native_board first
    native_board foreign
    line_wait foreign 30 nusec chip show --board "$LINE/foreign"
    expect_stage foreign bootloader
    line_boot_log foreign | grep -qx primary=key
    line_stop foreign
}

@test "a chip of another OEM is refused: it believes its own root only" {
    local board=$LINE/first other=$LINE/other job_there
    LINE=$other LINE_PORT=
    line_enter
    line_create && line_init_server && line_start_server && line_start_programmer && line_prepare
    job_there=$(import_job 1)
    expect 70 nusec produce "$job_there" --board "$board" --json
    expect_unit '.units[0].state == "failed" and .remaining == 1'
    expect 0 nusec chip show --board "$board" --json
    jq -e '.chain == "untrusted" and .measured == null' <<<"$output"
    expect_error 53 device_untrusted nusec chip show --board "$board" --compare
    expect_error 4 not_found nusec device show "$uid"
    run nusec chip rma "$uid" --board "$board" --yes
    [ "$status" -ne 0 ]
    line_stop_all
    LINE=${other%/other} LINE_PORT=
    line_enter
    expect_running first
}

@test "a dry run counts nothing and writes nothing for good" {
    local before
    native_board planned
    before=$(remaining "$job")
    expect 0 nusec produce "$job" --board "$LINE/planned" --dry-run --json
    expect_unit '.units[0].state == "planned" and .done == 0 and .failed == 0'
    [ "$(remaining "$job")" -eq "$before" ]
    expect 0 nusec produce "$job" --board "$LINE/planned" --dry-run
    [[ $output == *"NEXT STEP"*reserve* ]]
    line_board_control planned reset
    expect 0 nusec chip show --board "$LINE/planned" --json
    [ "$(jq -r .life_cycle <<<"$output")" = blank ]
    # and then it is made
    expect 0 nusec produce "$job" --board "$LINE/planned"
    expect_running planned
}

@test "check: all well, cable off, programmer's server away" {
    native_board checked
    expect 0 nusec produce "$job" --board "$LINE/checked" --check --json
    expect_unit '.ok and .server.ok and .firmware.ok and .sites[0].power == "on"'
    line_stop checked
    expect 70 nusec produce "$job" --board "$LINE/checked" --check --json
    expect_unit '(.ok | not) and .sites[0].debug.state == "absent" and .sites[0].uart.state == "absent"'
    expect 70 nusec produce "$job" --board "$LINE/checked" --check
    [[ $output == *"WHAT IS WRONG"* ]]
    line_stop server
    native_board checked
    expect 70 nusec produce "$job" --board "$LINE/checked" --check --json
    expect_unit '(.server.ok | not) and .server.code == "offline"'
    line_start_server
    expect_error 2 usage nusec produce "$job" --board "$LINE/checked" --check --dry-run
}

@test "a device that is revoked gets no firmware" {
    local revoked
    native_board revoked
    # cut off behind its identity, before any image
    cut_off "$job" bl2_challenge revoked
    revoked=$(jq -rs 'map(.uid // empty) | last' "$LINE/produce.json")
    [ "$(nusec device show "$revoked" --json | jq -r .unit_state)" = identified ]
    expect 0 nusec device revoke "$revoked" --reason "test" --yes
    expect 70 nusec produce "$job" --board "$LINE/revoked" --json
    [[ $output == *revoked* ]]
    [ "$(nusec device show "$revoked" --json | jq -r .boot.bl3.version)" != 1.0.0+0 ]
    expect 0 nusec chip show --board "$LINE/revoked" --json
    [ "$(jq -r .life_cycle <<<"$output")" != secured ]
}

@test "a run cut off at any step goes on, and counts once" {
    local step before board own
    own=$(import_job 9) # one more than is made: a job that is complete begins nothing
    for step in bl2_challenge bl2_install bl2_key bl3_key lock bl3_install application record; do
        before=$(remaining "$own")
        board=cut-at-$step
        native_board "$board"
        cut_off "$own" "$step" "$board"
        expect 0 nusec produce "$own" --board "$LINE/$board"
        expect_running "$board"
        [ "$(remaining "$own")" -eq $((before - 1)) ]
        line_stop "$board"
    done
    [ "$(remaining "$own")" -eq 1 ]
}

@test "a server killed at any step it takes part in loses nothing" {
    local step board own
    own=$(import_job 7)
    for step in bl2_challenge bl2_key bl3_key lock bl3_challenge record; do
        board=server-at-$step
        native_board "$board"
        produce_until "$own" "$step" --board "$LINE/$board"
        line_kill server
        line_start_server
        wait "$produce_pid" || true
        expect 0 nusec produce "$own" --board "$LINE/$board"
        expect_running "$board"
        line_stop "$board"
    done
    [ "$(remaining "$own")" -eq 1 ]
}

@test "a board for the desk: debug stays open, the rest is the same" {
    local open
    open=$(import_job 1 --debug open)
    native_board desk
    expect 0 nusec produce "$open" --board "$LINE/desk" --json
    expect_unit '.done == 1'
    expect 0 nusec chip show --board "$LINE/desk" --compare --json
    jq -e '.stage == "application" and .life_cycle == "provisioned" and
        (.measured.flags | index("debug_locked") | not)' <<<"$output"
    native_board desk-check
    expect 70 nusec produce "$open" --board "$LINE/desk" --check --json
    expect_unit '.sites[0].debug.state == "open"'
}

@test "an order needs both images, of the right family and kind" {
    local bl2 bl3 other programmer
    bl2=$(nusec job show "$job" --json | jq -r .bl2_id)
    bl3=$(nusec job show "$job" --json | jq -r .bl3_id)
    programmer=$(nusec job show "$job" --json | jq -r .programmer_id)
    local order=(nusec job create --product p --programmer-id "$programmer" --count 1 --family NATIVE
        --firmware "$(nusec job show "$job" --json | jq -r .devauth_id)")
    expect_error 2 usage "${order[@]}" --bl2 "$bl2"
    expect_error 2 usage "${order[@]}" --bl3 "$bl3"
    expect_error 2 usage "${order[@]}" --debug open
    expect_error 2 usage "${order[@]}" --bl2 "$bl2" --bl3 "$bl3" --debug half
    expect_error 4 not_found "${order[@]}" --bl2 "$bl2" --bl3 fw-0000000000000000
    run "${order[@]}" --bl2 "$bl3" --bl3 "$bl2"
    [ "$status" -ne 0 ]
    other=$(line_upload "$BUILD/cortex-m23/firmware/application.bin" bl3 AN505-M23 1.0.0 --counter 1)
    expect_error 6 conflict "${order[@]}" --bl2 "$bl2" --bl3 "$other"
}

@test "firmware: refused counters, versions and sizes; the same twice is one" {
    local image=$LINE/image.bin first
    head -c 300000 /dev/urandom >"$image"
    local upload=(nusec firmware upload "$image" --family NATIVE)
    expect_error 2 usage "${upload[@]}" --kind bl3 --version 1.0.0
    expect_error 2 usage "${upload[@]}" --kind devauth --version 1.0.0 --counter 1
    expect_error 2 usage "${upload[@]}" --kind bl3 --version 1.0.0 --counter -1
    expect_error 3 bad_request "${upload[@]}" --kind bl3 --version 1.0.0 --counter 256
    expect_error 3 bad_request "${upload[@]}" --kind bl3 --version one --counter 1
    expect_error 8 too_large "${upload[@]}" --kind bl2 --version 1.0.0 --counter 1
    expect 0 "${upload[@]}" --kind bl3 --version 2.0.0 --counter 2 --json
    first=$(jq -r .id <<<"$output")
    expect 0 "${upload[@]}" --kind bl3 --version 2.0.0 --counter 2 --json
    [ "$(jq -r .id <<<"$output")" = "$first" ]
    expect_error 6 conflict "${upload[@]}" --kind bl3 --version 2.0.0 --counter 3
    expect 0 nusec firmware show "$first" --json
    jq -e '.security_counter == 2 and (.image_digest_hex | length) == 64 and .body_size > 300000' \
        <<<"$output"
    expect 0 nusec firmware list
    [[ $output == *COUNTER*"IMAGE DIGEST"* ]]
}

@test "an upload that was cut off goes on where it stopped" {
    local image=$LINE/large.bin
    head -c 460000 /dev/urandom >"$image"
    # the server dies at some point of an upload; the command repeats the range until it is back
    line_stop server
    expect_error 10 offline nusec firmware upload "$image" --kind bl3 --family NATIVE --version 3.0.0 --counter 3
    line_start_server
    expect 0 nusec firmware upload "$image" --kind bl3 --family NATIVE --version 3.0.0 --counter 3
    [[ $output == *"131072 of 460000 bytes"*"460000 of 460000 bytes, 100 %"* ]]
}

@test "RMA: not without the OEM, then erased, open and never back" {
    native_board returned
    line_stop returned
    line_copy_board second returned
    native_board returned
    line_wait returned 30 nusec chip show --board "$LINE/returned"
    local back
    back=$(nusec chip show --board "$LINE/returned" --json | jq -r .uid)
    expect_error 5 denied nusec chip rma "$back" --board "$LINE/returned" --yes
    expect_running returned
    expect_error 2 usage nusec device rma "$back" --reason "broken display"
    expect 0 nusec device rma "$back" --reason "broken display" --yes
    [ "$(nusec device show "$back" --json | jq -r '"\(.rma) \(.certificate_state)"')" = "authorised revoked" ]
    expect_error 2 usage nusec chip rma "$back" --board "$LINE/returned"
    expect_error 52 device_refused nusec chip rma "$uid" --board "$LINE/returned" --yes
    expect 0 nusec chip rma "$back" --board "$LINE/returned" --yes
    expect 0 nusec chip show --board "$LINE/returned" --json
    jq -e '.life_cycle == "rma" and .stage == "boot_rom" and .boot.bl2.reason == "empty" and
        .boot.primary.reason == "empty" and (.flags | index("keys") | not)' <<<"$output"
    expect 0 nusec chip rma "$back" --board "$LINE/returned" --yes # again is fine
    expect 70 nusec produce "$job" --board "$LINE/returned" --json
    # also from power-on
    line_board_control returned power-cut
    line_board_control returned power-on
    line_wait returned 30 nusec chip show --board "$LINE/returned"
    expect_stage returned boot_rom
    [ "$(nusec device show "$back" --json | jq -r .rma)" = permitted ]
}

@test "a chip under QEMU ends with its application and a locked debug port" {
    local emulated
    emulated=$(import_job qemu 1)
    line_start_board qemu-1
    expect 0 nusec produce "$emulated" --board "$LINE/qemu-1"
    line_stop qemu-1
    line_start_board qemu-1
    line_wait qemu-1 30 nusec chip show --board "$LINE/qemu-1"
    expect_running qemu-1
}
