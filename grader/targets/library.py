"""The target `library:PATH`: a student's C library, built once and called in a process of its own for each case."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from grader.model.outcomes import Ended, Outcome, Raised, Succeeded
from grader.model.scenarios import Case
from grader.model.values import Address
from grader.ops import FEATURES
from grader.targets import addresses
from grader.targets.build import Built, build
from grader.targets.module import SOCKET_OPS, ModuleTarget
from grader.targets.protocol import Answer, Call, Look, Profile, Target
from grader.targets.session import AgentSession

_PREFIX_OPTION = ",prefix="
_SHOWN_WARNINGS = 2000  # characters; they stand in the report of every case
_TRIAL_S = 2.0  # for a first socket, made to see where it comes from
_DOMAINS = ("unix", "inet")  # a library need not have both
_OWN_SOCKETS = "its sockets are not the kernel's, so a forked process has a copy of them and not the sockets themselves"
_NEVER = {
    "programs": "a library is called, not run as a program",
    "second-host": "there is one host",
}


def open_library(text: str) -> Target:
    """Open what stands after `library:`: a .so, a C source, or a folder with a Makefile, C sources or a .so.

    The prefix of the calls is found out, unless it is given behind the path: `PATH,prefix=my_`.

    Raises:
        TargetError: there is nothing that could be built, or nothing to build it with.
    """
    path, has_prefix, prefix = text.partition(_PREFIX_OPTION)
    name = f"library:{text}"
    folder = Path(tempfile.mkdtemp(prefix="sk-library-"))
    try:
        built = build(Path(path), folder)
        if built.library is None:
            shutil.rmtree(folder, ignore_errors=True)
            return UnbuiltTarget(name, built)
        spec = {"kind": "library", "path": str(built.library), **({"prefix": prefix} if has_prefix else {})}
        target = LibraryTarget(name, spec, folder, built.printed)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if isinstance(target.refusal, Raised):  # only the loader raises there: no code of the student's speaks Python
        target.close()
        return UnbuiltTarget(name, Built(None, target.refusal.text, built.printed))
    return target


class LibraryTarget(ModuleTarget):
    """An implementation of sockets in C, behind an agent."""

    def __init__(self, name: str, spec: Mapping[str, str], folder: Path, warnings: str) -> None:
        """Start the host, and load the library once to see what it has; the folder goes away with the target."""
        self._folder = folder
        printed = warnings[:_SHOWN_WARNINGS]
        super().__init__(name, spec, language="C", printed=printed and f"{printed.rstrip()}\n")

    def _examine(self, session: AgentSession) -> Profile:
        """Ask a first socket whether the kernel knows of it: then forked processes share it, and calls wait there."""
        profile = super()._examine(session)
        if _uses_kernel(session):
            return profile
        return replace(
            profile,
            features=profile.features - {"processes"},
            missing={**profile.missing, "processes": _OWN_SOCKETS},
            blocking="userland",
        )

    def close(self) -> None:
        """End the host and take the library away."""
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _uses_kernel(session: AgentSession) -> bool:
    """Say whether a process has one more socket of the kernel's after it made one; where nobody can tell, it has."""
    try:
        before = _kernel_sockets(session.pid)
        made = any(isinstance(_socket(session, number, domain), Succeeded) for number, domain in enumerate(_DOMAINS))
        return not made or _kernel_sockets(session.pid) > before
    except OSError:  # it has ended, or hides
        return True


def _socket(session: AgentSession, number: int, domain: str) -> Outcome | None:
    call = Call(number, "main", "socket", {"domain": domain, "type": "stream"})
    if (outcome := session.issue(call)) is not None:
        return outcome
    answer = session.wait(_TRIAL_S)
    return None if answer is None else answer.outcome


def _kernel_sockets(pid: int) -> int:
    return sum(str(fd.readlink()).startswith("socket:") for fd in Path(f"/proc/{pid}/fd").iterdir())


class UnbuiltTarget:
    """What could not be built: every case runs into that."""

    def __init__(self, name: str, built: Built) -> None:
        """Keep the reason and what the compiler printed."""
        self._built = built
        self._profile = Profile(
            name=name,
            ops=SOCKET_OPS | addresses.PATH_OPS,
            features=frozenset(FEATURES.keys() - _NEVER.keys()),
            missing=_NEVER,
            isolation="the code is not run, because it could not be built",
            language="C",
        )

    @property
    def profile(self) -> Profile:
        """Everything that a library may have."""
        return self._profile

    @contextmanager
    def session(self, case: Case) -> Iterator[UnbuiltSession]:
        """Give a session in which every call ends at once."""
        with tempfile.TemporaryDirectory(prefix="sk-", dir=addresses.short_lived_folder()) as folder:
            yield UnbuiltSession(addresses.allot(case, Path(folder), own_net=True), self._built)

    def close(self) -> None:
        """There is nothing to end."""


class UnbuiltSession:
    """A case whose calls have nothing to go to."""

    clock = staticmethod(time.monotonic_ns)

    def __init__(self, allotted: Mapping[str, Address], built: Built) -> None:
        """Hold the addresses that the case may ask for."""
        self.addresses = allotted
        self._built = built

    def issue(self, call: Call) -> Outcome:
        """Say that there is no code to call."""
        if call.op in addresses.PATH_OPS:
            return addresses.path_operation(call.op, call.args.get("addr"))
        return Ended("build", note=self._built.failure)

    def wait(self, timeout_s: float) -> Answer | None:
        """Nothing is ever under way."""
        del timeout_s
        return None

    def look(self, call: int) -> Look:
        """Nothing can be seen."""
        del call
        return Look("unknown")

    def is_settled(self) -> bool:
        """Nothing is under way."""
        return True

    def output(self) -> str:
        """Give what the compiler printed."""
        return self._built.printed
