/* One member that has seen nothing, and resumes: securechat alone. */
#include "runs.h"

#include <stdio.h>
#include <string.h>

#include "cast.h"
#include "common.h"
#include "crowd.h"
#include "protocol.h"
#include "server.h"

/* Resume from the number 0, and count the lines `frame` until it is `resumed`. */
static int come_back(struct connection *connection)
{
    static char buffer[1 << 17];
    static const char FRAME[] = "frame ", RESUMED[] = "resumed ";
    const struct member *member = connection->member;
    size_t kept = 0;
    int frames = 0;
    kept = snprintf(buffer, sizeof buffer, "resume %s %lu %s 0\r\n", member->room, member->epoch,
                    member->head);
    connection_say(connection, buffer, kept);
    for (kept = 0;;) {
        char *line = buffer, *end;
        kept += connection_hear(connection, buffer + kept, sizeof buffer - kept);
        while ((end = memmem(line, buffer + kept - line, "\r\n", 2))) {
            if (!strncmp(line, RESUMED, strlen(RESUMED)))
                return frames;
            frames += !strncmp(line, FRAME, strlen(FRAME));
            line = end + 2;
        }
        kept -= line - buffer;
        memmove(buffer, line, kept);
    }
}

void run_resume(const struct settings *settings)
{
    struct connection *crowd = crowd_gather(settings);
    int times = 0, frames = 0;
    crowd_bring(settings, crowd, PROVED);
    come_back(crowd); /* what a server reads once */
    uint64_t begin = now();
    double before = server_cpu(settings->pid);
    do {
        frames = come_back(crowd);
        times++;
    } while (now() - begin < settings->seconds * 1e9);
    printf("{\"cpu_ms\": %.3f, \"wall_ms\": %.3f, \"frames\": %d, \"times\": %d, "
           "\"rss_kib\": %ld}\n",
           (server_cpu(settings->pid) - before) / 1e3 / times, (now() - begin) / 1e6 / times,
           frames, times, server_memory(settings->pid));
}
