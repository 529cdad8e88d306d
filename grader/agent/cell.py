"""The cell: one process per case, in which the student's code is loaded and called.

The control thread reads the commands. It carries out the calls of `main` itself; every other actor is a
thread of its own, or a process forked from here that inherits every open socket.
"""

from __future__ import annotations

import fcntl
import io
import os
import queue
import sys
import threading
from typing import Any

from grader.agent import isolation, student, wire
from grader.agent.implementation import Implementation, exception

# Our own descriptors lie high, so that the student's begin at 3 as in any program.
_FIRST_OF_OURS = 200

_fork, _waitpid, _exit, _getpid = os.fork, os.waitpid, os._exit, os.getpid
_pipe, _close, _write, _fcntl = os.pipe, os.close, os.write, fcntl.fcntl
_native_id, _Thread, _Queue = threading.get_native_id, threading.Thread, queue.SimpleQueue
_describe_exit = os.waitstatus_to_exitcode


def enter(begin: dict[str, Any], descriptors: list[int], spec: dict[str, str], *, own_network: bool) -> None:
    """Wall this process off, load the implementation and serve the case; never returns."""
    commands, answers, output = descriptors
    channel = wire.Channel(_move_up(commands), _move_up(answers), begin["nonce"])
    _redirect(output)
    if own_network:
        isolation.enter_network()
    isolation.limit(begin["limits"])
    isolation.drop_privileges()
    _settle(begin["dir"])
    channel.send({"t": "walled"})
    try:
        implementation = student.load(spec)
    except SystemExit as leaving:
        leave(leaving)
    except BaseException as error:  # noqa: BLE001 - whatever student code raises is an observation
        channel.send({"t": "loaded", "exc": exception(error)})
        _exit(0)
    ops, missing, features = implementation.ops, implementation.missing, implementation.features
    channel.send({"t": "loaded", "ops": sorted(ops), "missing": dict(missing), "features": sorted(features)})
    Cell(channel, implementation).run()
    _exit(0)


def _move_up(descriptor: int) -> int:
    moved: int = _fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_OF_OURS)
    _close(descriptor)
    return moved


def _redirect(output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, _FIRST_OF_OURS)
    sys.stdout = sys.__stdout__ = _unbuffered(1)  # type: ignore[misc]  # Final in the stubs only
    sys.stderr = sys.__stderr__ = _unbuffered(2)  # type: ignore[misc]  # Final in the stubs only


def _unbuffered(descriptor: int) -> io.TextIOWrapper:
    """Give a text stream that keeps nothing back: a process that is killed flushes nothing."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _settle(directory: str) -> None:
    os.chdir(directory)
    os.environ.update(HOME=directory, TMPDIR=directory)


def leave(leaving: SystemExit) -> None:
    """End the process as the interpreter would on this exception."""
    code = leaving.code
    if code is None or isinstance(code, int):
        _exit((code or 0) & 0xFF)
    sys.stderr.write(f"{code}\n")
    _exit(1)


class Cell:
    """The actors of one case."""

    def __init__(self, channel: wire.Channel, implementation: Implementation) -> None:
        """Begin without any actor but `main`."""
        self._channel = channel
        self._implementation = implementation
        self._threads: dict[str, queue.SimpleQueue[dict[str, Any]]] = {}
        self._processes: dict[str, int] = {}
        self._is_child = False

    def run(self) -> None:
        """Carry out calls until the controller closes its end."""
        for call, line in self._channel.messages():
            place = "inline" if self._is_child else call["place"]
            if place == "process":
                self._hand_over(call["actor"], line)
            elif place == "thread":
                self._thread(call["actor"]).put(call)
            else:
                self._perform(call, announced=self._is_child)

    def _perform(self, call: dict[str, Any], *, announced: bool) -> None:
        if announced:
            self._channel.send({"t": "started", "id": call["id"], "pid": _getpid(), "tid": _native_id()})
        try:
            answer = self._implementation.call(call["op"], call["args"])
        except SystemExit as leaving:
            leave(leaving)
        self._channel.send({"t": "ret", "id": call["id"], **answer})

    def _thread(self, actor: str) -> queue.SimpleQueue[dict[str, Any]]:
        if actor not in self._threads:
            calls: queue.SimpleQueue[dict[str, Any]] = _Queue()
            self._threads[actor] = calls
            _Thread(target=self._serve, args=(calls,), name=actor, daemon=True).start()
        return self._threads[actor]

    def _serve(self, calls: queue.SimpleQueue[dict[str, Any]]) -> None:
        while True:
            self._perform(calls.get(), announced=True)

    def _hand_over(self, actor: str, line: bytes) -> None:
        if actor not in self._processes:
            self._processes[actor] = self._start_process(actor)
        try:
            _write(self._processes[actor], line)
        except BrokenPipeError:  # it has ended; the thread that waits for it says how
            return

    def _start_process(self, actor: str) -> int:
        """Fork an actor that has every socket of this moment; give the pipe on which it takes its calls."""
        reader, writer = (_move_up(descriptor) for descriptor in _pipe())
        self._channel.share()
        with self._channel.lock:  # no other thread is half-way through a line
            pid = _fork()
        if pid == 0:
            self._become_child(reader, writer)
        _close(reader)
        _Thread(target=self._report_end, args=(actor, pid), name=f"end of {actor}", daemon=True).start()
        return writer

    def _become_child(self, reader: int, writer: int) -> None:
        for descriptor in (writer, *self._processes.values()):
            _close(descriptor)
        self._channel.take_over(reader)
        self._is_child = True
        self.run()
        _exit(0)

    def _report_end(self, actor: str, pid: int) -> None:
        try:
            code = _describe_exit(_waitpid(pid, 0)[1])
        except ChildProcessError:  # student code has waited for it
            code = 0
        self._channel.send({"t": "gone", "actor": actor, "code": code})
