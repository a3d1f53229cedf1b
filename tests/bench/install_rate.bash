# shellcheck shell=bash
# How much of the wire an installation of BL3 uses: bytes of its image x 10 / (seconds x bit rate), on
# boards whose UART is slowed down to that rate, with flash delays and the real receive buffer. The
# seconds are those of the step, with everything in it: permission, erase, bytes, verification.

# install_image <kind> <bytes>: the sample application, filled up with random bytes to this size.
install_image() {
    local sample=$FIRMWARE/application.bin padded=$LINE/application-$1-$2.bin
    [ "$1" = native ] && sample=$BUILD/host/firmware/application.bin
    cp "$sample" "$padded"
    head -c $(($2 - $(stat -c %s "$sample"))) /dev/urandom >>"$padded"
    echo "$padded"
}

# install_rate qemu|native <bit rate> <bytes>
install_rate() {
    local kind=$1 baud=$2 bytes=$3 name=install-$1-$2-$3 job image events options=()
    [ "$kind" = native ] && options=(--native)
    image=$(install_image "$kind" "$bytes")
    job=$(LINE_FIRMWARE=1 LINE_APPLICATION=$image line_order "$kind" 1)
    nusec package import "$LINE/$job.package" >/dev/null
    line_start_board "$name" --baud "$baud" "${options[@]}"
    events=$(nusec produce "$job" --board "$LINE/$name" --json)
    line_stop "$name"
    jq -rs --arg kind "$kind" --argjson baud "$baud" --argjson bytes "$bytes" '
        map(select(.state? != null)) as $all
        | ([$all[] | select(.state == "bl3_install") | .seconds] | min) as $before
        | ([$all[] | select(.state == "application") | .seconds] | min) as $after
        | if $before == null or $after == null then error("no installation was seen") else . end
        | [$kind, $baud, $bytes, ($after - $before),
           ($bytes * 10 / (($after - $before) * $baud) * 100)]
        | @tsv' <<<"$events" |
        awk -F'\t' '{ printf "%-8s %8s %10s %9.2f %8.1f %%\n", $1, $2, $3, $4, $5 }'
}

install_rates() {
    echo "== installing BL3: part of the wire that carries the image"
    printf '%-8s %8s %10s %9s %10s\n' board bit/s bytes seconds wire
    install_rate qemu 115200 65536
    install_rate qemu 115200 262144
    install_rate native 921600 262144
}
