"""How a command of the command line ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell is told; each says who must act."""

    PASSED = 0  # every case that could be judged passed
    FAILED = 1  # at least one case failed, or none passed
    USAGE = 2  # the command or a file it was given is wrong
    UNRESOLVED = 3  # at least one case could not be judged, for a reason that is ours
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it
