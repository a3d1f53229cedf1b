/* The device request reader on any bytes: what it accepts, it must have understood whole. */
#include "x509/device_csr.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct device_csr csr;
    struct error error;
    if (device_csr_read(bytes_of(data, size), &csr, &error) == 0)
        return 0;
    if (error.code != ERROR_BAD_CSR && error.code != ERROR_BAD_CSR_SIGNATURE)
        abort();
    for (size_t i = 0; i < sizeof(csr); i++)
        if (((const uint8_t *)&csr)[i] != 0)
            abort();
    return 0;
}
