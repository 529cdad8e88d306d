"""Streams of bytes, in TCP and AF_UNIX alike: order without boundaries, flow control, and an end.

Source: POSIX.1-2024 2.10.6 SOCK_STREAM, send(), recv(), 2.10.9 Socket Queue Limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference.errors import NotModelledError
from reference.names import UNNAMED, Name
from reference.sockets import Fields, Socket, Waiting

if TYPE_CHECKING:
    from reference.system import System


class Stream(Socket):
    """One end of a connection of bytes."""

    def __init__(self, system: System) -> None:
        """Begin with nothing received."""
        super().__init__(system)
        self.inbox = bytearray()

    # -- receiving --------------------------------------------------------------------------------------------

    def receive(self, size: int, flags: tuple[str, ...]) -> Waiting[Fields]:
        """Take what is there, at least one byte, with MSG_WAITALL all that was asked for; nothing at the end.

        Source: POSIX.1-2024 recv(), MSG_WAITALL, MSG_PEEK; 2.10.16 SO_RCVLOWAT.
        """
        self.before_receive(flags)
        wanted = (size if "MSG_WAITALL" in flags else min(size, self.option("SO_RCVLOWAT"))) or 1
        taken, wait = b"", None
        while True:
            taken = self.take(taken, size, flags)
            if len(taken) >= wanted or (self.inbox and not size):
                break
            if not taken:
                self.check_receive()
            if self.read_ended or self.error is not None:
                break
            wait = wait or self.wait("data", "SO_RCVTIMEO", flags)
            if not (yield wait._replace(for_what=f"data, {len(taken)} bytes have come") if taken else wait):
                if taken:
                    break
                raise self.refusal("would wait")
        return {"data": taken, "count": len(taken), "peer": self.sender(taken or bytes(self.inbox[:1])), "flags": ()}

    def take(self, before: bytes, size: int, flags: tuple[str, ...]) -> bytes:
        """Take bytes from the front of the queue, after those taken before; with MSG_PEEK look at them."""
        if "MSG_PEEK" in flags:
            return bytes(self.inbox[:size])
        more = size - len(before)
        data = before + self.inbox[:more]
        del self.inbox[:more]
        return data

    def sender(self, data: bytes) -> Name:
        """Give the name that comes with data: none on TCP. Source: POSIX.1-2024 recvfrom()."""
        return UNNAMED

    def before_receive(self, flags: tuple[str, ...]) -> None:
        """Refuse what no state of the queue could answer."""
        raise NotImplementedError

    def check_receive(self) -> None:
        """Raise what a receive finds on an empty queue, unless that is the end of the stream or time."""
        raise NotImplementedError

    # -- sending ----------------------------------------------------------------------------------------------

    def send(self, data: bytes, flags: tuple[str, ...], to: Name | None) -> Waiting[int]:
        """Take all the bytes, waiting for room; a call that may not wait takes what fits.

        Source: POSIX.1-2024 send(); Linux send(2).
        """
        self.refuse_urgent(flags)
        self.check_send(flags, to)
        wait = None
        sent = 0
        while True:
            room = self.room()
            if room > 0 and sent < len(data):
                piece = data[sent : sent + room]
                sent += len(piece)
                self.deliver(piece)
            if sent == len(data) and not self.must_wait():
                return sent
            wait = wait or self.wait("room", "SO_SNDTIMEO", flags)
            if not (yield wait._replace(for_what=f"room for {len(data) - sent} more bytes")):
                if sent:
                    return sent
                raise self.refusal("would wait")
            if sent and self.cannot_send():
                return sent
            self.check_send(flags, to)

    def must_wait(self) -> bool:
        """Whether even no bytes cannot be sent yet: the connection is still under way."""
        return False

    def cannot_send(self) -> bool:
        """Whether the direction has ended while a call waited."""
        return self.write_ended or self.error is not None

    def refuse_urgent(self, flags: tuple[str, ...]) -> None:
        """Refuse to guess about urgent data."""
        if "MSG_OOB" in flags:
            raise NotModelledError("urgent data is not modelled")

    def check_send(self, flags: tuple[str, ...], to: Name | None) -> None:
        """Raise why nothing can be sent."""
        raise NotImplementedError

    def room(self) -> int:
        """Give how many bytes can be taken now."""
        raise NotImplementedError

    def deliver(self, data: bytes) -> None:
        """Put data into the queue of the other end."""
        raise NotImplementedError
