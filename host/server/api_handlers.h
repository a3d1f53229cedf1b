/* The handlers of the route table, by file. */
#ifndef NUSEC_SERVER_API_HANDLERS_H
#define NUSEC_SERVER_API_HANDLERS_H

#include "server/api.h"

/* api_system.c */
api_handler api_healthz;
api_handler api_metrics;
api_handler api_whoami;
api_handler api_ca;
api_handler api_signed_time;
api_handler api_events;

/* api_programmers.c */
api_handler api_tpm_challenge;
api_handler api_programmer_enrol;
api_handler api_programmer_agree;
api_handler api_programmer_revoke;
api_handler api_programmer_affected;
api_handler api_programmer_list;
api_handler api_programmer_show;

/* api_firmware.c */
api_handler api_firmware_list;
api_handler api_firmware_show;
api_handler api_firmware_content;

/* NULL: no BL2 or BL3. */
json_t *api_firmware_json(const struct store_firmware *firmware,
                          const struct store_release *release);

/* api_uploads.c */
api_handler api_upload_begin;
api_handler api_upload_show;
api_handler api_upload_range;
api_handler api_upload_finish;

/* api_boot.c */
api_handler api_unit_challenge;
api_handler api_unit_image;
api_handler api_unit_record;
api_handler api_device_rma;
api_handler api_device_permit;

/* api_jobs.c */
api_handler api_job_create;
api_handler api_job_list;
api_handler api_job_show;
api_handler api_job_export;
api_handler api_job_activate;
api_handler api_job_report;
api_handler api_job_units;
api_handler api_job_pause;
api_handler api_job_resume;
api_handler api_job_close;
api_handler api_job_extend;
api_handler api_ledger_receive;
api_handler api_ledger_agree;
api_handler api_job_audit;
api_handler api_job_deny;

/* api_units.c */
api_handler api_unit_reserve;
api_handler api_unit_certificate;
api_handler api_unit_permit;
api_handler api_unit_status;
api_handler api_unit_scrap;

/* api_line.c: the members "site" and "serial", and the member "line" around them and "steps". All
 * are optional; ERROR_BAD_REQUEST for what is out of bounds. */
int api_read_place(const json_t *object, struct store_line *out, struct error *error);
int api_read_line(const json_t *request, struct store_line *out, struct error *error);

/* api_devices.c */
api_handler api_device_list;
api_handler api_device_show;
api_handler api_device_certificate;
api_handler api_device_revoke;

#endif
