"""One program as the keeper holds it: started behind a gate, limited, released, killed, reaped.

Two processes of ours stand above a program's: the monitor, which is the keeper's child, and the init, which
stands above all of the program's own. With bubblewrap they are its two; otherwise they are one, and ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import struct
from typing import Any

from grader.sandbox import child, reaping, wire

_PATIENCE_S = 20.0  # for bubblewrap to get as far as the program; takes milliseconds, more only on a sick machine
_MOMENT_S = 0.0002  # between two looks whether the program's process is there
_CHUNK = 1 << 16
_INFO_BYTES, _INFO_EXIT = 64, 1 << 3
_GET_INFO = 3 << 30 | _INFO_BYTES << 16 | 0xFF << 8 | 11  # _IOWR(0xFF, 11, struct pidfd_info)


class Kept:
    """One program and the line to its owner."""

    def __init__(self, plan: dict[str, Any], descriptors: list[int], line: socket.socket) -> None:
        """Start the monitor; it waits at the gate once everything but the program is there.

        Raises:
            OSError: it cannot be started.
        """
        self.line = line
        self.monitor_fd = self._init_fd = self._main_fd = -1
        self._init = 0
        self._plan = plan
        self._usages: list[resource.struct_rusage] = []
        self._unread = b""
        self._status, their_status = os.pipe()
        their_gate, self._gate = os.pipe()
        try:
            self._monitor = child.start(plan, descriptors, status=their_status, gate=their_gate)
        except OSError:
            os.close(self._status)
            os.close(self._gate)
            raise
        finally:
            os.close(their_status)
            os.close(their_gate)
        self.monitor_fd = os.pidfd_open(self._monitor)

    def start(self) -> None:
        """Set the limits, open the gate, and tell the owner who is there."""
        try:
            first = self._next_status(_PATIENCE_S)
            if "child-pid" not in first:
                raise ProcessLookupError("it ended before it was ready")
            self._init = first["child-pid"]
            self._init_fd = os.pidfd_open(self._init)
            for number, limit in self._plan["limits"]:
                child.set_limit(self._init, number, limit)
            os.write(self._gate, b"x")
            main = first.get("main") or self._find_main()
            if main and self._plan["kind"] != "bare":
                with contextlib.suppress(ProcessLookupError):  # it was quick
                    self._main_fd = os.pidfd_open(main)
        except OSError as error:  # it has ended under us; its standard error says why
            self.kill()
            say(self.line, {"t": "failed", "reason": str(error)})
        else:
            say(self.line, {"t": "started", "init": self._init, "main": main}, [self._init_fd])
        finally:
            os.close(self._gate)

    def kill(self) -> None:
        """Kill everything of the program. Our own monitor does it itself, because it knows what there is."""
        if self._plan["kind"] == "bare":
            _send(self.monitor_fd, signal.SIGTERM)
        else:
            _send(self._init_fd, signal.SIGKILL)
            if self._init == 0:
                _send(self.monitor_fd, signal.SIGKILL)

    def end(self) -> None:
        """Wait until nothing of it is left, tell the owner how it ended, and release everything."""
        _, _, usage = os.wait4(self._monitor, 0)
        self._usages.append(usage)
        if self._init not in {0, self._monitor}:
            _send(self._init_fd, signal.SIGKILL)
            _await(self._init_fd)
            with contextlib.suppress(ChildProcessError):  # the monitor has waited for it
                self._usages.append(os.wait4(self._init, 0)[2])
        last = self._next_status(0)
        status = last.get("status", _exit_status(self._main_fd))
        for descriptor in {self.monitor_fd, self._init_fd, self._main_fd, self._status} - {-1}:
            os.close(descriptor)
        say(self.line, {"t": "ended", "code": last.get("exit-code"), "status": status, **self._usage()})
        self.line.close()

    def _find_main(self) -> int:
        """Give the number of the program's first process, 0 if it has ended before we saw it."""
        while not select.select([self.monitor_fd], [], [], _MOMENT_S)[0]:  # nothing tells when a process forks
            if children := reaping.children(self._init):
                return children[0]
        return 0

    def _next_status(self, timeout_s: float) -> dict[str, Any]:
        """Give the next thing that bubblewrap or our monitor says of it; nothing if it says no more."""
        while b"\n" not in self._unread:
            chunk = os.read(self._status, _CHUNK) if _await(self._status, timeout_s) else b""
            if not chunk:
                return {}
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return wire.decode(line)

    def _usage(self) -> dict[str, Any]:
        return {
            "cpu_s": sum(usage.ru_utime + usage.ru_stime for usage in self._usages),
            "resident_bytes": max(usage.ru_maxrss for usage in self._usages) << 10,
        }


def _exit_status(descriptor: int) -> int | None:
    """Give the wait status of a process that somebody else has waited for, None where the kernel does not tell.

    Without it a program that exits with 139 looks like one that SIGSEGV has killed. Source: linux/pidfd.h; Linux
    tells since 6.15.
    """
    told = bytearray(_INFO_BYTES)
    struct.pack_into("=Q", told, 0, _INFO_EXIT)
    try:
        fcntl.ioctl(descriptor, _GET_INFO, told)
    except (OSError, ValueError):  # ValueError: no descriptor
        return None
    mask, status = struct.unpack_from("=Q52xi", told)
    return status if mask & _INFO_EXIT else None


def say(line: socket.socket, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
    """Tell an owner, who may be gone."""
    with contextlib.suppress(OSError):
        wire.send(line, wire.encode(message), descriptors or [])


def refuse(line: socket.socket, reason: str) -> None:
    """Tell an owner that its program was never started."""
    say(line, {"t": "failed", "reason": reason})
    say(line, {"t": "ended", "code": None, "status": None, "cpu_s": 0.0, "resident_bytes": 0})
    line.close()


def _send(descriptor: int, number: signal.Signals) -> None:
    if descriptor >= 0:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)


def _await(descriptor: int, timeout_s: float | None = None) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(None if timeout_s is None else timeout_s * 1000))
