/* Where and how long a unit was made, as its programmer says. */
#include "store/store_unit_internal.h"

#include <stdio.h>
#include <string.h>

/* 1: another chip of the job has this serial number. */
static int serial_elsewhere(struct store_db *db, const struct store_unit *unit, const char *serial,
                            struct error *error) {
    sqlite3_stmt *row;
    int found = -1;

    if (store_query(db, &row, error,
                    "SELECT 1 FROM units WHERE job_id=? AND serial=? AND uid<>? LIMIT 1", "ttb",
                    unit->job_id, serial, bytes_of(unit->uid, STORE_UID_SIZE)) == 0)
        found = store_step(db, row, error);
    store_done(row);
    return found;
}

/* The board is made already: refusing it would not unmake it. */
static int flag_serial(struct store_db *db, const struct store_unit *unit, uint64_t now,
                       struct error *error) {
    struct error what = {0};
    int found = serial_elsewhere(db, unit, unit->line.serial, error);

    if (found != 1)
        return found;
    error_set(&what, ERROR_CONFLICT, "another chip of the job has serial number %s",
              unit->line.serial);
    return unit_flag(db, "unit.serial_repeated", unit, &what, now, error);
}

static int check_serial(const struct store_unit *unit, const char *serial, struct error *error) {
    if (serial[0] == '\0' || unit->line.serial[0] == '\0' || strcmp(serial, unit->line.serial) == 0)
        return 0;
    error_set(error, ERROR_CONFLICT, "the unit has serial number %s, not %s", unit->line.serial,
              serial);
    return error_hint(error, "look at the label of the board; the unit stays open");
}

static void take(char mine[], const char *told, size_t size) {
    if (told[0] != '\0')
        snprintf(mine, size, "%s", told);
}

int unit_take_line(struct store_db *db, struct store_unit *unit, const struct store_line *told,
                   uint64_t now, struct error *error) {
    struct store_line *line = &unit->line;
    bool is_new = told->serial[0] != '\0' && line->serial[0] == '\0';

    if (check_serial(unit, told->serial, error) != 0)
        return -1;
    take(line->site, told->site, sizeof line->site);
    take(line->serial, told->serial, sizeof line->serial);
    take(line->steps, told->steps, sizeof line->steps);
    if (store_exec(db, error, "UPDATE units SET site=?, serial=?, steps=? WHERE id=?", "tttb",
                   line->site[0] != '\0' ? line->site : NULL,
                   line->serial[0] != '\0' ? line->serial : NULL,
                   line->steps[0] != '\0' ? line->steps : NULL,
                   bytes_of(unit->id, UNIT_ID_SIZE)) != 0)
        return -1;
    return is_new ? flag_serial(db, unit, now, error) : 0;
}
