/*
 * A whole chip for tests: its stages start one another as on silicon (boot ROM, bootloader,
 * application; DevAuth by a debugger), each in its own endless loop, over one ram_chip; and an OEM
 * with boot keys, permits and images at the other end of the line.
 *
 * The stages run as a coroutine: chip and programmer take turns when one of them has to wait. So a
 * test is straight-line code, and `hal->reset` is a start from the boot ROM. There is one chip per
 * process.
 */
#ifndef NUSEC_DEVICE_TESTING_CHIP_BENCH_H
#define NUSEC_DEVICE_TESTING_CHIP_BENCH_H

#include "boot/boot.h"
#include "bulk/bulk.h"
#include "devauth/testing/bench.h"

#define CHIP_IMAGE_MAX (RAM_CHIP_SLOT_PAGES * RAM_CHIP_PAGE)
#define CHIP_LOG_MAX   32
#define CHIP_NOWHERE   UINT32_MAX

struct chip_bench {
    struct bench bench; /* programmer, OEM, and DevAuth when it runs */
    struct hal hal;     /* what the stages get; a test may replace functions */
    struct test_identity bl2_key;
    struct test_identity bl3_key;
    struct test_identity stranger;   /* a signer of nobody's */
    struct test_identity other_chip; /* whose ENC key an image may be wrapped for */
    uint32_t weak_cell;              /* flash offset that cannot be programmed until erased */
    unsigned cut_start_at;           /* cuts the next start at this operation; 0: not */
    enum ram_chip_cut cut_start_kind;
    bool refuses_to_enter; /* hal->enter_image returns */
    bool product_is_ill;   /* what the application's product says of itself */
    unsigned product_starts;
    unsigned starts;                   /* of the boot ROM */
    enum hal_boot_reason started_with; /* the last of them */
    enum hal_life_cycle latched;       /* life cycle when the debug lock was decided */
    bool keys_at_latch;                /* private keys existed then */
    bool flash_at_latch;               /* anything was in flash then */
    unsigned log_size;
    struct {
        enum hal_boot_event event;
        uint32_t reason;
    } log[CHIP_LOG_MAX];
};
extern struct chip_bench chip;

/* The states of a chip on its way; each is the one before and a step. Any failure aborts. */
enum chip_state {
    CHIP_BLANK,       /* nothing runs */
    CHIP_PROVISIONED, /* DevAuth runs, a privileged session on the issued chain */
    CHIP_HAS_BL2,     /* installed and its key hash written; DevAuth still runs */
    CHIP_BOOTLOADER,  /* BL2 waits on the link; a session */
    CHIP_HAS_BL3_KEY, /* BL3's key hash is written */
    CHIP_SECURED,     /* locked, and started again into BL2; a session */
    CHIP_COMPLETE,    /* BL3 installed: the application runs; a session */
};
void chip_make(enum chip_state state);

/* Power off and on: the boot ROM starts. Nothing is connected. */
void chip_power_on(void);
/* DevAuth, loaded by a debugger; a privileged session. */
enum status chip_load_devauth(void);
/* Connect and open a read-only session on the issued chain. */
enum status chip_open(void);
/* REBOOT in the present session; the chip has started again when this returns. */
enum status chip_reboot(enum devauth_reboot mode);
/* The stage that answers; 0 when nobody does. Drops the session. */
unsigned chip_stage(void);
/* The last reason logged for an event; 0: none since power-on. */
uint32_t chip_logged(enum hal_boot_event event);

/* An image, and how it differs from a good one. */
struct chip_wish {
    enum devauth_target target;
    uint8_t fill; /* of the payload */
    size_t payload_size;
    uint32_t counter;
    uint8_t minor; /* of the version */
    bool other_signer;
    bool other_device; /* BL3: content key wrapped for another chip */
    bool is_plain;     /* BL3 not encrypted, and not flagged so */
    bool is_clear;     /* BL3 flagged as encrypted, in plaintext */
};
struct chip_image {
    uint8_t data[CHIP_IMAGE_MAX + 64];
    size_t size;
    uint8_t digest[32]; /* MCUboot hash */
};
extern const struct chip_wish chip_good_bl2;
extern const struct chip_wish chip_good_bl3;
void chip_build(struct chip_image *image, const struct chip_wish *wish);

/* The steps of an installation. `install` is what INSTALL_BEGIN says. */
struct devauth_install chip_announce(enum devauth_target target, struct bytes data);
enum status chip_begin(const struct devauth_install *install, struct devauth_install_grant *grant);
/* Sends all of `data`; OK when the chip has it, LINK when it stopped answering. */
enum status chip_send(const struct devauth_install_grant *grant, struct bytes data);
enum status chip_finish(struct devauth_install_result *result);
/* All of them with a good announcement. */
enum status chip_install(enum devauth_target target, struct bytes data,
                         struct devauth_install_result *result);
/* One DATA message made by hand, and the chip's STATE; false if it did not answer. */
struct chip_state_message {
    uint32_t received;
    uint32_t limit;
    uint16_t status;
};
bool chip_send_block(uint8_t transfer, uint32_t offset, struct bytes data,
                     struct chip_state_message *answer);

/* A permit, and how it differs from a good one. */
struct chip_permit {
    uint8_t command; /* in the statement */
    struct permit statement;
    struct permit_boot_key_hash key_hash;
    uint8_t object_id[PERMIT_OBJECT_ID_MAX];
    size_t object_id_size;
    const struct test_identity *signer;      /* signs */
    const struct test_identity *certificate; /* whose certificate goes with it */
    unsigned chain_count;                    /* certificates in x5chain; the second is the CA */
};
/* What a good permit says; the nonce is not asked for. BOOT_KEY_HASH: of `target`'s key. */
void chip_fill_permit(struct chip_permit *permit, uint8_t command, enum devauth_target target);
enum status chip_ask_nonce(uint8_t command, uint8_t nonce[32]);
/* Both. */
enum status chip_prepare_permit(struct chip_permit *permit, uint8_t command,
                                enum devauth_target target);
size_t chip_encode_permit(const struct chip_permit *permit, uint8_t *out, size_t capacity);
/* PERMIT_EXECUTE of encoded bytes, and of a permit. */
enum status chip_execute(struct bytes encoded, struct devauth_permit_result *result);
enum status chip_send_permit(const struct chip_permit *permit,
                             struct devauth_permit_result *result);
/* Nonce, permit, execution. */
enum status chip_permit(uint8_t command, enum devauth_target target);

#endif
