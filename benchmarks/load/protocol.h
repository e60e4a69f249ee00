/* What a server speaks. Each protocol is a file; all deliver the same payload to a room. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "connection.h"

struct protocol {
    const char *name;
    bool echoes; /* whether a sender gets what it sent */

    /* Before TLS, where the protocol begins without it; or NULL. */
    void (*greet)(struct connection *connection);

    /* After TLS: say who one is, and wait until the server knows. */
    void (*login)(struct connection *connection);

    /* Enter the connection's room, and wait until one is in it. */
    void (*join)(struct connection *connection);

    /* Write the message that says `payload` into `buffer`; returns its size, which is less than
     * that of the payload plus MESSAGE_EXTRA. */
    size_t (*message)(struct connection *connection, char *buffer, const char *payload,
                      size_t size);

    /* Answer the server where it asks whether one is alive; or NULL. */
    void (*answer)(struct connection *connection, const char *data, size_t size);
};

enum { MESSAGE_EXTRA = 512 };

extern const struct protocol securechat, mqtt, irc, nats, raw;

/* Return the protocol of that name, or fail. */
const struct protocol *protocol_named(const char *name);

#endif
