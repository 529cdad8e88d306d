"""What a process holds, read from /proc; of one that has ended, nothing.

Source: Linux proc_pid_fd(5), proc_pid_stat(5), proc_pid_task(5).
"""

from __future__ import annotations

import contextlib
import os


def descriptors(process: int) -> dict[int, str]:
    """Give what each descriptor of a process is of, such as `socket:[1234]`."""
    folder = f"/proc/{process}/fd"
    found = {}
    with contextlib.suppress(OSError):  # it has ended, or closes descriptors meanwhile
        for name in os.listdir(folder):
            found[int(name)] = os.readlink(f"{folder}/{name}")
    return found


def is_zombie(process: int) -> bool:
    """Say whether a process has ended and was not waited for."""
    return _state(process) == "Z"


def threads(process: int) -> int:
    """Count the threads of a process that lives."""
    if _state(process) in {"", "Z", "X"}:
        return 0
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{process}/task"))
    return 0


def _state(process: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()[0]
    return ""
