"""What a step may hand to a call and what a call may give back.

A plain value is `None`, `bool`, `int`, `float`, `str`, `bytes`, an `Address`, or a tuple of those.
A `Value` may also hold references that only a run can fill in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class InetAddress:
    """An Internet address: `ip` in canonical text, `port` in host order, `scope` for IPv6 only.

    Source: POSIX.1-2024 <netinet/in.h>, struct sockaddr_in and sockaddr_in6.
    """

    ip: str
    port: int
    scope: int = 0

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """An AF_UNIX address: a path, an abstract name (Linux unix(7)), or neither for an unnamed socket."""

    path: str | None = None
    abstract: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"unix:@{self.abstract}" if self.abstract is not None else "unnamed"


Address: TypeAlias = InetAddress | UnixAddress
Plain: TypeAlias = "None | bool | int | float | str | bytes | Address | tuple[Plain, ...]"


@dataclass(frozen=True, slots=True)
class Ref:
    """`$name` or `$name.field`: what an earlier step bound; no field means its main one."""

    name: str
    field: str | None = None

    def __str__(self) -> str:
        return f"${self.name}.{self.field}" if self.field else f"${self.name}"


@dataclass(frozen=True, slots=True)
class SockRef:
    """The bare name of a socket, where an argument takes a socket."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Concat:
    """Bytes put together from parts, one of which is a reference."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class InetParts:
    """An Internet address of which a part is a reference, as in `{ip: 127.0.0.2, port: $srv.port}`."""

    ip: str | Ref
    port: int | Ref


@dataclass(frozen=True, slots=True)
class Watch:
    """One socket of a `poll` or `select` and the events it is watched for."""

    sock: SockRef
    events: tuple[str, ...]


Value: TypeAlias = "Plain | Ref | SockRef | Concat | InetParts | Watch | tuple[Value, ...]"
