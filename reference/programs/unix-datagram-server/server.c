/* An AF_UNIX datagram echo server.
 *
 *     ./server PATH
 *
 * Every datagram goes back to the address of its sender; who has no address gets no answer. SIGTERM or SIGINT ends
 * the server with status 0 and removes the path.
 *
 * Traps avoided:
 *  - A sender that has not called bind() has no name: the length of its address is that of the family alone, and
 *    nobody can answer it. unix(7), POSIX.1-2024 recvfrom().
 *  - The length of the address is an argument in both directions: set before each recvfrom(), or a sender whose path
 *    is longer than the one before has its address cut off. POSIX.1-2024 recvfrom(), address_len.
 *  - That length may be one more than the structure: of a path that fills it, Linux counts the terminator that has no
 *    room. unix(7), BUGS.
 *  - recvfrom() that gives 0 has received an empty datagram: there is no end-of-file here.
 *  - A sender may have gone (ENOENT, ECONNREFUSED) or not read what it has got: with MSG_DONTWAIT its full queue
 *    costs it the reply, and does not stop the server for all others. send(2).
 *  - A datagram that does not fit would be cut off: MSG_TRUNC gives its real length, so we can tell. recv(2).
 *  - The path outlives the socket: it is removed at the end, by any way out that we control. POSIX.1-2024 unlink().
 *  - A path that a dead server has left is removed, but only when it is a socket and connect() says that nobody has
 *    it: else a second server would steal the path of the first. (Two servers that start in the same instant can
 *    still collide; a lock file would settle that.)
 *  - Between bind() and the moment when the handler knows of it, no signal may come: signals are blocked there.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
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

/* Whether the path is a socket that nobody has open. A live server does not notice this probe. */
static bool is_stale(void)
{
    struct stat status;
    if (lstat(addr.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int probe = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (probe < 0)
        fail("socket");
    bool refused = connect(probe, (struct sockaddr *)&addr, sizeof addr) < 0 && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

static int bind_to(const char *path)
{
    sigset_t blocked, unblocked;
    name_address(path);
    int sock = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (sock < 0)
        fail("socket");
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &unblocked);
    int result = bind(sock, (struct sockaddr *)&addr, sizeof addr);
    if (result < 0 && errno == EADDRINUSE) {
        if (is_stale())
            unlink(addr.sun_path);
        result = bind(sock, (struct sockaddr *)&addr, sizeof addr);
    }
    if (result < 0)
        fail(path);
    is_bound = 1;
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
    return sock;
}

static void reply(int sock, const char *bytes, size_t length, const struct sockaddr_un *sender, socklen_t sender_length)
{
    if (sender_length <= offsetof(struct sockaddr_un, sun_path))
        return; /* no name, no answer */
    while (sendto(sock, bytes, length, MSG_DONTWAIT, (const struct sockaddr *)sender, sender_length) < 0) {
        if (errno != EINTR) {
            perror("sendto");
            return;
        }
    }
}

static void serve(int sock)
{
    static char bytes[256 * 1024]; /* more than a socket of Linux sends with its default SO_SNDBUF */
    for (;;) {
        struct sockaddr_un sender;
        socklen_t sender_length = sizeof sender;
        ssize_t received = recvfrom(sock, bytes, sizeof bytes, MSG_TRUNC, (struct sockaddr *)&sender, &sender_length);
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0)
            fail("recvfrom");
        if (sender_length > sizeof sender)
            sender_length = sizeof sender;
        if ((size_t)received > sizeof bytes)
            fprintf(stderr, "a datagram of %zd bytes is too long\n", received);
        else
            reply(sock, bytes, (size_t)received, &sender, sender_length);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH\n", argv[0]);
        return EXIT_FAILURE;
    }
    handle(SIGTERM, on_quit);
    handle(SIGINT, on_quit);
    serve(bind_to(argv[1]));
}
