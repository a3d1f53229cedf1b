/* A ledger entry from the other side. */
#include "base/ledger.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ledger_head head = {0};
    struct ledger_entry entry;
    struct error error;
    char text[64];
    uint64_t number;
    struct bytes value;
    if (ledger_extend(&head, bytes_of(data, size), &entry, &error) != 0)
        return head.sequence == 0 ? 0 : (abort(), 0);
    (void)ledger_body_text(&entry, "state", text, sizeof(text));
    (void)ledger_body_number(&entry, "n", &number);
    (void)ledger_body_bytes(&entry, "uid", &value);
    return 0;
}
