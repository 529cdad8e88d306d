"""How well this host can wall programs off: found out by doing it, never by asking for versions.

| level | what stands between the program and us                                                          |
|-------|-------------------------------------------------------------------------------------------------|
| A     | namespaces of its own (bubblewrap), system calls filtered, limits, a network for each case        |
| B     | as A, but without /proc, which this host has masked (containers do)                             |
| C     | another account, Landlock, system calls filtered, limits; network and processes are in sight    |
| D     | Landlock, system calls filtered, limits; the program is our own account                         |
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.model.errors import SandboxError
from grader.sandbox import bubblewrap, introspect, landlock, netns, owner, plans, safefs, seccomp, sockdiag
from grader.sandbox.launching import launch_at
from grader.sandbox.plans import Level
from grader.sandbox.policy import Policy

__all__ = ["LOSSES", "PROMISES", "Level", "Probe", "best", "probe_everything"]

_PATIENCE_S = 10.0  # for a program that ends at once
_PROGRAM = ("/bin/sh", "-c", "exit 42")  # a status that nothing gives by chance

PROMISES = {
    Level.A: "namespaces, filtered system calls, limits, and a network for each case",
    Level.B: "namespaces without /proc, filtered system calls, limits, and a network for each case",
    Level.C: "an account of its own, filtered system calls and limits",
    Level.D: "filtered system calls and limits",
}
LOSSES = {
    Level.A: "",
    Level.B: "programs that read /proc fail; leaks of memory cannot be found by sanitizers",
    Level.C: "programs see this host's processes and reach its network; ports are shared with everybody",
    Level.D: "programs run as this account: they see its processes, reach its network, and without a recent "
    "Landlock read its files and may signal its processes",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that was tried: what came of it, and what to do if it should have worked."""

    name: str
    seen: str
    is_fine: bool
    advice: str = ""


@functools.cache
def best() -> Level:
    """Give the best level that works here; the first call in a process takes some milliseconds.

    Raises:
        SandboxError: none does; says what was seen at each.
    """
    seen: list[str] = []
    for level in Level:
        reason = why_not(level)
        if not reason:
            return level
        owner.let_go()  # a keeper that has become who programs are is no good below B
        seen.append(f"level {level}: {reason}")
    raise SandboxError("programs cannot be walled off here: " + "; ".join(seen))


@functools.cache
def why_not(level: Level) -> str:
    """Start a program at a level; gives the empty text, or why that did not work."""
    if level is Level.C and plans.uid() is None:
        return "only root can make accounts of other programs' own"
    try:
        if level.has_namespaces and (reason := netns.prepare_process()):
            return reason
        with _directory(level) as work, launch_at(level, _PROGRAM, Policy(work=work, has_network=False)) as walled:
            ended = walled.wait(_PATIENCE_S)
            said = walled.errors().decode("utf-8", "replace").strip()
    except SandboxError as error:
        return str(error)
    if ended is None or (ended.how, ended.code) != ("exit", 42):
        return f"a program that should exit with 42 ended otherwise: {ended} {said}"
    return ""


def probe_everything() -> list[Probe]:
    """Try everything that the wall stands on, whether or not the best level needs it."""
    return [_try(name, look, advice) for name, (look, advice) in _PROBES.items()]


@contextlib.contextmanager
def _directory(level: Level) -> Iterator[Path | None]:
    """Give a place to work in where there are no mounts of its own."""
    if level.has_namespaces:
        yield None
        return
    path = tempfile.mkdtemp(prefix="sk-")
    try:
        if (uid := plans.uid()) is not None:
            os.chown(path, uid, uid)
        yield Path(path)
    finally:
        safefs.remove_tree(path)


def _try(name: str, look: Callable[[], str], advice: str) -> Probe:
    try:
        return Probe(name, look(), is_fine=True)
    except (OSError, SandboxError) as error:
        return Probe(name, str(error), is_fine=False, advice=advice)


def _bubblewrap() -> str:
    return bubblewrap.find()


def _level(level: Level) -> Callable[[], str]:
    def look() -> str:
        reason = why_not(level)
        if reason and level > best():
            return f"not needed: {reason}"
        if reason:
            raise SandboxError(reason)
        return PROMISES[level]

    return look


def _networks() -> str:
    if reason := netns.prepare_process():
        raise SandboxError(reason)
    times = netns.measure_creation()
    kind = "a fresh one for each case" if netns.is_fresh_cheap() else "one, wiped after each case: fresh ones are slow"
    return f"{kind}; {times[len(times) // 2] * 1000:.2f} ms each"


def _filter() -> str:
    return f"{len(seccomp.program()) // 8} instructions for {os.uname().machine}"


def _sock_diag() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server, sockdiag.SockDiag() as diag:
        if not sockdiag.is_listening(diag, server.getsockname()[1]):
            raise SandboxError("a socket that listens was not seen")
    return "a socket that listens is seen"


def _landlock() -> str:
    if not (version := landlock.version()):
        reason = "this kernel has none, or it is switched off"
        if best().has_namespaces:
            return f"not needed: {reason}"
        raise SandboxError(reason)
    return f"version {version}"


def _paths() -> str:
    with safefs.opened(os.open("/", os.O_PATH | os.O_DIRECTORY)) as root:
        os.close(safefs.open_beneath(root, "proc", os.O_PATH))
    return "links are never followed"


def _asleep() -> str:
    with launch_at(best(), ("/bin/sleep", "1000"), Policy(has_network=False)) as walled:
        while (sight := introspect.look_at_process(walled.pid, walled.pid)).state == "busy":
            walled.attend()
    if sight.state == "unknown":
        raise SandboxError(sight.evidence)
    return "through /proc"


_INSTALL = "install the package bubblewrap, 0.8 or newer"
_ALLOW = (
    "allow unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1, on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0, in a container --security-opt seccomp=unconfined"
)
_PROBES: dict[str, tuple[Callable[[], str], str]] = {
    "bubblewrap": (_bubblewrap, _INSTALL),
    "networks": (_networks, _ALLOW),
    "level A": (_level(Level.A), f"{_INSTALL}; {_ALLOW} --security-opt systempaths=unconfined"),
    "level B": (_level(Level.B), f"{_INSTALL}; {_ALLOW}"),
    "level C": (_level(Level.C), "run as root, if A and B cannot be had"),
    "level D": (_level(Level.D), "use Linux 5.6 or newer"),
    "seccomp": (_filter, "use x86_64 or aarch64"),
    "Landlock": (_landlock, "use Linux 5.13 or newer with landlock among lsm=; only levels C and D stand on it"),
    "sock_diag": (_sock_diag, "use a kernel with CONFIG_INET_DIAG; until then readiness is read from /proc/net"),
    "safe paths": (_paths, "use Linux 5.6 or newer, which has openat2"),
    "seeing programs asleep": (_asleep, "let this account read /proc/PID/syscall of its own: kernel.yama.ptrace_scope"),
}
