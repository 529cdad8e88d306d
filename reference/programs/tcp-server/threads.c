/* A TCP echo server with one thread for each client.
 *
 *     ./server PORT
 *
 * Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server with
 * status 0.
 *
 * Traps avoided:
 *  - One recv() is not one message, and one send() need not take all: serve(). POSIX.1-2024 send(), recv().
 *  - A client that has gone must not kill us: MSG_NOSIGNAL. POSIX.1-2024 send(), ERRORS, EPIPE.
 *  - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 *  - The descriptor is given to the thread by value: the address of a variable of the loop would be read after the
 *    loop has gone on to the next client.
 *  - Threads that nobody joins keep their stacks: they are created detached. POSIX.1-2024 pthread_detach().
 *  - exit() in a thread ends the whole process: a failure of one client ends its thread only.
 *  - A signal handler may call few functions; _exit() is one of them. POSIX.1-2024 section 2.4.3.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
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

/* Echoes until end-of-file or failure, in a thread of its own. */
static void *serve(void *argument)
{
    int client = (int)(intptr_t)argument;
    char bytes[65536];
    for (;;) {
        ssize_t received = recv(client, bytes, sizeof bytes, 0);
        if (received == 0)
            break;
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0) {
            perror("recv");
            break;
        }
        if (send_all(client, bytes, (size_t)received) < 0) {
            perror("send");
            break;
        }
    }
    close(client);
    return NULL;
}

static void start_thread(int client)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, serve, (void *)(intptr_t)client);
    if (error != 0) {
        /* This client is turned away, the others stay. Threads report by their result, not by errno. */
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
        close(client);
        return;
    }
    pthread_detach(thread);
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
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client >= 0) {
            start_thread(client);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            /* Out of descriptors or memory: the client stays in the queue, so without a pause we would spin. */
            perror("accept");
            poll(NULL, 0, 100);
        }
    }
}
