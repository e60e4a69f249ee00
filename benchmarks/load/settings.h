/* What the command line asks for. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

struct protocol;

struct settings {
    const struct protocol *protocol;
    int port;          /* of the server, on 127.0.0.1 */
    pid_t pid;         /* of the server, whose CPU and memory are measured */
    const char *cast;  /* the file of the members, which securechat alone needs */
    int connections;
    int rooms;         /* connection i is in room i % rooms */
    int senders;       /* the first so many connections send, in turn */
    int payload;       /* characters of a message */
    int window;        /* messages under way at once, where `rate` is 0 */
    double rate;       /* messages a second, whatever comes back */
    double settle;     /* seconds in which a server ends what connecting has begun */
    double warm_up;    /* seconds before it is measured */
    double seconds;    /* for which it is measured */
    bool login;        /* whether a handshake is one with a login */
};

#endif
