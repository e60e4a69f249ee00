#include "cast.h"

#include <stdio.h>

#include "common.h"

static void from_hex(unsigned char *bytes, const char *digits)
{
    for (int place = 0; place < 32; place++)
        if (sscanf(digits + 2 * place, "%2hhx", bytes + place) != 1)
            fail("a member has no %s", digits);
}

/* A member is a line: seed and fingerprint in hexadecimal, bundle, room, epoch, head, row, seq. */
struct member *cast_read(const char *path, int count)
{
    struct member *members = allocate(count, sizeof *members);
    FILE *file = fopen(path, "r");
    if (!file)
        fail("%s cannot be read", path);
    for (struct member *each = members; each < members + count; each++) {
        char seed[65], fingerprint[65];
        if (fscanf(file, "%64s %64s %2047s %47s %lu %47s %lu %lu", seed, fingerprint, each->bundle,
                   each->room, &each->epoch, each->head, &each->row, &each->seq) != 8)
            fail("%s has less than %d members", path, count);
        from_hex(each->seed, seed);
        from_hex(each->fingerprint, fingerprint);
    }
    fclose(file);
    return members;
}
