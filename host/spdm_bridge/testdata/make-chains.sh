#!/bin/sh
# Makes the throw-away PKI of bridge_test.c: root -> intermediate -> device and requester, and a
# second root that signed nothing. The committed files came from one run; run again to renew them.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ca_extensions='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign'
leaf_extensions='basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature'

# make NAME SUBJECT ISSUER EXTENSIONS: $work/NAME.key and $work/NAME.pem
make() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
    printf '%s\n' "$4" > "$work/$1.ext"
    if [ "$3" = self ]; then
        set -- "$1" -signkey "$work/$1.key"
    else
        set -- "$1" -CA "$work/$3.pem" -CAkey "$work/$3.key" -CAcreateserial
    fi
    name=$1
    shift
    openssl x509 -req -in "$work/$name.csr" "$@" -days 36500 -sha256 \
        -extfile "$work/$name.ext" -out "$work/$name.pem" 2> /dev/null
}

make root 'bridge test root' self "$ca_extensions"
make other_root 'bridge test other root' self "$ca_extensions"
make inter 'bridge test intermediate' root "$ca_extensions"
make device 'bridge test device' inter "$leaf_extensions"
make requester 'bridge test requester' inter "$leaf_extensions"

cp "$work/root.pem" root.pem
cp "$work/other_root.pem" other_root.pem
for leaf in device requester; do
    cat "$work/root.pem" "$work/inter.pem" "$work/$leaf.pem" > "$leaf.pem"
    cp "$work/$leaf.key" "$leaf.key"
    chmod 644 "$leaf.key"
done
