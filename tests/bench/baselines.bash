# shellcheck shell=bash
# What the issuing server is measured beside, on the same machine in the same run. Each function
# prints certificates (or signatures) per second, an integer. They work in $LINE/baseline.

BASELINE_REQUESTS=${BASELINE_REQUESTS:-60}

baseline_prepare() {
    BASELINE=$LINE/baseline
    mkdir -p "$BASELINE/certs" "$BASELINE/tokens"
    cat >"$BASELINE/softhsm2.conf" <<CONF
directories.tokendir = $BASELINE/tokens
objectstore.backend = file
log.level = ERROR
CONF
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=device \
        -keyout "$BASELINE/device.key" -out "$BASELINE/device.csr" 2>/dev/null
}

baseline_openssl_config() {
    cat >"$BASELINE/openssl.cnf" <<CONF
openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11_engine
[pkcs11_engine]
engine_id = pkcs11
MODULE_PATH = /usr/lib/softhsm/libsofthsm2.so
init = 0
[ca]
default_ca = issuing
[issuing]
database = $BASELINE/index.txt
serial = $BASELINE/serial
new_certs_dir = $BASELINE/certs
certificate = $BASELINE/ca.pem
default_md = sha256
default_days = 365
policy = any
unique_subject = no
[any]
commonName = optional
[req]
distinguished_name = none
[none]
CONF
    : >"$BASELINE/index.txt"
    echo 01 >"$BASELINE/serial"
}

# One process per request, as its manual has it: `openssl ca` with the key in a SoftHSM token.
baseline_openssl_ca() {
    local key="pkcs11:token=baseline;object=ca;type=private;pin-source=file:$BASELINE/pin"
    local started finished number
    export SOFTHSM2_CONF=$BASELINE/softhsm2.conf
    baseline_openssl_config
    printf 'baseline' >"$BASELINE/pin"
    softhsm2-util --init-token --free --label baseline --pin baseline --so-pin baseline >/dev/null
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$BASELINE/ca.key"
    softhsm2-util --import "$BASELINE/ca.key" --token baseline --label ca --id 01 --pin baseline \
        >/dev/null
    openssl req -new -x509 -key "$BASELINE/ca.key" -subj /CN=baseline -days 30 -out "$BASELINE/ca.pem"
    started=$(date +%s%N)
    for ((number = 0; number < BASELINE_REQUESTS; number++)); do
        OPENSSL_CONF=$BASELINE/openssl.cnf openssl ca -batch -engine pkcs11 -keyform engine -keyfile "$key" -in "$BASELINE/device.csr" \
            -out "$BASELINE/out.pem" >>"$BASELINE/openssl.log" 2>&1 || break
    done
    finished=$(date +%s%N)
    unset SOFTHSM2_CONF
    [ "$number" -eq "$BASELINE_REQUESTS" ] || { tail -n 3 "$BASELINE/openssl.log" >&2 && return 1; }
    echo $((BASELINE_REQUESTS * 1000000000 / (finished - started)))
}

# cfssl serve: plain HTTP, no client authentication, key in a file, no database.
baseline_cfssl() {
    local port=$((LINE_PORT + 1)) report
    openssl ecparam -name prime256v1 -genkey -noout -out "$BASELINE/cfssl.key"
    openssl req -new -x509 -key "$BASELINE/cfssl.key" -subj /CN=cfssl -days 30 \
        -out "$BASELINE/cfssl.pem"
    line_start cfssl cfssl serve -loglevel 4 -address 127.0.0.1 -port "$port" \
        -ca "$BASELINE/cfssl.pem" -ca-key "$BASELINE/cfssl.key"
    jq -n --rawfile csr "$BASELINE/device.csr" '{certificate_request: $csr}' >"$BASELINE/cfssl.json"
    line_wait cfssl 20 curl -sf --data "@$BASELINE/cfssl.json" \
        "http://127.0.0.1:$port/api/v1/cfssl/sign"
    cat >"$BASELINE/cfssl.lua" <<LUA
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("$BASELINE/cfssl.json")
wrk.body = file:read("*a")
LUA
    report=$(wrk -t1 -c64 -d3s -s "$BASELINE/cfssl.lua" "http://127.0.0.1:$port/api/v1/cfssl/sign")
    line_stop cfssl
    if grep -q 'Non-2xx' <<<"$report"; then
        echo "$report" >&2
        return 1
    fi
    awk '/Requests\/sec/ { printf "%d\n", $2 }' <<<"$report"
}
