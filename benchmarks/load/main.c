/* A load generator for servers that pass messages on to rooms:
 * `load RUN --protocol NAME --port PORT --pid PID …`.
 *
 * One thread, one epoll descriptor, TLS 1.3 by OpenSSL: it has to cost less than the servers that
 * it measures. It measures the server's CPU and memory itself, by the server's process id, so that
 * both ends of a reading are at the same moment as those of the messages.
 *
 *     main        what the command line asks for
 *     traffic     messages, latencies      } the runs
 *     sitting     idle ones, handshakes    }
 *     resume      coming back              }
 *     crowd       all connections, and the event loop
 *     connection  one of them
 *     securechat, mqtt, irc, nats, raw     what is said on it
 *     cast, proof  securechat's members, and how one proves to be one
 *     stamp       the time in a message;  latencies: what becomes of it
 *     server      what the server has used
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "protocol.h"
#include "runs.h"
#include "settings.h"

static const struct option OPTIONS[] = {
    {"protocol", required_argument, NULL, 'p'}, {"port", required_argument, NULL, 'P'},
    {"pid", required_argument, NULL, 'i'},      {"cast", required_argument, NULL, 'c'},
    {"connections", required_argument, NULL, 'n'}, {"rooms", required_argument, NULL, 'r'},
    {"senders", required_argument, NULL, 's'},  {"payload", required_argument, NULL, 'l'},
    {"window", required_argument, NULL, 'w'},   {"rate", required_argument, NULL, 'R'},
    {"warm-up", required_argument, NULL, 'u'},  {"seconds", required_argument, NULL, 't'},
    {"settle", required_argument, NULL, 'S'},   {"login", no_argument, NULL, 'L'},
    {NULL, 0, NULL, 0},
};

static struct settings parse(int count, char **words)
{
    struct settings settings = {
        .connections = 1, .rooms = 1, .senders = 1, .payload = 370, .window = 1,
        .settle = 0.5, .warm_up = 0.5, .seconds = 1.5,
    };
    int option;
    while ((option = getopt_long(count, words, "", OPTIONS, NULL)) != -1)
        switch (option) {
        case 'p': settings.protocol = protocol_named(optarg); break;
        case 'P': settings.port = atoi(optarg); break;
        case 'i': settings.pid = atoi(optarg); break;
        case 'c': settings.cast = optarg; break;
        case 'n': settings.connections = atoi(optarg); break;
        case 'r': settings.rooms = atoi(optarg); break;
        case 's': settings.senders = atoi(optarg); break;
        case 'l': settings.payload = atoi(optarg); break;
        case 'w': settings.window = atoi(optarg); break;
        case 'R': settings.rate = atof(optarg); break;
        case 'u': settings.warm_up = atof(optarg); break;
        case 'S': settings.settle = atof(optarg); break;
        case 't': settings.seconds = atof(optarg); break;
        case 'L': settings.login = true; break;
        default: exit(2);
        }
    if (!settings.protocol || !settings.port || !settings.pid)
        fail("--protocol, --port and --pid are needed");
    if (settings.payload < STAMP_SIZE || settings.payload % 4 == 1)
        fail("no payload has %d characters", settings.payload);
    if (settings.senders > settings.connections || settings.connections % settings.rooms)
        fail("the rooms do not have the same size, or not that many senders");
    return settings;
}

int main(int count, char **words)
{
    static const struct { const char *name; void (*run)(const struct settings *); } RUNS[] = {
        {"traffic", run_traffic}, {"idle", run_idle},
        {"handshakes", run_handshakes}, {"resume", run_resume},
    };
    struct settings settings = parse(count, words);
    signal(SIGPIPE, SIG_IGN);
    for (size_t place = 0; place < sizeof RUNS / sizeof *RUNS; place++)
        if (optind < count && !strcmp(words[optind], RUNS[place].name)) {
            RUNS[place].run(&settings);
            return 0;
        }
    fail("load traffic|idle|handshakes|resume --protocol …");
}
