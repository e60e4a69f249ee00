/* NATS: a subject is a room. The server greets without TLS, and asks for it there. */
#include "protocol.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common.h"

static char heard[1 << 13];

static void greet(struct connection *connection)
{
    char byte = 0;
    while (byte != '\n') /* nothing of what follows it may be taken from TLS */
        if (recv(connection->fd, &byte, 1, 0) != 1)
            fail("NATS says nothing");
}

static void ask(struct connection *connection, const char *lines, size_t size)
{
    connection_say(connection, lines, size);
    connection_await(connection, heard, sizeof heard, "PONG\r\n");
}

static void login(struct connection *connection)
{
    static const char lines[] = "CONNECT {\"verbose\":false,\"pedantic\":false,"
                                "\"tls_required\":true,\"lang\":\"c\",\"version\":\"1\"}\r\n"
                                "PING\r\n";
    ask(connection, lines, sizeof lines - 1);
}

static void join(struct connection *connection)
{
    char lines[64];
    ask(connection, lines,
        snprintf(lines, sizeof lines, "SUB r%d 1\r\nPING\r\n", connection->room));
}

static size_t message(struct connection *connection, char *buffer, const char *payload, size_t size)
{
    return snprintf(buffer, size + MESSAGE_EXTRA, "PUB r%d %zu\r\n%s\r\n", connection->room, size,
                    payload);
}

static void answer(struct connection *connection, const char *data, size_t size)
{
    size_t beginning = size < 600 ? size : 600; /* it asks between messages, and soon again */
    if ((size >= 4 && !memcmp(data, "PING", 4)) || memmem(data, beginning, "\nPING", 5))
        connection_push(connection, "PONG\r\n", 6);
}

const struct protocol nats = {
    .name = "nats", .echoes = true, .greet = greet, .login = login, .join = join,
    .message = message, .answer = answer,
};
