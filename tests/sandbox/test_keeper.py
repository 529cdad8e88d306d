"""Nothing of a program outlives its owner, whenever and however that ends."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.model.errors import SandboxError
from grader.sandbox import owner, reaping, wall
from grader.sandbox.policy import Policy
from tests.sandbox.conftest import is_gone
from tests.sandbox.tricks import HANG_S, start
from tests.shell import ROOT

pytestmark = pytest.mark.usefixtures("level_a", "network")

# Starts programs one after the other, in directories of their own, and says so once the first runs.
OWNER = """
import sys
import time
from pathlib import Path
from grader.sandbox import netns, owner, wall
from grader.sandbox.levels import Level, best
from grader.sandbox.policy import Policy
best()
print(owner.keeper().pid, flush=True)
while True:
    netns.enter_fresh_network()
    with wall.fresh_directory("{prefix}") as work:
        argv = ["/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & wait", "{prefix}"]
        walled = wall.launch(argv, Policy(work=work))
        if "{how}" == "waiting":
            print("running", flush=True)
            walled.wait(1000)
        walled.close()
"""


def own(prefix: str, how: str) -> tuple[subprocess.Popen[str], int]:
    """Start an owner; gives it and the number of its keeper."""
    command = [sys.executable, "-c", OWNER.format(prefix=prefix, how=how)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def left_over(prefix: str) -> list[str]:
    """Give what is left of an owner's programs: command lines and directories."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in lines if prefix in line and "grader.sandbox" not in line] + [
        str(path) for folder in ("/dev/shm", "/tmp") for path in Path(folder).glob(f"{prefix}*")
    ]


def wait_for_end(process: int) -> None:
    """Wait until a process that may be nobody's child has ended."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process)
        select.select([descriptor], [], [], HANG_S)
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_owner_that_is_killed_leaves_nothing(number: signal.Signals) -> None:
    """Its keeper sees it end, kills the programs, removes the directories and ends too."""
    prefix = f"sk-{os.getpid()}-{number.name}-"
    process, keeper = own(prefix, "waiting")
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        assert left_over(prefix)
        process.send_signal(number)
        process.wait()

    wait_for_end(keeper)
    assert left_over(prefix) == []


@pytest.mark.slow
def test_an_owner_that_is_killed_at_any_moment_leaves_nothing() -> None:
    """While a program is started, runs or is killed: at moments that chance gives, with a seed that is printed."""
    seed = random.randrange(1 << 32)
    print("seed", seed)  # noqa: T201 - shown if the test fails
    chance = random.Random(seed)
    prefix = f"sk-{os.getpid()}-any-"
    for _ in range(12):
        process, keeper = own(prefix, "restless")
        with process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, 0.05))
            process.kill()
        wait_for_end(keeper)

    assert left_over(prefix) == []


def test_a_keeper_that_is_killed_takes_its_programs_along(programs: Path) -> None:
    """The owner is told, and gets another one."""
    with start(programs, "ignore") as walled:
        kept = owner.keeper()
        os.kill(kept.pid, signal.SIGKILL)
        wait_for_end(walled.init)

        assert is_gone(walled.pid)
        with pytest.raises(SandboxError, match="the keeper of the programs has ended"):
            walled.wait(HANG_S)

    assert wall.run(["/bin/true"], Policy(), wall_s=HANG_S).ended is not None
    assert owner.keeper() is not kept


def test_a_child_of_the_owner_has_a_keeper_of_its_own() -> None:
    """What is forked from us does not speak for us."""
    first = owner.keeper().pid
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writer, str(owner.keeper().pid).encode())
        owner.keeper().close()
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    second = int(os.read(reader, 100))
    os.close(reader)

    assert second != first
    assert is_gone(second)
    assert owner.keeper().pid == first


def test_descriptors_are_not_left_open(programs: Path) -> None:
    """Neither here nor in the keeper, whatever happens."""
    keeper = owner.keeper().pid

    def count() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{keeper}/fd").iterdir()))

    def play() -> None:
        for trick in ("sleep", "nothing", "flood"):
            with start(programs, trick) as walled:
                walled.wait(0.01)
        with pytest.raises(SandboxError):
            wall.launch(["/bin/true"], Policy(work=Path("/nowhere")))

    play()
    before = count()
    play()

    deadline = time.monotonic() + HANG_S
    while any(now > then for now, then in zip(count(), before, strict=True)):  # the keeper closes the last later
        assert time.monotonic() < deadline, (count(), before)


def test_a_sweep_leaves_nobody() -> None:
    """Neither who has made a session of his own nor who ignores signals; this process is left as it was."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if os.fork() == 0:
            _be_swept(theirs)
        while (said := ours.recv(100)) == b"":
            pass

    process, *orphans = map(int, said.split())
    wait_for_end(process)
    os.waitpid(process, 0)
    assert all(map(is_gone, orphans))


def _be_swept(told: socket.socket) -> None:
    """Become a subreaper with deaf grandchildren in sessions of their own, sweep, and say who they were."""
    reaping.adopt_orphans()
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() != 0:
                os._exit(0)
            signal.pause()
    found = reaping.descendants(os.getpid())
    reaping.sweep()
    told.send(" ".join(map(str, [os.getpid(), *found])).encode())
    os._exit(0 if not reaping.descendants(os.getpid()) else 1)
