/*
 * The TCP protocol of DMTF's spdm-emu: frames of command, transport type (1 = MCTP) and length,
 * each 32 bits big-endian, then `length` bytes. With command NORMAL these are an MCTP message: the
 * type byte (05, 06) and the SPDM message or record.
 */
#ifndef NUSEC_SPDM_BRIDGE_SOCKET_FRAME_H
#define NUSEC_SPDM_BRIDGE_SOCKET_FRAME_H

#include "base/bytes.h"
#include "base/error.h"

#define SOCKET_COMMAND_NORMAL   0x0001U
#define SOCKET_COMMAND_CONTINUE 0xFFFDU
#define SOCKET_COMMAND_SHUTDOWN 0xFFFEU
#define SOCKET_COMMAND_UNKNOWN  0xFFFFU
#define SOCKET_COMMAND_TEST     0xDEADU

#define SOCKET_TRANSPORT_MCTP 1U

struct socket_frame {
    uint32_t command;
    uint8_t *payload; /* the caller's buffer */
    size_t capacity;
    size_t size;
};

enum socket_result { SOCKET_OK, SOCKET_CLOSED, SOCKET_FAILED };

/* Reads one frame. CLOSED: the peer hung up between frames. FAILED (error filled): hung up within
 * one, another transport type, or a payload beyond the capacity. */
enum socket_result socket_frame_read(int fd, struct socket_frame *frame, struct error *error);

int socket_frame_write(int fd, uint32_t command, struct bytes payload, struct error *error);

#endif
