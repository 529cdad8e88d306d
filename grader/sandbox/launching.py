"""Starts a program at a given level. `wall.launch` chooses the level; only probes of it come here themselves."""

from __future__ import annotations

import contextlib
import os
import socket
import tty
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grader.model.errors import InternalError
from grader.sandbox import bubblewrap, owner, plans
from grader.sandbox.plans import Level
from grader.sandbox.policy import Policy
from grader.sandbox.streams import Stream
from grader.sandbox.walled import Walled

_ERRORS_KEPT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Stdio:
    """What a program reads from and writes to; the fields are those of `wall.launch`."""

    stdin: bytes | int | None = None
    pty: bool = False
    merged: bool = False
    pass_fds: Mapping[int, int] = field(default_factory=dict)


def launch_at(level: Level, argv: Sequence[str], policy: Policy, stdio: Stdio = Stdio()) -> Walled:
    """Start a program behind the wall as it is built at a level.

    Raises:
        SandboxError: this host cannot do it; says what failed.
    """
    with contextlib.ExitStack() as theirs:
        fds = {**_checked(stdio.pass_fds), 0: _stdin(stdio.stdin, theirs)}
        output, fds[1] = _terminal(theirs) if stdio.pty else _pipe(theirs)
        errors, fds[2] = (-1, fds[1]) if stdio.merged else _pipe(theirs)
        ours, line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.enter_context(line)
        streams = Stream(output, policy.limits.output_bytes), Stream(errors, _ERRORS_KEPT_BYTES)
        walled = Walled(ours, *streams, policy)
        try:
            plan = plans.draw(level, argv, policy, fds, line.fileno())
            theirs.callback(plan.close)
            owner.keeper().launch(plan)
            theirs.close()
            walled.begin(policy.home if level.has_namespaces else str(policy.work or "/"))
        except BaseException:
            walled.close()
            raise
    return walled


def _checked(pass_fds: Mapping[int, int]) -> Mapping[int, int]:
    if any(not 2 < number < bubblewrap.OPTIONS_FD for number in pass_fds):
        raise InternalError(f"descriptors of a program lie between 3 and {bubblewrap.OPTIONS_FD - 1}: {pass_fds}")
    return pass_fds


def _stdin(given: bytes | int | None, theirs: contextlib.ExitStack) -> int:
    if isinstance(given, int):
        if os.isatty(given):
            raise InternalError("a program behind the wall never reads from a terminal")
        return given
    descriptor = os.open(os.devnull, os.O_RDONLY) if given is None else plans.memory_file(given)
    theirs.callback(os.close, descriptor)
    return descriptor


def _pipe(theirs: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    theirs.callback(os.close, writer)
    return reader, writer


def _terminal(theirs: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.openpty()
    theirs.callback(os.close, writer)
    tty.setraw(writer)
    return reader, writer
