# shellcheck shell=bash
# How much of the wire an installation of BL3 uses: bytes of its image x 10 / (seconds x bit rate), on
# boards whose UART is slowed down to that rate, with flash delays and the real receive buffer. The
# seconds are those of the step, with everything in it: permission, erase, bytes, verification.

# install_rate <bit rate> [options of the board...]
install_rate() {
    local baud=$1 name job image events
    shift
    name=install-$baud
    job=$(LINE_FIRMWARE=1 line_order qemu 1)
    nusec package import "$LINE/$job.package" >/dev/null
    line_start_board "$name" --baud "$baud" "$@"
    events=$(nusec produce "$job" --board "$LINE/$name" --json)
    line_stop "$name"
    image=$(stat -c %s "$FIRMWARE/application.bin")
    jq -rs --argjson baud "$baud" --argjson bytes "$image" '
        map(select(.state? != null)) as $all
        | ([$all[] | select(.state == "bl3_install") | .seconds] | min) as $before
        | ([$all[] | select(.state == "application") | .seconds] | min) as $after
        | if $before == null or $after == null then error("no installation was seen") else . end
        | [$baud, $bytes, ($after - $before), ($bytes * 10 / (($after - $before) * $baud) * 100)]
        | @tsv' <<<"$events" |
        awk -F'\t' '{ printf "%8s %10s %9.2f %8.1f %%\n", $1, $2, $3, $4 }'
}

install_rates() {
    echo "== installing BL3: part of the wire that carries the image"
    printf '%8s %10s %9s %10s\n' bit/s bytes seconds wire
    install_rate 115200
    install_rate 921600 --native
}
