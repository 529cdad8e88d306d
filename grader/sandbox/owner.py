"""The owner's end of its keeper: started when first needed, once per process and user namespace."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from grader.model.errors import SandboxError
from grader.sandbox import wire
from grader.sandbox.plans import Plan, memory_file

_ROOT = Path(__file__).parents[2]
# By text, so that no file of ours has to lie where the interpreter looks; -I and -S keep everybody else's out.
_START = "import sys; sys.path.insert(0, {root!r}); from grader.sandbox.keeper import serve; serve({control}, {owner})"

_lock = threading.Lock()
_keepers: dict[tuple[int, int], OwnKeeper] = {}
_directories: set[Path] = set()
os.register_at_fork(after_in_child=_directories.clear)  # a child that ends must not remove its parent's


class OwnKeeper:
    """The keeper of this process."""

    def __init__(self) -> None:
        """Start it by exec, so that nothing of this process leaks into it."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints = memory_file(b"")
        with theirs:
            text = _START.format(root=str(_ROOT), control=theirs.fileno(), owner=os.getpid())
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", text],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,  # an interrupt from the terminal is for us, who then end it in order
            )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def launch(self, plan: Plan) -> None:
        """Hand a plan over; the answer comes on the line that the plan carries.

        Raises:
            SandboxError: it has ended.
        """
        self._send(b"!", plan.descriptors)

    def own(self, directory: Path) -> None:
        """Have a directory removed when this process ends."""
        self._send(b"+" + os.fsencode(directory))

    def disown(self, directory: Path) -> None:
        """Have a directory left alone."""
        self._send(b"-" + os.fsencode(directory))

    def close(self) -> None:
        """Let go; it kills what it keeps and ends."""
        with contextlib.suppress(SandboxError):  # it has ended already
            self._send(b".")
        self._control.close()
        self._process.wait()
        os.close(self._complaints)

    def last_words(self) -> str:
        """Say why it has ended."""
        said = os.pread(self._complaints, 1 << 16, 0).decode("utf-8", "replace").strip()
        return said.rpartition("\n")[2] or "it was killed"

    def _send(self, message: bytes, descriptors: list[int] | None = None) -> None:
        try:
            wire.send(self._control, message, descriptors or [])
        except OSError as error:
            raise SandboxError(f"the keeper of the programs has ended: {self.last_words()}") from error


def keeper() -> OwnKeeper:
    """Give the keeper of this process in its present user namespace; start it if there is none."""
    key = os.getpid(), os.stat("/proc/self/ns/user").st_ino
    with _lock:
        if key in _keepers and not _keepers[key].is_alive:
            _keepers.pop(key).close()
        if key not in _keepers:
            _keepers[key] = OwnKeeper()
            for directory in _directories:  # of a keeper that was killed
                _keepers[key].own(directory)
        return _keepers[key]


def own(directory: Path) -> None:
    """Have a directory removed when this process ends, however that happens.

    Raises:
        SandboxError: as `keeper`.
    """
    keeper().own(directory)
    _directories.add(directory)


def disown(directory: Path) -> None:
    """The directory is gone, or somebody else's."""
    _directories.discard(directory)
    with contextlib.suppress(SandboxError):  # who has ended removes nothing
        keeper().disown(directory)


@atexit.register
def let_go() -> None:
    """End the keepers of this process; the next program gets a new one."""
    for key in [key for key in _keepers if key[0] == os.getpid()]:
        _keepers.pop(key).close()
