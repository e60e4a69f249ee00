#include "latencies.h"

#include <stddef.h>

/* A histogram, so that a run of minutes needs no more memory than one of seconds: 64 buckets
 * for each doubling, which is exact to 1.6 %. */
enum { FINE = 64, DOUBLINGS = 59 };

static uint64_t counts[DOUBLINGS * FINE], total;

static size_t bucket_of(uint64_t value)
{
    int bits = 64 - __builtin_clzll(value | 1), shift = bits > 7 ? bits - 7 : 0;
    return shift * FINE + (value >> shift);
}

static double value_of(size_t bucket)
{
    int shift = bucket < 2 * FINE ? 0 : bucket / FINE - 1;
    return (bucket - shift * FINE + 0.5) * (1ull << shift);
}

void latencies_add(uint64_t nanoseconds)
{
    counts[bucket_of(nanoseconds)]++;
    total++;
}

double latencies_at(double share)
{
    uint64_t before = 0;
    for (size_t bucket = 0; bucket < sizeof counts / sizeof *counts; bucket++) {
        before += counts[bucket];
        if (before && before >= share * total)
            return value_of(bucket) / 1e6;
    }
    return 0;
}
