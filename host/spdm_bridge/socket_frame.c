#include "spdm_bridge/socket_frame.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE 12

/* Bytes read: less than `size` only if the peer hung up; -1 on an error. */
static ssize_t read_all(int fd, uint8_t *out, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = read(fd, &out[done], size - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        done += (size_t)count;
    }
    return (ssize_t)done;
}

enum socket_result socket_frame_read(int fd, struct socket_frame *frame, struct error *error) {
    uint8_t header[HEADER_SIZE];
    struct reader reader;
    ssize_t count = read_all(fd, header, sizeof header);
    if (count == 0) {
        return SOCKET_CLOSED;
    }
    if (count != HEADER_SIZE) {
        (void)error_set(error, ERROR_OFFLINE, "the socket peer went away");
        return SOCKET_FAILED;
    }
    reader_init(&reader, bytes_of(header, sizeof header));
    frame->command = read_u32be(&reader);
    uint32_t transport = read_u32be(&reader);
    frame->size = read_u32be(&reader);
    if (transport != SOCKET_TRANSPORT_MCTP || frame->size > frame->capacity) {
        (void)error_set(error, ERROR_BAD_REQUEST, "a frame of transport %u with %zu bytes",
                        (unsigned int)transport, frame->size);
        return SOCKET_FAILED;
    }
    if (read_all(fd, frame->payload, frame->size) != (ssize_t)frame->size) {
        (void)error_set(error, ERROR_OFFLINE, "the socket peer went away within a frame");
        return SOCKET_FAILED;
    }
    return SOCKET_OK;
}

static int write_all(int fd, struct bytes bytes, struct error *error) {
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t count = send(fd, &bytes.data[done], bytes.size - done, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return error_set(error, ERROR_OFFLINE, "the socket peer went away");
        }
        done += (size_t)count;
    }
    return 0;
}

int socket_frame_write(int fd, uint32_t command, struct bytes payload, struct error *error) {
    uint8_t header[HEADER_SIZE];
    struct writer writer;
    writer_init(&writer, header, sizeof header);
    write_u32be(&writer, command);
    write_u32be(&writer, SOCKET_TRANSPORT_MCTP);
    write_u32be(&writer, (uint32_t)payload.size);
    if (write_all(fd, writer_bytes(&writer), error) != 0) {
        return -1;
    }
    return write_all(fd, payload, error);
}
