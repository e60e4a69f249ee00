#include "server.h"

#include <dirent.h>
#include <stdio.h>

#include "common.h"

double server_cpu(pid_t pid)
{
    char path[320];
    double sum = 0;
    struct dirent *thread;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (!threads)
        fail("the server, process %d, is gone", pid);
    while ((thread = readdir(threads))) {
        unsigned long long nanoseconds;
        if (thread->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue; /* a thread that has just ended */
        if (fscanf(file, "%llu", &nanoseconds) == 1)
            sum += nanoseconds / 1000.0;
        fclose(file);
    }
    closedir(threads);
    return sum;
}

long server_memory(pid_t pid)
{
    char path[64], line[256];
    long memory = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        fail("the server, process %d, is gone", pid);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &memory) == 1)
            break;
    fclose(file);
    return memory;
}
