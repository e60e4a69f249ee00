/* What every file here uses: the clock, and how a program that measures gives up. */
#ifndef COMMON_H
#define COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* Nanoseconds of the monotonic clock. */
uint64_t now(void);

/* Let others work for some milliseconds. */
void pause_ms(unsigned milliseconds);

/* Say on stderr what failed, with errno and OpenSSL's errors, and exit with status 1: a figure
 * of a run in which something went wrong is worth nothing. */
noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* calloc, or `fail`. */
void *allocate(size_t count, size_t size);

#endif
