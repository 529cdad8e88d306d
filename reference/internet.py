"""Names in the Internet domains, the same for TCP and UDP: bind, implicit bind, and where a call goes.

Source: POSIX.1-2024 bind(), connect(), getsockname(), 2.10.6, 2.10.20; RFC 3493; Linux ip(7), ipv6(7).
"""

from __future__ import annotations

from typing import ClassVar

from reference.errors import NotModelledError
from reference.names import ANY, LOOPBACK, Host, Inet, Name, host_of, size_of, spelled
from reference.ports import Claim, Ports
from reference.sockets import Socket

# The least that a call takes for the address structure of its family. Source: POSIX.1-2024 <netinet/in.h>.
_LEAST_BYTES = {"inet": 16, "inet6": 24}


class InternetSocket(Socket):
    """A socket of AF_INET or AF_INET6."""

    version: ClassVar[int]
    space: ClassVar[str]
    """The port space it is in, which is its protocol's."""
    takes_plain_ipv4: ClassVar[bool] = False
    """Whether an IPv6 socket takes the structure of an IPv4 address too: Linux does for UDP."""

    claim: Claim | None = None
    chosen: Claim | None = None
    """What the program itself has bound, with port 0 if it left the port to the system.

    What was chosen for the program is taken back when a connection is over. Source: Linux ip(7).
    """
    peer: Name | None = None

    @property
    def ports(self) -> Ports:
        """The port space of the protocol."""
        return self.system.ports[self.space]

    # -- reading addresses ----------------------------------------------------------------------------------

    def read_address(self, name: Name) -> tuple[Host, int]:
        """Give host and port of an address that a call was handed, or refuse it."""
        if not isinstance(name, Inet) or (":" in name.ip) is not (self.version == 6):
            if self.takes_plain_ipv4 and self.version == 6 and isinstance(name, Inet):
                if self.option("IPV6_V6ONLY"):
                    raise self.refusal("other family")
                return host_of(name.ip), name.port
            is_short = size_of(name) < _LEAST_BYTES[self.domain]
            raise self.refusal("address too short" if is_short else "other family")
        return host_of(name.ip), name.port

    def destination(self, name: Name) -> tuple[Host, int]:
        """Give where data for an address goes; only this host can be reached.

        Source: Linux ip(7): the wildcard as a destination is this host; POSIX.1-2024 connect() ENETUNREACH.
        """
        host, port = self.read_address(name)
        own = self.own_host
        if own.version != self.version and host == Host(6, ANY[6]):
            host = Host(4, LOOPBACK[4])  # called from an IPv4 name, the IPv6 wildcard is this host in IPv4
        if host == Host(4, ANY[4]) and own.version == 4 and not own.is_any:
            host = own
        host = host.reached()
        is_barred = host.version == 4 and self.version == 6 and self.option("IPV6_V6ONLY")
        if is_barred:
            raise self.refusal("no route")
        if not own.is_any and own.version != host.version:
            raise NotModelledError("a socket with a name of one version of IP calls an address of the other")
        if not host.is_local:
            raise self.refusal("no route")
        return host, port

    @property
    def own_host(self) -> Host:
        """The address that the socket is bound to, or the wildcard."""
        return host_of(self.name.ip) if isinstance(self.name, Inet) else Host(self.version, ANY[self.version])

    def spell(self, host: Host, port: int) -> Inet:
        """Write a name as this socket shows it."""
        return Inet(spelled(host, self.domain), port)

    # -- getting a name ---------------------------------------------------------------------------------------

    def bind(self, name: Name) -> None:
        """Take an address and a port, any free port for 0. Source: POSIX.1-2024 bind(); Linux ip(7)."""
        host, port = self._read_own_address(name)
        if self.version == 6:  # IPv6 looks at the socket first and IPv4 at the address. Source: Linux ipv6(7), ip(7)
            self.check_unnamed()
        if not (host.is_any or host.is_local):
            raise self.refusal("not a local address")
        self.check_unnamed()
        if not port:
            port = self.free_port("address in use")
        claim = self.claim_of(host, port)
        is_ipv6_only = host.version == 6 and not host.is_any
        if is_ipv6_only:  # what has an address of IPv6 speaks IPv6 alone. Source: Linux ipv6(7)
            claim = claim._replace(versions=(6,))
        if self.ports.is_taken(claim):
            self.name = self.spell(Host(self.version, ANY[self.version]), self.shown_port)
            raise self.refusal("address in use")
        self.ports.hold(self, claim)
        self.chosen = claim if isinstance(name, Inet) and name.port else claim._replace(port=0)
        if is_ipv6_only:
            self.options["IPV6_V6ONLY"] = True
        self.name = self.spell(host, port)

    def _read_own_address(self, name: Name) -> tuple[Host, int]:
        """Read an address to bind: a wildcard in the IPv4 structure is not one for an IPv6 socket."""
        if isinstance(name, Inet) and self.version == 6 and ":" not in name.ip:
            raise self.refusal("address too short")
        host, port = self.read_address(name)
        if host.version == 4 and self.version == 6 and self.option("IPV6_V6ONLY"):
            raise self.refusal("mapped address on an IPv6-only socket")
        return host, port

    def check_unnamed(self) -> None:
        """Raise if the socket has a name already."""
        raise NotImplementedError

    def name_implicitly(self, situation: str) -> None:
        """Take any free port at the wildcard, unless there is a name. Source: Linux ip(7), implicit bind."""
        if self.claim is None:
            host, port = self.bound_host, self.free_port(situation)
            self.take_port(host, port)
            self.name = self.spell(host, port)

    def take_port(self, host: Host, port: int) -> None:
        """Hold a port that was chosen for the program."""
        self.ports.hold(self, self.claim_of(host, port))

    def narrow(self, source: Host, port: int) -> None:
        """Hold the port at one address only, now that the way to the peer is known. Source: Linux ip(7), connect(2)."""
        self.ports.release(self)
        self.take_port(source, port)
        self.name = self.spell(source, port)

    @property
    def bound_host(self) -> Host:
        """The address that the program has bound, or the wildcard."""
        return Host(self.version, ANY[self.version]) if self.chosen is None else self.chosen.host

    @property
    def keeps_port(self) -> bool:
        """Whether the program has asked for the port by its number: then it outlives a connection."""
        return self.chosen is not None and self.chosen.port > 0

    @property
    def shown_port(self) -> int:
        """The port of the name; it is shown even after it was given back. Source: Linux getsockname(2)."""
        return self.name.port if isinstance(self.name, Inet) else 0

    @property
    def claim_port(self) -> int:
        """The port that is held, or 0."""
        return self.claim.port if self.claim is not None else 0

    def claim_of(self, host: Host, port: int) -> Claim:
        """Say what holding this address means with the options of this moment."""
        is_dual = self.version == 6 and host.version == 6 and not self.option("IPV6_V6ONLY")
        versions = (6, 4) if is_dual else (host.version,)
        listens = self.state == self.listening
        return Claim(port, host, versions, self.option("SO_REUSEADDR"), listens, self.option("SO_REUSEPORT"))

    def reclaim(self) -> None:
        """Hold the same port again after an option or a state has changed what is shared."""
        claim = self.claim
        if claim is not None:
            self.ports.release(self)
            self.ports.hold(self, self.claim_of(claim.host, claim.port))

    def free_port(self, situation: str) -> int:
        """Choose a port that nobody holds."""
        port = self.ports.ephemeral()
        if port is None:
            raise self.refusal(situation)
        return port

    def source_for(self, host: Host) -> Host:
        """Give the own address for traffic to a host: the bound one, else the loopback of its version.

        Source: Linux ip(7), ipv6(7); RFC 6724 for IPv6.
        """
        own = self.own_host
        return Host(host.version, LOOPBACK[host.version]) if own.is_any else own

    # -- names as the program sees them --------------------------------------------------------------------------

    def own_name(self) -> Name:
        """Give the name, or the wildcard and port 0. Source: POSIX.1-2024 getsockname(): unspecified before bind."""
        return self.name if isinstance(self.name, Inet) else Inet(ANY[self.version], 0)

    def peer_name(self) -> Name:
        """Give the name of the peer. Source: POSIX.1-2024 getpeername()."""
        self.permit("getpeername")
        return self.peer if self.peer is not None else Inet(ANY[self.version], 0)
