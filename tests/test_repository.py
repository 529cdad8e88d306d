"""What no single room can promise: facts about the repository as a whole."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "fixtures" / "submissions"  # written as students write, with the faults of students
FOLDERS = ("grader", "reference", "tests", "fixtures", "ci", "docs", "bench")  # where Python of ours is
LEFT_BEHIND = {".git", ".venv", ".hypothesis", "build", "dist", "out"}  # what tools make; caches end in `_cache`
TEXTS = {"", ".c", ".h", ".json", ".md", ".py", ".toml", ".yaml", ".yml"}  # a script of ci/ has no suffix
LONGEST = 400  # lines of a module; more than that is two duties
TABLES = {"grader/ops.py"}  # one entry per call, as many as the interface has
HOMES = re.compile(r"/(?:home|root|Users)/\w+")  # somebody's machine
PROMISES = re.compile(r"\b(?:TODO|FIXME)\b")  # work to be done belongs into the issue tracker


def modules(*folders: str) -> Iterator[Path]:
    """Give every Python file of ours in these folders of the repository."""
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if not path.is_relative_to(SAMPLES))


def texts() -> Iterator[Path]:
    """Give every text file that is kept in the repository, but for this one and the samples."""
    for top in sorted(ROOT.iterdir()):
        if top.name in LEFT_BEHIND or top.name.endswith("_cache") or top.name.startswith(".coverage"):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.suffix in TEXTS and path.is_file() and path != Path(__file__) and SAMPLES not in path.parents:
                yield path


def name_of(path: Path) -> str:
    """Give the path as seen from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def settings() -> dict[str, Any]:
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def check_imports(repository: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a repository, as `ci/imports` does."""
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )


def sleeps(source: str) -> list[int]:
    """Give the lines of a module that use `time.sleep`, by whatever import."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                lines.append(node.lineno)
            case ast.ImportFrom(module="time", names=names) if any(name.name == "sleep" for name in names):
                lines.append(node.lineno)
    return lines


def imported_names(path: Path) -> set[str]:
    """Give the top-level packages that a module imports, wherever in it; a relative import is of its own package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=names):
                found |= {name.name.split(".")[0] for name in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add("" if f"{module}.".startswith("grader.agent.") else module.split(".")[0])
    return found - {""}


def test_imports_keep_to_the_contracts() -> None:
    """Every room of grader/ has its place, and no import goes against the order of the rooms."""
    checked = check_imports(ROOT)

    assert checked.returncode == 0, checked.stdout


def test_a_new_room_must_be_given_its_place(tmp_path: Path) -> None:
    """A module that the contracts do not name is refused, so nobody can build outside the walls."""
    for package in ("grader", "reference"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "grader" / "annex.py").write_text("import grader.model\n", encoding="utf-8")

    checked = check_imports(tmp_path)

    assert checked.returncode == 1
    assert "annex" in checked.stdout


def test_the_agent_needs_the_standard_library_only() -> None:
    """The agent runs where nothing of ours or of third parties can be imported."""
    imported = {name for path in modules("grader/agent") for name in imported_names(path)}

    assert imported <= sys.stdlib_module_names


def test_no_module_is_too_long() -> None:
    """A module has one duty, which 400 lines are enough for; tables may be as long as the standard makes them."""
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*FOLDERS)}

    assert {name: length for name, length in lengths.items() if length > LONGEST and name not in TABLES} == {}


def test_nothing_sleeps() -> None:
    """Nothing of ours waits by the clock: a sleep is either too short on a busy machine or too long on a quiet one."""
    found = {name_of(path): sleeps(path.read_text(encoding="utf-8")) for path in modules(*FOLDERS)}

    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("source", ["import time\ntime.sleep(1)", "import time\nfrom time import sleep as rest"])
def test_a_sleep_is_seen(source: str) -> None:
    """The search for sleeps finds both ways to write one."""
    assert sleeps(source) == [2]


def test_no_file_names_a_place_of_one_machine() -> None:
    """The repository works wherever it is put, so no file of it says where it was written."""
    here = re.compile(re.escape(str(ROOT)) + r"\b") if len(ROOT.parts) > 2 else HOMES  # `/app` alone says nothing

    found = {
        name_of(path): place[0]
        for path in texts()
        for line in path.read_text(encoding="utf-8").splitlines()
        if (place := HOMES.search(line) or here.search(line))
    }

    assert found == {}


def test_nothing_is_promised_in_a_comment() -> None:
    """What is still to be done stands in the issue tracker, where it can be found and closed."""
    assert [name_of(path) for path in texts() if PROMISES.search(path.read_text(encoding="utf-8"))] == []


def test_every_refused_rule_has_its_reason() -> None:
    """A lint rule that is switched off says why on its own line."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = text.partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.pydocstyle]")[0]

    refused = [line for line in lint.splitlines() if re.search(r'"[A-Z]+\d*"', line) and not line.startswith("select")]

    assert refused
    assert [line for line in refused if not re.search(r"[],]  # \S", line)] == []


def test_the_version_is_that_of_the_project_file() -> None:
    """There is one version, in pyproject.toml; what is installed and what is told agree with it."""
    written = settings()["project"]["version"]

    assert version("sockgrade") == written
    assert f"## [{written}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_scripts_stop_at_the_first_error() -> None:
    """Every shell script can be called as it stands, and none goes on after a command that failed."""
    scripts = [
        path
        for path in (*(ROOT / "ci").iterdir(), *(ROOT / ".ci").iterdir())
        if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash")
    ]

    assert scripts
    assert [name_of(path) for path in scripts if not os.access(path, os.X_OK)] == []
    assert [name_of(path) for path in scripts if b"\nset -euo pipefail\n" not in path.read_bytes()] == []
