"""Starts a program behind the wall: `launch` is the door that everybody uses.

    with wall.launch(["./server", "7000"], Policy(work=directory)) as walled:
        poll([walled.pidfd, walled.output_fd, ...])     # a loop of the caller's own
        walled.attend()                                 # takes output in, stops what goes beyond its limits
        walled.ended                                    # None while it runs

The program shares the network of the *thread* that launches it (`netns`), and nothing else of this host.
What it does is never an exception: it is in `ended`. `SandboxError` is a fault of this host.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from grader.model.errors import InternalError, SandboxError
from grader.sandbox import levels, netns, owner, plans, safefs
from grader.sandbox.launching import Stdio, launch_at
from grader.sandbox.policy import Policy
from grader.sandbox.walled import Walled

__all__ = ["Walled", "fresh_directory", "launch", "run"]

_MEMORY = "/dev/shm"  # noqa: S108 - where binding a name is twenty times faster than on disk


def launch(  # noqa: PLR0913 - a process is born with that much
    argv: Sequence[str],
    policy: Policy,
    *,
    stdin: bytes | int | None = None,
    pty: bool = False,
    merged: bool = False,
    pass_fds: Mapping[int, int] | None = None,
) -> Walled:
    """Start a program behind the wall; it may still be about to be executed when this returns.

    Args:
        argv: the program, as it is named inside, and its arguments.
        policy: what it sees and may use.
        stdin: what it reads: these bytes and then end-of-file, a descriptor (never a terminal; stays the
            caller's), or end-of-file at once.
        pty: its standard output is a terminal without a session, in raw mode, so that C programs write lines as
            they print them. Standard error stays a pipe.
        merged: standard error goes where standard output goes; `errors()` is then empty.
        pass_fds: descriptors it gets beside 0, 1 and 2: number inside -> number here; numbers below 200.

    Raises:
        SandboxError: this host cannot do it; says what failed and what to do.
        InternalError: the thread is in the network that this process was started in, and the level has better.
    """
    level = levels.best()
    if level.has_namespaces and policy.has_network and not netns.is_own():
        raise InternalError("a program would share this host's network: call netns.enter_fresh_network() before")
    return launch_at(level, argv, policy, Stdio(stdin, pty, merged, pass_fds or {}))


def run(
    argv: Sequence[str], policy: Policy, *, wall_s: float, stdin: bytes | None = None, merged: bool = False
) -> Walled:
    """Run a program to its end, which is `killed` if it takes longer than `wall_s`; nothing of it is left.

    Raises:
        SandboxError: as `launch`.
    """
    with launch(argv, policy, stdin=stdin, merged=merged) as walled:
        if walled.wait(wall_s) is None:
            walled.kill(note=f"it ran longer than {wall_s:g} s")
    return walled


@contextmanager
def fresh_directory(prefix: str = "sk-") -> Iterator[Path]:
    """Make an empty directory that programs behind the wall may write in; it goes at the end, or when we die.

    In memory if possible. Its path is short, because that of a socket may have 107 bytes.

    Raises:
        SandboxError: it cannot be made.
    """
    place = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else tempfile.gettempdir()
    path = Path(place, f"{prefix}{secrets.token_hex(4)}")
    owner.own(path)  # before it is there: we may die in between
    try:
        try:
            path.mkdir(0o700)
            give_away(path)
        except OSError as error:
            raise SandboxError(f"no directory for a program can be made: {error}") from error
        yield path
    finally:
        safefs.remove_tree(str(path))
        owner.disown(path)


def give_away(path: Path) -> None:
    """Make a file or directory the property of whom programs behind the wall run as."""
    if (uid := plans.uid()) is not None:
        os.chown(path, uid, uid, follow_symlinks=False)
