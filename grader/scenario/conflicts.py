"""Lint L16: a step that gives its call two reasons to fail at once, and names one errno.

The steps of a case are followed as if each did what it expects; a socket is known by what was done to it.
What cannot be known this way (a connection in progress, a race) makes a socket `hazy`, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from grader.model.expectations import Failure, Success
from grader.model.scenarios import Case, Step
from grader.model.values import Ref, SockRef, Value
from grader.ops import SHARED_ERRNOS


@dataclass(slots=True, eq=False)
class _Socket:
    """One socket as the steps so far have left it."""

    domain: str
    type: str
    address: Value = None
    peer: _Socket | None = None
    connected: bool = False
    listening: bool = False
    shut: set[str] = field(default_factory=set)
    shares: bool = False
    hazy: bool = False
    copies: int = 1

    @property
    def connects(self) -> bool:
        """Whether its type has connections that are accepted."""
        return self.type in ("stream", "seqpacket")


@dataclass(slots=True)
class _World:
    """The sockets of a case by name, the paths in the file system, the connections nobody has accepted."""

    case: Case
    sockets: dict[str, _Socket] = field(default_factory=dict)
    paths: set[Value] = field(default_factory=set)
    waiting: list[tuple[Value, _Socket]] = field(default_factory=list)

    def holders(self, address: Value) -> list[_Socket]:
        """Give the open sockets that have this address."""
        open_ones = {id(socket): socket for socket in self.sockets.values() if socket.copies > 0}
        return [socket for socket in open_ones.values() if socket.address is not None and socket.address == address]

    def kind(self, address: Value) -> str:
        """Give the kind of a placeholder, or nothing for any other address."""
        spec = self.case.addresses.get(address.name) if isinstance(address, Ref) and address.field is None else None
        return spec.kind if spec else ""


_Test = Callable[[_Socket, Value, _World], bool]


def _address_in_use(socket: _Socket, address: Value, world: _World) -> bool:
    if socket.shares:
        return False
    if socket.domain == "unix":
        return address in world.paths
    others = (other for other in world.holders(address) if other is not socket)
    return any(other.type == socket.type and not other.shares for other in others)


def _nobody_listens(socket: _Socket, address: Value, world: _World) -> bool:
    if not socket.connects or world.kind(address) not in ("fresh", "unused", "stale"):
        return False
    return not any(other.listening for other in world.holders(address))


def _peer_closed(socket: _Socket, address: Value, world: _World) -> bool:
    return socket.peer is not None and socket.peer.copies == 0


_TESTS: dict[str, _Test] = {
    "already-bound": lambda socket, address, world: socket.address is not None,
    "address-in-use": _address_in_use,
    "not-local": lambda socket, address, world: world.kind(address) == "foreign",
    "other-family": lambda socket, address, world: world.kind(address) == "otherfam",
    "already-connected": lambda socket, address, world: socket.connects and socket.connected,
    "listening": lambda socket, address, world: socket.listening,
    "not-listening": lambda socket, address, world: socket.connects and not socket.listening,
    "no-connections": lambda socket, address, world: not socket.connects,
    "shut-down": lambda socket, address, world: bool(socket.shut & {"wr", "rdwr"}),
    "nobody-listens": _nobody_listens,
    "not-connected": lambda socket, address, world: socket.connects and not socket.connected,
    "peer-closed": _peer_closed,
}


def conflicts(case: Case) -> Iterator[tuple[Step, tuple[str, ...]]]:
    """Give each step that names one errno while two conditions hold, with those conditions."""
    if any(len(_errnos(step)) == 1 for step in case.every_step):
        yield from _follow(case.steps, _World(case))


def _follow(steps: tuple[Step, ...], world: _World) -> Iterator[tuple[Step, tuple[str, ...]]]:
    for step in steps:
        found = _conditions(step, world) if len(_errnos(step)) == 1 else ()
        if len(found) > 1:
            yield step, found
        yield from _follow(step.nested, world)
        if step.op == "race":
            yield from _follow(step.trigger, world)
            for socket in world.sockets.values():
                socket.hazy = True
        elif _succeeds(step):
            _EFFECTS.get(step.op, _no_effect)(step, world)
        elif step.op == "connect":
            _blur(step, world)


def _errnos(step: Step) -> set[str]:
    """Give the errnos that a step allows, or none if it also allows something else."""
    if _succeeds(step):
        return set()  # nearly always
    patterns = [alternative.pattern for alternative in step.expect.alternatives]
    if step.expect.negated or not all(isinstance(pattern, Failure) and pattern.errnos for pattern in patterns):
        return set()
    return {errno for pattern in patterns if isinstance(pattern, Failure) for errno in pattern.errnos}


def _conditions(step: Step, world: _World) -> tuple[str, ...]:
    op = "send" if step.op in ("write", "send_all") else step.op
    socket = _socket(step, world)
    if socket is None or socket.hazy or socket.copies == 0 or op not in SHARED_ERRNOS:
        return ()
    return tuple(name for name in SHARED_ERRNOS[op] if _TESTS[name](socket, step.args.get("addr"), world))


def _socket(step: Step, world: _World) -> _Socket | None:
    sock = step.args.get("sock")
    return world.sockets.get(sock.name) if isinstance(sock, SockRef) else None


def _succeeds(step: Step) -> bool:
    first = step.expect.alternatives[0].pattern
    return isinstance(first, Success) and not step.expect.negated and not step.expect.blocks


def _blur(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None:
        socket.hazy = True  # in progress, refused or cut short: what state it is in depends on the system


def _no_effect(step: Step, world: _World) -> None:
    return


def _make(step: Step, world: _World) -> None:
    domain, kind = str(step.args.get("domain")), str(step.args.get("type"))
    ends = [_Socket(domain, kind) for _ in step.binds]
    if len(ends) == 2:
        for end, other in zip(ends, reversed(ends), strict=True):
            end.peer, end.connected = other, True
    world.sockets.update(zip(step.binds, ends, strict=True))


def _bind(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None:
        socket.address = step.args.get("addr")
        if socket.domain == "unix":
            world.paths.add(socket.address)


def _listen(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None:
        socket.listening = True


def _connect(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None and socket.connects:
        socket.connected = True
        world.waiting.append((step.args.get("addr"), socket))


def _accept(step: Step, world: _World) -> None:
    listener = _socket(step, world)
    if listener is None:
        return
    new = _Socket(listener.domain, listener.type, address=listener.address, connected=True)
    for entry in world.waiting:
        if entry[0] == listener.address:
            new.peer, entry[1].peer = entry[1], new
            world.waiting.remove(entry)
            break
    world.sockets.update(dict.fromkeys(step.binds, new))


def _dup(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None:
        socket.copies += 1
        world.sockets.update(dict.fromkeys(step.binds, socket))


def _close(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None:
        socket.copies -= 1


def _shut(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None:
        socket.shut.add(str(step.args.get("how")))


def _set_option(step: Step, world: _World) -> None:
    socket = _socket(step, world)
    if socket is not None and str(step.args.get("name")).startswith("SO_REUSE"):
        socket.shares = True


def _unlink(step: Step, world: _World) -> None:
    world.paths.discard(step.args.get("addr"))


_EFFECTS: dict[str, Callable[[Step, _World], None]] = {
    "socket": _make,
    "socketpair": _make,
    "bind": _bind,
    "listen": _listen,
    "connect": _connect,
    "accept": _accept,
    "dup": _dup,
    "close": _close,
    "shutdown": _shut,
    "setsockopt": _set_option,
    "unlink": _unlink,
}
