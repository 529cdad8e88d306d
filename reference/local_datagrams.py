"""AF_UNIX datagrams: messages between names, reliable and in order, with the receiver's queue as the limit.

Source: POSIX.1-2024 2.10.6 SOCK_DGRAM, sendto(); Linux unix(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference.local import RESERVED_BYTES, UnixSocket
from reference.messages import OVERHEAD_BYTES, Message, Messages
from reference.names import UNNAMED, Name
from reference.sockets import Readiness, Waiting
from reference.states import UNIX_DATAGRAM

if TYPE_CHECKING:
    from reference.system import System

# How many messages may wait before the next one. Source: Linux unix(7), /proc/sys/net/unix/max_dgram_qlen.
_QUEUE_LENGTH = 10


class UnixDatagram(Messages, UnixSocket):
    """An AF_UNIX datagram socket."""

    table = UNIX_DATAGRAM
    type = "dgram"

    def __init__(self, system: System) -> None:
        """Make a socket without a peer and without a name: it can send, and nobody can answer."""
        super().__init__(system)
        self.peer: UnixDatagram | None = None
        self.used = 0
        """What of the send buffer waits in queues of others."""
        self.is_closed = False

    # -- peers ------------------------------------------------------------------------------------------------

    def connect(self, name: Name) -> Waiting[None]:
        """Note down the peer, which must be there and must not be connected elsewhere. Source: Linux unix(7)."""
        found = self.find(name)
        assert isinstance(found, UnixDatagram)  # noqa: S101 - it is of the same type
        if not found.listens_to(self):
            raise self.refusal("connected to another")
        before, self.peer = self.peer, found
        self.move("connect")
        if before is not None and before is not found:
            self.part_from(before)
        yield from ()  # the peer is asked nothing, so there is nothing to wait for

    def pair_with(self, other: UnixDatagram) -> None:
        """Become one end of a pair. Source: POSIX.1-2024 socketpair()."""
        for one, its_peer in ((self, other), (other, self)):
            one.move("paired")
            one.peer = its_peer

    def listens_to(self, sender: UnixDatagram) -> bool:
        """Whether messages of this sender are taken: a connected socket hears its peer alone."""
        return self.peer is None or self.peer is sender

    def part_from(self, before: UnixDatagram) -> None:
        """Forget what the old peer has sent; one that is still connected here is told. Source: Linux unix(7)."""
        if self.inbox:
            while self.inbox:
                self.drop_first()
            if not before.is_closed and before.peer is self:
                before.error = self.table.errno["reset by the peer"]

    def peer_name(self) -> Name:
        """Give the name of the peer. Source: POSIX.1-2024 getpeername()."""
        self.permit("getpeername")
        return self.peer.name if self.peer is not None else UNNAMED

    # -- messages ---------------------------------------------------------------------------------------------

    def send(self, data: bytes, flags: tuple[str, ...], to: Name | None) -> Waiting[int]:
        """Send one message, whole, waiting for room in the receiver's queue.

        Source: POSIX.1-2024 sendto(); Linux unix(7).
        """
        if "MSG_OOB" in flags:
            raise self.refusal("no urgent data in messages")
        if to is not None:
            self.read_address(to)
        if len(data) > self.option("SO_SNDBUF") - RESERVED_BYTES:
            raise self.refusal("too long")
        wait = None
        while True:
            self.report_error()
            if self.write_ended:
                raise self.refusal("shut down for sending")
            if to is None:
                self.permit("send")
            receiver = self.receiver(to)
            if self.used < self.option("SO_SNDBUF") and receiver.has_room_for(self):
                break
            wait = wait or self.wait("room for one more message", "SO_SNDTIMEO", flags)
            if not (yield wait):
                raise self.refusal("would wait")
        receiver.inbox.append(Message(data, self))
        self.used += len(data) + OVERHEAD_BYTES
        return len(data)

    def receiver(self, to: Name | None) -> UnixDatagram:
        """Find who gets a message, and whether it may have it."""
        found = self.peer if to is None else self.find(to)
        if not isinstance(found, UnixDatagram):
            raise self.refusal("nobody behind the path")
        if found.is_closed:
            self.lose_peer()
        if not found.listens_to(self):
            raise self.refusal("connected to another")
        if found.read_ended:
            raise self.refusal("shut down for sending")
        return found

    def lose_peer(self) -> None:
        """Learn on sending that the peer is gone: that ends the connection. Source: Linux unix(7) ECONNREFUSED."""
        before, self.peer = self.peer, None
        self.move("peer is gone")
        if before is not None:
            self.part_from(before)
        raise self.refusal("peer is gone")

    def has_room_for(self, sender: UnixDatagram) -> bool:
        """Whether one more message fits; a peer is limited by its own buffer alone. Source: Linux unix(7)."""
        return self.peer is sender or self is sender or len(self.inbox) <= _QUEUE_LENGTH

    def before_receive(self, flags: tuple[str, ...]) -> None:
        """Refuse urgent data."""
        if "MSG_OOB" in flags:
            raise self.refusal("no urgent data in messages")

    def drop_first(self) -> None:
        """Take the first message away and give its sender the room back."""
        message = self.inbox.popleft()
        assert isinstance(message.sender, UnixDatagram)  # noqa: S101 - only datagrams come here
        message.sender.used -= len(message.data) + OVERHEAD_BYTES

    # -- the end ------------------------------------------------------------------------------------------------

    def shutdown(self, how: str) -> None:
        """End directions of this socket alone. Source: POSIX.1-2024 shutdown(); Linux unix(7)."""
        self.read_ended |= how != "wr"
        self.write_ended |= how != "rd"

    def close(self) -> None:
        """Be found no more, and give the senders their room back; a peer learns of it when it sends."""
        self.is_closed = True
        self.lose_name()
        while self.inbox:
            self.drop_first()

    # -- what can be seen -------------------------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Say what would not wait. Source: POSIX.1-2024 poll(); Linux unix(7)."""
        has_ended = self.read_ended and self.write_ended
        is_writable = self.used * 4 <= self.option("SO_SNDBUF")
        if self.peer is not None and self.peer.peer is not self:
            is_writable = is_writable and self.peer.has_room_for(self)
        return Readiness(bool(self.inbox) or self.read_ended, is_writable, has_ended, self.error is not None)

    def unread(self) -> int:
        """Give the size of the next message. Source: Linux unix(7), SIOCINQ."""
        return len(self.inbox[0].data) if self.inbox else 0
