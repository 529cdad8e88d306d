"""Steps as they come out: values of arguments, expectations, paths, actors, and what is bound when."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from grader.model.expectations import (
    AddressLike,
    Alternative,
    Anything,
    Between,
    BytesLike,
    Exactly,
    Expectation,
    Failure,
    Matcher,
    Mistake,
    Not,
    OneOf,
    Pattern,
    SetLike,
    Signalled,
    StillPending,
    Success,
    Unnamed,
    Whatever,
)
from grader.model.values import Concat, InetAddress, InetParts, Ref, SockRef, UnixAddress, Value, Watch
from tests.scenario.authoring import HEAD, case

C = SockRef("c")
STEPS: list[tuple[str, dict[str, Value]]] = [
    ("socket: {as: d}", {"domain": "unix", "type": "stream", "proto": 0}),
    (
        "socket: {as: d, domain: inet, type: dgram, proto: udp, nonblock: true}",
        {"domain": "inet", "type": "dgram", "proto": "udp", "nonblock": True},
    ),
    ("socket: {as: d, domain: 99, proto: 255}", {"domain": 99, "type": "stream", "proto": 255}),
    ("socketpair: {as: [a, b]}", {"domain": "unix", "type": "stream", "proto": 0}),
    ("bind: {sock: c, addr: $srv}", {"sock": C, "addr": Ref("srv")}),
    ("bind: {sock: c, addr: {ip: '::0:1', port: 0}}", {"sock": C, "addr": InetAddress("::1", 0)}),
    (
        "bind: {sock: c, addr: {ip: 127.0.0.2, port: $srv.port}}",
        {"sock": C, "addr": InetParts("127.0.0.2", Ref("srv", "port"))},
    ),
    ("bind: {sock: c, addr: {path: ''}}", {"sock": C, "addr": UnixAddress(path="")}),
    ("bind: {sock: c, addr: {abstract: x}}", {"sock": C, "addr": UnixAddress(abstract="x")}),
    ("listen: {sock: c}", {"sock": C, "backlog": 16}),
    ("listen: {sock: c, backlog: -1}", {"sock": C, "backlog": -1}),
    ("send: {sock: c, data: ''}", {"sock": C, "data": b""}),
    ("send: {sock: c, data: $$x}", {"sock": C, "data": b"$x"}),
    ('send: {sock: c, data: {hex: "00 ff"}}', {"sock": C, "data": b"\x00\xff"}),
    ("send: {sock: c, data: {repeat: ab, count: 3}}", {"sock": C, "data": b"ababab"}),
    ("send: {sock: c, data: {random: 4, seed: 7}}", {"sock": C, "data": hashlib.shake_128(b"7").digest(4)}),
    ("send: {sock: c, data: {file: blob.bin}}", {"sock": C, "data": b"\x01\x02"}),
    ("send: {sock: c, data: {concat: [a, {hex: 'ff'}]}}", {"sock": C, "data": b"a\xff"}),
    ("send: {sock: c, data: {concat: [a, $got]}}", {"sock": C, "data": Concat((b"a", Ref("got")))}),
    ("send: {sock: c, data: $got, flags: [MSG_OOB]}", {"sock": C, "data": Ref("got"), "flags": ("MSG_OOB",)}),
    ("send: {sock: c, data: $word}", {"sock": C, "data": b"hello"}),
    ("sendmsg: {sock: c, parts: [a, $got]}", {"sock": C, "parts": (b"a", Ref("got"))}),
    ("recvmsg: {sock: c, size: 4}", {"sock": C, "size": 4}),
    ("recvmsg: {sock: c, sizes: [1, 2]}", {"sock": C, "sizes": (1, 2)}),
    ("recv: {sock: c, size: $got.count}", {"sock": C, "size": Ref("got", "count")}),
    ("recv_until_eof: {sock: c}", {"sock": C, "limit": 1 << 20}),
    ("setsockopt: {sock: c, name: SO_RCVTIMEO, value: 300ms}", {"sock": C, "name": "SO_RCVTIMEO", "value": 300}),
    ("setsockopt: {sock: c, name: SO_LINGER, value: -1}", {"sock": C, "name": "SO_LINGER", "value": -1}),
    ("setsockopt: {sock: c, name: SO_KEEPALIVE, value: true}", {"sock": C, "name": "SO_KEEPALIVE", "value": True}),
    ("nonblock: {sock: c, set: false}", {"sock": C, "set": False}),
    (
        "poll: {watch: [{sock: c, for: [read, write]}], timeout: 2s}",
        {"watch": (Watch(C, ("read", "write")),), "timeout": 2000},
    ),
    ("check: {distinct: [c, e]}", {"values": (C, SockRef("e"))}),
    ("check: {equal: [$got, {hex: 'ff'}]}", {"values": (Ref("got"), b"\xff")}),
    ("check: {bytes_prefix: [$got, hello]}", {"values": (Ref("got"), b"hello")}),
    ("pause: {for: 50ms, because: no event tells}", {"for": 0.05, "because": "no event tells"}),
    ("path_type: {addr: $srv}", {"addr": Ref("srv")}),
    ("ready: {proc: p, by: {port: $srv}}", {"proc": Ref("p"), "by": ("port", Ref("srv"))}),
    ("ready: {proc: p, by: {stdout: 'up .*'}}", {"proc": Ref("p"), "by": ("stdout", "up .*")}),
]
BEFORE = """\
- socket: {as: e}
- recv: {sock: c, size: 9, as: got}
- spawn: {program: x, as: p}
"""
FIELDS: list[tuple[str, str, Matcher]] = [
    ("recv: {sock: c, size: 9}", "data: a", Exactly(b"a")),
    ("recv: {sock: c, size: 9}", "data: $got", Exactly(Ref("got"))),
    ("recv: {sock: c, size: 9}", "data: any", Anything()),
    ("recv: {sock: c, size: 9}", "data: {concat: [any]}", Exactly(b"any")),
    ("recv: {sock: c, size: 9}", "data: {prefix_of: abc}", BytesLike("prefix_of", b"abc")),
    ("recv: {sock: c, size: 9}", "data: {starts: a}", BytesLike("starts", b"a")),
    ("recv: {sock: c, size: 9}", "data: {length: 1}", BytesLike("length", 1)),
    ("recv: {sock: c, size: 9}", "data: {one_of: [a, b]}", OneOf((b"a", b"b"))),
    ("recv: {sock: c, size: 9}", "data: {not: a}", Not(Exactly(b"a"))),
    ("recv: {sock: c, size: 9}", "count: {at_least: 1}", Between(1, None)),
    ("recv: {sock: c, size: 9}", "count: {at_least: 1, at_most: 3}", Between(1, 3)),
    ("recv: {sock: c, size: 9}", "count: {between: [1, $got.count]}", Between(1, Ref("got", "count"))),
    ("recv: {sock: c, size: 9}", "eof: true", Exactly(True)),
    ("getsockname: {sock: c}", "addr: $srv", Exactly(Ref("srv"))),
    ("getsockname: {sock: c}", "addr: unnamed", Unnamed()),
    (
        "getsockname: {sock: c}",
        "addr: {ip: 127.0.0.1, port: {not: 0}}",
        AddressLike(Exactly("127.0.0.1"), Not(Exactly(0))),
    ),
    ("getsockname: {sock: c}", "addr: {ip: $srv.ip, port: any}", AddressLike(Exactly(Ref("srv", "ip")), Anything())),
    ("getsockname: {sock: c}", "addr: {path: $srv.path}", AddressLike(path=Exactly(Ref("srv", "path")))),
    ("getsockopt: {sock: c, name: SO_TYPE}", "value: $type", Exactly("stream")),
    ("getsockopt: {sock: c, name: SO_ERROR}", "value: 0", Exactly(0)),
    ("getsockopt: {sock: c, name: SO_RCVTIMEO}", "value: 2s", Exactly(2000)),
    ("getsockopt: {sock: c, name: SO_KEEPALIVE}", "value: true", Exactly(True)),
    ("getsockopt: {sock: c, name: SO_RCVBUF}", "value: {at_least: 1}", Between(1, None)),
    ("poll: {watch: [{sock: c, for: [read]}]}", "ready: [c.read]", SetLike("exact", ("c.read",))),
    ("poll: {watch: [{sock: c, for: [read]}]}", "ready: {lacks: [c.hangup]}", SetLike("lacks", ("c.hangup",))),
    ("path_type: {addr: $srv}", "type: socket", Exactly("socket")),
    ("stdout: {proc: p}", "text: {starts: x}", BytesLike("starts", "x")),
    ("stdout: {proc: p}", "lines: {has: [x y]}", SetLike("has", ("x y",))),
    ("wait_exit: {proc: p}", "signal: SIGTERM", Exactly("SIGTERM")),
]
OUTCOMES: list[tuple[str, Pattern]] = [
    ("{ok: true}", Success()),
    ("{errno: EPIPE}", Failure(("EPIPE",))),
    ("{errno: [EAGAIN, EWOULDBLOCK]}", Failure(("EAGAIN", "EWOULDBLOCK"))),
    ("{errno: any}", Failure()),
    ("{errno: EPIPE, signal: none}", Failure(("EPIPE",), "none")),
    ("{errno: EPIPE, signal: SIGPIPE}", Failure(("EPIPE",), "SIGPIPE")),
    ("{signal: SIGPIPE}", Signalled("SIGPIPE")),
    ("{pending: true}", StillPending()),
    ("fails", Failure()),
    ("any", Whatever()),
    ("ok", Success()),
]


@pytest.mark.parametrize(("step", "args"), STEPS)
def test_arguments_become_values(step: str, args: dict[str, Value], tmp_path: Path) -> None:
    """Each form of each kind of argument becomes the value that the engine knows; defaults are filled in."""
    (tmp_path / "blob.bin").write_bytes(b"\x01\x02")
    built = case(tmp_path, f"{BEFORE}- {step}", HEAD + "    vars: {word: hello}\n").steps[-1]

    assert dict(built.args) == args


@pytest.mark.parametrize(("step", "field", "matcher"), FIELDS)
def test_fields_become_matchers(step: str, field: str, matcher: Matcher, tmp_path: Path) -> None:
    """Each form of each kind of matcher becomes its noun."""
    note = "  note: single-segment ok\n"
    built = case(tmp_path, f"{BEFORE}- {step}\n  expect: {{{field}}}\n{note}").steps[-1]
    (alternative,) = built.expect.alternatives

    assert isinstance(alternative.pattern, Success)
    assert alternative.pattern.fields == ((field.partition(":")[0], matcher),)


@pytest.mark.parametrize(("text", "pattern"), OUTCOMES)
def test_outcomes_become_patterns(text: str, pattern: Pattern, tmp_path: Path) -> None:
    """Each form of an outcome becomes its noun."""
    built = case(tmp_path, f"- recv: {{sock: c, size: 1}}\n  expect: {text}").steps[-1]

    assert built.expect.alternatives == (Alternative(pattern),)


def test_choices_keep_their_reasons(tmp_path: Path) -> None:
    """Alternatives stand in the order written, with `because` and `verdict`; `not` turns an outcome round."""
    steps = (
        "- close: {sock: c}\n  expect:\n    one_of:\n      - {ok: true}\n"
        "      - {errno: EINTR, because: POSIX allows it, verdict: tolerated}\n"
        "  mistakes: [{got: fails, hint: it is open}]\n"
        "- close: {sock: c}\n  expect: {not: {errno: EIO}}"
    )
    _, first, second = case(tmp_path, steps).steps

    tolerated = Alternative(Failure(("EINTR",)), "POSIX allows it", tolerated=True)
    assert first.expect == Expectation((Alternative(Success()), tolerated))
    assert first.mistakes == (Mistake(Failure(), "it is open"),)
    assert second.expect == Expectation((Alternative(Failure(("EIO",))),), negated=True)


def test_waiting_calls_have_their_steps_inside(tmp_path: Path) -> None:
    """`blocks_until` and `overlaps` are nested steps; only the first demands that the last of them releases."""
    steps = (
        "- accept: {sock: c, as: s}\n  hold: 300ms\n  within: 5s\n  blocks_until:\n    - socket: {as: d}\n"
        "    - recv: {sock: d, size: 1}\n      overlaps:\n        - close: {sock: d}\n"
    )
    built = case(tmp_path, steps)
    accept = built.steps[1]

    assert [(step.path, step.op, step.actor) for step in built.every_step] == [
        ("0", "socket", "main"),
        ("1", "accept", "anon1"),
        ("1.0", "socket", "main"),
        ("1.1", "recv", "anon2"),
        ("1.1.0", "close", "main"),
    ]
    assert (accept.release, accept.hold_s, accept.within_s, accept.nested[1].release) == (True, 0.3, 5.0, False)


def test_a_call_that_is_left_blocked_says_so(tmp_path: Path) -> None:
    """`expect: blocks` wants the call seen blocked, on an actor of its own."""
    step = case(tmp_path, "- recv: {sock: c, size: 1}\n  expect: blocks").steps[-1]

    assert step.expect == Expectation((Alternative(StillPending()),), blocks=True)
    assert (step.actor, step.concurrent) == ("anon1", True)


def test_a_started_call_is_finished_by_name(tmp_path: Path) -> None:
    """The outcome is that of the call; what it binds is known after `finish` and not before."""
    steps = (
        "- recv: {sock: c, size: 1, as: got}\n  start: r1\n- still_blocked: r1\n  hold: 100ms\n"
        "- finish: r1\n  within: 5s\n  expect: {data: a}\n- send: {sock: c, data: $got}"
    )
    _, start, still, finish, send = case(tmp_path, steps).steps

    assert (start.start, start.binds, start.actor) == ("r1", ("got",), "anon1")
    assert (still.op, still.args, still.hold_s) == ("still_blocked", {"call": "r1"}, 0.1)
    assert (finish.op, finish.args, finish.within_s) == ("finish", {"call": "r1"}, 5.0)
    assert finish.expect.alternatives == (Alternative(Success((("data", Exactly(b"a")),))),)
    assert send.args["data"] == Ref("got")


def test_a_deadline_of_a_start_holds_for_its_finish(tmp_path: Path) -> None:
    """`within` may stand beside `start`; `finish` takes it if it has none."""
    steps = "- recv: {sock: c, size: 1}\n  start: r1\n  within: 9s\n- finish: r1"

    assert [step.within_s for step in case(tmp_path, steps).steps] == [2.0, 9.0, 9.0]


def test_a_collection_makes_its_call_several_times(tmp_path: Path) -> None:
    """The copies differ in their paths; their outcomes may come in any order."""
    steps = (
        "- collect: {times: 2, step: {recv: {sock: c, size: 1}}}\n  by: p\n  within: 4s\n"
        "  expect: {in_any_order: [{data: a}, {errno: EAGAIN}]}"
    )
    step = case(tmp_path, steps, HEAD + "    actors: {p: {}}\n").steps[1]

    assert (step.op, step.args, step.actor) == ("collect", {"times": 2}, "p")
    assert [(call.path, call.op, call.actor, call.within_s) for call in step.inner] == [
        ("1.0", "recv", "p", 4.0),
        ("1.1", "recv", "p", 4.0),
    ]
    assert step.expect.in_any_order == (Success((("data", Exactly(b"a")),)), Failure(("EAGAIN",)))


def test_a_race_has_its_calls_on_actors_of_their_own(tmp_path: Path) -> None:
    """Paths go on from the calls to the trigger; the names of the calls and `winner` are bound after it."""
    steps = (
        "- race:\n    calls: [accept: {sock: c, as: first}, accept: {sock: c, as: second}]\n"
        "    trigger: [listen: {sock: c}]\n  expect: {returned: 1, pending: 1}\n"
        "- close: {sock: winner}\n- getpeername: {sock: first}"
    )
    race = case(tmp_path, steps).steps[1]

    assert [(call.path, call.actor, call.binds) for call in race.inner] == [
        ("1.0", "anon1", ("first",)),
        ("1.1", "anon2", ("second",)),
    ]
    assert [step.path for step in race.trigger] == ["1.2"]
    assert (race.expect.returned, race.expect.pending) == (1, 1)


def test_eventually_ends_at_an_outcome(tmp_path: Path) -> None:
    """`eventually` and `give_up_on` come out as seconds and a pattern."""
    steps = "- connect: {sock: c, addr: $srv}\n  eventually: 1s\n  give_up_on: {errno: EACCES}\n  note: a remark"
    step = case(tmp_path, steps).steps[-1]

    assert (step.eventually_s, step.give_up_on, step.note) == (1.0, Failure(("EACCES",)), "a remark")
