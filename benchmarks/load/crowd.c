#include "crowd.h"

#include <sys/epoll.h>

#include "cast.h"
#include "common.h"
#include "protocol.h"

enum {
    EVENTS = 512,
    READS = 4,        /* of one connection, before others have their turn */
    RECORD = 1 << 14, /* bytes: one SSL_read gives no more */
};

struct connection *crowd_gather(const struct settings *settings)
{
    struct connection *crowd = allocate(settings->connections, sizeof *crowd);
    struct member *cast =
        settings->cast ? cast_read(settings->cast, settings->connections) : NULL;
    if (settings->protocol == &securechat && !cast)
        fail("securechat needs a cast");
    for (int number = 0; number < settings->connections; number++) {
        crowd[number].number = number;
        crowd[number].room = number % settings->rooms;
        crowd[number].member = cast ? cast + number : NULL;
    }
    return crowd;
}

void crowd_bring(const struct settings *settings, struct connection *connection, enum stage stage)
{
    const struct protocol *protocol = settings->protocol;
    connection_open(connection, settings->port);
    if (protocol->greet)
        protocol->greet(connection);
    connection_secure(connection);
    if (stage >= PROVED)
        protocol->login(connection);
    if (stage >= JOINED)
        protocol->join(connection);
}

int crowd_go(const struct settings *settings, struct connection *crowd)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int number = 0; number < settings->connections; number++)
        connection_go(crowd + number, poll);
    return poll;
}

static void take(const struct settings *settings, struct connection *connection,
                 void (*found)(uint64_t time))
{
    static char buffer[STAMP_SIZE + RECORD];
    for (int reads = 0; reads < READS; reads++) {
        size_t kept = scanner_begin(&connection->scanner, buffer);
        size_t size = connection_read(connection, buffer + kept, RECORD);
        if (!size)
            return;
        if (settings->protocol->answer)
            settings->protocol->answer(connection, buffer, kept + size);
        scanner_end(&connection->scanner, buffer, kept + size, found);
    }
}

bool crowd_turn(const struct settings *settings, int poll, int milliseconds,
                void (*found)(uint64_t time))
{
    struct epoll_event events[EVENTS];
    bool timer = false;
    int count = epoll_wait(poll, events, EVENTS, milliseconds);
    for (int place = 0; place < count; place++) {
        struct connection *connection = events[place].data.ptr;
        if (connection == TIMER) {
            timer = true;
            continue;
        }
        if (events[place].events & EPOLLOUT)
            connection_flush(connection);
        if (events[place].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            take(settings, connection, found);
    }
    return timer;
}

static void forget(uint64_t time)
{
    (void)time;
}

void crowd_settle(const struct settings *settings, int poll)
{
    uint64_t end = now() + settings->settle * 1e9;
    for (uint64_t time; (time = now()) < end;)
        crowd_turn(settings, poll, 1 + (end - time) / 1000000, forget);
}
