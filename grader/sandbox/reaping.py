"""Ending processes for good: the last parent of every orphan, and a sweep that leaves none.

A process that is a *subreaper* inherits every descendant whose own parent ends, so killing its descendants
until there are none reaches also those that made a session of their own. Source: Linux prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends.

    Raises:
        OSError: the kernel has no such thing; it came with Linux 3.4.
    """
    none = ctypes.c_ulong(0)
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), none, none, none) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")


def descendants(pid: int) -> list[int]:
    """Give the processes that came from this one, in the order in which they were found, zombies too."""
    found = children(pid)
    for process in found:  # it grows while we look
        found += children(process)
    return found


def sweep() -> None:
    """Kill and reap everything that came from this process; returns when nothing is left.

    To be called by a subreaper. Who forks faster than it is killed cannot win: every round ends a generation.
    """
    while True:
        for process in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children(pid: int) -> list[int]:
    """Give the children of every thread of a process; none if it has ended."""
    try:
        return [child for tid in os.listdir(f"/proc/{pid}/task") for child in _of_thread(f"/proc/{pid}/task/{tid}")]
    except OSError:
        return []


def _of_thread(folder: str) -> list[int]:
    try:
        with open(f"{folder}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except ProcessLookupError:
        return []
    except FileNotFoundError:
        return _by_parent(int(folder.split("/")[2])) if os.path.exists(folder) else []


def _by_parent(parent: int) -> list[int]:
    """Ask every process for its parent: a kernel without CONFIG_PROC_CHILDREN tells it no other way."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == parent]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
