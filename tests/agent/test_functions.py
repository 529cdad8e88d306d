"""How a student's module is called: both shapes, and the form that each result must have."""

from __future__ import annotations

import errno
import socket
from contextlib import closing
from types import ModuleType
from typing import Any

import pytest

from grader.agent.functions import FUNCTIONS, Functions
from grader.agent.implementation import Implementation
from grader.agent.student import wrap
from grader.ops import OPERATIONS, Group


def module(**functions: Any) -> ModuleType:
    """Make a module that has these names."""
    made = ModuleType("sockets")
    vars(made).update(functions)
    return made


def gives(value: object) -> Any:
    """Make a function that gives this value, whatever it is called with."""
    return lambda *_: value


def raises(error: BaseException) -> Any:
    """Make a function that raises this."""

    def function(*_: object) -> None:
        raise error

    return function


def ok(answer: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of an answer that must be a success."""
    fields: dict[str, Any] = answer["ok"]
    return fields


def test_every_socket_operation_has_its_function() -> None:
    """The table of functions and the registry name the same operations."""
    assert FUNCTIONS.keys() == {op.name for op in OPERATIONS.values() if op.group is Group.SOCKET}


WRONG: list[tuple[str, object, dict[str, Any], str]] = [
    ("socket", -1, {"domain": "inet", "type": "stream"}, "socket() gave -1, expected a descriptor"),
    ("socket", None, {"domain": "inet", "type": "stream"}, "socket() gave None, expected a descriptor"),
    ("socket", True, {"domain": "inet", "type": "stream"}, "socket() gave True, expected a descriptor"),
    ("socketpair", 3, {"type": "stream"}, "socketpair() gave 3, expected (descriptor, descriptor)"),
    ("bind", -1, {"sock": 3, "addr": {"path": "x"}}, "bind() gave -1, expected nothing"),
    ("listen", True, {"sock": 3}, "listen() gave True, expected nothing"),
    ("accept", 4, {"sock": 3}, "accept() gave 4, expected (descriptor, address)"),
    ("accept", ("4", ""), {"sock": 3}, "accept() gave '4', expected a descriptor"),
    ("accept", (4, 80), {"sock": 3}, "accept() gave 80 as an address, expected (host, port)"),
    ("accept", (4, ("localhost", 80)), {"sock": 3}, "'localhost' is not an IP address"),
    ("send", None, {"sock": 3, "data": b"x"}, "send() gave None, expected the number of bytes taken"),
    ("send", -1, {"sock": 3, "data": b"x"}, "send() gave -1, expected the number of bytes taken"),
    ("recv", "text", {"sock": 3, "size": 9}, "recv() gave 'text' as the data, expected bytes"),
    ("recv", None, {"sock": 3, "size": 9}, "recv() gave None as the data, expected bytes"),
    ("recv", b"12345", {"sock": 3, "size": 4}, "recv() gave 5 bytes where at most 4 were asked for"),
    ("recvfrom", b"x", {"sock": 3, "size": 4}, "recvfrom() gave b'x', expected (data, address)"),
    ("recvmsg", (b"", 0), {"sock": 3, "size": 4}, "recvmsg() gave (b'', 0), expected (data, flags, address)"),
    ("recvmsg", (b"", None, ""), {"sock": 3, "size": 4}, "recvmsg() gave None as the flags, expected a number"),
    ("getsockname", ["::1", 1], {"sock": 3}, "getsockname() gave ['::1', 1] as an address"),
    ("getsockopt", b"\1", {"sock": 3, "name": "SO_TYPE"}, "gave b'\\x01' for SO_TYPE, expected a number"),
    ("getsockopt", "on", {"sock": 3, "name": "SO_LINGER"}, "gave 'on' for SO_LINGER, expected a number, or 8 bytes"),
    ("poll", 0, {"watch": []}, "poll() gave 0, expected a list of (descriptor, events)"),
    ("select", ([], []), {"watch": []}, "select() gave ([], []), expected three lists of descriptors"),
    ("unread", None, {"sock": 3}, "unread() gave None, expected a number of bytes"),
]


@pytest.mark.parametrize(("op", "result", "args", "text"), WRONG, ids=[f"{row[0]}-{row[1]}" for row in WRONG])
def test_a_result_of_another_form_is_named(op: str, result: object, args: dict[str, Any], text: str) -> None:
    """A result that the call never gives is reported in words."""
    answer = wrap(module(**{FUNCTIONS[op]: gives(result)})).call(op, args)

    assert answer["exc"]["type"] == "wrong result"
    assert text in answer["exc"]["text"]


@pytest.mark.parametrize("nothing", [None, 0])
def test_nothing_may_be_none_or_zero(nothing: object) -> None:
    """A call without a result may give 0, as in C."""
    assert wrap(module(close=gives(nothing))).call("close", {"sock": 3}) == {"ok": {}}


@pytest.mark.parametrize(
    ("error", "name", "number"),
    [
        (OSError(errno.EINVAL, "no"), "EINVAL", errno.EINVAL),
        (BlockingIOError(errno.EWOULDBLOCK, "later"), "EAGAIN", errno.EAGAIN),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "ECONNREFUSED", errno.ECONNREFUSED),
        (OSError(9999, "new"), "E#9999", 9999),
    ],
    ids=str,
)
def test_an_oserror_is_a_failure_by_name(error: OSError, name: str, number: int) -> None:
    """Whatever the subclass, the number decides."""
    answer = wrap(module(close=raises(error))).call("close", {"sock": 3})

    assert answer == {"err": {"name": name, "number": number}}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TimeoutError("timed out"), "TimeoutError"),
        (socket.gaierror(-2, "unknown name"), "gaierror"),
        (ConnectionError("failed"), "ConnectionError"),
        (TypeError("no"), "TypeError"),
        (GeneratorExit(), "GeneratorExit"),
    ],
    ids=repr,
)
def test_an_error_without_a_number_is_what_it_is(error: BaseException, name: str) -> None:
    """No errno, no failure of the interface: the exception is reported."""
    answer = wrap(module(close=raises(error))).call("close", {"sock": 3})

    assert answer["exc"]["type"] == name


def test_an_exception_that_cannot_be_shown_is_still_reported() -> None:
    """`__str__` and `__repr__` are student code too."""

    class WorseError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    assert wrap(module(close=raises(WorseError()))).call("close", {})["exc"]["type"] == "KeyError"
    assert (
        wrap(module(close=raises(WorseError()))).call("close", {"sock": 1})["exc"]["text"]
        == "(its text cannot be shown)"
    )
    assert (
        "something of type WorseError"
        in wrap(module(close=gives(WorseError()))).call("close", {"sock": 1})["exc"]["text"]
    )


def test_exit_passes_through() -> None:
    """Only leaving is not reported here: the cell does as it is told."""
    with pytest.raises(SystemExit):
        wrap(module(close=raises(SystemExit(3)))).call("close", {"sock": 3})


def test_constants_of_the_module_go_first() -> None:
    """A module may number domains, types and flags as it likes."""
    seen: list[object] = []

    def make(*numbers: object) -> int:
        seen.extend(numbers)
        return 3

    made = wrap(module(socket=make, AF_INET=77, SOCK_STREAM=88, IPPROTO_TCP=99))
    made.call("socket", {"domain": "inet", "type": "stream", "proto": "tcp"})
    made.call("socket", {"domain": "unix", "type": "dgram", "proto": 5})

    assert seen == [77, 88, 99, socket.AF_UNIX, socket.SOCK_DGRAM, 5]


def test_an_unknown_constant_is_nobodys_fault() -> None:
    """What cannot be asked is not offered."""
    answer = wrap(module(send=gives(1))).call("send", {"sock": 3, "data": b"x", "flags": ["MSG_OF_TOMORROW"]})

    assert answer == {"unsupported": "the constant MSG_OF_TOMORROW is not known here"}


def test_end_of_file_is_for_streams() -> None:
    """No bytes end a stream; a datagram of no bytes is data, and so is asking for none."""
    made = wrap(module(socket=gives(3), recv=gives(b"")))
    for kind, size, is_eof in (("stream", 9, True), ("stream", 0, False), ("dgram", 9, False), ("seqpacket", 9, False)):
        made.call("socket", {"domain": "unix", "type": kind})

        assert ok(made.call("recv", {"sock": 3, "size": size}))["eof"] is is_eof


def test_accept_hands_its_type_down_and_may_not_wait() -> None:
    """The new socket is a stream as its listener, and made non-blocking after the accept."""
    seen: list[object] = []
    made = wrap(module(accept=gives((4, "")), recv=gives(b""), set_nonblocking=lambda *args: seen.append(args)))

    answer = made.call("accept", {"sock": 3, "nonblock": True})

    assert ok(answer) == {"sock": 4, "peer": {}}
    assert seen == [(4, True)]
    assert ok(made.call("recv", {"sock": 4, "size": 1}))["eof"] is True


def test_nonblock_needs_its_function() -> None:
    """A module without `set_nonblocking` cannot be asked for a socket that does not wait."""
    answer = wrap(module(socket=gives(3))).call("socket", {"domain": "unix", "type": "stream", "nonblock": True})

    assert answer == {"unsupported": "the module has no function `set_nonblocking`"}


def test_missing_calls_are_named() -> None:
    """What is not there is missing, with the reason, and calling it is no crash."""
    made = wrap(module(socket=gives(3)))

    assert set(made.ops) == {"socket"}
    assert made.missing["poll"] == "the module has no function `poll`"
    assert made.call("poll", {}) == {"unsupported": "the module has no function `poll`"}


def test_a_class_means_the_other_shape() -> None:
    """The standard library's module is understood as objects; what objects lack is named."""
    made = wrap(socket)

    assert {"accept", "recvmsg", "nonblock", "poll", "socketpair"} <= set(made.ops)
    assert made.missing["read"] == "objects in the shape of the standard library have no such method"


def pair(made: Implementation) -> tuple[int, int]:
    """Make two connected sockets."""
    fields = ok(made.call("socketpair", {"type": "stream"}))
    return fields["sock"], fields["other"]


def test_objects_talk_through_numbers() -> None:
    """Every call of the standard library's shape works by descriptor."""
    made = wrap(socket)
    sock, other = pair(made)

    copy = ok(made.call("dup", {"sock": sock}))["sock"]
    assert ok(made.call("sendmsg", {"sock": copy, "parts": [b"ab", b"c"]})) == {"count": 3}
    received = ok(made.call("recvmsg", {"sock": other, "sizes": [2, 5]}))
    assert received == {"data": b"abc", "count": 3, "peer": {}, "flags": [], "eof": False}
    assert ok(made.call("select", {"watch": [[sock, ["read", "write"]]], "timeout": 0}))["ready"] == [f"{sock}.write"]
    assert ok(made.call("shutdown", {"sock": sock, "how": "wr"})) == {}
    assert ok(made.call("recv", {"sock": other, "size": 3})) == {"data": b"", "count": 0, "eof": True}
    for descriptor in (sock, copy, other):
        assert made.call("close", {"sock": descriptor}) == {"ok": {}}
        assert made.call("recv", {"sock": descriptor, "size": 1})["err"]["name"] == "EBADF"
        assert "unsupported" in made.call("close", {"sock": descriptor})
    assert made.call("close", {"sock": 12345})["err"]["name"] == "EBADF"


def test_an_object_without_a_descriptor_gets_a_number() -> None:
    """Sockets made by the student alone have no `fileno`; they are told apart all the same."""

    class Own:
        def __init__(self, *_: object) -> None:
            pass

        def recv(self, size: int, flags: int) -> bytes:
            return b"x" * min(size, 2 + flags)

        def close(self) -> None:
            pass

    made = wrap(module(socket=Own))
    first, second = (ok(made.call("socket", {"domain": "inet", "type": "stream"}))["sock"] for _ in range(2))

    assert first != second
    assert ok(made.call("recv", {"sock": first, "size": 9}))["data"] == b"xx"
    assert made.missing["bind"] == "the class `socket` has no method `bind`"
    assert made.missing["socketpair"] == "the module has no function `socketpair`"
    assert "poll" not in made.ops


def test_an_accept_that_gives_no_object_is_wrong() -> None:
    """In the standard library's shape `accept` gives an object, not a number."""

    class Own:
        def __init__(self, *_: object) -> None:
            pass

        def accept(self) -> tuple[int, str]:
            return 5, ""

        def recvmsg_into(self, *_: object) -> int:
            return 5

    made = wrap(module(socket=Own, socketpair=gives(None)))
    sock = ok(made.call("socket", {"domain": "inet", "type": "stream"}))["sock"]

    assert made.call("accept", {"sock": sock})["exc"]["text"] == "accept() gave (5, ''), expected (socket, address)"
    assert "expected (count, ancillary" in made.call("recvmsg", {"sock": sock, "size": 4})["exc"]["text"]
    assert (
        made.call("socketpair", {"type": "stream"})["exc"]["text"]
        == "socketpair() gave None, expected (socket, socket)"
    )


def test_structures_travel_as_bytes() -> None:
    """SO_LINGER and the time-outs go to a module of functions as in C."""
    with closing(socket.socket()) as real:
        made = Functions(
            module(
                getsockopt=lambda _, level, name: real.getsockopt(level, name, 8 if name == socket.SO_LINGER else 16),
                setsockopt=lambda _, *option: real.setsockopt(*option),
            ),
            socket,
        )
        for name, value in (("SO_LINGER", 5), ("SO_LINGER", -1), ("SO_SNDTIMEO", 3000)):
            assert made.call("setsockopt", {"sock": 3, "name": name, "value": value}) == {"ok": {}}
            assert made.call("getsockopt", {"sock": 3, "name": name}) == {"ok": {"value": value}}
