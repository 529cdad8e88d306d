"""The structures and numbers of C behind the words of the language: addresses, options, vectors, events.

Arguments and results are plain: descriptors are ints, data is bytes, an address is a dict with `ip`,
`port` and perhaps `scope`, with `path`, with `abstract`, or empty for an unnamed AF_UNIX socket.

Source: POSIX.1-2024 <sys/socket.h>, <sys/un.h>, <netinet/in.h>, <sys/uio.h>, <poll.h>; Linux ip(7), unix(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]
ADDRESS_BYTES = 128  # sizeof(struct sockaddr_storage)

DOMAINS: dict[str, int] = {"unix": socket.AF_UNIX, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
TYPES: dict[str, int] = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "seqpacket": socket.SOCK_SEQPACKET}
PROTOCOLS: dict[str, int] = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "icmp": socket.IPPROTO_ICMP}
HOWS = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}
MESSAGE_FLAGS = {name: int(value) for name, value in vars(socket).items() if name.startswith("MSG_")}
# option: (level, number, form of the value)
OPTIONS = {
    **{
        name: (socket.SOL_SOCKET, getattr(socket, name), form)
        for form, names in {
            "domain": ("SO_DOMAIN",),
            "type": ("SO_TYPE",),
            "protocol": ("SO_PROTOCOL",),
            "error": ("SO_ERROR",),
            "bool": (
                "SO_ACCEPTCONN",
                "SO_REUSEADDR",
                "SO_REUSEPORT",
                "SO_KEEPALIVE",
                "SO_BROADCAST",
                "SO_OOBINLINE",
                "SO_DONTROUTE",
            ),
            "int": ("SO_SNDBUF", "SO_RCVBUF", "SO_RCVLOWAT", "SO_SNDLOWAT"),
            "linger": ("SO_LINGER",),
            "time": ("SO_RCVTIMEO", "SO_SNDTIMEO"),
        }.items()
        for name in names
    },
    "TCP_NODELAY": (socket.IPPROTO_TCP, socket.TCP_NODELAY, "bool"),
    "TCP_MAXSEG": (socket.IPPROTO_TCP, socket.TCP_MAXSEG, "int"),
    "IPV6_V6ONLY": (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, "bool"),
}
LEVELS = {
    "SOL_SOCKET": socket.SOL_SOCKET,
    "IPPROTO_TCP": socket.IPPROTO_TCP,
    "IPPROTO_IP": socket.IPPROTO_IP,
    "IPPROTO_IPV6": socket.IPPROTO_IPV6,
}
WORDS = {
    "domain": {int(number): word for word, number in DOMAINS.items()},
    "type": {int(number): word for word, number in TYPES.items()},
    "protocol": {int(number): word for word, number in PROTOCOLS.items()},
    "error": errno.errorcode,
}


class Iovec(ctypes.Structure):
    """`struct iovec`: one buffer of several."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Msghdr(ctypes.Structure):
    """`struct msghdr`: all that sendmsg() and recvmsg() take."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class PollFd(ctypes.Structure):
    """`struct pollfd`: one descriptor to wait for."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


REPORTED_FLAGS = ("MSG_TRUNC", "MSG_CTRUNC", "MSG_EOR", "MSG_OOB")
POLL_EVENTS = {"read": select.POLLIN, "write": select.POLLOUT, "except": select.POLLPRI}
POLL_WORDS = {
    **{bit: word for word, bit in POLL_EVENTS.items()},
    select.POLLHUP: "hangup",
    select.POLLERR: "error",
    select.POLLNVAL: "invalid",
}
FD_SETSIZE = 1024


def _read_linger(raw: bytes) -> int:
    on, seconds = struct.unpack_from("=ii", raw)
    return seconds if on else -1


def _read_time(raw: bytes) -> int:
    seconds, microseconds = struct.unpack_from("@ll", raw)
    return int(seconds * 1000 + microseconds // 1000)


# form of an option's value: its size, how it is read, how it is written. Times are milliseconds, a linger of -1 is off.
LONG_FORMS: dict[str, tuple[int, Callable[[bytes], int], Callable[[int], bytes]]] = {
    "linger": (8, _read_linger, lambda seconds: struct.pack("=ii", seconds >= 0, max(seconds, 0))),
    "time": (struct.calcsize("@ll"), _read_time, lambda ms: struct.pack("@ll", ms // 1000, ms % 1000 * 1000)),
}


def encode_address(address: Mapping[str, Any]) -> bytes:
    """Make the sockaddr of an address. Source: POSIX.1-2024 <netinet/in.h>, <sys/un.h>."""
    if "ip" in address:
        ip, port = address["ip"], address["port"]
        if ":" in ip:
            packed = socket.inet_pton(socket.AF_INET6, ip)
            return (
                struct.pack("=H", socket.AF_INET6)
                + struct.pack("!HI16s", port, 0, packed)
                + struct.pack("=I", address.get("scope", 0))
            )
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_pton(socket.AF_INET, ip))
    head = struct.pack("=H", socket.AF_UNIX)
    if "path" in address:
        return head + os.fsencode(address["path"]) + b"\0"
    return head + b"\0" + os.fsencode(address["abstract"]) if "abstract" in address else head


def decode_address(raw: bytes) -> Fields:
    """Read a sockaddr as the kernel wrote it; `raw` is cut to the length it reported."""
    if len(raw) < 2:
        return {}
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET:
        port, packed = struct.unpack_from("!H4s", raw, 2)
        return {"ip": socket.inet_ntop(socket.AF_INET, packed), "port": port}
    if family == socket.AF_INET6:
        port, _, packed = struct.unpack_from("!HI16s", raw, 2)
        (scope,) = struct.unpack_from("=I", raw, 24)
        return {"ip": socket.inet_ntop(socket.AF_INET6, packed), "port": port, "scope": scope}
    name = raw[2:]
    if not name:
        return {}
    if name[0] == 0:
        return {"abstract": os.fsdecode(name[1:])}
    return {"path": os.fsdecode(name.split(b"\0", 1)[0])}
