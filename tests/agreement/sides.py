"""One conversation on one side: its steps made as calls of a session, and what was seen, in words both sides share."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.bindings import Names
from grader.model.errors import InternalError
from grader.model.outcomes import Broken, Failed, Outcome, Raised, Succeeded, Unoffered
from grader.model.scenarios import Case, Step
from grader.model.values import Address, InetAddress, Plain, SockRef, UnixAddress
from grader.ops import OPERATIONS
from grader.targets.protocol import Call, Session, Target
from tests.agreement.outgoing import wait_until_sent
from tests.agreement.words import TUNED

# A call that waits is a difference in itself: none is made that may. The host's watchdog ends it then.
_DEADLINE_S = 0.2
_MAY_WAIT = frozenset(name for name, op in OPERATIONS.items() if op.may_block) - {"poll", "select", "close"}

# A number may have two names, as EOPNOTSUPP and ENOTSUP on Linux.
_CANONICAL = {name: errno.errorcode[number] for name, number in vars(errno).items() if name.startswith("E")}
_SENDS = ("send", "write", "sendto", "sendmsg")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step gave.

    `how` is ok, fails, waits, skipped (the call was not made: a name was not bound, or it could wait), unmodelled or
    crashes (then the conversation ends). `kind` is domain and type of the socket that was behind the descriptor.
    """

    how: str
    fields: tuple[tuple[str, object], ...] = ()
    errno: str = ""
    signals: tuple[str, ...] = ()
    kind: tuple[str, str] = field(default=("", ""), compare=False)

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.fields]
        return " ".join((self.errno or self.how, *words, *self.signals))


SKIPPED = Seen("skipped")


@dataclass(slots=True)
class Book:
    """Which sockets' calls may wait, as far as the steps alone tell."""

    shared: dict[str, list[bool]] = field(default_factory=dict)

    def note(self, step: Step) -> None:
        """Follow a step."""
        source = sock_of(step)
        for name in step.binds if OPERATIONS[step.op].main_field == "sock" else ():
            if step.op == "dup":
                self.shared[name] = self.shared.setdefault(source, [False])
            else:
                self.shared[name] = [bool(step.args.get("nonblock"))]
        if step.op == "nonblock":
            self.shared.setdefault(source, [False])[0] = bool(step.args["set"])

    def may_wait(self, step: Step) -> bool:
        """Say whether the call could wait: then it is not made at all."""
        if step.op in ("poll", "select"):
            return step.args.get("timeout") != 0
        return (
            step.op in _MAY_WAIT
            and not self.shared.get(sock_of(step), [False])[0]
            and "MSG_DONTWAIT" not in flags_of(step)
        )


@dataclass(slots=True)
class Symbols:
    """Numbers that differ from side to side, by the order in which they were first seen.

    A descriptor is the n-th that was given, counted once for each number: so a number given again is the same
    symbol, and a side that does not take the lowest free one is found out. Ports and names that the system chose
    are numbered in the same way; those allotted to the case go by their placeholder.
    """

    descriptors: dict[Plain, int] = field(default_factory=dict)
    kinds: dict[Plain, tuple[str, str]] = field(default_factory=dict)
    ports: dict[tuple[str, int], str] = field(default_factory=dict)
    names: dict[UnixAddress, str] = field(default_factory=dict)

    def learn(self, addresses: Mapping[str, Address]) -> None:
        """Take in the addresses that were allotted."""
        for name, address in addresses.items():
            if isinstance(address, UnixAddress):
                self.names[address] = name
            elif address.port:
                self.ports.update(dict.fromkeys((("stream", address.port), ("dgram", address.port)), name))
        self.names[UnixAddress()] = "unnamed"

    def descriptor(self, number: Plain) -> int:
        """Give the symbol of a descriptor."""
        return self.descriptors.setdefault(number, len(self.descriptors))

    def address(self, address: Address, type_: str) -> str:
        """Give an address in symbols; each type of socket has ports of its own."""
        if isinstance(address, UnixAddress):
            return self.names.setdefault(address, f"name-{len(self.names)}")
        seen = sum(symbol.startswith(f"{type_}-") for symbol in self.ports.values())
        port = self.ports.setdefault((type_, address.port), f"{type_}-{seen + 1}") if address.port else "0"
        return f"[{address.ip}]:{port}"

    def seen(self, step: Step, sock: Plain, outcome: Outcome | None) -> Seen:
        """Give what a call on a descriptor came to; of its fields those that are to be compared."""
        kind = self.kind(sock)
        match outcome:
            case Succeeded(fields, signals):
                self.take_in(step, kind, fields)
                shown = sorted(name for name in fields if not _means_nothing(step, kind, name))
                words = tuple((name, self.field(name, fields[name], kind[1])) for name in shown)
                return Seen("ok", words, "", signals, kind)
            case Failed(name, _, signals):
                return Seen("fails", (), _CANONICAL.get(name, name), signals, kind)
            case Unoffered() | Broken():
                return Seen("unmodelled", (("reason", outcome.reason),), kind=kind)
            case Raised(type_, text):
                raise AssertionError(f"{step.op}: {type_}: {text}")
            case _:
                return Seen("waits", kind=kind)

    def kind(self, sock: Plain) -> tuple[str, str]:
        """Give domain and type of the socket behind a descriptor, or of the one that was there last."""
        return self.kinds.get(sock, ("", ""))

    def take_in(self, step: Step, kind: tuple[str, str], fields: Mapping[str, Plain]) -> None:
        """Note the kind of new descriptors: that of the listener, of the original, or the one asked for."""
        for name in ("sock", "other"):
            if name in fields:
                asked = str(step.args.get("domain", "")), str(step.args.get("type", ""))
                self.kinds[fields[name]] = kind if step.op in ("accept", "dup") else asked

    def field(self, name: str, value: Plain, type_: str) -> object:
        """Give one result field in symbols."""
        if name in ("sock", "other"):
            return self.descriptor(value)
        if isinstance(value, (InetAddress, UnixAddress)):
            return self.address(value, type_)
        if name == "ready" and isinstance(value, tuple):
            words = (str(word).partition(".") for word in value)
            return tuple(sorted(f"{self.descriptors.get(int(fd), fd)}.{event}" for fd, _, event in words))
        return tuple(sorted(map(str, value))) if name == "flags" and isinstance(value, tuple) else value


def sock_of(step: Step) -> str:
    """Give the name of the socket of a step, or nothing."""
    sock = step.args.get("sock")
    return sock.name if isinstance(sock, SockRef) else ""


def flags_of(step: Step) -> tuple[object, ...]:
    """Give the MSG_ flags of a step."""
    flags = step.args.get("flags")
    return flags if isinstance(flags, tuple) else ()


def _means_nothing(step: Step, kind: tuple[str, str], field_: str) -> bool:
    """Say whether a field is not to be compared.

    With MSG_TRUNC, TCP throws the bytes away; its buffers and segments follow what is under way. Source: Linux tcp(7).
    """
    is_tcp = kind in {("inet", "stream"), ("inet6", "stream")}
    if field_ == "data":
        return is_tcp and "MSG_TRUNC" in flags_of(step)
    return field_ == "value" and is_tcp and step.args.get("name") in TUNED


def _is_watched_twice(watch: Plain) -> bool:
    """Say whether two rows are of one descriptor, by two of its names: a result names descriptors."""
    rows = [row[0] for row in watch if isinstance(row, tuple)] if isinstance(watch, tuple) else []
    return len(set(rows)) < len(rows)


def play(case: Case, target: Target, left_out: frozenset[int] = frozenset()) -> tuple[Seen, ...]:
    """Make the calls of a case and give what was seen, one for each step up to a crash.

    Args:
        case: The conversation.
        target: The side.
        left_out: The steps whose calls are not made.
    """
    with target.session(case) as session:
        side = _Side(session, is_kernel=target.profile.blocking == "kernel")
        seen: list[Seen] = []
        for number, step in enumerate(case.steps):
            args = side.arguments(step)
            seen.append(SKIPPED if args is None or number in left_out else side.make(number, step, args))
            if seen[-1].how == "crashes":
                break
        return tuple(seen)


class _Side:
    """A session with all that is known of it."""

    def __init__(self, session: Session, *, is_kernel: bool) -> None:
        self.session = session
        self.is_kernel = is_kernel
        self.names = Names(session.addresses, {})
        self.book = Book()
        self.symbols = Symbols()
        self.symbols.learn(session.addresses)

    def arguments(self, step: Step) -> Mapping[str, Plain] | None:
        """Give the arguments of a call, or None if it cannot be made or could wait."""
        self.book.note(step)
        if self.book.may_wait(step):
            return None
        try:
            args = {name: self.names.resolve(value) for name, value in step.args.items()}
        except InternalError:  # a call that was to bind a name has failed
            return None
        return None if _is_watched_twice(args.get("watch")) else args

    def make(self, number: int, step: Step, args: Mapping[str, Plain]) -> Seen:
        """Make a call and give what came of it."""
        sock = args.get("sock")
        try:
            outcome = self.session.issue(Call(number, "main", step.op, args, deadline_s=_DEADLINE_S))
        except Exception as error:  # noqa: BLE001 - a side that falls over differs from one that does not
            return Seen("crashes", (("reason", repr(error)),), kind=self.symbols.kind(sock))
        if isinstance(outcome, Succeeded):
            self.names.bind(step, outcome)
        if self.is_kernel and step.op in _SENDS and isinstance(sock, int):
            wait_until_sent(sock)
        return self.symbols.seen(step, sock, outcome)
