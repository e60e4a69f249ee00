#include "protocol.h"

#include <string.h>

#include "common.h"

const struct protocol *protocol_named(const char *name)
{
    static const struct protocol *all[] = {&securechat, &mqtt, &irc, &nats, &raw};
    for (size_t place = 0; place < sizeof all / sizeof *all; place++)
        if (!strcmp(all[place]->name, name))
            return all[place];
    fail("no protocol %s", name);
}
