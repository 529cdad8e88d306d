/* An AF_UNIX stream echo server with one thread for each client.
 *
 *     ./server PATH
 *
 * Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server with
 * status 0 and removes the path.
 *
 * Traps avoided:
 *  - The path outlives the socket: it is removed at the end, by any way out that we control. POSIX.1-2024 unlink().
 *  - A path that a dead server has left is removed, but only when it is a socket and connect() says that nobody
 *    listens: else a second server would steal the path of the first. (Two servers that start in the same instant
 *    can still collide; a lock file would settle that.)
 *  - sun_path is short, and need not be the same length elsewhere: a path that does not fit is an error, not cut off.
 *    POSIX.1-2024 <sys/un.h>.
 *  - Between bind() and the moment when the handler knows of it, no signal may come: signals are blocked there.
 *  - One recv() is not one message, and one send() need not take all: serve(). POSIX.1-2024 send(), recv().
 *  - A client that has gone must not kill us: MSG_NOSIGNAL. POSIX.1-2024 send(), ERRORS, EPIPE.
 *  - exit() in a thread ends the whole process: a failure of one client ends its thread only.
 *  - A signal handler may call few functions; unlink() and _exit() are among them. POSIX.1-2024 section 2.4.3.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un addr = {.sun_family = AF_UNIX}; /* the handler has to know what to remove */
static volatile sig_atomic_t is_bound;

static void fail(const char *what)
{
    int error = errno;
    if (is_bound)
        unlink(addr.sun_path);
    errno = error;
    perror(what);
    exit(EXIT_FAILURE);
}

static void on_quit(int number)
{
    (void)number;
    if (is_bound)
        unlink(addr.sun_path);
    _exit(EXIT_SUCCESS);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) < 0)
        fail("sigaction");
}

static void name_address(const char *path)
{
    if (path[0] == '\0' || strlen(path) >= sizeof addr.sun_path) {
        fprintf(stderr, "%s: not a path of 1 to %zu bytes\n", path, sizeof addr.sun_path - 1);
        exit(EXIT_FAILURE);
    }
    strcpy(addr.sun_path, path);
}

/* Whether the path is a socket at which nobody listens. A live server sees a client that comes and goes. */
static bool is_stale(void)
{
    struct stat status;
    if (lstat(addr.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (probe < 0)
        fail("socket");
    bool refused = connect(probe, (struct sockaddr *)&addr, sizeof addr) < 0 && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

static int listen_on(const char *path)
{
    sigset_t blocked, unblocked;
    name_address(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener < 0)
        fail("socket");
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &unblocked);
    int result = bind(listener, (struct sockaddr *)&addr, sizeof addr);
    if (result < 0 && errno == EADDRINUSE) {
        if (is_stale())
            unlink(addr.sun_path);
        result = bind(listener, (struct sockaddr *)&addr, sizeof addr);
    }
    if (result < 0)
        fail(path);
    is_bound = 1;
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
    if (listen(listener, SOMAXCONN) < 0)
        fail("listen");
    return listener;
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
        fprintf(stderr, "usage: %s PATH\n", argv[0]);
        return EXIT_FAILURE;
    }
    handle(SIGTERM, on_quit);
    handle(SIGINT, on_quit);
    int listener = listen_on(argv[1]);
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
