/* Parent and child joined by a socketpair.
 *
 *     ./pair
 *
 * The parent sends all of stdin to the child, the child sends it back in upper case (the letters a to z; all other
 * bytes stay), and the parent prints it to stdout. Exits with status 0 when all went well, the child's part included.
 *
 * Traps avoided:
 *  - Both processes have both ends after fork(). Each closes the one that is not its own: the child sees end-of-file
 *    only when nobody has the parent's end open for writing, and the child has it too. POSIX.1-2024 fork(), close().
 *  - The parent reads while it sends. If it sent all first, it would wait with full buffers for the child, and the
 *    child for it, as soon as the input is larger than the buffers. POSIX.1-2024 send(), EAGAIN.
 *  - After the input the parent ends its side only, with shutdown(): the reply is still to come.
 *  - One recv() is not all, and one send() need not take all. POSIX.1-2024 send(), recv().
 *  - Nothing is printed before fork(), or both processes would print what the buffer of stdout holds. The child ends
 *    with _exit(), which leaves such buffers alone. POSIX.1-2024 fork(), _exit().
 *  - The child is waited for, and its status is looked at. POSIX.1-2024 waitpid().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
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

/* Upper case of ASCII, whatever the locale: the bytes need not be text. */
static void raise_letters(char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] >= 'a' && bytes[i] <= 'z')
            bytes[i] = (char)(bytes[i] - 'a' + 'A');
}

/* Answers until end-of-file; gives the status with which the child exits. */
static int be_child(int sock)
{
    char bytes[65536];
    for (;;) {
        ssize_t received = recv(sock, bytes, sizeof bytes, 0);
        if (received == 0)
            return EXIT_SUCCESS;
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0) {
            perror("child: recv");
            return EXIT_FAILURE;
        }
        raise_letters(bytes, (size_t)received);
        if (send_all(sock, bytes, (size_t)received) < 0) {
            perror("child: send");
            return EXIT_FAILURE;
        }
    }
}

/* What the parent has read and not yet sent: bytes[start] to bytes[end - 1]. */
static char bytes[65536];
static size_t start, end;
static bool input_ended;

static void read_input(int sock)
{
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno != EINTR && errno != EAGAIN)
        fail("stdin");
    if (count > 0) {
        start = 0;
        end = (size_t)count;
    }
    if (count == 0) {
        input_ended = true;
        shutdown(sock, SHUT_WR);
    }
}

static void send_some(int sock)
{
    ssize_t sent = send(sock, bytes + start, end - start, MSG_NOSIGNAL);
    if (sent >= 0)
        start += (size_t)sent;
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        fail("send");
}

/* Gives false when the child has ended its side. */
static bool print_reply(int sock)
{
    char reply[65536];
    ssize_t received = recv(sock, reply, sizeof reply, 0);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return true;
    if (received < 0)
        fail("recv");
    if (fwrite(reply, 1, (size_t)received, stdout) < (size_t)received || fflush(stdout) != 0)
        fail("stdout");
    return received > 0;
}

static void be_parent(int sock)
{
    bool is_open = true;
    if (fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    while (is_open) {
        bool has_bytes = start < end;
        struct pollfd waits[2] = {
            {.fd = input_ended || has_bytes ? -1 : STDIN_FILENO, .events = POLLIN},
            {.fd = sock, .events = has_bytes ? POLLIN | POLLOUT : POLLIN},
        };
        while (poll(waits, 2, -1) < 0)
            if (errno != EINTR)
                fail("poll");
        if (waits[0].revents != 0)
            read_input(sock);
        if (waits[1].revents & POLLOUT)
            send_some(sock);
        if (waits[1].revents & ~POLLOUT)
            is_open = print_reply(sock);
    }
    close(sock);
}

int main(void)
{
    int ends[2], status;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        fail("socketpair");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        close(ends[0]);
        _exit(be_child(ends[1]));
    }
    close(ends[1]);
    be_parent(ends[0]);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            fail("waitpid");
    if (!input_ended || !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        fprintf(stderr, "the child has failed\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
