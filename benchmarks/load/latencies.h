/* How long messages took. */
#ifndef LATENCIES_H
#define LATENCIES_H

#include <stdint.h>

/* Take one more, in nanoseconds. */
void latencies_add(uint64_t nanoseconds);

/* Return the milliseconds in which the part `share` (0 to 1) of the messages had come. */
double latencies_at(double share);

#endif
