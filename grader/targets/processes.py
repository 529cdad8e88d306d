"""Processes of an agent, as the controller holds them: one host per target, one cell per case.

Nothing here knows what a call is. A cell gives messages, the tail of what was printed, and how it ended;
`started`, `ret` and the like are words for `module`.
"""

from __future__ import annotations

import collections
import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.model.errors import TargetError
from grader.model.outcomes import Ended
from grader.targets import wire

_AGENT = Path(__file__).parents[1] / "agent" / "__main__.py"
PROTOCOL = 1
_CHUNK = 1 << 16
_TAIL = 64 << 10  # bytes of output that are kept
_OUTPUT_LIMIT = 1 << 20  # bytes of output after which a testee is stopped
_HOST_PATIENCE_S = 20.0  # for a process of ours to start, or to kill and reap: only a sick machine needs it
_SHOWN_LINE = 200  # characters of a line that is not ours
_MARK = "SOCKGRADE_HOST"  # in the environment of a host and of all that comes from it
CLOSED_EXIT = 86  # the agent's word for: a descriptor of ours was closed under it

LIMITS: Mapping[str, int] = {
    "AS": 2 << 30,  # bytes; a Python process with threads maps far more than it uses
    "CPU": 30,  # seconds, for the whole case
    "NOFILE": 256,  # ours lie from 200 on
    "FSIZE": 16 << 20,  # bytes per file
    "CORE": 1,  # byte; 0 would still run a core handler behind a pipe
}


class HostGoneError(Exception):
    """The host process has ended under us."""


class Host:
    """The host process of one target."""

    def __init__(self, spec: Mapping[str, str], *, own_net: bool = True) -> None:
        """Start the process and hear what it can do.

        Raises:
            TargetError: it did not start, or speaks another version of the protocol.
        """
        # Not a context manager: it lives until `close`.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._mark = secrets.token_hex(8)
        with theirs:
            self._process = _start(theirs.fileno(), self._complaints.fileno(), self._mark)
        try:
            self._send({"t": "hello", "proto": PROTOCOL, "spec": dict(spec), "net": "own" if own_net else "shared"})
            self.ready = self._expect("ready")
            if self.ready["proto"] != PROTOCOL:
                raise TargetError(f"the agent speaks protocol {self.ready['proto']}, the grader {PROTOCOL}")
        except HostGoneError as error:
            self.close()
            raise TargetError(f"the agent did not start: {error}") from error
        except TargetError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def begin(self, directory: Path, limits: Mapping[str, int] = LIMITS) -> Cell:
        """Fork a cell that works in the directory.

        Raises:
            HostGoneError: the host has ended since it was last used.
        """
        nonce = secrets.token_hex(8)
        pipes = Pipes()
        message = {"t": "begin", "nonce": nonce, "dir": str(directory), "limits": dict(limits)}
        try:
            self._send(message, pipes.theirs)
            pipes.close_theirs()
            return Cell(self._control, self._expect("begun")["pid"], nonce, pipes)
        except HostGoneError:
            pipes.close()
            raise

    def close(self) -> None:
        """End the process; whatever it had forked ends with it."""
        self._control.close()
        try:
            self._process.wait(_HOST_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode != 0:
            _kill_marked(self._mark)
        self._complaints.close()

    def _send(self, message: Mapping[str, object], descriptors: list[int] | None = None) -> None:
        try:
            socket.send_fds(self._control, [wire.encode(message)], descriptors or [])
        except OSError as error:
            raise HostGoneError(self._last_words()) from error

    def _expect(self, kind: str) -> dict[str, Any]:
        self._control.settimeout(_HOST_PATIENCE_S)
        try:
            line = self._control.recv(_CHUNK)
        except OSError as error:
            raise HostGoneError(str(error) or "no answer") from error
        if not line:
            raise HostGoneError(self._last_words())
        message = wire.decode(line)
        if message["t"] != kind:
            raise HostGoneError(f"it said {message['t']} where {kind} was due")
        return message

    def _last_words(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read()[-_TAIL:].decode("utf-8", "replace").strip() or "it ended without a word"


def _start(control: int, complaints: int, mark: str) -> subprocess.Popen[bytes]:
    """Start the host by exec, so that nothing of this process leaks into it; never fork by hand here."""
    return subprocess.Popen(
        [sys.executable, "-I", str(_AGENT), str(control)],
        pass_fds=[control],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", _MARK: mark},
        start_new_session=True,  # an interrupt from the terminal is for us, who then end it in order
    )


def _kill_marked(mark: str) -> None:
    """Kill what a host that did not end in order has left: all of it was started with the host's mark.

    Only what has thrown its environment away escapes.
    """
    entry = f"{_MARK}={mark}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


class Pipes:
    """The three pipes of a case: commands to the cell, answers and output from it."""

    def __init__(self) -> None:
        """Open them."""
        their_commands, self.commands = os.pipe()
        self.answers, their_answers = os.pipe()
        self.output, their_output = os.pipe()
        self.theirs = [their_commands, their_answers, their_output]
        for descriptor in (self.commands, self.answers, self.output):
            os.set_blocking(descriptor, False)

    def close_theirs(self) -> None:
        """Close the ends that the cell has by now."""
        for descriptor in self.theirs:
            os.close(descriptor)
        self.theirs = []

    def close(self) -> None:
        """Close everything."""
        self.close_theirs()
        for descriptor in (self.commands, self.answers, self.output):
            os.close(descriptor)


class Cell:
    """The process of one case and all it has forked.

    `messages` are those that have come and were not taken yet. `end` is how it ended, None while it lives.
    """

    def __init__(self, control: socket.socket, pid: int, nonce: str, pipes: Pipes) -> None:
        """Hold a cell that the host has just forked."""
        self.pid = pid
        self.messages: collections.deque[dict[str, Any]] = collections.deque()
        self.end: Ended | None = None
        self._control = control
        self._nonce = nonce
        self._pipes = pipes
        self._unsent = b""
        self._unread = b""
        self._printed = b""
        self._printed_bytes = 0
        self._fault: Ended | None = None
        self._poll = select.poll()
        for descriptor in (control.fileno(), pipes.answers, pipes.output):
            self._poll.register(descriptor, select.POLLIN)

    def send(self, message: Mapping[str, object]) -> None:
        """Send a command; what does not fit into the pipe follows while answers are taken in."""
        self._unsent += wire.encode(message)
        self._write()
        if self._unsent:
            self._poll.register(self._pipes.commands, select.POLLOUT)

    def take_in(self, timeout_s: float) -> None:
        """Wait until something comes or the time is over; take in all that is there."""
        if self.end is not None:
            return
        for descriptor, _ in self._poll.poll(max(0.0, timeout_s) * 1000):
            if descriptor == self._pipes.answers:
                self._read_answers()
            elif descriptor == self._pipes.output:
                self._read_output()
            elif descriptor == self._pipes.commands:
                self._write()
            else:
                self._hear_end()

    def output(self) -> str:
        """Give the tail of what was printed."""
        with contextlib.suppress(OSError):
            self._read_output()
        return self._printed.decode("utf-8", "replace")

    def accuse(self, how: str, note: str) -> None:
        """End the cell for something that it did to the harness; the first accusation stands."""
        self._fault = self._fault or Ended(how, note=note)
        self._kill()

    def close(self) -> None:
        """End everything that belongs to the cell; returns when nothing of it is left.

        Raises:
            HostGoneError: the host does not say that it is done.
        """
        try:
            if self.end is None:
                self._kill()
            deadline = time.monotonic() + _HOST_PATIENCE_S
            while self.end is None and (left := deadline - time.monotonic()) > 0:
                self.take_in(left)
        finally:
            self._pipes.close()
        if self.end is None or self.end.note == _HOST_KILLED:
            raise HostGoneError("the host did not end its cell")

    def _kill(self) -> None:
        with contextlib.suppress(OSError):  # the host is gone, and its cell with it
            self._control.send(wire.encode({"t": "kill"}))

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._pipes.commands, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it has ended; the host says how
            self._unsent = b""
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._pipes.commands)

    def _read_answers(self) -> None:
        try:
            chunk = os.read(self._pipes.answers, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._pipes.answers)
            return
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            self._take_line(line)
        if len(self._unread) > wire.LINE_LIMIT:
            self.accuse("tampered", f"a line without an end: {_shown(self._unread)}")
            self._unread = b""

    def _take_line(self, line: bytes) -> None:
        if self._fault is not None:
            return
        try:
            message = wire.decode(line)
        except wire.MalformedError as error:
            self.accuse("tampered", f"{error}: {_shown(line)}")
            return
        if message.pop("n", None) != self._nonce:
            self.accuse("tampered", f"a line that the agent did not write: {_shown(line)}")
            return
        self.messages.append(message)

    def _read_output(self) -> None:
        while True:
            try:
                chunk = os.read(self._pipes.output, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._pipes.output)
                return
            self._printed = (self._printed + chunk)[-_TAIL:]
            self._printed_bytes += len(chunk)
            if self._printed_bytes > _OUTPUT_LIMIT:
                self.accuse("output", f"it printed more than {_OUTPUT_LIMIT >> 20} MiB")
                return

    def _hear_end(self) -> None:
        """Take the host's word on how the cell ended; everything it wrote before that still counts."""
        line = self._hear()
        self._poll = select.poll()
        while self._rest_of_answers():
            pass
        if self._fault is None or self._fault.how != "output":
            self._read_output()
        if self._fault is not None:
            self.end = self._fault
        elif not line:
            self.end = Ended("tampered", note=_HOST_KILLED)
        else:
            self.end = _ended(wire.decode(line))

    def _hear(self) -> bytes:
        try:
            return self._control.recv(_CHUNK)
        except OSError:
            return b""

    def _rest_of_answers(self) -> bool:
        before = len(self.messages), self._unread
        self._read_answers()
        return (len(self.messages), self._unread) != before


_HOST_KILLED = "it ended the process that watches over it"


def _ended(message: Mapping[str, Any]) -> Ended:
    if message["how"] == "exit" and message["code"] == CLOSED_EXIT:
        return Ended("tampered", note="it closed descriptors that it did not open")
    return Ended(message["how"], name=message["name"], code=message["code"])


def ended_process(code: int) -> Ended:
    """Say how a process actor ended, from the exit code in Python's form: negative is a signal."""
    if code >= 0:
        return _ended({"how": "exit", "name": "", "code": code})
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"SIG#{-code}"
    return Ended("signal", name=name)


def _shown(line: bytes) -> str:
    text = line[:_SHOWN_LINE].decode("utf-8", "backslashreplace")
    return repr(text) + ("..." if len(line) > _SHOWN_LINE else "")
