/* The least that a relay can speak, of benchmarks/peers: `join ROOM`, answered by `joined ROOM`,
 * and `broadcast ROOM PAYLOAD`, which everybody gets as `message ROOM SEQ FROM PAYLOAD`. */
#include "protocol.h"

#include <stdio.h>

static void login(struct connection *connection)
{
    (void)connection; /* there is nobody to be */
}

static void join(struct connection *connection)
{
    char line[64], heard[256];
    connection_say(connection, line, snprintf(line, sizeof line, "join %d\r\n", connection->room));
    connection_await(connection, heard, sizeof heard, "joined ");
}

static size_t message(struct connection *connection, char *buffer, const char *payload, size_t size)
{
    return snprintf(buffer, size + MESSAGE_EXTRA, "broadcast %d %s\r\n", connection->room, payload);
}

const struct protocol raw = {
    .name = "raw", .echoes = true, .login = login, .join = join, .message = message,
};
