"""A submission that is a file of a package: its own package is open to it under any name, ours to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.model.outcomes import Outcome, Raised, Succeeded
from grader.targets.module import ModuleTarget, open_module

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]
Grade = Callable[[str], Outcome]

OURS = Path(__file__).parents[2] / "reference"
THEIRS = {"reference/__init__.py": "", "reference/tables.py": "NUMBER = 7"}
REFUSED = "{} cannot be imported by a submission"


@pytest.fixture
def grade(tmp_path: Path, talk_to: TalkTo) -> Iterator[Grade]:
    """Give a function that opens what lies in the test's folder, and gives the outcome of one call."""
    opened: list[ModuleTarget] = []

    def grader(path: str) -> Outcome:
        opened.append(open_module(str(tmp_path / path)))
        with talk_to(opened[-1]) as talk:
            return talk.call("dup", sock=3)

    yield grader
    for each in opened:
        each.close()


def lay(folder: Path, files: Mapping[str, str]) -> None:
    """Write these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def gives(expression: str, *imports: str) -> str:
    """Give a module whose `dup` gives this."""
    return "\n".join((*imports, f"def dup(fd): return {expression}"))


def refusal(outcome: Outcome) -> str:
    """Give the text of an import that was refused."""
    assert isinstance(outcome, Raised), outcome
    assert outcome.type == "ModuleNotFoundError"
    return outcome.text


def test_a_file_of_a_package_knows_its_siblings(tmp_path: Path, grade: Grade) -> None:
    """Relative imports and the package's own name work from two folders down."""
    lay(
        tmp_path,
        {
            "net/__init__.py": "START = 3",
            "net/inner/__init__.py": "",
            "net/inner/table.py": "STEP = 2",
            "net/inner/sockets.py": gives("START + STEP + net.START", "import net", "from .. import START")
            + "\nfrom .table import STEP",
        },
    )

    assert grade("net/inner") == Succeeded({"sock": 8})


def test_a_package_that_imports_its_file_has_it_once(tmp_path: Path, grade: Grade) -> None:
    """What the package has imported and what is called are one module, with one state."""
    lay(
        tmp_path,
        {
            "net/__init__.py": "from .sockets import COUNT",
            "net/sockets.py": gives("len(COUNT)", "import net", "COUNT = [*getattr(net, 'COUNT', ()), 1]"),
        },
    )

    assert grade("net") == Succeeded({"sock": 1})


def test_the_package_itself_can_be_handed_in(tmp_path: Path, grade: Grade) -> None:
    """An `__init__.py` is a module like any other."""
    lay(tmp_path, {"net/__init__.py": gives("NUMBER", "from .table import NUMBER"), "net/table.py": "NUMBER = 5"})

    assert grade("net/__init__.py") == Succeeded({"sock": 5})


def test_who_knows_of_no_package_imports_as_ever(tmp_path: Path, grade: Grade) -> None:
    """An `__init__.py` that lies about takes nothing from a file that imports its neighbour by the plain name."""
    lay(tmp_path, {"net/__init__.py": "", "net/table.py": "NUMBER = 4"})
    lay(tmp_path, {"net/sockets.py": gives("table.NUMBER", "import table")})

    assert grade("net") == Succeeded({"sock": 4})


def test_a_package_does_not_see_the_next_one(tmp_path: Path, grade: Grade) -> None:
    """In the folder around it lie the submissions of others."""
    lay(tmp_path, {"alice/__init__.py": "", "alice/sockets.py": "from bob.sockets import *"})
    lay(tmp_path, {"bob/__init__.py": "", "bob/sockets.py": gives("9")})

    outcome = grade("alice")

    assert refusal(outcome) == "No module named 'bob'"


@pytest.mark.parametrize("name", ["socket", "my-work", "1st"])
def test_a_folder_of_any_name_will_do(tmp_path: Path, grade: Grade, name: str) -> None:
    """A package called like the standard library's takes nobody's place; what cannot be a package is a folder."""
    lay(tmp_path, {f"{name}/__init__.py": "", f"{name}/table.py": "NUMBER = 4"})
    lay(
        tmp_path,
        {f"{name}/sockets.py": gives("NUMBER + bool(AF_UNIX)", "from socket import AF_UNIX", "from table import *")},
    )

    assert grade(name) == Succeeded({"sock": 5})


def test_a_package_called_like_ours_gets_its_own_files(tmp_path: Path, grade: Grade) -> None:
    """`reference` is what lies beside the submission, also where our model has a module of that name."""
    lay(tmp_path, THEIRS | {"reference/sockets.py": gives("NUMBER", "from reference.tables import NUMBER")})

    assert grade("reference") == Succeeded({"sock": 7})


@pytest.mark.parametrize(
    "trick", ["", f"__path__.append({str(OURS)!r})", "__path__ = __import__('pkgutil').extend_path(__path__, __name__)"]
)
def test_a_package_called_like_ours_does_not_get_our_files(tmp_path: Path, grade: Grade, trick: str) -> None:
    """What it has not is not filled up from the model, even if it says that the model's folder is its own."""
    lay(tmp_path, THEIRS | {"reference/__init__.py": trick, "reference/sockets.py": "import reference.names"})

    assert refusal(grade("reference")) == REFUSED.format("reference.names")


def test_a_package_called_like_ours_gets_nothing_else_of_ours(tmp_path: Path, grade: Grade) -> None:
    """Only one name is its own: the judge stays out of reach."""
    lay(tmp_path, THEIRS | {"reference/sockets.py": "import grader.ops"})

    assert refusal(grade("reference")) == REFUSED.format("grader")


@pytest.mark.parametrize("deep", ["reference", "grader"])
def test_only_the_topmost_package_is_the_submissions_own(tmp_path: Path, grade: Grade, deep: str) -> None:
    """A folder within called like ours opens nothing: its name to Python begins with that of the topmost one."""
    lay(tmp_path, {"net/__init__.py": "", f"net/{deep}/__init__.py": "", f"net/{deep}/sockets.py": f"import {deep}"})

    assert refusal(grade(f"net/{deep}")) == REFUSED.format(deep)


def test_a_link_to_our_model_is_not_our_model(tmp_path: Path, grade: Grade) -> None:
    """A file counts as part of the package in whose folder it was handed in."""
    (tmp_path / "sockets.py").symlink_to(OURS / "blocking.py")

    assert refusal(grade("sockets.py")) == REFUSED.format("reference")
