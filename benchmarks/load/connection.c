#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common.h"

enum { PATIENCE = 20 }; /* seconds, while it is set up */

static SSL_CTX *context(void)
{
    static SSL_CTX *made;
    if (!made) {
        made = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(made, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION);
        SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    return made;
}

void connection_open(struct connection *connection, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = PATIENCE};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address))
        fail("connection %d cannot connect", connection->number);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

void connection_secure(struct connection *connection)
{
    connection->ssl = SSL_new(context());
    SSL_set_fd(connection->ssl, connection->fd);
    if (SSL_connect(connection->ssl) != 1)
        fail("connection %d has no TLS handshake", connection->number);
}

void connection_close(struct connection *connection)
{
    SSL_shutdown(connection->ssl); /* its goodbye; the server's is not waited for */
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection->backlog);
    connection->backlog = NULL;
    connection->backlog_size = connection->backlog_capacity = 0;
}

/* Return whether the last call on the connection failed only since it would have to wait. */
static bool would_block(struct connection *connection, int result)
{
    int error = SSL_get_error(connection->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Read or fail; 0: there is nothing yet. */
static size_t read_some(struct connection *connection, void *buffer, size_t capacity)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_read(connection->ssl, buffer, capacity);
    if (result > 0)
        return result;
    if (!would_block(connection, result))
        fail("connection %d is closed by the server", connection->number);
    return 0;
}

/* Write or fail; 0: the socket takes nothing now. */
static size_t write_some(struct connection *connection, const void *data, size_t size)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_write(connection->ssl, data, size);
    if (result > 0)
        return result;
    if (!would_block(connection, result))
        fail("connection %d cannot be written to", connection->number);
    return 0;
}

void connection_say(struct connection *connection, const void *data, size_t size)
{
    const char *rest = data;
    while (size) {
        size_t written = write_some(connection, rest, size);
        if (!written)
            fail("connection %d: the server does not read", connection->number);
        rest += written;
        size -= written;
    }
}

size_t connection_hear(struct connection *connection, void *buffer, size_t capacity)
{
    size_t size = read_some(connection, buffer, capacity);
    if (!size)
        fail("connection %d: the server says nothing for %d s", connection->number, PATIENCE);
    return size;
}

size_t connection_await(struct connection *connection, char *buffer, size_t capacity,
                        const char *text)
{
    size_t size = 0;
    do {
        if (size == capacity)
            fail("connection %d: no %s, but this: %.200s", connection->number, text, buffer);
        size += connection_hear(connection, buffer + size, capacity - size);
        if (size >= 6 && !memcmp(buffer, "error ", 6))
            fail("connection %d: %.*s", connection->number, (int)size, buffer);
    } while (!memmem(buffer, size, text, strlen(text)));
    return size;
}

static void watch(struct connection *connection, int how, bool for_writing)
{
    struct epoll_event event = {.events = EPOLLIN | (for_writing ? EPOLLOUT : 0)};
    event.data.ptr = connection;
    connection->watched_for_writing = for_writing;
    epoll_ctl(connection->poll, how, connection->fd, &event);
}

void connection_go(struct connection *connection, int poll)
{
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    connection->poll = poll;
    watch(connection, EPOLL_CTL_ADD, false);
}

void connection_push(struct connection *connection, const void *data, size_t size)
{
    const char *rest = data;
    if (!connection->backlog_size) {
        size_t written = write_some(connection, rest, size);
        rest += written;
        size -= written;
    }
    if (!size)
        return;
    if (connection->backlog_size + size > connection->backlog_capacity) {
        connection->backlog_capacity = 2 * (connection->backlog_size + size);
        connection->backlog = realloc(connection->backlog, connection->backlog_capacity);
        if (!connection->backlog)
            fail("no memory");
    }
    memcpy(connection->backlog + connection->backlog_size, rest, size);
    connection->backlog_size += size;
    if (!connection->watched_for_writing)
        watch(connection, EPOLL_CTL_MOD, true);
}

void connection_flush(struct connection *connection)
{
    while (connection->backlog_size) {
        size_t written = write_some(connection, connection->backlog, connection->backlog_size);
        if (!written)
            return;
        connection->backlog_size -= written;
        memmove(connection->backlog, connection->backlog + written, connection->backlog_size);
    }
    watch(connection, EPOLL_CTL_MOD, false);
}

size_t connection_read(struct connection *connection, void *buffer, size_t capacity)
{
    return read_some(connection, buffer, capacity);
}
