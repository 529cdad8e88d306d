"""One program of a student while it runs: its streams, what it holds, what it waits for, whether it is ready."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.model.outcomes import Ended, Failed, Outcome, Succeeded
from grader.model.values import Plain
from grader.sandbox import wall
from grader.sandbox.holdings import descriptors, is_zombie, threads
from grader.sandbox.introspect import Rest, look_at_all
from grader.sandbox.policy import Policy
from grader.sandbox.timers import has_limit, has_timer

# Signals that end no program by default, so that its end after one is its own doing. Source: signal(7).
_HARMLESS = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})
_SHOWN = 4 << 10  # bytes of a stream in what a person reads


class Running:
    """A program and the lines to it. `name` is what a person reads: its role, with a number from the second on."""

    def __init__(self, name: str, argv: Sequence[str], policy: Policy) -> None:
        """Start it; its standard input stays open until `end_input`.

        Raises:
            SandboxError: this host cannot start it behind the wall.
        """
        self.name = name
        self.directory = policy.work or Path()
        self._was_killed = False
        theirs, self._input = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._input, False)
        try:
            self._walled = wall.launch(argv, policy, stdin=theirs, pty=True)
        except BaseException:
            os.close(self._input)
            raise
        finally:
            os.close(theirs)

    # -- what it does ---------------------------------------------------------------------------------

    @property
    def ended(self) -> Ended | None:
        """How it ended, as far as anybody has looked."""
        return self._walled.ended

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that become readable when it prints or ends."""
        fds = (self._walled.pidfd, self._walled.output_fd, self._walled.error_fd)
        return [fd for fd in fds if fd >= 0] if self._walled.ended is None else []

    def attend(self) -> None:
        """Take in what it has printed."""
        if self._walled.ended is None:
            self._walled.attend()

    def tree(self) -> list[int]:
        """Give the numbers of its processes, zombies among them."""
        return self._walled.tree()

    def rest(self) -> Rest:
        """Look at all its threads; a program that has ended is at rest for good, one without threads is just ending."""
        if self._walled.ended is not None:
            return Rest("blocked")
        tree = self.tree()
        rest = look_at_all(tree)
        if not rest.is_for_good:
            return rest
        if not rest.waits:
            return Rest("busy")
        if has_timer(tree) or any(map(has_limit, rest.waits)):
            return Rest("blocked", tuple(replace(wait, timed=True) for wait in rest.waits))
        return rest

    def cpu_s(self) -> float:
        """Give the CPU time that it has used, in seconds."""
        return self._walled.usage().cpu_s

    def how_it_ended(self) -> str:
        """Say how it ended, as `by SIGSEGV` or `with status 1`; empty while it runs or if it was we who ended it."""
        end = self._walled.ended
        if end is None or self._was_killed:
            return ""
        if end.how == "signal":
            return f"by {end.name}"
        return f"with status {end.code}" if end.how == "exit" else f"by us: {end.note or end.how}"

    # -- its streams ------------------------------------------------------------------------------------

    def write(self, data: bytes) -> int | None:
        """Write to its standard input what there is room for; gives how much, or None if nobody reads any more."""
        try:
            return os.write(self._input, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return None

    def end_input(self) -> None:
        """End its standard input."""
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    @property
    def has_input(self) -> bool:
        """Whether its standard input is still open here."""
        return self._input >= 0

    def printed(self) -> bytes:
        """Give what it has printed on standard output."""
        self.attend()
        return self._walled.output()

    def complained(self) -> bytes:
        """Give what it has printed on standard error."""
        self.attend()
        return self._walled.errors()

    def last_words(self) -> str:
        """Give the tail of standard error for a person, on one line."""
        lines = self.complained()[-_SHOWN:].decode("utf-8", "replace").split("\n")
        return "; ".join(line.strip() for line in lines if line.strip())

    def story(self) -> str:
        """Give what it has printed and how it ended, for the report."""
        parts = [self.printed()[-_SHOWN:].decode("utf-8", "replace").rstrip("\n")]
        if errors := self.complained()[-_SHOWN:].decode("utf-8", "replace").rstrip("\n"):
            parts.append(errors)
        if end := self.how_it_ended():
            parts.append(f"({self.name} ended {end})")
        return "\n".join(part for part in parts if part)

    # -- what it holds ----------------------------------------------------------------------------------

    def resources(self, listening: int) -> Mapping[str, Plain]:
        """Count what it holds; `listening` is how many sockets of it listen."""
        tree = self.tree()
        held = [target for process in tree for target in descriptors(process).values()]
        threads_of = [threads(process) for process in tree]
        return {
            "descriptors": len(held),
            "processes": sum(count > 0 for count in threads_of),
            "zombies": sum(map(is_zombie, tree)),
            "threads": sum(threads_of),
            "sockets": sum(target.startswith("socket:") for target in held),
            "listening": listening,
            "cpu_ms": round(self.cpu_s() * 1000),
            "paths": sum(1 for _ in self.directory.rglob("*")),
        }

    # -- its end ------------------------------------------------------------------------------------------

    def signal(self, number: signal.Signals, *, to_everyone: bool) -> Outcome:
        """Send a signal to its first process, or to all."""
        try:
            for process in self.tree() if to_everyone else [self._walled.pid]:
                os.kill(process, number)
        except ProcessLookupError:
            return Failed("ESRCH", 3)
        self._was_killed = self._was_killed or number not in _HARMLESS
        return Succeeded()

    def wait(self, timeout_s: float) -> None:
        """Wait until it prints or ends, at most so long."""
        poller = select.poll()
        for fd in self.descriptors:
            poller.register(fd, select.POLLIN)
        poller.poll(timeout_s * 1000)
        self.attend()

    def close(self) -> None:
        """End it with all that came from it."""
        self.end_input()
        self._walled.close()
