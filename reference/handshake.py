"""How TCP connections begin: listening, asking, and the handshake between the two.

Source: RFC 9293 3.5; POSIX.1-2024 listen(), accept(), connect(); Linux tcp(7).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from reference.errors import NotModelledError
from reference.internet import InternetSocket
from reference.names import UNNAMED, Host, Name
from reference.sockets import Socket, Waiting
from reference.states import TCP
from reference.streams import Stream

if TYPE_CHECKING:
    from reference.system import System

# When an unanswered SYN is sent again for the first time, and for the last. Source: RFC 6298 2.1; Linux tcp(7).
_RETRY_NS = 1_000_000_000
_LAST_RETRY_NS = 64 * _RETRY_NS


class Opening(Stream, InternetSocket):
    """What a TCP socket does until it is connected."""

    table = TCP
    type = "stream"
    protocol = "tcp"
    space = "tcp"
    listening = "LISTEN"

    called: tuple[Host, int]
    calling: Host
    connection: tuple[Any, ...] = ()

    def __init__(self, system: System) -> None:
        """Make a socket in state CLOSED."""
        super().__init__(system)
        self.other: Opening | None = None
        """The other end of the connection."""
        self.queue: deque[Opening] = deque()
        """Of a listener: connections that nobody has accepted yet."""
        self.backlog = 0
        self.is_attempt_untold = False
        """Whether a connect() that did not wait has not been told how it went."""
        self.has_fin = False
        """Whether the other end has sent its last byte."""

    # -- names ------------------------------------------------------------------------------------------------

    def check_unnamed(self) -> None:
        """Raise if the socket has a port. Source: POSIX.1-2024 bind() EINVAL."""
        if self.claim is not None:
            raise self.refusal("already bound")

    # -- the server's side ------------------------------------------------------------------------------------

    def listen(self, backlog: int) -> None:
        """Let up to `backlog` + 1 connections wait. Source: POSIX.1-2024 listen(); Linux listen(2)."""
        self.permit("listen")
        self.backlog = backlog
        if self.state == self.listening:
            self.move("listen")
            return
        self.name_implicitly("address in use")
        self.move("listen")
        claim = self.claim
        if claim is not None:
            self.ports.release(self)
            wanted = self.claim_of(claim.host, claim.port)
            if self.ports.is_taken(wanted):
                self.state = self.table.initial
                self.ports.hold(self, claim)
                raise self.refusal("address in use")
            self.ports.hold(self, wanted)
            self.ports.publish(self)

    def has_room(self) -> bool:
        """Whether one more connection may wait in the queue."""
        return len(self.queue) <= self.backlog

    def accept(self) -> Waiting[tuple[Socket, Name]]:
        """Take the oldest connection from the queue. Source: POSIX.1-2024 accept()."""
        self.permit("accept")
        wait = self.wait("a connection", "SO_RCVTIMEO")
        while not self.queue:
            if not (yield wait):
                raise self.refusal("would wait")
            self.permit("accept")
        new = self.queue.popleft()
        return new, new.peer if new.peer is not None else UNNAMED

    def admit(self, client: Opening) -> None:
        """Make the socket of a new connection and queue it: the handshake. Source: RFC 9293 3.5."""
        new = self.system.create(f"{self.domain}-stream")
        assert isinstance(new, Opening)  # noqa: S101 - a part is of the class that it stands for
        new.move("SYN arrives")
        new.options = dict(self.options)
        new.read_ended, new.write_ended = self.read_ended, self.write_ended
        host, port = client.called
        new.name, new.peer = self.spell(host, port), self.spell(client.calling, client.claim_port)
        new.take_port(host, port)
        new.other, client.other = client, new
        self.queue.append(new)
        client.move("SYN,ACK arrives")
        if new.write_ended:
            new.send_fin()

    def stop_listening(self) -> None:
        """Reset the connections that nobody has accepted. Source: RFC 9293 3.5.2."""
        self.ports.withdraw(self)
        while self.queue:
            self.queue.popleft().abort()

    # -- the client's side ------------------------------------------------------------------------------------

    def connect(self, name: Name) -> Waiting[None]:
        """Connect: ask, and wait for the answer. Source: POSIX.1-2024 connect(); RFC 9293 3.5."""
        if self.state == "SYN-SENT":
            if self.is_nonblocking:
                self.permit("connect")
        elif self.is_attempt_untold:
            self.tell_attempt()
            return
        else:
            self.permit("connect")
            self.start_attempt(name)
        self.is_attempt_untold = True
        wait = self.wait("an answer to its connection request", "SO_SNDTIMEO")
        if not wait.is_allowed:
            raise self.refusal("under way")
        while self.state == "SYN-SENT":
            if not (yield wait):
                raise self.refusal("under way")
        self.tell_attempt()

    def start_attempt(self, name: Name) -> None:
        """Choose the own name and send the SYN."""
        host, port = self.destination(name)
        source = self.source_for(host)
        own_port = self.claim_port or self.free_port("no port left")
        if (source, own_port) == (host, port):
            raise NotModelledError("a socket that connects to itself")
        if self.connection and self.connection[0] != source.version:
            raise NotModelledError("a socket that has failed to connect in one version of IP tries the other")
        key = (*source, own_port, *host, port)
        if key in self.system.connections:
            raise self.refusal("connection in use")
        self.system.connections[key] = self
        self.connection = key
        self.called, self.calling = (host, port), source
        self.narrow(source, own_port)
        self.peer = self.spell(host, port)
        self.move("connect")
        self.knock(self.called, _RETRY_NS)

    def knock(self, called: tuple[Host, int], again_after: int) -> None:
        """Let the SYN arrive: at a listener with room, at nobody, or at a full queue, where it is lost.

        A lost SYN is sent again after a second, then after twice that time, and so on.
        Source: RFC 6298 5; Linux tcp(7).
        """
        if self.state != "SYN-SENT" or self.called is not called:
            return  # the attempt was given up
        listener = next(iter(self.ports.at(*called)), None)
        if not isinstance(listener, Opening):
            self.hear_reset()
        elif listener.has_room():
            listener.admit(self)
        elif again_after > _LAST_RETRY_NS:
            self.error = self.table.errno["no answer"]
            self.move("nothing arrives")
            self.leave()
        else:
            self.system.at(self.system.now + again_after, lambda: self.knock(called, 2 * again_after))

    def tell_attempt(self) -> None:
        """Tell how an attempt went; after a failure the socket can try again.

        Source: POSIX.1-2024 connect() EINPROGRESS; Linux connect(2).
        """
        self.is_attempt_untold = False
        if self.may_move("failure told"):
            self.move("failure told")
            self.forget_names()
            self.read_ended = self.write_ended = self.has_fin = False
            self.inbox.clear()
            self.report_error()
            raise self.refusal("failure already told")

    def forget_names(self) -> None:
        """Go back to what the program has bound. Source: Linux connect(2): an AF_UNSPEC address does the same."""
        self.leave_connection()
        self.peer = None
        if self.claim is not None:
            self.ports.release(self)
            self.take_port(self.bound_host, self.shown_port)
        self.name = self.spell(self.bound_host, self.shown_port)

    # -- what the end of a connection adds ------------------------------------------------------------------------

    def send_fin(self) -> None:
        """Send the last byte's successor."""
        raise NotImplementedError

    def hear_reset(self) -> None:
        """The other end knows of no connection."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the connection without ceremony."""
        raise NotImplementedError

    def leave(self) -> None:
        """The connection is over in both directions."""
        raise NotImplementedError

    def leave_connection(self) -> None:
        """Let the pair of names be used again."""
        self.system.connections.pop(self.connection, None)
