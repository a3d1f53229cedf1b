#include "devauth/oid.h"

/* 1.3.6.1.4.1.32473.1 */
#define ARC 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xFD, 0x59, 0x01
/* 1.3.6.1.4.1.412.274 */
#define DMTF 0x2B, 0x06, 0x01, 0x04, 0x01, 0x83, 0x1C, 0x82, 0x12
/* 1.3.6.1.5.5.7.3 */
#define PKIX_KEY_PURPOSE 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03

#define OID(name, ...)                                                                             \
    static const uint8_t name##_value[] = {__VA_ARGS__};                                           \
    const struct bytes name = {.data = name##_value, .size = sizeof name##_value}

OID(oid_eku_device, ARC, 0x01, 0x01);
OID(oid_eku_programmer, ARC, 0x01, 0x02);
OID(oid_eku_gateway, ARC, 0x01, 0x03);
OID(oid_eku_job_authority, ARC, 0x01, 0x04);
OID(oid_eku_command_authority, ARC, 0x01, 0x05);
OID(oid_eku_audit, ARC, 0x01, 0x07);
OID(oid_eku_oem_admin, ARC, 0x01, 0x0A);
OID(oid_eku_oem_operator, ARC, 0x01, 0x0B);
OID(oid_eku_cm_operator, ARC, 0x01, 0x0C);
OID(oid_eku_auditor, ARC, 0x01, 0x0D);

OID(oid_attribute_enc_public_key, ARC, 0x02, 0x01);
OID(oid_attribute_tls_public_key, ARC, 0x02, 0x02);
OID(oid_attribute_reservation_nonce, ARC, 0x02, 0x03);

OID(oid_hardware_type, ARC, 0x04, 0x01);

OID(oid_eku_spdm_responder, DMTF, 0x03);
OID(oid_eku_spdm_requester, DMTF, 0x04);

OID(oid_eku_tls_server, PKIX_KEY_PURPOSE, 0x01);
OID(oid_eku_tls_client, PKIX_KEY_PURPOSE, 0x02);
OID(oid_eku_ocsp_signing, PKIX_KEY_PURPOSE, 0x09);

OID(oid_serial_number, 0x55, 0x04, 0x05);
OID(oid_ext_key_usage, 0x55, 0x1D, 0x0F);
OID(oid_ext_basic_constraints, 0x55, 0x1D, 0x13);
OID(oid_ext_extended_key_usage, 0x55, 0x1D, 0x25);
