/* A TCP echo server with one process for each client.
 *
 *     ./server PORT
 *
 * Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server and
 * its children, with status 0.
 *
 * Traps avoided:
 *  - One recv() is not one message, and one send() need not take all: serve(). POSIX.1-2024 send(), recv().
 *  - A client that has gone must not kill us: MSG_NOSIGNAL. POSIX.1-2024 send(), ERRORS, EPIPE.
 *  - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 *  - Both processes have every descriptor after fork(); a connection ends only when the last copy is closed.
 *  - Children that nobody waits for stay as zombies; signals do not queue up, so one SIGCHLD may mean several
 *    children. POSIX.1-2024 waitpid().
 *  - A signal between a check and the wait that follows must not be missed: signals are blocked except inside
 *    ppoll(). POSIX.1-2024 ppoll().
 *  - A connection may be gone between ppoll() and accept(): the listening socket does not block. accept(), EAGAIN.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t quitting;

static pid_t *children;
static size_t child_count;

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
    quitting = 1;
}

static void on_child(int number)
{
    (void)number; /* only here so that the signal ends ppoll(); a signal that is ignored ends nothing */
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

/* Echoes until end-of-file; gives the status with which the child exits. */
static int serve(int client)
{
    char bytes[65536];
    for (;;) {
        ssize_t received = recv(client, bytes, sizeof bytes, 0);
        if (received == 0)
            return EXIT_SUCCESS;
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0) {
            perror("recv");
            return EXIT_FAILURE;
        }
        if (send_all(client, bytes, (size_t)received) < 0) {
            perror("send");
            return EXIT_FAILURE;
        }
    }
}

static void start_child(int listener, int client, const sigset_t *unblocked)
{
    pid_t *more = realloc(children, (child_count + 1) * sizeof *children);
    if (more == NULL) {
        perror("realloc");
        return;
    }
    children = more;
    pid_t child = fork();
    if (child < 0) {
        perror("fork"); /* this client is turned away, the others stay */
        return;
    }
    if (child > 0) {
        children[child_count++] = child;
        return;
    }
    close(listener);
    handle(SIGTERM, SIG_DFL);
    handle(SIGINT, SIG_DFL);
    handle(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, unblocked, NULL);
    _exit(serve(client));
}

static void accept_client(int listener, const sigset_t *unblocked)
{
    int client = accept(listener, NULL, NULL);
    if (client < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR))
        return;
    if (client < 0) {
        /* Out of descriptors or memory: the client stays in the queue, so without a pause we would spin. */
        struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
        perror("accept");
        ppoll(NULL, 0, &pause, unblocked);
        return;
    }
    start_child(listener, client, unblocked);
    close(client);
}

static void reap(void)
{
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < child_count; i++)
            if (children[i] == ended)
                children[i--] = children[--child_count];
}

static void end_children(void)
{
    for (size_t i = 0; i < child_count; i++)
        kill(children[i], SIGTERM);
    for (size_t i = 0; i < child_count; i++)
        waitpid(children[i], NULL, 0);
    free(children);
}

int main(int argc, char **argv)
{
    sigset_t blocked, unblocked;
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return EXIT_FAILURE;
    }
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &unblocked);
    handle(SIGTERM, on_quit);
    handle(SIGINT, on_quit);
    handle(SIGCHLD, on_child);
    int listener = listen_on(parse_port(argv[1]));
    while (!quitting) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        int ready = ppoll(&wait, 1, NULL, &unblocked);
        if (ready < 0 && errno != EINTR)
            fail("ppoll");
        reap();
        if (ready > 0)
            accept_client(listener, &unblocked);
    }
    close(listener);
    end_children();
    return EXIT_SUCCESS;
}
