/*
 * A chip in a thread: every stage of the device link from a blank chip to the running application,
 * behind a UART and a debug port like a virtual board's. The real firmware is tested elsewhere;
 * this one can lie, lose an answer, lose power or die at any message. Test support.
 *
 *     fake_chip_make(chip, directory, oem)    blank, with a new UID; powered
 *     set faults, run units on fake_chip_uart and fake_chip_debug
 *     fake_chip_free(chip)
 *
 * The thread only works while a message is handled; a test changes the chip when none is.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_FAKE_CHIP_H
#define NUSEC_PROGRAMMER_TESTING_FAKE_CHIP_H

#include "bulk/bulk.h"
#include "devauth/devauth.h"
#include "devauth/otp_map.h"
#include "image/image_verify.h"
#include "mctp/mctp.h"
#include "programmer/testing/oem.h"
#include "spdm/spdm_responder.h"

#define FAKE_CHIP_FAMILY    "FAKE"
#define FAKE_CHIP_SLOT_SIZE 0x20000

/* What happens to the message number `fault_message` (1, 2, ...) since it was set. */
enum fake_chip_fault {
    CHIP_NO_FAULT,
    CHIP_LOSES_REQUEST, /* as if it never arrived */
    CHIP_LOSES_ANSWER,  /* done, but nobody hears */
    CHIP_LOSES_POWER,   /* before it is handled; comes back by itself */
};

struct fake_chip {
    struct oem *oem;
    pthread_mutex_t mutex;
    /* kept without power */
    uint8_t uid[16];
    struct test_key keys[3]; /* AUTH, ENC, TLS */
    bool has_keys;
    uint8_t otp[OTP_ENTRIES][OTP_ENTRY_SIZE];
    uint8_t issued[SPDM_CHAIN_MAX]; /* blob; size 0: none */
    size_t issued_size;
    struct buffer slots[3]; /* BL2, primary (plaintext), secondary */
    bool swap_wanted;
    /* running */
    enum devauth_stage_id stage;
    enum devauth_reboot reboot; /* how it was started */
    bool debug_locked;
    struct test_key ephemeral;
    uint8_t blob[SPDM_CHAIN_MAX];
    size_t blob_size;
    struct spdm_responder responder;
    uint8_t requester_chain[SPDM_CHAIN_MAX];
    uint8_t permit_nonce[32];
    uint8_t permit_command; /* 0: no nonce is out */
    struct devauth_install install;
    struct bulk_receiver bulk;
    struct image_report found[3];
    uint16_t pending_payload;
    bool pending_reset;
    /* faults and lies */
    enum fake_chip_fault fault;
    unsigned fault_message;
    unsigned messages; /* handled since fault_message was set */
    bool fault_hit;
    uint32_t refuses_image;  /* enum image_reason that INSTALL_FINISH answers; 0: the truth */
    uint32_t flash_fails_at; /* the transfer ends there; 0: it does not */
    bool grants_nonsense;
    bool lies_about_digest;   /* in INSTALL_FINISH */
    bool lies_about_bl2;      /* in the measurements */
    bool changes_uid;         /* at the next start */
    bool debug_stays_open;    /* the port, though everything says locked */
    bool debug_is_silent;     /* the debug server accepts and says nothing */
    bool never_locks;         /* the permit is executed, the flag never comes */
    bool ignores_lock;        /* the permit is acknowledged and not executed */
    bool stays_in_bootloader; /* starts no application */
    bool loses_rma_answer;    /* erased and gone before it could answer */
    bool is_dead;             /* says nothing at all */
    bool session_without_ask; /* DevAuth does not ask who we are */
    struct fake_board *board;
};

void fake_chip_make(struct fake_chip *chip, const char *directory, struct oem *oem);
void fake_chip_free(struct fake_chip *chip);

/* Endpoints, valid until fake_chip_free. */
const char *fake_chip_uart(const struct fake_chip *chip);
const char *fake_chip_debug(const struct fake_chip *chip);

/* The debug server goes away. */
void fake_chip_close_debug(struct fake_chip *chip);

/* Arms a fault for the n-th message from now. */
void fake_chip_arm(struct fake_chip *chip, enum fake_chip_fault fault, unsigned message);

/* After whatever the last answer announced has come to pass. */
enum devauth_stage_id fake_chip_stage(struct fake_chip *chip);

/* A power cycle. */
void fake_chip_restart(struct fake_chip *chip);

/* For fake_board.c, under the mutex: one MCTP message; false when nothing is to be sent. */
bool fake_chip_handle(struct fake_chip *chip, uint8_t type, uint8_t *message, size_t size,
                      struct writer *response, uint8_t *response_type);
/* After the answer went out. */
void fake_chip_sent(struct fake_chip *chip, struct mctp_endpoint *endpoint);
/* DevAuth was written to SRAM and started; the hash of its slot-0 key. */
void fake_chip_start_devauth(struct fake_chip *chip, uint8_t key_hash[32]);
bool fake_chip_is_debuggable(const struct fake_chip *chip);

/* fake_chip_commands.c */
enum status fake_chip_vendor(void *context, enum spdm_privilege privilege, struct bytes payload,
                             struct writer *response);
enum status fake_chip_measure(void *context, struct writer *blocks);
void fake_chip_look(struct fake_chip *chip);
bool fake_chip_otp_valid(const struct fake_chip *chip, unsigned entry);
uint8_t fake_chip_life(const struct fake_chip *chip);
void fake_chip_reset(struct fake_chip *chip, enum devauth_reboot mode);

#endif
