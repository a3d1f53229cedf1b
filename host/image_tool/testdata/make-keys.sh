#!/usr/bin/env bash
# Makes the keys beside it, for tests only. The private keys are 32 equal bytes, those of
# lib/image/vectors (signer 0x11, device 0x33) and two strangers.
set -euo pipefail
cd "$(dirname "$0")"

# sec1 <byte in hexadecimal>: the key as SEC 1 without its public half, which OpenSSL computes.
sec1() {
    local scalar=
    for _ in {1..32}; do scalar+=$1; done
    xxd -r -p <<<"303102010104 20 $scalar A00A06082A8648CE3D030107" | openssl ec -inform DER 2>/dev/null
}

for key in signer:11 stranger:22 device:33 other_device:55; do
    sec1 "${key#*:}" | openssl pkcs8 -topk8 -nocrypt -out "${key%:*}.pem"
done
openssl pkey -in signer.pem -pubout -out signer_pub.pem
openssl pkey -in device.pem -pubout -out device_pub.pem
sec1 11 >signer_sec1.pem
openssl pkcs8 -topk8 -in signer.pem -v2 aes-256-cbc -passout pass:correct -out signer_encrypted.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null
openssl genpkey -algorithm ED25519 -out ed25519.pem
