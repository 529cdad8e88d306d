"""What every socket has, whatever its kind: a state, options, a pending error, and the way it waits.

A call that may wait is a generator. It yields a `Wait` when it cannot go on and is sent `True` when something
has changed, so that it looks again, or `False` when it may not wait or may wait no longer. So each call reads as
it would in a kernel: *while there is nothing, wait*. Whether the waiting is done by a parked call on virtual
time, by a thread, or not at all is not its business.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, TypeVar

from reference.errors import Error, Refused
from reference.names import UNNAMED, Name
from reference.states import OPTIONS
from reference.tables import Table

if TYPE_CHECKING:
    from reference.system import System


class Wait(NamedTuple):
    """What a call waits for, until when (nanoseconds of virtual time; None: for ever), and whether it may."""

    for_what: str
    until: int | None
    is_allowed: bool = True


T = TypeVar("T")
Waiting: TypeAlias = Generator[Wait, bool, T]
Fields: TypeAlias = dict[str, Any]

_NOT_AT_ALL = Wait("", None, is_allowed=False)
_NS_PER_MS = 1_000_000
# Buffer sizes in bytes that a new socket has. Source: Linux socket(7), rmem_default and wmem_default.
BUFFER_BYTES = 212_992
DEFAULTS: Mapping[str, Any] = {
    "SO_SNDBUF": BUFFER_BYTES,
    "SO_RCVBUF": BUFFER_BYTES,
    "SO_RCVLOWAT": 1,
    "SO_RCVTIMEO": 0,
    "SO_SNDTIMEO": 0,
    "SO_LINGER": -1,
    "SO_REUSEADDR": False,
    "SO_REUSEPORT": False,
    "IPV6_V6ONLY": False,
}


class Readiness(NamedTuple):
    """What poll() says of a socket. Source: POSIX.1-2024 poll()."""

    read: bool
    write: bool
    hangup: bool
    error: bool


class Socket:
    """A socket of any kind; the kinds are its subclasses, and each has the table of its rules."""

    table: ClassVar[Table]
    option_table: ClassVar[Table] = OPTIONS
    domain: ClassVar[str]
    type: ClassVar[str]
    protocol: ClassVar[str | int] = 0
    listening: ClassVar[str | None] = None
    """The state in which sockets of this kind accept connections, if they have one."""

    def __init__(self, system: System) -> None:
        """Make an unnamed socket in the initial state of its table. Source: POSIX.1-2024 socket()."""
        self.system = system
        self.state = self.table.initial
        self.options: dict[str, Any] = {}
        self.name: Name = UNNAMED
        self.error: str | None = None
        self.read_ended = False
        self.write_ended = False
        self.is_nonblocking = False
        self.references = 0

    # -- rules ------------------------------------------------------------------------------------------

    def permit(self, call: str) -> None:
        """Raise if the table refuses this call in this state."""
        errno = self.table.refused.get((call, self.state))
        if errno is not None:
            raise Error(errno)

    def move(self, event: str) -> None:
        """Go to the state that the table gives for this event."""
        self.state = self.table.next_state[self.state, event]

    def may_move(self, event: str) -> bool:
        """Whether the event means anything in this state."""
        return (self.state, event) in self.table.next_state

    def refusal(self, situation: str, signals: tuple[str, ...] = ()) -> Error:
        """Give the error that the table has for a situation."""
        return Error(self.table.errno[situation], signals)

    def option(self, name: str) -> Any:  # noqa: ANN401 - an option is a number, a truth value or a word
        """Give the value of an option."""
        value = self.options.get(name)
        return DEFAULTS[name] if value is None else value

    # -- errors that wait ---------------------------------------------------------------------------------

    def take_error(self) -> str | None:
        """Give the pending error and forget it: it is reported once. Source: POSIX.1-2024 2.10.10."""
        error, self.error = self.error, None
        return error

    def report_error(self) -> None:
        """Raise the pending error, if there is one."""
        if self.error is not None:
            raise Error(self.take_error() or "")

    # -- waiting ------------------------------------------------------------------------------------------

    def wait(self, for_what: str, limit: str, flags: Iterable[str] = ()) -> Wait:
        """Say how long a call may wait: not at all, until the time limit of that option, or for ever.

        Source: POSIX.1-2024 2.10.7 Socket I/O Mode, 2.10.16 SO_RCVTIMEO, SO_SNDTIMEO; Linux recv(2) MSG_DONTWAIT.
        """
        if self.is_nonblocking or "MSG_DONTWAIT" in flags:
            return _NOT_AT_ALL
        milliseconds = self.option(limit)
        return Wait(for_what, self.system.now + milliseconds * _NS_PER_MS if milliseconds else None)

    # -- what each kind does in its own way -----------------------------------------------------------------

    def bind(self, name: Name) -> None:
        """Give the socket a name."""
        raise NotImplementedError

    def listen(self, backlog: int) -> None:
        """Let connections in: the kinds that can override this, the others refuse in every state."""
        self.permit("listen")

    def accept(self) -> Waiting[tuple[Socket, Name]]:
        """Wait for a connection; give its socket and the name of the client."""
        yield from ()
        self.permit("accept")
        raise NotImplementedError

    def connect(self, name: Name) -> Waiting[None]:
        """Connect to a name."""
        raise NotImplementedError

    def send(self, data: bytes, flags: tuple[str, ...], to: Name | None) -> Waiting[int]:
        """Send; give how many bytes were taken."""
        raise NotImplementedError

    def receive(self, size: int, flags: tuple[str, ...]) -> Waiting[Fields]:
        """Receive at most `size` bytes; give `data`, `count`, the `peer` they are from, and `flags`."""
        raise NotImplementedError

    def shutdown(self, how: str) -> None:
        """End one or both directions; `how` is `rd`, `wr` or `rdwr`."""
        raise NotImplementedError

    def close(self) -> None:
        """The last descriptor is gone: the socket ends. Source: POSIX.1-2024 close()."""
        raise NotImplementedError

    def linger(self) -> Waiting[None]:
        """Wait, after the last close(), until data has gone out: only TCP may have to."""
        yield from ()

    def own_name(self) -> Name:
        """Give what getsockname() gives."""
        return self.name

    def peer_name(self) -> Name:
        """Give what getpeername() gives."""
        raise NotImplementedError

    def readiness(self) -> Readiness:
        """Give what poll() says."""
        raise NotImplementedError

    def unread(self) -> int:
        """Give how many bytes the next receive could take."""
        raise NotImplementedError


class Parked:
    """A call that waits. `outcome` is None until it ends; `until` is virtual time in nanoseconds, or None."""

    __slots__ = ("outcome", "sockets", "steps", "wait")

    def __init__(self, steps: Waiting[Fields], wait: Wait) -> None:
        """Keep a call that has yielded `wait`."""
        self.steps = steps
        self.wait = wait
        self.sockets: tuple[Socket, ...] = ()
        self.outcome: Fields | Refused | None = None

    def hold(self, sockets: tuple[Socket, ...]) -> None:
        """Keep sockets open as long as the call waits for them, whatever becomes of their descriptors."""
        self.sockets = sockets
        for sock in sockets:
            sock.references += 1

    @property
    def waits_for(self) -> str:
        """What has to happen."""
        return self.wait.for_what

    @property
    def until(self) -> int | None:
        """When it ends by itself."""
        return self.wait.until
