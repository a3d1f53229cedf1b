#include "application/product.h"

void product_start(const struct hal *hal) {
    (void)hal;
}

bool product_is_healthy(const struct hal *hal) {
    (void)hal;
    return true;
}

void product_poll(const struct hal *hal) {
    (void)hal;
}
