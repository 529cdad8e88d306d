"""The port space of one protocol: who holds which port at which address, and who is found there.

TCP and UDP have a space each, so one number in both names two sockets (RFC 9293 3.4, RFC 768). A socket at the
wildcard holds its port at every address of its versions of IP, and an IPv6 wildcard holds it for IPv4 too unless
the socket is for IPv6 only (RFC 3493 3.7, 5.3).

Nothing here walks through all sockets: those that hold a port in the same way are counted.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from reference.names import ANY, Host

# The ports given to sockets that did not ask for one. Source: Linux ip(7), ip_local_port_range.
FIRST_EPHEMERAL, LAST_EPHEMERAL = 32768, 60999
# Where the spaces of TCP and UDP begin: apart, or the same numbers would be given out in both. Source: RFC 6056 3.
BEGINNINGS = {"tcp": 32768, "udp": 46000}


class Claim(NamedTuple):
    """What a socket wants of a port: where, in which versions of IP, and what it would share the port with.

    `shares` is SO_REUSEADDR, which does not help against a socket that `listens`; `spreads` is SO_REUSEPORT.
    Source: POSIX.1-2024 2.10.16 SO_REUSEADDR; Linux socket(7).
    """

    port: int
    host: Host
    versions: tuple[int, ...]
    shares: bool
    listens: bool
    spreads: bool


class Holder(Protocol):
    """A socket that holds a port."""

    claim: Claim | None


class Ports:
    """One port space."""

    def __init__(self, first: int = FIRST_EPHEMERAL) -> None:
        """Begin with every port free; `first` is the first to be given to who asks for any."""
        self._claims: dict[int, dict[Claim, int]] = {}  # by port: what is held, and by how many
        self._found: dict[tuple[int, int, str], dict[Holder, None]] = {}  # those at one place in order, oldest first
        self._fresh = itertools.chain(range(first, LAST_EPHEMERAL + 1), range(FIRST_EPHEMERAL, first))
        self._returned: OrderedDict[int, None] = OrderedDict()  # longest ago first

    def is_taken(self, claim: Claim) -> bool:
        """Whether a socket that does not share holds the port at an address that the claim includes."""
        return any(self.meet(claim, held) and not self.share(claim, held) for held in self._claims.get(claim.port, ()))

    def meet(self, one: Claim, other: Claim) -> bool:
        """Whether some address is in both claims."""
        is_near = one.host.ip == other.host.ip or one.host.is_any or other.host.is_any
        return is_near and not set(one.versions).isdisjoint(other.versions)

    def share(self, new: Claim, held: Claim) -> bool:
        """Whether a new socket may have the port with one that has it. Source: Linux socket(7)."""
        return (new.shares and held.shares and not held.listens) or (new.spreads and held.spreads)

    def hold(self, holder: Holder, claim: Claim) -> None:
        """Give the port to the socket."""
        holder.claim = claim
        claims = self._claims.setdefault(claim.port, {})
        claims[claim] = claims.get(claim, 0) + 1

    def release(self, holder: Holder) -> None:
        """Take the port back, if the socket holds one."""
        claim = holder.claim
        if claim is None:
            return
        holder.claim = None
        claims = self._claims[claim.port]
        claims[claim] -= 1
        if not claims[claim]:
            del claims[claim]
        if not claims:
            del self._claims[claim.port]
            if FIRST_EPHEMERAL <= claim.port <= LAST_EPHEMERAL:
                self._returned[claim.port] = None
                self._returned.move_to_end(claim.port)

    def ephemeral(self) -> int | None:
        """Give a port that nobody holds anywhere, a fresh one as long as there are any; None if all are held.

        A port just given back is the last to be given again: a late segment of the connection before must not
        meet the next. Source: RFC 6056 3.
        """
        for port in self._fresh:
            if port not in self._claims:
                return port
        while self._returned:
            port, _ = self._returned.popitem(last=False)
            if port not in self._claims:
                return port
        return None

    def publish(self, holder: Holder) -> None:
        """Let the socket be found at its port: a listener, or a receiver of datagrams."""
        if holder.claim is not None:
            for key in _keys(holder.claim):
                self._found.setdefault(key, {})[holder] = None

    def withdraw(self, holder: Holder) -> None:
        """Let the socket be found no more."""
        if holder.claim is not None:
            for key in _keys(holder.claim):
                self._found.get(key, {}).pop(holder, None)

    def at(self, host: Host, port: int) -> Iterable[Holder]:
        """Give who can be found there: first those at the very address, then those at the wildcard; newest first."""
        exact = self._found.get((port, *host), {})
        anywhere = self._found.get((port, host.version, ANY[host.version]), {})
        return (*reversed(exact), *reversed(anywhere))


def _keys(claim: Claim) -> list[tuple[int, int, str]]:
    """Give the places in the table: one for each version, at the address or at the wildcard of the version."""
    port, ip, is_any = claim.port, claim.host.ip, claim.host.is_any
    return [(port, version, ANY[version] if is_any else ip) for version in claim.versions]
