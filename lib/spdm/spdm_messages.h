/*
 * Codes and sizes of SPDM 1.2 (DSP0274 1.2) in the one profile used here: P-256, SHA-256,
 * secp256r1, AES-256-GCM, no chunking. Every integer on the wire is little-endian; key coordinates
 * and signatures are big-endian.
 */
#ifndef NUSEC_SPDM_SPDM_MESSAGES_H
#define NUSEC_SPDM_SPDM_MESSAGES_H

/* MCTP message types that carry SPDM (DSP0275, DSP0276). */
#define SPDM_TYPE_CLEAR   0x05
#define SPDM_TYPE_SECURED 0x06

#define SPDM_VERSION_10 0x10
#define SPDM_VERSION_12 0x12

/* DataTransferSize and MaxSPDMmsgSize; equal because there is no chunking. */
#define SPDM_MESSAGE_MAX 4608
/* Session id 4, sequence 2, length 2 | application length 2, type 1 | random padding 32 | tag 16.
 */
#define SPDM_RECORD_HEADER_SIZE 8
#define SPDM_RECORD_INNER_SIZE  3
#define SPDM_RECORD_PADDING_MAX 32
#define SPDM_RECORD_TAG_SIZE    16
/* What a buffer for anything sent or received must hold (without the MCTP type byte). */
#define SPDM_RECORD_MAX                                                                            \
    (SPDM_RECORD_HEADER_SIZE + SPDM_RECORD_INNER_SIZE + SPDM_MESSAGE_MAX +                         \
     SPDM_RECORD_PADDING_MAX + SPDM_RECORD_TAG_SIZE)
/* Longest CertChain blob (Length, RootHash, certificates). */
#define SPDM_CHAIN_MAX 4096
#define SPDM_CHAIN_MIN 36
#define SPDM_SLOTS     8

#define SPDM_HEADER_SIZE    4
#define SPDM_NONCE_SIZE     32
#define SPDM_HASH_SIZE      32
#define SPDM_SIGNATURE_SIZE 64
#define SPDM_KEY_SIZE       64

enum spdm_code {
    SPDM_DIGESTS = 0x01,
    SPDM_CERTIFICATE = 0x02,
    SPDM_CHALLENGE_AUTH = 0x03,
    SPDM_VERSION = 0x04,
    SPDM_MEASUREMENTS = 0x60,
    SPDM_CAPABILITIES = 0x61,
    SPDM_ALGORITHMS = 0x63,
    SPDM_KEY_EXCHANGE_RSP = 0x64,
    SPDM_FINISH_RSP = 0x65,
    SPDM_ENCAPSULATED_REQUEST = 0x6A,
    SPDM_ENCAPSULATED_RESPONSE_ACK = 0x6B,
    SPDM_END_SESSION_ACK = 0x6C,
    SPDM_CSR = 0x6D,
    SPDM_SET_CERTIFICATE_RSP = 0x6E,
    SPDM_VENDOR_DEFINED_RESPONSE = 0x7E,
    SPDM_ERROR = 0x7F,
    SPDM_GET_DIGESTS = 0x81,
    SPDM_GET_CERTIFICATE = 0x82,
    SPDM_CHALLENGE = 0x83,
    SPDM_GET_VERSION = 0x84,
    SPDM_GET_MEASUREMENTS = 0xE0,
    SPDM_GET_CAPABILITIES = 0xE1,
    SPDM_NEGOTIATE_ALGORITHMS = 0xE3,
    SPDM_KEY_EXCHANGE = 0xE4,
    SPDM_FINISH = 0xE5,
    SPDM_HEARTBEAT = 0xE8,
    SPDM_KEY_UPDATE = 0xE9,
    SPDM_GET_ENCAPSULATED_REQUEST = 0xEA,
    SPDM_DELIVER_ENCAPSULATED_RESPONSE = 0xEB,
    SPDM_END_SESSION = 0xEC,
    SPDM_GET_CSR = 0xED,
    SPDM_SET_CERTIFICATE = 0xEE,
    SPDM_VENDOR_DEFINED_REQUEST = 0xFE,
};

enum spdm_error {
    SPDM_ERROR_NONE = 0x00, /* not on the wire: no ERROR message to send */
    SPDM_ERROR_INVALID_REQUEST = 0x01,
    SPDM_ERROR_BUSY = 0x03,
    SPDM_ERROR_UNEXPECTED_REQUEST = 0x04,
    SPDM_ERROR_UNSPECIFIED = 0x05,
    SPDM_ERROR_DECRYPT = 0x06,
    SPDM_ERROR_UNSUPPORTED_REQUEST = 0x07,
    SPDM_ERROR_REQUEST_IN_FLIGHT = 0x08,
    SPDM_ERROR_INVALID_RESPONSE_CODE = 0x09,
    SPDM_ERROR_SESSION_LIMIT_EXCEEDED = 0x0A,
    SPDM_ERROR_SESSION_REQUIRED = 0x0B,
    SPDM_ERROR_RESPONSE_TOO_LARGE = 0x0D,
    SPDM_ERROR_REQUEST_TOO_LARGE = 0x0E,
    SPDM_ERROR_VERSION_MISMATCH = 0x41,
    SPDM_ERROR_RESPONSE_NOT_READY = 0x42,
    SPDM_ERROR_VENDOR = 0xFF,
};

/* Capability flags (GET_CAPABILITIES and CAPABILITIES share the bits we use). */
#define SPDM_CAP_CERT       (1UL << 1)
#define SPDM_CAP_CHAL       (1UL << 2)
#define SPDM_CAP_MEAS_SIG   (1UL << 4)
#define SPDM_CAP_MEAS_FRESH (1UL << 5)
#define SPDM_CAP_ENCRYPT    (1UL << 6)
#define SPDM_CAP_MAC        (1UL << 7)
#define SPDM_CAP_MUT_AUTH   (1UL << 8)
#define SPDM_CAP_KEY_EX     (1UL << 9)
#define SPDM_CAP_PSK        (3UL << 10)
#define SPDM_CAP_ENCAP      (1UL << 12)
#define SPDM_CAP_HBEAT      (1UL << 13)
#define SPDM_CAP_KEY_UPD    (1UL << 14)
#define SPDM_CAP_CLEAR      (1UL << 15) /* HANDSHAKE_IN_THE_CLEAR */
#define SPDM_CAP_PUB_KEY_ID (1UL << 16)
#define SPDM_CAP_CHUNK      (1UL << 17)
#define SPDM_CAP_SET_CERT   (1UL << 19)
#define SPDM_CAP_CSR        (1UL << 20)

/* Responder capability sets: a chip's boot stages, and DevAuth. */
#define SPDM_CAPS_BASIC                                                                            \
    (SPDM_CAP_CERT | SPDM_CAP_CHAL | SPDM_CAP_MEAS_SIG | SPDM_CAP_MEAS_FRESH | SPDM_CAP_ENCRYPT |  \
     SPDM_CAP_MAC | SPDM_CAP_KEY_EX)
#define SPDM_CAPS_PROVISIONING                                                                     \
    (SPDM_CAPS_BASIC | SPDM_CAP_MUT_AUTH | SPDM_CAP_ENCAP | SPDM_CAP_SET_CERT | SPDM_CAP_CSR)
/* Requester capability sets: without and with a certificate of its own. */
#define SPDM_CAPS_REQUESTER                                                                        \
    (SPDM_CAP_CERT | SPDM_CAP_CHAL | SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_KEY_EX)
#define SPDM_CAPS_REQUESTER_MUTUAL (SPDM_CAPS_REQUESTER | SPDM_CAP_MUT_AUTH | SPDM_CAP_ENCAP)

/* Measurement blocks (DSP0274 1.2, 10.11.1). */
#define SPDM_MEASUREMENT_DMTF 0x01
/* Value type and value size, counted in a block's size. */
#define SPDM_MEASUREMENT_VALUE_HEADER 3
#define SPDM_MEASUREMENT_RAW          0x80 /* or-ed into the value type */
enum spdm_measurement_type {
    SPDM_MEASUREMENT_ROM = 0,
    SPDM_MEASUREMENT_FIRMWARE = 1,
    SPDM_MEASUREMENT_HARDWARE_CONFIGURATION = 2,
    SPDM_MEASUREMENT_FIRMWARE_CONFIGURATION = 3,
    SPDM_MEASUREMENT_MANIFEST = 4,
    SPDM_MEASUREMENT_DEVICE_MODE = 5,
    SPDM_MEASUREMENT_VERSION = 6,
    SPDM_MEASUREMENT_SVN = 7,
};
#define SPDM_MEASUREMENT_ALL 0xFF

/* NuSEC's vendor-defined messages: registry IANA, enterprise number 32473. */
#define SPDM_VENDOR_STANDARD 4
#define SPDM_VENDOR_ID       32473UL
/* Header, standard id, id length, id, payload length. */
#define SPDM_VENDOR_HEADER_SIZE 13
#define SPDM_VENDOR_PAYLOAD_MAX (SPDM_MESSAGE_MAX - SPDM_VENDOR_HEADER_SIZE)

/* Who is at the other end of the channel a request came through. */
enum spdm_privilege {
    SPDM_PRIVILEGE_NONE = 0x11,       /* no session */
    SPDM_PRIVILEGE_READ_ONLY = 0x22,  /* session without mutual authentication */
    SPDM_PRIVILEGE_PRIVILEGED = 0x44, /* session, requester's chain verified to its root */
};

#endif
