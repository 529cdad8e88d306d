"""Results as JSON: the same results give the same bytes, and nothing is lost."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from grader.model.verdicts import Cause, Result, TraceLine, Verdict
from grader.report.to_json import to_json
from tests.model.build import finding, mark, result


def text(*results: Result) -> str:
    """Give the JSON of a run with these results."""
    return to_json(results, target="host", isolation="none", version="0.1")


def test_a_run_is_told_with_its_counts() -> None:
    """The header says what was run, and by which version of what form."""
    told = json.loads(text(result(), result(Verdict.FAIL, Cause.CRASH)))

    assert {name: told[name] for name in ("format", "sockgrade", "target", "isolation")} == {
        "format": 1,
        "sockgrade": "0.1",
        "target": "host",
        "isolation": "none",
    }
    assert told["counts"] == {"PASS": 1, "FAIL": 1, "UNRESOLVED": 0, "UNSUPPORTED": 0, "UNTESTED": 0}
    assert len(told["results"]) == 2


def test_a_result_is_told_with_its_evidence() -> None:
    """Every field of it, in plain words."""
    failed = result(
        Verdict.FAIL,
        Cause.MISMATCH,
        findings=(finding(called_from=(mark(30),), hint="try", after="bind()"),),
        trace=(TraceLine("main", "close(c)", "0", wrong=True),),
        claims=("lecture.close",),
        spec=("POSIX",),
        tolerated=("rule",),
        stdout="hi",
        seconds=0.12345678,
        why="because",
        points=2.5,
    )

    (told,) = json.loads(text(failed))["results"]

    assert told == {
        "case": "api/t/one[inet]",
        "title": "a fact about sockets",
        "verdict": "FAIL",
        "cause": "mismatch",
        "reason": "",
        "level": "core",
        "section": "t",
        "points": 2.5,
        "claims": ["lecture.close"],
        "spec": ["POSIX"],
        "why": "because",
        "tolerated": ["rule"],
        "seconds": 0.123457,
        "findings": [
            {
                "step": "1",
                "call": 'send(c, "hi")',
                "expected": "success",
                "got": "failure with EPIPE (Broken pipe)",
                "after": "bind()",
                "hint": "try",
                "place": "suites/api/t.yaml:7:3",
                "called_from": ["suites/api/t.yaml:30:3"],
            }
        ],
        "trace": ["main: close(c) = 0"],
        "printed": "hi",
        "repeat": "sockgrade run 'api/t/one[inet]' --target host",
    }


def test_the_same_results_give_the_same_bytes() -> None:
    """No clock, no order of a set, no address of an object gets in."""
    assert text(result(), result(Verdict.FAIL)) == text(result(), result(Verdict.FAIL))
    assert text(result()).endswith("}\n")


@given(st.text())
def test_whatever_is_printed_comes_back_as_it_was(printed: str) -> None:
    """JSON can say every text, and ours is ASCII."""
    told = text(result(stdout=printed))

    assert json.loads(told)["results"][0]["printed"] == printed
    assert told.isascii()
