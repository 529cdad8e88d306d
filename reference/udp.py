"""UDP: messages between ports, without connections. What cannot be delivered is dropped.

Source: RFC 768; RFC 1122 4.1.3; POSIX.1-2024 2.10.6 SOCK_DGRAM; Linux udp(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference.errors import NotModelledError
from reference.internet import InternetSocket
from reference.messages import OVERHEAD_BYTES, Message, Messages
from reference.names import Host, Inet, Name, host_of
from reference.sockets import Readiness, Waiting
from reference.states import UDP

if TYPE_CHECKING:
    from reference.system import System

# The most bytes in one datagram: 65535 less the headers of UDP and of IPv4. Source: RFC 768; RFC 791; RFC 8200 3.
_MOST_BYTES = {4: 65507, 6: 65527}


class Udp(Messages, InternetSocket):
    """A UDP socket."""

    table = UDP
    type = "dgram"
    protocol = "udp"
    space = "udp"
    takes_plain_ipv4 = True

    def __init__(self, system: System) -> None:
        """Make a socket that nobody can reach yet."""
        super().__init__(system)
        self.inbox_bytes = 0
        self.called: tuple[Host, int] | None = None

    # -- names ------------------------------------------------------------------------------------------------

    def check_unnamed(self) -> None:
        """Raise if the socket has a port. Source: POSIX.1-2024 bind() EINVAL."""
        self.permit("bind")

    def bind(self, name: Name) -> None:
        """Take a name, and be found there from now on."""
        super().bind(name)
        self.move("bind")
        self.ports.publish(self)

    def name_if_needed(self) -> None:
        """Take any port before the first message goes out. Source: Linux udp(7), ip(7)."""
        if self.claim is None:
            self.name_implicitly("no port left")
            self.move("implicit bind")
            self.ports.publish(self)

    def connect(self, name: Name) -> Waiting[None]:
        """Note down the peer: where send() goes, and from whom to receive. Nothing is sent.

        Source: POSIX.1-2024 connect().
        """
        if isinstance(name, Inet) and not name.port:
            raise NotModelledError("a UDP socket connected to port 0 hears every port of its peer")
        if self.called is not None and isinstance(name, Inet) and not host_of(name.ip).reached().is_local:
            raise NotModelledError("a connected UDP socket whose next connect() fails")
        self.name_if_needed()
        host, port = self.destination(name)
        source = self.source_for(host)
        self.called = (host, port)
        self.peer = self.spell(host, port)
        self.move("connect")
        self.narrow(source, self.claim_port)
        yield from ()  # nobody is asked, so there is nothing to wait for

    def narrow(self, source: Host, port: int) -> None:
        """Be found at the one address too."""
        self.ports.withdraw(self)
        super().narrow(source, port)
        self.ports.publish(self)

    # -- messages ---------------------------------------------------------------------------------------------

    def send(self, data: bytes, flags: tuple[str, ...], to: Name | None) -> Waiting[int]:
        """Send one message, whole. Source: POSIX.1-2024 sendto(); Linux udp(7)."""
        self.name_if_needed()
        if len(data) > _MOST_BYTES[self.version]:
            raise self.refusal("too long")
        if self.goes_over_ipv4(to):
            if self.version == 6 and self.option("IPV6_V6ONLY"):
                raise self.refusal("no route")
            if "MSG_OOB" in flags:  # over IPv6 the flag is not looked at. Source: Linux udp(7)
                raise self.refusal("no urgent data in messages")
        host, port = self.where(to)
        self.report_error()
        if self.write_ended:
            raise self.refusal("shut down for sending")
        self.deliver(data, host, port)
        yield from ()  # what has no room is dropped, so there is nothing to wait for
        return len(data)

    def goes_over_ipv4(self, to: Name | None) -> bool:
        """Whether a message is one of IPv4, from whichever domain. Source: RFC 3493 3.7."""
        if self.version == 4 or (to is None and self.called is not None and self.called[0].version == 4):
            return True
        host = host_of(to.ip) if isinstance(to, Inet) else None
        return host is not None and (host.version == 4 or (host.is_any and self.own_host.version == 4))

    def where(self, to: Name | None) -> tuple[Host, int]:
        """Give the address that a message goes to: the one given, else the peer."""
        if to is None:
            self.permit("send")
            assert self.called is not None  # noqa: S101 - the state says so
            return self.called
        if self.version == 6 and not isinstance(to, Inet):
            raise self.refusal("not an Internet address")
        if not self.read_address(to)[1]:
            raise self.refusal("port zero")
        return self.destination(to)

    def deliver(self, data: bytes, host: Host, port: int) -> None:
        """Put the message into the queue of whoever is there; nobody is told to a connected sender only.

        Source: RFC 1122 4.1.3.3; Linux udp(7).
        """
        source = self.source_for(host)
        receiver = self.receiver_at(host, port, source)
        if receiver is not None:
            receiver.arrive(data, source, self.claim_port)
        elif self.state == "CONNECTED" and self.called == (host, port):
            self.error = self.table.errno["nobody is there"]

    def receiver_at(self, host: Host, port: int, source: Host) -> Udp | None:
        """Find who gets a message: a socket connected to the sender before one that is not."""
        fitting = [
            one for one in self.ports.at(host, port) if isinstance(one, Udp) and one.hears(source, self.claim_port)
        ]
        return max(fitting, key=lambda one: one.called is not None, default=None)

    def hears(self, source: Host, port: int) -> bool:
        """Whether messages from there are for this socket: a connected one hears its peer alone."""
        return self.called is None or self.called == (source, port)

    def arrive(self, data: bytes, source: Host, port: int) -> None:
        """Queue a message, or drop it without a word when the queue is full. Source: Linux udp(7), SO_RCVBUF."""
        if self.inbox_bytes < self.option("SO_RCVBUF"):
            self.inbox.append(Message(data, self.spell(source, port)))
            self.inbox_bytes += len(data) + OVERHEAD_BYTES

    def drop_first(self) -> None:
        """Take the first message away, and give back the room that it took."""
        self.inbox_bytes -= len(self.inbox.popleft().data) + OVERHEAD_BYTES

    # -- the end ------------------------------------------------------------------------------------------------

    def shutdown(self, how: str) -> None:
        """End directions; without a peer the call fails and they are ended all the same. Source: Linux shutdown(2)."""
        self.read_ended |= how != "wr"
        self.write_ended |= how != "rd"
        self.permit("shutdown")

    def close(self) -> None:
        """Give the port back. Source: POSIX.1-2024 close()."""
        self.ports.withdraw(self)
        self.ports.release(self)

    # -- what can be seen -------------------------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Say what would not wait: sending never does. Source: POSIX.1-2024 poll(); Linux udp(7)."""
        has_ended = self.read_ended and self.write_ended
        return Readiness(bool(self.inbox) or self.read_ended, True, has_ended, self.error is not None)

    def unread(self) -> int:
        """Give the size of the next message. Source: Linux udp(7), FIONREAD."""
        return len(self.inbox[0].data) if self.inbox else 0


class Udp4(Udp):
    """UDP over IPv4."""

    domain = "inet"
    version = 4


class Udp6(Udp):
    """UDP over IPv6, and over IPv4 by mapped addresses."""

    domain = "inet6"
    version = 6
