"""The socket interface, to be written: every call says what it must do.

`fd` is a descriptor, `addr` an address: `(ip, port)`, `(ip, port, flow, scope)` or a path. The numbers for
`domain`, `type`, `flags` and so on are those of Python's module `socket`. See README.md for the rules.
"""

import errno
import os


def _not_written(name):
    return OSError(errno.ENOSYS, f"{os.strerror(errno.ENOSYS)}: {name}")


def socket(domain, type, protocol):
    """Makes a socket that has no name yet, and gives its descriptor.

    `domain` is AF_UNIX, AF_INET or AF_INET6; `type` is SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET; `protocol` is 0
    for the usual one.
    Errors: EAFNOSUPPORT (no such domain), EPROTONOSUPPORT (no such protocol for it), EMFILE (too many descriptors).
    """
    raise _not_written("socket")


def socketpair(domain, type, protocol):
    """Makes two sockets that are connected to each other, and gives both: `(fd, fd)`.

    Both ends can send and receive.
    Errors: EOPNOTSUPP (the domain has no pairs), as for `socket` otherwise.
    """
    raise _not_written("socketpair")


def bind(fd, addr):
    """Gives the socket a local address.

    Port 0 asks for any unused port. Each protocol has ports of its own. For AF_UNIX a file is made at the path.
    Errors: EADDRINUSE (somebody has it), EADDRNOTAVAIL (not an address of this host), EINVAL (bound already).
    """
    raise _not_written("bind")


def listen(fd, backlog):
    """Makes the socket one that takes connections; returns at once.

    About `backlog` connections may wait in its queue.
    Errors: EOPNOTSUPP (not a stream or seqpacket socket), EINVAL (it is connected).
    """
    raise _not_written("listen")


def accept(fd):
    """Takes the first connection from the queue: `(new fd, address of the peer)`.

    The listening socket goes on listening. Waits if the queue is empty, unless the socket does not wait.
    Errors: EINVAL (it does not listen), EOPNOTSUPP (datagrams), EAGAIN (it would have to wait).
    """
    raise _not_written("accept")


def connect(fd, addr):
    """Connects a stream; for datagrams it only fixes the peer.

    A connected datagram socket receives from its peer only.
    Errors: ECONNREFUSED (nobody listens there), EISCONN (connected already), ENOENT (no such path).
    """
    raise _not_written("connect")


def send(fd, data, flags):
    """Sends to the peer, and gives the number of bytes taken: it may be less than all.

    Errors: ENOTCONN or EDESTADDRREQ (no peer), EPIPE (sending has ended), EMSGSIZE (a datagram that is too long),
    EAGAIN (it would have to wait).
    """
    raise _not_written("send")


def sendto(fd, data, addr, flags):
    """Sends one message to an address, and gives the number of bytes taken.

    Errors: as for `send`; EISCONN (a stream that is connected).
    """
    raise _not_written("sendto")


def recv(fd, size, flags):
    """Gives the bytes that are there, at most `size`; waits until there is one.

    A stream has no boundaries; no bytes mean that the other end sends no more. A datagram comes whole, and what
    does not fit is lost; one of no bytes is a datagram like any other.
    Errors: ENOTCONN (no peer), ECONNRESET (the peer is gone), EAGAIN (it would have to wait).
    """
    raise _not_written("recv")


def recvfrom(fd, size, flags):
    """Receives like `recv`, and says from whom: `(data, addr)`."""
    raise _not_written("recvfrom")


def shutdown(fd, how):
    """Ends receiving (SHUT_RD), sending (SHUT_WR) or both (SHUT_RDWR), for every descriptor of the socket.

    After the end of sending, the peer reads what was sent, and then no bytes.
    Errors: ENOTCONN (no peer).
    """
    raise _not_written("shutdown")


def close(fd):
    """Gives the descriptor back; the last descriptor of a socket ends it.

    Errors: EBADF (not an open descriptor), as in every other call.
    """
    raise _not_written("close")


def getsockname(fd):
    """Gives the local address."""
    raise _not_written("getsockname")


def getpeername(fd):
    """Gives the address of the peer.

    Errors: ENOTCONN (no peer).
    """
    raise _not_written("getpeername")


def getsockopt(fd, level, name):
    """Gives the value of an option: a number.

    SO_LINGER, SO_RCVTIMEO and SO_SNDTIMEO are structures: give their bytes (`struct.pack("ii", on, seconds)`, and
    `struct.pack("ll", seconds, microseconds)`).
    Errors: ENOPROTOOPT (no such option).
    """
    raise _not_written("getsockopt")


def setsockopt(fd, level, name, value):
    """Sets an option to a number, or to bytes where it is a structure.

    Errors: ENOPROTOOPT (no such option), EINVAL (a value that it cannot have).
    """
    raise _not_written("setsockopt")


# ---- May be left out -----------------------------------------------------------------------------------------------


def read(fd, size):
    """Receives like `recv` without flags."""
    raise _not_written("read")


def write(fd, data):
    """Sends like `send` without flags."""
    raise _not_written("write")


def dup(fd):
    """Gives a second descriptor for the same socket."""
    raise _not_written("dup")


def sendmsg(fd, parts, addr, flags):
    """Sends a list of bytes as one message, to `addr` or, if that is None, to the peer; gives the number taken."""
    raise _not_written("sendmsg")


def recvmsg(fd, sizes, flags):
    """Receives into buffers of these sizes, filled in order: `(all the data, flags, addr)`.

    The flags say what happened to the message: MSG_TRUNC if it was longer.
    """
    raise _not_written("recvmsg")


def set_nonblocking(fd, on):
    """Makes calls fail with EAGAIN where they would wait, or wait again."""
    raise _not_written("set_nonblocking")


def poll(watch, timeout):
    """Waits until a descriptor is ready: `[(fd, events), ...]` for those that are.

    `watch` is such a list too, with the events to wait for (POLLIN, POLLOUT, POLLPRI); `timeout` is milliseconds, or
    None for ever.
    """
    raise _not_written("poll")


def select(readers, writers, others, timeout):
    """Waits like `poll` on three lists of descriptors, and gives the three lists of those that are ready.

    `timeout` is seconds, or None for ever.
    """
    raise _not_written("select")


def unread(fd):
    """Gives the number of bytes that can be received at once."""
    raise _not_written("unread")
