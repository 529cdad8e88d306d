"""Descriptors: the numbers by which a process knows its sockets, and the calls that take them.

A new descriptor is the lowest number that is free (POSIX.1-2024 2.6). Two descriptors may stand for one socket,
in one process after dup() or in two after fork(); the socket ends with the last of them.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable, Mapping
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from reference import options
from reference.errors import Error, NotModelledError, Refused
from reference.local import UnixConnection
from reference.local_datagrams import UnixDatagram
from reference.names import ADDRESS_BYTES, UNNAMED, Name, size_of
from reference.readiness import poll, select
from reference.sockets import Fields, Parked, Socket, Waiting
from reference.states import DESCRIPTORS

if TYPE_CHECKING:
    from reference.system import System

# Standard input, output and error are there from the start.
_FIRST = 3
_DOMAINS = {"unix": 1, "inet": 2, "inet6": 10}
_TYPES = {"stream": 1, "dgram": 2, "seqpacket": 5}
# Kind of socket: the protocols it may be asked for, by word and by number. Source: POSIX.1-2024 <netinet/in.h>.
_PROTOCOLS: Mapping[str, tuple[str | int, ...]] = {
    "inet-stream": (0, "tcp", 6),
    "inet6-stream": (0, "tcp", 6),
    "inet-dgram": (0, "udp", 17),
    "inet6-dgram": (0, "udp", 17),
    "unix-stream": (0, 1),
    "unix-dgram": (0, 1),
    "unix-seqpacket": (0, 1),
}
_SOMAXCONN = 4096


class Process:
    """A process: a table from descriptors to sockets."""

    table = DESCRIPTORS

    def __init__(self, system: System) -> None:
        """Begin without sockets."""
        self.system = system
        self.sockets: dict[int, Socket] = {}
        self.free: list[int] = []
        self.next = _FIRST

    def call(self, op: str, args: Mapping[str, Any]) -> Fields | Refused | Parked:
        """Make a call; see the package for what it gives."""
        system = self.system
        result: Fields | Refused | Parked
        try:
            steps = CALLS[op](self, args)
            result = system.run(steps) if type(steps) is GeneratorType else steps
            if type(result) is Parked:
                result.hold(self._used(args))
        except Error as error:
            result = Refused(error.errno, error.signals)
        if system.is_anybody_parked:
            system.settle()
        return result

    def _used(self, args: Mapping[str, Any]) -> tuple[Socket, ...]:
        """Give the sockets that a call holds on to while it waits."""
        numbers = [args["sock"]] if "sock" in args else [number for number, _ in args.get("watch", ())]
        return tuple(self.sockets[number] for number in numbers if number in self.sockets)

    def fork(self) -> Process:
        """Start a process that has every descriptor of this one. Source: POSIX.1-2024 fork()."""
        child = copy.copy(self)
        child.sockets, child.free = dict(self.sockets), list(self.free)
        for sock in child.sockets.values():
            sock.references += 1
        return child

    def refusal(self, situation: str) -> Error:
        """Give the error that the table has for a situation."""
        return Error(self.table.errno[situation])

    # -- numbers ----------------------------------------------------------------------------------------------

    def socket_of(self, number: int) -> Socket:
        """Give the socket behind a descriptor."""
        sock = self.sockets.get(number)
        if sock is None:
            raise self.refusal("not an open descriptor")
        return sock

    def open_socket(self, number: int) -> Socket | None:
        """Give the socket behind a descriptor, or None."""
        return self.sockets.get(number)

    def install(self, sock: Socket) -> int:
        """Give a socket the lowest free number. Source: POSIX.1-2024 2.6."""
        number = heapq.heappop(self.free) if self.free else self.next
        if number == self.next:
            self.next += 1
        self.sockets[number] = sock
        sock.references += 1
        return number

    def remove(self, number: int) -> None:
        """Give a number back; the last one of a socket ends it. Source: POSIX.1-2024 close()."""
        sock = self.sockets.pop(number)
        heapq.heappush(self.free, number)
        self.system.let_go(sock)

    def address_of(self, args: Mapping[str, Any]) -> Name | None:
        """Give the address among the arguments; one that fits no family is refused before any socket sees it."""
        name: Name | None = args.get("addr")
        if name is not None and size_of(name) > ADDRESS_BYTES:
            raise self.refusal("address longer than any")
        return name

    # -- making sockets ---------------------------------------------------------------------------------------

    def kind_of(self, args: Mapping[str, Any]) -> str:
        """Give the kind of socket that was asked for, or refuse it. Source: POSIX.1-2024 socket(), ERRORS."""
        domain, kind, protocol = args["domain"], args["type"], args.get("proto") or 0
        if kind not in _TYPES:
            raise self.refusal("unknown type")
        if domain not in _DOMAINS:
            raise self.refusal("unknown family")
        name = f"{domain}-{kind}"
        if name not in _PROTOCOLS:
            raise self.refusal("type not in the family")
        if protocol == "icmp":
            raise NotModelledError("sockets for ICMP are not modelled")
        if protocol not in _PROTOCOLS[name]:
            raise self.refusal("protocol not in the type")
        return name

    def socket(self, args: Mapping[str, Any]) -> Fields:
        """Make a socket. Source: POSIX.1-2024 socket()."""
        sock = self.system.create(self.kind_of(args))
        sock.is_nonblocking = bool(args.get("nonblock"))
        return {"sock": self.install(sock)}

    def socketpair(self, args: Mapping[str, Any]) -> Fields:
        """Make two connected sockets without names. Source: POSIX.1-2024 socketpair()."""
        kind = self.kind_of(args)
        one = self.system.create(kind)
        if isinstance(one, UnixConnection):
            other: Socket = one.twin("paired")
            one.move("paired")
        elif isinstance(one, UnixDatagram):
            other = self.system.create(kind)
            assert isinstance(other, UnixDatagram)  # noqa: S101 - a part is of the class that it stands for
            one.pair_with(other)
        else:
            raise self.refusal("no pairs in the family")
        return {"sock": self.install(one), "other": self.install(other)}

    def accept(self, args: Mapping[str, Any]) -> Waiting[Fields]:
        """Give the next connection a descriptor of its own; the listener keeps its own.

        Source: POSIX.1-2024 accept().
        """
        new, peer = yield from self.socket_of(args["sock"]).accept()
        new.is_nonblocking = bool(args.get("nonblock"))
        return {"sock": self.install(new), "peer": peer}

    def close(self, args: Mapping[str, Any]) -> Waiting[Fields]:
        """Close a descriptor: it is gone at once, even if the call then waits for data to go out.

        Source: POSIX.1-2024 close(), 2.10.16 SO_LINGER.
        """
        sock = self.socket_of(args["sock"])
        is_last = sock.references == 1
        self.remove(args["sock"])
        if is_last:
            yield from sock.linger()
        return {}

    def dup(self, args: Mapping[str, Any]) -> Fields:
        """Give a second descriptor. Source: POSIX.1-2024 dup()."""
        return {"sock": self.install(self.socket_of(args["sock"]))}


def _bind(process: Process, args: Mapping[str, Any]) -> Fields:
    sock = process.socket_of(args["sock"])
    sock.bind(process.address_of(args) or UNNAMED)
    return {}


def _listen(process: Process, args: Mapping[str, Any]) -> Fields:
    backlog = args.get("backlog", 16)
    process.socket_of(args["sock"]).listen(min(backlog, _SOMAXCONN) if backlog >= 0 else _SOMAXCONN)
    return {}


def _connect(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    sock = process.socket_of(args["sock"])
    yield from sock.connect(process.address_of(args) or UNNAMED)
    return {}


def _flags(args: Mapping[str, Any]) -> tuple[str, ...]:
    return args.get("flags") or ()


def _send(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    sock = process.socket_of(args["sock"])
    return {"count": (yield from sock.send(args["data"], _flags(args), process.address_of(args)))}


def _sendmsg(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    # An address that is too long is cut, not refused. Source: Linux sendmsg(2)
    sock = process.socket_of(args["sock"])
    return {"count": (yield from sock.send(b"".join(args["parts"]), _flags(args), args.get("addr")))}


def _received(process: Process, args: Mapping[str, Any], size: int) -> Waiting[Fields]:
    sock = process.socket_of(args["sock"])
    fields = yield from sock.receive(size, _flags(args))
    fields["eof"] = fields["count"] == 0 and size > 0 and sock.type == "stream"
    return fields


def _recv(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    fields = yield from _received(process, args, args["size"])
    return {"data": fields["data"], "count": fields["count"], "eof": fields["eof"]}


def _read(process: Process, args: Mapping[str, Any]) -> Fields | Waiting[Fields]:
    if not args["size"]:  # POSIX.1-2024 read(): of no bytes there is nothing to wait for
        process.socket_of(args["sock"])
        return {"data": b"", "count": 0, "eof": False}
    return _recv(process, args)


def _recvfrom(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    fields = yield from _received(process, args, args["size"])
    return {"data": fields["data"], "count": fields["count"], "eof": fields["eof"], "peer": fields["peer"]}


def _recvmsg(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    return (yield from _received(process, args, sum(args.get("sizes") or (args["size"],))))


def _shutdown(process: Process, args: Mapping[str, Any]) -> Fields:
    process.socket_of(args["sock"]).shutdown(args["how"])
    return {}


def _getsockname(process: Process, args: Mapping[str, Any]) -> Fields:
    name: Name = process.socket_of(args["sock"]).own_name()
    return {"addr": name}


def _getpeername(process: Process, args: Mapping[str, Any]) -> Fields:
    return {"addr": process.socket_of(args["sock"]).peer_name()}


def _getsockopt(process: Process, args: Mapping[str, Any]) -> Fields:
    return {"value": options.get(process.socket_of(args["sock"]), args["name"], args.get("level"))}


def _setsockopt(process: Process, args: Mapping[str, Any]) -> Fields:
    options.put(process.socket_of(args["sock"]), args["name"], args.get("level"), args["value"])
    return {}


def _nonblock(process: Process, args: Mapping[str, Any]) -> Fields:
    process.socket_of(args["sock"]).is_nonblocking = bool(args["set"])
    return {}


def _unread(process: Process, args: Mapping[str, Any]) -> Fields:
    return {"value": process.socket_of(args["sock"]).unread()}


CALLS: Mapping[str, Callable[[Process, Mapping[str, Any]], Any]] = {
    "socket": lambda process, args: process.socket(args),
    "socketpair": lambda process, args: process.socketpair(args),
    "accept": lambda process, args: process.accept(args),
    "close": lambda process, args: process.close(args),
    "dup": lambda process, args: process.dup(args),
    "bind": _bind,
    "listen": _listen,
    "connect": _connect,
    "send": _send,
    "write": _send,
    "sendto": _send,
    "sendmsg": _sendmsg,
    "recv": _recv,
    "read": _read,
    "recvfrom": _recvfrom,
    "recvmsg": _recvmsg,
    "shutdown": _shutdown,
    "getsockname": _getsockname,
    "getpeername": _getpeername,
    "getsockopt": _getsockopt,
    "setsockopt": _setsockopt,
    "nonblock": _nonblock,
    "poll": poll,
    "select": select,
    "unread": _unread,
}
