#include "server/api_handlers.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define ADMIN      ROLE_ADMIN
#define OEM        (ROLE_ADMIN | ROLE_OPERATOR)
#define OEM_READ   (OEM | ROLE_AUDITOR)
#define READ       (OEM_READ | ROLE_CM_OPERATOR)
#define PROGRAMMER ROLE_PROGRAMMER

/* docs/api/openapi.yaml is held against this table by a test, both ways. */
const struct api_route api_routes[] = {
    {"GET", "/healthz", ROLE_ANY, BODY_NONE, 0, api_healthz},
    {"GET", "/metrics", ROLE_ANY, BODY_NONE, 0, api_metrics},
    {"GET", "/v1/whoami", ROLE_ANY, BODY_NONE, 0, api_whoami},
    {"GET", "/v1/ca", ROLE_ANY, BODY_NONE, 0, api_ca},
    {"GET", "/v1/time", PROGRAMMER, BODY_NONE, 0, api_signed_time},
    {"GET", "/v1/events", ADMIN | ROLE_AUDITOR, BODY_NONE, 0, api_events},

    {"POST", "/v1/tpm-challenges", ADMIN, BODY_JSON, 16 * KIB, api_tpm_challenge},
    {"POST", "/v1/programmers", ADMIN, BODY_JSON, 16 * KIB, api_programmer_enrol},
    {"GET", "/v1/programmers", OEM_READ, BODY_NONE, 0, api_programmer_list},
    {"GET", "/v1/programmers/{id}", OEM_READ, BODY_NONE, 0, api_programmer_show},
    {"POST", "/v1/programmers/{id}/agreement", ADMIN, BODY_JSON, 4 * KIB, api_programmer_agree},
    {"GET", "/v1/programmers/{id}/affected", OEM_READ, BODY_NONE, 0, api_programmer_affected},
    {"POST", "/v1/programmers/{id}/revoke", ADMIN, BODY_JSON, 4 * KIB, api_programmer_revoke},

    {"POST", "/v1/uploads", OEM, BODY_JSON, 4 * KIB, api_upload_begin},
    {"GET", "/v1/uploads/{id}", OEM, BODY_NONE, 0, api_upload_show},
    {"PUT", "/v1/uploads/{id}", OEM, BODY_OCTETS, MIB, api_upload_range},
    {"POST", "/v1/uploads/{id}/finish", OEM, BODY_JSON, 4 * KIB, api_upload_finish},
    {"GET", "/v1/firmware", OEM_READ | PROGRAMMER, BODY_NONE, 0, api_firmware_list},
    {"GET", "/v1/firmware/{id}", OEM_READ | PROGRAMMER, BODY_NONE, 0, api_firmware_show},
    {"GET", "/v1/firmware/{id}/content", OEM | PROGRAMMER, BODY_NONE, 0, api_firmware_content},

    {"POST", "/v1/jobs", OEM, BODY_JSON, 4 * MIB, api_job_create},
    {"GET", "/v1/jobs", READ, BODY_NONE, 0, api_job_list},
    {"GET", "/v1/jobs/{id}", READ, BODY_NONE, 0, api_job_show},
    {"POST", "/v1/jobs/{id}/export", OEM, BODY_JSON, 4 * KIB, api_job_export},
    {"POST", "/v1/jobs/{id}/activate", PROGRAMMER, BODY_JSON, 4 * KIB, api_job_activate},
    {"POST", "/v1/jobs/{id}/pause", OEM, BODY_JSON, 4 * KIB, api_job_pause},
    {"POST", "/v1/jobs/{id}/resume", OEM, BODY_JSON, 4 * KIB, api_job_resume},
    {"POST", "/v1/jobs/{id}/close", OEM, BODY_JSON, 4 * KIB, api_job_close},
    {"POST", "/v1/jobs/{id}/extend", OEM, BODY_JSON, 4 * KIB, api_job_extend},
    {"GET", "/v1/jobs/{id}/report", READ | PROGRAMMER, BODY_NONE, 0, api_job_report},
    {"GET", "/v1/jobs/{id}/units", READ | PROGRAMMER, BODY_NONE, 0, api_job_units},
    {"POST", "/v1/jobs/{id}/deny", OEM, BODY_JSON, 4 * MIB, api_job_deny},
    {"GET", "/v1/jobs/{id}/audit", OEM_READ, BODY_NONE, 0, api_job_audit},
    {"POST", "/v1/jobs/{id}/ledger", PROGRAMMER, BODY_JSON, 2 * MIB, api_ledger_receive},
    {"POST", "/v1/jobs/{id}/ledger/agree", PROGRAMMER, BODY_JSON, 4 * KIB, api_ledger_agree},

    {"POST", "/v1/jobs/{id}/units", PROGRAMMER, BODY_JSON, 4 * KIB, api_unit_reserve},
    {"POST", "/v1/jobs/{id}/units/{uid}/scrap", OEM, BODY_JSON, 4 * KIB, api_unit_scrap},
    {"POST", "/v1/units/{id}/certificate", PROGRAMMER, BODY_JSON, 4 * KIB, api_unit_certificate},
    {"POST", "/v1/units/{id}/permits", PROGRAMMER, BODY_JSON, 4 * KIB, api_unit_permit},
    {"POST", "/v1/units/{id}/challenges", PROGRAMMER, BODY_JSON, 4 * KIB, api_unit_challenge},
    {"POST", "/v1/units/{id}/images", PROGRAMMER, BODY_JSON, 16 * KIB, api_unit_image},
    {"POST", "/v1/units/{id}/record", PROGRAMMER, BODY_JSON, 16 * KIB, api_unit_record},
    {"POST", "/v1/units/{id}/status", PROGRAMMER, BODY_JSON, 4 * KIB, api_unit_status},

    {"GET", "/v1/devices", READ, BODY_NONE, 0, api_device_list},
    {"GET", "/v1/devices/{uid}", READ, BODY_NONE, 0, api_device_show},
    {"GET", "/v1/devices/{uid}/certificate", READ, BODY_NONE, 0, api_device_certificate},
    {"POST", "/v1/devices/{uid}/rma", ADMIN, BODY_JSON, 4 * KIB, api_device_rma},
    {"POST", "/v1/devices/{uid}/permits", ADMIN | PROGRAMMER, BODY_JSON, 4 * KIB,
     api_device_permit},
    {"POST", "/v1/devices/{uid}/revoke", ADMIN, BODY_JSON, 4 * KIB, api_device_revoke},
};

const size_t api_route_count = sizeof api_routes / sizeof api_routes[0];
