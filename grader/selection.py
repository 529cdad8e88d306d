"""Which cases are meant: paths of files and folders, or case ids in which `*` stands for any text."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader import pipeline
from grader.model.deviations import Known, id_matches
from grader.model.errors import ScenarioError, UsageError
from grader.model.scenarios import Case
from grader.model.verdicts import Cause, Result, Verdict
from grader.scenario import Loaded, load
from grader.scenario.deviations import load_known

_NOTHING = Loaded((), (), ())


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases that were asked for, and the files that could not be read."""

    cases: tuple[Case, ...]
    errors: tuple[ScenarioError, ...]


def select(wanted: Sequence[str], *, level: str | None = None, claim: str | None = None) -> Selection:
    """Load what is wanted; nothing wanted means every suite.

    Raises:
        UsageError: a word is neither a path nor the id of a case.
    """
    paths = [Path(word) for word in wanted if Path(word).exists()]
    patterns = [word for word in wanted if not Path(word).exists()]
    # Loaded apart, because the files of a folder of suites may use what is in that folder only.
    named = load(paths) if paths else _NOTHING
    suites = load([pipeline.suites_folder()]) if patterns or not paths else _NOTHING
    every = {case.id: case for case in (*named.cases, *suites.cases)}
    for pattern in patterns:
        if not any(_is_meant(pattern, case) for case in every):
            raise UsageError(_unknown(pattern, list(every)))
    in_paths = {case.id for case in named.cases}
    return Selection(
        tuple(
            case
            for case in every.values()
            if (not wanted or case.id in in_paths or any(_is_meant(pattern, case.id) for pattern in patterns))
            and (level is None or case.scenario.level == level)
            and (claim is None or claim in case.scenario.claims)
        ),
        tuple({_file(error): error for error in (*named.errors, *suites.errors)}.values()),
    )


def _file(error: ScenarioError) -> Path:
    """Give the bad file, by the one name it has however it was asked for."""
    return Path(error.complaints[0].mark.file).resolve()


def _is_meant(pattern: str, case: str) -> bool:
    """An id, a pattern, or a beginning of whole parts: `api/connect` means all that is in it."""
    return id_matches(pattern, case) or case.startswith((pattern.rstrip("/") + "/", pattern + "["))


def _unknown(pattern: str, cases: Sequence[str]) -> str:
    parts = [case.split("[")[0].split("/") for case in cases]
    words = {*cases, *("/".join(part[:end]) for part in parts for end in range(1, len(part) + 1))}
    near = difflib.get_close_matches(pattern, words, n=1)
    hint = f" (did you mean {near[0]}?)" if near else " (sockgrade list shows what there is)"
    return f"{pattern}: no such path, and no case is called so{hint}"


def known_of(target: str) -> Known:
    """Give what is known of a target; of a path of a student's nothing is.

    Raises:
        ScenarioError: the list is wrong.
    """
    return Known() if "/" in target else load_known(pipeline.suites_folder(), target.replace(":", "-"))


def invalid_suite(error: ScenarioError, target: str) -> Result:
    """Give the one result that a file which cannot be read comes to; the other files run."""
    mark = error.complaints[0].mark
    return Result(
        case=mark.file,
        title="this file cannot be read as scenarios",
        verdict=Verdict.UNRESOLVED,
        cause=Cause.INVALID_SUITE,
        reason=str(error),
        target=target,
        repeat_command=f"sockgrade lint {mark.file}",
        mark=mark,
    )
