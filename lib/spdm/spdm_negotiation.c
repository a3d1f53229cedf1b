#include "spdm/spdm_negotiation.h"

#define VERSION_ENTRY_12 0x1200
#define VERSION_MASK     0xFF00 /* major and minor; update and alpha do not matter */

#define REQUEST_LENGTH  0x30
#define RESPONSE_LENGTH 0x34
#define LENGTH_MAX      128

#define MEASUREMENT_SPEC_DMTF 0x01
#define OPAQUE_DATA_FORMAT_1  0x02 /* key exchange needs it selected */
#define MEASUREMENT_HASH      0x02 /* SHA-256 */
#define BASE_ASYM_P256        0x10
#define BASE_HASH_SHA256      0x01
#define RESERVED_SIZE         12

#define EXTERNAL_MAX        20
#define TABLE_FIXED_SIZE    2
#define TABLE_COUNT_FIXED   0x20 /* two bytes of fixed algorithms, no external ones */
#define TABLE_FIRST         2
#define TABLE_LAST          5
#define TABLES              4
#define TABLE_REQUESTER_KEY 4

struct table {
    uint8_t type;
    uint16_t algorithms;
};

static const struct table OUR_TABLES[TABLES] = {
    {2, 0x0008}, /* DHE secp256r1 */
    {3, 0x0002}, /* AES-256-GCM */
    {4, 0x0010}, /* requester signs with P-256 */
    {5, 0x0001}, /* key schedule of SPDM */
};

void spdm_header_write(struct writer *writer, uint8_t version, uint8_t code, uint8_t param1,
                       uint8_t param2) {
    write_u8(writer, version);
    write_u8(writer, code);
    write_u8(writer, param1);
    write_u8(writer, param2);
}

void spdm_version_write(struct writer *writer) {
    spdm_header_write(writer, SPDM_VERSION_10, SPDM_VERSION, 0, 0);
    write_u8(writer, 0);
    write_u8(writer, 1);
    write_u16le(writer, VERSION_ENTRY_12);
}

enum status spdm_version_parse(struct bytes message) {
    struct reader reader;
    bool found = false;
    reader_init(&reader, message);
    uint8_t version = read_u8(&reader);
    uint8_t code = read_u8(&reader);
    read_skip(&reader, 3);
    uint8_t count = read_u8(&reader);
    for (uint8_t i = 0; i < count; i++) {
        found |= (read_u16le(&reader) & VERSION_MASK) == VERSION_ENTRY_12;
    }
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        return status;
    }
    if (version != SPDM_VERSION_10 || code != SPDM_VERSION) {
        return STATUS_INVALID;
    }
    return found ? STATUS_OK : STATUS_UNSUPPORTED;
}

void spdm_capabilities_write(struct writer *writer, uint8_t code, uint8_t crypto_timeout_exponent,
                             uint32_t flags) {
    spdm_header_write(writer, SPDM_VERSION_12, code, 0, 0);
    write_u8(writer, 0);
    write_u8(writer, crypto_timeout_exponent);
    write_u16le(writer, 0);
    write_u32le(writer, flags);
    write_u32le(writer, SPDM_MESSAGE_MAX);
    write_u32le(writer, SPDM_MESSAGE_MAX);
}

/* The combinations DSP0274 forbids a requester (table 13). */
static bool is_consistent(uint32_t flags) {
    bool keys = (flags & (SPDM_CAP_KEY_EX | SPDM_CAP_PSK)) != 0;
    bool channel = (flags & (SPDM_CAP_ENCRYPT | SPDM_CAP_MAC)) != 0;
    bool identity = (flags & (SPDM_CAP_CERT | SPDM_CAP_PUB_KEY_ID)) != 0;
    bool both = (flags & SPDM_CAP_CERT) != 0 && (flags & SPDM_CAP_PUB_KEY_ID) != 0;
    uint32_t of_session = SPDM_CAP_CLEAR | SPDM_CAP_HBEAT | SPDM_CAP_KEY_UPD;
    uint32_t of_identity = SPDM_CAP_CHAL | SPDM_CAP_MUT_AUTH;

    if (keys != channel || both || (!keys && (flags & of_session) != 0)) {
        return false;
    }
    if (identity) {
        return (flags & (SPDM_CAP_CHAL | SPDM_CAP_KEY_EX)) != 0;
    }
    return (flags & of_identity) == 0;
}

enum status spdm_capabilities_parse(struct bytes message, enum spdm_party party,
                                    struct spdm_capabilities *capabilities) {
    struct reader reader;
    reader_init(&reader, message);
    read_skip(&reader, SPDM_HEADER_SIZE + 1);
    capabilities->crypto_timeout_exponent = read_u8(&reader);
    read_skip(&reader, 2);
    capabilities->flags = read_u32le(&reader);
    capabilities->transfer_size = read_u32le(&reader);
    uint32_t message_max = read_u32le(&reader);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        return status;
    }
    bool chunks = (capabilities->flags & SPDM_CAP_CHUNK) != 0;
    if (capabilities->transfer_size < SPDM_TRANSFER_SIZE_MIN ||
        capabilities->transfer_size > message_max ||
        (!chunks && capabilities->transfer_size != message_max) ||
        (party == SPDM_PARTY_REQUESTER && !is_consistent(capabilities->flags))) {
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static void write_tables(struct writer *writer, bool mutual) {
    for (size_t i = 0; i < TABLES; i++) {
        bool chosen = mutual || OUR_TABLES[i].type != TABLE_REQUESTER_KEY;
        write_u8(writer, OUR_TABLES[i].type);
        write_u8(writer, TABLE_COUNT_FIXED);
        write_u16le(writer, chosen ? OUR_TABLES[i].algorithms : 0);
    }
}

/* A request offers our algorithm among others, a response has chosen it alone. */
static bool is_ours(const struct table *table, enum spdm_party party) {
    uint16_t ours = OUR_TABLES[table->type - TABLE_FIRST].algorithms;
    return party == SPDM_PARTY_REQUESTER ? (table->algorithms & ours) != 0
                                         : table->algorithms == ours;
}

/* Tables ascend by type; all but the requester's key are needed. */
static enum status parse_tables(struct reader *reader, enum spdm_party party, uint8_t count,
                                unsigned int *externals) {
    uint8_t previous = 0;
    unsigned int matched = 0;
    for (uint8_t i = 0; i < count; i++) {
        struct table table = {.type = read_u8(reader)};
        uint8_t sizes = read_u8(reader);
        table.algorithms = read_u16le(reader);
        unsigned int external = sizes & 0x0F;
        read_skip(reader, 4 * (size_t)external);
        *externals += external;
        if (table.type <= previous || table.type < TABLE_FIRST || table.type > TABLE_LAST ||
            sizes >> 4 != TABLE_FIXED_SIZE) {
            return STATUS_INVALID;
        }
        previous = table.type;
        matched += table.type != TABLE_REQUESTER_KEY && is_ours(&table, party) ? 1 : 0;
    }
    return matched == TABLES - 1 ? STATUS_OK : STATUS_UNSUPPORTED;
}

void spdm_algorithms_write_request(struct writer *writer) {
    spdm_header_write(writer, SPDM_VERSION_12, SPDM_NEGOTIATE_ALGORITHMS, TABLES, 0);
    write_u16le(writer, REQUEST_LENGTH);
    write_u8(writer, MEASUREMENT_SPEC_DMTF);
    write_u8(writer, OPAQUE_DATA_FORMAT_1);
    write_u32le(writer, BASE_ASYM_P256);
    write_u32le(writer, BASE_HASH_SHA256);
    write_fill(writer, 0, RESERVED_SIZE);
    write_u16le(writer, 0); /* no external asymmetric algorithms, no external hashes */
    write_u16le(writer, 0);
    write_tables(writer, true);
}

void spdm_algorithms_write_response(struct writer *writer, bool mutual) {
    spdm_header_write(writer, SPDM_VERSION_12, SPDM_ALGORITHMS, TABLES, 0);
    write_u16le(writer, RESPONSE_LENGTH);
    write_u8(writer, MEASUREMENT_SPEC_DMTF);
    write_u8(writer, OPAQUE_DATA_FORMAT_1);
    write_u32le(writer, MEASUREMENT_HASH);
    write_u32le(writer, BASE_ASYM_P256);
    write_u32le(writer, BASE_HASH_SHA256);
    write_fill(writer, 0, RESERVED_SIZE);
    write_u16le(writer, 0);
    write_u16le(writer, 0);
    write_tables(writer, mutual);
}

/* What request and response have in common, from MeasurementSpecification on. */
struct algorithms {
    uint8_t tables;
    uint16_t length;
    uint8_t measurement_spec;
    uint8_t other;
    uint32_t measurement_hash;
    uint32_t asym;
    uint32_t hash;
    unsigned int external_asym;
    unsigned int external_hash;
};

static void read_fixed(struct reader *reader, enum spdm_party party,
                       struct algorithms *algorithms) {
    read_skip(reader, 2);
    algorithms->tables = read_u8(reader);
    read_skip(reader, 1);
    algorithms->length = read_u16le(reader);
    algorithms->measurement_spec = read_u8(reader);
    algorithms->other = read_u8(reader);
    algorithms->measurement_hash =
        party == SPDM_PARTY_RESPONDER ? read_u32le(reader) : MEASUREMENT_HASH;
    algorithms->asym = read_u32le(reader);
    algorithms->hash = read_u32le(reader);
    read_skip(reader, RESERVED_SIZE);
    algorithms->external_asym = read_u8(reader);
    algorithms->external_hash = read_u8(reader);
    read_skip(reader, 2);
}

static enum status parse_algorithms(struct bytes message, enum spdm_party party,
                                    struct algorithms *algorithms) {
    struct reader reader;
    reader_init(&reader, message);
    read_fixed(&reader, party, algorithms);
    unsigned int externals = algorithms->external_asym + algorithms->external_hash;
    read_skip(&reader, 4 * (size_t)externals);
    enum status tables = parse_tables(&reader, party, algorithms->tables, &externals);
    enum status status = reader_finish(&reader);
    if (status != STATUS_OK) {
        return status;
    }
    if (algorithms->length != message.size || message.size > LENGTH_MAX ||
        externals > EXTERNAL_MAX) {
        return STATUS_INVALID;
    }
    return tables;
}

enum status spdm_algorithms_parse_request(struct bytes message) {
    struct algorithms algorithms;
    enum status status = parse_algorithms(message, SPDM_PARTY_REQUESTER, &algorithms);
    if (status != STATUS_OK) {
        return status;
    }
    bool ours = (algorithms.measurement_spec & MEASUREMENT_SPEC_DMTF) != 0 &&
                (algorithms.other & OPAQUE_DATA_FORMAT_1) != 0 &&
                (algorithms.asym & BASE_ASYM_P256) != 0 &&
                (algorithms.hash & BASE_HASH_SHA256) != 0;
    return ours ? STATUS_OK : STATUS_UNSUPPORTED;
}

/* A response selects exactly one of each; anything but ours would be a downgrade. */
enum status spdm_algorithms_parse_response(struct bytes message) {
    struct algorithms algorithms;
    enum status status = parse_algorithms(message, SPDM_PARTY_RESPONDER, &algorithms);
    if (status != STATUS_OK) {
        return status;
    }
    bool ours = algorithms.measurement_spec == MEASUREMENT_SPEC_DMTF &&
                algorithms.other == OPAQUE_DATA_FORMAT_1 &&
                algorithms.measurement_hash == MEASUREMENT_HASH &&
                algorithms.asym == BASE_ASYM_P256 && algorithms.hash == BASE_HASH_SHA256 &&
                algorithms.external_asym == 0 && algorithms.external_hash == 0;
    return ours ? STATUS_OK : STATUS_UNSUPPORTED;
}
