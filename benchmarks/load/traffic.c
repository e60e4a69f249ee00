/* Messages to rooms, and when they arrive.
 *
 * Without a rate the loop is closed: whenever less than `window` messages are under way the next
 * is sent, so that a server is as busy as it can be without a queue that grows. A window of 1 is
 * a conversation in which each message waits for the one before: nothing can be joined. With a
 * rate messages are sent when they are due, and their latency counts from then. */
#include "runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common.h"
#include "crowd.h"
#include "latencies.h"
#include "protocol.h"
#include "server.h"

enum {
    TICK = 20,               /* ms after which the clock is looked at in any case */
    PATIENCE = 10,           /* s without any delivery */
    MOST_UNSENT = 1 << 20,   /* bytes that wait for a server which does not read */
};

static uint64_t delivered;
static bool measuring;

static void arrived(uint64_t time)
{
    delivered++;
    if (measuring)
        latencies_add(now() - time);
}

static void send_one(const struct settings *settings, struct connection *sender, uint64_t time)
{
    static char *payload, *buffer;
    if (!payload) {
        payload = allocate(settings->payload + 1, 1);
        buffer = allocate(settings->payload + MESSAGE_EXTRA, 1);
    }
    stamp_payload(payload, settings->payload, time);
    size_t size = settings->protocol->message(sender, buffer, payload, settings->payload);
    sender->sent++;
    connection_push(sender, buffer, size);
}

static double own_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static int start_timer(int poll, double rate)
{
    long interval = 1e9 / rate;
    struct timespec time = {interval / 1000000000, interval % 1000000000};
    struct itimerspec often = {time, time};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = TIMER};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(timer, 0, &often, NULL);
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    return timer;
}

/* Where a run stands: read once when measuring begins, and once when it ends. */
struct reading {
    uint64_t time, delivered;
    double server, own;
};

static struct reading read_all(const struct settings *settings)
{
    return (struct reading){now(), delivered, server_cpu(settings->pid), own_cpu()};
}

static void report(const struct settings *settings, const struct reading *begin,
                   const struct reading *end)
{
    double count = end->delivered - begin->delivered, seconds = (end->time - begin->time) / 1e9;
    if (!count)
        fail("nothing was delivered");
    printf("{\"cpu_us\": %.4f, \"deliveries\": %.0f, \"per_second\": %.0f, \"busy\": %.3f, "
           "\"own_cpu_us\": %.4f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"rss_kib\": %ld}\n",
           (end->server - begin->server) / count, count, count / seconds,
           (end->server - begin->server) / 1e6 / seconds, (end->own - begin->own) / count,
           latencies_at(.5), latencies_at(.99), server_memory(settings->pid));
}

void run_traffic(const struct settings *settings)
{
    struct connection *crowd = crowd_gather(settings);
    for (int number = 0; number < settings->connections; number++)
        crowd_bring(settings, crowd + number, JOINED);
    int poll = crowd_go(settings, crowd), timer = -1, turn = 0;
    int hearers = settings->connections / settings->rooms - !settings->protocol->echoes;
    uint64_t sent = 0, begin, end, due, seen = 0, seen_at;
    struct reading before = {0};

    crowd_settle(settings, poll);
    seen_at = due = now();
    begin = due + settings->warm_up * 1e9;
    end = begin + settings->seconds * 1e9;
    if (settings->rate > 0)
        timer = start_timer(poll, settings->rate);
    for (;;) {
        uint64_t time = now();
        if (!measuring && time >= begin) {
            before = read_all(settings);
            measuring = true;
        }
        if (time >= end)
            break;
        if (delivered != seen) {
            seen = delivered;
            seen_at = time;
        } else if (time - seen_at > PATIENCE * 1000000000ull)
            fail("of %lu messages %lu deliveries, and no more", sent, delivered);
        while (timer < 0 && sent - delivered / hearers < (unsigned)settings->window) {
            struct connection *sender = crowd + turn++ % settings->senders;
            if (sender->backlog_size > MOST_UNSENT)
                break;
            send_one(settings, sender, now());
            sent++;
        }
        if (crowd_turn(settings, poll, TICK, arrived)) {
            uint64_t times;
            if (read(timer, &times, sizeof times) != sizeof times)
                times = 0;
            for (; times; times--, sent++) {
                due += 1e9 / settings->rate;
                send_one(settings, crowd + turn++ % settings->senders, due);
            }
        }
    }
    struct reading after = read_all(settings);
    report(settings, &before, &after);
}
