"""How long the machine waits, how often it tries, and what it makes of a deadline that has passed."""

from __future__ import annotations

import pytest

from grader.model.expectations import Exactly, Failure, StillPending, Success
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Unoffered
from grader.model.scenarios import Step
from tests.engine.play import (
    ASLEEP,
    HIDDEN,
    LOOPING,
    NAPPING,
    STARVED,
    Calls,
    Lands,
    Quiet,
    Row,
    play,
)
from tests.model.build import err, ok, step, wants

RECV = step("0", "recv", sock="c", size=1)


@pytest.mark.parametrize(
    ("looks", "shown", "seconds"),
    [
        ([Quiet(ASLEEP)], "pending blocked", 0.1),  # two glances at a world in which nothing can happen any more
        ([Quiet(NAPPING)], "pending blocked", 2.0),
        ([Quiet(HIDDEN)], "pending unknown", 2.0),
        ([Quiet(LOOPING)], "pending looping", 0.05),  # the first glance sees the CPU time that is gone
        ([Quiet(STARVED)], "broken host", 22.0),  # moved ten times
        ([Quiet(STARVED, 5.0), Quiet(HIDDEN)], "pending unknown", 6.0),
        ([Quiet(STARVED, 5.0), Lands(0, ok())], "ok", 5.001),
    ],
)
def test_a_deadline_means_what_the_call_is_seen_doing(looks: list[Row], shown: str, seconds: float) -> None:
    """Asleep or looping is the student's; without CPU time the deadline moves, and in the end it is the host's."""
    played = play([RECV], [Calls("recv"), *looks])

    assert played.brief == ["0 main: recv #0", f"#0 = {shown}", f"0 done {shown}"]
    assert played.seconds == pytest.approx(seconds)


def test_two_glances_need_the_same_sight() -> None:
    """A call that was asleep, ran and sleeps again is not stuck."""
    rows = [Calls("recv"), Quiet(ASLEEP, 0.05), Quiet(STARVED, 0.05), Quiet(ASLEEP, 0.05), Lands(0, ok())]

    assert play([RECV], rows).brief[-1] == "0 done ok"


def test_what_is_under_way_may_wake_a_call() -> None:
    """While a handshake or a closed window is tried again, sleeping does not mean sleeping for ever."""
    played = play([RECV], [Calls("recv"), Quiet(ASLEEP)], is_settled=False)

    assert played.brief[-1] == "0 done pending blocked"
    assert played.seconds == pytest.approx(2.0)


def test_a_time_limit_set_in_the_case_may_wake_a_call() -> None:
    """With SO_RCVTIMEO nobody says after two glances that it never returns."""
    steps = [step("0", "setsockopt", sock="c", name="SO_RCVTIMEO", value=500), step("1", "recv", sock="c", size=1)]

    played = play(steps, [Calls("setsockopt", ok()), Calls("recv"), Quiet(ASLEEP, 0.5), Lands(1, err("EAGAIN"))])

    assert played.brief[-1] == "1 done EAGAIN"


def test_deadlines_are_stretched() -> None:
    """`--time-scale` multiplies them, for the engine and for the target."""
    played = play([step("0", "recv", sock="c", size=1, within_s=3.0)], [Calls("recv"), Quiet(HIDDEN)], time_scale=2)

    assert (played.seconds, played.calls[0].deadline_s) == (6.0, 6.0)


def test_a_late_answer_does_not_change_what_was_seen() -> None:
    """Where waiting was allowed the case goes on, and the old call may end whenever it likes."""
    steps = [
        step("0", "recv", sock="c", size=1, actor="a", expect=wants(Success(), StillPending())),
        step("1", "recv", sock="d", size=1),
    ]

    played = play(steps, [Calls("recv"), Quiet(HIDDEN), Calls("recv"), Lands(0, ok()), Lands(1, ok())])

    assert played.brief[1:] == [
        "#0 = pending unknown",
        "0 done pending unknown",
        "1 main: recv #1",
        "#1 = ok",
        "1 done ok",
    ]


def eventually(**fields: object) -> Step:
    """Give a step that may be tried for ten milliseconds."""
    return step("0", "unread", sock="c", expect=wants(Success((("value", Exactly(2)),))), eventually_s=0.01, **fields)


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        ([ok(value=2)], "0 done ok value=2"),
        ([ok(value=0), err("EAGAIN"), ok(value=2)], "0 done ok value=2 tries 3"),
        ([ok(value=0)] * 11, "0 done ok value=0 tries 11"),
        ([ok(value=0), err("EINVAL")], "0 done EINVAL tries 2"),
        ([ok(value=0), Ended("exit", code=1)], "0 done ended exit tries 2"),
        ([Pending("blocked")], "0 done pending blocked"),
        ([Broken("no memory")], "0 done broken harness"),
        ([Unoffered("no unread")], "0 done unoffered"),
    ],
)
def test_eventually_tries_until_it_fits_or_cannot(outcomes: list[Outcome], end: str) -> None:
    """It counts its tries, stops at its limit, and at once where another try is hopeless or impossible."""
    played = play([eventually(give_up_on=Failure(("EINVAL",)))], [Calls("unread", outcome) for outcome in outcomes])

    assert played.brief[-1] == end


def test_a_call_with_a_time_limit_of_its_own_has_that_time_as_well() -> None:
    """A poll that may wait two seconds is not late after two seconds."""
    poll = step("0", "poll", watch=(), timeout=2000)

    played = play([poll], [Calls("poll"), Quiet(NAPPING)])

    assert played.brief[-1] == "0 done pending blocked"
    assert played.seconds == pytest.approx(4.0)
    assert played.calls[0].deadline_s == pytest.approx(4.0)
