"""AF_UNIX: names in the file system, and connections between sockets of one host.

There is no network between the ends, so everything is known at once: connect() finds the listener or fails, and
what one end does the other feels before the call returns. Source: POSIX.1-2024 2.10.17; Linux unix(7).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from reference.messages import OVERHEAD_BYTES, Message, Messages
from reference.names import PATH_BYTES, UNNAMED, Name, Unix
from reference.sockets import Fields, Readiness, Socket, Waiting
from reference.states import UNIX_SEQPACKET, UNIX_STREAM
from reference.streams import Stream

if TYPE_CHECKING:
    from reference.system import System

# What of the send buffer a message cannot have. Source: Linux unix(7), SO_SNDBUF.
RESERVED_BYTES = 32


class UnixSocket(Socket):
    """A socket of AF_UNIX: how it gets a name and how it is found."""

    domain = "unix"

    # -- names ------------------------------------------------------------------------------------------------

    def read_address(self, name: Name) -> Unix:
        """Give the name that a call was handed, or refuse it: too long, of another family, or none at all."""
        if not isinstance(name, Unix) or name == UNNAMED or len((name.path or "").encode()) >= PATH_BYTES:
            raise self.refusal("not a name")
        return name

    def bind(self, name: Name) -> None:
        """Take a name: a path where nothing stands, or an abstract one.

        Source: POSIX.1-2024 bind(); Linux unix(7).
        """
        if name == UNNAMED:
            self.bind_anywhere()
            return
        wanted = self.read_address(name)
        if wanted.path is not None:
            self.check_path(wanted.path)
        if self.name != UNNAMED:
            raise self.refusal("already bound")
        if wanted.path is not None:
            self.system.files.make_socket(wanted.path, self)
        elif (self.type, wanted.abstract) in self.system.abstract:
            raise self.refusal("address in use")
        else:
            self.system.abstract[self.type, wanted.abstract] = self
        self.name = wanted

    def check_path(self, path: str) -> None:
        """Raise if no file can be made there. Source: POSIX.1-2024 bind() EADDRINUSE, ENOENT."""
        if not self.system.files.has_folder_for(path):
            raise self.refusal("no such folder")
        if self.system.files.type_of(path) != "none":
            raise self.refusal("address in use")

    def bind_anywhere(self) -> None:
        """Take an abstract name of five hexadecimal digits, unless there is a name. Source: Linux unix(7), autobind."""
        if self.name == UNNAMED:
            digits = (f"{number:05x}" for number in self.system.autobound)
            self.name = Unix(abstract=next(one for one in digits if (self.type, one) not in self.system.abstract))
            self.system.abstract[self.type, self.name.abstract] = self

    def lose_name(self) -> None:
        """Be found no more; the file stays. Source: Linux unix(7): the path remains until unlink()."""
        if isinstance(self.name, Unix):
            if self.name.path is not None:
                self.system.files.forget(self.name.path, self)
            elif self.system.abstract.get((self.type, self.name.abstract)) is self:
                del self.system.abstract[self.type, self.name.abstract]

    def find(self, name: Name) -> UnixSocket:
        """Find the socket behind a name, of the same type: each type has its own abstract names, paths are for all.

        Source: POSIX.1-2024 connect(); Linux unix(7).
        """
        wanted = self.read_address(name)
        if wanted.path is not None:
            if self.system.files.type_of(wanted.path) == "none":
                raise self.refusal("no such path")
            found = self.system.files.owner_of(wanted.path)
        else:
            found = self.system.abstract.get((self.type, wanted.abstract))
        if not isinstance(found, UnixSocket):
            raise self.refusal("nobody behind the path")
        if found.type != self.type:
            raise self.refusal("of another type")
        return found


class UnixConnection(UnixSocket):
    """One end of an AF_UNIX connection, or a socket that listens for them."""

    listening = "LISTENING"
    kind: ClassVar[str]

    def __init__(self, system: System) -> None:
        """Make a socket without a peer."""
        super().__init__(system)
        self.other: UnixConnection | None = None
        self.queue: deque[UnixConnection] = deque()
        """Of a listener: connections that nobody has accepted yet."""
        self.backlog = 0
        self.is_closed = False

    # -- connections ------------------------------------------------------------------------------------------

    def listen(self, backlog: int) -> None:
        """Let up to `backlog` + 1 connections wait; a listener needs a name.

        Source: POSIX.1-2024 listen(); Linux unix(7).
        """
        if self.name == UNNAMED:
            raise self.refusal("listener without a name")
        self.permit("listen")
        self.backlog = backlog
        self.move("listen")

    def has_room(self) -> bool:
        """Whether one more connection may wait in the queue."""
        return len(self.queue) <= self.backlog

    def accept(self) -> Waiting[tuple[Socket, Name]]:
        """Take the oldest connection from the queue. Source: POSIX.1-2024 accept()."""
        self.permit("accept")
        wait = self.wait("a connection", "SO_RCVTIMEO")
        while not self.queue:
            if self.read_ended and wait.is_allowed:
                raise self.refusal("listener shut down")
            if not (yield wait):
                raise self.refusal("would wait")
        new = self.queue.popleft()
        return new, new.peer_name()

    def connect(self, name: Name) -> Waiting[None]:
        """Connect, waiting only for room in the listener's queue. Source: POSIX.1-2024 connect(); Linux unix(7)."""
        wait = None
        while True:
            listener = self.find(name)
            assert isinstance(listener, UnixConnection)  # noqa: S101 - it is of the same type
            if listener.state != listener.listening or listener.read_ended:
                raise self.refusal("nobody listens")
            if listener.has_room():
                break
            wait = wait or self.wait("room in the queue of the listener", "SO_SNDTIMEO")
            if not (yield wait):
                raise self.refusal("queue full")
        self.permit("connect")
        self.join(listener)

    def join(self, listener: UnixConnection) -> None:
        """Make the socket of the new connection and queue it: it has the listener's name."""
        new = self.twin("connect arrives")
        new.name = listener.name
        self.move("connect")
        listener.queue.append(new)

    def twin(self, event: str) -> UnixConnection:
        """Make the other end of a connection."""
        new = self.system.create(self.kind)
        assert isinstance(new, UnixConnection)  # noqa: S101 - a part is of the class that it stands for
        new.move(event)
        new.other, self.other = self, new
        return new

    def peer_name(self) -> Name:
        """Give the name of the peer, which may have none. Source: POSIX.1-2024 getpeername()."""
        self.permit("getpeername")
        return self.other.name if self.other is not None else UNNAMED

    def cannot_reach_peer(self) -> bool:
        """Whether nobody takes what is sent: a peer may have ended that direction before it was connected."""
        return self.write_ended or (self.other is not None and self.other.read_ended)

    # -- the end ------------------------------------------------------------------------------------------------

    def shutdown(self, how: str) -> None:
        """End one or both directions at both ends: what one does not send the other cannot receive.

        Source: POSIX.1-2024 shutdown(); Linux unix(7): a socket without a peer is no error.
        """
        if how != "wr":
            self.read_ended = True
            if self.other is not None:
                self.other.write_ended = True
        if how != "rd":
            self.write_ended = True
            if self.other is not None:
                self.other.read_ended = True

    def close(self) -> None:
        """End the connection; a peer whose data nobody has read is told.

        Source: POSIX.1-2024 close(); Linux unix(7).
        """
        self.is_closed = True
        self.lose_name()
        while self.queue:
            self.queue.popleft().drop(is_reset=True)
        self.drop(is_reset=self.has_unread())

    def drop(self, *, is_reset: bool) -> None:
        """Leave the peer alone."""
        other = self.other
        if other is not None:
            other.read_ended = other.write_ended = True
            if is_reset:
                other.error = self.table.errno["reset by the peer"]
        self.is_closed = True

    def has_unread(self) -> bool:
        """Whether something was received that nobody has read."""
        raise NotImplementedError

    def is_readable(self) -> bool:
        """Whether a receive would find something."""
        return self.has_unread()

    # -- what can be seen -------------------------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Say what would not wait. Source: POSIX.1-2024 poll(); Linux unix(7)."""
        has_ended = (self.read_ended and self.write_ended) or self.state == self.table.initial
        is_readable = bool(self.queue) or self.is_readable() or self.read_ended
        is_writable = self.state != self.listening and self.is_writable()
        return Readiness(is_readable, is_writable, has_ended, self.error is not None)

    def is_writable(self) -> bool:
        """Whether at most a quarter of the send buffer is in use. Source: Linux unix(7), select(2)."""
        return self.used() * 4 <= int(self.option("SO_SNDBUF"))

    def used(self) -> int:
        """Give the bytes of the send buffer that wait at the other end."""
        raise NotImplementedError


class UnixStream(Stream, UnixConnection):
    """An AF_UNIX stream."""

    table = UNIX_STREAM
    type = "stream"
    kind = "unix-stream"

    def receive(self, size: int, flags: tuple[str, ...]) -> Waiting[Fields]:
        """Receive; an error that cuts MSG_WAITALL short is forgotten. Source: Linux unix(7)."""
        fields = yield from super().receive(size, flags)
        if "MSG_WAITALL" in flags and "MSG_PEEK" not in flags and 0 < fields["count"] < size:
            self.error = None
        return fields

    def before_receive(self, flags: tuple[str, ...]) -> None:
        """Refuse a socket that was never connected, and urgent data that is not there."""
        self.permit("recv")
        if "MSG_OOB" in flags:
            raise self.refusal("no urgent data")

    def check_receive(self) -> None:
        """Raise the reset of a peer that had data unread. Source: Linux unix(7)."""
        self.report_error()

    def sender(self, data: bytes) -> Name:
        """Give the name of the peer with its data. Source: Linux unix(7)."""
        return self.other.name if data and self.other is not None else UNNAMED

    def check_send(self, flags: tuple[str, ...], to: Name | None) -> None:
        """Raise why nothing can be sent. Source: POSIX.1-2024 send(), sendto(); Linux unix(7)."""
        if to is not None:
            self.permit("sendto")
        self.permit("send")
        if self.cannot_reach_peer():
            raise self.refusal("nobody takes it any more", () if "MSG_NOSIGNAL" in flags else ("SIGPIPE",))

    def room(self) -> int:
        """Give how many bytes can be taken now."""
        return int(self.option("SO_SNDBUF")) - self.used()

    def used(self) -> int:
        """Give the bytes that the peer has not read."""
        return len(self.other.inbox) if isinstance(self.other, UnixStream) else 0

    def deliver(self, data: bytes) -> None:
        """Put data into the peer's queue."""
        if isinstance(self.other, UnixStream):
            self.other.inbox += data

    def has_unread(self) -> bool:
        """Whether bytes wait."""
        return bool(self.inbox)

    def unread(self) -> int:
        """Give the bytes in the queue. Source: Linux unix(7), SIOCINQ."""
        self.permit("unread")
        return len(self.inbox)


class UnixSeqpacket(Messages, UnixConnection):
    """An AF_UNIX connection of messages: as a stream in its course, as datagrams in its boundaries."""

    table = UNIX_SEQPACKET
    type = "seqpacket"
    kind = "unix-seqpacket"
    tells_end = True

    def __init__(self, system: System) -> None:
        """Begin with nothing received."""
        super().__init__(system)
        self.inbox_bytes = 0

    def send(self, data: bytes, flags: tuple[str, ...], to: Name | None) -> Waiting[int]:
        """Send one message, whole; an address is ignored, and no signal is raised. Source: Linux unix(7)."""
        wait = None
        self.report_error()
        self.permit("send")
        if "MSG_OOB" in flags:
            raise self.refusal("no urgent data in messages")
        if len(data) > self.option("SO_SNDBUF") - RESERVED_BYTES:
            raise self.refusal("too long")
        other = self.other
        while True:
            self.report_error()
            if self.cannot_reach_peer() or not isinstance(other, UnixSeqpacket):
                raise self.refusal("nobody takes it any more")
            if self.used() < self.option("SO_SNDBUF"):
                break
            wait = wait or self.wait("room for one more message", "SO_SNDTIMEO", flags)
            if not (yield wait):
                raise self.refusal("would wait")
        other.inbox.append(Message(data, self))
        other.inbox_bytes += len(data) + OVERHEAD_BYTES
        return len(data)

    def before_receive(self, flags: tuple[str, ...]) -> None:
        """Refuse a socket that was never connected, and urgent data."""
        self.permit("recv")
        if "MSG_OOB" in flags:
            raise self.refusal("no urgent data in messages")

    def drop_first(self) -> None:
        """Take the first message away, and give back the room that it took."""
        self.inbox_bytes -= len(self.inbox.popleft().data) + OVERHEAD_BYTES

    def used(self) -> int:
        """Give what the messages take that the peer has not read."""
        return self.other.inbox_bytes if isinstance(self.other, UnixSeqpacket) else 0

    def has_unread(self) -> bool:
        """Whether a message waits: a single empty one does not count. Source: Linux unix(7)."""
        return len(self.inbox) > 1 or any(message.data for message in self.inbox)

    def is_readable(self) -> bool:
        """Whether a message waits, even an empty one."""
        return bool(self.inbox)

    def unread(self) -> int:
        """Give the bytes of all waiting messages. Source: Linux unix(7), SIOCINQ."""
        self.permit("unread")
        return sum(len(message.data) for message in self.inbox)
