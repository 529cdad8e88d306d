"""The calls of the socket interface as C has them, over any table of symbols: those of libc, or a student's.

Each operation is exactly one call, with nothing added and nothing hidden, and an error is an `OSError` with the
errno that the call left. (Python's `socket` module retries EINTR, sets close-on-exec, resets the blocking mode of
accepted sockets and cannot express many arguments.)

Source: POSIX.1-2024 XSH 2.10; Linux ip(7), ipv6(7), unix(7), socket(7).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

from grader.agent.structures import (
    ADDRESS_BYTES,
    DOMAINS,
    FD_SETSIZE,
    HOWS,
    LEVELS,
    LONG_FORMS,
    MESSAGE_FLAGS,
    OPTIONS,
    POLL_EVENTS,
    POLL_WORDS,
    PROTOCOLS,
    REPORTED_FLAGS,
    TYPES,
    WORDS,
    Fields,
    Iovec,
    Msghdr,
    PollFd,
    decode_address,
    encode_address,
)

Arguments = Mapping[str, Any]

_int, _size, _ssize, _ulong = ctypes.c_int, ctypes.c_size_t, ctypes.c_ssize_t, ctypes.c_ulong
_bytes, _buffer = ctypes.c_char_p, ctypes.c_void_p
# symbol: what it gives, what it takes
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "socket": (_int, _int, _int, _int),
    "socketpair": (_int, _int, _int, _int, _buffer),
    "bind": (_int, _int, _bytes, _int),
    "listen": (_int, _int, _int),
    "accept": (_int, _int, _buffer, _buffer),
    "connect": (_int, _int, _bytes, _int),
    "send": (_ssize, _int, _bytes, _size, _int),
    "write": (_ssize, _int, _bytes, _size),
    "sendto": (_ssize, _int, _bytes, _size, _int, _bytes, _int),
    "sendmsg": (_ssize, _int, _buffer, _int),
    "recv": (_ssize, _int, _buffer, _size, _int),
    "read": (_ssize, _int, _buffer, _size),
    "recvfrom": (_ssize, _int, _buffer, _size, _int, _buffer, _buffer),
    "recvmsg": (_ssize, _int, _buffer, _int),
    "shutdown": (_int, _int, _int),
    "close": (_int, _int),
    "dup": (_int, _int),
    "getsockname": (_int, _int, _buffer, _buffer),
    "getpeername": (_int, _int, _buffer, _buffer),
    "getsockopt": (_int, _int, _int, _int, _buffer, _buffer),
    "setsockopt": (_int, _int, _int, _int, _bytes, _int),
    "fcntl": (_int, _int, _int, _int),
    "poll": (_int, _buffer, _ulong, _int),
    "select": (_int, _int, _buffer, _buffer, _buffer, _buffer),
    "ioctl": (_int, _int, _ulong, _buffer),
}
_OTHER_NAMES = {"nonblock": "fcntl", "unread": "ioctl"}
# operation: the symbol behind it
OPERATIONS = {
    **{name: name for name in SIGNATURES if name not in _OTHER_NAMES.values()},
    **_OTHER_NAMES,
}
_DEFAULT_BACKLOG = 16
_F_GETFL, _F_SETFL, _FIONREAD = 3, 4, 0x541B  # Source: Linux <fcntl.h>, <asm-generic/ioctls.h>
_NOT_WRITTEN = -1  # in an option's place before the call: no option has this value


def declare(library: ctypes.CDLL, symbols: Collection[str] = SIGNATURES.keys(), prefix: str = "") -> SimpleNamespace:
    """Give these functions of a library, each under its name without the prefix; their types are declared here only."""
    table = SimpleNamespace()
    for name in symbols:
        function = library[prefix + name]
        function.restype, *function.argtypes = SIGNATURES[name]
        setattr(table, name, function)
    return table


def check(answer: int) -> int:
    """Give the answer of a call, or raise its error."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


class _Scratch(threading.local):
    """Buffers that a thread uses again from call to call."""

    def __init__(self) -> None:
        self.address = ctypes.create_string_buffer(ADDRESS_BYTES)
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


class Calls:
    """The calls of one table, each named as its operation.

    What a table of another kind must do otherwise stands in the methods without an operation: where results are
    written, what is made of them, and how a stream is known.
    """

    def __init__(self, symbols: Any) -> None:
        """Call the functions of this table, as `declare` gives it."""
        self._c = symbols

    def _room(self, size: int) -> Any:
        """Give a buffer that a call may write so many bytes to."""
        return _scratch.buffer(size)

    def _received(self, args: Arguments, buffer: Any, size: int, count: int) -> Fields:
        """Zero bytes are end of file on a stream, and an empty message elsewhere."""
        is_eof = count == 0 and size > 0 and self._is_stream(args["sock"])
        return {"data": ctypes.string_at(buffer, min(count, size)), "count": count, "eof": is_eof}

    def _is_stream(self, sock: int) -> bool:
        return self._option(sock, socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM

    def _address_room(self) -> Any:
        return _scratch.address

    def _address(self, function: Any, args: Arguments, room: Any, length: int) -> Fields | None:
        """Read the address that a function has written."""
        return decode_address(ctypes.string_at(room, min(length, ADDRESS_BYTES)))

    def _with_address(self, function: Any, args: Arguments, *more: Any) -> tuple[int, Fields | None]:
        """Call a function whose last two arguments are where to put an address, and its length."""
        room, length = self._address_room(), _scratch.length
        length.value = ADDRESS_BYTES
        answer = check(function(args["sock"], *more, room, ctypes.addressof(length)))
        return answer, self._address(function, args, room, length.value)

    def socket(self, args: Arguments) -> Fields:
        domain, kind, proto = _kind(args)
        if args.get("nonblock"):
            kind |= socket.SOCK_NONBLOCK
        return {"sock": check(self._c.socket(domain, kind, proto))}

    def socketpair(self, args: Arguments) -> Fields:
        pair = (ctypes.c_int * 2)(-1, -1)
        check(self._c.socketpair(*_kind(args), pair))
        return {"sock": pair[0], "other": pair[1]}

    def bind(self, args: Arguments) -> Fields:
        raw = encode_address(args["addr"])
        check(self._c.bind(args["sock"], raw, len(raw)))
        return {}

    def listen(self, args: Arguments) -> Fields:
        check(self._c.listen(args["sock"], args.get("backlog", _DEFAULT_BACKLOG)))
        return {}

    def accept(self, args: Arguments) -> Fields:
        new, peer = self._with_address(self._c.accept, args)
        if args.get("nonblock"):
            self.nonblock({"sock": new, "set": True})
        return {"sock": new, "peer": peer}

    def connect(self, args: Arguments) -> Fields:
        raw = encode_address(args["addr"])
        check(self._c.connect(args["sock"], raw, len(raw)))
        return {}

    def send(self, args: Arguments) -> Fields:
        data = args["data"]
        return {"count": check(self._c.send(args["sock"], data, len(data), _flags(args)))}

    def write(self, args: Arguments) -> Fields:
        data = args["data"]
        return {"count": check(self._c.write(args["sock"], data, len(data)))}

    def sendto(self, args: Arguments) -> Fields:
        data, raw = args["data"], encode_address(args["addr"])
        return {"count": check(self._c.sendto(args["sock"], data, len(data), _flags(args), raw, len(raw)))}

    def sendmsg(self, args: Arguments) -> Fields:
        buffers = [ctypes.create_string_buffer(part, len(part)) if part else None for part in args["parts"]]
        vector = (Iovec * len(buffers))(
            *(
                Iovec(ctypes.addressof(buffer) if buffer is not None else None, len(part))
                for buffer, part in zip(buffers, args["parts"], strict=True)
            )
        )
        header = Msghdr(parts=ctypes.addressof(vector), part_count=len(buffers))
        if args.get("addr") is not None:
            raw = ctypes.create_string_buffer(encode_address(args["addr"]))
            header.name, header.name_size = ctypes.addressof(raw), len(raw) - 1
        return {"count": check(self._c.sendmsg(args["sock"], ctypes.addressof(header), _flags(args)))}

    def recv(self, args: Arguments) -> Fields:
        size = args["size"]
        buffer = self._room(size)
        count = check(self._c.recv(args["sock"], buffer, size, _flags(args)))
        return self._received(args, buffer, size, count)

    def read(self, args: Arguments) -> Fields:
        size = args["size"]
        buffer = self._room(size)
        return self._received(args, buffer, size, check(self._c.read(args["sock"], buffer, size)))

    def recvfrom(self, args: Arguments) -> Fields:
        size = args["size"]
        buffer = self._room(size)
        count, peer = self._with_address(self._c.recvfrom, args, buffer, size, _flags(args))
        return {**self._received(args, buffer, size, count), "peer": peer}

    def recvmsg(self, args: Arguments) -> Fields:
        sizes = args.get("sizes") or (args["size"],)
        buffer, room = self._room(sum(sizes)), self._address_room()
        # The buffers lie one behind the other, so what they hold together is what was received.
        vector, place = (Iovec * len(sizes))(), ctypes.addressof(buffer)
        for index, size in enumerate(sizes):
            vector[index] = Iovec(place, size)
            place += size
        header = Msghdr(
            name=ctypes.addressof(room),
            name_size=ADDRESS_BYTES,
            parts=ctypes.addressof(vector),
            part_count=len(sizes),
        )
        count = check(self._c.recvmsg(args["sock"], ctypes.addressof(header), _flags(args)))
        return {
            **self._received(args, buffer, sum(sizes), count),
            "peer": self._address(self._c.recvmsg, args, room, header.name_size),
            "flags": tuple(sorted(name for name in REPORTED_FLAGS if header.flags & MESSAGE_FLAGS[name])),
        }

    def shutdown(self, args: Arguments) -> Fields:
        check(self._c.shutdown(args["sock"], HOWS[args["how"]]))
        return {}

    def close(self, args: Arguments) -> Fields:
        check(self._c.close(args["sock"]))
        return {}

    def dup(self, args: Arguments) -> Fields:
        return {"sock": check(self._c.dup(args["sock"]))}

    def getsockname(self, args: Arguments) -> Fields:
        return {"addr": self._with_address(self._c.getsockname, args)[1]}

    def getpeername(self, args: Arguments) -> Fields:
        return {"addr": self._with_address(self._c.getpeername, args)[1]}

    def getsockopt(self, args: Arguments) -> Fields:
        level, number, form = _option(args)
        if form in LONG_FORMS:
            width, read, _ = LONG_FORMS[form]
            raw, size = ctypes.create_string_buffer(width), ctypes.c_uint32(width)
            check(self._c.getsockopt(args["sock"], level, number, raw, ctypes.addressof(size)))
            return {"value": read(raw.raw)}
        value = self._option(args["sock"], level, number)
        if form == "bool":
            return {"value": bool(value)}
        return {"value": value if form == "int" else WORDS[form].get(value, value)}

    def _option(self, sock: int, level: int, number: int) -> int:
        value, size = ctypes.c_int(_NOT_WRITTEN), ctypes.c_uint32(4)
        check(self._c.getsockopt(sock, level, number, ctypes.addressof(value), ctypes.addressof(size)))
        return value.value

    def setsockopt(self, args: Arguments) -> Fields:
        level, number, form = _option(args)
        raw = LONG_FORMS[form][2](args["value"]) if form in LONG_FORMS else struct.pack("=i", int(args["value"]))
        check(self._c.setsockopt(args["sock"], level, number, raw, len(raw)))
        return {}

    def nonblock(self, args: Arguments) -> Fields:
        flags = check(self._c.fcntl(args["sock"], _F_GETFL, 0))
        wanted = flags | os.O_NONBLOCK if args["set"] else flags & ~os.O_NONBLOCK
        check(self._c.fcntl(args["sock"], _F_SETFL, wanted))
        return {}

    def poll(self, args: Arguments) -> Fields:
        watch = args["watch"]
        table = (PollFd * len(watch))(
            *(PollFd(fd, sum(POLL_EVENTS[event] for event in events), 0) for fd, events in watch)
        )
        timeout = args.get("timeout")
        count = check(self._c.poll(ctypes.addressof(table), len(watch), -1 if timeout is None else timeout))
        ready = (f"{row.fd}.{word}" for row in table for bit, word in sorted(POLL_WORDS.items()) if row.revents & bit)
        return {"ready": tuple(ready), "count": count}

    def select(self, args: Arguments) -> Fields:
        watch = args["watch"]
        sets = {event: (ctypes.c_uint8 * (FD_SETSIZE // 8))() for event in POLL_EVENTS}
        for fd, events in watch:
            for event in events:
                sets[event][fd // 8] |= 1 << fd % 8
        timeout = args.get("timeout")
        width, _, write = LONG_FORMS["time"]
        limit = None if timeout is None else ctypes.create_string_buffer(write(timeout), width)
        top = max((fd for fd, _ in watch), default=-1) + 1
        count = check(self._c.select(top, sets["read"], sets["write"], sets["except"], limit))
        ready = tuple(f"{fd}.{event}" for fd, _ in watch for event in sets if sets[event][fd // 8] & 1 << fd % 8)
        return {"ready": ready, "count": count}

    def unread(self, args: Arguments) -> Fields:
        value = ctypes.c_int(_NOT_WRITTEN)
        check(self._c.ioctl(args["sock"], _FIONREAD, ctypes.addressof(value)))
        return {"value": value.value}


def _kind(args: Arguments) -> tuple[int, int, int]:
    """Give the three numbers of a socket; a number in place of a word is passed on as it is."""
    return _number(DOMAINS, args["domain"]), _number(TYPES, args["type"]), _number(PROTOCOLS, args.get("proto") or 0)


def _number(numbers: Mapping[str, int], word: str | int) -> int:
    return word if isinstance(word, int) else numbers[word]


def _flags(args: Arguments) -> int:
    flags = 0
    for name in args.get("flags") or ():
        flags |= MESSAGE_FLAGS[name]
    return flags


def _option(args: Arguments) -> tuple[int, int, str]:
    level, number, form = OPTIONS[args["name"]]
    return LEVELS.get(args.get("level") or "", level), number, form


def bound(calls: Calls, operations: Collection[str] = OPERATIONS.keys()) -> dict[str, Callable[[Arguments], Fields]]:
    """Give the calls of a table by operation."""
    return {op: getattr(calls, op) for op in operations}
