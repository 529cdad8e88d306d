"""The sockets of this thread's network, asked of the kernel directly: fifty times as fast as /proc/net/tcp.

Source: Linux sock_diag(7), linux/inet_diag.h, linux/unix_diag.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_INET_REQUEST = struct.Struct("=BBBBI48x")  # inet_diag_req_v2: family, protocol, extensions, states, identity
_UNIX_REQUEST = struct.Struct("=BBHIIIII")  # unix_diag_req: family, protocol, states, inode, show, cookie
_SHOW_NAME, _SHOW_PEER, _SHOW_QUEUES = 0x1, 0x4, 0x10
_NAME, _PEER, _QUEUES = 0, 2, 4  # attributes of an answer about AF_UNIX
_CHUNK = 1 << 16

# Source: Linux include/net/tcp_states.h; a UDP socket is CLOSE, or ESTABLISHED once connected.
ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT = range(1, 7)
CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING = range(7, 12)
EVERY_STATE = 0xFFFFFFFF


def states(*numbers: int) -> int:
    """Give the set of these states."""
    return sum(1 << number for number in numbers)


@dataclass(frozen=True, slots=True)
class InetSocket:
    """A socket of the Internet families. Of one that listens `received` is how many wait to be accepted."""

    family: int
    protocol: int
    state: int
    local: tuple[str, int]
    peer: tuple[str, int]
    received: int  # bytes that nobody has read
    unsent: int  # bytes that the peer has not acknowledged
    inode: int  # 0 if no process has it any more
    identity: bytes


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket of AF_UNIX; `name` is its path, begins with a zero byte if it is abstract, is empty if it has none."""

    type: int
    state: int
    inode: int
    name: bytes
    peer_inode: int
    received: int  # of one that listens: how many wait to be accepted
    unsent: int


class SockDiag:
    """A line to the kernel; it stays with the network in which it was opened."""

    def __init__(self) -> None:
        """Open it in the network of this thread.

        Raises:
            OSError: this kernel has no such thing.
        """
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._sock = socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)
        self._sequence = 0

    def inet(self, family: int, protocol: int = socket.IPPROTO_TCP, among: int = EVERY_STATE) -> list[InetSocket]:
        """Give the sockets of a family and a protocol that are in one of these states.

        Raises:
            OSError: this kernel cannot tell.
        """
        request = _INET_REQUEST.pack(family, protocol, 0, 0, among)
        return [_inet(answer, protocol) for answer in self._ask(_BY_FAMILY, _DUMP, request)]

    def unix(self, among: int = EVERY_STATE) -> list[UnixSocket]:
        """Give the sockets of AF_UNIX that are in one of these states: LISTEN, ESTABLISHED or CLOSE."""
        show = _SHOW_NAME | _SHOW_PEER | _SHOW_QUEUES
        request = _UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, among, 0, show, 0, 0)
        return [_unix(answer) for answer in self._ask(_BY_FAMILY, _DUMP, request)]

    def destroy(self, sock: InetSocket) -> None:
        """End a connection as if by the kernel: its owner gets ECONNABORTED, a TIME_WAIT is gone.

        Raises:
            OSError: we do not own this network, or this kernel has no CONFIG_INET_DIAG_DESTROY.
        """
        head = struct.pack("=BBBBI", sock.family, sock.protocol, 0, 0, 1 << sock.state)
        list(self._ask(_DESTROY, _ACK, head + sock.identity))

    def close(self) -> None:
        """Close the line."""
        self._sock.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the line."""
        self.close()

    def _ask(self, kind: int, flags: int, request: bytes) -> Iterator[bytes]:
        self._sequence += 1
        length = _HEADER.size + len(request)
        self._sock.send(_HEADER.pack(length, kind, _REQUEST | flags, self._sequence, 0) + request)
        while True:
            chunk = self._sock.recv(_CHUNK)
            offset = 0
            while offset < len(chunk):
                length, kind, _, sequence, _ = _HEADER.unpack_from(chunk, offset)
                body = chunk[offset + _HEADER.size : offset + length]
                offset += length + 3 & ~3
                if sequence != self._sequence:  # the rest of an answer that nobody has read to its end
                    continue
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    (number,) = struct.unpack_from("=i", body)
                    if number:
                        raise OSError(-number, os.strerror(-number), "sock_diag")
                    return
                yield body


def is_listening(diag: SockDiag, port: int) -> bool:
    """Say whether any process of this network listens on a TCP port."""
    families = (socket.AF_INET, socket.AF_INET6)
    return any(sock.local[1] == port for family in families for sock in diag.inet(family, among=states(LISTEN)))


def owners(inodes: Iterable[int], processes: Iterable[int]) -> dict[int, list[int]]:
    """Say which of these processes hold which of these sockets: inode -> processes. Unreadable ones are left out."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, list[int]] = {inode: [] for inode in wanted.values()}
    for process in processes:
        for held in _held_by(process) & wanted.keys():
            found[wanted[held]].append(process)
    return found


def wipe() -> int:
    """End every TCP connection of this thread's network, also those in TIME_WAIT; gives how many there were.

    Raises:
        OSError: as `SockDiag.destroy`.
    """
    count = 0
    with SockDiag() as diag:
        for family in (socket.AF_INET, socket.AF_INET6):
            for sock in diag.inet(family):
                try:
                    diag.destroy(sock)
                except OSError as error:
                    if error.errno != errno.ENOENT:  # it has ended by itself
                        raise
                count += 1
    return count


def _held_by(process: int) -> set[str]:
    folder = f"/proc/{process}/fd"
    held = set()
    try:
        for name in os.listdir(folder):
            held.add(os.readlink(f"{folder}/{name}"))
    except OSError:  # it has ended, or closes descriptors, or may not be looked at
        pass
    return held


def _inet(answer: bytes, protocol: int) -> InetSocket:
    family, state = answer[0], answer[1]
    local_port, peer_port = struct.unpack_from(">HH", answer, 4)
    size = 4 if family == socket.AF_INET else 16
    local, peer = (socket.inet_ntop(family, answer[at : at + size]) for at in (8, 24))
    _, received, unsent, _, inode = struct.unpack_from("=5I", answer, 52)
    ends = (local, local_port), (peer, peer_port)
    return InetSocket(family, protocol, state, *ends, received, unsent, inode, answer[4:52])


def _unix(answer: bytes) -> UnixSocket:
    _, kind, state, _, inode = struct.unpack_from("=BBBBI", answer)
    attributes = dict(_attributes(answer, 16))
    (peer,) = struct.unpack("=I", attributes.get(_PEER, bytes(4)))
    received, unsent = struct.unpack("=II", attributes.get(_QUEUES, bytes(8)))
    return UnixSocket(kind, state, inode, attributes.get(_NAME, b""), peer, received, unsent)


def _attributes(answer: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + 4 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, offset)
        yield kind, answer[offset + 4 : offset + length]
        offset += length + 3 & ~3
