"""Which cases are meant: paths of files and folders, or case ids in which `*` stands for any text."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grader import pipeline
from grader.model.assignments import Assignment
from grader.model.deviations import Known, id_matches
from grader.model.errors import ScenarioError, UsageError
from grader.model.scenarios import Case
from grader.model.verdicts import Cause, Result, Verdict
from grader.scenario import load
from grader.scenario.assignment import read_assignment
from grader.scenario.deviations import load_known

_ROOT = Path(__file__).parents[1]  # the repository; of an installed grader, the folder of packages


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases that were asked for, and the files that could not be read."""

    cases: tuple[Case, ...]
    errors: tuple[ScenarioError, ...]


def select(wanted: Sequence[str], *, level: str | None = None, claim: str | None = None) -> Selection:
    """Load what is wanted: paths say where to look, every suite without any; ids choose among what is there.

    Raises:
        UsageError: a word is neither a path nor the id of a case, or no scenario rests on the claim.
    """
    paths = [Path(word) for word in wanted if Path(word).exists()]
    patterns = [word for word in wanted if not Path(word).exists()]
    loaded = load(paths or [pipeline.suites_folder()])
    for pattern in patterns:
        if not any(_is_meant(pattern, case.id) for case in loaded.cases):
            raise UsageError(_unknown(pattern, [case.id for case in loaded.cases]))
    claims = {one for case in loaded.cases for one in case.scenario.claims}
    if claim is not None and claim not in claims:
        raise UsageError(f"{claim}: no scenario rests on a claim of that name{_near(claim, claims, 'list --claims')}")
    return Selection(
        tuple(
            case
            for case in loaded.cases
            if (not patterns or any(_is_meant(pattern, case.id) for pattern in patterns))
            and (level is None or case.scenario.level == level)
            and (claim is None or claim in case.scenario.claims)
        ),
        loaded.errors,
    )


def assignment_of(path: Path) -> Assignment:
    """Read an assignment file.

    Raises:
        ScenarioError: it is wrong; carries every complaint.
    """
    return read_assignment(path, pipeline.suites_folder())


def select_for(assignment: Assignment, patterns: Sequence[str] = ()) -> Selection:
    """Load the cases of an assignment, made for it; patterns choose among them.

    Raises:
        UsageError: a pattern means no case.
    """
    loaded = load(paths_for(assignment), root=pipeline.suites_folder(), assignment=assignment)
    for pattern in patterns:
        if not any(_is_meant(pattern, case.id) for case in loaded.cases):
            raise UsageError(_unknown(pattern, [case.id for case in loaded.cases]))
    meant = (case for case in loaded.cases if not patterns or any(_is_meant(one, case.id) for one in patterns))
    return Selection(tuple(meant), loaded.errors)


def paths_for(assignment: Assignment) -> list[Path]:
    """Give the files and folders of the suites that an assignment names."""
    places = (pipeline.suites_folder() / name for name, _ in assignment.suites)
    return [place if place.is_dir() else place.with_name(f"{place.name}.yaml") for place in places]


def known_for(assignment: Assignment) -> Known:
    """Give what is known of every submission to an assignment: which cases it does not ask for."""
    return Known(left_out=assignment.without)


def repeated_by(result: Result, assignment: Path) -> Result:
    """Give a result with the command that checks the submission again, its target being `program:PATH`."""
    submission = result.target.partition(":")[2]
    words = ("sockgrade", "check", submission, "--assignment", str(assignment), "--case", result.case)
    return result._replace(repeat_command=shlex.join(words))


def _is_meant(pattern: str, case: str) -> bool:
    """An id, a pattern, or a beginning of whole parts: `api/connect` means all that is in it."""
    return id_matches(pattern, case) or case.startswith((pattern.rstrip("/") + "/", pattern + "["))


def _unknown(pattern: str, cases: Sequence[str]) -> str:
    parts = [case.split("[")[0].split("/") for case in cases]
    words = {*cases, *("/".join(part[:end]) for part in parts for end in range(1, len(part) + 1))}
    return f"{pattern}: no such path, and no case is called so{_near(pattern, words, 'list')}"


def _near(word: str, words: Iterable[str], command: str) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {near[0]}?)" if near else f" (sockgrade {command} shows what there is)"


@cache
def known_of(target: str) -> Known:
    """Give what is known of a target; of a path of a student's nothing is.

    A file of a package of ours goes by its dotted name, wherever the repository lies and the user stands:
    `module:reference/blocking.py` is listed in `module-reference.blocking.yaml`.

    Raises:
        ScenarioError: the list is wrong.
    """
    kind, colon, path = target.partition(":")
    name = f"{kind}-{_dotted(path)}" if colon else kind
    return Known() if "/" in name else load_known(pipeline.suites_folder(), name)


def _dotted(path: str) -> str:
    """Give the dotted name of a file of a package beside this one; any other path as it is."""
    file = Path(os.path.normpath(Path(path).absolute()))
    if file.is_file() and (file.parent / "__init__.py").is_file() and file.is_relative_to(_ROOT):
        return ".".join(file.relative_to(_ROOT).with_suffix("").parts)
    return path


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
