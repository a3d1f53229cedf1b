/* What NuSEC asks of PSA Crypto: ECDSA and ECDH on P-256; SHA-256 for certificate signatures. */
#ifndef NUSEC_DEVICE_PSA_H
#define NUSEC_DEVICE_PSA_H

#define PSA_WANT_ALG_ECDSA                      1
#define PSA_WANT_ALG_ECDH                       1
#define PSA_WANT_ALG_SHA_256                    1
#define PSA_WANT_ECC_SECP_R1_256                1
#define PSA_WANT_KEY_TYPE_ECC_PUBLIC_KEY        1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_BASIC    1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_IMPORT   1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_EXPORT   1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_GENERATE 1

#endif
