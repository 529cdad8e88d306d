"""Calls that must be seen waiting: `blocks_until`, `hold` and `expect: blocks`."""

from __future__ import annotations

import pytest

from grader.model.expectations import StillPending
from grader.model.histories import SeenBlocked
from grader.model.scenarios import Step
from grader.targets.protocol import Look
from tests.engine.play import (
    ASLEEP,
    HIDDEN,
    NAPPING,
    STARVED,
    Calls,
    Lands,
    Quiet,
    Row,
    Sees,
    play,
)
from tests.model.build import err, ok, step, wants


def waiting(*nested: Step, **fields: object) -> Step:
    """Give a receive that is released by the last of the nested steps."""
    return step("0", "recv", sock="c", size=9, actor="anon1", nested=nested, release=True, **fields)


SEND = step("0.0", "send", sock="d", data=b"x")
SEND_MORE = step("0.1", "send", sock="d", data=b"y")


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        pytest.param(
            [
                Calls("recv"),
                Sees(ASLEEP),
                Calls("send", ok(count=1)),
                Sees(ASLEEP),
                Calls("send", ok(count=1)),
                Lands(0, ok()),
            ],
            [
                *("0 blocked #0 after 0", "0.0 main: send #1", "#1 = ok count=1", "0.0 done ok count=1"),
                *("0 blocked #0 after 1", "0.1 main: send #2", "#2 = ok count=1", "0.1 done ok count=1"),
                *("#0 = ok", "0 done ok"),
            ],
            id="released-by-the-last",
        ),
        pytest.param([Calls("recv", ok())], ["#0 = ok", "0 done ok early 0"], id="never-waited"),
        pytest.param([Calls("recv"), Lands(0, ok())], ["#0 = ok", "0 done ok early 0"], id="came-back-at-once"),
        pytest.param(
            [Calls("recv"), Sees(ASLEEP), Calls("send", ok(count=1)), Lands(0, ok())],
            [
                *("0 blocked #0 after 0", "0.0 main: send #1", "#1 = ok count=1", "0.0 done ok count=1"),
                *("#0 = ok", "0 done ok early 1"),
            ],
            id="released-by-the-first",
        ),
        pytest.param(
            [Calls("recv"), Sees(ASLEEP), Calls("send", err("EPIPE"))],
            ["0 blocked #0 after 0", "0.0 main: send #1", "#1 = EPIPE", "0.0 done EPIPE"],
            id="a-nested-step-fails",
        ),
        pytest.param(
            [Calls("recv"), Sees(ASLEEP), Calls("send", ok()), Sees(ASLEEP), Calls("send", ok()), Quiet(ASLEEP)],
            [
                *("0 blocked #0 after 0", "0.0 main: send #1", "#1 = ok", "0.0 done ok"),
                *("0 blocked #0 after 1", "0.1 main: send #2", "#2 = ok", "0.1 done ok"),
                *("#0 = pending blocked", "0 done pending blocked"),
            ],
            id="never-released",
        ),
        pytest.param(
            [Calls("recv"), Sees(ASLEEP), Calls("send"), Lands(0, ok()), Lands(1, ok())],
            ["0 blocked #0 after 0", "0.0 main: send #1", "#0 = ok", "#1 = ok", "0.0 done ok", "0 done ok early 1"],
            id="lands-while-the-first-runs",
        ),
    ],
)
def test_only_the_last_nested_step_may_release_a_call(rows: list[Row], written: list[str]) -> None:
    """It must be seen blocked before each of them, and come back after the last."""
    assert play([waiting(SEND, SEND_MORE)], rows).brief == ["0 anon1: recv #0", *written]


def test_a_nested_step_may_wait_itself() -> None:
    """Each call is seen blocked on its own, and either may be answered first."""
    inner = step(
        "0.0", "recv", sock="d", size=1, actor="anon2", nested=(step("0.0.0", "close", sock="c"),), release=True
    )
    rows = [
        Calls("recv"),
        Sees(ASLEEP),
        Calls("recv"),
        Sees(ASLEEP),
        Calls("close", ok()),
        Lands(0, ok()),
        Lands(1, ok()),
    ]

    assert play([waiting(inner)], rows).brief[-3:] == ["#1 = ok", "0.0 done ok", "0 done ok"]


@pytest.mark.parametrize(
    ("look", "hold_s", "seconds", "evidence"),
    [
        (ASLEEP, None, 0.0, "blocked: asleep in recv"),
        (NAPPING, None, 0.05, "blocked: asleep in nanosleep"),
        (HIDDEN, None, 1.0, "unknown: cannot be seen"),
        (ASLEEP, 0.3, 0.3, "blocked: asleep in recv; still pending after 0.3 s"),
        (HIDDEN, 0.3, 1.0, "unknown: cannot be seen; still pending after 0.3 s"),
    ],
)
def test_being_blocked_takes_as_long_as_it_takes_to_believe(
    look: Look, hold_s: float | None, seconds: float, evidence: str
) -> None:
    """A sleep without a limit is believed at once, a nap after a moment, what cannot be seen after a second."""
    played = play([waiting(SEND, hold_s=hold_s)], [Calls("recv"), Sees(look), Calls("send", ok()), Lands(0, ok())])

    (seen,) = (event for event in played.events if isinstance(event, SeenBlocked))
    assert seen.evidence == evidence
    assert seen.at_ns / 1e9 == pytest.approx(seconds)


def test_a_call_that_is_busy_at_its_deadline_is_pending_all_the_same() -> None:
    """Nobody says that a starved call does not wait; it has a second more to come back before its release."""
    played = play([waiting(SEND)], [Calls("recv"), Quiet(STARVED), Calls("send", ok()), Lands(0, ok())])

    (seen,) = (event for event in played.events if isinstance(event, SeenBlocked))
    assert (seen.at_ns, seen.evidence) == (3_000_000_000, "busy: ready to run")


@pytest.mark.parametrize("look", [NAPPING, HIDDEN])
def test_a_call_that_naps_and_gives_up_is_caught(look: Look) -> None:
    """It was seen waiting, and came back before anybody released it."""
    played = play([waiting(SEND)], [Calls("recv"), Sees(look), Lands(0, err("EAGAIN"))])

    assert played.brief[-1] == "0 done EAGAIN early 0"


def test_hold_is_for_the_first_wait() -> None:
    """One hold per step is enough to catch code that waits a moment and gives up."""
    rows = [Calls("recv"), Sees(ASLEEP), Calls("send", ok()), Sees(ASLEEP), Calls("send", ok()), Lands(0, ok())]

    assert play([waiting(SEND, SEND_MORE, hold_s=0.3)], rows).seconds == pytest.approx(0.301)


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        ([Calls("recv"), Sees(ASLEEP)], ["0 blocked #0 after 0", "0 done pending blocked"]),
        ([Calls("recv"), Sees(ASLEEP), Lands(0, ok())], ["0 blocked #0 after 0", "0 done pending blocked"]),
        ([Calls("recv"), Lands(0, ok())], ["#0 = ok", "0 done ok early 0"]),
        ([Calls("recv", err("EAGAIN"))], ["#0 = EAGAIN", "0 done EAGAIN early 0"]),
    ],
)
def test_a_call_may_be_expected_to_block_and_is_left_then(rows: list[Row], end: list[str]) -> None:
    """`expect: blocks` wants it seen; whatever comes later is nobody's business."""
    blocks = step("0", "recv", sock="c", size=1, actor="anon1", expect=wants(StillPending(), blocks=True))
    later = [step("1", "pause", **{"for": 0.5})] if len(rows) == 3 else []

    assert play([blocks, *later], rows).brief[1 : 1 + len(end)] == end
