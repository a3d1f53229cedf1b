/*
 * Object identifiers of the NuSEC profile and the standard ones beside them, as DER value bytes
 * (without tag and length), ready for der_write(DER_OID) and der_expect_oid.
 *
 * Own arc: 1.3.6.1.4.1.32473.1. 32473 is the enterprise number RFC 5612 reserves for
 * documentation; when one is registered it changes in oid.c and DEVAUTH_VENDOR_ID, nowhere else.
 */
#ifndef NUSEC_DEVAUTH_OID_H
#define NUSEC_DEVAUTH_OID_H

#include "base/bytes.h"

/* Roles: extended key usages, ARC.1.n. A role is the issuing CA and exactly one of these. */
extern const struct bytes oid_eku_device;            /* .1.1 */
extern const struct bytes oid_eku_programmer;        /* .1.2 */
extern const struct bytes oid_eku_gateway;           /* .1.3 */
extern const struct bytes oid_eku_job_authority;     /* .1.4 signs packages and signed time */
extern const struct bytes oid_eku_command_authority; /* .1.5 signs permits */
extern const struct bytes oid_eku_audit;             /* .1.7 */
extern const struct bytes oid_eku_oem_admin;         /* .1.10 */
extern const struct bytes oid_eku_oem_operator;      /* .1.11 */
extern const struct bytes oid_eku_cm_operator;       /* .1.12 */
extern const struct bytes oid_eku_auditor;           /* .1.13 */

/* PKCS #10 attributes, ARC.2.n: one OCTET STRING each. */
extern const struct bytes oid_attribute_enc_public_key;    /* .2.1, X || Y, 64 bytes */
extern const struct bytes oid_attribute_tls_public_key;    /* .2.2, X || Y, 64 bytes */
extern const struct bytes oid_attribute_reservation_nonce; /* .2.3, 32 bytes */

/* hwType of the hardwareModuleName in a device certificate (RFC 4108, 5): a chip with a NuSEC UID.
 */
extern const struct bytes oid_hardware_type; /* .4.1 */

/* DSP0274: id-DMTF-eku-responder-auth and -requester-auth. */
extern const struct bytes oid_eku_spdm_responder; /* 1.3.6.1.4.1.412.274.3 */
extern const struct bytes oid_eku_spdm_requester; /* 1.3.6.1.4.1.412.274.4 */

/* RFC 5280, X.520. */
extern const struct bytes oid_eku_tls_server;         /* 1.3.6.1.5.5.7.3.1 */
extern const struct bytes oid_eku_tls_client;         /* 1.3.6.1.5.5.7.3.2 */
extern const struct bytes oid_eku_ocsp_signing;       /* 1.3.6.1.5.5.7.3.9 */
extern const struct bytes oid_serial_number;          /* 2.5.4.5, attribute type of a name */
extern const struct bytes oid_ext_key_usage;          /* 2.5.29.15 */
extern const struct bytes oid_ext_basic_constraints;  /* 2.5.29.19 */
extern const struct bytes oid_ext_extended_key_usage; /* 2.5.29.37 */

#endif
