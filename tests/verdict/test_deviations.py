"""Known deviations, strictly both ways."""

from __future__ import annotations

import pytest

from grader.model.deviations import Deviation, Known
from grader.model.verdicts import Cause, Verdict
from grader.verdict.deviations import apply
from tests.model.build import finding, mark, result

LISTED = Deviation(("api/t/one*",), "it is another system", "its manual", mark(5))
OTHER = Deviation(("api/t/two*",), "another reason", "another manual", mark(6))


def test_a_listed_failure_is_unsupported_for_the_listed_reason() -> None:
    """The findings stay, so that anybody can see what is different."""
    failed = result(Verdict.FAIL, Cause.MISMATCH, findings=(finding(),))

    known = apply(Known(deviations=(OTHER, LISTED)), failed)

    assert (known.verdict, known.cause) == (Verdict.UNSUPPORTED, Cause.DEVIATION)
    assert known.reason == "known deviation: it is another system (its manual)"
    assert known.findings == failed.findings


@pytest.mark.parametrize("cause", [None, Cause.TOLERATED])
def test_a_listed_case_that_passes_is_ours_to_mend(cause: Cause | None) -> None:
    """The list is wrong, and says where."""
    known = apply(Known(deviations=(LISTED,)), result(Verdict.PASS, cause))

    assert (known.verdict, known.cause) == (Verdict.UNRESOLVED, Cause.INVALID_SUITE)
    assert known.reason.startswith("suites/api/t.yaml:5:3: this case is listed as a deviation and passes")


@pytest.mark.parametrize("verdict", [Verdict.UNRESOLVED, Verdict.UNSUPPORTED, Verdict.UNTESTED])
def test_a_listed_case_without_an_opinion_stays_as_it_is(verdict: Verdict) -> None:
    """It has neither failed nor passed."""
    assert apply(Known(deviations=(LISTED,)), result(verdict)) == result(verdict)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_case_that_is_not_listed_stays_as_it_is(verdict: Verdict) -> None:
    """A list is about its own cases."""
    assert apply(Known(deviations=(OTHER,)), result(verdict)) == apply(Known(), result(verdict)) == result(verdict)
