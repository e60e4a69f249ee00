/* securechat, as a member of a room: docs/protocol.md, "First contact" and "Lines". */
#include "protocol.h"

#include <stdio.h>
#include <string.h>

#include "cast.h"
#include "common.h"
#include "proof.h"

static const char NONCE[] = "AAAAAAAAAAAAAAAA"; /* of a frame, 12 bytes: the relay does not look */

static void login(struct connection *connection)
{
    char banner[2048], line[4096], signature[SIGNATURE_TEXT + 1];
    const struct member *member = connection->member;
    size_t size = connection_await(connection, banner, sizeof banner, "\r\n");
    if (strncmp(banner, "banner 1 ", strlen("banner 1 ")))
        fail("no banner, but %.*s", (int)size, banner);
    proof_sign(signature, member, connection->ssl, banner, size - strlen("\r\n"));
    size = snprintf(line, sizeof line, "identity 1 %s %s\r\n", member->bundle, signature);
    connection_say(connection, line, size);
    connection_await(connection, line, sizeof line, "ack\r\n");
}

static void join(struct connection *connection)
{
    static char heard[1 << 16];
    char line[256];
    const struct member *member = connection->member;
    size_t size = snprintf(line, sizeof line, "resume %s %lu %s %lu\r\n", member->room,
                           member->epoch, member->head, member->seq);
    connection_say(connection, line, size);
    connection_await(connection, heard, sizeof heard, "resumed ");
}

static size_t message(struct connection *connection, char *buffer, const char *payload, size_t size)
{
    const struct member *member = connection->member;
    return snprintf(buffer, size + MESSAGE_EXTRA, "send %s %lu %lu %lu %s %s\r\n", member->room,
                    member->epoch, member->row, connection->sent, NONCE, payload);
}

const struct protocol securechat = {
    .name = "securechat", .echoes = true, .login = login, .join = join, .message = message,
};
