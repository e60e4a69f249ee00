/* One TLS connection to the server.
 *
 * It has two lives. While it is set up it blocks, for 20 s at most, so that a login reads like
 * the dialogue that it is. From `connection_go` on nothing blocks: what the socket does not take
 * waits in a backlog, for the event loop of traffic.c. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "stamp.h"

struct member;

struct connection {
    int fd;
    SSL *ssl;
    int number;                  /* 0, 1, 2, … */
    int room;                    /* the number of its room */
    const struct member *member; /* whom it is, in securechat */
    uint64_t sent;               /* messages */
    struct scanner scanner;      /* of what it receives */
    char *backlog;
    size_t backlog_size, backlog_capacity;
    int poll;                    /* the epoll descriptor, once it is watched */
    bool watched_for_writing;
};

/* Connect to 127.0.0.1, without TLS yet, as some protocols begin. */
void connection_open(struct connection *connection, int port);

/* Do the TLS handshake: 1.3, and whatever certificate the server has. */
void connection_secure(struct connection *connection);

void connection_close(struct connection *connection);

/* Set up */

void connection_say(struct connection *connection, const void *data, size_t size);

/* Read at least one byte; returns how many. */
size_t connection_hear(struct connection *connection, void *buffer, size_t capacity);

/* Read until `text` has come; returns how many bytes came in all. Everything that is in the
 * buffer then is the caller's to use, or to forget. */
size_t connection_await(struct connection *connection, char *buffer, size_t capacity,
                        const char *text);

/* The event loop */

/* Let nothing block any more, and have `poll` report what arrives. */
void connection_go(struct connection *connection, int poll);

/* Send, now or when the socket takes it. */
void connection_push(struct connection *connection, const void *data, size_t size);

/* The socket takes more. */
void connection_flush(struct connection *connection);

/* Read what there is, without waiting; returns how many bytes, 0 where there are none. */
size_t connection_read(struct connection *connection, void *buffer, size_t capacity);

#endif
