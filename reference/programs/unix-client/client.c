/* An AF_UNIX stream client that sends lines and prints the replies.
 *
 *     ./client PATH
 *
 * Reads lines from stdin. Each is sent, and one line of reply is awaited and printed before the next is sent; what is
 * left over of the replies stays for the next line. At the end of stdin the client ends its side, prints what still
 * comes, and exits with status 0 when the server ends too. It also exits with status 0 when the server ends first.
 * When it cannot connect it says why, and exits with status 1.
 *
 * A last line without newline gets one, because the server could not tell that it is complete.
 *
 * Traps avoided:
 *  - One recv() is not one line: replies are collected until a newline comes. POSIX.1-2024 recv().
 *  - stdin and socket are awaited together, or the end of the server would be noticed only after the next line.
 *    stdin is read with read(): a FILE reads ahead, and poll() knows nothing about its buffer.
 *  - A line longer than all buffers must not stop both sides, each waiting until the other reads: the socket is
 *    non-blocking, and we read while we send. POSIX.1-2024 send(), EAGAIN.
 *  - Without shutdown() a server that reads until end-of-file would wait for us, and we for it. POSIX.1-2024
 *    shutdown().
 *  - A server that has gone must not kill us: MSG_NOSIGNAL. POSIX.1-2024 send(), ERRORS, EPIPE.
 *  - A line may hold NUL: lengths are counted, nothing is a string, and no terminator is sent.
 *  - What is printed is flushed: stdout into a pipe or file waits for a full buffer otherwise. ISO C11 7.21.3.
 *  - sun_path is short: a path that does not fit is an error, not cut off. POSIX.1-2024 <sys/un.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct bytes {
    char *start;
    size_t length, capacity;
};

static struct bytes input;   /* read from stdin and not yet sent */
static struct bytes replies; /* received and not yet printed */
static size_t unsent;        /* so many bytes of the input belong to the line that is being sent */
static bool is_owed;         /* a line has been sent, or is being sent, and its reply has not been printed */
static bool input_ended, has_shut_down;

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void reserve(struct bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->length >= more)
        return;
    bytes->capacity = 2 * bytes->capacity + more;
    bytes->start = realloc(bytes->start, bytes->capacity);
    if (bytes->start == NULL)
        fail("realloc");
}

static void drop(struct bytes *bytes, size_t count)
{
    bytes->length -= count;
    memmove(bytes->start, bytes->start + count, bytes->length);
}

/* Gives the length of the first line with its newline, or 0 if it is not complete. */
static size_t line_length(const struct bytes *bytes)
{
    const char *newline = bytes->length > 0 ? memchr(bytes->start, '\n', bytes->length) : NULL;
    return newline != NULL ? (size_t)(newline - bytes->start) + 1 : 0;
}

static void print_replies(size_t length)
{
    if (length == 0)
        return;
    if (fwrite(replies.start, 1, length, stdout) < length || fflush(stdout) != 0)
        fail("stdout");
    drop(&replies, length);
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof addr.sun_path) {
        fprintf(stderr, "%s: not a path of 1 to %zu bytes\n", path, sizeof addr.sun_path - 1);
        exit(EXIT_FAILURE);
    }
    strcpy(addr.sun_path, path);
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    if (sock < 0)
        fail("socket");
    if (connect(sock, (struct sockaddr *)&addr, sizeof addr) < 0)
        fail(path);
    return sock;
}

/* Does what needs no waiting: prints the reply that is owed, and begins with the next line. */
static void advance(int sock)
{
    size_t reply_length = line_length(&replies);
    if (is_owed && unsent == 0 && reply_length > 0) {
        print_replies(reply_length);
        is_owed = false;
    }
    if (!is_owed) {
        unsent = line_length(&input);
        is_owed = unsent > 0;
    }
    if (!is_owed && input_ended) {
        print_replies(replies.length);
        if (!has_shut_down)
            shutdown(sock, SHUT_WR);
        has_shut_down = true;
    }
}

static void read_input(void)
{
    reserve(&input, 65536);
    ssize_t count = read(STDIN_FILENO, input.start + input.length, 65535); /* one byte is left for a newline */
    if (count < 0 && errno != EINTR && errno != EAGAIN)
        fail("stdin");
    if (count > 0)
        input.length += (size_t)count;
    if (count == 0) {
        input_ended = true;
        if (input.length > 0)
            input.start[input.length++] = '\n';
    }
}

static void send_line(int sock)
{
    ssize_t sent = send(sock, input.start, unsent, MSG_NOSIGNAL);
    if (sent >= 0) {
        drop(&input, (size_t)sent);
        unsent -= (size_t)sent;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        perror("send");
        unsent = 0; /* the server has gone: what it sent before is still read, and recv() will say that it ended */
    }
}

/* Gives false when the server has ended. */
static bool receive(int sock)
{
    reserve(&replies, 65536);
    ssize_t received = recv(sock, replies.start + replies.length, 65536, 0);
    if (received > 0)
        replies.length += (size_t)received;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return true;
    if (received < 0)
        perror("recv");
    return received > 0;
}

static void converse(int sock)
{
    bool is_open = true;
    while (is_open) {
        advance(sock);
        struct pollfd waits[2] = {
            {.fd = is_owed || input_ended ? -1 : STDIN_FILENO, .events = POLLIN},
            {.fd = sock, .events = unsent > 0 ? POLLIN | POLLOUT : POLLIN},
        };
        while (poll(waits, 2, -1) < 0)
            if (errno != EINTR)
                fail("poll");
        if (waits[0].revents != 0)
            read_input();
        if (waits[1].revents & POLLOUT)
            send_line(sock);
        if (waits[1].revents & ~POLLOUT)
            is_open = receive(sock);
    }
    if (!has_shut_down)
        fprintf(stderr, "the server has ended the connection\n");
    print_replies(replies.length);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH\n", argv[0]);
        return EXIT_FAILURE;
    }
    int sock = connect_to(argv[1]);
    if (fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    converse(sock);
    close(sock);
    free(input.start);
    free(replies.start);
    return EXIT_SUCCESS;
}
