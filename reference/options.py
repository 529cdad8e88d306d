"""Options: which there are, where they live, and what they hold.

Source: POSIX.1-2024 2.10.16, getsockopt(), setsockopt(); Linux socket(7), tcp(7), ipv6(7).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reference.errors import Error, NotModelledError
from reference.internet import InternetSocket
from reference.sockets import DEFAULTS, Socket


class Option(NamedTuple):
    """One option: its level, whether it can be set, and the value that a new socket has."""

    level: str
    is_settable: bool
    default: Any


_SOCKET, _TCP, _IPV6 = "SOL_SOCKET", "IPPROTO_TCP", "IPPROTO_IPV6"
KNOWN = {
    "SO_TYPE": Option(_SOCKET, False, None),
    "SO_DOMAIN": Option(_SOCKET, False, None),
    "SO_PROTOCOL": Option(_SOCKET, False, None),
    "SO_ERROR": Option(_SOCKET, False, None),
    "SO_ACCEPTCONN": Option(_SOCKET, False, None),
    "SO_SNDLOWAT": Option(_SOCKET, False, 1),
    "SO_KEEPALIVE": Option(_SOCKET, True, False),
    "SO_BROADCAST": Option(_SOCKET, True, False),
    "SO_OOBINLINE": Option(_SOCKET, True, False),
    "SO_DONTROUTE": Option(_SOCKET, True, False),
    **{name: Option(_SOCKET, True, value) for name, value in DEFAULTS.items() if name.startswith("SO_")},
    "TCP_NODELAY": Option(_TCP, True, False),
    "IPV6_V6ONLY": Option(_IPV6, True, False),
}
# Buffers are kept within these bytes, after doubling what was asked. Source: Linux socket(7), SO_SNDBUF, SO_RCVBUF.
_LEAST_BYTES = {"SO_SNDBUF": 4608, "SO_RCVBUF": 2304}
_MOST_ASKED = 212_992


def _refusal(sock: Socket, situation: str) -> Error:
    return Error(sock.option_table.errno[situation])


def _known(sock: Socket, name: str, level: str | None, missing: str) -> Option:
    option = KNOWN.get(name)
    if option is None or (level is not None and level != option.level):
        raise NotModelledError(f"the option {name} at level {level or 'of its own'} is not modelled")
    if option.level != _SOCKET:
        if not isinstance(sock, InternetSocket):
            raise _refusal(sock, "no options at this level")
        if (option.level == _TCP and sock.protocol != "tcp") or (option.level == _IPV6 and sock.version != 6):
            raise _refusal(sock, missing)
    return option


def get(sock: Socket, name: str, level: str | None) -> Any:  # noqa: ANN401 - a number, a truth value or a word
    """Read an option. Source: POSIX.1-2024 getsockopt()."""
    missing = "not to be read at this level of IPv4" if sock.domain == "inet" else "not at this level"
    option = _known(sock, name, level, missing)
    match name:
        case "SO_TYPE":
            return sock.type
        case "SO_DOMAIN":
            return sock.domain
        case "SO_PROTOCOL":
            return sock.protocol
        case "SO_ERROR":
            return sock.take_error() or 0
        case "SO_ACCEPTCONN":
            return sock.state == sock.listening
    return sock.options.get(name, option.default)


def put(sock: Socket, name: str, level: str | None, value: Any) -> None:  # noqa: ANN401 - as above
    """Set an option. Source: POSIX.1-2024 setsockopt()."""
    if not _known(sock, name, level, "not at this level").is_settable:
        raise _refusal(sock, "cannot be set")
    if name == "SO_REUSEPORT" and not isinstance(sock, InternetSocket):
        raise _refusal(sock, "not in this family")
    if name == "IPV6_V6ONLY" and isinstance(sock, InternetSocket) and sock.claim is not None:
        raise _refusal(sock, "too late")
    if name in _LEAST_BYTES:
        value = max(2 * min(value, _MOST_ASKED), _LEAST_BYTES[name])
    sock.options[name] = value
    if isinstance(sock, InternetSocket) and name in {"SO_REUSEADDR", "SO_REUSEPORT"}:
        sock.reclaim()
