"""The model is a double that is verified: every suite has the same verdict on it and on the host's kernel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from grader import pipeline
from grader.model.scenarios import Case
from grader.model.verdicts import Result
from grader.scenario import load
from grader.targets.host import open_host
from grader.targets.protocol import Target
from grader.targets.reference import open_reference

SUITES = pipeline.suites_folder()


@cache
def cases_of(file: Path) -> tuple[Case, ...]:
    """Give the cases of a suite file."""
    return load([file], root=SUITES).cases


def files() -> tuple[str, ...]:
    """Give every suite file as seen from the folder of the suites."""
    return tuple(sorted(file.relative_to(SUITES).as_posix() for file in load([SUITES]).files))


@pytest.fixture(scope="module")
def host() -> Iterator[Target]:
    """Give the kernel."""
    target = open_host()
    yield target
    target.close()


@pytest.fixture(scope="module")
def model() -> Iterator[Target]:
    """Give the model."""
    target = open_reference()
    yield target
    target.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", files())
def test_a_suite_has_the_same_verdicts_on_the_model_and_on_the_kernel(name: str, host: Target, model: Target) -> None:
    """Each case of the file comes out on the model as it comes out on the kernel."""
    differing = [difference for case in cases_of(SUITES / name) if (difference := differs(case, host, model))]

    assert not differing, "\n".join(["host and model differ:", *differing])


def differs(case: Case, host: Target, model: Target) -> str:
    """Say how the verdicts of a case differ, or give an empty text."""
    ours, theirs = (pipeline.run_case(case, target)[0] for target in (host, model))
    return "" if ours.verdict is theirs.verdict else f"  {case.id}\n    host   {said(ours)}\n    model  {said(theirs)}"


def said(result: Result) -> str:
    """Give a verdict with what it rests on."""
    finding = result.findings[0] if result.findings else None
    why = result.reason if finding is None else f"step {finding.step}: {finding.call}: {finding.got}"
    return f"{result.verdict} {why}".strip()


def test_every_suite_file_is_compared() -> None:
    """There are suites, all of them can be read, and each has cases."""
    errors = load([SUITES]).errors

    assert not errors, "\n".join(map(str, errors))
    assert files()
    assert all(cases_of(SUITES / name) for name in files())
