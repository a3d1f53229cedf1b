#include "base/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int refuse(struct error *error, const char *text) {
    error_set(error, ERROR_USAGE, "bad endpoint \"%.80s\"", text);
    return error_hint(error, "unix:/path, tcp:host:port or /dev/...");
}

static int copy_part(char *out, size_t capacity, const char *text, size_t length) {
    if (length == 0 || length >= capacity)
        return -1;
    memcpy(out, text, length);
    out[length] = '\0';
    return 0;
}

static int parse_number(const char *text, unsigned long limit, unsigned long *number) {
    char *end = NULL;
    if (*text < '0' || *text > '9' || strlen(text) > 9)
        return -1;
    *number = strtoul(text, &end, 10);
    return *end == '\0' && *number <= limit ? 0 : -1;
}

static int parse_tcp(const char *text, struct endpoint *endpoint) {
    const char *colon = strrchr(text, ':');
    unsigned long port;
    if (colon == NULL || parse_number(colon + 1, 65535, &port) != 0)
        return -1;
    size_t length = (size_t)(colon - text);
    if (length > 2 && text[0] == '[' && text[length - 1] == ']') { /* [::1]:443 */
        text++;
        length -= 2;
    }
    snprintf(endpoint->port, sizeof(endpoint->port), "%lu", port);
    return copy_part(endpoint->address, sizeof(endpoint->address), text, length);
}

static int parse_serial(const char *text, struct endpoint *endpoint) {
    const char *at = strchr(text, '@');
    unsigned long baud = 115200;
    if (at != NULL && parse_number(at + 1, 4000000, &baud) != 0)
        return -1;
    endpoint->baud = (uint32_t)baud;
    return copy_part(endpoint->address, sizeof(endpoint->address), text,
                     at != NULL ? (size_t)(at - text) : strlen(text));
}

int endpoint_parse(const char *text, struct endpoint *endpoint, struct error *error) {
    int result = -1;
    memset(endpoint, 0, sizeof(*endpoint));
    if (strncmp(text, "unix:", 5) == 0) {
        endpoint->kind = ENDPOINT_UNIX;
        result = copy_part(endpoint->address, sizeof(((struct sockaddr_un *)0)->sun_path), text + 5,
                           strlen(text + 5));
    } else if (strncmp(text, "tcp:", 4) == 0) {
        endpoint->kind = ENDPOINT_TCP;
        result = parse_tcp(text + 4, endpoint);
    } else if (text[0] == '/') {
        endpoint->kind = ENDPOINT_SERIAL;
        result = parse_serial(text, endpoint);
    }
    return result == 0 ? 0 : refuse(error, text);
}

static int failed(struct error *error, int errno_value, const struct endpoint *endpoint) {
    return error_set(error, errno_value == ETIMEDOUT ? ERROR_TIMEOUT : ERROR_OFFLINE,
                     "cannot connect to %.120s%s%s: %s", endpoint->address,
                     endpoint->kind == ENDPOINT_TCP ? ":" : "", endpoint->port,
                     strerror(errno_value));
}

/* Connects a non-blocking socket within the time and makes it blocking. 0 or an errno value. */
static int connect_within(int descriptor, const struct sockaddr *address, socklen_t size,
                          int timeout_ms) {
    if (connect(descriptor, address, size) != 0) {
        if (errno != EINPROGRESS && errno != EAGAIN)
            return errno;
        struct pollfd wait = {descriptor, POLLOUT, 0};
        int ready = poll(&wait, 1, timeout_ms);
        if (ready == 0)
            return ETIMEDOUT;
        int problem = 0;
        socklen_t length = sizeof(problem);
        if (ready < 0 || getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &length) != 0)
            return errno;
        if (problem != 0)
            return problem;
    }
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return errno;
    return 0;
}

static void unix_address(const struct endpoint *endpoint, struct sockaddr_un *address) {
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, endpoint->address, strlen(endpoint->address) + 1);
}

static int connect_unix(const struct endpoint *endpoint, int timeout_ms, struct error *error) {
    struct sockaddr_un address;
    unix_address(endpoint, &address);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return failed(error, errno, endpoint);
    int problem =
        connect_within(descriptor, (const struct sockaddr *)&address, sizeof(address), timeout_ms);
    if (problem != 0) {
        close(descriptor);
        return failed(error, problem, endpoint);
    }
    return descriptor;
}

static int resolve(const struct endpoint *endpoint, int flags, struct addrinfo **list,
                   struct error *error) {
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    int problem = getaddrinfo(endpoint->address, endpoint->port, &wanted, list);
    if (problem != 0)
        return error_set(error, ERROR_OFFLINE, "cannot resolve %.120s: %s", endpoint->address,
                         gai_strerror(problem));
    return 0;
}

static int connect_tcp(const struct endpoint *endpoint, int timeout_ms, struct error *error) {
    struct addrinfo *list = NULL;
    if (resolve(endpoint, 0, &list, error) != 0)
        return -1;
    int problem = EHOSTUNREACH;
    int descriptor = -1;
    for (struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
        descriptor = socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (descriptor < 0)
            continue;
        problem = connect_within(descriptor, entry->ai_addr, entry->ai_addrlen, timeout_ms);
        if (problem == 0)
            break;
        close(descriptor);
        descriptor = -1;
    }
    freeaddrinfo(list);
    return descriptor >= 0 ? descriptor : failed(error, problem, endpoint);
}

static int baud_constant(uint32_t baud, speed_t *speed) {
    static const struct {
        uint32_t baud;
        speed_t speed;
    } table[] = {{9600, B9600},       {19200, B19200},     {38400, B38400},    {57600, B57600},
                 {115200, B115200},   {230400, B230400},   {460800, B460800},  {921600, B921600},
                 {1000000, B1000000}, {2000000, B2000000}, {3000000, B3000000}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].baud == baud) {
            *speed = table[i].speed;
            return 0;
        }
    }
    return -1;
}

static int open_serial(const struct endpoint *endpoint, struct error *error) {
    speed_t speed;
    struct termios settings;
    if (baud_constant(endpoint->baud, &speed) != 0)
        return error_set(error, ERROR_USAGE, "unsupported baud rate %u", endpoint->baud);
    /* O_NONBLOCK: opening must not wait for a carrier the target never raises */
    int descriptor = open(endpoint->address, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return failed(error, errno, endpoint);
    int result = tcgetattr(descriptor, &settings);
    if (result == 0) {
        cfmakeraw(&settings);
        settings.c_cflag |= CLOCAL | CREAD;
        settings.c_cflag &= ~(tcflag_t)(CRTSCTS | CSTOPB);
        cfsetispeed(&settings, speed);
        cfsetospeed(&settings, speed);
        result = tcsetattr(descriptor, TCSANOW, &settings);
    }
    int flags = fcntl(descriptor, F_GETFL);
    if (result != 0 || flags < 0 || fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) < 0) {
        int saved = errno;
        close(descriptor);
        return failed(error, saved, endpoint);
    }
    return descriptor;
}

int endpoint_connect(const struct endpoint *endpoint, int timeout_ms, struct error *error) {
    switch (endpoint->kind) {
    case ENDPOINT_UNIX: return connect_unix(endpoint, timeout_ms, error);
    case ENDPOINT_TCP: return connect_tcp(endpoint, timeout_ms, error);
    case ENDPOINT_SERIAL: return open_serial(endpoint, error);
    }
    return error_set(error, ERROR_INTERNAL, "unknown endpoint kind");
}

static int listen_failed(struct error *error, int descriptor, const char *what) {
    int saved = errno;
    if (descriptor >= 0)
        close(descriptor);
    return error_set_errno(error, saved, what);
}

static int listen_unix(const struct endpoint *endpoint, struct error *error) {
    struct sockaddr_un address;
    unix_address(endpoint, &address);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return listen_failed(error, -1, endpoint->address);
    struct stat left;
    /* A socket left by a process that was killed; a file of another kind is not ours to remove. */
    if (lstat(endpoint->address, &left) == 0 && S_ISSOCK(left.st_mode))
        (void)unlink(endpoint->address);
    /* The mode is restricted on the descriptor before bind, so nobody slips in between. */
    if (fchmod(descriptor, 0600) != 0 ||
        bind(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(endpoint->address, 0600) != 0 || listen(descriptor, 64) != 0)
        return listen_failed(error, descriptor, endpoint->address);
    return descriptor;
}

static int listen_tcp(const struct endpoint *endpoint, struct error *error) {
    struct addrinfo *list = NULL;
    if (resolve(endpoint, AI_PASSIVE, &list, error) != 0)
        return -1;
    const int on = 1;
    int descriptor =
        socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, list->ai_protocol);
    int result = -1;
    if (descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(descriptor, list->ai_addr, list->ai_addrlen) == 0 && listen(descriptor, 1024) == 0)
        result = 0;
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    return result == 0 ? descriptor : listen_failed(error, descriptor, endpoint->address);
}

int endpoint_listen(const struct endpoint *endpoint, struct error *error) {
    if (endpoint->kind == ENDPOINT_UNIX)
        return listen_unix(endpoint, error);
    if (endpoint->kind == ENDPOINT_TCP)
        return listen_tcp(endpoint, error);
    return error_set(error, ERROR_USAGE, "cannot listen on a serial device");
}
