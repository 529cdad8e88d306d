"""Files to cases: the one way in. A bad file never hides the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from grader.model.assignments import Assignment
from grader.model.errors import ScenarioError
from grader.model.marks import Mark
from grader.model.scenarios import Case
from grader.scenario.check import check
from grader.scenario.complaints import Notes, wrong
from grader.scenario.expand import expand
from grader.scenario.fragments import Shelf, check_fragments, gather
from grader.scenario.lint import lint
from grader.scenario.read import Mapping, Node, Scalar, read
from grader.scenario.read import Sequence as ListNode
from grader.scenario.scopes import Allowance, Source

SKIPPED_FOLDERS = ("fragments", "deviations")
SKIPPED_FILES = ("claims.yaml",)


class Loaded(NamedTuple):
    """What came out of files: cases in the order of files, scenarios and axes; one error for each bad file."""

    cases: tuple[Case, ...]
    errors: tuple[ScenarioError, ...]
    files: tuple[Path, ...]


def load(paths: Sequence[Path], *, root: Path | None = None, assignment: Assignment | None = None) -> Loaded:
    """Load scenario files.

    Args:
        paths: Files, or folders that are searched for `*.yaml`; `fragments/`, `deviations/` and `claims.yaml`
            in a folder are not scenarios and are left out.
        root: The folder of the suites, out of which nothing is read. By default it is the nearest folder above
            the first file that has a `claims.yaml`, else the folder above that of the file.
        assignment: What cases of programs are made for; without one their exchanges are left as they are.

    Returns:
        The cases of every good file, one error for each bad one, and the files that were read.
    """
    files = tuple(dict.fromkeys(file for path in paths for file in _files(Path(path))))
    folder = _root(files, root)
    shelf = Shelf(folder)
    claims, errors = _claims(folder)
    taken = dict.fromkeys(_retired(folder), "the list of retired ids")
    cases: list[Case] = []
    for file in files:
        try:
            built = _load_file(file, shelf, claims, taken, assignment)
        except ScenarioError as error:
            errors.append(error)
        else:
            cases += built
    return Loaded(tuple(cases), tuple(errors), files)


def is_scenario_file(path: Path) -> bool:
    """Say whether a YAML file below a folder of suites is one of scenarios, and no fragment or list."""
    return path.name not in SKIPPED_FILES and not set(path.parts[:-1]) & set(SKIPPED_FOLDERS)


def load_claims(folder: Path) -> tuple[str, ...]:
    """Give the ids of the lecture's claims, in the lecture's order.

    Raises:
        ScenarioError: `claims.yaml` of the folder cannot be read.
    """
    claims, errors = _claims(folder)
    for error in errors:
        raise error
    return claims or ()


def shown_path(path: Path) -> str:
    """Give the name of a file as complaints show it: relative to the working directory if it is inside."""
    try:
        return str(path.relative_to(Path.cwd())) if path.is_absolute() else str(path)
    except ValueError:
        return str(path)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*.yaml")):
        folders = file.relative_to(path).parts[:-1]
        if file.name not in SKIPPED_FILES and not set(folders) & set(SKIPPED_FOLDERS) and file.is_file():
            yield file


def _root(files: Sequence[Path], given: Path | None) -> Path:
    if given is not None:
        return given.resolve()
    start = files[0].resolve().parent if files else Path.cwd()
    above = (start, *start.parents)
    return next((folder for folder in above if (folder / SKIPPED_FILES[0]).is_file()), start.parent)


def _load_file(
    file: Path,
    shelf: Shelf,
    claims: tuple[str, ...] | None,
    taken: dict[str, str],
    assignment: Assignment | None,
) -> tuple[Case, ...]:
    name = shown_path(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise wrong(Mark(name, 1, 1), f"the file cannot be read: {error.strerror}", code="syntax") from None
    root = read(content, name)
    source = Source(file.resolve(), name, shelf.root, content)
    if "fragments" in file.parts[:-1]:
        shelf.take(source.path, name)
        return ()
    allowance = Allowance()
    _prepare(root, source, shelf, claims, allowance)
    digest = _digest(source, assignment)
    built = expand(root, source, allowance, digest, assignment) if isinstance(root, Mapping) else ()
    lint(source, built, taken)
    return tuple(one.case for one in built)


def _prepare(root: Node, source: Source, shelf: Shelf, claims: tuple[str, ...] | None, allowance: Allowance) -> None:
    notes = Notes()
    with notes.catching():
        gather(root, source, shelf)
    with notes.catching():
        check(root, "a suite", source, allowance, claims)
        check_fragments(source, notes)
    notes.finish()


def _digest(source: Source, assignment: Assignment | None) -> str:
    """Give the SHA-256 of every text that the cases of a file were built from, and of the assignment."""
    digest = hashlib.sha256(repr(assignment).encode() if assignment else b"")
    for used in (source, *_used(source)):
        for text in (used.content, *used.texts.values()):
            digest.update(text)
    return digest.hexdigest()


def _used(source: Source) -> tuple[Source, ...]:
    direct = (deeper for used in source.used for deeper in (used, *_used(used)))
    return tuple({used.path: used for used in direct}.values())


def _claims(root: Path) -> tuple[tuple[str, ...] | None, list[ScenarioError]]:
    path = root / SKIPPED_FILES[0]
    if not path.is_file():
        return None, []
    try:
        tree = read(path.read_bytes(), shown_path(path))
    except ScenarioError as error:
        return None, [error]
    listed = tree.items.get("claims") if isinstance(tree, Mapping) else None
    entries = listed.items if isinstance(listed, ListNode) else ()
    ids = (entry.items.get("id") for entry in entries if isinstance(entry, Mapping))
    return tuple(str(node.value) for node in ids if isinstance(node, Scalar)), []


def _retired(root: Path) -> tuple[str, ...]:
    path = root / "retired.txt"
    if not path.is_file():
        return ()
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8", "replace").splitlines())
    return tuple(line for line in lines if line)
