"""From what a student hands in to a folder in which its program can be started, built once behind the wall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.model.assignments import Assignment, Program
from grader.model.errors import TargetError
from grader.model.outcomes import Ended
from grader.sandbox import plans, safefs, wall
from grader.sandbox.policy import Limits, Policy
from grader.targets.toolchain import COMPILE, PATIENCE_S, first_errors, has_makefile

_LIMITS = Limits(cpu_s=60, tree_cpu_s=60.0, address_space_bytes=None, descriptors=256)


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a submission: the folder of the program, or why there is none, and what the compiler said.

    `run` are the arguments by role, for the language it is written in; `program` is all else the assignment says.
    """

    assignment: Assignment
    submission: str
    folder: Path
    program: Program
    failure: str = ""
    printed: str = ""


def build(assignment: Assignment, submission: Path, folder: Path) -> Built:
    """Build what is handed in, in a folder of its own.

    Raises:
        TargetError: there is nothing to build, or the assignment asks for no program.
        SandboxError: this host cannot build it behind the wall.
    """
    program = assignment.program
    if program is None:
        raise TargetError(f"the assignment {assignment.id} asks for a {assignment.target}, not for a program")
    if not submission.exists():
        raise TargetError(f"{submission}: no such file or folder")
    owner = plans.uid()
    safefs.copy_tree(submission, folder, owner=-1 if owner is None else owner)
    for name, content in program.files.items():
        _put(folder / name, content)
    built = Built(assignment, str(submission), folder, program)
    language = program.language if program.language != "any" else _language(folder, program)
    if language == "python":
        return replace(built, program=_interpreted(program, folder))
    command = _command(program, folder)
    if not command:
        return replace(built, failure="there are no C sources, no Python file and no Makefile in it")
    return _run(built, command)


def _put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    wall.give_away(path)


def _language(folder: Path, program: Program) -> str:
    if program.build or has_makefile(folder) or any(folder.glob("*.c")):
        return "c"
    return "python" if any(folder.glob("*.py")) else "c"


def _command(program: Program, folder: Path) -> tuple[str, ...]:
    """Give the command that builds: the assignment's, else make, else the compiler on every source."""
    sources = program.sources or tuple(sorted(path.name for path in folder.glob("*.c")))
    if program.build:
        words = [sources if word == "{sources}" else (word,) for word in program.build]
        return tuple(word for several in words for word in several)
    if has_makefile(folder):
        return ("make",)
    if not sources:
        return ()
    sanitize = (f"-fsanitize={','.join(program.sanitize)}",) if program.sanitize else ()
    return (*COMPILE, *sanitize, "-o", _executable(program), *sources)


def _executable(program: Program) -> str:
    """Give the name of what is to be made: the first word of the first role."""
    return next(iter(program.run.values()))[0].removeprefix("./")


def _interpreted(program: Program, folder: Path) -> Program:
    """Have a Python file started where the assignment names an executable: that of the same name, or the only one."""
    files = sorted(path.name for path in folder.glob("*.py"))

    def started(words: Sequence[str]) -> tuple[str, ...]:
        name = words[0].removeprefix("./")
        if (folder / name).is_file() or words[0].startswith("python"):
            return tuple(words)
        own = f"{name}.py" if f"{name}.py" in files or len(files) != 1 else files[0]
        return ("python3", own, *words[1:])

    return replace(program, run={role: started(words) for role, words in program.run.items()})


def _run(built: Built, command: tuple[str, ...]) -> Built:
    policy = Policy(work=built.folder, home=str(built.folder), has_network=False, limits=_LIMITS)
    walled = wall.run(command, policy, wall_s=PATIENCE_S, merged=True)
    printed = walled.output().decode("utf-8", "replace").replace(f"{built.folder}/", "")
    end = walled.ended
    if end == Ended("exit"):
        missing = next((words[0] for words in built.program.run.values() if not _is_there(built.folder, words[0])), "")
        failure = f"the build made no {missing}" if missing else ""
    else:
        failure = _failure(end, printed)
    return replace(built, failure=failure, printed=printed)


def _is_there(folder: Path, name: str) -> bool:
    return not name.startswith("./") or (folder / name).is_file()


def _failure(end: Ended | None, printed: str) -> str:
    said = first_errors(printed)
    if end is None or end.how == "exit":
        return said or f"the build ended with status {end.code if end else '?'}"
    return f"the build was stopped: {end.note or end.name or end.how}" + (f"; {said}" if said else "")
