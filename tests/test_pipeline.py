"""The spine: a case is run unless the target cannot do it, and judged in the light of what is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grader import pipeline
from grader.model.deviations import Deviation, Known
from grader.model.marks import Mark
from grader.model.verdicts import Cause, Verdict
from grader.scenario import load
from grader.targets.host import open_host
from grader.targets.protocol import Target
from tests.shell import FAILS, NEEDS, PASSES, ROOT, same_network, write

KNOWN = Known({}, (Deviation(("api/t/*",), "it is another system", "its manual", Mark("list.yaml", 7, 3)),))


@pytest.fixture
def host() -> Iterator[Target]:
    """Open this host."""
    with same_network(), closing(open_host()) as target:
        yield target


def test_a_pass_and_a_failure_come_with_their_history(host: Target, tmp_path: Path) -> None:
    """The same history gives the same result again."""
    cases = load([write(tmp_path, PASSES, FAILS)]).cases

    results = [pipeline.run_case(case, host) for case in cases]

    assert [result.verdict for result, _ in results] == [Verdict.PASS, Verdict.FAIL]
    for case, (result, history) in zip(cases, results, strict=True):
        assert history.complete
        assert history.isolation == host.profile.isolation
        assert pipeline.judge_history(case, history) == result


def test_what_the_target_lacks_is_not_tried(host: Target, tmp_path: Path) -> None:
    """UNSUPPORTED with the reason, and nothing is run."""
    (case,) = load([write(tmp_path, NEEDS)]).cases

    result, history = pipeline.run_case(case, host)

    assert (result.verdict, result.cause) == (Verdict.UNSUPPORTED, Cause.NEEDS)
    assert result.reason == "needs programs: the target host is an interface, not a program"
    assert history.events == ()


def test_what_is_known_to_be_lacking_is_not_tried_either(host: Target, tmp_path: Path) -> None:
    """The list overrules what the target says of itself."""
    (case,) = load([write(tmp_path, PASSES)]).cases

    result, _ = pipeline.run_case(case, host, Known({"stream": "nobody has any"}))

    assert (result.verdict, result.reason) == (Verdict.UNSUPPORTED, "needs stream: nobody has any")


def test_known_deviations_are_strict_both_ways(host: Target, tmp_path: Path) -> None:
    """A listed case that fails is UNSUPPORTED; one that passes shows that the list is wrong."""
    passes, fails = load([write(tmp_path, PASSES, FAILS)]).cases

    deviant, _ = pipeline.run_case(fails, host, KNOWN)
    stale, _ = pipeline.run_case(passes, host, KNOWN)

    assert (deviant.verdict, deviant.cause) == (Verdict.UNSUPPORTED, Cause.DEVIATION)
    assert deviant.reason == "known deviation: it is another system (its manual)"
    assert (stale.verdict, stale.cause) == (Verdict.UNRESOLVED, Cause.INVALID_SUITE)
    assert stale.reason.startswith("list.yaml:7:3: this case is listed as a deviation and passes")


def test_a_case_that_could_not_be_run_is_nobodys_failure(tmp_path: Path) -> None:
    """UNRESOLVED, with the reason and the command that tries it again."""
    (case,) = load([write(tmp_path, PASSES)]).cases

    result, history = pipeline.unresolved(case, "module:x", "the worker that ran this case died")

    assert (result.verdict, result.cause) == (Verdict.UNRESOLVED, Cause.HARNESS)
    assert result.reason == "the worker that ran this case died"
    assert result.target == "module:x"
    assert history.fault
    assert pipeline.judge_history(case, history) == result


def test_the_suites_stand_beside_the_package() -> None:
    """In a checkout; an installed package carries them, which `test_wheel` shows."""
    assert pipeline.suites_folder() == ROOT / "suites"
