/* The connections of a run. */
#ifndef CROWD_H
#define CROWD_H

#include "connection.h"
#include "settings.h"

/* How far a connection is brought before the next one begins. */
enum stage { SECURED, PROVED, JOINED };

/* Return the connections of `settings`, none of which is open yet. */
struct connection *crowd_gather(const struct settings *settings);

/* Bring the connection number `i` as far as `stage`. */
void crowd_bring(const struct settings *settings, struct connection *connection, enum stage stage);

/* Let nothing block any more; returns the epoll descriptor of all connections. */
int crowd_go(const struct settings *settings, struct connection *crowd);

/* Wait for up to `milliseconds` for what arrives; take it, and send what waits to be sent.
 * Each stamp is given to `found`. Returns whether the descriptor `timer`, which is watched
 * beside the connections, has something to say. */
bool crowd_turn(const struct settings *settings, int poll, int milliseconds,
                void (*found)(uint64_t time));

/* Let the server end what connecting has begun: take what arrives meanwhile, and forget it. */
void crowd_settle(const struct settings *settings, int poll);

/* The epoll data of the timer that may be watched beside the connections. */
#define TIMER NULL

#endif
