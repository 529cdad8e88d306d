"""The port space of one protocol: who holds which port at which address, and who is found there.

TCP and UDP have a space each, so one number in both names two sockets (RFC 9293 3.4, RFC 768). A socket at the
wildcard holds its port at every address of its versions of IP, and an IPv6 wildcard holds it for IPv4 too unless
the socket is for IPv6 only (RFC 3493 3.7, 5.3).

Nothing here walks through all sockets: holders are counted by address and by what they allow.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
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


class _Tally:
    """How many hold a port at one address, and how many of these would share it."""

    __slots__ = ("all", "sharing", "spreading")

    def __init__(self) -> None:
        self.all = self.sharing = self.spreading = 0

    def add(self, claim: Claim, one: int) -> None:
        self.all += one
        self.sharing += one * (claim.shares and not claim.listens)
        self.spreading += one * claim.spreads

    def bars(self, claim: Claim) -> bool:
        """Whether somebody here does not share with the claim."""
        together = max(self.sharing if claim.shares else 0, self.spreading if claim.spreads else 0)
        return self.all > together


class Ports:
    """One port space."""

    def __init__(self, first: int = FIRST_EPHEMERAL) -> None:
        """Begin with every port free; `first` is the first to be given to who asks for any."""
        self._tallies: dict[tuple[int, int, str], _Tally] = {}  # by port, version and address
        self._totals: dict[tuple[int, int], _Tally] = {}  # by port and version
        self._holders: dict[int, int] = {}  # how many hold the port at all
        self._found: dict[tuple[int, int, str], dict[Holder, None]] = {}  # those at one place in order, oldest first
        self._fresh = itertools.chain(range(first, LAST_EPHEMERAL + 1), range(FIRST_EPHEMERAL, first))
        self._returned: OrderedDict[int, None] = OrderedDict()  # longest ago first

    def is_taken(self, claim: Claim) -> bool:
        """Whether a socket that does not share holds the port at an address that the claim includes."""
        return claim.port in self._holders and any(tally.bars(claim) for tally in self._in_the_way(claim))

    def _in_the_way(self, claim: Claim) -> Iterator[_Tally]:
        port, host = claim.port, claim.host
        for version in claim.versions:
            if host.is_any:
                yield self._totals.get((port, version), _NOBODY)
            else:
                yield self._tallies.get((port, version, host.ip), _NOBODY)
                yield self._tallies.get((port, version, ANY[version]), _NOBODY)

    def hold(self, holder: Holder, claim: Claim) -> None:
        """Give the port to the socket."""
        holder.claim = claim
        self._holders[claim.port] = self._holders.get(claim.port, 0) + 1
        for key in _keys(claim):
            self._tallies.setdefault(key, _Tally()).add(claim, 1)
            self._totals.setdefault(key[:2], _Tally()).add(claim, 1)

    def release(self, holder: Holder) -> None:
        """Take the port back, if the socket holds one."""
        claim = holder.claim
        if claim is None:
            return
        holder.claim = None
        self._holders[claim.port] -= 1
        if not self._holders[claim.port]:
            del self._holders[claim.port]
            if FIRST_EPHEMERAL <= claim.port <= LAST_EPHEMERAL:
                self._returned[claim.port] = None
                self._returned.move_to_end(claim.port)
        for key in _keys(claim):
            self._tallies[key].add(claim, -1)
            self._totals[key[:2]].add(claim, -1)

    def ephemeral(self) -> int | None:
        """Give a port that nobody holds anywhere, a fresh one as long as there are any; None if all are held.

        A port just given back is the last to be given again: a late segment of the connection before must not
        meet the next. Source: RFC 6056 3.
        """
        for port in self._fresh:
            if port not in self._holders:
                return port
        while self._returned:
            port, _ = self._returned.popitem(last=False)
            if port not in self._holders:
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


_NOBODY = _Tally()
