/* The socket interface, to be written in sock.c: every call says what it must do. See README.md for the rules. */

#ifndef SOCK_H
#define SOCK_H

#include <netinet/in.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Makes a socket that has no name yet, and gives its descriptor.
 *
 * `domain` is AF_UNIX, AF_INET or AF_INET6; `type` is SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET; `protocol` is 0 for
 * the usual one.
 * Errors: EAFNOSUPPORT (no such domain), EPROTONOSUPPORT (no such protocol for it), EMFILE (too many descriptors). */
int my_socket(int domain, int type, int protocol);

/* Makes two sockets that are connected to each other, and puts their descriptors into `ends`.
 *
 * Both ends can send and receive.
 * Errors: EOPNOTSUPP (the domain has no pairs), as for my_socket otherwise. */
int my_socketpair(int domain, int type, int protocol, int ends[2]);

/* Gives the socket a local address.
 *
 * Port 0 asks for any unused port. Ports are in network byte order. Each protocol has ports of its own. For AF_UNIX
 * a file is made at the path.
 * Errors: EADDRINUSE (somebody has it), EADDRNOTAVAIL (not an address of this host), EINVAL (bound already). */
int my_bind(int fd, const struct sockaddr *addr, socklen_t size);

/* Makes the socket one that takes connections; returns at once.
 *
 * About `backlog` connections may wait in its queue.
 * Errors: EOPNOTSUPP (not a stream or seqpacket socket), EINVAL (it is connected). */
int my_listen(int fd, int backlog);

/* Takes the first connection from the queue: gives a new descriptor, and puts the address of the peer into `addr`.
 *
 * The listening socket goes on listening. Waits if the queue is empty, unless the socket does not wait. `addr` and
 * `size` may both be NULL.
 * Errors: EINVAL (it does not listen), EOPNOTSUPP (datagrams), EAGAIN (it would have to wait). */
int my_accept(int fd, struct sockaddr *addr, socklen_t *size);

/* Connects a stream; for datagrams it only fixes the peer.
 *
 * A connected datagram socket receives from its peer only.
 * Errors: ECONNREFUSED (nobody listens there), EISCONN (connected already), ENOENT (no such path). */
int my_connect(int fd, const struct sockaddr *addr, socklen_t size);

/* Sends to the peer, and gives the number of bytes taken: it may be less than all.
 *
 * Errors: ENOTCONN or EDESTADDRREQ (no peer), EPIPE (sending has ended; the thread also gets the signal SIGPIPE, unless
 * MSG_NOSIGNAL is among the flags), EMSGSIZE (a datagram that is too long), EAGAIN (it would have to wait). */
ssize_t my_send(int fd, const void *data, size_t size, int flags);

/* Sends one message to an address, and gives the number of bytes taken.
 *
 * Errors: as for my_send; EISCONN (a stream that is connected). */
ssize_t my_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *addr,
                  socklen_t addr_size);

/* Puts the bytes that are there into `buffer`, at most `size`, and gives their number; waits until there is one.
 *
 * A stream has no boundaries; 0 means that the other end sends no more. A datagram comes whole, and what does not fit
 * is lost; one of no bytes is a datagram like any other.
 * Errors: ENOTCONN (no peer), ECONNRESET (the peer is gone), EAGAIN (it would have to wait). */
ssize_t my_recv(int fd, void *buffer, size_t size, int flags);

/* Receives like my_recv, and puts the address of the sender into `addr`, which may be NULL. */
ssize_t my_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *addr,
                    socklen_t *addr_size);

/* Ends receiving (SHUT_RD), sending (SHUT_WR) or both (SHUT_RDWR), for every descriptor of the socket.
 *
 * After the end of sending, the peer reads what was sent, and then gets 0.
 * Errors: ENOTCONN (no peer). */
int my_shutdown(int fd, int how);

/* Gives the descriptor back; the last descriptor of a socket ends it.
 *
 * Errors: EBADF (not an open descriptor), as in every other call. */
int my_close(int fd);

/* Puts the local address into `addr`. */
int my_getsockname(int fd, struct sockaddr *addr, socklen_t *size);

/* Puts the address of the peer into `addr`.
 *
 * Errors: ENOTCONN (no peer). */
int my_getpeername(int fd, struct sockaddr *addr, socklen_t *size);

/* Puts the value of an option into `value`.
 *
 * It is an `int` but for SO_LINGER (`struct linger`), SO_RCVTIMEO and SO_SNDTIMEO (`struct timeval`).
 * Errors: ENOPROTOOPT (no such option). */
int my_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

/* Sets an option.
 *
 * Errors: ENOPROTOOPT (no such option), EINVAL (a value that it cannot have). */
int my_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

/* ---- May be left out --------------------------------------------------------------------------------------------- */

/* Receives like my_recv without flags. */
ssize_t my_read(int fd, void *buffer, size_t size);

/* Sends like my_send without flags. */
ssize_t my_write(int fd, const void *data, size_t size);

/* Gives a second descriptor for the same socket. */
int my_dup(int fd);

/* Sends the buffers of `msg_iov` as one message, to `msg_name` or, if that is NULL, to the peer.
 *
 * Gives the number of bytes taken. */
ssize_t my_sendmsg(int fd, const struct msghdr *message, int flags);

/* Receives into the buffers of `msg_iov`, filled in order, and gives the number of bytes.
 *
 * `msg_name` and `msg_namelen` are for the sender, as in my_recvfrom; `msg_flags` says what happened to the message:
 * MSG_TRUNC if it was longer. */
ssize_t my_recvmsg(int fd, struct msghdr *message, int flags);

/* Gives (F_GETFL) or sets (F_SETFL) the flags of the socket.
 *
 * O_NONBLOCK makes calls fail with EAGAIN where they would wait. */
int my_fcntl(int fd, int command, int argument);

/* Waits until a descriptor is ready: puts what it is ready for into `revents`, and gives the number of those that are.
 *
 * `timeout` is milliseconds, or -1 for ever. */
int my_poll(struct pollfd *watch, nfds_t count, int timeout);

/* Waits like my_poll on three sets of descriptors below `count`, and leaves in them those that are ready.
 *
 * A timeout of NULL is for ever. */
int my_select(int count, fd_set *readers, fd_set *writers, fd_set *others, struct timeval *timeout);

/* FIONREAD puts the number of bytes that can be received at once into the `int` at `argument`. */
int my_ioctl(int fd, unsigned long request, void *argument);

#endif
