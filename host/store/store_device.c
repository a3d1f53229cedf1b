#include "store/store_device.h"

#include "base/encoding.h"
#include "store/store_event.h"

#include <string.h>

#define DEVICE_SELECT                                                                              \
    "SELECT d.uid, d.job_id, d.unit_id, u.state, d.programmer_id, d.auth_key, d.enc_key,"          \
    " d.tls_key, d.certificate_serial, c.hash, c.state, c.issued, c.not_after, c.revoked,"         \
    " (SELECT public_key FROM boot_keys k WHERE k.uid=d.uid AND k.target=1),"                      \
    " (SELECT public_key FROM boot_keys k WHERE k.uid=d.uid AND k.target=2),"                      \
    " u.serial, u.site"                                                                            \
    " FROM devices d JOIN certificates c ON c.serial=d.certificate_serial"                         \
    " JOIN units u ON u.id=d.unit_id"

static void read_device(sqlite3_stmt *row, struct store_device *device) {
    memset(device, 0, sizeof *device);
    store_column_copy(row, 0, device->uid, sizeof device->uid);
    store_column_text(row, 1, device->job_id, sizeof device->job_id);
    store_column_copy(row, 2, device->unit_id, sizeof device->unit_id);
    device->unit_state = (enum unit_state)store_column_number(row, 3);
    store_column_text(row, 4, device->programmer_id, sizeof device->programmer_id);
    store_column_copy(row, 5, device->auth_key, sizeof device->auth_key);
    store_column_copy(row, 6, device->enc_key, sizeof device->enc_key);
    store_column_copy(row, 7, device->tls_key, sizeof device->tls_key);
    store_column_copy(row, 8, device->serial, sizeof device->serial);
    store_column_copy(row, 9, device->certificate_hash, sizeof device->certificate_hash);
    store_column_text(row, 10, device->certificate_state, sizeof device->certificate_state);
    device->issued = (uint64_t)store_column_number(row, 11);
    device->not_after = (uint64_t)store_column_number(row, 12);
    device->revoked = (uint64_t)store_column_number(row, 13);
    device->has_bl2_key = store_column_copy(row, 14, device->bl2_key, sizeof device->bl2_key) == 0;
    device->has_bl3_key = store_column_copy(row, 15, device->bl3_key, sizeof device->bl3_key) == 0;
    store_column_text(row, 16, device->board_serial, sizeof device->board_serial);
    store_column_text(row, 17, device->site, sizeof device->site);
}

static int64_t state_of_name(const char *name) {
    for (int state = UNIT_RESERVED; name != NULL && state < UNIT_STATES; state++)
        if (strcmp(unit_state_name((enum unit_state)state), name) == 0)
            return state;
    return -1;
}

int store_device_list(struct store_db *db, const struct store_device_filter *filter,
                      store_device_visitor *visit, void *context, struct error *error) {
    struct store_device device;
    int64_t state = state_of_name(filter->unit_state);
    sqlite3_stmt *row;
    int more = -1;

    if (filter->unit_state != NULL && state < 0)
        return error_set(error, ERROR_BAD_REQUEST, "there is no unit state %.32s",
                         filter->unit_state);
    if (store_query(db, &row, error,
                    DEVICE_SELECT
                    " WHERE (?1 IS NULL OR d.job_id=?1) AND (?2<0 OR u.state=?2)"
                    " AND (?3 IS NULL OR d.job_id IN (SELECT id FROM jobs WHERE cm_operator=?3))"
                    " ORDER BY d.issued, d.uid",
                    "tit", filter->job_id, state, filter->cm_operator) == 0)
        while ((more = store_step(db, row, error)) == 1) {
            read_device(row, &device);
            visit(context, &device);
        }
    store_done(row);
    return more < 0 ? -1 : 0;
}

int store_device_find(struct store_db *db, const uint8_t uid[STORE_UID_SIZE],
                      struct store_device *device, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, DEVICE_SELECT " WHERE d.uid=?", "b",
                    bytes_of(uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1)
        read_device(row, device);
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no device of that UID");
    return found == 1 ? 0 : -1;
}

int store_device_certificate(struct store_db *db, const struct store_device *device,
                             struct buffer *der, struct buffer *csr, struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error, "SELECT der, csr FROM certificates WHERE serial=?", "b",
                    bytes_of(device->serial, UNIT_SERIAL_SIZE)) == 0)
        found = store_step(db, row, error);
    if (found == 1) {
        struct bytes stored = store_column_bytes(row, 0);

        if (der != NULL)
            buffer_append(der, stored.data, stored.size);
        stored = store_column_bytes(row, 1);
        if (csr != NULL)
            buffer_append(csr, stored.data, stored.size);
    }
    store_done(row);
    if (found == 0)
        return error_set(error, ERROR_NOT_FOUND, "the device has no certificate");
    return found == 1 ? 0 : -1;
}

int store_device_revoke(struct store_db *db, void *context, struct error *error) {
    const struct store_device_revoke *revoke = context;
    struct store_device device;
    char uid[2 * STORE_UID_SIZE + 1];
    struct store_event event = {.time = revoke->now,
                                .type = "device.revoked",
                                .actor = revoke->actor,
                                .subject = uid,
                                .job_id = device.job_id,
                                .detail = revoke->reason};

    if (store_device_find(db, revoke->uid, &device, error) != 0)
        return -1;
    if (strcmp(device.certificate_state, "valid") != 0)
        return 0;
    if (store_exec(db, error,
                   "UPDATE certificates SET state='revoked', revoked=?, reason=? WHERE serial=?",
                   "itb", (int64_t)revoke->now, revoke->reason,
                   bytes_of(device.serial, UNIT_SERIAL_SIZE)) != 0)
        return -1;
    hex_encode_upper(bytes_of(device.uid, STORE_UID_SIZE), uid);
    return store_event_add(db, &event, error);
}
