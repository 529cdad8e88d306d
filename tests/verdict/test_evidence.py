"""No PASS without evidence: what is not in the history was not seen."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from grader.model.expectations import Failure, StillPending
from grader.model.histories import Done, Event, Returned
from grader.model.outcomes import Broken, Pending, Unoffered
from grader.model.scenarios import Step
from grader.model.verdicts import Cause, Result, Verdict
from grader.verdict.judge import judge
from tests.engine.anything import any_case, run, seeds
from tests.model.build import blocked, case, history, issued, ok, one_call, step, wants

SOCKETS = {"c": 3, "d": 4}
RECV = step("0", "recv", sock="c", size=9)
CLOSE = step("0", "close", sock="c")


def judged(steps: list[Step], *events: Event, **fields: Any) -> Result:
    """Give the result of these steps and events."""
    return judge(case(*steps, variables=SOCKETS), history(*events, **fields))


def test_a_history_that_stops_is_unresolved() -> None:
    """All steps are there, but nobody says that the case came to its end."""
    result = judged([CLOSE], *one_call("0", 0, "close", ok()), complete=False)

    assert (result.verdict, result.cause) == (Verdict.UNRESOLVED, Cause.HARNESS)
    assert result.reason == "the history stops before the case ended"


def test_a_step_whose_end_is_missing_is_unresolved() -> None:
    """What is not there was not seen."""
    result = judged([CLOSE, step("1", "close", sock="d")], *one_call("0", 0, "close", ok()))

    assert result.verdict is Verdict.UNRESOLVED
    assert result.reason == "the history does not say how step 1 (close) ended"


def without(events: tuple[Event, ...], missing: int) -> tuple[Event, ...]:
    """Leave one event out."""
    return events[:missing] + events[missing + 1 :]


def test_a_wait_that_nobody_saw_is_unresolved() -> None:
    """Each wait before a nested step needs its evidence."""
    sends = tuple(step(f"0.{n}", "send", sock="d", data=b"x") for n in range(2))
    end = ok(data=b"x")
    made = case(replace(RECV, nested=sends, release=True), variables=SOCKETS)
    events: tuple[Event, ...] = (issued("0", 0, "recv"), blocked("0", 0, 0), *one_call("0.0", 1, "send", ok()))
    events = (*events, blocked("0", 0, 1), *one_call("0.1", 2, "send", ok()), Returned(0, end), Done("0", end))

    reasons = {judge(made, history(*without(events, at))).reason for at in (1, 5)}

    assert judge(made, history(*events)).verdict is Verdict.PASS
    assert reasons == {"the history has no evidence that step 0 (recv) waited"}


@pytest.mark.parametrize(
    "steps",
    [
        [replace(RECV, expect=wants(StillPending(), blocks=True))],
        [step("0", "recv", sock="c", size=1, start="r"), step("1", "still_blocked", call="r")],
    ],
)
def test_a_call_that_had_to_wait_passes_only_by_evidence(steps: list[Step]) -> None:
    """That it is pending at the end is not enough."""
    seen, end = (issued("0", 0, "recv"), blocked("0", 0)), Done(steps[-1].path, Pending())

    assert judged(steps, *seen, end).verdict is Verdict.PASS
    assert judged(steps, seen[0], end).verdict is Verdict.UNRESOLVED


OLD = history(*one_call("0", 0, "close", ok()), digest="old")


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([CLOSE], Verdict.PASS),
        ([replace(CLOSE, expect=wants(Failure()))], Verdict.FAIL),
        ([CLOSE, step("1", "close", sock="d")], Verdict.UNRESOLVED),
        ([RECV], Verdict.UNRESOLVED),
        ([], Verdict.UNRESOLVED),
    ],
)
def test_a_scenario_may_change_its_mind_but_not_its_steps(steps: list[Step], verdict: Verdict) -> None:
    """A history is judged by what its scenario says now, as long as it speaks of the same calls."""
    assert judge(case(*steps, variables=SOCKETS, digest="new"), OLD).verdict is verdict


def test_a_history_of_other_steps_says_so() -> None:
    """It is ours to run it again."""
    assert judge(case(RECV, digest="new"), OLD).reason == "the scenario has other steps now: run it again"


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_whatever_was_seen_there_is_a_verdict(seed: int) -> None:
    """No history breaks the judge, and none passes if the engine had to stop or an event is left out."""
    random = Random(seed)
    made = any_case(random)
    events = run(made, random)

    result = judge(made, history(*events))

    assert bool(result.findings) is (result.verdict is Verdict.FAIL)
    ended = [event for event in events if isinstance(event, Done)]
    if ended and result.verdict is Verdict.PASS:
        left_out = random.choice(ended)
        racers = {inner.path for one in made.every_step if one.op == "race" for inner in one.inner}
        assert not any(isinstance(event.outcome, (Broken, Unoffered)) for event in ended)
        if left_out.step not in racers:
            fewer = history(*(event for event in events if event is not left_out))
            assert judge(made, fewer).verdict is not Verdict.PASS
