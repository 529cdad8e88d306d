"""The kernel: one network, one file system, one clock, and the calls that wait.

A call that has to wait is *parked*. Whenever another call has run, or time has passed, the parked ones look again
in the order in which they came; who can go on does. Time is virtual: it stands still until somebody lets it pass,
so nothing here hangs on the speed of a machine.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from reference.descriptors import Process
from reference.errors import Error, Refused
from reference.files import Files
from reference.local import UnixSeqpacket, UnixStream
from reference.local_datagrams import UnixDatagram
from reference.ports import BEGINNINGS, Ports
from reference.sockets import Fields, Parked, Socket, Waiting
from reference.tcp import Tcp4, Tcp6
from reference.udp import Udp4, Udp6

PARTS: Mapping[str, type] = {
    "process": Process,
    "ports": Ports,
    "files": Files,
    **{
        f"{kind.domain}-{kind.type}": kind for kind in (Tcp4, Tcp6, Udp4, Udp6, UnixStream, UnixSeqpacket, UnixDatagram)
    },
}
"""What the model is made of; another class in one of the places makes another kernel."""


class _Spaces(dict[str, Ports]):
    """The port spaces by protocol, each made when a socket first needs it."""

    def __init__(self, kind: type[Ports]) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, space: str) -> Ports:
        made = self[space] = self._kind(BEGINNINGS[space])
        return made


class System:
    """One kernel with everything in it."""

    def __init__(self, parts: Mapping[str, type] = PARTS) -> None:
        """Begin with no process, no socket and no file, at time 0."""
        self.parts = parts
        self.ports = _Spaces(parts["ports"])
        self.files: Files = parts["files"]()
        self.abstract: dict[tuple[str, str | None], Socket] = {}
        self.autobound = itertools.count()
        self.connections: dict[tuple[Any, ...], Socket] = {}
        self.now = 0
        self.ended: deque[Parked] = deque()
        self._parked: dict[Parked, None] = {}
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def process(self) -> Process:
        """Start a process without descriptors but its first three."""
        process: Process = self.parts["process"](self)
        return process

    def create(self, kind: str) -> Socket:
        """Make a socket of a kind such as `inet-stream`."""
        sock: Socket = self.parts[kind](self)
        return sock

    # -- calls that wait ----------------------------------------------------------------------------------

    def run(self, steps: Waiting[Fields]) -> Fields | Parked:
        """Run a call until it ends or has to wait; raise its error."""
        try:
            wait = next(steps)
            while not wait.is_allowed:
                wait = steps.send(False)
        except StopIteration as end:
            fields: Fields = end.value
            return fields
        parked = Parked(steps, wait)
        self._parked[parked] = None
        return parked

    @property
    def is_anybody_parked(self) -> bool:
        """Whether a call waits."""
        return bool(self._parked)

    def settle(self) -> None:
        """Let the parked calls look again until none of them can go on."""
        has_changed = True
        while has_changed:
            has_changed = False
            for parked in list(self._parked):
                has_changed |= self._resume(parked, has_changed=True)

    def _resume(self, parked: Parked, *, has_changed: bool) -> bool:
        """Let a parked call look again; true if it has ended, or waits for something else than before."""
        before = parked.wait
        try:
            parked.wait = parked.steps.send(has_changed)
        except StopIteration as end:
            parked.outcome = end.value
        except Error as error:
            parked.outcome = Refused(error.errno, error.signals)
        if parked.outcome is None:
            return parked.wait != before
        del self._parked[parked]
        self.ended.append(parked)
        for sock in parked.sockets:
            self.let_go(sock)
        return True

    def let_go(self, sock: Socket) -> None:
        """Take back one reference to a socket; with the last one it is closed."""
        sock.references -= 1
        if not sock.references:
            sock.close()

    # -- time ---------------------------------------------------------------------------------------------

    def at(self, when: int, action: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._timers, (when, next(self._order), action))

    def next_timer(self) -> int | None:
        """Give when the next thing happens by itself, or None."""
        times = [parked.until for parked in self._parked if parked.until is not None]
        if self._timers:
            times.append(self._timers[0][0])
        return min(times, default=None)

    def advance(self, to: int) -> None:
        """Let time pass up to a moment, in nanoseconds; what is due happens in order."""
        while (due := self.next_timer()) is not None and due <= to:
            self.now = max(self.now, due)
            while self._timers and self._timers[0][0] <= due:
                heapq.heappop(self._timers)[2]()
            for parked in [one for one in self._parked if one.until is not None and one.until <= due]:
                self._resume(parked, has_changed=False)
            self.settle()
        self.now = max(self.now, to)
