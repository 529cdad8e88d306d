"""What a student reads when something is wrong, word for word."""

from __future__ import annotations

import pytest

from grader.model.verdicts import Cause, Result, TraceLine, Verdict
from grader.report.to_text import counts, explanation, headline, summary
from tests.model.build import finding, mark, result


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (result(), "PASS        api/t/one[inet]"),
        (result(Verdict.PASS, Cause.TOLERATED), "PASS        api/t/one[inet]  tolerated"),
        (result(Verdict.FAIL, Cause.NOT_READY), "FAIL        api/t/one[inet]  not-ready"),
        (
            result(Verdict.UNRESOLVED, Cause.HOST, reason="no memory"),
            "UNRESOLVED  api/t/one[inet]  host: no memory",
        ),
        (
            result(Verdict.UNSUPPORTED, Cause.NEEDS, reason="needs inet6: none here"),
            "UNSUPPORTED api/t/one[inet]  needs: needs inet6: none here",
        ),
        (result(Verdict.UNTESTED, reason="not due yet"), "UNTESTED    api/t/one[inet]: not due yet"),
    ],
)
def test_a_headline_says_verdict_case_cause_and_reason(told: Result, line: str) -> None:
    """In one line."""
    assert headline(told) == line


FAILED = result(
    Verdict.FAIL,
    Cause.MISMATCH,
    findings=(
        finding(
            call="recv(s, 9)",
            expected='the call waits until send(c, "x"), then success',
            got="the call came back: failure with EAGAIN",
            mark=mark(9),
            called_from=(mark(30), mark(40)),
            hint="left in non-blocking mode",
            after="listen(lst, 1)",
        ),
    ),
    trace=(
        TraceLine("main", "listen(lst, 1)", "0"),
        TraceLine("anon1", "recv(s, 9)", "-1 EAGAIN", wrong=True),
        TraceLine("main", "accept(lst)", "(still waiting)"),
    ),
    why="a server must wait",
    spec=("POSIX.1-2024 recv()", "RFC 9293 3.6"),
    stdout="one\ntwo\n",
)


def test_a_failure_is_told_with_all_its_evidence() -> None:
    """Where, what was expected and seen, why and by which rule, what had happened, and how to see it again."""
    assert explanation(FAILED).splitlines() == [
        "FAIL mismatch",
        "  a fact about sockets",
        "",
        "  step     recv(s, 9)",
        "           suites/api/t.yaml:9 (from suites/api/t.yaml:30) (from suites/api/t.yaml:40)",
        '  expected the call waits until send(c, "x"), then success',
        "  got      the call came back: failure with EAGAIN",
        "  after    listen(lst, 1)",
        "  hint     left in non-blocking mode",
        "  why      a server must wait",
        "  rule     POSIX.1-2024 recv(); RFC 9293 3.6",
        "",
        "  what happened:",
        "    main   listen(lst, 1) = 0",
        "  > anon1  recv(s, 9) = -1 EAGAIN",
        "    main   accept(lst) = (still waiting)",
        "",
        "  the code printed:",
        "    one",
        "    two",
        "",
        "  repeat   sockgrade run 'api/t/one[inet]' --target host",
    ]


def test_what_is_unsupported_is_told_in_two_lines_and_a_reason() -> None:
    """There is nothing to repeat and nothing that happened."""
    told = result(Verdict.UNSUPPORTED, Cause.NEEDS, reason="needs inet6: none here")

    assert explanation(told).splitlines() == ["UNSUPPORTED needs", "  a fact about sockets", "  needs inet6: none here"]


def test_what_is_unresolved_says_what_happened_and_blames_no_rule() -> None:
    """It is ours; the reason says what we know."""
    told = result(Verdict.UNRESOLVED, Cause.HOST, reason="no memory", why="because", spec=("POSIX",))

    assert explanation(told).splitlines() == [
        *("UNRESOLVED host", "  a fact about sockets", "  no memory", ""),
        *("  what happened:", "    main  close(c) = 0", ""),
        "  repeat   sockgrade run 'api/t/one[inet]' --target host",
    ]


def test_of_a_long_trace_the_end_is_told() -> None:
    """That is where it went wrong; how much was left out is said."""
    told = result(Verdict.FAIL, Cause.MISMATCH, trace=tuple(TraceLine("main", f"call{n}()", "0") for n in range(100)))

    lines = explanation(told).splitlines()

    assert lines[4:6] == ["    ... 60 earlier calls", "    main  call60() = 0"]
    assert "    main  call99() = 0" in lines


def test_results_are_counted_by_verdict() -> None:
    """Every verdict is named, even if nobody has it."""
    some = [result(), result(), result(Verdict.FAIL, Cause.CRASH)]

    assert counts(some) == {
        Verdict.PASS: 2,
        Verdict.FAIL: 1,
        Verdict.UNRESOLVED: 0,
        Verdict.UNSUPPORTED: 0,
        Verdict.UNTESTED: 0,
    }
    assert summary(some, 1.25) == "2 PASS, 1 FAIL in 1.2 s"
    assert summary([], 0) == "no cases in 0.0 s"
