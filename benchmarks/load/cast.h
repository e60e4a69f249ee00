/* The members of the rooms that the relay has, as `benchmarks.compare.cast` wrote them. */
#ifndef CAST_H
#define CAST_H

#include <stdint.h>

struct member {
    unsigned char seed[32];        /* of its Ed25519 key */
    unsigned char fingerprint[32];
    char bundle[2048];             /* from here on as lines have it */
    char room[48];
    char head[48];
    unsigned long epoch, row, seq; /* the newest epoch, its row there, the newest number */
};

/* Read `count` members of the file; fail where it has less. */
struct member *cast_read(const char *path, int count);

#endif
