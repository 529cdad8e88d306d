"""Calls beside each other: `overlaps`, `start` and `finish`, `race`; and calls made again, `collect`."""

from __future__ import annotations

import pytest

from grader.model.expectations import Exactly, Expectation, Success
from grader.model.outcomes import Broken, Ended
from grader.model.scenarios import Step
from grader.model.values import Ref
from tests.engine.play import (
    ASLEEP,
    HIDDEN,
    Calls,
    Lands,
    Quiet,
    Row,
    Sees,
    play,
)
from tests.model.build import err, ok, step

SEND = step("0.0", "send", sock="d", data=b"x")


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        ([Calls("recv"), Calls("send", ok()), Lands(0, ok())], ["0.0 done ok", "#0 = ok", "0 done ok"]),
        ([Calls("recv"), Calls("send"), Lands(0, ok()), Lands(1, ok())], ["#1 = ok", "0.0 done ok", "0 done ok"]),
        ([Calls("recv", ok()), Calls("send", ok())], ["#1 = ok", "0.0 done ok", "0 done ok"]),
        ([Calls("recv"), Calls("send", err("EPIPE"))], ["0.0 main: send #1", "#1 = EPIPE", "0.0 done EPIPE"]),
    ],
)
def test_overlapping_steps_claim_no_order(rows: list[Row], end: list[str]) -> None:
    """The call may return before, during or after them."""
    beside = step("0", "recv", sock="c", size=1, actor="anon1", nested=(SEND,))

    assert play([beside], rows).brief[-3:] == end


STARTED = step("0", "accept", sock="listener", actor="anon1", start="r", binds=("s",))
FINISH = step("2", "finish", call="r")


def test_a_started_call_is_finished_later() -> None:
    """It binds its name when it is finished."""
    steps = [STARTED, step("1", "close", sock="c"), FINISH, step("3", "close", sock="s")]

    played = play(steps, [Calls("accept"), Calls("close", ok()), Lands(0, ok(sock=9)), Calls("close", ok())])

    assert played.brief[-5:] == ["#0 = ok sock=9", "2 done ok sock=9", "3 main: close #2", "#2 = ok", "3 done ok"]
    assert (played.calls[0].concurrent, played.calls[2].args) == (True, {"sock": 9})


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        (
            [Calls("accept"), Sees(ASLEEP), Lands(0, ok())],
            ["0 blocked #0 after 0", "1 done pending blocked", "#0 = ok", "2 done ok"],
        ),
        ([Calls("accept"), Lands(0, ok())], ["0 anon1: accept #0", "#0 = ok", "1 done ok early 0"]),
    ],
)
def test_a_started_call_can_be_asked_for(rows: list[Row], end: list[str]) -> None:
    """`still_blocked` sees it wait, or says that it has come back."""
    assert play([STARTED, step("1", "still_blocked", call="r"), FINISH], rows).brief[-len(end) :] == end


def race(returned: int | None, pending: int | None) -> Step:
    """Give two accepts that wait for one connection."""
    first, second = (
        step(f"0.{n}", "accept", sock="listener", actor=f"anon{n}", binds=(name,))
        for n, name in enumerate(("one", "two"))
    )
    trigger = step("0.2", "connect", sock="c", addr=Ref("c"))
    expect = Expectation(returned=returned, pending=pending)
    return step("0", "race", inner=(first, second), trigger=(trigger,), expect=expect)


WAIT: list[Row] = [Calls("accept"), Calls("accept"), Sees(ASLEEP), Sees(ASLEEP)]


@pytest.mark.parametrize(
    ("returned", "rows", "end"),
    [
        pytest.param(
            1,
            [*WAIT, Calls("connect", ok()), Lands(1, ok(sock=9)), Sees(ASLEEP)],
            ["#1 = ok sock=9", "0.0 blocked #0 after 1", "0.1 done ok sock=9", "0 done ok returned=1 pending=1"],
            id="one",
        ),
        pytest.param(
            1,
            [*WAIT, Calls("connect", ok()), Lands(1, ok(sock=9)), Lands(0, ok(sock=8))],
            ["#0 = ok sock=8", "0.1 done ok sock=9", "0.0 done ok sock=8", "0 done ok returned=2 pending=0"],
            id="both",
        ),
        pytest.param(
            1,
            [*WAIT, Calls("connect", ok()), Quiet(ASLEEP)],
            ["0.2 done ok", "0.0 blocked #0 after 1", "0.1 blocked #1 after 1", "0 done ok returned=0 pending=2"],
            id="none",
        ),
        pytest.param(
            1,
            [*WAIT, Calls("connect", err("ECONNREFUSED"))],
            ["0.1 blocked #1 after 0", "0.2 main: connect #2", "#2 = ECONNREFUSED", "0.2 done ECONNREFUSED"],
            id="the-trigger-fails",
        ),
        pytest.param(
            1,
            [Calls("accept"), Calls("accept"), Lands(0, ok(sock=9))],
            ["0.1 anon1: accept #1", "#0 = ok sock=9", "0.0 done ok sock=9 early 0"],
            id="one-does-not-wait",
        ),
        pytest.param(
            1,
            [*WAIT, Calls("connect", ok()), Lands(0, err("EINVAL")), Sees(ASLEEP)],
            ["#0 = EINVAL", "0.1 blocked #1 after 1", "0.0 done EINVAL", "0 done ok returned=1 pending=1"],
            id="one-fails",
        ),
        pytest.param(
            None,
            [*WAIT, Calls("connect", ok()), Lands(0, ok(sock=8)), Lands(1, ok(sock=9))],
            ["#1 = ok sock=9", "0.0 done ok sock=8", "0.1 done ok sock=9", "0 done ok returned=2 pending=0"],
            id="all",
        ),
    ],
)
def test_a_race_counts_who_returned(returned: int | None, rows: list[Row], end: list[str]) -> None:
    """All wait first; after the trigger as many return as must, and the others are seen waiting."""
    assert play([race(returned, None if returned is None else 1)], rows).brief[-len(end) :] == end


def test_the_first_to_return_is_the_winner() -> None:
    """`$winner` is the result of whichever call returned first."""
    rows = [*WAIT, Calls("connect", ok()), Lands(1, ok(sock=9)), Sees(ASLEEP), Calls("close", ok())]

    played = play([race(1, 1), step("1", "close", sock="winner")], rows)

    assert played.calls[-1].args == {"sock": 9}


def collect(*expected: str) -> Step:
    """Give a receive that is made twice."""
    inner = tuple(step(f"0.{n}", "recv", sock="c", size=9) for n in range(2))
    patterns = tuple(Success((("data", Exactly(data)),)) for data in expected)
    return step("0", "collect", times=2, inner=inner, expect=Expectation(in_any_order=patterns))


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        (
            [Calls("recv", ok(data=b"a")), Calls("recv", ok(data=b"b"))],
            ["#1 = ok data=b'b'", "0.1 done ok data=b'b'", "0 done ok count=2"],
        ),
        ([Calls("recv", err("EAGAIN")), Calls("recv", ok())], ["#1 = ok", "0.1 done ok", "0 done ok count=2"]),
        ([Calls("recv"), Quiet(HIDDEN)], ["#0 = pending unknown", "0.0 done pending unknown", "0 done ok count=2"]),
        ([Calls("recv", Ended("exit"))], ["#0 = ended exit", "0.0 done ended exit", "0 done ok count=2"]),
        ([Calls("recv", Broken("no"))], ["#0 = broken harness", "0.0 done broken harness", "0 done ok count=2"]),
    ],
)
def test_a_collection_makes_its_call_as_often_as_it_can(rows: list[Row], end: list[str]) -> None:
    """Each outcome is written down; after one that leaves nobody to call it stops, and so does the case."""
    steps = [collect("a", "b")]
    if len(rows) == 1 or isinstance(rows[1], Quiet):
        steps.append(step("1", "close", sock="c"))

    assert play(steps, rows).brief[-3:] == end
