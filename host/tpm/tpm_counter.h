/*
 * A monotonic counter in the TPM's own memory (an NV index of type counter): it only rises, over
 * restarts too, and one that is deleted and made again starts above what any had. Reading and
 * raising it want the PIN.
 */
#ifndef NUSEC_HOST_TPM_TPM_COUNTER_H
#define NUSEC_HOST_TPM_TPM_COUNTER_H

#include "tpm/tpm.h"

/* Under a free index, which is a result, as is the value it begins with. */
int tpm_counter_make(struct tpm *tpm, uint32_t *index, uint64_t *value, struct error *error);
/* ERROR_NOT_FOUND if there is no counter under the index. */
int tpm_counter_read(struct tpm *tpm, uint32_t index, uint64_t *value, struct error *error);
int tpm_counter_raise(struct tpm *tpm, uint32_t index, struct error *error);

#endif
