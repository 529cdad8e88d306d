"""What a student begins with: every call is there, and none of them is written."""

from __future__ import annotations

import errno
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.agent.functions import FUNCTIONS
from grader.agent.student import wrap
from grader.model.errors import UsageError
from grader.starter import write_module


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
    module = load(write_module(tmp_path / "mine")[-1])

    answer = wrap(module).call(op, arguments(op))

    assert answer == {"err": {"name": "ENOSYS", "number": errno.ENOSYS}}
    assert getattr(module, FUNCTIONS[op]).__doc__


def test_the_first_file_says_how_to_check(tmp_path: Path) -> None:
    """The files are written in reading order, and the first one has the command."""
    readme, module = write_module(tmp_path)

    assert "sockgrade run --target module:." in readme.read_text(encoding="utf-8")
    assert module.name == "sockets.py"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder that has one of the files is left as it is."""
    (tmp_path / "sockets.py").write_text("mine")

    with pytest.raises(UsageError, match=r"sockets\.py is there already"):
        write_module(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["sockets.py"]
    assert (tmp_path / "sockets.py").read_text() == "mine"
