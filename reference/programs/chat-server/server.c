/* A chat server with poll() for all clients.
 *
 *     ./server PORT
 *
 * Every line of a client goes to all other clients, never back to itself. A client that ends leaves the room; what it
 * has said after its last newline is no line and goes to nobody. SIGTERM or SIGINT ends the server with status 0.
 *
 * Each client has two buffers: what it has said of a line that is not complete, and what it has still to be sent.
 *
 * Traps avoided:
 *  - One recv() is not one line: it may give half of one or several. What is not complete waits, for each client
 *    apart, or the halves of two clients would be mixed. POSIX.1-2024 recv().
 *  - A client that does not read must not hold up the others: sockets are non-blocking, what cannot be sent yet waits
 *    in its buffer, and who leaves too much there is turned out. POSIX.1-2024 send(), EAGAIN.
 *  - A client that fails while others are served is only marked, and removed when the round is over: the table must
 *    not move under the loop.
 *  - All sockets are non-blocking, the listening one too: "ready" was true when poll() looked. accept(), EAGAIN.
 *  - POLLOUT is asked for only while there is something to send, or poll() would return at once, for ever.
 *  - A client that has gone must not kill us: MSG_NOSIGNAL. POSIX.1-2024 send(), ERRORS, EPIPE.
 *  - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, MOST_BYTES = 16 * 1024 * 1024 };

struct bytes {
    char *start;
    size_t length, capacity;
};

struct client {
    int sock;
    struct bytes said;   /* the beginning of a line */
    struct bytes unsent; /* lines of others */
    bool has_ended;      /* will say no more; leaves when all has been sent */
    bool has_failed;     /* leaves now */
};

static struct client **clients;
static struct pollfd *waits; /* waits[0] is the listening socket, waits[i + 1] is clients[i] */
static size_t client_count;
static bool is_full; /* no descriptor or memory for another client just now */

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static in_port_t parse_port(const char *text)
{
    char *end;
    errno = 0;
    long port = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || port < 1 || port > 65535) {
        fprintf(stderr, "%s: not a port (1 to 65535)\n", text);
        exit(EXIT_FAILURE);
    }
    return (in_port_t)port;
}

static int listen_on(in_port_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        fail("socket");
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0)
        fail("setsockopt");
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) < 0)
        fail("bind");
    if (listen(listener, SOMAXCONN) < 0)
        fail("listen");
    if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    return listener;
}

static void on_quit(int number)
{
    (void)number;
    _exit(EXIT_SUCCESS); /* nothing is left to tidy up: the system closes every descriptor */
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) < 0)
        fail("sigaction");
}

/* Whether a call on a non-blocking socket only has to be made again later. */
static bool is_for_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static bool reserve(struct bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->length >= more)
        return true;
    size_t capacity = 2 * bytes->capacity + more;
    char *start = realloc(bytes->start, capacity);
    if (start == NULL || bytes->length + more > MOST_BYTES)
        more = 0; /* refused; the block stays what it was or has become larger */
    if (start != NULL)
        *bytes = (struct bytes){.start = start, .length = bytes->length, .capacity = capacity};
    return more > 0;
}

static void drop(struct bytes *bytes, size_t count)
{
    bytes->length -= count;
    memmove(bytes->start, bytes->start + count, bytes->length);
}

static bool make_room(void)
{
    struct client **more_clients = realloc(clients, (client_count + 1) * sizeof(struct client *));
    if (more_clients != NULL)
        clients = more_clients;
    struct pollfd *more_waits = realloc(waits, (client_count + 2) * sizeof(struct pollfd));
    if (more_waits != NULL)
        waits = more_waits;
    return more_clients != NULL && more_waits != NULL;
}

static void add_client(int listener)
{
    int sock = accept(listener, NULL, NULL);
    if (sock < 0) {
        if (is_for_later(errno) || errno == ECONNABORTED)
            return;
        perror("accept");
        is_full = true;
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || !make_room() || fcntl(sock, F_SETFL, O_NONBLOCK) < 0) {
        perror("no room for a client");
        free(client);
        close(sock);
        return;
    }
    client->sock = sock;
    clients[client_count++] = client;
}

static void remove_client(size_t index)
{
    struct client *client = clients[index];
    close(client->sock);
    free(client->said.start);
    free(client->unsent.start);
    free(client);
    clients[index] = clients[--client_count];
}

static void tell_others(const struct client *speaker, const char *lines, size_t length)
{
    for (size_t i = 0; i < client_count; i++) {
        struct client *client = clients[i];
        if (client == speaker || client->has_failed)
            continue;
        if (!reserve(&client->unsent, length)) {
            fprintf(stderr, "a client does not read\n");
            client->has_failed = true;
            continue;
        }
        memcpy(client->unsent.start + client->unsent.length, lines, length);
        client->unsent.length += length;
    }
}

static void hear(struct client *client)
{
    if (!reserve(&client->said, CHUNK_BYTES)) {
        fprintf(stderr, "a line is too long\n");
        client->has_failed = true;
        return;
    }
    ssize_t received = recv(client->sock, client->said.start + client->said.length, CHUNK_BYTES, 0);
    if (received <= 0) {
        client->has_ended = received == 0;
        client->has_failed = received < 0 && !is_for_later(errno);
        return;
    }
    client->said.length += (size_t)received;
    const char *newline = memrchr(client->said.start, '\n', client->said.length);
    if (newline != NULL) {
        size_t length = (size_t)(newline - client->said.start) + 1;
        tell_others(client, client->said.start, length);
        drop(&client->said, length);
    }
}

static void send_some(struct client *client)
{
    ssize_t sent = send(client->sock, client->unsent.start, client->unsent.length, MSG_NOSIGNAL);
    if (sent >= 0)
        drop(&client->unsent, (size_t)sent);
    else
        client->has_failed = !is_for_later(errno);
}

static void wait_for_work(int listener)
{
    waits[0] = (struct pollfd){.fd = is_full ? -1 : listener, .events = POLLIN};
    for (size_t i = 0; i < client_count; i++) {
        short events = clients[i]->has_ended ? 0 : POLLIN;
        if (clients[i]->unsent.length > 0)
            events |= POLLOUT;
        waits[i + 1] = (struct pollfd){.fd = clients[i]->sock, .events = events};
    }
    /* Who could not be accepted stays in the queue and is tried again soon; until then it must not make us spin. */
    while (poll(waits, client_count + 1, is_full ? 100 : -1) < 0)
        if (errno != EINTR)
            fail("poll");
    is_full = false;
}

static void serve(int listener)
{
    wait_for_work(listener);
    for (size_t i = 0; i < client_count; i++) {
        /* A failure is an event too (POLLERR, POLLHUP), and recv() or send() will say which. */
        if (waits[i + 1].revents & ~POLLOUT && !clients[i]->has_ended && !clients[i]->has_failed)
            hear(clients[i]);
        if (waits[i + 1].revents != 0 && clients[i]->unsent.length > 0 && !clients[i]->has_failed)
            send_some(clients[i]);
    }
    for (size_t i = client_count; i-- > 0;)
        if (clients[i]->has_failed || (clients[i]->has_ended && clients[i]->unsent.length == 0))
            remove_client(i);
    if (waits[0].revents != 0)
        add_client(listener);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return EXIT_FAILURE;
    }
    handle(SIGTERM, on_quit);
    handle(SIGINT, on_quit);
    int listener = listen_on(parse_port(argv[1]));
    if (!make_room())
        fail("realloc");
    for (;;)
        serve(listener);
}
