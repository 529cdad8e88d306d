"""The forms of values: the harness's words on one side, Python's numbers, tuples and bytes on the other.

A constant is taken from the student's module if it is defined there, else from the standard library.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, TypeGuard

from grader.agent.implementation import UnsupportedError, WrongResultError, errno_name, printable

_DOMAINS = {"unix": "AF_UNIX", "inet": "AF_INET", "inet6": "AF_INET6"}
_TYPES = {"stream": "SOCK_STREAM", "dgram": "SOCK_DGRAM", "seqpacket": "SOCK_SEQPACKET"}
_PROTOCOLS = {"tcp": "IPPROTO_TCP", "udp": "IPPROTO_UDP", "icmp": "IPPROTO_ICMP"}
_HOWS = {"rd": "SHUT_RD", "wr": "SHUT_WR", "rdwr": "SHUT_RDWR"}
_WORDS = _DOMAINS | _TYPES | _PROTOCOLS | _HOWS
_WORD_OPTIONS = {"SO_DOMAIN": _DOMAINS, "SO_TYPE": _TYPES, "SO_PROTOCOL": _PROTOCOLS}
_REPORTED_FLAGS = ("MSG_TRUNC", "MSG_CTRUNC", "MSG_OOB", "MSG_EOR")
_LEVELS = {"SO": "SOL_SOCKET", "TCP": "IPPROTO_TCP", "IP": "IPPROTO_IP", "IPV6": "IPPROTO_IPV6"}
_NUMBER_OPTIONS = frozenset({"SO_SNDBUF", "SO_RCVBUF", "SO_RCVLOWAT", "SO_SNDLOWAT", "TCP_MAXSEG"})
_TIME_OPTIONS = frozenset({"SO_RCVTIMEO", "SO_SNDTIMEO"})
_LINGER = struct.Struct("ii")  # struct linger, <sys/socket.h>
_TIMEVAL = struct.Struct("ll")  # struct timeval, <sys/time.h>
# Options whose value is a structure: how many bytes to ask for.
STRUCTURE_SIZES = {"SO_LINGER": _LINGER.size, "SO_RCVTIMEO": _TIMEVAL.size, "SO_SNDTIMEO": _TIMEVAL.size}

_inet_pton, _inet_ntop = socket.inet_pton, socket.inet_ntop
_standard = dict(vars(socket))


class Constants:
    """The numbers behind the names, as the student's module sees them."""

    def __init__(self, module: object) -> None:
        """Look into this module first."""
        self._module = module

    def number(self, name: str) -> int:
        """Give the number of a constant such as `AF_INET`."""
        for value in (getattr(self._module, name, None), _standard.get(name)):
            if isinstance(value, int):
                return int(value)
        raise UnsupportedError(f"the constant {name} is not known here")

    def word(self, word: str | int | None) -> int:
        """Give the number of a domain, type, protocol or direction; a number stays one, None is 0."""
        return self.number(_WORDS[word]) if isinstance(word, str) else int(word or 0)

    def flags(self, names: list[str] | None) -> int:
        """Give the flags, put together."""
        together = 0
        for name in names or ():
            together |= self.number(name)
        return together

    def flag_words(self, flags: object) -> list[str]:
        """Give the words for the flags that came with a message."""
        if not is_number(flags):
            raise WrongResultError(f"recvmsg() gave {shown(flags)} as the flags, expected a number")
        return [name for name in _REPORTED_FLAGS if flags & self.number(name)]

    def level(self, name: str, level: str | None) -> int:
        """Give the number of an option's level, by the option's name if none was given."""
        return self.number(level or _LEVELS[name.partition("_")[0]])

    def option_out(self, name: str, value: Any) -> int | bytes:
        """Give the value of an option in the form that `setsockopt` takes."""
        if name == "SO_LINGER":
            return _LINGER.pack(int(value >= 0), max(value, 0))
        if name in _TIME_OPTIONS:
            return _TIMEVAL.pack(value // 1000, value % 1000 * 1000)
        return self.word(value)

    def option_in(self, name: str, value: object) -> int | str | bool:
        """Give the value of an option from the form that `getsockopt` gave."""
        if isinstance(value, bytes) and len(value) == STRUCTURE_SIZES.get(name):
            return _from_structure(name, value)
        if not isinstance(value, int):
            raise WrongResultError(f"getsockopt() gave {shown(value)} for {name}, expected {_option_form(name)}")
        if name == "SO_ERROR":
            return errno_name(value) if value else 0
        if name in _WORD_OPTIONS:
            words = {self.number(constant): word for word, constant in _WORD_OPTIONS[name].items()}
            return words.get(value, int(value))
        return int(value) if name in _NUMBER_OPTIONS or name in STRUCTURE_SIZES else bool(value)


def is_number(value: object) -> TypeGuard[int]:
    """Whether it is an integer and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _from_structure(name: str, raw: bytes) -> int:
    if name == "SO_LINGER":
        is_on, seconds = _LINGER.unpack(raw)
        return int(seconds) if is_on else -1
    seconds, microseconds = _TIMEVAL.unpack(raw)
    return int(seconds) * 1000 + int(microseconds) // 1000


def _option_form(name: str) -> str:
    return f"a number, or {STRUCTURE_SIZES[name]} bytes" if name in STRUCTURE_SIZES else "a number"


def address_out(address: dict[str, Any] | None) -> Any:
    """Give an address in Python's form: a tuple, a path, or bytes that begin with a zero."""
    if address is None:
        return None
    if "ip" in address:
        ip, port = address["ip"], address["port"]
        return (ip, port, 0, address.get("scope", 0)) if ":" in ip else (ip, port)
    if "abstract" in address:
        return b"\0" + address["abstract"].encode()
    return address.get("path", "")


def address_in(call: str, address: object) -> dict[str, Any]:
    """Give an address from Python's form.

    None is an address of no bytes, as Python spells what the system gives for a sender without a name.
    """
    if address is None:
        return {}
    if isinstance(address, (str, bytes)):
        return _unix_in(address)
    if isinstance(address, tuple) and len(address) in {2, 4} and isinstance(address[0], str) and is_number(address[1]):
        return _inet_in(call, address)
    expected = "(host, port), (host, port, flow, scope), a path, or an abstract name as bytes"
    raise WrongResultError(f"{call}() gave {shown(address)} as an address, expected {expected}")


def _unix_in(address: str | bytes) -> dict[str, Any]:
    raw = address.encode("utf-8", "surrogateescape") if isinstance(address, str) else address
    if not raw:
        return {}
    if raw[:1] == b"\0":
        return {"abstract": raw[1:].decode("utf-8", "backslashreplace")}
    return {"path": raw.decode("utf-8", "backslashreplace")}


def _inet_in(call: str, address: tuple[Any, ...]) -> dict[str, Any]:
    text, port = address[0].partition("%")[0], address[1]
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        ip = _inet_ntop(family, _inet_pton(family, text))
    except (OSError, ValueError):
        raise WrongResultError(f"{call}() gave {shown(address)}: {text!r} is not an IP address") from None
    scope = address[3] if len(address) == 4 and is_number(address[3]) else 0
    return {"ip": ip, "port": int(port), "scope": int(scope)}


def shown(value: object) -> str:
    """Give a short text for a value that student code gave, whatever its `__repr__` does."""
    try:
        text = repr(value)
    except BaseException:  # noqa: BLE001 - `__repr__` is student code too
        text = f"something of type {type(value).__name__}"
    return printable(text if len(text) <= 80 else f"{text[:77]}...")
