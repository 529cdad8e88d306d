"""Writes conversations at random: calls that reach interesting states more often than chance would.

The author follows what its steps would do if all went well, and prefers calls that make sense: it accepts where
somebody has connected, and sends where somebody may receive. One call in a few is made on a socket of any kind in
any state, closed ones included. Every socket is non-blocking from birth, so that no call waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from grader.model.marks import Mark
from grader.model.scenarios import AddressSpec, Case, Scenario, Step
from grader.model.values import InetParts, Ref, SockRef, UnixAddress, Value, Watch
from tests.agreement import words

T = TypeVar("T")
Draw = Callable[[int], int]  # gives a number from 0 to below its argument
_MARK = Mark("conversation.yaml", 1, 1)
_SCENARIO = Scenario("conversation", "agreement", "both sides say the same", _MARK)


@dataclass(slots=True, eq=False)
class Socket:
    """A socket as the steps so far should have left it."""

    name: str
    domain: str
    type: str
    phase: str = "new"  # new, bound, listening, connected, closed
    address: Value = None
    waiting: int = 0  # connections nobody has accepted
    incoming: int = 0  # messages nobody has received
    peer: Socket | None = None


@dataclass(slots=True)
class Author:
    """Writes one conversation, rule by rule."""

    draw: Draw
    kinds: Sequence[tuple[str, str]] = words.KINDS
    steps: list[Step] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)
    reached: list[tuple[Value, str]] = field(default_factory=list)
    count: int = 0
    spreads: bool = False

    # -- choosing ----------------------------------------------------------------------------------------

    def of(self, items: Sequence[T]) -> T:
        """Choose one of several."""
        return items[self.draw(len(items))]

    def chance(self, one_in: int) -> bool:
        """Say yes once in so many times."""
        return self.draw(one_in) == one_in - 1

    def some(self, *phases: str, kinds: Sequence[str] = ()) -> Socket:
        """Choose a socket, most often one in these phases and of these types; makes one if there is none."""
        open_ones = [sock for sock in self.sockets if sock.phase != "closed"]
        fitting = [
            sock for sock in open_ones if (not phases or sock.phase in phases) and (not kinds or sock.type in kinds)
        ]
        if fitting and not self.chance(6):
            return self.of(fitting)
        if open_ones and not self.chance(8):
            return self.of(open_ones)
        return self.of(self.sockets) if self.sockets else self.open()

    def kind(self, *types: str) -> tuple[str, str]:
        """Choose a kind of socket, most often one of those that this conversation is about."""
        wanted = [kind for kind in self.kinds if not types or kind[1] in types]
        if wanted and not self.chance(12):
            return self.of(wanted)
        return self.of([kind for kind in words.KINDS if not types or kind[1] in types])

    def fresh(self, letter: str) -> str:
        """Give a name that is not in use."""
        self.count += 1
        return f"{letter}{self.count}"

    # -- writing -----------------------------------------------------------------------------------------

    def step(self, op: str, sock: str = "", binds: tuple[str, ...] = (), **args: Value) -> None:
        """Write one step; an argument of None is left out."""
        given = {"sock": SockRef(sock) if sock else None, **args}
        kept = {name: value for name, value in given.items() if value is not None}
        self.steps.append(Step(str(len(self.steps)), op, _MARK, kept, binds=binds))

    def open(self, kind: tuple[str, str] | None = None) -> Socket:
        """Open a socket."""
        domain, type_ = kind or self.kind()
        sock = Socket(self.fresh("s"), domain, type_)
        self.step("socket", binds=(sock.name,), domain=domain, type=type_, nonblock=True)
        self.sockets.append(sock)
        return sock

    def bind(self, sock: Socket, address: Value) -> None:
        """Bind, and find out the name if the system chooses it."""
        self.step("bind", sock.name, addr=address)
        sock.phase, sock.address = "bound", address
        if isinstance(address, Ref) and address.name in words.CHOSEN:
            self.ask(sock)
        elif address not in [known for known, _ in self.reached]:
            self.reached.append((address, sock.domain))

    def ask(self, sock: Socket) -> Value:
        """Ask for the name of a socket, so that others can go there."""
        found = Ref(self.fresh("a"))
        self.step("getsockname", sock.name, binds=(found.name,))
        sock.address = found
        self.reached.append((found, sock.domain))
        return found

    def set(self, sock: Socket, name: str, value: Value, level: str | None = None) -> None:
        """Set an option; SO_REUSEPORT once only: which of two sockets at one port is served would be chance."""
        if name == "SO_REUSEPORT" and self.spreads:
            name = "SO_REUSEADDR"
        self.spreads |= name == "SO_REUSEPORT"
        self.step("setsockopt", sock.name, name=name, level=level, value=value)

    def name_for(self, domain: str) -> Value:
        """Choose an address to bind to."""
        if self.chance(20):
            domain = self.of(words.DOMAINS)
        usual = self.of(words.USUAL[domain])
        if not self.chance(4):
            return Ref(usual)
        if domain == "unix":
            return words.NO_FOLDER if self.chance(4) else Ref(self.of(words.UNUSUAL[domain]))
        if self.chance(2):
            return Ref(self.of(words.UNUSUAL[domain]))
        return InetParts(self.of(words.IPS[domain]), Ref(usual, "port"))

    def beside(self, address: Value, domain: str) -> Value:
        """Give an address, or now and then another one with its port."""
        if domain != "unix" and isinstance(address, Ref) and self.chance(3):
            return InetParts(self.of(words.IPS[domain]), Ref(address.name, "port"))
        return address

    def target_for(self, sock: Socket) -> Value:
        """Choose where to connect or send to: most often where some socket is."""
        there = [other for other in self.sockets if other.address is not None and other.domain == sock.domain]
        best = [other for other in there if (other.phase == "listening") == (sock.type != "dgram")]
        best = [other for other in best if other.type == sock.type and other.phase != "closed"] or there
        if best and not self.chance(5):
            found: Value = self.of(best).address
            return self.beside(found, sock.domain) if self.chance(3) else found
        if self.reached and self.chance(2):
            return self.of(self.reached)[0]
        return self.name_for(sock.domain)

    def data(self) -> bytes:
        """Make up a few bytes, each message in a letter of its own; now and then bytes of every kind."""
        self.count += 1
        length = self.of(words.LENGTHS)
        return bytes(range(256))[-length:] if self.chance(20) else bytes([97 + self.count % 26]) * length


def case_of(steps: Sequence[Step]) -> Case:
    """Make a case of these steps, with the addresses that they use."""
    numbered = tuple(replace(step, path=str(number)) for number, step in enumerate(steps))
    used = {name for step in numbered for value in step.args.values() for name in names_in(value)}
    addresses = {name: AddressSpec(*words.ADDRESSES[name]) for name in sorted(used & words.ADDRESSES.keys())}
    return Case("agreement/conversation", _SCENARIO, numbered, addresses=addresses)


def names_in(value: Value) -> tuple[str, ...]:
    """Give the names that a value refers to."""
    match value:
        case Ref(name) | SockRef(name):
            return (name,)
        case InetParts(ip, port):
            return (*names_in(ip), *names_in(port))
        case Watch(sock):
            return (sock.name,)
        case tuple():
            return tuple(name for item in value for name in names_in(item))
        case UnixAddress() | _:
            return ()
