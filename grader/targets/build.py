"""From what a student hands in to a shared library: found, compiled by us, or made by a Makefile of the student's.

What reads the sources is a compiler or `make` on the same side of the wall as the student's code.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from grader.model.errors import TargetError
from grader.model.outcomes import Ended
from grader.targets.processes import Host
from grader.targets.toolchain import COMPILE, PATIENCE_S, first_errors, has_makefile

# An undefined symbol is a mistake that the linker can name; else the first call that needs it would end the process.
_SHARED = ("-fPIC", "-shared", "-Wl,-z,defs")
# The sources are copied first: a Makefile writes where they are. Their times stay, which is what `make` goes by.
_MAKE = ("sh", "-c", 'cp -R --preserve=timestamps -- "$1"/. . && exec make', "make")
_LIBRARY = "libsock.so"
_TOOL_PATH = "/usr/local/bin:/usr/bin:/bin"  # as the host process has it


class Built(NamedTuple):
    """What came of it: the library, or None and why; what the compiler printed, its warnings too."""

    library: Path | None
    failure: str = ""
    printed: str = ""


def build(source: Path, folder: Path) -> Built:
    """Build the library that `source` holds, in a folder of its own; a library that is there already is taken as it is.

    Raises:
        TargetError: there is nothing to build, or nothing to build it with.
    """
    source = source.absolute()
    if source.is_file() and ".so" in source.suffixes:
        return Built(source)
    if source.is_file() and source.suffix == ".c":
        return _compile([source], folder)
    if not source.is_dir():
        raise TargetError(f"{source}: {'expected a .so or .c file' if source.exists() else 'no such file or folder'}")
    if has_makefile(source):
        _need("make")
        return _built((*_MAKE, str(source)), folder, source)
    if sources := sorted(source.glob("*.c")):
        return _compile(sources, folder)
    if len(libraries := list(_libraries(source))) == 1:
        return Built(libraries[0])
    there = ", ".join(sorted(entry.name for entry in source.iterdir())[:8]) or "nothing"
    raise TargetError(f"{source}: expected a Makefile, C sources or one .so in the folder, found {there}")


def _compile(sources: Sequence[Path], folder: Path) -> Built:
    _need("gcc")
    command = (*COMPILE, *_SHARED, "-o", str(folder / _LIBRARY), *map(str, sources))
    return _built(command, folder, sources[0].parent)


def _need(tool: str) -> None:
    if shutil.which(tool, path=_TOOL_PATH) is None:
        raise TargetError(f"{tool} is needed to build a library, and is not installed")


def _built(command: Sequence[str], folder: Path, source: Path) -> Built:
    end, printed = _run_walled(command, folder)
    for place in (source, folder):  # a report says the same wherever the student's work lay
        printed = printed.replace(f"{place}/", "")
    if end != Ended("exit"):
        return Built(None, _failure(end, printed), printed)
    found = sorted(_libraries(folder))
    best = [path for path in found if path.name == _LIBRARY] or found
    if len(best) != 1:
        names = ", ".join(path.name for path in found) or "none"
        return Built(None, f"expected one .so, or one {_LIBRARY}, and found {names}", printed)
    return Built(best[0], printed=printed)


def _run_walled(command: Sequence[str], folder: Path) -> tuple[Ended | None, str]:
    """Run a command on student code, walled off as a case is; gives how it ended (None: not in time) and what it said.

    Raises:
        TargetError: it could not be started.
    """
    host = Host({"kind": "command", "command": json.dumps(command)})
    try:
        cell = host.begin(folder)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while cell.end is None and (left := deadline - time.monotonic()) > 0:
                cell.take_in(left)
            for message in cell.messages:
                if message["t"] == "loaded":
                    raise TargetError(f"{command[0]} cannot be started: {message['exc']['text']}")
            return cell.end, cell.output()
        finally:
            cell.close()
    finally:
        host.close()


def _failure(end: Ended | None, printed: str) -> str:
    match end:
        case None:
            return f"it took more than {PATIENCE_S:g} s"
        case Ended("exit"):
            return first_errors(printed) or f"exit status {end.code}"
        case _:
            return end.note or f"the compiler was ended by {end.name}"


def _libraries(folder: Path) -> Iterator[Path]:
    """Find every .so below a folder that is a file itself; links may lead anywhere."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.suffix == ".so" and path.is_file() and not path.is_symlink():
                yield path
