/* What can be measured. Each prints one JSON object. */
#ifndef RUNS_H
#define RUNS_H

#include "settings.h"

/* Messages to rooms: as many under way as the window has, or so many a second. */
void run_traffic(const struct settings *settings);

/* Connections that say nothing: the server's memory for each. */
void run_idle(const struct settings *settings);

/* Connections that begin and end: the server's CPU for each. */
void run_handshakes(const struct settings *settings);

/* A member that comes back to a room again and again, and gets all that was ever said there. */
void run_resume(const struct settings *settings);

#endif
