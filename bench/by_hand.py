"""The cases of hundred.yaml as somebody would write them by hand: plain functions on the standard library's sockets.

The baseline of the benchmarks, so it is written to be fast: every address is a port 0 or a numbered path
in one folder, in memory where there is such a place, and nothing is reported. Run as a program it makes
every case once.
"""
# ruff: noqa: S101 - assert is how somebody would write it

from __future__ import annotations

import errno
import itertools
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

Scenario = Callable[["Kind"], None]


class Kind(NamedTuple):
    """A family and a type of socket."""

    family: socket.AddressFamily
    type: socket.SocketKind

    def __str__(self) -> str:
        return f"{self.family.name[3:].lower()}-{self.type.name[5:].lower()}"


_MEMORY = "/dev/shm"  # noqa: S108 - the folder in it has a name of its own
_folder = tempfile.TemporaryDirectory(prefix="by-hand-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
_numbers = itertools.count()
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def fresh(kind: Kind) -> Any:  # noqa: ANN401 - an address is a path or a tuple
    """Give an address to bind that nobody has."""
    if kind.family == socket.AF_UNIX:
        return f"{_folder.name}/{next(_numbers)}"
    return (_LOOPBACK[kind.family], 0)


def fails(number: int, call: Callable[..., object], *args: object) -> None:
    """Assert that a call fails with that errno."""
    seen: int | None = 0
    try:
        call(*args)
    except OSError as error:
        seen = error.errno
    assert seen == number, f"{call} gave errno {seen}"


def recv_exactly(sock: socket.socket, count: int) -> bytes:
    """Receive until `count` bytes are there or the stream ends."""
    received = b""
    while len(received) < count and (part := sock.recv(count - len(received))):
        received += part
    return received


def recv_until_eof(sock: socket.socket) -> bytes:
    """Receive until the stream ends."""
    received = b""
    while part := sock.recv(65536):
        received += part
    return received


class Connected:
    """A listener, a client and the socket accept made for it."""

    def __init__(self, kind: Kind) -> None:
        """Make the three, call by call."""
        self.listener = socket.socket(*kind)
        self.listener.bind(fresh(kind))
        self.listener.listen(4)
        self.client = socket.socket(*kind)
        self.client.connect(self.listener.getsockname())
        self.server, _ = self.listener.accept()

    def __enter__(self) -> tuple[socket.socket, socket.socket]:
        return self.client, self.server

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.client.close()
        self.listener.close()


class Named:
    """Two datagram sockets with names of their own."""

    def __init__(self, kind: Kind) -> None:
        """Make the two."""
        self.left = socket.socket(*kind)
        self.left.bind(fresh(kind))
        self.right = socket.socket(*kind)
        self.right.bind(fresh(kind))

    def __enter__(self) -> tuple[socket.socket, socket.socket]:
        return self.left, self.right

    def __exit__(self, *_: object) -> None:
        self.left.close()
        self.right.close()


# -- connections -----------------------------------------------------------------------------------------


def exchange(kind: Kind) -> None:
    """Client and server say a word each."""
    with Connected(kind) as (client, server):
        client.sendall(b"ping")
        assert recv_exactly(server, 4) == b"ping"
        server.sendall(b"pong")
        assert recv_exactly(client, 4) == b"pong"


def two_clients(kind: Kind) -> None:
    """A listening socket serves two clients at once."""
    with socket.socket(*kind) as listener, socket.socket(*kind) as first, socket.socket(*kind) as second:
        listener.bind(fresh(kind))
        listener.listen(4)
        first.connect(listener.getsockname())
        server1, _ = listener.accept()
        second.connect(listener.getsockname())
        server2, _ = listener.accept()
        with server1, server2:
            assert len({sock.fileno() for sock in (listener, first, second, server1, server2)}) == 5
            second.sendall(b"two")
            first.sendall(b"one")
            assert recv_exactly(server1, 3) == b"one"
            assert recv_exactly(server2, 3) == b"two"


def half_close(kind: Kind) -> None:
    """After shutdown for writing the other direction goes on."""
    with Connected(kind) as (client, server):
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert recv_until_eof(server) == b"last words"
        server.sendall(b"reply")
        assert recv_exactly(client, 5) == b"reply"


def end_of_file(kind: Kind) -> None:
    """The peer of a closed socket reads what was sent and then end of file."""
    with Connected(kind) as (client, server):
        client.sendall(b"bye")
        client.close()
        assert recv_exactly(server, 3) == b"bye"
        assert server.recv(16) == b""


def joined(kind: Kind) -> None:
    """Two sends on a stream are one sequence of bytes."""
    with Connected(kind) as (client, server):
        client.sendall(b"abc")
        client.sendall(b"def")
        assert recv_exactly(server, 6) == b"abcdef"


def taken_apart(kind: Kind) -> None:
    """One send on a stream can be received in pieces."""
    with Connected(kind) as (client, server):
        client.sendall(b"abcdef")
        assert recv_exactly(server, 2) == b"ab"
        assert recv_exactly(server, 4) == b"cdef"


def sixteen_kilobytes(kind: Kind) -> None:
    """A stream carries sixteen kilobytes unchanged."""
    with Connected(kind) as (client, server):
        client.sendall(b"0123456789abcdef" * 1024)
        assert recv_exactly(server, 16384) == b"0123456789abcdef" * 1024


def peek(kind: Kind) -> None:
    """MSG_PEEK leaves the bytes where they are."""
    with Connected(kind) as (client, server):
        client.sendall(b"x")
        assert server.recv(1, socket.MSG_PEEK) == b"x"
        assert server.recv(1) == b"x"


def nobody_waits(kind: Kind) -> None:
    """Accept on a non-blocking listener without clients fails at once."""
    with socket.socket(*kind) as listener:
        listener.bind(fresh(kind))
        listener.listen(4)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        fails(errno.EAGAIN, listener.accept)


def after_shutdown(kind: Kind) -> None:
    """Sending after shutdown for writing fails with EPIPE."""
    with Connected(kind) as (client, server):
        client.shutdown(socket.SHUT_WR)
        fails(errno.EPIPE, client.send, b"late", socket.MSG_NOSIGNAL)
        assert server.recv(16) == b""


# -- datagrams -------------------------------------------------------------------------------------------


def boundary(kind: Kind) -> None:
    """Two messages are two receives."""
    with Named(kind) as (left, right):
        left.sendto(b"one", right.getsockname())
        left.sendto(b"two", right.getsockname())
        assert right.recvfrom(64)[0] == b"one"
        assert right.recvfrom(64)[0] == b"two"


def sender(kind: Kind) -> None:
    """Recvfrom names the sender, who can be answered there."""
    with Named(kind) as (left, right):
        left.sendto(b"question", right.getsockname())
        question, peer = right.recvfrom(64)
        assert (question, peer) == (b"question", left.getsockname())
        right.sendto(b"answer", peer)
        assert left.recvfrom(64) == (b"answer", right.getsockname())


def default_peer(kind: Kind) -> None:
    """A connected datagram socket sends without an address."""
    with Named(kind) as (left, right):
        left.connect(right.getsockname())
        left.send(b"hello")
        assert right.recvfrom(64) == (b"hello", left.getsockname())
        assert left.getpeername() == right.getsockname()


def cut(kind: Kind) -> None:
    """What does not fit into the buffer is lost."""
    with Named(kind) as (left, right):
        left.sendto(b"abcdef", right.getsockname())
        left.sendto(b"next", right.getsockname())
        assert right.recv(3) == b"abc"
        assert right.recv(64) == b"next"


def empty_message(kind: Kind) -> None:
    """A message of no bytes is a message."""
    with Named(kind) as (left, right):
        left.sendto(b"", right.getsockname())
        assert right.recvfrom(64) == (b"", left.getsockname())


def no_message(kind: Kind) -> None:
    """A receive that must not wait finds nothing."""
    with socket.socket(*kind) as sock:
        sock.bind(fresh(kind))
        fails(errno.EAGAIN, sock.recv, 64, socket.MSG_DONTWAIT)


# -- pairs -----------------------------------------------------------------------------------------------


def pair_both_ways(kind: Kind) -> None:
    """Both ends of a pair read and write."""
    left, right = socket.socketpair(*kind)
    with left, right:
        left.send(b"x")
        right.send(b"y")
        assert right.recv(1) == b"x"
        assert left.recv(1) == b"y"


def pair_peek(kind: Kind) -> None:
    """MSG_PEEK on a pair leaves the message where it is."""
    left, right = socket.socketpair(*kind)
    with left, right:
        left.send(b"x")
        assert right.recv(1, socket.MSG_PEEK) == b"x"
        assert right.recv(1) == b"x"


def pair_boundary(kind: Kind) -> None:
    """A pair that carries messages keeps them apart."""
    left, right = socket.socketpair(*kind)
    with left, right:
        left.send(b"one")
        left.send(b"two")
        assert right.recv(64) == b"one"
        assert right.recv(64) == b"two"


def pair_closed(kind: Kind) -> None:
    """Sending to the end of a pair whose other end is closed fails."""
    left, right = socket.socketpair(*kind)
    with left:
        right.close()
        fails(errno.EPIPE, left.send, b"late", socket.MSG_NOSIGNAL)


# -- names, options and errors ---------------------------------------------------------------------------


def type_option(kind: Kind) -> None:
    """SO_TYPE tells the type that was asked for."""
    with socket.socket(*kind) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == kind.type


def own_name(kind: Kind) -> None:
    """Getsockname gives the address of bind."""
    with socket.socket(*kind) as sock:
        addr = fresh(kind)
        sock.bind(addr)
        name = sock.getsockname()
        if kind.family == socket.AF_UNIX:
            assert name == addr
        else:
            assert name[0] == addr[0]
            assert name[1] > 0


def refused(kind: Kind) -> None:
    """Connect to an address where nobody is fails at once."""
    nobody = fresh(kind)
    if kind.family != socket.AF_UNIX:
        with socket.socket(*kind) as gone:
            gone.bind(nobody)
            nobody = gone.getsockname()
    with socket.socket(*kind) as client:
        fails(errno.ENOENT if kind.family == socket.AF_UNIX else errno.ECONNREFUSED, client.connect, nobody)


def address_taken(kind: Kind) -> None:
    """An address can be bound once."""
    with socket.socket(*kind) as first, socket.socket(*kind) as second:
        first.bind(fresh(kind))
        fails(errno.EADDRINUSE, second.bind, first.getsockname())


def closed(kind: Kind) -> None:
    """A closed descriptor is good for nothing."""
    sock = socket.socket(*kind)
    sock.close()
    fails(errno.EBADF, sock.getsockname)


def no_peer(kind: Kind) -> None:
    """A new socket has no peer."""
    with socket.socket(*kind) as sock:
        fails(errno.ENOTCONN, sock.getpeername)


def deaf(kind: Kind) -> None:
    """A datagram socket cannot listen."""
    with socket.socket(*kind) as sock:
        sock.bind(fresh(kind))
        fails(errno.EOPNOTSUPP, sock.listen, 4)


# -- all of them -----------------------------------------------------------------------------------------

_DOMAINS = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_STREAMS = tuple(Kind(family, socket.SOCK_STREAM) for family in _DOMAINS)
_DGRAMS = tuple(Kind(family, socket.SOCK_DGRAM) for family in _DOMAINS)
_SEQPACKET = Kind(socket.AF_UNIX, socket.SOCK_SEQPACKET)
_STREAM_PAIR, _DGRAM_PAIR = _STREAMS[0], _DGRAMS[0]
_EVERY = (*_STREAMS, *_DGRAMS, _SEQPACKET)

_CASES: tuple[tuple[tuple[Kind, ...], tuple[Scenario, ...]], ...] = (
    ((*_STREAMS, _SEQPACKET), (exchange,)),
    (_STREAMS, (two_clients, half_close, end_of_file, joined, taken_apart, sixteen_kilobytes, peek)),
    (_STREAMS, (nobody_waits, after_shutdown)),
    (_DGRAMS, (boundary, sender, default_peer, cut, empty_message, no_message)),
    ((_STREAM_PAIR, _DGRAM_PAIR, _SEQPACKET), (pair_both_ways, pair_peek)),
    ((_DGRAM_PAIR, _SEQPACKET), (pair_boundary,)),
    ((_STREAM_PAIR, _SEQPACKET), (pair_closed,)),
    (_EVERY, (type_option, own_name)),
    (_STREAMS, (refused,)),
    (_EVERY, (address_taken, closed, no_peer)),
    (_DGRAMS, (deaf,)),
)

CASES = tuple((scenario, kind) for kinds, scenarios in _CASES for scenario in scenarios for kind in kinds)


def run_all(before_each: Callable[[], None] | None = None) -> None:
    """Run every case; `before_each` is called before each, if given."""
    for scenario, kind in CASES:
        if before_each is not None:
            before_each()
        scenario(kind)


if __name__ == "__main__":
    run_all()
