"""Composite calls: the loops over primitives that every sockets program needs, written once.

Each is a generator: it yields the next primitive call as (operation, arguments), is sent that call's
outcome, and returns the outcome of the whole. What was in hand when a primitive failed is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TypeAlias

from grader.model.outcomes import Failed, Outcome, Raised, Succeeded
from grader.model.values import Plain

Arguments: TypeAlias = Mapping[str, Plain]
Composite: TypeAlias = Generator[tuple[str, Arguments], Outcome, Outcome]

_PIECE = 65536
# A queue that is not empty after so many receives never will be: nobody fills it meanwhile.
_MOST_DRAINS = 4096


def send_all(args: Arguments) -> Composite:
    """Repeat `send` until all of `data` is taken."""
    data = _bytes(args, "data")
    flags = args.get("flags", ())
    sent = calls = 0
    while sent < len(data) or not calls:
        outcome = yield "send", {"sock": args["sock"], "data": data[sent:], "flags": flags}
        calls += 1
        if not isinstance(outcome, Succeeded):
            return _partly(outcome, {"count": sent, "calls": calls})
        count = outcome.fields.get("count")
        if not isinstance(count, int) or not (0 < count <= len(data) - sent or (count == 0 and not data)):
            return Raised("wrong result", f"send() of {len(data) - sent} bytes said that it took {count!r}")
        sent += count
    return Succeeded({"count": sent, "calls": calls})


def recv_exactly(args: Arguments) -> Composite:
    """Repeat `recv` until `count` bytes are there, or end of file."""
    return _receive(args["sock"], _int(args, "count"))


def recv_until_eof(args: Arguments) -> Composite:
    """Repeat `recv` until end of file or `limit` bytes."""
    return _receive(args["sock"], _int(args, "limit"))


def _receive(sock: Plain, wanted: int) -> Composite:
    data, calls, eof = b"", 0, False
    while len(data) < wanted and not eof:
        outcome = yield "recv", {"sock": sock, "size": min(wanted - len(data), _PIECE), "flags": ()}
        calls += 1
        if not isinstance(outcome, Succeeded):
            return _partly(outcome, {"data": data, "calls": calls})
        piece = _bytes(outcome.fields, "data")
        eof = not piece
        data += piece
    return Succeeded({"data": data, "eof": eof, "calls": calls})


def drain(args: Arguments) -> Composite:
    """Receive without waiting until the call would wait, or end of file on a stream."""
    data, calls = b"", 0
    while calls < _MOST_DRAINS:
        outcome = yield "recv", {"sock": args["sock"], "size": _PIECE, "flags": ("MSG_DONTWAIT",)}
        calls += 1
        if isinstance(outcome, Failed) and outcome.errno in {"EAGAIN", "EWOULDBLOCK"}:
            return Succeeded({"data": data, "calls": calls})
        if not isinstance(outcome, Succeeded):
            return _partly(outcome, {"data": data, "calls": calls})
        data += _bytes(outcome.fields, "data")
        if outcome.fields.get("eof"):
            return Succeeded({"data": data, "calls": calls})
    return Raised("wrong result", f"recv() with MSG_DONTWAIT gave data {calls} times and would go on")


def _partly(outcome: Outcome, in_hand: Mapping[str, Plain]) -> Outcome:
    if isinstance(outcome, Failed):
        return Failed(outcome.errno, outcome.number, outcome.signals, in_hand)
    return outcome


def _bytes(fields: Mapping[str, Plain], name: str) -> bytes:
    value = fields.get(name)
    return value if isinstance(value, bytes) else b""


def _int(fields: Mapping[str, Plain], name: str) -> int:
    value = fields[name]
    return value if isinstance(value, int) else 0


COMPOSITES: dict[str, Callable[[Arguments], Composite]] = {
    "send_all": send_all,
    "recv_exactly": recv_exactly,
    "recv_until_eof": recv_until_eof,
    "drain": drain,
}
