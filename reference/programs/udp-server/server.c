/* A UDP echo server.
 *
 *     ./server PORT
 *
 * Every datagram goes back to its sender, byte for byte. SIGTERM or SIGINT ends the server with status 0.
 *
 * Traps avoided:
 *  - The length of the address is an argument in both directions: set before each recvfrom(), or the first reply has
 *    no address. POSIX.1-2024 recvfrom(), address_len.
 *  - recvfrom() that gives 0 has received an empty datagram: there is no end-of-file here. RFC 768, Length.
 *  - What does not fit into the buffer is lost, so the buffer holds the longest datagram. POSIX.1-2024 recvfrom().
 *  - A datagram is bytes with a length, not a string: it may hold NUL.
 *  - A reply that cannot be sent concerns one sender; the server goes on for the others.
 *  - No SO_REUSEADDR: UDP has no TIME-WAIT, and on Linux it would let a second server take the port. socket(7).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

static int bind_to(in_port_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0)
        fail("socket");
    if (bind(sock, (struct sockaddr *)&addr, sizeof addr) < 0)
        fail("bind");
    return sock;
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

static void reply(int sock, const char *bytes, size_t length, const struct sockaddr_in *sender, socklen_t sender_length)
{
    while (sendto(sock, bytes, length, 0, (const struct sockaddr *)sender, sender_length) < 0) {
        if (errno != EINTR) {
            perror("sendto");
            return;
        }
    }
}

static void serve(int sock)
{
    static char bytes[65536];
    for (;;) {
        struct sockaddr_in sender;
        socklen_t sender_length = sizeof sender;
        ssize_t received = recvfrom(sock, bytes, sizeof bytes, 0, (struct sockaddr *)&sender, &sender_length);
        if (received >= 0)
            reply(sock, bytes, (size_t)received, &sender, sender_length);
        else if (errno != EINTR)
            perror("recvfrom"); /* such as an error that an earlier reply has caused: it is reported once */
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return EXIT_FAILURE;
    }
    handle(SIGTERM, on_quit);
    handle(SIGINT, on_quit);
    serve(bind_to(parse_port(argv[1])));
}
