"""Hosts that cannot do everything, made out of this one: what is left, and what is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.shell import ROOT

pytestmark = pytest.mark.slow  # interpreters are started

# Enters a user namespace that has some users and allows no further one, as containers do; then looks.
CONTAINER = """
import os, sys
from pathlib import Path
from grader.sandbox.netns import CLONE_NEWUSER, unshare
count = int(sys.argv[1])
if count:
    ready, go = os.pipe(), os.pipe()
    parent = os.getpid()
    if (pid := os.fork()) == 0:
        os.read(ready[0], 1)
        for name, first in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
            if count == 1:
                Path(f"/proc/{parent}/setgroups").write_text("deny")
            Path(f"/proc/{parent}/{name}").write_text(f"0 {first} {count}")
        os.write(go[1], b"x")
        os._exit(0)
    unshare(CLONE_NEWUSER)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.waitpid(pid, 0)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
"""
LOOK = """
import json
from grader.sandbox import levels, netns, wall
from grader.sandbox.policy import Policy
best = levels.best()
if best.has_namespaces:
    netns.enter_fresh_network()
with wall.fresh_directory() as work:
    walled = wall.run(["/bin/sh", "-c", "id -u; kill -PIPE $$"], Policy(work=work), wall_s=20)
print(json.dumps({
    "best": best,
    "why_not": {level: levels.why_not(level) for level in levels.Level},
    "end": walled.ended.name,
    "uid": int(walled.output()),
    "loss": levels.LOSSES[best],
    "probes": [[probe.name, probe.is_fine, probe.advice] for probe in levels.probe_everything()],
}))
"""


def look(*before: str, users: int = 0) -> dict[str, Any]:
    """Look from a process that was started by these words, in a namespace with so many users (0: in none)."""
    command = [*before, sys.executable, "-c", CONTAINER + LOOK, str(users)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_a_host_without_user_namespaces_leaves_level_d() -> None:
    """A program runs all the same, with its losses and the reasons told, and advice for what would be better."""
    seen = look(users=1)

    assert seen["best"] == "D"
    assert "max_*_namespaces exceeded" in seen["why_not"]["A"] + seen["why_not"]["B"]
    assert seen["why_not"]["C"] == "only root can make accounts of other programs' own"
    assert seen["end"] == "SIGPIPE"
    assert "run as this account" in seen["loss"]
    failed = {name: advice for name, is_fine, advice in seen["probes"] if not is_fine}
    assert set(failed) >= {"level A", "level B", "level C"}
    assert "user namespaces" in failed["level A"]


@pytest.mark.skipif(os.geteuid() != 0, reason="LEVEL C IS NOT TESTED: only root has it")
def test_root_without_user_namespaces_has_level_c() -> None:
    """Programs run as somebody else."""
    seen = look(users=70000)

    assert seen["best"] == "C"
    assert seen["end"] == "SIGPIPE"
    assert 61000 <= seen["uid"] < 65000


@pytest.mark.skipif(os.geteuid() != 0, reason="LEVEL B IS NOT TESTED: only root can mask /proc")
def test_a_masked_proc_leaves_level_b() -> None:
    """As in a container: the kernel gives nobody there a /proc that shows more."""
    if not shutil.which("unshare"):
        pytest.skip("LEVEL B IS NOT TESTED: unshare is not installed")
    mask = 'mount -t tmpfs none /proc/fs && exec "$0" "$@"'

    seen = look("unshare", "--mount", "sh", "-c", mask)

    assert seen["best"] == "B"
    assert "Can't mount proc" in seen["why_not"]["A"]
    assert seen["uid"] == 1000
    assert "/proc" in seen["loss"]


def test_a_host_without_bubblewrap_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the package."""
    monkeypatch.setenv("PATH", "/nowhere")

    seen = look()

    assert seen["best"] in {"C", "D"}
    assert seen["why_not"]["A"] == "bwrap was not found on PATH: install the package bubblewrap (0.8 or newer)"
