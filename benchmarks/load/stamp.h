/* The time at which a message was sent, inside the message.
 *
 * A payload begins with a mark and 16 hexadecimal digits, nanoseconds of the monotonic clock,
 * and goes on with the letter A. All of it is in the alphabet of base64url, and the last letter
 * leaves no bits over, so that for securechat's relay it is a ciphertext like any other. Whoever
 * receives a stream looks for the mark, and needs to know nothing else of the protocol. */
#ifndef STAMP_H
#define STAMP_H

#include <stddef.h>
#include <stdint.h>

#define MARK "_stamp__" /* by chance in a room's random name once in 10^13 */
enum { MARK_SIZE = sizeof MARK - 1, STAMP_SIZE = MARK_SIZE + 16 };

/* Write a payload of `size` characters, at least STAMP_SIZE, and a zero byte at its end. */
void stamp_payload(char *payload, size_t size, uint64_t time);

/* The end of what a connection has received, where a stamp may have begun. */
struct scanner {
    char tail[STAMP_SIZE - 1];
    size_t size;
};

/* Put the tail at the beginning of `buffer`; returns its size. New bytes go behind it. */
size_t scanner_begin(const struct scanner *scanner, char *buffer);

/* Call `found` with the time of each stamp in the `size` bytes of `buffer`, and keep the tail. */
void scanner_end(struct scanner *scanner, const char *buffer, size_t size,
                 void (*found)(uint64_t time));

#endif
