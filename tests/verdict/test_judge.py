"""Verdicts from histories written by hand: each verdict and each cause, and what a PASS is refused for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from grader.model.expectations import (
    Alternative,
    Exactly,
    Expectation,
    Failure,
    Mistake,
    StillPending,
    Success,
    Whatever,
)
from grader.model.histories import Done, Event, Returned
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Raised, Unoffered
from grader.model.scenarios import Step
from grader.model.values import Ref, SockRef
from grader.model.verdicts import Cause, Result, Verdict
from grader.verdict.judge import judge
from tests.model.build import blocked, case, err, finding, history, issued, mark, ok, one_call, step, wants

SOCKETS = {"c": 3, "d": 4}
RECV = step("0", "recv", sock="c", size=9)
CLOSE = step("0", "close", sock="c")


def judged(steps: list[Step], *events: Event, **fields: Any) -> Result:
    """Give the result of these steps and events."""
    return judge(case(*steps, variables=SOCKETS), history(*events, **fields))


# -- every verdict and every cause --------------------------------------------------------------------------


def test_a_case_passes_if_all_was_as_expected() -> None:
    """It carries what any report may show of a case, and nothing about calls."""
    result = judged([CLOSE], *one_call("0", 0, "close", ok()), stdout="hi", seconds=0.5)

    assert (result.verdict, result.cause, result.reason, result.findings, result.trace) == (
        Verdict.PASS,
        None,
        "",
        (),
        (),
    )
    assert (result.case, result.title, result.section) == ("api/t/one[inet]", "a fact about sockets", "t")
    assert (result.stdout, result.seconds, result.mark) == ("hi", 0.5, mark())
    assert result.repeat_command == "sockgrade run 'api/t/one[inet]' --target host"


def test_a_tolerated_alternative_passes_and_is_shown() -> None:
    """The rule that allows it is quoted."""
    allowed = Expectation((Alternative(Success()), Alternative(Failure(), because="POSIX may", tolerated=True)))

    result = judged([replace(CLOSE, expect=allowed)], *one_call("0", 0, "close", err("EINVAL")))

    assert (result.verdict, result.cause, result.tolerated) == (Verdict.PASS, Cause.TOLERATED, ("POSIX may",))


@pytest.mark.parametrize(
    ("outcome", "cause", "got"),
    [
        (err("EPIPE"), Cause.MISMATCH, "failure with EPIPE (Broken pipe)"),
        (Raised("TypeError", "no"), Cause.MISMATCH, "the exception TypeError: no"),
        (Pending("blocked", "asleep"), Cause.TIMEOUT, "no end: the call waits (asleep)"),
        (Pending("looping"), Cause.TIMEOUT, "no end: the call was still computing at its deadline"),
        (Ended("signal", "SIGSEGV"), Cause.CRASH, "the process was ended by SIGSEGV during the call"),
        (Ended("exit", code=3), Cause.EXITED, "the process exited with status 3 during the call"),
        (Ended("output"), Cause.OUTPUT, "the process printed more than it may and was ended"),
        (Ended("tampered"), Cause.TAMPERED, "the code wrote on, or closed, descriptors that belong to the grader"),
        (Ended("lost"), Cause.CRASH, "the call was lost when the process ended"),
        (Ended("build", note="a.c:1"), Cause.BUILD, "the code could not be built (a.c:1)"),
    ],
)
def test_what_the_student_must_mend_fails(outcome: Outcome, cause: Cause, got: str) -> None:
    """The finding says where, what was expected, and what was seen."""
    result = judged([CLOSE], *one_call("0", 0, "close", outcome))

    assert (result.verdict, result.cause) == (Verdict.FAIL, cause)
    assert result.findings == (finding(step="0", call="close(c)", got=got, mark=CLOSE.mark),)


@pytest.mark.parametrize("cause", ["harness", "host", "invalid-suite", "adapter"])
def test_what_is_ours_is_unresolved(cause: str) -> None:
    """Whatever the step expected, a call that we could not make is nobody's failure."""
    steps = [replace(CLOSE, expect=wants(Whatever()))]

    result = judged(steps, *one_call("0", 0, "close", Broken("no memory", cause)))

    assert (result.verdict, result.cause, result.reason) == (Verdict.UNRESOLVED, Cause(cause), "no memory")
    assert not result.findings


@pytest.mark.parametrize("cause", ["harness", "host"])
def test_a_fault_of_the_run_is_unresolved(cause: str) -> None:
    """It goes before everything that was seen."""
    result = judged([CLOSE], *one_call("0", 0, "close", err("EPIPE")), fault="no network", fault_cause=cause)

    assert (result.verdict, result.cause, result.reason) == (Verdict.UNRESOLVED, Cause(cause), "no network")


def test_what_is_not_offered_is_unsupported() -> None:
    """Before the run, or by the first call that is not there."""
    before = judged([CLOSE], unsupported="needs inet6: none here")
    during = judged([CLOSE], *one_call("0", 0, "close", Unoffered("no close")))

    assert (before.verdict, before.cause, before.reason) == (Verdict.UNSUPPORTED, Cause.NEEDS, "needs inet6: none here")
    assert (during.verdict, during.cause, during.reason) == (Verdict.UNSUPPORTED, Cause.NEEDS, "no close")


def test_an_invariant_that_is_broken_fails_a_case_whose_steps_are_right() -> None:
    """It is asked only then: one fault is told once."""
    made = case(
        step("0", "socket", binds=("s",)), step("1", "socket", binds=("t",)), invariants=("distinct-descriptors",)
    )
    first, second = one_call("0", 0, "socket", ok(sock=3)), one_call("1", 1, "socket", ok(sock=3))

    result = judge(made, history(*first, *second))

    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.MISMATCH)
    assert [(one.step, one.got) for one in result.findings] == [("1", "descriptor 3, which is open")]


def test_only_the_first_thing_that_is_wrong_is_told() -> None:
    """What comes after it means nothing."""
    steps = [CLOSE, step("1", "close", sock="d")]

    result = judged(steps, *one_call("0", 0, "close", err("EPIPE")), *one_call("1", 1, "close", err("EINVAL")))

    assert [one.step for one in result.findings] == ["0"]


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (Ended("exit", code=1), Cause.EXITED),
        (Ended("signal", "SIGSEGV"), Cause.CRASH),
        (Ended("output"), Cause.OUTPUT),
        (Ended("tampered"), Cause.TAMPERED),
    ],
)
@pytest.mark.parametrize("seen", [Ended("lost"), Pending("blocked")])
def test_a_lost_call_has_the_cause_of_the_call_that_ended_the_process(end: Ended, cause: Cause, seen: Outcome) -> None:
    """The step that is reported first is not always the one that did it."""
    made: list[Event] = [issued("0", 0, "recv"), issued("1", 1, "send")]
    ended: list[Event] = [Returned(1, end), Returned(0, seen), Done("0", seen)]

    assert judged([RECV, step("1", "send", sock="d", data=b"")], *made, *ended).cause is cause


def test_a_mistake_that_is_known_brings_its_hint() -> None:
    """The verdict is the same with or without it; the first that fits is told."""
    known = (Mistake(Failure(("EPIPE",)), "other"), Mistake(Failure(("EAGAIN",)), "left in non-blocking mode"))

    hints = [
        judged([replace(RECV, mistakes=known)], *one_call("0", 0, "recv", outcome)).findings[0].hint
        for outcome in (err("EWOULDBLOCK"), err("EINVAL"))
    ]

    assert hints == ["left in non-blocking mode", ""]


# -- steps of more than one call ------------------------------------------------------------------------------


def release(early: int | None, *, waits: int = 2, outcome: Outcome | None = None) -> Result:
    """Give the result of a receive that two sends release, of which some have run."""
    sends = tuple(step(f"0.{n}", "send", sock="d", data=b"x") for n in range(2))
    events: list[Event] = [issued("0", 0, "recv", "anon1")]
    for n in range(waits if early is None else early):
        events += [blocked("0", 0, n), *one_call(f"0.{n}", n + 1, "send", ok(count=1))]
    end = outcome or ok(data=b"x", count=1, eof=False)
    return judged([replace(RECV, nested=sends, release=True)], *events, Returned(0, end), Done("0", end, early))


def test_a_call_that_waited_for_its_release_passes() -> None:
    """It was seen blocked before each of the nested steps."""
    assert release(None).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("early", "got", "after"),
    [
        (0, 'the call came back at once: success with data "x", count 1, eof false', ""),
        (1, 'the call came back: success with data "x", count 1, eof false', 'send(d, "x")'),
    ],
)
def test_a_call_that_came_back_too_early_fails(early: int, got: str, after: str) -> None:
    """The finding says what should have released it and what had run by then."""
    result = release(early)

    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.MISMATCH)
    assert (result.findings[0].got, result.findings[0].after) == (got, after)
    assert result.findings[0].expected == 'the call waits until send(d, "x"), then success'


@pytest.mark.parametrize("op", ["recv", "still_blocked"])
def test_a_call_that_had_to_wait_and_did_not_fails(op: str) -> None:
    """There is nothing that would have released it."""
    started = step("0", "recv", sock="c", size=1, start="r")
    steps = {
        "recv": [replace(RECV, expect=wants(StillPending(), blocks=True))],
        "still_blocked": [started, step("1", "still_blocked", call="r"), step("2", "finish", call="r")],
    }
    path = "0" if op == "recv" else "1"

    result = judged(steps[op], issued("0", 0, "recv"), Returned(0, err("EAGAIN")), Done(path, err("EAGAIN"), 0))

    assert [(one.step, one.expected) for one in result.findings] == [(path, "the call waits")]
    assert result.findings[0].got.startswith("the call came back at once: failure with EAGAIN")


def test_a_started_call_binds_its_name_when_it_is_finished() -> None:
    """A later expectation may use it."""
    steps = [
        step("0", "accept", sock="c", start="r", binds=("s",)),
        step("1", "finish", call="r"),
        step("2", "unread", sock="c", expect=wants(Success((("value", Exactly(Ref("s"))),)))),
    ]
    accepted: list[Event] = [
        issued("0", 0, "accept"),
        Returned(0, ok(sock=9, peer=None)),
        Done("1", ok(sock=9, peer=None)),
    ]

    results = [judged(steps, *accepted, *one_call("2", 1, "unread", ok(value=value))) for value in (9, 8)]

    assert [result.verdict for result in results] == [Verdict.PASS, Verdict.FAIL]
    assert results[1].findings[0].expected == "success with value 9"


def race(*ends: Event, values: tuple[SockRef, ...] = ()) -> Result:
    """Give the result of a race of two accepts for one connection."""
    inner = tuple(step(f"0.{n}", "accept", sock="c", actor=f"anon{n}", binds=(name,)) for n, name in enumerate("ab"))
    trigger = (step("0.2", "connect", sock="d", addr=Ref("c")),)
    steps = [step("0", "race", inner=inner, trigger=trigger, expect=Expectation(returned=1, pending=1))]
    if values:
        steps.append(step("1", "same", values=values))
    waits: list[Event] = [issued(f"0.{n}", n, "accept", f"anon{n}") for n in range(2)]
    waits += [blocked(f"0.{n}", n) for n in range(2)]
    waits += one_call("0.2", 2, "connect", ok())
    return judged(steps, *waits, *ends)


FIRST = (Returned(0, ok(sock=8)), Done("0.0", ok(sock=8)))
SECOND = (Returned(1, ok(sock=9)), Done("0.1", ok(sock=9)))


def test_a_race_passes_by_its_counts() -> None:
    """One returned, one waits: no matter which."""
    assert race(*SECOND, Done("0", ok(returned=1, pending=1))).verdict is Verdict.PASS


def test_a_race_in_which_too_many_return_fails() -> None:
    """The counts are told."""
    result = race(*FIRST, *SECOND, Done("0", ok(returned=2, pending=0)))

    assert result.findings[0].expected == "1 of the calls return and 1 go on waiting"
    assert result.findings[0].got == "success with returned 2, pending 0"


def test_a_racer_that_did_not_wait_fails() -> None:
    """A race is about calls that wait at the same time."""
    result = race(Returned(0, ok(sock=8)), Done("0.0", ok(sock=8), 0))

    assert [(one.step, one.expected) for one in result.findings] == [("0.0", "the call waits")]


def test_the_winner_is_who_returned_first() -> None:
    """Names are bound as the engine bound them."""
    values = (SockRef("winner"), SockRef("b"))

    result = race(*SECOND, Done("0", ok(returned=1, pending=1)), Done("1", ok(values=(9, 9))), values=values)

    assert result.verdict is Verdict.PASS


A, B = Success((("data", Exactly(b"a")),)), Success((("data", Exactly(b"b")),))


def collect(*outcomes: Outcome) -> Result:
    """Give the result of a receive made twice."""
    inner = tuple(step(f"0.{n}", "recv", sock="c", size=9) for n in range(2))
    events = [event for n, one in enumerate(outcomes) for event in one_call(f"0.{n}", n, "recv", one)]
    steps = [step("0", "collect", times=2, inner=inner, expect=Expectation(in_any_order=(A, B)))]
    return judged(steps, *events, Done("0", ok(count=2)))


def test_a_collection_passes_in_any_order() -> None:
    """Each outcome is looked for once."""
    assert collect(ok(data=b"b"), ok(data=b"a")).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("outcomes", "verdict", "cause"),
    [
        ([ok(data=b"a"), ok(data=b"a")], Verdict.FAIL, Cause.MISMATCH),
        ([ok(data=b"a"), Pending()], Verdict.FAIL, Cause.TIMEOUT),
        ([Ended("exit")], Verdict.FAIL, Cause.EXITED),
        ([ok(data=b"a"), Broken("no memory", "host")], Verdict.UNRESOLVED, Cause.HOST),
        ([Unoffered("no recv")], Verdict.UNSUPPORTED, Cause.NEEDS),
    ],
)
def test_a_collection_has_the_cause_of_its_last_call(outcomes: list[Outcome], verdict: Verdict, cause: Cause) -> None:
    """What is not the student's is not the student's here either."""
    result = collect(*outcomes)

    assert (result.verdict, result.cause) == (verdict, cause)


def test_a_collection_tells_all_that_came() -> None:
    """In the order in which it came."""
    (told,) = collect(ok(data=b"a"), ok(data=b"a")).findings

    assert told.expected == 'in any order: success with data "a"; success with data "b"'
    assert told.got == 'success with data "a"; success with data "a"'
