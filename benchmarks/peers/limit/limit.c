/* The least that a relay needs, in C: `limit PORT CERTIFICATE KEY`.
 *
 * One thread, one epoll descriptor, TLS 1.3 by OpenSSL. What a room's members say in one turn of
 * the loop is joined, and given to each member by one SSL_write. There is no proof, no limit, no
 * history, and no mercy with who does not read. It speaks the lines of benchmarks/load/raw.c. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { ROOMS = 1000, EVENTS = 512, READ = 1 << 14 };

struct bytes {
    char *data;
    size_t size, capacity;
};

struct connection {
    int fd, number;
    SSL *ssl;
    struct bytes in, out; /* a line that has begun; what the socket did not take */
    bool watched_for_writing;
};

struct room {
    struct connection **members;
    int count, capacity;
    unsigned long seq;
    struct bytes said; /* in this turn */
};

static struct room rooms[ROOMS];
static int used; /* the first so many of them */
static int poll;

static void give_up(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void *resized(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (!memory)
        give_up("memory");
    return memory;
}

/* Make room for `size` bytes more, and return where they begin. */
static char *reserve(struct bytes *bytes, size_t size)
{
    if (bytes->size + size > bytes->capacity) {
        bytes->capacity = 2 * (bytes->size + size);
        bytes->data = resized(bytes->data, bytes->capacity);
    }
    return bytes->data + bytes->size;
}

static void drop(struct bytes *bytes, size_t size)
{
    bytes->size -= size;
    if (bytes->size)
        memmove(bytes->data, bytes->data + size, bytes->size);
    else { /* an idle connection has none */
        free(bytes->data);
        *bytes = (struct bytes){0};
    }
}

static void watch(struct connection *connection, int how, bool for_writing)
{
    struct epoll_event event = {.events = EPOLLIN | (for_writing ? EPOLLOUT : 0)};
    event.data.ptr = connection;
    connection->watched_for_writing = for_writing;
    epoll_ctl(poll, how, connection->fd, &event);
}

/* Whether a result of OpenSSL's only says that one has to wait. */
static bool has_to_wait(struct connection *connection, int result)
{
    int error = SSL_get_error(connection->ssl, result);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Write what is there now and what the socket takes; the rest when it takes more. */
static void write_out(struct connection *connection, const char *data, size_t size)
{
    while (size && !connection->out.size) { /* a record at a time */
        int written = SSL_write(connection->ssl, data, size);
        if (written <= 0) {
            if (!has_to_wait(connection, written))
                return; /* it is read as closed soon */
            break;
        }
        data += written;
        size -= written;
    }
    if (size) {
        memcpy(reserve(&connection->out, size), data, size);
        connection->out.size += size;
        if (!connection->watched_for_writing)
            watch(connection, EPOLL_CTL_MOD, true);
    }
}

static void flush(struct connection *connection)
{
    struct bytes *out = &connection->out;
    while (out->size) {
        int written = SSL_write(connection->ssl, out->data, out->size);
        if (written <= 0) {
            has_to_wait(connection, written);
            return;
        }
        drop(out, written);
    }
    watch(connection, EPOLL_CTL_MOD, false);
}

static void join(struct connection *connection, int number)
{
    struct room *room = rooms + number;
    char answer[32];
    if (room->count == room->capacity) {
        room->capacity = 2 * room->capacity + 16;
        room->members = resized(room->members, room->capacity * sizeof *room->members);
    }
    room->members[room->count++] = connection;
    if (used <= number)
        used = number + 1;
    write_out(connection, answer, snprintf(answer, sizeof answer, "joined %d\r\n", number));
}

static void broadcast(struct connection *connection, int number, const char *payload, int size)
{
    struct room *room = rooms + number;
    size_t most = size + 64;
    room->said.size += snprintf(reserve(&room->said, most), most, "message %d %lu u%d %.*s\r\n",
                                number, ++room->seq, connection->number, size, payload);
}

static void take_line(struct connection *connection, char *line, size_t size)
{
    int number = 0, payload = 0;
    line[size] = 0; /* where CR was */
    if (sscanf(line, "join %d", &number) == 1 && number >= 0 && number < ROOMS)
        join(connection, number);
    else if (sscanf(line, "broadcast %d %n", &number, &payload) == 1 && payload && number >= 0 &&
             number < ROOMS)
        broadcast(connection, number, line + payload, size - payload);
}

static void forget(struct connection *connection)
{
    for (struct room *room = rooms; room < rooms + used; room++)
        for (int place = 0; place < room->count; place++)
            if (room->members[place] == connection)
                room->members[place--] = room->members[--room->count];
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection->in.data);
    free(connection->out.data);
    free(connection);
}

/* Read all there is; returns whether the connection lives. */
static bool read_in(struct connection *connection)
{
    struct bytes *in = &connection->in;
    for (;;) {
        char *end, *line;
        int size = SSL_read(connection->ssl, reserve(in, READ), READ);
        if (size <= 0) {
            if (!in->size)
                drop(in, 0);
            return has_to_wait(connection, size);
        }
        in->size += size;
        for (line = in->data; (end = memmem(line, in->data + in->size - line, "\r\n", 2));
             line = end + 2)
            take_line(connection, line, end - line);
        drop(in, line - in->data);
    }
}

static void welcome(int listening, SSL_CTX *context)
{
    static int number;
    int yes = 1, fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection *connection = resized(NULL, sizeof *connection);
    *connection = (struct connection){.fd = fd, .number = ++number, .ssl = SSL_new(context)};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    SSL_set_fd(connection->ssl, fd);
    SSL_set_accept_state(connection->ssl);
    watch(connection, EPOLL_CTL_ADD, false);
}

static void pass_on(void)
{
    for (struct room *room = rooms; room < rooms + used; room++)
        if (room->said.size) {
            for (int place = 0; place < room->count; place++)
                write_out(room->members[place], room->said.data, room->said.size);
            room->said.size = 0;
        }
}

static SSL_CTX *secured(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        give_up("certificate");
    return context;
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = EPOLLIN}; /* its data are no connection */
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 1024))
        give_up("port");
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &event);
    return listening;
}

int main(int count, char **words)
{
    struct epoll_event events[EVENTS];
    if (count != 4)
        return fputs("limit PORT CERTIFICATE KEY\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = secured(words[2], words[3]);
    poll = epoll_create1(EPOLL_CLOEXEC);
    int listening = listen_on(atoi(words[1]));
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int place = 0; place < ready; place++) {
            struct connection *connection = events[place].data.ptr;
            if (!connection) {
                welcome(listening, context);
                continue;
            }
            if (events[place].events & EPOLLOUT)
                flush(connection);
            if (events[place].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !read_in(connection))
                forget(connection);
        }
        pass_on();
    }
}
