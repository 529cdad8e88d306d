"""TCP: connections of bytes between two ends, each with its own state.

The segments of a loopback are events between two objects: what one end sends *arrives* at the other before the
call returns. Source: RFC 9293; POSIX.1-2024 2.10; Linux tcp(7).
"""

from __future__ import annotations

from typing import ClassVar

from reference.errors import Error, NotModelledError
from reference.handshake import Opening
from reference.names import Name
from reference.ports import Claim
from reference.sockets import Readiness, Wait, Waiting

# RFC 9293 3.4.1 says two minutes for the segment lifetime; Linux waits sixty seconds for both together.
_TIME_WAIT_NS = 60 * 1_000_000_000


class Remnant:
    """What TIME-WAIT leaves of a connection: nothing but its hold on the port."""

    claim: Claim | None = None


class Tcp(Opening):
    """One end of a TCP connection, or a socket that listens for them."""

    open_states: ClassVar[frozenset[str]] = frozenset({"ESTABLISHED", "FIN-WAIT-2", "CLOSE-WAIT"})
    over_states: ClassVar[frozenset[str]] = frozenset({"TIME-WAIT", "ENDED"})

    is_closed = False
    """Whether the last descriptor is gone: the connection may outlive it."""
    other: Tcp | None

    # -- data -------------------------------------------------------------------------------------------------

    def check_receive(self) -> None:
        """Raise what a receive finds instead of data. Source: POSIX.1-2024 recv(); Linux tcp(7)."""
        if self.has_fin:
            return
        self.report_error()
        if not self.read_ended:
            self.permit("recv")

    def before_receive(self, flags: tuple[str, ...]) -> None:
        """Refuse what no state of the queue could answer."""
        if self.state == self.listening:
            self.permit("recv")
        if "MSG_OOB" in flags:
            raise self.refusal("no urgent data")
        if "MSG_TRUNC" in flags:
            raise NotModelledError("MSG_TRUNC on a stream throws data away unseen")

    def check_send(self, flags: tuple[str, ...], to: Name | None) -> None:
        """Raise why nothing can be sent; an address is ignored. Source: POSIX.1-2024 send(), Linux tcp(7)."""
        if self.state == "SYN-SENT":
            return
        if self.error is not None or self.write_ended or (("send", self.state) in self.table.refused):
            self.fail_to_send(flags)

    def fail_to_send(self, flags: tuple[str, ...]) -> None:
        """Raise the pending error, else that the pipe is broken, with the signal that goes with it."""
        broken = self.table.errno["nobody takes it any more"]
        errno = self.take_error() or self.table.refused.get(("send", self.state), broken)
        raise Error(errno, ("SIGPIPE",) if errno == broken and "MSG_NOSIGNAL" not in flags else ())

    def must_wait(self) -> bool:
        """Whether the connection is still under way. Source: POSIX.1-2024 send()."""
        return self.state == "SYN-SENT"

    def room(self) -> int:
        """Give how many bytes can be taken now: what both buffers hold, less what waits. Source: RFC 9293 3.8.6."""
        if self.state == "SYN-SENT" or self.other is None:
            return 0
        return int(self.option("SO_SNDBUF") + self.other.option("SO_RCVBUF") // 2) - len(self.other.inbox)

    def is_writable(self) -> bool:
        """Whether a third of the buffers is free. Source: Linux tcp(7), select(2)."""
        if self.other is None:
            return True
        return self.room() * 3 > int(self.option("SO_SNDBUF") + self.other.option("SO_RCVBUF") // 2)

    def deliver(self, data: bytes) -> None:
        """Let data arrive at the other end; one that reads and writes no more answers with a reset.

        Source: RFC 9293 3.6.1; RFC 1122 4.2.2.13.
        """
        other = self.other
        if other is None:
            return
        if other.is_closed or (other.state == "FIN-WAIT-2" and other.read_ended):
            other.hear_reset()
            self.hear_reset()
        else:
            other.inbox += data

    # -- the end ------------------------------------------------------------------------------------------------

    def shutdown(self, how: str) -> None:
        """End one or both directions. Source: POSIX.1-2024 shutdown(); RFC 9293 3.6; Linux shutdown(2)."""
        if self.state in {"LISTEN", "SYN-SENT"}:
            if self.state == "SYN-SENT" or how != "wr":
                self.cancel()
            return
        # A socket without a connection fails, and its directions are ended all the same. Linux shutdown(2)
        self.read_ended |= how != "wr"
        self.write_ended |= how != "rd"
        self.is_attempt_untold &= self.state not in self.open_states
        self.permit("shutdown")
        if how != "rd":
            self.send_fin()

    def cancel(self) -> None:
        """Give up listening, or an attempt that has no answer."""
        if self.state == self.listening:
            self.stop_listening()
        else:
            self.error = self.table.errno["reset by the peer"]  # as if it had been. Source: Linux shutdown(2)
        self.move("shutdown")
        self.is_attempt_untold = self.read_ended = self.write_ended = False
        if not self.keeps_port:
            self.ports.release(self)
        self.forget_names()

    def send_fin(self) -> None:
        """Send the last byte's successor. Source: RFC 9293 3.6."""
        if self.may_move("FIN sent"):
            self.move("FIN sent")
            if self.other is not None:
                self.other.hear_fin()
            if self.state in self.over_states:
                self.leave()

    def hear_fin(self) -> None:
        """The other end has sent everything. Source: RFC 9293 3.10.7.4, eighth."""
        if self.may_move("FIN arrives"):
            self.move("FIN arrives")
            self.has_fin = self.read_ended = True
            if self.state == "TIME-WAIT":
                self.wait_out()

    def hear_reset(self) -> None:
        """The other end knows of no connection. Source: RFC 9293 3.10.7.3, 3.10.7.4, second."""
        if not self.may_move("RST arrives"):
            return
        situation = {"SYN-SENT": "nobody listens", "CLOSE-WAIT": "nobody takes it any more"}
        self.error = self.table.errno[situation.get(self.state, "reset by the peer")]
        self.move("RST arrives")
        self.leave()

    def abort(self) -> None:
        """End the connection without ceremony: the other end is told by a reset. Source: RFC 9293 3.6, ABORT."""
        if not self.may_move("RST sent"):
            return  # the other end was faster
        self.move("RST sent")
        self.leave()
        if self.other is not None:
            self.other.hear_reset()

    def leave(self) -> None:
        """The connection is over in both directions."""
        self.read_ended = self.write_ended = True
        if not self.keeps_port or self.is_closed:
            self.ports.release(self)
        self.leave_connection()

    def wait_out(self) -> None:
        """Let the port be held for a while: late segments must not meet a new connection. Source: RFC 9293 3.6.1."""
        remnant = Remnant()
        if self.claim is not None:
            self.ports.hold(remnant, self.claim)

        def outlast() -> None:
            self.ports.release(remnant)
            self.move("2 MSL pass")

        self.system.at(self.system.now + _TIME_WAIT_NS, outlast)
        self.leave()

    def linger(self) -> Waiting[None]:
        """Wait for the other end to have room for everything, at most as long as SO_LINGER says.

        Source: POSIX.1-2024 close(), 2.10.16 SO_LINGER.
        """
        seconds = self.option("SO_LINGER")
        wait = Wait("data that the other end has no room for", self.system.now + seconds * 1_000_000_000)
        while seconds > 0 and self.has_unsent() and (yield wait):
            pass

    def has_unsent(self) -> bool:
        """Whether some of what was sent is more than the other end takes."""
        return self.other is not None and len(self.other.inbox) > self.other.option("SO_RCVBUF") // 2

    def close(self) -> None:
        """Close: orderly, or by a reset if data was left unread or SO_LINGER is 0.

        Source: RFC 9293 3.6; RFC 1122 4.2.2.13; POSIX.1-2024 2.10.16 SO_LINGER.
        """
        self.is_closed = True
        if self.state in {"LISTEN", "SYN-SENT"}:
            self.cancel()
        elif self.state in self.open_states and (self.inbox or self.option("SO_LINGER") == 0):
            self.abort()
        else:
            self.send_fin()
        if self.state == "FIN-WAIT-2":
            self.system.at(self.system.now + _TIME_WAIT_NS, lambda: self.ports.release(self))
        else:
            self.ports.release(self)

    # -- what can be seen -------------------------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Say what would not wait. Source: POSIX.1-2024 poll(); Linux tcp(7)."""
        if self.state == self.listening:
            return Readiness(bool(self.queue), False, False, False)
        if self.state == "SYN-SENT":
            return Readiness(False, False, False, self.error is not None)
        is_over = self.state in {"CLOSED", "REFUSED", "TIME-WAIT", "ENDED"} or (self.read_ended and self.write_ended)
        is_readable = len(self.inbox) >= self.option("SO_RCVLOWAT") or self.read_ended
        return Readiness(is_readable, self.write_ended or self.is_writable(), is_over, self.error is not None)

    def unread(self) -> int:
        """Give the bytes in the queue. Source: Linux tcp(7), SIOCINQ."""
        self.permit("unread")
        return len(self.inbox)


class Tcp4(Tcp):
    """TCP over IPv4."""

    domain = "inet"
    version = 4


class Tcp6(Tcp):
    """TCP over IPv6, and over IPv4 by mapped addresses."""

    domain = "inet6"
    version = 6
