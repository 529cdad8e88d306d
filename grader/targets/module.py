"""The target `module:PATH`: a student's Python module, called in a process of its own for each case.

The controller never loads student code and never forks. It sends calls to the cell, takes answers in, and
trusts the host alone about how a cell ended.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from grader.model.errors import TargetError
from grader.model.scenarios import Case
from grader.model.values import Address
from grader.ops import FEATURES, OPERATIONS, Group
from grader.targets import addresses
from grader.targets.processes import Cell, Host, HostGoneError
from grader.targets.protocol import Profile
from grader.targets.session import AgentSession

_FILE = "sockets.py"  # what a submission that is a folder must hold
SOCKET_OPS = frozenset(op.name for op in OPERATIONS.values() if op.group is Group.SOCKET)
_REQUIRED = frozenset(op.name for op in OPERATIONS.values() if op.required)
_EVERYWHERE = frozenset({"unix", "inet", "stream", "dgram", "seqpacket", "abstract", "unix-autobind"})
_BY_LANGUAGE = frozenset({"processes", "threads", "closed-descriptors"})
_Allot: TypeAlias = Callable[[Path], Mapping[str, Address]]
_WHY_NOT = {
    "raw-calls": "Python checks arguments before the system sees them",
    "sigpipe": "Python ignores SIGPIPE, so the caller sees EPIPE alone",
    "programs": "a module is called, not run as a program",
    "second-host": "there is one host",
    "inet6": "this host has no ::1",
    "loopback-net": "this host answers only on some addresses of 127.0.0.0/8",
}


def open_module(text: str) -> ModuleTarget:
    """Open what stands after `module:`: a file, a folder with `sockets.py`, or a name that can be imported.

    Raises:
        TargetError: there is no such file, folder or name.
    """
    return ModuleTarget(f"module:{text}", _find(text), language="Python")


def open_kernel() -> ModuleTarget:
    """Open this host's own sockets behind the agent, for cases whose actors are processes."""
    return ModuleTarget("host", {"kind": "kernel"}, language="C")


def _find(text: str) -> dict[str, str]:
    path = Path(text)
    if path.is_dir():
        path = path / _FILE
        if not path.is_file():
            there = ", ".join(sorted(entry.name for entry in path.parent.iterdir())[:8]) or "nothing"
            raise TargetError(f"{text}: expected a file {_FILE} in the folder, found {there}")
    if path.is_file():
        # Not resolved: a link to our model is a file of the folder that it lies in, not of our package.
        return {"kind": "file", "path": str(path.absolute())}
    if text.endswith(".py") or os.sep in text:
        raise TargetError(f"{text}: there is no such file or folder")
    if not all(part.isidentifier() for part in text.split(".")) or not _is_importable(text.partition(".")[0]):
        raise TargetError(f"{text}: there is no such file or folder, and no module of that name can be imported")
    return {"kind": "name", "name": text}


def _is_importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


class ModuleTarget:
    """An implementation of sockets in Python, behind an agent."""

    def __init__(
        self, name: str, spec: Mapping[str, str], *, language: str, own_net: bool = True, printed: str = ""
    ) -> None:
        """Start the host, and load the code once to see what it has; `printed` stands before what a case prints."""
        self._name = name
        self._spec = spec
        self._language = language
        self._wants_net = own_net
        self._printed = printed
        self._host = Host(spec, own_net=own_net)
        try:
            with self._session(lambda _: {}) as session:
                self.refusal = session.refusal
                self._profile = self._examine(session)
        except BaseException:
            self._host.close()
            raise

    def _examine(self, session: AgentSession) -> Profile:
        """Say what is there, as a session without a case shows it."""
        return _profile(self._name, self._host.ready, session.loaded, self._language)

    @property
    def profile(self) -> Profile:
        """What the module has, as far as it could be loaded; a module that cannot be is taken at full."""
        return self._profile

    @property
    def host_pid(self) -> int:
        """The number of the host process, whose children are the cells."""
        return self._host.pid

    @contextmanager
    def session(self, case: Case) -> Iterator[AgentSession]:
        """Fork a cell for the case; at the end nothing is left of it."""
        own_net = "own-net" in self._profile.features
        with self._session(lambda folder: addresses.allot(case, folder, own_net=own_net)) as session:
            yield session

    def close(self) -> None:
        """End the host."""
        self._host.close()

    @contextmanager
    def _session(self, allot: _Allot) -> Iterator[AgentSession]:
        folder = Path(
            tempfile.mkdtemp(prefix="sk-", dir=addresses.short_lived_folder())
        )  # short: the path of a socket may have 107 bytes
        try:
            allotted = allot(folder)
            cell = self._begin(folder)
            try:
                owns_network = not self._host.ready["shared_net"]
                session = AgentSession(cell, allotted, owns_network=owns_network, printed=self._printed)
                session.load()
                yield session
            finally:
                self._end(cell)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, folder: Path) -> Cell:
        try:
            return self._host.begin(folder)
        except HostGoneError:
            self._restart()
        try:
            return self._host.begin(folder)
        except HostGoneError as error:
            raise TargetError(f"{self._name}: no process can be made for a case: {error}") from error

    def _end(self, cell: Cell) -> None:
        try:
            cell.close()
        except HostGoneError:
            self._restart()

    def _restart(self) -> None:
        self._host.close()
        self._host = Host(self._spec, own_net=self._wants_net)


def _profile(name: str, ready: Mapping[str, Any], loaded: Mapping[str, Any] | None, language: str) -> Profile:
    """Put together what host and module offer.

    A required call that the module lacks counts as offered: its absence is a mistake, not a limit. So does
    everything of a module that cannot be loaded.
    """
    shared = ready["shared_net"]
    missing: dict[str, str] = dict(loaded["missing"]) if loaded else {}
    ops = frozenset(loaded["ops"]) & SOCKET_OPS | _REQUIRED if loaded else SOCKET_OPS
    own = frozenset(loaded["features"]) if loaded else _BY_LANGUAGE
    features = (
        _EVERYWHERE | own | frozenset(ready["features"]) | ({"own-net"} if not shared else set())
    ) & FEATURES.keys()
    reasons = {**_WHY_NOT, "own-net": shared, **missing}
    absent = (FEATURES.keys() - features) | (SOCKET_OPS - ops)
    return Profile(
        name=name,
        ops=ops | addresses.PATH_OPS,
        features=frozenset(features),
        missing={word: reasons.get(word, "it is not offered") for word in sorted(absent)},
        isolation=_isolation(shared),
        language=language if language != "Python" else f"Python {ready['python']}",
    )


def _isolation(shared: str) -> str:
    network = f"NO network of its own ({shared})" if shared else "a network of its own"
    return f"a process for each case, with limits, without privileges and with {network}"
