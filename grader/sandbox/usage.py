"""What processes use, read from /proc: their CPU time and their memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a program use together: CPU time so far, memory now.

    After the end: the CPU time of all that were waited for, and the memory of the largest.
    """

    cpu_s: float = 0.0
    resident_bytes: int = 0


def measure(processes: Iterable[int]) -> Usage:
    """Add up what these processes use; those that have ended count with what their parents have of them."""
    usages = [_measure(process) for process in processes]
    return Usage(sum(usage.cpu_s for usage in usages), sum(usage.resident_bytes for usage in usages))


def _measure(process: int) -> Usage:
    try:
        stat = _read(f"/proc/{process}/stat").rpartition(")")[2].split()
        pages = _read(f"/proc/{process}/statm").split()
    except OSError:
        return Usage()
    # utime, stime, cutime, cstime; shared pages count half, because forked copies share theirs.
    return Usage(sum(map(int, stat[11:15])) / _TICKS, (int(pages[1]) - int(pages[2]) // 2) * _PAGE)


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 12).decode("ascii", "replace")
    finally:
        os.close(descriptor)
