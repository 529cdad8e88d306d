"""The keeper: parent of every program behind the wall, and the one who ends them when its owner has ended.

A process of its own, one per owner, so that it outlives an owner that is killed at any moment: it then kills
what it keeps, removes the owner's directories and ends. bubblewrap's own `--die-with-parent` is not enough,
because it is armed late: about half of the programs survived an owner killed while they were started.

Single-threaded, because a program may die with the thread that started it; small, because a fork copies its
page tables; and it believes its owner only. What it is sent on the control socket:

    !       start a program; with descriptors: the plan (JSON), the program's line, and those that the plan names
    +PATH   a directory to remove when the owner ends
    -PATH   ... no more
    .       the owner lives on and needs this keeper no more

On a program's line the keeper says `started` or `failed`, and at last `ended`. Whatever the owner sends on it
means: kill; so does closing it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
from collections.abc import Callable

from grader.sandbox import child, reaping, safefs, wire
from grader.sandbox.kept import Kept, refuse


def serve(control: int, owner: int) -> None:
    """Keep the programs of one owner until it has ended or let go."""
    os.umask(0o022)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # descriptors are put aside at high numbers
    os.chdir("/")
    with socket.socket(fileno=control) as sock:
        sock.set_inheritable(False)
        Keeper(sock, owner).run()


class Keeper:
    """What is kept for one owner."""

    def __init__(self, control: socket.socket, owner: int) -> None:
        """Become the one whom every orphan falls to, and watch the owner."""
        self._control = control
        self._kept: set[Kept] = set()
        self._directories: set[str] = set()
        self._poll = select.poll()
        self._reactions: dict[int, Callable[[], None]] = {}
        self._is_leaving = False
        reaping.adopt_orphans()
        self._watch(control.fileno(), self._take_request)
        try:
            self._watch(os.pidfd_open(owner), self._leave)
        except ProcessLookupError:
            self._is_leaving = True

    def run(self) -> None:
        """Serve; at the end leave nothing behind."""
        while not self._is_leaving:
            for descriptor, _ in self._poll.poll():
                if reaction := self._reactions.get(descriptor):
                    reaction()
        for kept in self._kept:
            kept.kill()
        reaping.sweep()
        self._control.settimeout(0)
        with contextlib.suppress(OSError):  # what was still to be heard: of these only the directories count
            while message := wire.receive(self._control)[0]:
                if message[:1] == b"+":
                    self._directories.add(os.fsdecode(message[1:]))
        for directory in self._directories:
            safefs.remove_tree(directory)

    def _leave(self) -> None:
        self._is_leaving = True

    def _watch(self, descriptor: int, reaction: Callable[[], None]) -> None:
        self._reactions[descriptor] = reaction
        self._poll.register(descriptor, select.POLLIN)

    def _forget(self, descriptor: int) -> None:
        if self._reactions.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _take_request(self) -> None:
        request, descriptors = wire.receive(self._control)
        match request[:1]:
            case b"+":
                self._directories.add(os.fsdecode(request[1:]))
            case b"-":
                self._directories.discard(os.fsdecode(request[1:]))
            case b"!":
                self._launch(descriptors)
            case b".":
                self._directories.clear()
                self._leave()
            case _:
                self._leave()

    def _launch(self, descriptors: list[int]) -> None:
        plan = wire.decode(child.read_whole(descriptors[0]))
        line = socket.socket(fileno=os.dup(descriptors[1]))
        try:
            kept = Kept(plan, descriptors, line)
        except OSError as error:
            refuse(line, str(error))
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._kept.add(kept)
        self._watch(kept.monitor_fd, lambda: self._end(kept))
        self._watch(kept.line.fileno(), lambda: self._kill(kept))
        kept.start()

    def _kill(self, kept: Kept) -> None:
        self._forget(kept.line.fileno())
        kept.kill()

    def _end(self, kept: Kept) -> None:
        self._forget(kept.monitor_fd)
        self._forget(kept.line.fileno())
        self._kept.discard(kept)
        kept.end()
