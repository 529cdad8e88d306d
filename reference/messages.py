"""Messages with boundaries, in UDP and AF_UNIX alike: each is received alone, whole or cut.

Source: POSIX.1-2024 2.10.6 SOCK_DGRAM, SOCK_SEQPACKET, recv(), recvmsg().
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from reference.names import UNNAMED, Name
from reference.sockets import Fields, Socket, Waiting

if TYPE_CHECKING:
    from reference.system import System

# What the kernel counts for a message beside its bytes. Source: Linux socket(7), SO_SNDBUF, SO_RCVBUF.
OVERHEAD_BYTES = 768


class Message(NamedTuple):
    """A message in a queue, and who sent it: a name, or a socket whose name is looked up when it is received."""

    data: bytes
    sender: Name | Socket


class Messages(Socket):
    """A socket that receives messages."""

    tells_end: ClassVar[bool] = False
    """Whether even a call that may not wait finds the end: a connection has one."""

    def __init__(self, system: System) -> None:
        """Begin with nothing received."""
        super().__init__(system)
        self.inbox: deque[Message] = deque()

    def receive(self, size: int, flags: tuple[str, ...]) -> Waiting[Fields]:
        """Take one message; what does not fit is lost. Source: POSIX.1-2024 recv(), MSG_TRUNC, MSG_PEEK."""
        self.before_receive(flags)
        wait = None
        self.report_error()
        while not self.inbox:
            wait = wait or self.wait("a message", "SO_RCVTIMEO", flags)
            if self.read_ended and (wait.is_allowed or self.tells_end):
                return {"data": b"", "count": 0, "peer": UNNAMED, "flags": ()}
            if not (yield wait):
                raise self.refusal("would wait")
            self.report_error()
        data, sender = self.inbox[0]
        if "MSG_PEEK" not in flags:
            self.drop_first()
        return one_message(data, sender.name if isinstance(sender, Socket) else sender, size, flags)

    def before_receive(self, flags: tuple[str, ...]) -> None:
        """Refuse what no message could answer: nothing, unless a kind says otherwise."""

    def drop_first(self) -> None:
        """Take the first message away, and give back the room that it took."""
        raise NotImplementedError


def one_message(data: bytes, sender: Name, size: int, flags: tuple[str, ...]) -> Fields:
    """Give the first `size` bytes of a message: the rest is lost, and MSG_TRUNC says so.

    As a flag of the call, MSG_TRUNC asks for the whole length. Source: POSIX.1-2024 recvmsg(); Linux recv(2).
    """
    is_cut = len(data) > size
    count = len(data) if "MSG_TRUNC" in flags else min(len(data), size)
    return {"data": data[:size], "count": count, "peer": sender, "flags": ("MSG_TRUNC",) if is_cut else ()}
