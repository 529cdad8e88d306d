/* The socket interface, to be written: sock.h says what each call must do. */

#define _POSIX_C_SOURCE 200809L

#include "sock.h"

#include <errno.h>

/* Takes the compiler's mind off arguments that nobody uses yet; take this line away when everything is written. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static int not_written(void)
{
    errno = ENOSYS;
    return -1;
}

int my_socket(int domain, int type, int protocol)
{
    return not_written();
}

int my_socketpair(int domain, int type, int protocol, int ends[2])
{
    return not_written();
}

int my_bind(int fd, const struct sockaddr *addr, socklen_t size)
{
    return not_written();
}

int my_listen(int fd, int backlog)
{
    return not_written();
}

int my_accept(int fd, struct sockaddr *addr, socklen_t *size)
{
    return not_written();
}

int my_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
    return not_written();
}

ssize_t my_send(int fd, const void *data, size_t size, int flags)
{
    return not_written();
}

ssize_t my_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *addr,
                  socklen_t addr_size)
{
    return not_written();
}

ssize_t my_recv(int fd, void *buffer, size_t size, int flags)
{
    return not_written();
}

ssize_t my_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *addr,
                    socklen_t *addr_size)
{
    return not_written();
}

int my_shutdown(int fd, int how)
{
    return not_written();
}

int my_close(int fd)
{
    return not_written();
}

int my_getsockname(int fd, struct sockaddr *addr, socklen_t *size)
{
    return not_written();
}

int my_getpeername(int fd, struct sockaddr *addr, socklen_t *size)
{
    return not_written();
}

int my_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    return not_written();
}

int my_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return not_written();
}

/* ---- May be left out --------------------------------------------------------------------------------------------- */

ssize_t my_read(int fd, void *buffer, size_t size)
{
    return not_written();
}

ssize_t my_write(int fd, const void *data, size_t size)
{
    return not_written();
}

int my_dup(int fd)
{
    return not_written();
}

ssize_t my_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return not_written();
}

ssize_t my_recvmsg(int fd, struct msghdr *message, int flags)
{
    return not_written();
}

int my_fcntl(int fd, int command, int argument)
{
    return not_written();
}

int my_poll(struct pollfd *watch, nfds_t count, int timeout)
{
    return not_written();
}

int my_select(int count, fd_set *readers, fd_set *writers, fd_set *others, struct timeval *timeout)
{
    return not_written();
}

int my_ioctl(int fd, unsigned long request, void *argument)
{
    return not_written();
}
