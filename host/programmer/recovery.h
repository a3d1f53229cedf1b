/*
 * Making the server and the journal agree again, without the chips: after a crash, a power cut, or
 * a time without network.
 *
 *   identified or failed, not acknowledged   the report is sent again (the server takes repeats)
 *   scrapped, not acknowledged               likewise; what the OEM has scrapped is noted
 *   reserving, reserved                      nothing was given to the chip: reported as failed, the
 *                                            count comes back, the chip starts anew
 *   recorded                                 the unit record is sent again; one that has grown too
 *                                            old for the server is made anew when the chip comes
 *                                            back
 *   identified or secured, job with firmware left open likewise
 *   issued                                   left open: the chip may have its identity; it resumes
 *                                            when it comes back (unit.h)
 */
#ifndef NUSEC_PROGRAMMER_RECOVERY_H
#define NUSEC_PROGRAMMER_RECOVERY_H

#include "programmer/job.h"

/* Everything of the job that is not in a site's hands; sites in work are known by their lease. Then
 * the ledger is synchronised. -1 with ERROR_OFFLINE when the server is away: later again. */
int recovery_run(struct job *job, struct server *server, struct error *error);

/* Reports the end of one unit and notes the answer. One try. `line` is NULL when it is not known
 * any more: what the server has of it stays. */
int recovery_report(struct job *job, struct server *server, struct job_unit *unit,
                    const struct server_line *line, struct error *error);

/* Sends the record that is kept for a RECORDED unit and notes the answer: DONE. ERROR_NOT_FOUND if
 * it is not kept any more, ERROR_ALTERED if it is not the one in the journal. */
int recovery_record(struct job *job, struct server *server, struct job_unit *unit,
                    const struct server_line *line, long patience_ms, struct error *error);

/* The server refuses the reservation of a RESERVING unit. It may hold one all the same: an earlier
 * answer was lost, and since then the job has expired, or has another package. A unit that it holds
 * has failed there and here, one that it never heard of gives its count back; without an answer
 * (-1) the unit stays counted, until the server says. */
int recovery_refused(struct job *job, struct server *server, struct job_unit *unit,
                     enum error_code refusal, struct error *error);

/* Tells the server of a SCRAPPED unit and notes the answer. One try. */
int recovery_scrap(struct job *job, struct server *server, struct job_unit *unit,
                   struct error *error);

/* The server has answered ERROR_UNIT_SCRAPPED: so it is here, and the server says what it costs. */
int recovery_learn_scrapped(struct job *job, struct server *server, struct job_unit *unit,
                            struct error *error);

#endif
