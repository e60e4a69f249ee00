/* IRC (RFC 2812): a channel is a room. */
#include "protocol.h"

#include <stdio.h>
#include <string.h>

static char heard[1 << 18]; /* the names of a channel are long */

static void login(struct connection *connection)
{
    char lines[128];
    size_t size = snprintf(lines, sizeof lines, "NICK u%d\r\nUSER u%d 0 * :x\r\n",
                           connection->number, connection->number);
    connection_say(connection, lines, size);
    connection_await(connection, heard, sizeof heard, " 376 "); /* the end of its greeting… */
}

static void join(struct connection *connection)
{
    char line[64];
    size_t size = snprintf(line, sizeof line, "JOIN #r%d\r\n", connection->room);
    connection_say(connection, line, size);
    connection_await(connection, heard, sizeof heard, " 366 "); /* … and of the names */
}

static size_t message(struct connection *connection, char *buffer, const char *payload, size_t size)
{
    return snprintf(buffer, size + MESSAGE_EXTRA, "PRIVMSG #r%d :%s\r\n", connection->room,
                    payload);
}

static void answer(struct connection *connection, const char *data, size_t size)
{
    /* In a quiet moment, or not at all: a busy connection is not asked. */
    if (size >= 4 && size < 256 && !memcmp(data, "PING", 4))
        connection_push(connection, "PONG :x\r\n", 9);
}

const struct protocol irc = {
    .name = "irc", .login = login, .join = join, .message = message, .answer = answer,
};
