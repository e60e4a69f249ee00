#include "stamp.h"

#include <stdio.h>
#include <string.h>

void stamp_payload(char *payload, size_t size, uint64_t time)
{
    static const char digits[] = "0123456789abcdef";
    memcpy(payload, MARK, MARK_SIZE);
    for (int place = STAMP_SIZE - 1; place >= MARK_SIZE; place--, time >>= 4)
        payload[place] = digits[time & 15];
    memset(payload + STAMP_SIZE, 'A', size - STAMP_SIZE);
    payload[size] = 0;
}

static uint64_t time_of(const char *digits)
{
    uint64_t time = 0;
    for (int place = 0; place < 16; place++)
        time = time << 4 | (digits[place] <= '9' ? digits[place] - '0' : digits[place] - 'a' + 10);
    return time;
}

size_t scanner_begin(const struct scanner *scanner, char *buffer)
{
    memcpy(buffer, scanner->tail, scanner->size);
    return scanner->size;
}

void scanner_end(struct scanner *scanner, const char *buffer, size_t size,
                 void (*found)(uint64_t time))
{
    const char *place = buffer, *end = buffer + size, *mark;
    while ((mark = memmem(place, end - place, MARK, MARK_SIZE)) && end - mark >= STAMP_SIZE) {
        found(time_of(mark + MARK_SIZE));
        place = mark + STAMP_SIZE;
    }
    /* One byte less than a stamp: so none is lost, and none is found twice. */
    scanner->size = end - place < STAMP_SIZE ? (size_t)(end - place) : STAMP_SIZE - 1;
    memcpy(scanner->tail, end - scanner->size, scanner->size);
}
