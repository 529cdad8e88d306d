"""What the tests of this room write scenario files with."""

from __future__ import annotations

from pathlib import Path

from grader.model.scenarios import Case
from grader.scenario import Loaded, load

HEAD = """\
format: 1
suite: api/x
scenarios:
  - id: a
    title: one fact
    matrix: {domain: [unix, inet], type: [stream]}
"""


def indented(text: str, by: int) -> str:
    """Give a text with every line moved to the right."""
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def with_steps(steps: str, head: str = HEAD) -> str:
    """Give a file of one scenario whose first step makes the socket `c`."""
    return f"{head}    steps:\n      - socket: {{as: c}}\n{indented(steps, 6)}"


def with_keys(keys: str) -> str:
    """Give a file of one scenario that has these keys too."""
    return f"{HEAD}{indented(keys, 4)}    steps:\n      - socket: {{as: c}}\n"


def load_text(folder: Path, text: str | bytes, name: str = "x.yaml") -> Loaded:
    """Write a file and load it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load([path], root=folder)


def complaints(folder: Path, text: str | bytes) -> list[str]:
    """Give the lines of complaint about a file, without the folder that it happens to stand in."""
    errors = load_text(folder, text).errors
    return [str(line).replace(f"{folder}/", "") for error in errors for line in error.complaints]


def cases(folder: Path, text: str) -> tuple[Case, ...]:
    """Give the cases of a file that is right."""
    loaded = load_text(folder, text)
    assert not loaded.errors, "\n".join(map(str, loaded.errors))
    return loaded.cases


def case(folder: Path, steps: str, head: str = HEAD) -> Case:
    """Give the first case of a scenario with these steps after the one that makes `c`."""
    return cases(folder, with_steps(steps, head))[0]
