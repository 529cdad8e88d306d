"""How the programs of `programs/` are run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from grader.model.outcomes import Ended
from grader.sandbox import wall
from grader.sandbox.policy import Limits, Policy

USUAL = Limits()
HANG_S = 20.0  # no test waits so long unless something is broken


def policy(programs: Path, limits: Limits = USUAL, work: Path | None = None, **more: object) -> Policy:
    """Let a program read the compiled ones, at /programs."""
    return Policy(work=work, read_only={"/programs": programs}, limits=limits, **more)  # type: ignore[arg-type]


def start(
    programs: Path, trick: str, *arguments: str, limits: Limits = USUAL, work: Path | None = None
) -> AbstractContextManager[wall.Walled]:
    """Start a trick."""
    return wall.launch(["/programs/hostile", trick, *arguments], policy(programs, limits, work))


def play(
    programs: Path, trick: str, *arguments: str, limits: Limits = USUAL, work: Path | None = None
) -> tuple[Ended, str]:
    """Run a trick to its end; gives how it ended and what it printed."""
    argv = ["/programs/hostile", trick, *arguments]
    walled = wall.run(argv, policy(programs, limits, work), wall_s=HANG_S)
    assert walled.ended is not None
    return walled.ended, walled.output().decode().strip()
