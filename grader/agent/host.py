"""The host: forks a cell for each case, waits for it, and is the only one who says how it ended.

Single-threaded, and never runs a line of student code. A socket of whole messages leads to the controller;
the pipes of a case arrive over it and are closed here as soon as the cell has them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import socket
import sys
import traceback
import warnings
from typing import Any

from grader.agent import cell, isolation, student, wire

_MESSAGE_LIMIT = 1 << 16
_SETUP_EXIT = 70
_OURS = ("kernel", "library")  # kinds of implementation that a module of ours is needed for
# Standard library modules that student code is likely to import: loaded once here, inherited by every cell.
_PRELOADED = tuple(
    "collections contextlib dataclasses enum errno functools importlib.machinery ipaddress itertools pathlib queue re "
    "select selectors socket struct threading time types typing".split()
)


def serve(descriptor: int) -> None:
    """Answer the controller until it goes away."""
    with socket.socket(fileno=descriptor) as control:
        Host(control).run()


class Host:
    """One host process and its line to the controller."""

    def __init__(self, control: socket.socket) -> None:
        """Become the one whom every orphan falls to."""
        self._control = control
        self._spec: dict[str, str] = {}
        self._shared_network = ""
        control.set_inheritable(False)
        isolation.adopt_orphans()

    def run(self) -> None:
        """Take messages until the controller closes its end or says `bye`."""
        while (received := self._receive()) is not None:
            message, descriptors = received
            match message["t"]:
                case "hello":
                    self._greet(message)
                case "begin":
                    self._run_case(message, descriptors)
                case "bye":
                    return

    def _greet(self, hello: dict[str, Any]) -> None:
        self._spec = hello["spec"]
        _prepare_interpreter()
        if self._spec["kind"] in _OURS:
            importlib.import_module(f"grader.agent.{self._spec['kind']}")
        student.compile_aside(self._spec)
        self._shared_network = isolation.prepare_network() if hello["net"] == "own" else "not asked for"
        self._send(
            {
                "t": "ready",
                "proto": wire.PROTOCOL,
                "pid": os.getpid(),
                "python": sys.version.split()[0],
                "shared_net": self._shared_network,
                "features": isolation.network_features(),
            }
        )

    def _run_case(self, begin: dict[str, Any], descriptors: list[int]) -> None:
        pid = self._fork(begin, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._send({"t": "begun", "pid": pid})
        status = self._await(pid)
        _sweep()
        self._send({"t": "ended", **describe(status)})

    def _fork(self, begin: dict[str, Any], descriptors: list[int]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid != 0:
            return pid
        try:
            self._control.close()
            os.setsid()
            isolation.die_with_parent(parent)
            cell.enter(begin, descriptors, self._spec, own_network=not self._shared_network)
        except BaseException:  # noqa: BLE001 - nothing may run on as a second host
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(_SETUP_EXIT)

    def _await(self, pid: int) -> int:
        """Wait for the end of the cell; whatever the controller sends meanwhile means: kill it."""
        ending = os.pidfd_open(pid)
        poller = select.poll()
        poller.register(ending, select.POLLIN)
        poller.register(self._control, select.POLLIN)
        try:
            while not any(descriptor == ending for descriptor, _ in poller.poll()):
                self._receive()
                poller.unregister(self._control)
                _kill_group(pid)
        finally:
            os.close(ending)
        return os.waitpid(pid, 0)[1]

    def _receive(self) -> tuple[dict[str, Any], list[int]] | None:
        try:
            line, descriptors, _, _ = socket.recv_fds(self._control, _MESSAGE_LIMIT, 3)
        except ConnectionError:
            return None
        return (wire.decode(line), descriptors) if line else None

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the controller is gone; the next read says so
            self._control.send(wire.encode(message))


def _prepare_interpreter() -> None:
    """Do once what every cell needs and inherits."""
    for name in _PRELOADED:
        importlib.import_module(name)
    sys.dont_write_bytecode = True
    # Python warns of forking with threads; a process actor does so knowingly, and the text would go to students.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")


def describe(status: int) -> dict[str, Any]:
    """Put a wait status into words: `how`, and `code` or `name`."""
    if os.WIFSIGNALED(status):
        return {"how": "signal", "name": _signal_name(os.WTERMSIG(status)), "code": 0}
    return {"how": "exit", "name": "", "code": os.WEXITSTATUS(status)}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG#{number}"


def _kill_group(pid: int) -> None:
    # Once by number too: the cell may not have reached setsid() yet, or may be stopped in another group.
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _sweep() -> None:
    """Kill and reap every descendant that is left.

    Orphans fall to this process, so killing its children until there are none reaches those too that made
    a session of their own.
    """
    while True:
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
            return [int(pid) for pid in children.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == os.getpid()]


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
