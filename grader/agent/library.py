"""A student's C library as an implementation of sockets, called as a C program would call it.

Errors are told by `errno`, and that is the C library's own: one number for each thread, which ctypes takes over
right after the call. A library that keeps a number of its own, or brings another C library along, tells none.

A result in another form than the call has (a `bind` that gives 5, an address without its length, bytes behind the
end of a buffer) is reported as a wrong result, in words; a wrong value in the right form is nobody's business here.
So that the form can be seen, what a call may write to is filled with a pattern first.
"""

from __future__ import annotations

import collections
import ctypes
import os
import socket
import struct
import sys
import threading
from collections.abc import Collection
from typing import Any

from grader.agent import elf
from grader.agent.forms import shown
from grader.agent.implementation import UnsupportedError, WrongResultError, answer_of, printable
from grader.agent.raw import OPERATIONS, SIGNATURES, Arguments, Calls, bound, declare, hold_signals, raised_signals
from grader.agent.structures import ADDRESS_BYTES, Fields

_MODE = (
    os.RTLD_NOW | os.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0)
)  # its own symbols first, and nobody else sees them
_UNBUFFERED = 2  # _IONBF
_PATTERN = 0xA5
_GUARD = bytes([_PATTERN]) * 64  # behind every buffer
_NOTHING = frozenset(
    "socketpair bind listen connect shutdown close getsockname getpeername getsockopt setsockopt".split()
)
_CUT = 0xFFFFFFFF  # what -1 becomes when an `int` is taken for an `ssize_t`
# family: how long its addresses are. A path may have its terminator, or all of `sun_path`, counted in.
_LENGTHS = {socket.AF_INET: range(16, 17), socket.AF_INET6: range(28, 29), socket.AF_UNIX: range(2, 112)}
# These need not tell the sender on a stream, which has none but its peer. Source: POSIX.1-2024 recvfrom().
_RECEIVING = ("recvfrom", "recvmsg")
_BESIDE = ("accept", *_RECEIVING)  # what these give is a descriptor or data, and an address beside it
# What an answer may hold, with room for base64 and the rest of the line.
_DATA_LIMIT = 700_000


def load(path: str, prefix: str | None = None) -> Library:
    """Load the library; without a prefix the one is taken under which most calls are there.

    Raises:
        OSError: it cannot be loaded, or has no function of the interface.
    """
    handle = ctypes.CDLL(path, mode=_MODE, use_errno=True)
    _show_at_once()
    there = elf.functions(path)
    return Library(handle, there, find_prefix(there) if prefix is None else prefix)


def find_prefix(exported: Collection[str]) -> str:
    """Give what stands before the names of the calls: `my_` of `my_socket`.

    Raises:
        OSError: no name ends like a call.
    """
    ways = collections.Counter(
        name.removesuffix(call) for name in exported for call in SIGNATURES if name.endswith(call)
    )
    if not ways:
        names = ", ".join(sorted(exported)[:8]) or "nothing"
        raise OSError(f"the library exports no call of the socket interface such as my_socket; it exports {names}")
    return max(ways, key=lambda prefix: (ways[prefix], prefix + "socket" in exported, -len(prefix), prefix))


def _show_at_once() -> None:
    """Let stdio keep nothing back: a process that is killed flushes nothing."""
    libc = ctypes.CDLL(None)
    libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _UNBUFFERED, ctypes.c_size_t(0))


class Library(Calls):
    """A library whose calls stand under a prefix."""

    features = frozenset({"raw-calls", "sigpipe", "closed-descriptors", "processes", "threads"})

    def __init__(self, handle: ctypes.CDLL, exported: Collection[str], prefix: str) -> None:
        """Take what is exported; the rest is missing."""
        there = [name for name in SIGNATURES if prefix + name in exported]
        symbols = declare(handle, there, prefix)
        for name in there:
            getattr(symbols, name).errcheck = _in_form(name)
        super().__init__(symbols)
        self._types: dict[int, str] = {}
        self._thread = threading.local()
        self.ops = frozenset(op for op, name in OPERATIONS.items() if name in there)
        self._calls = bound(self, self.ops)
        self.missing = {
            op: f"the library has no function `{prefix}{name}`" for op, name in OPERATIONS.items() if op not in self.ops
        }

    def call(self, op: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation; gives the answer and perhaps the `signals` that it raised."""
        if op not in self.ops:
            return {"unsupported": self.missing.get(op, f"there is no call {op}")}
        if not hasattr(self._thread, "held"):
            self._thread.held = hold_signals()
        ctypes.set_errno(0)
        answer = answer_of(lambda: self._make(op, args))
        signals = raised_signals()
        return {**answer, "signals": list(signals)} if signals else answer

    def _make(self, op: str, args: Arguments) -> Fields:
        try:
            return self._calls[op](args)
        except (LookupError, TypeError, ValueError, ctypes.ArgumentError) as error:
            raise UnsupportedError(f"{op}({dict(args)}) cannot be made: {error!r}") from error

    def socket(self, args: Arguments) -> Fields:
        """Make a socket, then make it non-blocking: SOCK_NONBLOCK is younger than most libraries."""
        made = super().socket({**args, "nonblock": False})
        self._types[made["sock"]] = args["type"]
        if args.get("nonblock"):
            self._not_blocking(made["sock"])
        return made

    def socketpair(self, args: Arguments) -> Fields:
        """Make a pair."""
        made = super().socketpair(args)
        for end in made.values():
            if end < 0:
                raise WrongResultError(f"socketpair() gave {made['sock']} and {made['other']}, expected descriptors")
            self._types[end] = args["type"]
        return made

    def accept(self, args: Arguments) -> Fields:
        """Accept; the new socket is of its listener's type."""
        made = super().accept({**args, "nonblock": False})
        self._types[made["sock"]] = self._types.get(args["sock"], "stream")
        if args.get("nonblock"):
            self._not_blocking(made["sock"])
        return made

    def dup(self, args: Arguments) -> Fields:
        """Duplicate; both are of one type."""
        made = super().dup(args)
        self._types[made["sock"]] = self._types.get(args["sock"], "")
        return made

    def _not_blocking(self, sock: int) -> None:
        if "nonblock" not in self.ops:
            raise UnsupportedError(self.missing["nonblock"])
        self.nonblock({"sock": sock, "set": True})

    def _is_stream(self, sock: int) -> bool:
        return self._types.get(sock) == "stream"

    def _room(self, size: int) -> Any:
        if size > _DATA_LIMIT:
            raise UnsupportedError(f"{size} bytes are more than one answer can carry")
        return _filled(size)

    def _received(self, args: Arguments, buffer: Any, size: int, count: int) -> Fields:
        if count > size and "MSG_TRUNC" not in (args.get("flags") or ()):
            raise WrongResultError(f"it gave {count} bytes where at most {size} were asked for{_cut(count)}")
        _see_guard(buffer, size)
        return super()._received(args, buffer, size, count)

    def _address_room(self) -> Any:
        return _filled(ADDRESS_BYTES)

    def _address(self, function: Any, args: Arguments, room: Any, length: int) -> Fields | None:
        name = function.__name__
        _see_guard(room, ADDRESS_BYTES)
        written = room.raw[:ADDRESS_BYTES].rstrip(bytes([_PATTERN]))
        if length < 2 or (not written and name.endswith(_RECEIVING) and self._is_stream(args["sock"])):
            return {}
        if complaint := _complaint(written, length):
            _tell(name, complaint)
            return None
        fields = super()._address(function, args, room, length) or {}
        return {field: printable(value) if isinstance(value, str) else value for field, value in fields.items()}


def _complaint(written: bytes, length: int) -> str:
    """Say what is wrong with the form of an address, if anything is."""
    if not written:
        return "wrote no address"
    (family,) = struct.unpack_from("=H", written.ljust(2, bytes([_PATTERN])))
    if (lengths := _LENGTHS.get(family)) is None:
        return f"wrote an address of family {family}: {shown(written[:16])}"
    if length in lengths:
        return ""
    verb = "left" if length == ADDRESS_BYTES else "set"
    expected = str(lengths[0]) if len(lengths) == 1 else f"from {lengths[0]} to {lengths[-1]}"
    return f"{verb} the length of the address at {length}, expected {expected}"


def _tell(name: str, complaint: str) -> None:
    """End a call that gives nothing but an address; beside something else the address is left out, with a note."""
    if not name.endswith(_BESIDE):
        raise WrongResultError(f"{name}() {complaint}")
    sys.stderr.write(f"(grader: {name}() {complaint})\n")


def _filled(size: int) -> Any:
    return ctypes.create_string_buffer(bytes([_PATTERN]) * size + _GUARD, size + len(_GUARD))


def _see_guard(buffer: Any, size: int) -> None:
    behind = ctypes.string_at(ctypes.addressof(buffer) + size, len(_GUARD))
    if behind != _GUARD:
        raise WrongResultError(f"it wrote behind the end of a buffer of {size} bytes: {shown(behind[:16])}")


def _cut(answer: int) -> str:
    return " (it is -1, cut to 32 bits: what this function gives is an ssize_t)" if answer == _CUT else ""


def _in_form(name: str) -> Any:
    """Give the check of what a function of this name gives; it runs right after each call."""
    highest = 0 if name in _NOTHING else None
    expected = "0 or -1" if name in _NOTHING else "-1 or a number from 0 up"

    def checked(answer: int, function: Any, _arguments: Any) -> int:
        if answer < -1 or (highest is not None and answer > highest):
            raise WrongResultError(f"{function.__name__}() gave {answer}, expected {expected}: errno says what failed")
        if answer == -1 and ctypes.get_errno() <= 0:
            raise WrongResultError(
                f"{function.__name__}() gave -1 and left errno as it was, expected an error's number"
            )
        if answer >= 0:
            ctypes.set_errno(0)  # a call that succeeds may leave any number, which says nothing of the next
        return answer

    return checked
