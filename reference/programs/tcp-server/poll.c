/* A TCP echo server with one process, one thread, and poll() for all clients.
 *
 *     ./server PORT
 *
 * Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server with
 * status 0.
 *
 * Each client has one buffer. While it is empty we wait until the client can be read, while it is not we wait until
 * the client can be written: so nobody can fill our memory, and end-of-file is seen only when all has been sent back.
 *
 * Traps avoided:
 *  - All sockets are non-blocking, the listening one too: "ready" was true when poll() looked, and need not be when
 *    the call comes. POSIX.1-2024 accept(), EAGAIN.
 *  - send() takes what has room and says how much that was: the rest waits for POLLOUT. POSIX.1-2024 send().
 *  - POLLOUT is asked for only while there is something to send: a socket can be written nearly always, and poll()
 *    would return at once, for ever.
 *  - A client that has ended or failed leaves the table at once: its end-of-file stays readable for ever.
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

struct client {
    int sock;
    size_t start, end; /* bytes[start] to bytes[end - 1] are still to be sent back */
    char bytes[65536];
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
    struct client *client = malloc(sizeof *client);
    if (client == NULL || !make_room() || fcntl(sock, F_SETFL, O_NONBLOCK) < 0) {
        perror("no room for a client");
        free(client);
        close(sock);
        return;
    }
    client->sock = sock;
    client->start = client->end = 0;
    clients[client_count++] = client;
}

static void remove_client(size_t index)
{
    close(clients[index]->sock);
    free(clients[index]);
    clients[index] = clients[--client_count];
}

/* Does what can be done without waiting; gives false when the client has left. */
static bool serve(struct client *client)
{
    if (client->start == client->end) {
        ssize_t received = recv(client->sock, client->bytes, sizeof client->bytes, 0);
        if (received < 0)
            return is_for_later(errno);
        if (received == 0)
            return false;
        client->start = 0;
        client->end = (size_t)received;
    }
    ssize_t sent = send(client->sock, client->bytes + client->start, client->end - client->start, MSG_NOSIGNAL);
    if (sent < 0)
        return is_for_later(errno);
    client->start += (size_t)sent;
    return true;
}

static void wait_for_work(int listener)
{
    waits[0] = (struct pollfd){.fd = is_full ? -1 : listener, .events = POLLIN};
    for (size_t i = 0; i < client_count; i++) {
        bool has_bytes = clients[i]->start < clients[i]->end;
        waits[i + 1] = (struct pollfd){.fd = clients[i]->sock, .events = has_bytes ? POLLOUT : POLLIN};
    }
    /* Who could not be accepted stays in the queue and is tried again soon; until then it must not make us spin. */
    while (poll(waits, client_count + 1, is_full ? 100 : -1) < 0)
        if (errno != EINTR)
            fail("poll");
    is_full = false;
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
    for (;;) {
        wait_for_work(listener);
        /* From the last to the first, because remove_client() moves the last into the gap. A failure is an event
         * too (POLLERR, POLLHUP), and recv() or send() will say which. */
        for (size_t i = client_count; i-- > 0;)
            if (waits[i + 1].revents != 0 && !serve(clients[i]))
                remove_client(i);
        if (waits[0].revents != 0)
            add_client(listener);
    }
}
