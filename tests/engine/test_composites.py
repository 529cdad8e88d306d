"""Composite calls: a table of what each primitive gave, and what the whole then gives."""

from __future__ import annotations

import pytest

from grader.engine.composites import COMPOSITES
from grader.model.outcomes import Ended, Outcome, Raised
from grader.model.values import Plain
from grader.ops import OPERATIONS
from tests.model.build import err, ok

Made = tuple[str, dict[str, Plain]]


def perform(op: str, args: dict[str, Plain], outcomes: list[Outcome]) -> tuple[list[Made], Outcome]:
    """Give the primitives that a composite made, and how it ended, for these outcomes one after another."""
    composite = COMPOSITES[op](args)
    made = [next(composite)]
    for outcome in outcomes:
        try:
            made.append(composite.send(outcome))
        except StopIteration as end:
            assert len(made) == len(outcomes), "it ended before the table did"
            return [(name, dict(given)) for name, given in made], end.value
    raise AssertionError(f"it goes on with {made[-1]}")


def test_there_is_a_loop_for_every_operation_with_a_primitive() -> None:
    """The registry says what is a composite; here is how."""
    assert COMPOSITES.keys() == {op.name for op in OPERATIONS.values() if op.primitive}


@pytest.mark.parametrize(
    ("data", "outcomes", "end"),
    [
        (b"abc", [ok(count=3)], ok(count=3, calls=1)),
        (b"abc", [ok(count=1), ok(count=2)], ok(count=3, calls=2)),
        (b"", [ok(count=0)], ok(count=0, calls=1)),
        (b"abc", [err("EPIPE", "SIGPIPE")], err("EPIPE", "SIGPIPE", count=0, calls=1)),
        (b"abc", [ok(count=2), err("EAGAIN")], err("EAGAIN", count=2, calls=2)),
        (b"abc", [ok(count=2), Ended("lost")], Ended("lost")),
        (b"abc", [Raised("missing", "no send")], Raised("missing", "no send")),
        (b"abc", [ok(count=4)], Raised("wrong result", "send() of 3 bytes said that it took 4")),
        (b"abc", [ok(count=0)], Raised("wrong result", "send() of 3 bytes said that it took 0")),
        (b"abc", [ok(count=1), ok(count=-1)], Raised("wrong result", "send() of 2 bytes said that it took -1")),
        (b"abc", [ok(count=None)], Raised("wrong result", "send() of 3 bytes said that it took None")),
        (b"", [ok(count=1)], Raised("wrong result", "send() of 0 bytes said that it took 1")),
    ],
)
def test_send_all(data: bytes, outcomes: list[Outcome], end: Outcome) -> None:
    """It sends what is left until nothing is, and never believes a count that cannot be."""
    assert perform("send_all", {"sock": 3, "data": data}, outcomes)[1] == end


def test_send_all_sends_the_rest() -> None:
    """Each send has what the ones before it did not take, with the flags of the step."""
    made, _ = perform("send_all", {"sock": 3, "data": b"abc", "flags": ("MSG_NOSIGNAL",)}, [ok(count=1), ok(count=2)])

    assert made == [
        ("send", {"sock": 3, "data": b"abc", "flags": ("MSG_NOSIGNAL",)}),
        ("send", {"sock": 3, "data": b"bc", "flags": ("MSG_NOSIGNAL",)}),
    ]


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        ([ok(data=b"abcd")], ok(data=b"abcd", eof=False, calls=1)),
        ([ok(data=b"a"), ok(data=b"bcd")], ok(data=b"abcd", eof=False, calls=2)),
        ([ok(data=b"a"), ok(data=b"")], ok(data=b"a", eof=True, calls=2)),
        ([ok(data=b"")], ok(data=b"", eof=True, calls=1)),
        ([ok(data=b"ab"), err("ECONNRESET")], err("ECONNRESET", data=b"ab", calls=2)),
        ([ok(data=b"ab"), Ended("exit", code=1)], Ended("exit", code=1)),
    ],
)
@pytest.mark.parametrize(("op", "limit"), [("recv_exactly", "count"), ("recv_until_eof", "limit")])
def test_receiving_to_a_number_of_bytes(op: str, limit: str, outcomes: list[Outcome], end: Outcome) -> None:
    """It receives until the bytes are there, or to the end of file, or to the first failure."""
    assert perform(op, {"sock": 3, limit: 4}, outcomes)[1] == end


def test_a_receive_asks_for_no_more_than_is_missing() -> None:
    """What comes after the wanted bytes stays in the socket."""
    made, _ = perform("recv_exactly", {"sock": 3, "count": 4}, [ok(data=b"a"), ok(data=b"bcd")])

    assert [args["size"] for _, args in made] == [4, 3]


def test_a_long_receive_is_made_of_pieces() -> None:
    """No single buffer is larger than 64 KiB."""
    made, _ = perform("recv_until_eof", {"sock": 3, "limit": 1 << 20}, [ok(data=b"")])

    assert [args["size"] for _, args in made] == [65536]


def test_more_than_was_asked_for_is_taken_as_it_came() -> None:
    """The verdict sees every byte that a wrong implementation handed out."""
    assert perform("recv_exactly", {"sock": 3, "count": 2}, [ok(data=b"abc")])[1] == ok(data=b"abc", eof=False, calls=1)


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        ([err("EAGAIN")], ok(data=b"", calls=1)),
        ([err("EWOULDBLOCK")], ok(data=b"", calls=1)),
        ([ok(data=b"ab", eof=False), err("EAGAIN")], ok(data=b"ab", calls=2)),
        ([ok(data=b"ab", eof=False), ok(data=b"", eof=True)], ok(data=b"ab", calls=2)),
        ([ok(data=b"", eof=False), ok(data=b"x", eof=False), err("EAGAIN")], ok(data=b"x", calls=3)),
        ([ok(data=b"ab"), err("ENOTCONN")], err("ENOTCONN", data=b"ab", calls=2)),
        ([Raised("TypeError", "no flags")], Raised("TypeError", "no flags")),
    ],
)
def test_drain(outcomes: list[Outcome], end: Outcome) -> None:
    """It receives until the call would wait; an empty datagram is data and no end."""
    made, outcome = perform("drain", {"sock": 3}, outcomes)

    assert outcome == end
    assert {args["flags"] for _, args in made} == {("MSG_DONTWAIT",)}


def test_a_receive_that_never_runs_dry_is_a_wrong_result() -> None:
    """Code that hands out data for ever must not hold the grader for ever."""
    _, outcome = perform("drain", {"sock": 3}, [ok(data=b"x") for _ in range(4096)])

    assert outcome == Raised("wrong result", "recv() with MSG_DONTWAIT gave data 4096 times and would go on")
