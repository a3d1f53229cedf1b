/*
 * Does the job's ledger say what its rows say? The ledger is replayed through the table of
 * unit_state.h, and every unit, the counts, what the OEM decided and the chain's head are held
 * against it. A row that was
 * edited beside the server, or an entry that was, is found and named.
 *
 *     store_audit(reader, "job-1", on_finding, &context, &result, error)
 */
#ifndef NUSEC_STORE_AUDIT_H
#define NUSEC_STORE_AUDIT_H

#include "store/store_unit.h"

struct store_finding {
    uint64_t sequence; /* of the ledger entry; 0: of none */
    bool has_unit;
    uint8_t unit_id[UNIT_ID_SIZE];
    char message[160];
};
typedef void store_finding_visitor(void *context, const struct store_finding *finding);

struct store_audit {
    uint64_t entries;
    uint64_t units;
    uint64_t findings; /* 0: they agree */
};

/* Takes the memory of some 100 bytes a unit. ERROR_UNKNOWN_JOB. Findings are not errors. */
int store_audit(struct store_db *db, const char *job_id, store_finding_visitor *visit,
                void *context, struct store_audit *audit, struct error *error);

#endif
