#include "base/process.h"

#include <sys/resource.h>

void process_forbid_core_dumps(void) {
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}
