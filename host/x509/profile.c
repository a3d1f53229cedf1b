#include "x509/profile.h"

#include "devauth/oid.h"

static const struct x509_profile_row rows[X509_PROFILE_COUNT] = {
    [X509_PROFILE_ROOT] = {"root", X509_KIND_ROOT, 0, {NULL}},
    [X509_PROFILE_DEVICE_CA] = {"device CA", X509_KIND_CA, 0, {NULL}},
    [X509_PROFILE_OPERATIONS_CA] = {"operations CA", X509_KIND_CA, 0, {NULL}},
    [X509_PROFILE_SERVER] = {"server", X509_KIND_LEAF, 1, {&oid_eku_tls_server}},
    [X509_PROFILE_PROGRAMMER] = {"programmer",
                                 X509_KIND_LEAF,
                                 3,
                                 {&oid_eku_programmer, &oid_eku_spdm_requester,
                                  &oid_eku_tls_client}},
    [X509_PROFILE_GATEWAY] = {"gateway",
                              X509_KIND_LEAF,
                              3,
                              {&oid_eku_gateway, &oid_eku_spdm_requester, &oid_eku_tls_client}},
    [X509_PROFILE_OEM_ADMIN] = {"OEM admin",
                                X509_KIND_LEAF,
                                2,
                                {&oid_eku_oem_admin, &oid_eku_tls_client}},
    [X509_PROFILE_OEM_OPERATOR] = {"OEM operator",
                                   X509_KIND_LEAF,
                                   2,
                                   {&oid_eku_oem_operator, &oid_eku_tls_client}},
    [X509_PROFILE_CM_OPERATOR] = {"CM operator",
                                  X509_KIND_LEAF,
                                  2,
                                  {&oid_eku_cm_operator, &oid_eku_tls_client}},
    [X509_PROFILE_AUDITOR] = {"auditor",
                              X509_KIND_LEAF,
                              2,
                              {&oid_eku_auditor, &oid_eku_tls_client}},
    [X509_PROFILE_JOB_AUTHORITY] = {"job authority", X509_KIND_LEAF, 1, {&oid_eku_job_authority}},
    [X509_PROFILE_COMMAND_AUTHORITY] = {"command authority",
                                        X509_KIND_LEAF,
                                        1,
                                        {&oid_eku_command_authority}},
    [X509_PROFILE_AUDIT] = {"audit", X509_KIND_LEAF, 1, {&oid_eku_audit}},
    [X509_PROFILE_OCSP] = {"OCSP", X509_KIND_LEAF, 1, {&oid_eku_ocsp_signing}},
    [X509_PROFILE_DEVICE] = {"device",
                             X509_KIND_LEAF,
                             2,
                             {&oid_eku_device, &oid_eku_spdm_responder}},
};

const struct x509_profile_row *x509_profile_row(enum x509_profile profile) {
    return &rows[profile];
}
