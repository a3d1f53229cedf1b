# shellcheck shell=bash
# A whole production line in one folder: server, programmer, virtual boards, and the operator's
# environment. Used by scripts/demo.sh, tests/e2e and tests/bench.
#
#   LINE       the folder (set before sourcing)
#   LINE_PORT  TCP port of the server on 127.0.0.1 (free, see line_free_port, if not set)
#   BUILD      build folder with host/ and cortex-m23/
#
# Every process has its id in $LINE/run/NAME.pid and its output in $LINE/log/NAME.log; line_stop
# ends it by that id, and only processes started here. Descriptor 3 belongs to bats and is not
# inherited.

# The first port from the given one where nobody listens. The one to begin with is drawn by lot, so
# that two lines which start at the same time do not meet.
line_free_port() {
    local port=$1
    while (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

BIN=$BUILD/host/bin
FIRMWARE=$BUILD/cortex-m23/firmware
LINE_PORT=${LINE_PORT:-$(line_free_port $((20000 + RANDOM % 10000)))}
LINE_URL=https://127.0.0.1:$LINE_PORT
export PATH=$BIN:$PATH
export NUSEC_PROFILE=$LINE/oem
export NUSEC_PROGRAMMER=unix:$LINE/programmer.sock

line_fail() {
    echo "line: $*" >&2
    return 1
}

# A fresh folder; whatever still runs from the last time in it is stopped first.
line_create() {
    local tool
    for tool in nusec nusec-server nusec-programmer nusec-programmer-launcher nusec-virtual-board; do
        [ -x "$BIN/$tool" ] || line_fail "$BIN/$tool is missing; run make host" || return
    done
    [ -f "$FIRMWARE/devauth.bin" ] ||
        line_fail "$FIRMWARE/devauth.bin is missing; run make firmware" || return
    line_stop_all
    rm -rf "$LINE"
    mkdir -p "$LINE/log" "$LINE/run"
    chmod 700 "$LINE"
    line_new_pin "$LINE/server.pin"
    line_new_pin "$LINE/programmer.pin"
}

line_new_pin() {
    (umask 077 && openssl rand -hex 16 >"$1")
}

# line_start <name> <command...>: in the background.
line_start() {
    local name=$1
    shift
    "$@" >>"$LINE/log/$name.log" 2>&1 </dev/null 3>&- &
    echo $! >"$LINE/run/$name.pid"
}

line_pid() {
    cat "$LINE/run/$1.pid" 2>/dev/null
}

# A process whose parent does not wait for it stays as a zombie; it has ended all the same.
line_is_alive() {
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

line_is_running() {
    local pid
    pid=$(line_pid "$1") && line_is_alive "$pid"
}

# line_wait <name> <seconds> <command...>: until the command succeeds. A process that ended is an
# error at once, not after the time is up.
line_wait() {
    local name=$1 limit=$2 since=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1 3>&-; do
        if ! line_is_running "$name" || [ $((SECONDS - since)) -ge "$limit" ]; then
            tail -n 20 "$LINE/log/$name.log" >&2
            line_fail "$name does not start"
            return
        fi
        sleep 0.05
    done
}

# line_signal <signal> <name>: sends it and waits until the process is gone.
line_signal() {
    local pid
    pid=$(line_pid "$2") || return 0
    kill -"$1" "$pid" 2>/dev/null || true
    while line_is_alive "$pid"; do sleep 0.02; done
    wait "$pid" 2>/dev/null || true
    rm -f "$LINE/run/$2.pid"
}

line_stop() {
    line_signal TERM "$1"
}

line_kill() {
    line_signal KILL "$1"
}

line_stop_all() {
    local file
    for file in "$LINE"/run/board-*.pid "$LINE"/run/*.pid; do
        if [ -f "$file" ]; then line_stop "$(basename "$file" .pid)"; fi
    done
}

line_init_server() {
    nusec-server init --data "$LINE/server" --organization "Demo OEM" \
        --pin-file "$LINE/server.pin" --url "$LINE_URL" --admin-out "$NUSEC_PROFILE" \
        >"$LINE/log/server-init.log" 2>&1 ||
        { cat "$LINE/log/server-init.log" >&2 && line_fail "nusec-server init"; }
}

line_start_server() {
    line_start server nusec-server run --data "$LINE/server" --listen "127.0.0.1:$LINE_PORT"
    line_wait server 20 nusec whoami
}

# line_certify_swtpm <name>: before its first start; its maker's certificates are then in
# $LINE/NAME-ca/ISSUER.pem and ROOT.pem.
line_certify_swtpm() {
    local ca=$LINE/$1-ca
    mkdir -p "$LINE/$1" "$ca"
    printf '%s\n' "statedir = $ca" "signingkey = $ca/key.pem" "issuercert = $ca/ISSUER.pem" \
        "certserial = $ca/serial" >"$ca/ca.conf"
    printf '%s\n' "--platform-manufacturer nusec" "--platform-version 1" "--platform-model line" \
        >"$ca/ca.options"
    printf '%s\n' "create_certs_tool = /usr/bin/swtpm_localca" \
        "create_certs_tool_config = $ca/ca.conf" "create_certs_tool_options = $ca/ca.options" \
        >"$ca/setup.conf"
    swtpm_setup --tpm2 --tpmstate "$LINE/$1" --create-ek-cert --config "$ca/setup.conf" \
        --logfile "$LINE/log/$1-setup.log"
    mv "$ca/swtpm-localca-rootca-cert.pem" "$ca/ROOT.pem"
}

# line_connects <socket...>: somebody listens at each, which is later than that it is there.
line_connects() {
    perl -MIO::Socket::UNIX -e '
        for my $path (@ARGV) { IO::Socket::UNIX->new(Peer => $path) or exit 1; }' "$@"
}

# line_start_swtpm <name>: a software TPM with its state in $LINE/NAME, a new one if there is none;
# LINE_TPM=$(line_tpm NAME) makes the programmer use it.
line_start_swtpm() {
    mkdir -p "$LINE/$1"
    line_start "$1" swtpm socket --tpm2 --tpmstate "dir=$LINE/$1" \
        --server "type=unixio,path=$LINE/$1.sock" --ctrl "type=unixio,path=$LINE/$1.sock.ctrl" \
        --flags not-need-init,startup-clear
    line_wait "$1" 20 line_connects "$LINE/$1.sock.ctrl" "$LINE/$1.sock"
}

line_tpm() {
    echo "swtpm:path=$LINE/$1.sock"
}

# line_start_programmer [launcher]: with LINE_TPM its keys are in that TPM.
line_start_programmer() {
    local program=(nusec-programmer)
    if [ "${1:-}" = launcher ]; then
        program=(nusec-programmer-launcher --state "$LINE/programmer"
            --program "$BIN/nusec-programmer" --)
    fi
    line_start programmer "${program[@]}" run --state "$LINE/programmer" \
        --socket "$LINE/programmer.sock" --pin-file "$LINE/programmer.pin" --server "$LINE_URL" \
        ${LINE_TPM:+--tpm "$LINE_TPM"}
    line_wait programmer 20 nusec programmer status
}

# line_prepare [prepare options]: certificate, anchors, package key, signed software; then under the
# launcher.
line_prepare() {
    nusec programmer prepare --name line-1 --software "$BIN/nusec-programmer" "$@" &&
        line_stop programmer && line_start_programmer launcher
}

# line_upload <file> <kind> <family> <version> [options]: prints the firmware's id.
line_upload() {
    local file=$1 kind=$2 family=$3 version=$4
    shift 4
    nusec firmware upload "$file" --kind "$kind" --family "$family" --version "$version" "$@" --json |
        jq -er .id
}

# line_order qemu|native <count> [job create options]: firmware, job and package for the programmer
# that is called $LINE_PROGRAMMER (line-1); prints the job. With LINE_FIRMWARE=1 the job installs
# bootloader and application ($LINE_APPLICATION instead of the sample), else it ends at the identity.
line_order() {
    local family=AN505-M23 images=$FIRMWARE count=$2 firmware bl2 bl3 programmer job
    if [ "$1" = native ]; then
        family=NATIVE
        images=$BUILD/host/firmware
    fi
    shift 2
    firmware=$(line_upload "$images/devauth.bin" devauth "$family" 0.1.0) || return
    if [ "${LINE_FIRMWARE:-0}" = 1 ]; then
        bl2=$(line_upload "$images/bootloader.bin" bl2 "$family" 0.1.0 --counter 1) || return
        bl3=$(line_upload "${LINE_APPLICATION:-$images/application.bin}" bl3 "$family" 1.0.0 --counter 1) || return
        set -- --bl2 "$bl2" --bl3 "$bl3" "$@"
    fi
    programmer=$(nusec programmer list --json |
        jq -er --arg name "${LINE_PROGRAMMER:-line-1}" \
            '.programmers[] | select(.state == "ready" and .name == $name) | .id') || return
    job=$(nusec job create --product demo-lamp --programmer-id "$programmer" --count "$count" \
        --family "$family" --firmware "$firmware" --json "$@") || { echo "$job" && return 1; }
    job=$(jq -er .id <<<"$job") || return
    nusec job export "$job" --output "$LINE/$job.package" >/dev/null || return
    echo "$job"
}

# line_start_board <name> [nusec-virtual-board options]: in $LINE/NAME, created blank if new.
line_start_board() {
    local name=$1
    shift
    : >"$LINE/log/$name.log"
    NUSEC_FIRMWARE_DIR=$FIRMWARE line_start "$name" nusec-virtual-board --state "$LINE/$name" "$@" run
    line_wait "$name" 30 grep -q '^ready' "$LINE/log/$name.log"
}

# line_copy_board <name> <copy>: another board with the same flash, OTP and keys as a stopped one.
line_copy_board() {
    mkdir -p "$LINE/$2" && cp "$LINE/$1/flash.img" "$LINE/$2/flash.img"
}

# Where the images lie in flash.img (firmware/port: pages of 2 KiB).
export LINE_BL2_OFFSET=0
export LINE_BL3_OFFSET=$((44 * 2048))

# line_tamper <name> <offset>: inverts a byte in the flash of a stopped board.
line_tamper() {
    perl -e '
        open(my $flash, "+<:raw", $ARGV[0]) or die "$ARGV[0]: $!\n";
        seek($flash, $ARGV[1], 0) and read($flash, my $byte, 1) == 1 or die "cannot read\n";
        seek($flash, $ARGV[1], 0);
        print $flash ~$byte or die "cannot write\n";
        close($flash) or die "cannot write\n";' "$LINE/$1/flash.img" "$2"
}

# line_boot_log <name>: what the firmware decided about its images, a line each.
line_boot_log() {
    nusec-virtual-board --state "$LINE/$1" log
}

# line_board_control <name> <command>: power-cut, power-on, reset, status; prints the answer.
line_board_control() {
    perl -MIO::Socket::UNIX -e '
        my $board = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
        print $board "$ARGV[1]\n";
        $board->flush;
        my $answer = <$board>;
        print $answer;
        exit($answer =~ /^ok/ ? 0 : 1);' "$LINE/$1/control" "$2"
}
