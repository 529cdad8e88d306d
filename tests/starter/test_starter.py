"""What a student begins with: every call is there, and none of them is written."""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.agent.functions import FUNCTIONS
from grader.agent.library import Library
from grader.agent.library import load as load_library
from grader.agent.raw import OPERATIONS, SIGNATURES
from grader.agent.student import wrap
from grader.cli import main
from grader.model.errors import UsageError
from grader.model.verdicts import Cause, Verdict
from grader.pipeline import run_case
from grader.selection import select
from grader.starter import write_kit
from grader.targets.resolve import open_target


def load(path: Path) -> ModuleType:
    """Load the module as a student would."""
    spec = importlib.util.spec_from_file_location("sockets", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(op: str) -> dict[str, Any]:
    """Give arguments that any call finds its own among."""
    args = {
        "domain": "inet",
        "type": "stream",
        "addr": {"path": "x"},
        "data": b"x",
        "size": 1,
        "how": "rd",
        "set": True,
    }
    return {**args, "sock": 3, "parts": [b"x"], "watch": [], "name": "SO_TYPE", "value": 1, "op": op}


@pytest.mark.parametrize("op", sorted(FUNCTIONS))
def test_every_call_is_there_and_says_that_it_is_not_written(tmp_path: Path, op: str) -> None:
    """The stub passes no case: each call takes its arguments and raises ENOSYS, and says in words what it must do."""
    module = load(write_kit("module", tmp_path / "mine")[-1])

    answer = wrap(module).call(op, arguments(op))

    assert answer == {"err": {"name": "ENOSYS", "number": errno.ENOSYS}}
    assert getattr(module, FUNCTIONS[op]).__doc__


def test_the_first_file_says_how_to_check(tmp_path: Path) -> None:
    """The files are written in reading order, and the first one has the command."""
    readme, module = write_kit("module", tmp_path)

    assert "sockgrade run --target module:." in readme.read_text(encoding="utf-8")
    assert module.name == "sockets.py"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder that has one of the files is left as it is."""
    (tmp_path / "sockets.py").write_text("mine")

    with pytest.raises(UsageError, match=r"sockets\.py is there already"):
        write_kit("module", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["sockets.py"]
    assert (tmp_path / "sockets.py").read_text() == "mine"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Make the library of the kit as a student would."""
    kit = tmp_path_factory.mktemp("kit")
    write_kit("library", kit)
    made = subprocess.run(
        ["make", "CFLAGS=-std=c11 -Wall -Wextra -Werror -fPIC"], cwd=kit, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return load_library(str(kit / "libsock.so"))


@pytest.mark.parametrize("op", sorted(OPERATIONS))
def test_every_call_of_the_library_is_there_and_says_that_it_is_not_written(library: Library, op: str) -> None:
    """The skeleton compiles without a warning, and each call fails with ENOSYS."""
    assert library.call(op, arguments(op)) == {"err": {"name": "ENOSYS", "number": errno.ENOSYS}}


def test_the_header_says_what_each_call_must_do(tmp_path: Path) -> None:
    """A comment stands right before each prototype, and each prototype has the types of the one we call."""
    header = {path.name: path.read_text(encoding="utf-8") for path in write_kit("library", tmp_path)}["sock.h"]

    documented = re.findall(r"\*/\n(ssize_t|int) my_(\w+)\(([^;]*)\);", header)

    shapes = {
        name: (ctypes.c_ssize_t if gives == "ssize_t" else ctypes.c_int, takes.count(",") + 1)
        for gives, name, takes in documented
    }
    assert shapes == {name: (gives, len(takes)) for name, (gives, *takes) in SIGNATURES.items()}


def test_the_library_as_written_passes_no_case(tmp_path: Path) -> None:
    """What is handed in on the first day earns nothing, and for no other reason than that."""
    write_kit("library", tmp_path)
    target = open_target(f"library:{tmp_path}")
    try:
        results = [
            run_case(case, target)[0] for case in select(["api/errors", "api/socketpair", "api/port-space"]).cases
        ]
    finally:
        target.close()

    assert {(result.verdict, result.cause) for result in results} == {(Verdict.FAIL, Cause.MISMATCH)}
    assert "ENOSYS" in results[0].findings[0].got


def test_the_library_says_how_to_check(tmp_path: Path) -> None:
    """The file that is read first has the command, and the others are what it speaks of."""
    readme, *others = write_kit("library", tmp_path)

    text = readme.read_text(encoding="utf-8")
    assert "sockgrade run --target library:." in text
    assert all(f"`{path.name}`" in text or path.name == "Makefile" for path in others)


def test_the_command_writes_a_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`new library` says what it wrote and how to go on."""
    assert main(["new", "library", str(tmp_path)]) == 0

    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "Makefile", "sock.c", "sock.h"}
    assert capsys.readouterr().out.endswith(f"next: sockgrade run --target library:{tmp_path}\n")
