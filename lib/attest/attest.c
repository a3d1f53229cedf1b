#include "attest/attest.h"

#include "spdm/spdm_measurement.h"

#include <string.h>

#define TYPE_DIGEST   SPDM_MEASUREMENT_FIRMWARE
#define TYPE_HARDWARE SPDM_MEASUREMENT_HARDWARE_CONFIGURATION
#define TYPE_RAW      (SPDM_MEASUREMENT_RAW | SPDM_MEASUREMENT_FIRMWARE_CONFIGURATION)

void attest_write(struct writer *blocks, const struct attest *attest) {
    uint8_t keys[DEVAUTH_MEASURED_KEYS_SIZE];
    uint8_t versions[DEVAUTH_MEASURED_VERSIONS_SIZE];
    const uint8_t device[] = {attest->life_cycle, attest->flags};
    struct writer writer;
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_IMAGE, TYPE_DIGEST,
                           bytes_of(attest->image, ATTEST_DIGEST_SIZE));
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_OTP, TYPE_HARDWARE,
                           bytes_of(attest->otp, ATTEST_DIGEST_SIZE));
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_DEVICE, TYPE_RAW,
                           bytes_of(device, sizeof device));
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_BL2, TYPE_DIGEST,
                           bytes_of(attest->bl2, ATTEST_DIGEST_SIZE));
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_BL3, TYPE_DIGEST,
                           bytes_of(attest->bl3, ATTEST_DIGEST_SIZE));
    writer_init(&writer, keys, sizeof keys);
    devauth_write_measured_keys(&writer, &attest->keys);
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_KEYS, TYPE_RAW, writer_bytes(&writer));
    writer_init(&writer, versions, sizeof versions);
    devauth_write_measured_versions(&writer, &attest->versions);
    spdm_measurement_write(blocks, DEVAUTH_MEASUREMENT_VERSIONS, TYPE_RAW, writer_bytes(&writer));
}

/* The next block's value; the reader has failed if it is another block. */
static struct bytes expect_block(struct reader *record, uint8_t index, uint8_t type) {
    struct spdm_measurement block;
    spdm_measurement_next(record, &block);
    if (block.index != index || block.type != type) {
        record->failed = true;
    }
    return block.value;
}

static void expect_digest(struct reader *record, uint8_t index, uint8_t type,
                          uint8_t digest[ATTEST_DIGEST_SIZE]) {
    struct bytes value = expect_block(record, index, type);
    if (record->failed || value.size != ATTEST_DIGEST_SIZE) {
        record->failed = true;
        return;
    }
    memcpy(digest, value.data, ATTEST_DIGEST_SIZE);
}

static void expect_device(struct reader *record, struct attest *attest) {
    struct bytes value = expect_block(record, DEVAUTH_MEASUREMENT_DEVICE, TYPE_RAW);
    struct reader reader;
    reader_init(&reader, value);
    attest->life_cycle = read_u8(&reader);
    attest->flags = read_u8(&reader);
    if (reader_finish(&reader) != STATUS_OK) {
        record->failed = true;
    }
}

enum status attest_read(struct bytes record, struct attest *attest) {
    struct reader reader;
    memset(attest, 0, sizeof *attest);
    reader_init(&reader, record);
    expect_digest(&reader, DEVAUTH_MEASUREMENT_IMAGE, TYPE_DIGEST, attest->image);
    expect_digest(&reader, DEVAUTH_MEASUREMENT_OTP, TYPE_HARDWARE, attest->otp);
    expect_device(&reader, attest);
    expect_digest(&reader, DEVAUTH_MEASUREMENT_BL2, TYPE_DIGEST, attest->bl2);
    expect_digest(&reader, DEVAUTH_MEASUREMENT_BL3, TYPE_DIGEST, attest->bl3);
    struct bytes keys = expect_block(&reader, DEVAUTH_MEASUREMENT_KEYS, TYPE_RAW);
    struct bytes versions = expect_block(&reader, DEVAUTH_MEASUREMENT_VERSIONS, TYPE_RAW);
    enum status status = reader_finish(&reader);
    if (status == STATUS_OK) {
        status = devauth_read_measured_keys(keys, &attest->keys);
    }
    if (status == STATUS_OK) {
        status = devauth_read_measured_versions(versions, &attest->versions);
    }
    if (status != STATUS_OK) {
        memset(attest, 0, sizeof *attest);
    }
    return status;
}
