#!/usr/bin/env bash
# Makes the certificate chains of crypto_test.c with the openssl command (3.0): one file per case,
# DER certificates one after another, root first. The files are committed; the keys are not kept.
set -euo pipefail
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >ca.cnf <<'CNF'
[ca]
default_ca = any
[any]
database = index
new_certs_dir = .
unique_subject = no
policy = policy
default_md = sha256
rand_serial = yes
[policy]
organizationName = optional
commonName = supplied
serialNumber = optional
[req]
distinguished_name = name
[name]
CNF
: >index

EKU_DEVICE=1.3.6.1.4.1.32473.1.1.1
EKU_PROGRAMMER=1.3.6.1.4.1.32473.1.1.2
IDS=$'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid'
CA=$'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'$IDS
CA0=$'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n'$IDS
LEAF=$'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'$IDS
DEVICE=$LEAF$'\nextendedKeyUsage='$EKU_DEVICE,1.3.6.1.4.1.412.274.3
# IEEE 802.1AR: otherName id-on-hardwareModuleName with the module type and the serial number.
IDEVID=$DEVICE$'\nsubjectAltName=otherName:1.3.6.1.5.5.7.8.4;SEQ:module'
IDEVID+=$'\n[module]\ntype=OID:1.3.6.1.4.1.32473.1.4.1\nserial=FORMAT:HEX,OCT:00112233445566778899AABBCCDDEEFF'

# key <name> [curve]
key() {
    openssl ecparam -name "${2:-prime256v1}" -genkey -noout -out "$1.key"
}

# issue <name> <issuer name> <extensions> [openssl ca options]: certifies <name>.key, subject /CN=<name>
# unless $SUBJECT is set; the issuer itself when both names are equal.
issue() {
    local name=$1 issuer=$2 extensions=$3
    shift 3
    [ -f "$name.key" ] || key "$name"
    printf '%s\n' "$extensions" >ext
    openssl req -new -config ca.cnf -key "$name.key" -subj "${SUBJECT:-/O=NuSEC test/CN=$name}" \
        -out csr
    local signer=(-cert "$issuer.pem")
    [ "$name" = "$issuer" ] && signer=(-selfsign)
    openssl ca -batch -notext -preserveDN -config ca.cnf "${signer[@]}" -keyfile "$issuer.key" \
        -in csr -out "$name.pem" -extfile ext -startdate 20260101000000Z \
        -enddate 99991231235959Z "$@" 2>log || { cat log >&2; exit 1; }
    openssl x509 -in "$name.pem" -outform DER -out "$name.der"
}

# chain <file> <names...>
chain() {
    local file=$1 name
    shift
    for name in "$@"; do cat "$name.der"; done >"$out/$file.der"
}

issue root root "$CA"
issue ica root "$CA"
SUBJECT="/CN=device/serialNumber=00112233445566778899AABBCCDDEEFF" issue device ica "$IDEVID"
chain good_3 root ica device

issue direct root "$DEVICE"
chain good_2 root direct
issue ica2 ica "$CA0"
issue deep ica2 "$DEVICE"
chain good_4 root ica ica2 deep
issue ica3 ica2 "$CA"
issue deeper ica3 "$DEVICE"
chain five root ica ica2 ica3 deeper
issue expired ica "$DEVICE" -startdate 20200101000000Z -enddate 20200201000000Z
chain expired root ica expired

issue leaf_ca ica $'basicConstraints=critical,CA:TRUE\nextendedKeyUsage='$EKU_DEVICE$'\nkeyUsage=critical,digitalSignature,keyCertSign'
chain leaf_is_ca root ica leaf_ca
issue leaf_no_usage ica $'basicConstraints=critical,CA:FALSE\nextendedKeyUsage='$EKU_DEVICE
chain leaf_without_key_usage root ica leaf_no_usage
issue leaf_agree ica $'basicConstraints=CA:FALSE\nkeyUsage=critical,keyAgreement\nextendedKeyUsage='$EKU_DEVICE
chain leaf_key_agreement_only root ica leaf_agree
issue programmer ica "$LEAF"$'\nextendedKeyUsage='$EKU_PROGRAMMER
chain leaf_other_eku root ica programmer
issue any ica "$LEAF"$'\nextendedKeyUsage=anyExtendedKeyUsage'
chain leaf_any_eku root ica any
issue bare ica "$LEAF"
chain leaf_without_eku root ica bare
issue odd ica "$DEVICE"$'\n1.3.6.1.4.1.32473.9.9=critical,ASN1:NULL'
chain leaf_unknown_critical root ica odd
key p384 secp384r1
issue p384 ica "$DEVICE"
chain leaf_p384 root ica p384
openssl genrsa -out rsa.key 2048 2>/dev/null
issue rsa ica "$DEVICE"
chain leaf_rsa root ica rsa
issue sha384 ica "$DEVICE" -md sha384
chain leaf_sha384 root ica sha384

issue ica_odd root "$CA"$'\n1.3.6.1.4.1.32473.9.9=critical,ASN1:NULL'
issue under_odd ica_odd "$DEVICE"
chain issuer_unknown_critical root ica_odd under_odd
issue ica_plain root $'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyCertSign\n'"$IDS"
issue under_plain ica_plain "$DEVICE"
chain issuer_is_no_ca root ica_plain under_plain
issue ica_no_usage root $'basicConstraints=critical,CA:TRUE\n'"$IDS"
issue under_no_usage ica_no_usage "$DEVICE"
chain issuer_without_key_usage root ica_no_usage under_no_usage
issue ica_no_sign root $'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n'"$IDS"
issue under_no_sign ica_no_sign "$DEVICE"
chain issuer_without_cert_sign root ica_no_sign under_no_sign
key ica_p384 secp384r1
issue ica_p384 root "$CA"
issue under_p384 ica_p384 "$DEVICE"
chain issuer_p384 root ica_p384 under_p384

# Path length: an issuer that may issue leaves only stands above another issuer.
issue root0 root0 "$CA0"
issue ica_below0 root0 "$CA"
issue leaf_below0 ica_below0 "$DEVICE"
chain root_path_length root0 ica_below0 leaf_below0
issue ica_zero root "$CA0"
issue ica_extra ica_zero "$CA"
issue leaf_extra ica_extra "$DEVICE"
chain issuer_path_length root ica_zero ica_extra leaf_extra

# Links that do not hold: a foreign issuer of the same name, and an issuer that was not needed.
cp ica.pem ica.keep
cp ica.der ica.der.keep
mv ica.key ica.key.keep
issue ica root "$CA"
cp ica.der imposter.der
cp ica.pem imposter.pem
mv ica.key.keep ica.key
cp ica.keep ica.pem
cp ica.der.keep ica.der
chain issuer_same_name root imposter device
chain issuer_not_in_path root ica direct

# The right key under another name.
cp ica.key renamed.key
issue renamed root "$CA"
chain issuer_other_name root renamed device
