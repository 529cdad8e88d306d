"""A program behind the wall, as its owner holds it. `wall.launch` makes one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import Any, Self

from grader.model.errors import SandboxError
from grader.model.outcomes import Ended
from grader.sandbox import child, reaping, safefs, usage, wire
from grader.sandbox.policy import Policy
from grader.sandbox.streams import Stream

_PATIENCE_S = 30.0  # for the keeper to start, or to kill and reap; takes milliseconds
_BETWEEN_LOOKS_S = 0.02  # at memory and CPU time, and at the disk ten times as seldom
_CANNOT_START = 127  # as shells say it
_CANNOT_START_STATUSES = frozenset({None, 1 << 8, _CANNOT_START << 8})  # bubblewrap exits with 1
_FAILED_TO_START = (b"bwrap: execvp ", child.CANNOT_START.encode())


class Walled:
    """A program behind the wall. A context manager: at its end nothing of the program is left.

    Not for several threads at once.

    Attributes:
        pid: the number, on this host, of the program's first process; 0 if it had ended before it was seen.
        init: that of the process that stands above all of the program's: ours, not its.
        pidfd: becomes readable when everything has ended.
        home: where the program finds its working directory.
    """

    def __init__(self, line: socket.socket, output: Stream, errors: Stream, policy: Policy) -> None:
        """Hold what the keeper was asked to start; `home` and the numbers come with `begin`."""
        self.pid = self.init = 0
        self.pidfd = -1
        self.home = ""
        self._line = line
        self._output = output
        self._errors = errors
        self._policy = policy
        self._limits = policy.limits
        self._work_fd = -1
        self._why: Ended | None = None
        self._ended: Ended | None = None
        self._used = usage.Usage()
        self._looked_s = self._looked_at_disk_s = time.monotonic()

    def begin(self, home: str) -> None:
        """Wait until the keeper says that the program is there.

        Raises:
            SandboxError: the wall could not be built.
        """
        self.home = home
        message, descriptors = self._hear()
        if message["t"] == "failed":
            self._take_end(*self._hear())
            raise SandboxError(f"the wall could not be built: {self._reason(message['reason'])}")
        self.init, self.pid, (self.pidfd,) = message["init"], message["main"], descriptors
        if not self.pid:  # it has ended already, or there was no wall for it to start behind
            self.wait(_PATIENCE_S)

    @property
    def output_fd(self) -> int:
        """A descriptor that is readable when there is standard output, or its end, to take in; -1 after that."""
        return self._output.descriptor

    @property
    def error_fd(self) -> int:
        """The same for standard error; -1 also if the two are merged."""
        return self._errors.descriptor

    @property
    def work_fd(self) -> int:
        """The working directory as a descriptor, for `safefs`; works for a directory in memory too, while it runs.

        Raises:
            SandboxError: it is in memory and gone.
        """
        if self._work_fd < 0:
            path = self._policy.work or f"/proc/{self.pid}/root{self.home}"
            try:
                self._work_fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise SandboxError(f"{path}: the working directory cannot be opened: {error.strerror}") from error
        return self._work_fd

    def tree(self) -> list[int]:
        """Give the numbers, on this host, of the program's processes, without our own; zombies are among them."""
        return [] if self._ended else reaping.descendants(self.init)

    def attend(self) -> None:
        """Take in the output that is there, and stop the program if it has gone beyond its limits; never waits.

        To be called when `output_fd` or `error_fd` is readable, and at least every 50 ms.
        """
        self._output.take_in()
        self._errors.take_in()
        if self._ended is not None:
            return
        if self._output.taken_bytes + self._errors.taken_bytes > self._limits.output_bytes:
            self._stop("output", f"it printed more than {self._limits.output_bytes} bytes")
        now = time.monotonic()
        if now - self._looked_s >= _BETWEEN_LOOKS_S:
            self._look_at_usage()
            self._looked_s = now
        if now - self._looked_at_disk_s >= 10 * _BETWEEN_LOOKS_S:
            self._look_at_disk()
            self._looked_at_disk_s = now
        if _is_readable(self._line.fileno(), self.pidfd):  # what has ended is told of within the millisecond
            self._take_end(*self._hear())

    def output(self, limit: int = 1 << 20) -> bytes:
        """Give the last `limit` bytes of the standard output that was taken in so far."""
        return self._output.kept[-limit:]

    def errors(self, limit: int = 1 << 16) -> bytes:
        """Give the last `limit` bytes of the standard error that was taken in so far."""
        return self._errors.kept[-limit:]

    def take_output(self) -> bytes:
        """Take in what is there and give what has come since the last call, for readers of a stream."""
        self.attend()
        return self._output.take_new()

    @property
    def ended(self) -> Ended | None:
        """How it ended; None while anything of it runs, or nobody has looked (`poll`, `attend`, `wait`).

        `how` is `exit` (`code`), `signal` (`name`), or what it was stopped for by us: `cpu`, `memory`, `disk`,
        `output`, or `killed` for a call of `kill`. `note` says more in words. An exit code is the program's own
        claim: before Linux 6.15, behind bubblewrap, 139 and SIGSEGV look the same.
        """
        return self._ended

    def poll(self) -> Ended | None:
        """Attend, then give `ended`, which is known as soon as `pidfd` is readable."""
        self.attend()
        return self._ended

    def wait(self, timeout_s: float) -> Ended | None:
        """Attend until it has ended or the time is over, which stops nothing; gives `ended`."""
        deadline = time.monotonic() + timeout_s
        while self.poll() is None and (left := deadline - time.monotonic()) > 0:
            poller = select.poll()
            for descriptor in {self._line.fileno(), self.output_fd, self.error_fd} - {-1}:
                poller.register(descriptor, select.POLLIN)
            poller.poll(min(left, _BETWEEN_LOOKS_S) * 1000)
        return self._ended

    def kill(self, why: str = "killed", note: str = "") -> Ended:
        """Stop everything and wait until nothing is left; the first reason stands, also one of its own.

        Raises:
            SandboxError: the keeper does not say that it is done.
        """
        self._stop(why, note)
        if self.wait(_PATIENCE_S) is None:
            raise SandboxError(f"a program could not be killed within {_PATIENCE_S:.0f} s")
        assert self._ended is not None  # noqa: S101 - the line above
        return self._ended

    def usage(self) -> usage.Usage:
        """Give what its processes use; after the end, what they have used."""
        return self._used if self._ended else usage.measure([self.init, *self.tree()])

    def close(self) -> None:
        """Kill, and release every descriptor."""
        try:
            if self._ended is None and self.init:
                self.kill()
        finally:
            self._line.close()
            self._output.close()
            self._errors.close()
            for descriptor in {self.pidfd, self._work_fd} - {-1}:
                os.close(descriptor)
            self.pidfd = self._work_fd = -1

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing of it."""
        self.close()

    def _stop(self, how: str, note: str) -> None:
        if self._why is None and self._ended is None:
            self._used = self.usage()  # of those that are killed with their namespace nobody is told
            self._why = Ended(how, note=note)
            with contextlib.suppress(OSError):  # the keeper is gone, and with it the program
                self._line.shutdown(socket.SHUT_WR)

    def _look_at_usage(self) -> None:
        now = self.usage()
        if now.resident_bytes > self._limits.resident_bytes:
            self._stop("memory", f"its processes used {now.resident_bytes >> 20} MiB of memory")
        if now.cpu_s > self._limits.tree_cpu_s:
            self._stop("cpu", f"its processes used {now.cpu_s:.1f} s of CPU time")

    def _look_at_disk(self) -> None:
        if self._policy.work is None or self._policy.is_work_read_only:
            return
        files, taken = safefs.size_of_tree(self.work_fd, self._limits.work_files)
        if files > self._limits.work_files or taken > self._limits.work_bytes:
            self._stop("disk", f"it made {files} files of {taken >> 20} MiB")

    def _take_end(self, message: dict[str, Any], _: list[int]) -> None:
        for stream in (self._output, self._errors):
            stream.take_in(until_end=self._why is None or self._why.how != "output")
        told = usage.Usage(message["cpu_s"], message["resident_bytes"])
        self._used = max(self._used, told, key=lambda used: used.cpu_s)
        self._ended = self._why or Ended("killed", note="it was never started")  # stays if there was no wall for it
        if self._why is None:
            self._ended = self._how(message)

    def _how(self, message: dict[str, Any]) -> Ended:
        code, status = message["code"], message["status"]
        if code is None and status in _CANNOT_START_STATUSES and self._said().startswith(_FAILED_TO_START):
            return Ended("exit", code=_CANNOT_START, note=self._reason(""))
        if status is not None:
            number = -os.waitstatus_to_exitcode(status)
        elif code is not None:
            number = code - 128 if code - 128 in _SIGNALS else -code
        elif self._said().startswith(b"bwrap: "):
            raise SandboxError(f"the wall could not be built: {self._reason('')}")
        else:
            return Ended("signal", name="SIGKILL", note="something on this host killed it")
        if number <= 0:
            return Ended("exit", code=-number)
        return self._signalled(signal.Signals(number).name if number in _SIGNALS else f"SIG#{number}")

    def _signalled(self, name: str) -> Ended:
        if name == "SIGXCPU" or (name == "SIGKILL" and self._used.cpu_s >= self._limits.cpu_s):
            return Ended("cpu", name=name, note=f"one of its processes used {self._limits.cpu_s} s of CPU time")
        return Ended("signal", name=name)

    def _reason(self, reason: str) -> str:
        return self._said().decode("utf-8", "replace").strip() or reason or "no reason was given"

    def _said(self) -> bytes:
        """Give the tail of where messages about the start go: standard error, wherever that goes."""
        return self._errors.kept or self._output.kept

    def _hear(self) -> tuple[dict[str, Any], list[int]]:
        self._line.settimeout(_PATIENCE_S)
        try:
            text, descriptors = wire.receive(self._line)
        except OSError as error:
            raise SandboxError(f"the keeper of the programs does not answer: {error}") from error
        if not text:  # and has taken the program along
            self._ended = Ended("killed", note="the keeper of the programs has ended")
            raise SandboxError(self._ended.note)
        return wire.decode(text), descriptors


_SIGNALS = frozenset(int(number) for number in signal.Signals)


def _is_readable(*descriptors: int) -> bool:
    poller = select.poll()
    for descriptor in descriptors:
        if descriptor >= 0:
            poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))
