"""What a user has: the two doors as programs, and a folder with scenarios in it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBMISSIONS = "fixtures/submissions"
_BIN = Path(sys.executable).parent
_CLONE_NEWNET = 0x40000000

HEAD = """\
format: 1
suite: api/t
spec: ["POSIX.1-2024 accept()"]
scenarios:
"""
# Scenarios by id: what each comes to on the host is in its name.
PASSES = """\
  - id: passes
    title: a socket can be made
    why: nothing works without one
    claims: [lecture.descriptor]
    vars: {domain: inet, type: stream}
    steps:
      - socket: {as: c}
"""
FAILS = """\
  - id: fails
    title: a receive gives what nobody has sent
    why: a wrong fact makes a failure
    level: extended
    vars: {domain: inet, type: stream}
    steps:
      - socket: {as: c}
      - recv: {sock: c, size: 1}
        expect: {data: x}
        mistakes:
          - {got: {errno: ENOTCONN}, hint: nobody is connected}
"""
WAITS = """\
  - id: waits
    title: accept returns with nobody coming
    why: a wrong fact makes a call that never ends
    vars: {domain: inet, type: stream}
    steps:
      - socket: {as: lst}
      - bind: {sock: lst, addr: $srv}
      - listen: {sock: lst, backlog: 1}
      - accept: {sock: lst, as: s}
        within: 50ms
"""
NEEDS = """\
  - id: needs
    title: a program can be run
    why: the host is no program
    needs: [programs]
    vars: {domain: inet, type: stream}
    steps:
      - socket: {as: c}
"""
BAD = HEAD + PASSES.replace("socket:", "sokcet:")


def sockgrade(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command line and wait for its end."""
    return _run(_BIN / "sockgrade", *arguments, cwd=cwd)


def pytest(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user of the scenarios does, from the repository or with the plugin named."""
    plugin = () if cwd == ROOT else ("-p", "grader.pytest_plugin")
    return _run(_BIN / "pytest", "-p", "no:cacheprovider", *plugin, *arguments, cwd=cwd)


def python(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this text; its coverage is not measured, which would load half of the standard library."""
    return _run(sys.executable, "-c", text, *arguments, cwd=ROOT, without=("PYTEST", "COVERAGE"))


def _run(*command: str | Path, cwd: Path, without: tuple[str, ...] = ("PYTEST",)) -> subprocess.CompletedProcess[str]:
    # A worker of xdist names itself in the environment, and options of ours are not meant for the inner pytest.
    env = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def write(folder: Path, *scenarios: str, name: str = "t.yaml") -> Path:
    """Write scenarios into a folder of suites and give the file."""
    path = folder / "suites" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + "".join(scenarios))
    return path


@contextmanager
def same_network() -> Iterator[None]:
    """Bring this thread back into the network it was in, which a target on this thread leaves."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        yield
        libc.setns(before.fileno(), _CLONE_NEWNET)  # a plain user in a user namespace cannot go back, and stays
