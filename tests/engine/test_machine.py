"""The rules by which a case runs, from tables: what the world replied, and what was then written down."""

from __future__ import annotations

import pytest

from grader.model.expectations import Failure, Whatever
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Raised, Unoffered
from grader.model.scenarios import Step
from grader.model.values import SockRef, Watch
from tests.engine.play import (
    ASLEEP,
    Calls,
    Lands,
    Quiet,
    Sees,
    play,
)
from tests.model.build import err, ok, step, wants

CLOSE = step("0", "close", sock="c")
STARTED = step("0", "accept", sock="listener", actor="anon1", start="r", binds=("s",))


def waiting(*nested: Step, **fields: object) -> Step:
    """Give a receive that is released by the last of the nested steps."""
    return step("0", "recv", sock="c", size=9, actor="anon1", nested=nested, release=True, **fields)


SEND = step("0.0", "send", sock="d", data=b"x")
SEND_MORE = step("0.1", "send", sock="d", data=b"y")


def test_steps_run_in_order() -> None:
    """Each call is made when the one before it has ended as it had to."""
    played = play([CLOSE, step("1", "close", sock="d")], [Calls("close", ok()), Calls("close", ok())])

    assert played.brief == ["0 main: close #0", "#0 = ok", "0 done ok", "1 main: close #1", "#1 = ok", "1 done ok"]
    assert [call.args for call in played.calls] == [{"sock": 3}, {"sock": 4}]


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (err("EINVAL"), "EINVAL"),
        (Raised("TypeError", "no"), "raised TypeError"),
        (Ended("signal", "SIGSEGV"), "ended signal SIGSEGV"),
        (Pending("blocked"), "pending blocked"),
        (Unoffered("no close"), "unoffered"),
        (Broken("no memory", "host"), "broken host"),
    ],
)
def test_the_first_step_that_is_different_is_the_last(outcome: Outcome, shown: str) -> None:
    """Nothing is called after it, because nothing after it would mean anything."""
    played = play([CLOSE, step("1", "close", sock="d")], [Calls("close", outcome)])

    assert played.brief == ["0 main: close #0", f"#0 = {shown}", f"0 done {shown}"]


def test_a_failure_that_was_expected_is_no_end() -> None:
    """What had to go wrong went as it had to."""
    steps = [step("0", "close", sock="c", expect=wants(Failure(("EINVAL",)))), step("1", "close", sock="d")]

    assert play(steps, [Calls("close", err("EINVAL")), Calls("close", ok())]).brief[-1] == "1 done ok"


@pytest.mark.parametrize("outcome", [Broken("no memory", "host"), Unoffered("no close")])
def test_what_was_not_tried_matches_nothing(outcome: Outcome) -> None:
    """Even `expect: any` does not go on after a call that was never made."""
    steps = [step("0", "close", sock="c", expect=wants(Whatever())), step("1", "close", sock="d")]

    assert len(play(steps, [Calls("close", outcome)]).calls) == 1


def test_an_answer_may_come_later() -> None:
    """A call that is not answered at once is waited for."""
    played = play([CLOSE], [Calls("close"), Lands(0, ok())])

    assert played.brief == ["0 main: close #0", "#0 = ok", "0 done ok"]


def test_a_result_can_be_used_by_the_next_step() -> None:
    """Names are bound as soon as the step has ended."""
    steps = [step("0", "accept", sock="listener", binds=("s",)), step("1", "close", sock="s")]

    played = play(steps, [Calls("accept", ok(sock=9, peer=None)), Calls("close", ok())])

    assert played.calls[1].args == {"sock": 9}


def test_an_assertion_is_no_call() -> None:
    """Its values are written down, and the verdict compares them."""
    steps = [step("0", "distinct", values=(SockRef("c"), SockRef("d"))), step("1", "same", values=(SockRef("c"), 4))]

    assert play([*steps, CLOSE], []).brief == ["0 done ok values=(3, 4)", "1 done ok values=(3, 4)"]


def test_a_pause_lets_time_pass() -> None:
    """And the time is stretched like every other."""
    played = play([step("0", "pause", **{"for": 0.5})], [], time_scale=3)

    assert (played.brief, played.seconds) == (["0 done ok"], 1.5)


def test_ready_sockets_are_told_by_name() -> None:
    """The target knows descriptors, a scenario knows names; a strange descriptor stays as it is."""
    watch = (Watch(SockRef("c"), ("read",)), Watch(SockRef("d"), ("write",)))

    played = play(
        [step("0", "poll", watch=watch, timeout=0)],
        [Calls("poll", ok(ready=("4.write", "3.read", "9.error"), count=3))],
    )

    assert played.brief[-1] == "0 done ok ready=('9.error', 'c.read', 'd.write') count=3"


def test_a_composite_is_one_step_of_many_calls() -> None:
    """Each primitive is written down, and the step's end is that of the whole."""
    played = play(
        [step("0", "send_all", sock="c", data=b"abc", flags=())],
        [Calls("send", ok(count=1)), Calls("send"), Lands(1, ok(count=2))],
    )

    assert played.brief == [
        *("0 main: send #0", "#0 = ok count=1", "0 main: send #1", "#1 = ok count=2"),
        "0 done ok count=3 calls=2",
    ]


@pytest.mark.parametrize(
    ("last", "end"),
    [
        (ok(data=b"yz"), "0 done ok data=b'xyz' eof=False calls=2"),
        (ok(data=b""), "0 done ok data=b'x' eof=True calls=2"),
        (err("ECONNRESET"), "0 done ECONNRESET data=b'x' calls=2"),
        (Ended("signal", "SIGABRT"), "0 done ended signal SIGABRT"),
    ],
)
def test_a_waiting_composite_is_fed_piece_by_piece(last: Outcome, end: str) -> None:
    """After a piece the next primitive waits; its outcome is the outcome of the whole."""
    whole = step("0", "recv_exactly", sock="c", count=3, actor="anon1", nested=(SEND, SEND_MORE), release=True)
    rows = [Calls("recv"), Sees(ASLEEP), Calls("send", ok()), Lands(0, ok(data=b"x")), Calls("recv"), Sees(ASLEEP)]

    played = play([whole], [*rows, Calls("send", ok()), Lands(2, last)])

    assert played.brief[-1] == end
    assert "0 blocked #2 after 1" in played.brief


def test_a_composite_that_never_gets_the_rest_is_still_pending() -> None:
    """What stands in its way is the call in hand."""
    played = play(
        [step("0", "recv_exactly", sock="c", count=3)], [Calls("recv", ok(data=b"x")), Calls("recv"), Quiet(ASLEEP)]
    )

    assert played.brief[-2:] == ["#1 = pending blocked", "0 done pending blocked"]


def test_the_end_of_the_testee_loses_every_call() -> None:
    """Whoever waits is told, and whoever calls later is told how it ended."""
    steps = [
        STARTED,
        step("1", "recv", sock="c", size=1, expect=wants(Whatever())),
        step("2", "close", sock="c", expect=wants(Whatever())),
        step("3", "finish", call="r"),
    ]

    played = play(steps, [Calls("accept"), Calls("recv"), Lands(None, Ended("signal", "SIGKILL"))])

    assert played.brief[2:] == [
        *("#0 = ended lost", "#1 = ended lost", "1 done ended lost"),
        *("2 main: close #2", "#2 = ended signal SIGKILL", "2 done ended signal SIGKILL"),
        "3 done ended lost",
    ]


def test_the_end_of_the_testee_loses_a_composite_in_the_middle() -> None:
    """What it had in hand went with it."""
    played = play([step("0", "recv_exactly", sock="c", count=3)], [Calls("recv"), Lands(None, Ended("exit", code=1))])

    assert played.brief == ["0 main: recv #0", "#0 = ended lost", "0 done ended lost"]


def test_each_call_has_its_actor_and_its_kind() -> None:
    """A step's actor is who makes the call; its own calls never hold up the session if others run beside it."""
    played = play([waiting(SEND)], [Calls("recv"), Sees(ASLEEP), Calls("send", ok()), Lands(0, ok())])

    assert [(call.actor, call.concurrent) for call in played.calls] == [("anon1", True), ("main", False)]
