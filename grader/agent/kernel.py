"""The kernel's sockets by raw libc calls, with nothing added and nothing hidden.

Python's `socket` module retries EINTR, sets close-on-exec, resets the blocking mode of accepted
sockets and cannot express many arguments. Here every call is exactly one libc call, and an error is
an `OSError` with the errno the kernel gave. Standard library only; imports nothing of ours.

Arguments and results are plain: descriptors are ints, data is bytes, an address is a dict with `ip`,
`port` and perhaps `scope`, with `path`, with `abstract`, or empty for an unnamed AF_UNIX socket.

Source: POSIX.1-2024 XSH 2.10; Linux ip(7), ipv6(7), unix(7), socket(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
# fd, pointer, size and flag arguments all travel as machine words; -1 is always the error.
_WORD = ctypes.c_ssize_t
_BUFFER = ctypes.c_void_p


def _declare(name: str, *arguments: Any) -> Callable[..., int]:
    function = getattr(_libc, name)
    function.argtypes = arguments
    function.restype = _WORD if name in _SIZED else ctypes.c_int
    return function  # type: ignore[no-any-return]  # ctypes functions are untyped


_SIZED = frozenset({"send", "sendto", "sendmsg", "recv", "recvfrom", "recvmsg", "read", "write"})
_int, _size = ctypes.c_int, ctypes.c_size_t
_socket = _declare("socket", _int, _int, _int)
_socketpair = _declare("socketpair", _int, _int, _int, _BUFFER)
_bind = _declare("bind", _int, ctypes.c_char_p, _int)
_listen = _declare("listen", _int, _int)
_accept = _declare("accept", _int, _BUFFER, _BUFFER)
_connect = _declare("connect", _int, ctypes.c_char_p, _int)
_send = _declare("send", _int, ctypes.c_char_p, _size, _int)
_write = _declare("write", _int, ctypes.c_char_p, _size)
_sendto = _declare("sendto", _int, ctypes.c_char_p, _size, _int, ctypes.c_char_p, _int)
_sendmsg = _declare("sendmsg", _int, _BUFFER, _int)
_recv = _declare("recv", _int, _BUFFER, _size, _int)
_read = _declare("read", _int, _BUFFER, _size)
_recvfrom = _declare("recvfrom", _int, _BUFFER, _size, _int, _BUFFER, _BUFFER)
_recvmsg = _declare("recvmsg", _int, _BUFFER, _int)
_shutdown = _declare("shutdown", _int, _int)
_close = _declare("close", _int)
_dup = _declare("dup", _int)
_getsockname = _declare("getsockname", _int, _BUFFER, _BUFFER)
_getpeername = _declare("getpeername", _int, _BUFFER, _BUFFER)
_getsockopt = _declare("getsockopt", _int, _int, _int, _BUFFER, _BUFFER)
_setsockopt = _declare("setsockopt", _int, _int, _int, ctypes.c_char_p, _int)
_fcntl = _declare("fcntl", _int, _int, _int)
_poll = _declare("poll", _BUFFER, ctypes.c_ulong, _int)
_select = _declare("select", _int, _BUFFER, _BUFFER, _BUFFER, _BUFFER)
_ioctl = _declare("ioctl", _int, ctypes.c_ulong, _BUFFER)

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
_WORDS = {
    "domain": {int(number): word for word, number in DOMAINS.items()},
    "type": {int(number): word for word, number in TYPES.items()},
    "protocol": {int(number): word for word, number in PROTOCOLS.items()},
    "error": errno.errorcode,
}

Fields = dict[str, Any]
Arguments = Mapping[str, Any]


def _check(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


# -- addresses ------------------------------------------------------------------------------------------


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


_ADDRESS_BYTES = 128


class _Scratch(threading.local):
    """Buffers that a thread uses again from call to call."""

    def __init__(self) -> None:
        self.address = ctypes.create_string_buffer(_ADDRESS_BYTES)
        self.length = ctypes.c_uint32()
        self.buffers: dict[int, Any] = {}

    def buffer(self, size: int) -> Any:
        found = self.buffers.get(size)
        if found is None:
            found = self.buffers[size] = ctypes.create_string_buffer(max(size, 1))
        return found


_scratch = _Scratch()


def hold_signals() -> set[signal.Signals]:
    """Let SIGPIPE wait in this thread, so that `raised_signals` can see it; gives the mask of before.

    A blocked signal is kept even where it is ignored, as Python does from the start. Source: Linux signal(7).
    """
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE}))  # type: ignore[arg-type]  # Signals


def raised_signals() -> tuple[str, ...]:
    """Give and take back the signals that this thread's last call raised: SIGPIPE or none."""
    if signal.SIGPIPE in signal.sigpending():
        signal.sigtimedwait({signal.SIGPIPE}, 0)
        return ("SIGPIPE",)
    return ()


def _with_address(call: Callable[[Any, Any], int]) -> tuple[int, Fields]:
    scratch = _scratch
    scratch.length.value = _ADDRESS_BYTES
    answer = _check(call(scratch.address, ctypes.addressof(scratch.length)))
    return answer, decode_address(ctypes.string_at(scratch.address, min(scratch.length.value, _ADDRESS_BYTES)))


# -- the calls ------------------------------------------------------------------------------------------


def _kind(args: Arguments) -> tuple[int, int, int]:
    """Give the three numbers of a socket; a number in place of a word is passed on as it is."""
    return _number(DOMAINS, args["domain"]), _number(TYPES, args["type"]), _number(PROTOCOLS, args.get("proto") or 0)


def _number(numbers: Mapping[str, int], word: str | int) -> int:
    return word if isinstance(word, int) else numbers[word]


def call_socket(args: Arguments) -> Fields:
    domain, kind, proto = _kind(args)
    if args.get("nonblock"):
        kind |= socket.SOCK_NONBLOCK
    return {"sock": _check(_socket(domain, kind, proto))}


def call_socketpair(args: Arguments) -> Fields:
    pair = (ctypes.c_int * 2)()
    _check(_socketpair(*_kind(args), pair))
    return {"sock": pair[0], "other": pair[1]}


def call_bind(args: Arguments) -> Fields:
    raw = encode_address(args["addr"])
    _check(_bind(args["sock"], raw, len(raw)))
    return {}


def call_listen(args: Arguments) -> Fields:
    _check(_listen(args["sock"], args.get("backlog", 16)))
    return {}


def call_accept(args: Arguments) -> Fields:
    sock = args["sock"]
    new, peer = _with_address(lambda address, length: _accept(sock, address, length))
    if args.get("nonblock"):
        call_nonblock({"sock": new, "set": True})
    return {"sock": new, "peer": peer}


def call_connect(args: Arguments) -> Fields:
    raw = encode_address(args["addr"])
    _check(_connect(args["sock"], raw, len(raw)))
    return {}


def _flags(args: Arguments) -> int:
    flags = 0
    for name in args.get("flags") or ():
        flags |= MESSAGE_FLAGS[name]
    return flags


def call_send(args: Arguments) -> Fields:
    data = args["data"]
    return {"count": _check(_send(args["sock"], data, len(data), _flags(args)))}


def call_write(args: Arguments) -> Fields:
    data = args["data"]
    return {"count": _check(_write(args["sock"], data, len(data)))}


def call_sendto(args: Arguments) -> Fields:
    data, raw = args["data"], encode_address(args["addr"])
    return {"count": _check(_sendto(args["sock"], data, len(data), _flags(args), raw, len(raw)))}


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


def call_sendmsg(args: Arguments) -> Fields:
    buffers = [ctypes.create_string_buffer(part, len(part)) if part else None for part in args["parts"]]
    vector = (_Iovec * len(buffers))(
        *(
            _Iovec(ctypes.addressof(buffer) if buffer is not None else None, len(part))
            for buffer, part in zip(buffers, args["parts"], strict=True)
        )
    )
    header = _Msghdr(parts=ctypes.addressof(vector), part_count=len(buffers))
    if args.get("addr") is not None:
        raw = ctypes.create_string_buffer(encode_address(args["addr"]))
        header.name, header.name_size = ctypes.addressof(raw), len(raw) - 1
    return {"count": _check(_sendmsg(args["sock"], ctypes.addressof(header), _flags(args)))}


def _received(sock: int, size: int, count: int, data: bytes) -> Fields:
    """Zero bytes are end of file on a stream, and an empty message elsewhere."""
    fields: Fields = {"data": data, "count": count}
    if count == 0 and size > 0:
        fields["eof"] = _option(sock, socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    else:
        fields["eof"] = False
    return fields


def call_recv(args: Arguments) -> Fields:
    sock, size = args["sock"], args["size"]
    buffer = _scratch.buffer(size)
    count = _check(_recv(sock, buffer, size, _flags(args)))
    return _received(sock, size, count, ctypes.string_at(buffer, min(count, size)))


def call_read(args: Arguments) -> Fields:
    sock, size = args["sock"], args["size"]
    buffer = _scratch.buffer(size)
    count = _check(_read(sock, buffer, size))
    return _received(sock, size, count, ctypes.string_at(buffer, count))


def call_recvfrom(args: Arguments) -> Fields:
    sock, size, flags = args["sock"], args["size"], _flags(args)
    buffer = _scratch.buffer(size)
    count, peer = _with_address(lambda address, length: _recvfrom(sock, buffer, size, flags, address, length))
    return {**_received(sock, size, count, ctypes.string_at(buffer, min(count, size))), "peer": peer}


def call_recvmsg(args: Arguments) -> Fields:
    sock, sizes = args["sock"], args.get("sizes") or (args["size"],)
    buffers = [ctypes.create_string_buffer(max(size, 1)) for size in sizes]
    vector = (_Iovec * len(sizes))(
        *(_Iovec(ctypes.addressof(buffer), size) for buffer, size in zip(buffers, sizes, strict=True))
    )
    scratch = _scratch
    header = _Msghdr(
        name=ctypes.addressof(scratch.address),
        name_size=_ADDRESS_BYTES,
        parts=ctypes.addressof(vector),
        part_count=len(sizes),
    )
    count = _check(_recvmsg(sock, ctypes.addressof(header), _flags(args)))
    whole = b"".join(ctypes.string_at(buffer, size) for buffer, size in zip(buffers, sizes, strict=True))
    return {
        **_received(sock, sum(sizes), count, whole[:count]),
        "peer": decode_address(ctypes.string_at(scratch.address, header.name_size)),
        "flags": tuple(sorted(name for name in _REPORTED_FLAGS if header.flags & MESSAGE_FLAGS[name])),
    }


_REPORTED_FLAGS = ("MSG_TRUNC", "MSG_CTRUNC", "MSG_EOR", "MSG_OOB")


def call_shutdown(args: Arguments) -> Fields:
    _check(_shutdown(args["sock"], HOWS[args["how"]]))
    return {}


def call_close(args: Arguments) -> Fields:
    _check(_close(args["sock"]))
    return {}


def call_dup(args: Arguments) -> Fields:
    return {"sock": _check(_dup(args["sock"]))}


def call_getsockname(args: Arguments) -> Fields:
    sock = args["sock"]
    return {"addr": _with_address(lambda address, length: _getsockname(sock, address, length))[1]}


def call_getpeername(args: Arguments) -> Fields:
    sock = args["sock"]
    return {"addr": _with_address(lambda address, length: _getpeername(sock, address, length))[1]}


def _option(sock: int, level: int, number: int) -> int:
    value, size = ctypes.c_int(), ctypes.c_uint32(4)
    _check(_getsockopt(sock, level, number, ctypes.addressof(value), ctypes.addressof(size)))
    return value.value


def call_getsockopt(args: Arguments) -> Fields:
    level, number, form = OPTIONS[args["name"]]
    level = LEVELS.get(args.get("level") or "", level)
    if form in {"linger", "time"}:
        raw, size = ctypes.create_string_buffer(16), ctypes.c_uint32(16)
        _check(_getsockopt(args["sock"], level, number, raw, ctypes.addressof(size)))
        return {"value": _LONG_FORMS[form][0](raw.raw)}
    value = _option(args["sock"], level, number)
    if form == "bool":
        return {"value": bool(value)}
    return {"value": value if form == "int" else _WORDS[form].get(value, value)}


def call_setsockopt(args: Arguments) -> Fields:
    level, number, form = OPTIONS[args["name"]]
    level = LEVELS.get(args.get("level") or "", level)
    raw = _LONG_FORMS[form][1](args["value"]) if form in _LONG_FORMS else struct.pack("=i", int(args["value"]))
    _check(_setsockopt(args["sock"], level, number, raw, len(raw)))
    return {}


def _read_linger(raw: bytes) -> int:
    on, seconds = struct.unpack_from("=ii", raw)
    return seconds if on else -1


def _read_time(raw: bytes) -> int:
    seconds, microseconds = struct.unpack_from("@ll", raw)
    return int(seconds * 1000 + microseconds // 1000)


# form of an option's value: how it is read, how it is written. Times are milliseconds, a linger of -1 is off.
_LONG_FORMS: dict[str, tuple[Callable[[bytes], int], Callable[[int], bytes]]] = {
    "linger": (_read_linger, lambda seconds: struct.pack("=ii", seconds >= 0, max(seconds, 0))),
    "time": (_read_time, lambda ms: struct.pack("@ll", ms // 1000, ms % 1000 * 1000)),
}

_F_GETFL, _F_SETFL = 3, 4


def call_nonblock(args: Arguments) -> Fields:
    flags = _check(_fcntl(args["sock"], _F_GETFL, 0))
    wanted = flags | os.O_NONBLOCK if args["set"] else flags & ~os.O_NONBLOCK
    _check(_fcntl(args["sock"], _F_SETFL, wanted))
    return {}


class _PollFd(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


_POLL_EVENTS = {"read": select.POLLIN, "write": select.POLLOUT, "except": select.POLLPRI}
_POLL_WORDS = {
    **{bit: word for word, bit in _POLL_EVENTS.items()},
    select.POLLHUP: "hangup",
    select.POLLERR: "error",
    select.POLLNVAL: "invalid",
}


def call_poll(args: Arguments) -> Fields:
    watch = args["watch"]
    table = (_PollFd * len(watch))(
        *(_PollFd(fd, sum(_POLL_EVENTS[event] for event in events), 0) for fd, events in watch)
    )
    timeout = args.get("timeout")
    count = _check(_poll(ctypes.addressof(table), len(watch), -1 if timeout is None else timeout))
    ready = tuple(f"{row.fd}.{word}" for row in table for bit, word in sorted(_POLL_WORDS.items()) if row.revents & bit)
    return {"ready": ready, "count": count}


_FD_SETSIZE = 1024


def call_select(args: Arguments) -> Fields:
    watch = args["watch"]
    sets = {event: (ctypes.c_uint8 * (_FD_SETSIZE // 8))() for event in _POLL_EVENTS}
    for fd, events in watch:
        for event in events:
            sets[event][fd // 8] |= 1 << fd % 8
    timeout = args.get("timeout")
    limit = None if timeout is None else ctypes.create_string_buffer(_LONG_FORMS["time"][1](timeout), 16)
    top = max((fd for fd, _ in watch), default=-1) + 1
    count = _check(_select(top, sets["read"], sets["write"], sets["except"], limit))
    ready = tuple(f"{fd}.{event}" for fd, _ in watch for event in sets if sets[event][fd // 8] & 1 << fd % 8)
    return {"ready": ready, "count": count}


_FIONREAD = 0x541B


def call_unread(args: Arguments) -> Fields:
    value = ctypes.c_int()
    _check(_ioctl(args["sock"], _FIONREAD, ctypes.addressof(value)))
    return {"value": value.value}


CALLS: dict[str, Callable[[Arguments], Fields]] = {
    name.removeprefix("call_"): function
    for name, function in vars(sys.modules[__name__]).items()
    if name.startswith("call_")
}


class Kernel:
    """The kernel as an implementation that the agent can run: wire forms in, wire forms out."""

    ops = frozenset(CALLS)
    missing: Mapping[str, str] = {}
    features = frozenset({"raw-calls", "sigpipe", "closed-descriptors", "processes", "threads"})

    def __init__(self) -> None:
        """Hold SIGPIPE back in each thread that calls, from its first call on."""
        self._thread = threading.local()

    def call(self, op: str, args: Arguments) -> Fields:
        """Make one call; gives `ok`, or `err` and perhaps the `signals` that it raised."""
        if not hasattr(self._thread, "held"):
            self._thread.held = hold_signals()
        try:
            return {"ok": CALLS[op](args)}
        except OSError as error:
            number = error.errno or 0
            answer: Fields = {"err": {"name": errno.errorcode.get(number, f"E#{number}"), "number": number}}
            signals = raised_signals() if number == errno.EPIPE else ()
            return {**answer, "signals": list(signals)} if signals else answer
        except (KeyError, TypeError, ValueError, ctypes.ArgumentError) as error:
            return {"unsupported": f"{op}({dict(args)}) cannot be made: {error!r}"}
