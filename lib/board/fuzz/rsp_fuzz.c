/* Any bytes as a debug connection, and every packet in them through what reads its payload. */
#include "board/rsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t expanded[RSP_PAYLOAD_MAX];
    struct rsp_parser parser;

    rsp_parser_init(&parser);
    for (size_t i = 0; i < size; i++) {
        struct reader reader;
        struct writer writer;
        uint8_t word[4];
        if (rsp_feed(&parser, data[i]) != RSP_PACKET)
            continue;
        writer_init(&writer, expanded, sizeof(expanded));
        rsp_expand(bytes_of(parser.payload, parser.size), &writer);
        reader_init(&reader, bytes_of(parser.payload, parser.size));
        (void)rsp_read_number(&reader);
        rsp_expect(&reader, ',');
        rsp_read_hex(&reader, word, sizeof(word));
        (void)rsp_unescape(parser.payload, parser.size);
    }
    return 0;
}
