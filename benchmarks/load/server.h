/* What the server's process has used, as Linux tells it. */
#ifndef SERVER_H
#define SERVER_H

#include <sys/types.h>

/* Microseconds of CPU of all its threads, user and system, exact to the nanosecond. */
double server_cpu(pid_t pid);

/* KiB of memory that are resident. */
long server_memory(pid_t pid);

#endif
