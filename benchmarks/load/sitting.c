/* What a connection costs that does nothing: in memory while it is there, in CPU to begin. */
#include "runs.h"

#include <stdio.h>

#include "common.h"
#include "crowd.h"
#include "protocol.h"
#include "server.h"

enum {
    FIRST = 16,      /* connections that find what a server makes once */
    AT_ONCE = 256,   /* handshakes before their connections are closed */
    LAST = 50,       /* ms in which a server ends the last of them */
};

void run_idle(const struct settings *settings)
{
    struct connection *crowd = crowd_gather(settings);
    long first = 0, last;
    if (settings->connections <= FIRST)
        fail("%d connections are too few", settings->connections);
    for (int number = 0; number < settings->connections; number++) {
        if (number == FIRST) {
            pause_ms(settings->settle * 1e3);
            first = server_memory(settings->pid);
        }
        crowd_bring(settings, crowd + number, JOINED);
    }
    crowd_settle(settings, crowd_go(settings, crowd));
    last = server_memory(settings->pid);
    printf("{\"kib\": %.3f, \"rss_kib\": %ld}\n",
           (double)(last - first) / (settings->connections - FIRST), last);
}

void run_handshakes(const struct settings *settings)
{
    struct connection *crowd = crowd_gather(settings);
    enum stage stage = settings->login ? PROVED : SECURED;
    int count = settings->connections < AT_ONCE ? settings->connections : AT_ONCE;
    int done = 0, rounds = 0;
    double used = 0;
    for (uint64_t end = now() + settings->seconds * 1e9; rounds < 2 || now() < end; rounds++) {
        double before = server_cpu(settings->pid);
        for (int number = 0; number < count; number++)
            crowd_bring(settings, crowd + number, stage);
        pause_ms(LAST);
        used += rounds ? server_cpu(settings->pid) - before : 0; /* the first round warms up */
        done += rounds ? count : 0;
        for (int number = 0; number < count; number++)
            connection_close(crowd + number);
        pause_ms(settings->settle * 1e3);
    }
    printf("{\"cpu_us\": %.2f, \"handshakes\": %d, \"rss_kib\": %ld}\n", used / done, done,
           server_memory(settings->pid));
}
