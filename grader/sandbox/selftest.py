"""Whether the wall holds, tried with programs of ours before the first of a student's; takes a tenth of a second.

What is promised differs by level: without namespaces a program sees this host's processes and its network.
"""

from __future__ import annotations

import functools
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.model.errors import SandboxError
from grader.model.outcomes import Ended
from grader.sandbox import levels, netns, wall
from grader.sandbox.levels import Level, Probe
from grader.sandbox.policy import Limits, Policy

_PATIENCE_S = 10.0
_EVERYWHERE = frozenset(Level)
_BEHIND_NAMESPACES = frozenset({Level.A, Level.B})
_ADVICE = "do not grade untrusted programs here; report this with the output of sockgrade doctor"
_PROCESSES = 8

# Runs inside. Everything it tries must fail; it says how. 40 is AF_VSOCK, 425 io_uring_setup, 4 PR_SET_DUMPABLE.
_ATTEMPTS = """
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def how(call, *arguments):
    try:
        answer = call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return errno.errorcode.get(ctypes.get_errno(), "?") if answer == -1 else "worked"
def leave(address):
    with socket.socket() as sock:
        sock.settimeout(1)
        sock.connect(address)
print(json.dumps({
    "vsock": how(socket.socket, 40, socket.SOCK_STREAM),
    "io_uring": how(libc.syscall, 425, 1, None),
    "dumpable": how(libc.prctl, 4, 0, 0, 0, 0),
    "namespace": how(libc.unshare, 0x10000000),
    "outside": how(leave, ("1.1.1.1", 80)),
    "harness": how(os.kill, int(sys.argv[1]), 0),
    "pid": os.getpid(),
    "files": sorted(path for path in sys.argv[2:] if os.path.exists(path)),
}))
"""
_EXPECTED: Mapping[str, tuple[str, frozenset[Level], str]] = {
    "vsock": ("EAFNOSUPPORT", _EVERYWHERE, "other address families are refused"),
    "io_uring": ("ENOSYS", _EVERYWHERE, "io_uring is refused"),
    "dumpable": ("EPERM", _EVERYWHERE, "a program cannot hide from /proc"),
    "namespace": ("EPERM", _EVERYWHERE, "new namespaces are refused"),
    "outside": ("ENETUNREACH", _BEHIND_NAMESPACES, "there is no way out of the network"),
    "harness": ("ESRCH", _BEHIND_NAMESPACES, "the harness cannot be seen"),
}


@dataclass(frozen=True, slots=True)
class _Interpreter:
    """A Python that can be run behind the wall: its path, and what must be readable for it."""

    path: str
    read_only: Mapping[str, Path]


def insist() -> None:
    """Try the wall once per process.

    Raises:
        SandboxError: it does not hold; says where.
    """
    holes = [f"{probe.name}: {probe.seen}" for probe in check() if not probe.is_fine]
    if holes:
        raise SandboxError(f"the wall does not hold here: {'; '.join(holes)}; {_ADVICE}")


@functools.cache
def check() -> tuple[Probe, ...]:
    """Try the wall at the best level of this host; one probe for each promise."""
    level = levels.best()
    return (_sigpipe(), _fork_limit(), *_in_a_network(level, lambda: _attempts(level)))


def _in_a_network(level: Level, attempt: Callable[[], list[Probe]]) -> list[Probe]:
    """Make an attempt in a fresh network where there are such, as for a case; this thread stays where it is."""
    probes: list[Probe] = []

    def work() -> None:
        try:
            if level.has_namespaces:
                netns.enter_fresh_network()
            probes.extend(attempt())
        except SandboxError as error:
            probes.append(Probe("attempts to break out", str(error), is_fine=False, advice=_ADVICE))

    thread = threading.Thread(target=work, name="wall-test")
    thread.start()
    thread.join()
    return probes


def _sigpipe() -> Probe:
    """As the first process of a namespace, or with an inherited SIG_IGN, it would go on."""
    ended, said = _run(["/bin/sh", "-c", "kill -PIPE $$; echo it goes on"], Limits())
    return _probe("SIGPIPE kills", f"{ended.name or ended.code} {said}".strip(), "SIGPIPE")


def _fork_limit() -> Probe:
    """Root's processes are not counted, so a program that is root would get all."""
    script = f"for i in $(seq {4 * _PROCESSES}); do sleep 1000 & echo $i; done"
    ended, said = _run(["/bin/sh", "-c", script], Limits(processes=_PROCESSES))
    count = sum(word.isdigit() for word in said.splitlines())
    seen = f"after {count}, then exit {ended.code}"
    return _probe("the limit of processes bites", seen, seen if count < 4 * _PROCESSES else "fewer")


def _attempts(level: Level) -> list[Probe]:
    interpreter = _interpreter()
    if interpreter is None:
        reason = "not tried: no Python can be read by the account that programs have here"
        return [Probe(text, reason, is_fine=True) for _, _, text in _EXPECTED.values()]
    arguments = [interpreter.path, "-I", "-S", "-c", _ATTEMPTS, str(os.getpid()), str(Path.home())]
    ended, said = _run(arguments, Limits(), interpreter.read_only)
    try:
        seen: dict[str, Any] = json.loads(said)
    except ValueError:
        return [Probe("attempts to break out", f"{ended}: {said}", is_fine=False, advice=_ADVICE)]
    return [_probe(text, seen[key], expected) for key, (expected, where, text) in _EXPECTED.items() if level in where]


def _run(argv: list[str], limits: Limits, read_only: Mapping[str, Path] | None = None) -> tuple[Ended, str]:
    with wall.fresh_directory() as work:
        policy = Policy(work=work, limits=limits, read_only=read_only or {}, has_network=netns.is_own())
        walled = wall.run(argv, policy, wall_s=_PATIENCE_S, merged=True)
    return walled.ended or Ended("killed"), walled.output().decode("utf-8", "replace").strip()


def _probe(name: str, seen: str, expected: str) -> Probe:
    return Probe(name, seen, seen == expected, "" if seen == expected else _ADVICE)


def _interpreter() -> _Interpreter | None:
    """Give our own Python if programs can read it, else the system's."""
    own = os.path.realpath(sys.executable)
    if own.startswith("/usr/"):
        return _Interpreter(own, {})
    prefix = Path(sys.base_prefix)
    if os.geteuid() != 0 or _is_open_to_all(prefix):
        return _Interpreter(own, {str(prefix): prefix})
    return _Interpreter("/usr/bin/python3", {}) if os.access("/usr/bin/python3", os.X_OK) else None


def _is_open_to_all(path: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))
