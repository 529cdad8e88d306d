"""Names of sockets: Internet addresses, AF_UNIX names, and what follows from their spelling alone.

Source: POSIX.1-2024 <netinet/in.h>, <sys/un.h>; RFC 4291 2.5; Linux ip(7), ipv6(7), unix(7).
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple, TypeAlias


class Inet(NamedTuple):
    """An Internet address: `ip` in canonical text, `port` in host order, `scope` for IPv6."""

    ip: str
    port: int
    scope: int = 0


class Unix(NamedTuple):
    """An AF_UNIX name: a path, an abstract name, or neither for a socket without a name."""

    path: str | None = None
    abstract: str | None = None


Name: TypeAlias = Inet | Unix
UNNAMED = Unix()

_MAPPED = "::ffff:"
ANY = {4: "0.0.0.0", 6: "::"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
# sun_path holds 108 bytes. Source: Linux unix(7).
PATH_BYTES = 108
# A sockaddr_storage, which holds an address of any family. Source: POSIX.1-2024 <sys/socket.h>.
ADDRESS_BYTES = 128


class Host(NamedTuple):
    """An address without its spelling: the version of IP, and the address in that version.

    `::ffff:127.0.0.1` and `127.0.0.1` are one host. Source: RFC 4291 2.5.5.2.
    """

    version: int
    ip: str

    @property
    def is_any(self) -> bool:
        """Whether this is the wildcard."""
        return self.ip == ANY[self.version]

    @property
    def is_local(self) -> bool:
        """Whether this host has the address: all of 127.0.0.0/8, and ::1. Source: RFC 1122 3.2.1.3, RFC 4291 2.5.3."""
        return self.ip.startswith("127.") if self.version == 4 else self.ip == "::1"

    def reached(self) -> Host:
        """Give the address that a datagram or a segment to this one reaches: the wildcard means this host."""
        return Host(self.version, LOOPBACK[self.version]) if self.is_any else self


def host_of(ip: str) -> Host:
    """Read the text of an address."""
    if ":" not in ip:
        return Host(4, ip)
    mapped = ipaddress.IPv6Address(ip).ipv4_mapped if ip.startswith(_MAPPED) else None
    return Host(6, ip) if mapped is None else Host(4, str(mapped))


def spelled(host: Host, domain: str) -> str:
    """Spell an address as a socket of that domain shows it."""
    return _MAPPED + host.ip if domain == "inet6" and host.version == 4 else host.ip


def size_of(name: Name) -> int:
    """Give the bytes of the address structure: calls refuse one that is too short before they look into it."""
    if isinstance(name, Inet):
        return 28 if ":" in name.ip else 16
    if name.path is not None:
        return 3 + len(name.path.encode())
    return 2 if name.abstract is None else 3 + len(name.abstract.encode())
