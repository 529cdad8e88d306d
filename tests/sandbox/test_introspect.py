"""Looking at threads through /proc: asleep or not, with or without an end, and how much CPU they used."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from grader.sandbox.introspect import Sight, cpu_seconds, look_at_process, look_at_thread


@pytest.fixture
def asleep() -> Iterator[int]:
    """Give the number of a thread of this process that waits for a byte."""
    here, there = socket.socketpair()
    numbers: list[int] = []
    started = threading.Event()

    def wait() -> None:
        numbers.append(threading.get_native_id())
        started.set()
        here.recv(1)

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    yield numbers[0]
    there.send(b"x")
    thread.join()
    here.close()
    there.close()


@pytest.fixture
def program() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Collect processes that are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)  # what it has forked too
        process.communicate()


def start(program: list[subprocess.Popen[bytes]], text: str) -> int:
    """Start Python with this text, wait until it has printed a line, and give its number."""
    process = subprocess.Popen([sys.executable, "-I", "-c", text], stdout=subprocess.PIPE, start_new_session=True)
    program.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    return process.pid


def look_until_blocked(pid: int) -> Sight:
    """Look at the first thread of a process until it is blocked."""
    for _ in range(100_000):
        if (sight := look_at_process(pid, pid)).state == "blocked":
            return sight
    raise AssertionError(sight)


def test_a_thread_that_waits_is_blocked(asleep: int) -> None:
    """One thread is seen asleep in its call, while this one runs."""
    while (sight := look_at_thread(os.getpid(), asleep)).state != "blocked":
        assert sight.state == "busy"

    assert sight.call == "recvfrom"
    assert f"thread {asleep} asleep in recvfrom" in sight.evidence
    assert not sight.timed


def test_who_looks_is_running(asleep: int) -> None:
    """A process with a thread that runs is never blocked as a whole."""
    assert look_at_thread(os.getpid(), threading.get_native_id()).state == "busy"
    assert {look_at_process(os.getpid(), asleep).state for _ in range(50)} == {"busy"}


@pytest.mark.parametrize(
    ("text", "call", "timed"),
    [
        ("import os; print(flush=True); os.read(os.pipe()[0], 1)", "read", False),
        ("import time; print(flush=True); time.sleep(900)", "clock_nanosleep", True),
        ("import select; print(flush=True); select.poll().poll(900_000)", "poll", True),
        ("import select; print(flush=True); select.poll().poll()", "poll", False),
        ("import select; print(flush=True); select.select([], [], [], 900)", "select", True),
        ("import select; e = select.epoll(); print(flush=True); e.poll()", "epoll_wait", False),
        (
            "import threading; print(flush=True); threading.Lock().acquire() or 1; threading.Event().wait()",
            "futex",
            False,
        ),
        ("import threading; print(flush=True); threading.Event().wait(900)", "futex", True),
        ("import signal, time; signal.signal(14, print); print(flush=True); signal.pause()", "pause", True),
    ],
)
def test_a_wait_is_known_by_its_call_and_its_end(
    program: list[subprocess.Popen[bytes]],
    text: str,
    call: str,
    timed: bool,  # noqa: FBT001 - a fact
) -> None:
    """A time-out, a timer's signal: such waits end by themselves."""
    sight = look_until_blocked(start(program, text))

    assert sight.timed is timed
    assert call in {sight.call, sight.call.removeprefix("p").removesuffix("6")} or sight.call == f"p{call}"


def test_a_busy_child_keeps_its_parent_from_being_blocked(program: list[subprocess.Popen[bytes]]) -> None:
    """Every process that came from it counts, and their CPU time adds up."""
    text = "import os\nif os.fork() == 0:\n  while True: pass\nprint(flush=True); os.read(os.pipe()[0], 1)"
    pid = start(program, text)

    while cpu_seconds(pid) < 0.1:
        assert look_at_process(pid, pid).state == "busy"


def test_what_is_gone_is_not_blocked() -> None:
    """A process that has ended used no CPU and waits for nothing."""
    gone = subprocess.Popen(["true"])
    gone.wait()

    assert look_at_process(gone.pid, gone.pid).state == "busy"
    assert cpu_seconds(gone.pid) == 0.0
