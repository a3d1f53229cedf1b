#include "device/testing/chip_bench.h"

#include "application/application_stage.h"
#include "application/product.h"
#include "base/crc32.h"
#include "boot_rom/boot_rom_stage.h"
#include "bootloader/bootloader_stage.h"
#include "cose/cose_sign1.h"
#include "devauth/oid.h"
#include "image/image_encrypt.h"
#include "image/image_write.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_SIZE ((size_t)512 * 1024)
#define ROUNDS_MAX 4000

struct chip_bench chip;

const struct chip_wish chip_good_bl2 = {
    .target = DEVAUTH_TARGET_BL2, .fill = 0x22, .payload_size = 1501, .counter = 1, .minor = 1};
const struct chip_wish chip_good_bl3 = {
    .target = DEVAUTH_TARGET_BL3, .fill = 0x33, .payload_size = 2077, .counter = 1, .minor = 1};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* The chip as a coroutine. */

static ucontext_t programmer_side;
static ucontext_t chip_side;
static void *stack;
static bool wants_reset;

static void to_programmer(void) {
    require(swapcontext(&chip_side, &programmer_side) == 0);
}

static void wait(void) {
    to_programmer();
}

static void reset(enum hal_boot_reason reason) {
    ram_chip.resets++;
    ram_chip.boot_reason = reason;
    wants_reset = true;
    to_programmer();
}

static bool has_private_keys(void) {
    return ram_chip.has_key[HAL_KEY_AUTH] || ram_chip.has_key[HAL_KEY_ENC] ||
           ram_chip.has_key[HAL_KEY_TLS];
}

static bool has_flash(void) {
    for (size_t i = 0; i < sizeof ram_chip.flash; i++) {
        if (ram_chip.flash[i] != 0xFF) {
            return true;
        }
    }
    return false;
}

/* The product under test stands here: application_stage finds these before those of its library. */

void product_start(const struct hal *hal) {
    (void)hal;
    chip.product_starts++;
}

bool product_is_healthy(const struct hal *hal) {
    (void)hal;
    return !chip.product_is_ill;
}

void product_poll(const struct hal *hal) {
    (void)hal;
}

/* As a port's main function does. */
static void boot_rom_main(void) {
    chip.starts++;
    chip.started_with = ram_chip.boot_reason;
    boot_rom_stage_prepare(&chip.hal);
    chip.latched = chip.hal.life_cycle();
    chip.keys_at_latch = has_private_keys();
    chip.flash_at_latch = has_flash();
    ram_chip.debug_is_locked = chip.latched == HAL_LIFE_SECURED ||
                               chip.latched == HAL_LIFE_RETIRING ||
                               chip.latched == HAL_LIFE_RETIRED;
    boot_rom_stage_run(&chip.hal);
}

static void enter_image(uint32_t offset) {
    if (chip.refuses_to_enter) {
        return;
    }
    ram_chip.entered = offset;
    if (offset == boot_slot_offset(&chip.hal, BOOT_SLOT_BL2) + BOOT_HEADER_SIZE) {
        bootloader_stage_run(&chip.hal);
    }
    if (offset == boot_slot_offset(&chip.hal, BOOT_SLOT_PRIMARY) + BOOT_HEADER_SIZE) {
        application_stage_run(&chip.hal);
    }
}

static void start(void) {
    free(stack);
    stack = malloc(STACK_SIZE);
    require(stack != NULL && getcontext(&chip_side) == 0);
    chip_side.uc_stack.ss_sp = stack;
    chip_side.uc_stack.ss_size = STACK_SIZE;
    chip_side.uc_link = NULL;
    wants_reset = false;
    ram_chip.entered = 0;
    makecontext(&chip_side, boot_rom_main, 0);
}

/* Until the chip waits; through any resets. */
static void run(struct bench *unused) {
    (void)unused;
    do {
        if (wants_reset) {
            start();
        }
        require(swapcontext(&programmer_side, &chip_side) == 0);
    } while (wants_reset);
}

static void boot_log(enum hal_boot_event event, uint32_t reason) {
    chip.log[chip.log_size % CHIP_LOG_MAX].event = event;
    chip.log[chip.log_size % CHIP_LOG_MAX].reason = reason;
    chip.log_size++;
}

static enum status flash_program(uint32_t offset, const uint8_t *data, size_t size) {
    if (chip.weak_cell >= offset && chip.weak_cell - offset < size) {
        return STATUS_FLASH;
    }
    return ram_chip_hal.flash_program(offset, data, size);
}

static enum status flash_erase(uint32_t offset) {
    enum status status = ram_chip_hal.flash_erase(offset);
    if (status == STATUS_OK && chip.weak_cell >= offset &&
        chip.weak_cell - offset < RAM_CHIP_PAGE) {
        chip.weak_cell = CHIP_NOWHERE;
    }
    return status;
}

void chip_power_on(void) {
    ram_chip_power_on();
    ram_chip.boot_reason = HAL_BOOT_POWER_ON;
    chip.log_size = 0;
    chip.bench.turn = run;
    chip.bench.expects_issued_chain = true;
    bench_plug_in(&chip.bench);
    if (chip.cut_start_at != 0) {
        ram_chip_arm(chip.cut_start_at, chip.cut_start_kind);
        chip.cut_start_at = 0;
    }
    start();
    run(&chip.bench);
}

uint32_t chip_logged(enum hal_boot_event event) {
    for (unsigned i = chip.log_size; i > 0 && i + CHIP_LOG_MAX > chip.log_size; i--) {
        if (chip.log[(i - 1) % CHIP_LOG_MAX].event == event) {
            return chip.log[(i - 1) % CHIP_LOG_MAX].reason;
        }
    }
    return 0;
}

/* Sessions. */

enum status chip_load_devauth(void) {
    chip.bench.turn = NULL;
    chip.bench.expects_issued_chain = false;
    enum status status = bench_boot(&chip.bench);
    return status == STATUS_OK ? bench_open(&chip.bench, BENCH_PRIVILEGED) : status;
}

enum status chip_open(void) {
    return bench_open(&chip.bench, BENCH_READ_ONLY);
}

enum status chip_reboot(enum devauth_reboot mode) {
    uint8_t buffer[8];
    struct writer writer;
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_reboot(&writer, mode);
    unsigned resets = ram_chip.resets;
    bool is_devauth = chip.bench.turn == NULL;
    enum status status = bench_vendor(&chip.bench, writer_bytes(&writer), NULL);
    if (status == STATUS_OK && ram_chip.resets != resets + 1) {
        return STATUS_BAD_STATE;
    }
    if (status == STATUS_OK && is_devauth) {
        chip_power_on();
    }
    return status;
}

unsigned chip_stage(void) {
    struct devauth_device_info info;
    enum status status = bench_connect(&chip.bench, BENCH_READ_ONLY);
    if (status == STATUS_OK) {
        status = bench_info(&chip.bench, &info);
    }
    return status == STATUS_OK ? info.stage : 0;
}

/* Images. */

static enum status sign(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    const struct test_identity *signer = context;
    return crypto_p256_sign(signer->private_key, digest, signature);
}

static void add_tlvs(struct writer *writer, const struct chip_wish *wish, const uint8_t digest[32],
                     struct bytes content_key) {
    uint8_t wrapped[IMAGE_WRAPPED_KEY_MAX];
    struct writer wrap;
    struct test_identity *own = wish->target == DEVAUTH_TARGET_BL2 ? &chip.bl2_key : &chip.bl3_key;
    struct test_identity *signer = wish->other_signer ? &chip.stranger : own;
    const uint8_t *device = wish->other_device ? chip.other_chip.public_key : chip.bench.keys.enc;
    struct image_signer by = {.form = IMAGE_KEY_FULL, .sign = sign, .context = signer};
    memcpy(by.public_key, signer->public_key, sizeof by.public_key);
    writer_init(&wrap, wrapped, sizeof wrapped);
    if (content_key.size != 0) {
        require(image_wrap_content_key(content_key, device, &wrap) == STATUS_OK);
    }
    require(image_write_tlvs(writer, digest, &by, writer_bytes(&wrap)) == STATUS_OK);
}

void chip_build(struct chip_image *image, const struct chip_wish *wish) {
    static uint8_t payload[CHIP_IMAGE_MAX];
    uint8_t content_key[BOOT_CONTENT_KEY_SIZE];
    struct writer writer;
    bool is_encrypted = wish->target == DEVAUTH_TARGET_BL3 && !wish->is_plain;
    const struct image_plan plan = {
        .version = {.major = 1, .minor = wish->minor},
        .security_counter = wish->counter,
        .header_size = BOOT_HEADER_SIZE,
        .content_key_size = is_encrypted ? BOOT_CONTENT_KEY_SIZE : 0,
    };
    memset(payload, wish->fill, wish->payload_size);
    memset(content_key, wish->fill ^ 0x5A, sizeof content_key);
    struct bytes key = bytes_of(content_key, is_encrypted ? sizeof content_key : 0);
    memset(image->data, 0xFF, sizeof image->data);
    writer_init(&writer, image->data, sizeof image->data);
    require(image_write_body(&writer, &plan, bytes_of(payload, wish->payload_size),
                             wish->is_clear ? bytes_of(NULL, 0) : key, image->digest) == STATUS_OK);
    add_tlvs(&writer, wish, image->digest, key);
    image->size = writer.size;
}

/* Installing. */

struct devauth_install chip_announce(enum devauth_target target, struct bytes data) {
    struct devauth_install install = {.target = (uint8_t)target, .size = (uint32_t)data.size};
    crypto_sha256(data, install.sha256);
    return install;
}

enum status chip_begin(const struct devauth_install *install, struct devauth_install_grant *grant) {
    uint8_t buffer[64];
    struct writer writer;
    struct bytes answer;
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_install_begin(&writer, install);
    enum status status = bench_vendor(&chip.bench, writer_bytes(&writer), &answer);
    return status == STATUS_OK ? devauth_read_install_grant(answer, grant) : status;
}

/* Everything the chip has said meanwhile. */
static enum status take_states(struct bulk_sender *sender, unsigned *taken) {
    struct mctp_message message;
    enum status status = STATUS_OK;
    size_t size = ram_chip.tx_size;
    uint8_t line[RAM_CHIP_LINK_SIZE];
    memcpy(line, ram_chip.tx, size);
    ram_chip.tx_size = 0;
    for (size_t i = 0; i < size && (status == STATUS_OK || status == STATUS_BUSY); i++) {
        struct bytes packet;
        if (mctp_serial_receive(&chip.bench.deframer, line[i], &packet) &&
            mctp_receive(&chip.bench.endpoint, packet, &message) == STATUS_OK &&
            message.type == BULK_MCTP_TYPE) {
            status = bulk_sender_handle(sender, bytes_of(message.body, message.size));
            (*taken)++;
        }
    }
    return status == STATUS_BUSY ? STATUS_OK : status;
}

enum status chip_send(const struct devauth_install_grant *grant, struct bytes data) {
    struct bulk_sender sender;
    enum bench_tag tag = BENCH_TAG_NEW;
    enum status status = STATUS_OK;
    bulk_sender_open(&sender, data, grant->transfer, grant->block_size, grant->window);
    for (unsigned round = 0; round < ROUNDS_MAX && !bulk_sender_is_done(&sender); round++) {
        uint8_t block[BULK_MESSAGE_MAX];
        struct writer writer;
        unsigned taken = 0;
        writer_init(&writer, block, sizeof block);
        while (bulk_sender_next(&sender, &writer) == STATUS_OK) {
            bench_put_message(&chip.bench, BULK_MCTP_TYPE, writer_bytes(&writer), tag);
            tag = BENCH_TAG_AGAIN;
            writer_init(&writer, block, sizeof block);
        }
        bench_turn(&chip.bench);
        status = take_states(&sender, &taken);
        if (status != STATUS_OK || taken == 0) {
            return status != STATUS_OK ? status : STATUS_LINK;
        }
    }
    return bulk_sender_is_done(&sender) ? STATUS_OK : STATUS_LINK;
}

enum status chip_finish(struct devauth_install_result *result) {
    struct bytes answer;
    enum status status = bench_command(&chip.bench, DEVAUTH_INSTALL_FINISH, &answer);
    return status == STATUS_OK ? devauth_read_install_result(answer, result) : status;
}

enum status chip_install(enum devauth_target target, struct bytes data,
                         struct devauth_install_result *result) {
    const struct devauth_install install = chip_announce(target, data);
    struct devauth_install_grant grant;
    enum status status = chip_begin(&install, &grant);
    if (status == STATUS_OK) {
        status = chip_send(&grant, data);
    }
    return status == STATUS_OK ? chip_finish(result) : status;
}

bool chip_send_block(uint8_t transfer, uint32_t offset, struct bytes data,
                     struct chip_state_message *answer) {
    uint8_t block[BULK_MESSAGE_MAX + 64];
    struct writer writer;
    struct mctp_message message;
    struct reader reader;
    memset(answer, 0, sizeof *answer);
    writer_init(&writer, block, sizeof block);
    write_u32be(&writer, BULK_VENDOR_ID);
    write_u8(&writer, 1);
    write_u8(&writer, transfer);
    write_u32le(&writer, offset);
    write_bytes(&writer, data);
    write_u32le(&writer, crc32_of(writer_bytes(&writer)));
    bench_put_message(&chip.bench, BULK_MCTP_TYPE, writer_bytes(&writer), BENCH_TAG_NEW);
    bench_turn(&chip.bench);
    if (!bench_take_message(&chip.bench, &message) || message.type != BULK_MCTP_TYPE) {
        return false;
    }
    reader_init(&reader, bytes_of(message.body, message.size));
    read_skip(&reader, 6);
    answer->received = read_u32le(&reader);
    answer->limit = read_u32le(&reader);
    answer->status = read_u16le(&reader);
    return reader_finish(&reader) == STATUS_OK;
}

/* Permits. */

void chip_fill_permit(struct chip_permit *permit, uint8_t command, enum devauth_target target) {
    static const char OBJECT[] = "object 0001";
    memset(permit, 0, sizeof *permit);
    permit->command = command;
    memcpy(permit->statement.uid, ram_chip.uid, sizeof ram_chip.uid);
    crypto_sha256(bytes_of(chip.bench.keys.auth, 64), permit->statement.auth_key_hash);
    permit->key_hash.target = (uint64_t)target;
    crypto_sha256(
        bytes_of(target == DEVAUTH_TARGET_BL2 ? chip.bl2_key.public_key : chip.bl3_key.public_key,
                 64),
        permit->key_hash.key_hash);
    memcpy(permit->object_id, OBJECT, sizeof OBJECT - 1);
    permit->object_id_size = sizeof OBJECT - 1;
    permit->signer = &chip.bench.pki.command_authority;
    permit->certificate = permit->signer;
    permit->chain_count = 1;
}

enum status chip_ask_nonce(uint8_t command, uint8_t nonce[32]) {
    uint8_t buffer[8];
    struct writer writer;
    struct bytes answer;
    writer_init(&writer, buffer, sizeof buffer);
    devauth_request_permit_nonce(&writer, command);
    enum status status = bench_vendor(&chip.bench, writer_bytes(&writer), &answer);
    return status == STATUS_OK ? devauth_read_permit_nonce(answer, nonce) : status;
}

enum status chip_prepare_permit(struct chip_permit *permit, uint8_t command,
                                enum devauth_target target) {
    chip_fill_permit(permit, command, target);
    return chip_ask_nonce(command, permit->statement.nonce);
}

static void write_statement(struct writer *writer, const struct chip_permit *permit) {
    struct permit statement = permit->statement;
    statement.command = permit->command;
    switch (permit->command) {
    case PERMIT_BOOT_KEY_HASH:
        permit_write_boot_key_hash(writer, &statement, &permit->key_hash);
        break;
    case PERMIT_OBJECT_ID:
        permit_write_object_id(writer, &statement,
                               bytes_of(permit->object_id, permit->object_id_size));
        break;
    default: permit_write_no_arguments(writer, &statement); break;
    }
}

size_t chip_encode_permit(const struct chip_permit *permit, uint8_t *out, size_t capacity) {
    uint8_t payload[PERMIT_PAYLOAD_MAX];
    struct writer inner;
    struct writer writer;
    struct test_identity signer = *permit->signer;
    const struct bytes chain[] = {test_identity_certificate(permit->certificate),
                                  test_identity_certificate(&chip.bench.pki.operations_ca)};
    writer_init(&inner, payload, sizeof payload);
    write_statement(&inner, permit);
    require(writer_check(&inner) == STATUS_OK);
    writer_init(&writer, out, capacity);
    require(cose_sign1_write(&writer, chain, permit->chain_count, writer_bytes(&inner), sign,
                             &signer) == STATUS_OK);
    return writer.size;
}

enum status chip_execute(struct bytes encoded, struct devauth_permit_result *result) {
    uint8_t request[2400];
    struct writer writer;
    struct bytes answer;
    struct devauth_permit_result unused;
    writer_init(&writer, request, sizeof request);
    devauth_request_permit_execute(&writer, encoded);
    enum status status = bench_vendor(&chip.bench, writer_bytes(&writer), &answer);
    return status == STATUS_OK
               ? devauth_read_permit_result(answer, result != NULL ? result : &unused)
               : status;
}

enum status chip_send_permit(const struct chip_permit *permit,
                             struct devauth_permit_result *result) {
    uint8_t encoded[2300];
    size_t size = chip_encode_permit(permit, encoded, sizeof encoded);
    return chip_execute(bytes_of(encoded, size), result);
}

enum status chip_permit(uint8_t command, enum devauth_target target) {
    struct chip_permit permit;
    enum status status = chip_prepare_permit(&permit, command, target);
    return status == STATUS_OK ? chip_send_permit(&permit, NULL) : status;
}

/* The way of a chip. */

static void provision(void) {
    require(bench_provision(&chip.bench) == STATUS_OK);
}

static void give_bl2(void) {
    struct chip_image image;
    struct devauth_install_result result;
    chip_build(&image, &chip_good_bl2);
    require(chip_install(DEVAUTH_TARGET_BL2, bytes_of(image.data, image.size), &result) ==
            STATUS_OK);
    require(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL2) == STATUS_OK);
}

static void start_bootloader(void) {
    require(chip_reboot(DEVAUTH_REBOOT_NORMAL) == STATUS_OK);
    require(chip_open() == STATUS_OK);
}

static void give_bl3_key(void) {
    require(chip_permit(PERMIT_BOOT_KEY_HASH, DEVAUTH_TARGET_BL3) == STATUS_OK);
}

static void lock(void) {
    require(chip_permit(PERMIT_LOCK, DEVAUTH_TARGET_BL3) == STATUS_OK);
    start_bootloader();
}

static void give_bl3(void) {
    struct chip_image image;
    struct devauth_install_result result;
    chip_build(&image, &chip_good_bl3);
    require(chip_install(DEVAUTH_TARGET_BL3, bytes_of(image.data, image.size), &result) ==
                STATUS_OK &&
            result.reason == IMAGE_ACCEPTED);
    start_bootloader();
}

void chip_make(enum chip_state state) {
    static void (*const STEPS[])(void) = {
        [CHIP_BLANK] = provision,          [CHIP_PROVISIONED] = give_bl2,
        [CHIP_HAS_BL2] = start_bootloader, [CHIP_BOOTLOADER] = give_bl3_key,
        [CHIP_HAS_BL3_KEY] = lock,         [CHIP_SECURED] = give_bl3,
    };
    memset(&chip, 0, sizeof chip);
    chip.weak_cell = CHIP_NOWHERE;
    chip.hal = ram_chip_hal;
    chip.hal.wait = wait;
    chip.hal.reset = reset;
    chip.hal.enter_image = enter_image;
    chip.hal.boot_log = boot_log;
    chip.hal.flash_program = flash_program;
    chip.hal.flash_erase = flash_erase;
    bench_make(&chip.bench);
    test_identity_make_key(&chip.bl2_key);
    test_identity_make_key(&chip.bl3_key);
    test_identity_make_key(&chip.stranger);
    test_identity_make_key(&chip.other_chip);
    test_identity_name(&chip.stranger, "Test stranger");
    test_identity_certify(&chip.stranger, &chip.bench.pki.operations_ca, TEST_LEAF,
                          oid_eku_command_authority);
    for (unsigned step = 0; step < (unsigned)state; step++) {
        STEPS[step]();
    }
}
