# shellcheck shell=bash
# Units with firmware per hour through one programmer: boards side by side, each put in once the
# others are. The seconds are those of the call, from the first chip to the last; processor time is
# what server and programmer used in them, per unit.

# gang_ticks <name>: processor time of a running program so far, in ticks of 10 ms.
gang_ticks() {
    awk '{ print $14 + $15 }' "/proc/$(line_pid "$1")/stat"
}

# gang_run qemu|native <boards>
gang_run() {
    local kind=$1 boards=$2 job number options=() sites=() began ended server programmer made
    [ "$kind" = native ] && options=(--native --delays off)
    job=$(LINE_FIRMWARE=1 line_order "$kind" "$boards")
    nusec package import "$LINE/$job.package" >/dev/null
    for ((number = 0; number < boards; number++)); do
        line_start_board "gang-$number" "${options[@]}"
        sites+=(--board "$LINE/gang-$number")
    done
    server=$(gang_ticks server)
    programmer=$(gang_ticks programmer)
    began=$(date +%s%N)
    made=$(nusec produce "$job" "${sites[@]}" --json | jq -s 'last | .done')
    ended=$(date +%s%N)
    server=$(($(gang_ticks server) - server))
    programmer=$(($(gang_ticks programmer) - programmer))
    for ((number = 0; number < boards; number++)); do
        line_stop "gang-$number"
        rm -rf "$LINE/gang-$number"
    done
    [ "$made" = "$boards" ] || { echo "bench: $made of $boards units were made" >&2 && return 1; }
    awk -v kind="$kind" -v boards="$boards" -v seconds="$(((ended - began) / 1000000))" \
        -v server="$server" -v programmer="$programmer" 'BEGIN {
            printf "%-8s %7d %10.2f %12.0f %12.1f %14.1f\n", kind, boards, seconds / 1000,
                boards * 3600000 / seconds, server * 10 / boards, programmer * 10 / boards }'
}

gang() {
    echo "== units with firmware, sites side by side"
    printf '%-8s %7s %10s %12s %12s %14s\n' boards sites seconds "units/hour" "server ms" "programmer ms"
    gang_run qemu 1
    gang_run qemu 4
    gang_run qemu 8
    gang_run native 64
}
