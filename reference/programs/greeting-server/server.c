/* A TCP server that greets one client and exits.
 *
 *     ./server PORT
 *
 * Accepts one client, sends it "hello, world" and a newline, closes the connection and exits with status 0. SIGTERM or
 * SIGINT ends it before that, with status 0 too.
 *
 * Traps avoided:
 *  - close() with unread bytes in the socket resets the connection, and the reset may overtake the greeting. So we end
 *    our side only, with shutdown(), and read until the client ends its own. RFC 1122 section 4.2.2.13, RFC 2525
 *    section 2.17.
 *  - A client that stays must not keep us for ever: we read for a second at most.
 *  - A greeting is 13 bytes: sizeof counts the terminator too, strlen() does not.
 *  - A client that has gone must not kill us: MSG_NOSIGNAL. POSIX.1-2024 send(), ERRORS, EPIPE.
 *  - A connection that is aborted while it is queued is not the client to greet. POSIX.1-2024 accept(), ECONNABORTED.
 *  - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000 };

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

static int accept_one(int listener)
{
    int client;
    do
        client = accept(listener, NULL, NULL);
    while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (client < 0)
        fail("accept");
    return client;
}

static int send_all(int sock, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(sock, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads and forgets what the client sends, until it ends or our patience does. */
static void drain(int client)
{
    char bytes[4096];
    long end_ms = now_ms() + PATIENCE_MS, left_ms;
    struct pollfd wait = {.fd = client, .events = POLLIN};
    while ((left_ms = end_ms - now_ms()) > 0) {
        int ready = poll(&wait, 1, (int)left_ms);
        if (ready > 0 && recv(client, bytes, sizeof bytes, 0) <= 0)
            return;
    }
}

int main(int argc, char **argv)
{
    static const char greeting[] = "hello, world\n";
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return EXIT_FAILURE;
    }
    handle(SIGTERM, on_quit);
    handle(SIGINT, on_quit);
    int listener = listen_on(parse_port(argv[1]));
    int client = accept_one(listener);
    close(listener); /* whoever comes now is refused, and need not wait for a greeting that never comes */
    if (send_all(client, greeting, strlen(greeting)) < 0) {
        perror("send"); /* the client has gone; we have done our part */
    } else {
        shutdown(client, SHUT_WR);
        drain(client);
    }
    close(client);
    return EXIT_SUCCESS;
}
