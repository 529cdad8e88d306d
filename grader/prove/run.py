"""What is asked for: which mutants, which cases, and what must be shown of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from grader import pipeline
from grader.model.errors import UsageError
from grader.model.scenarios import Case
from grader.prove.proof import Generated, Proof, Row, Scope, near
from grader.prove.trials import Bench, reference_row, rows, stub_row

EXPLANATIONS = "survivors.toml"
_FOLDER = Path("fixtures", "mutants")


def mutants_folder() -> Path:
    """Give the folder of the mutants: that of the checkout the suites are in, or the one below this folder.

    Raises:
        UsageError: there is none.
    """
    for folder in (pipeline.suites_folder().parent / _FOLDER, _FOLDER):
        if folder.is_dir():
            return folder
    raise UsageError(f"there is no folder {_FOLDER}, and an installed sockgrade has none: try --mutants FOLDER")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be tried: the cases, the folder of mutants, the mutants meant (none named: all), how many workers.

    `has_ids` says that the cases were chosen by id.
    """

    cases: tuple[Case, ...]
    folder: Path
    only: tuple[str, ...] = ()
    has_ids: bool = False
    jobs: int = 1

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to try."""
        if not self.cases:
            raise UsageError("there is no case to prove")
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder}: there is no such folder of mutants")

    @property
    def scope(self) -> Scope:
        """What must be shown: who names mutants asks about those, who names cases about those."""
        return Scope(mutants=bool(self.only) or not self.has_ids, scenarios=self.has_ids or not self.only)


def prove(wanted: Wanted) -> Proof:
    """Try every case on the reference, on the stub, and, if the reference passes it, on the mutants of the folder."""
    reference, bench = _foundations(wanted, wanted.folder)
    found = tuple(rows(bench, _chosen(wanted.only, bench.subjects), wanted.jobs))
    ids = tuple(case.id for case in wanted.cases)
    return Proof(ids, reference, stub_row(wanted.cases), found, wanted.scope)


def prove_tables(wanted: Wanted) -> Generated:
    """Try the cases on the mutants made from the tables; the folder holds the explanations of survivors."""
    path = wanted.folder / EXPLANATIONS
    explained = explanations(path)
    reference, bench = _foundations(wanted, None)
    found = tuple(rows(bench, _chosen(wanted.only, bench.subjects), wanted.jobs))
    return Generated(reference, found, explained, str(path), frozenset(bench.subjects))


def _foundations(wanted: Wanted, folder: Path | None) -> tuple[Row, Bench]:
    """Try the reference, and give what it passes to be tried on mutants: of the rest nothing could be learnt."""
    reference = reference_row(wanted.cases)
    return reference, Bench(tuple(case for case in wanted.cases if case.id not in reference.seen), folder)


def explanations(path: Path) -> Mapping[str, str]:
    """Read why survivors survive: lines of the form `name = "reason"`; no file, no explanations.

    Raises:
        UsageError: the file is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        line = re.search(r"at line (\d+)", str(error))
        raise UsageError(f"{path}:{line[1] if line else 1}: {error}") from error
    for name, reason in content.items():
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f'{path}: {name}: expected a reason, as in "{name}" = "no program can see it: ..."')
    return content


def _chosen(only: Collection[str], names: Collection[str]) -> tuple[str, ...]:
    """Give the names that are meant, in the order of the mutants."""
    for name in only:
        if name not in names:
            hint = near(name, [*names]) or f"there are {len(names)}"
            raise UsageError(f"no mutant is called {name} ({hint})")
    return tuple(name for name in names if not only or name in only)
