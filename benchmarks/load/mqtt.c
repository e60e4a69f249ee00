/* MQTT 3.1.1 (OASIS standard): a topic is a room, QoS 0, no keep-alive. */
#include "protocol.h"

#include <stdio.h>
#include <string.h>

#include "common.h"

enum { CONNECT = 0x10, CONNACK = 0x20, PUBLISH = 0x30, SUBSCRIBE = 0x82, SUBACK = 0x90 };

static char *put_text(char *place, const char *text)
{
    size_t size = strlen(text);
    *place++ = size >> 8;
    *place++ = size & 255;
    memcpy(place, text, size);
    return place + size;
}

/* Put the fixed header of a packet of `size` bytes: seven bits of the size in each byte. */
static char *put_header(char *place, int type, size_t size)
{
    *place++ = type;
    do {
        *place++ = size % 128 | (size >= 128 ? 128 : 0);
        size /= 128;
    } while (size);
    return place;
}

static void await(struct connection *connection, int type, size_t size)
{
    unsigned char answer[16];
    size_t heard = 0;
    while (heard < size)
        heard += connection_hear(connection, answer + heard, size - heard);
    if (answer[0] != type || answer[size - 1] != 0)
        fail("connection %d: MQTT answers %02x with %02x", connection->number, answer[0],
             answer[size - 1]);
}

static void login(struct connection *connection)
{
    static const char OPTIONS[] = {4, 2, 0, 0}; /* level 3.1.1, clean session, no keep-alive */
    char packet[128], name[32], *place;
    snprintf(name, sizeof name, "c%d", connection->number);
    place = put_header(packet, CONNECT, 2 + strlen("MQTT") + sizeof OPTIONS + 2 + strlen(name));
    place = put_text(place, "MQTT");
    memcpy(place, OPTIONS, sizeof OPTIONS);
    place = put_text(place + sizeof OPTIONS, name);
    connection_say(connection, packet, place - packet);
    await(connection, CONNACK, 4);
}

static void join(struct connection *connection)
{
    char packet[128], topic[32], *place;
    snprintf(topic, sizeof topic, "r%d", connection->room);
    place = put_header(packet, SUBSCRIBE, 2 + 2 + strlen(topic) + 1);
    *place++ = 0; /* packet 1 */
    *place++ = 1;
    place = put_text(place, topic);
    *place++ = 0; /* QoS */
    connection_say(connection, packet, place - packet);
    await(connection, SUBACK, 5);
}

static size_t message(struct connection *connection, char *buffer, const char *payload, size_t size)
{
    char topic[32], *place;
    snprintf(topic, sizeof topic, "r%d", connection->room);
    place = put_header(buffer, PUBLISH, 2 + strlen(topic) + size);
    place = put_text(place, topic);
    memcpy(place, payload, size);
    return place + size - buffer;
}

const struct protocol mqtt = {
    .name = "mqtt", .echoes = true, .login = login, .join = join, .message = message,
};
