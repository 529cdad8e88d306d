/* A UDP client that sends lines and prints the replies.
 *
 *     ./client HOST PORT
 *
 * Reads lines from stdin. Each goes out as one datagram, newline included, and one datagram of reply is awaited and
 * printed (with a newline, if it has none) before the next line is read. At the end of stdin it exits with status 0.
 * When nobody listens, or no reply comes in time, it says so and exits with status 1.
 *
 * Traps avoided:
 *  - A datagram from a stranger is no reply: connect() makes the system drop it. POSIX.1-2024 connect().
 *  - Only a connected socket is told that nobody listens: ECONNREFUSED comes with the call after the one that sent.
 *    RFC 1122 section 4.1.3.3, udp(7).
 *  - A datagram may be lost, so no wait may be endless. We do not send again: the server may have acted on the
 *    first, and only the lost thing have been its reply. RFC 8085 section 3.1.
 *  - A name may have several addresses, of both families. UDP connects to each of them, so whether there is a server
 *    shows at the first reply only.
 *  - A line may hold NUL: lengths are counted, nothing is a string, and no terminator is sent.
 *  - An empty reply is a reply: recv() that gives 0 is no end-of-file here. RFC 768, Length.
 *  - What is printed is flushed: stdout into a pipe or file waits for a full buffer otherwise. ISO C11 7.21.3.
 */
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LONGEST_BYTES = 65535, PATIENCE_S = 5 };

struct server {
    const struct addrinfo *address; /* the one that we talk to, or try to; the others follow */
    int sock;                       /* -1: it could not be connected */
    bool has_answered;
};

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static struct addrinfo *look_up(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *addresses;
    int error = getaddrinfo(host, port, &hints, &addresses);
    if (error != 0) {
        fprintf(stderr, "%s %s: %s\n", host, port, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    return addresses;
}

static int connect_to(const struct addrinfo *address)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int sock = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    if (sock < 0)
        return -1;
    if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        fail("setsockopt");
    if (connect(sock, address->ai_addr, address->ai_addrlen) < 0) {
        int reason = errno;
        close(sock);
        errno = reason;
        return -1;
    }
    return sock;
}

/* Sends a line and waits for the reply; gives its length, or -1 with errno. */
static ssize_t exchange(int sock, const char *line, size_t length, char *reply)
{
    ssize_t result;
    do
        result = send(sock, line, length, 0);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return -1;
    do
        result = recv(sock, reply, LONGEST_BYTES, 0);
    while (result < 0 && errno == EINTR);
    return result;
}

static void print_reply(const char *reply, size_t length)
{
    fwrite(reply, 1, length, stdout);
    if (length == 0 || reply[length - 1] != '\n')
        putchar('\n');
    if (ferror(stdout) || fflush(stdout) != 0)
        fail("stdout");
}

/* Asks the server, at the next address if nobody listens at this one. Gives the length of the reply, or -1. */
static ssize_t ask(struct server *server, const char *line, size_t length, char *reply)
{
    for (;;) {
        ssize_t result = server->sock < 0 ? -1 : exchange(server->sock, line, length, reply);
        if (result >= 0)
            server->has_answered = true;
        if (result >= 0 || server->has_answered || server->address->ai_next == NULL)
            return result;
        if (server->sock >= 0 && errno != ECONNREFUSED)
            return result;
        if (server->sock >= 0)
            close(server->sock);
        server->address = server->address->ai_next;
        server->sock = connect_to(server->address);
    }
}

int main(int argc, char **argv)
{
    static char reply[LONGEST_BYTES];
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    if (argc != 3) {
        fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
        return EXIT_FAILURE;
    }
    struct addrinfo *addresses = look_up(argv[1], argv[2]);
    struct server server = {.address = addresses, .sock = connect_to(addresses)};
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        ssize_t reply_length = ask(&server, line, (size_t)length, reply);
        if (reply_length < 0) {
            const char *reason = errno == EAGAIN || errno == EWOULDBLOCK ? "no reply" : strerror(errno);
            fprintf(stderr, "%s %s: %s\n", argv[1], argv[2], reason);
            return EXIT_FAILURE;
        }
        print_reply(reply, (size_t)reply_length);
    }
    if (ferror(stdin))
        fail("stdin");
    free(line);
    freeaddrinfo(addresses);
    if (server.sock >= 0)
        close(server.sock);
    return EXIT_SUCCESS;
}
