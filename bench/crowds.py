"""Crowds for `bench_growth.py`: kernels of the reference model full of sockets, and the calls made in them.

A *crowd* is a kernel with some number of sockets in one condition. A call is made on sockets of the crowd or on new
ones beside it, which are closed after each batch of calls, so the crowd stays as large as it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from reference import Inet, Process, System, Unix

SIZES = (10, 100, 1_000, 10_000)
BATCH = 20  # calls timed as one: the clock is too coarse for a single one
_NS_PER_MINUTE = 60 * 1_000_000_000

Args: TypeAlias = dict[str, Any]
Name: TypeAlias = Inet | Unix
T = TypeVar("T")


# -- crowds ----------------------------------------------------------------------------------------------


class Crowd:
    """A kernel with one process, and the sockets that count as there; what is made beside them is closed `after`."""

    def __init__(self, domain: str, kind: str, add: Callable[[Crowd], None], shared: Name | None) -> None:
        """Begin with nobody; `add` adds one, and a name to share is the only one that is bound."""
        self.domain, self.kind, self.add, self.shared = domain, kind, add, shared
        self.system = System()
        self.process: Process = self.system.process()
        self.members: list[int] = []
        self.pairs: list[tuple[int, int]] = []
        self.doors: list[int] = []
        """Those that listen."""
        self.pause_ns = 2 * _NS_PER_MINUTE
        """How much time passes after a batch: enough for every port to be free again."""
        self.after = ExitStack()
        self._fresh = itertools.count(1024)
        self._turn = itertools.count()

    def do(self, op: str, **args: object) -> Args:
        """Make a call that succeeds."""
        result = self.process.call(op, args)
        if type(result) is not dict:
            raise SystemExit(f"{op} {args}: {result}")
        return result

    def any_of(self, those: Sequence[T]) -> T:
        """Choose one of ten, in turn, spread over all: as many as the smallest crowd has, so memory is as near."""
        return those[next(self._turn) % SIZES[0] * len(those) // SIZES[0]]

    def name(self, ip: str = "127.0.0.1") -> Name:
        """Give a name that nobody has, or the one that all share."""
        if self.shared is not None:
            return self.shared
        number = next(self._fresh)
        return Unix(path=f"/{number}") if self.domain == "unix" else Inet(ip, number)

    def name_of(self, sock: int) -> Name:
        """Give the name of a socket."""
        name: Name = self.do("getsockname", sock=sock)["addr"]
        return name

    def socket(self) -> int:
        """Make a socket."""
        sock = int(self.do("socket", domain=self.domain, type=self.kind)["sock"])
        if self.shared is not None:
            self.do("setsockopt", sock=sock, name="SO_REUSEPORT", value=True)
        return sock

    def bound(self) -> int:
        """Make a socket with a name."""
        sock = self.socket()
        self.do("bind", sock=sock, addr=self.name())
        return sock

    def listener(self) -> int:
        """Make a socket that listens."""
        sock = self.bound()
        self.do("listen", sock=sock, backlog=SIZES[0] * BATCH)
        return sock

    def pair(self) -> tuple[int, int]:
        """Make two ends of a connection; connections of streams are all made at one listener."""
        sock = self.socket()
        if self.kind == "dgram":
            other = self.bound()
            self.do("connect", sock=sock, addr=self.name_of(other))
            self.do("connect", sock=other, addr=self.name_of(sock))
            return sock, other
        if not self.doors:
            self.doors.append(self.listener())
        self.do("connect", sock=sock, addr=self.name_of(self.doors[0]))
        return sock, int(self.do("accept", sock=self.doors[0])["sock"])

    def beside(self, *socks: int) -> int:
        """Have sockets closed after the batch; give the first."""
        for sock in socks:
            self.after.callback(self.do, "close", sock=sock)
        return socks[0]

    def tidy(self, results: Sequence[Any]) -> None:
        """Close what a batch has made, and let time pass."""
        for result in results:
            if type(result) is dict and "sock" in result:
                self.do("close", sock=result["sock"])
        self.after.close()
        self.system.advance(self.system.now + self.pause_ns)
        self.system.ended.clear()


def bound(crowd: Crowd) -> None:
    """Add a socket with a name."""
    crowd.members.append(crowd.bound())


def listening(crowd: Crowd) -> None:
    """Add a socket that listens."""
    crowd.doors.append(crowd.listener())
    crowd.members.append(crowd.doors[-1])


def connected(crowd: Crowd) -> None:
    """Add a connection."""
    crowd.pairs.append(crowd.pair())
    crowd.members += crowd.pairs[-1]


def named(crowd: Crowd) -> None:
    """Add a socket whose name the kernel has chosen."""
    crowd.members.append(crowd.socket())
    crowd.do("bind", sock=crowd.members[-1], addr=Unix())


def unanswered(crowd: Crowd) -> None:
    """Add an attempt to connect to a listener that has no room."""
    if not crowd.members:
        crowd.members.append(crowd.bound())
        crowd.do("listen", sock=crowd.members[0], backlog=0)
        crowd.pause_ns = 0  # or none of the attempts would last
    sock = crowd.socket()
    crowd.do("nonblock", sock=sock, set=True)
    crowd.process.call("connect", {"sock": sock, "addr": crowd.name_of(crowd.members[0])})
    crowd.members.append(sock)


def parked(crowd: Crowd) -> None:
    """Add a socket with a name, and a receive on it that waits; only the first counts as there."""
    sock = crowd.bound()
    crowd.process.call("recv", {"sock": sock, "size": 1})
    crowd.members = crowd.members or [crowd.bound()]


_KINDS: Mapping[str, tuple[str, str]] = {
    "TCP": ("inet", "stream"),
    "UDP": ("inet", "dgram"),
    "UNIX": ("unix", "stream"),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What the sockets of a crowd are like, and how one more is made; calls named here are the only ones."""

    name: str
    kind: str
    add: Callable[[Crowd], None]
    is_shared: bool = False
    only: frozenset[str] = frozenset()
    sizes: tuple[int, ...] = SIZES

    def crowd(self, size: int) -> Crowd:
        """Make a crowd."""
        crowd = Crowd(*_KINDS[self.kind], self.add, Inet("127.0.0.1", 80) if self.is_shared else None)
        for _ in range(size):
            self.add(crowd)
        return crowd


# -- calls: each of these gives the arguments of one, in a crowd ---------------------------------------------


def _door(crowd: Crowd) -> int:
    if not crowd.doors:
        return crowd.beside(crowd.listener())
    return crowd.doors[-1] if crowd.shared is not None else crowd.any_of(crowd.doors)


def _pair(crowd: Crowd) -> tuple[int, int]:
    if crowd.pairs:
        return crowd.any_of(crowd.pairs)
    pair = crowd.pair()
    crowd.beside(*pair)
    return pair


def _correspondents(crowd: Crowd) -> tuple[int, int]:
    """Give who sends and who receives, which need not be connected."""
    return _pair(crowd) if crowd.pairs else (crowd.beside(crowd.bound()), crowd.any_of(crowd.members))


def _receive_after(crowd: Crowd, sock: int) -> None:
    crowd.after.callback(crowd.do, "recv", sock=sock, size=1)


def a_socket(crowd: Crowd) -> Args:
    """Make a socket."""
    return {"domain": crowd.domain, "type": crowd.kind}


def a_name(crowd: Crowd) -> Args:
    """Bind to a name of the program's choice."""
    return {"sock": crowd.beside(crowd.socket()), "addr": crowd.name()}


def any_name(crowd: Crowd) -> Args:
    """Bind to any port, or to any abstract name."""
    return {"sock": crowd.beside(crowd.socket()), "addr": Unix() if crowd.domain == "unix" else Inet("127.0.0.1", 0)}


def a_wildcard(crowd: Crowd) -> Args:
    """Bind to a port at every address."""
    return {"sock": crowd.beside(crowd.socket()), "addr": crowd.name("0.0.0.0")}


def a_taken_name(crowd: Crowd) -> Args:
    """Bind to a name that another socket has."""
    return {"sock": crowd.beside(crowd.socket()), "addr": crowd.name_of(crowd.any_of(crowd.members))}


def a_bound(crowd: Crowd) -> Args:
    """Let a socket with a name listen."""
    return {"sock": crowd.beside(crowd.bound()), "backlog": 1}


def a_listener(crowd: Crowd) -> Args:
    """Connect to a listener, which accepts it afterwards."""
    door = _door(crowd)
    crowd.after.callback(lambda: crowd.do("close", **crowd.do("accept", sock=door)))
    return {"sock": crowd.beside(crowd.socket()), "addr": crowd.name_of(door)}


def a_deaf(crowd: Crowd) -> Args:
    """Connect to a socket with a name that does not listen."""
    return {"sock": crowd.beside(crowd.socket()), "addr": crowd.name_of(crowd.any_of(crowd.members))}


def a_caller(crowd: Crowd) -> Args:
    """Accept a connection that was made before."""
    door, client = _door(crowd), crowd.beside(crowd.socket())
    crowd.do("connect", sock=client, addr=crowd.name_of(door))
    return {"sock": door}


def a_byte(crowd: Crowd) -> Args:
    """Send a byte to the other end of a connection."""
    sock, other = _pair(crowd)
    _receive_after(crowd, other)
    return {"sock": sock, "data": b"x"}


def a_byte_sent(crowd: Crowd) -> Args:
    """Receive a byte that was sent before."""
    sock, other = _pair(crowd)
    crowd.do("send", sock=sock, data=b"x")
    return {"sock": other, "size": 1}


def a_letter(crowd: Crowd) -> Args:
    """Send a datagram to a name."""
    sock, other = _correspondents(crowd)
    _receive_after(crowd, other)
    return {"sock": sock, "data": b"x", "addr": crowd.name_of(other)}


def a_letter_sent(crowd: Crowd) -> Args:
    """Receive a datagram that was sent before."""
    sock, other = _correspondents(crowd)
    crowd.do("sendto", sock=sock, data=b"x", addr=crowd.name_of(other))
    return {"sock": other, "size": 1}


def a_member(crowd: Crowd) -> Args:
    """Ask something of a socket of the crowd."""
    return {"sock": crowd.any_of(crowd.members)}


def a_watch(crowd: Crowd) -> Args:
    """Look at a socket of the crowd."""
    return {"watch": ((crowd.any_of(crowd.members), ("read", "write")),), "timeout": 0}


def one_more(crowd: Crowd) -> Args:
    """Close a socket like those of the crowd."""
    crowd.add(crowd)
    sock = crowd.members.pop()
    if crowd.pairs:
        crowd.pairs.pop()
        crowd.beside(crowd.members.pop())
    if sock in crowd.doors[-1:]:
        crowd.doors.pop()
    return {"sock": sock}


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its arguments, the kinds and conditions that it is for, and its outcome: `dict`, or an errno."""

    label: str
    op: str
    args: Callable[[Crowd], Args]
    kinds: frozenset[str]
    adds: frozenset[Callable[[Crowd], None]] = frozenset()
    outcome: str = "dict"

    def is_for(self, condition: Condition) -> bool:
        """Whether the call is made in this condition."""
        if condition.only and self.label not in condition.only:
            return False
        return condition.kind in self.kinds and (not self.adds or condition.add in self.adds)


_ALL, _STREAM, _INTERNET, _UDP = (frozenset(one.split()) for one in ("TCP UDP UNIX", "TCP UNIX", "TCP UDP", "UDP"))
CALLS = (
    Call("socket", "socket", a_socket, _ALL),
    Call("bind", "bind", a_name, _ALL),
    Call("bind, any", "bind", any_name, _ALL),
    Call("bind, wildcard", "bind", a_wildcard, _INTERNET),
    Call("bind, refused", "bind", a_taken_name, _ALL, frozenset({bound, listening}), "EADDRINUSE"),
    Call("listen", "listen", a_bound, _STREAM),
    Call("connect", "connect", a_listener, _STREAM),
    Call("connect", "connect", a_deaf, _UDP, frozenset({bound})),
    Call("connect, refused", "connect", a_deaf, _STREAM, frozenset({bound}), "ECONNREFUSED"),
    Call("accept", "accept", a_caller, _STREAM),
    Call("send", "send", a_byte, _ALL),
    Call("recv", "recv", a_byte_sent, _ALL),
    Call("sendto", "sendto", a_letter, _UDP),
    Call("recvfrom", "recvfrom", a_letter_sent, _UDP),
    Call("getsockname", "getsockname", a_member, _ALL),
    Call("poll", "poll", a_watch, _ALL),
    Call("dup", "dup", a_member, _ALL),
    Call("close", "close", one_more, _ALL),
)
CONDITIONS = (
    Condition("TCP bound", "TCP", bound),
    Condition("UDP bound", "UDP", bound),
    Condition("UNIX bound", "UNIX", bound),
    Condition("TCP listening", "TCP", listening),
    Condition("UNIX listening", "UNIX", listening),
    Condition("TCP connected", "TCP", connected),
    Condition("UDP connected", "UDP", connected),
    Condition("UNIX connected", "UNIX", connected),
)
"""Those for which the goal is stated."""
CORNERS = (
    Condition("UNIX named by the kernel", "UNIX", named, only=frozenset({"bind, any", "close"})),
    Condition("TCP attempts without an answer", "TCP", unanswered, only=frozenset({"connect", "close"})),
    Condition("TCP listening at one port", "TCP", listening, is_shared=True, only=frozenset({"connect", "close"})),
    Condition("UDP connected at one port", "UDP", connected, is_shared=True, only=frozenset({"sendto", "close"})),
    Condition(
        "UDP receives that wait",
        "UDP",
        parked,
        only=frozenset({"socket", "sendto", "recvfrom", "getsockname"}),
        sizes=SIZES[:-1],
    ),
)
"""Those in which many sockets are in one place, where somebody may have to look at each."""
