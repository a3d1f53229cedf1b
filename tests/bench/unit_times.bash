# shellcheck shell=bash
# Seconds per identified unit through one programmer, with 1 board and with 4, split into where the
# programmer waited: debug port (loading DevAuth), the chip over the UART (its crypto and the
# emulated wire), the server; the rest is the programmer's own. The wire column is what the bytes
# would take on a real UART at 115200 baud, which the emulator does not slow down to.

# unit_times_run <boards> <units per board>
unit_times_run() {
    local boards=$1 rounds=$2 round number job answers options
    answers=$LINE/units-$boards.json
    : >"$answers"
    job=$(line_order qemu $((boards * rounds)))
    nusec package import "$LINE/$job.package" >/dev/null
    for ((round = 0; round < rounds; round++)); do
        options=()
        for ((number = 0; number < boards; number++)); do
            line_start_board "board-$boards-$round-$number"
            options+=(--board "$LINE/board-$boards-$round-$number")
        done
        nusec produce "$job" "${options[@]}" --json | jq -c 'select(.units) | .units[]' >>"$answers"
        for ((number = 0; number < boards; number++)); do
            line_stop "board-$boards-$round-$number"
        done
    done
    jq -rs --arg boards "$boards" --argjson expected $((boards * rounds)) '
        def mean(f): (map(f) | add) / length;
        def show: . * 1000 | round / 1000 | tostring;
        if length != $expected then error("\(length) of \($expected) units were made") else . end
        | (mean(.seconds)) as $whole | (mean(.times.debug)) as $debug
        | (mean(.times.link)) as $link | (mean(.times.server)) as $server
        | [$boards, ($whole | show), ($whole / ($boards | tonumber) | show), ($debug | show),
           ($link | show), ($server | show), ($whole - $debug - $link - $server | show),
           (mean(.times.link_bytes) | round | tostring),
           (mean(.times.link_bytes) * 10 / 115200 | show)] | @tsv' "$answers" |
        awk -F'\t' '{ printf "%6s %9s %9s %9s %9s %9s %9s %9s %9s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
}

unit_times() {
    echo "== seconds per unit, QEMU boards (mean)"
    line_start_programmer
    line_prepare >/dev/null 2>&1
    printf '%6s %9s %9s %9s %9s %9s %9s %9s %9s\n' boards unit /boards debug chip server own bytes \
        115200
    unit_times_run 1 3
    unit_times_run 4 1
}
