"""Waits that end by themselves are known, though their call does not say so; and what processes hold is counted."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grader.sandbox import holdings, timers
from grader.sandbox.introspect import Wait

_libc = ctypes.CDLL(None, use_errno=True)


def waiting(descriptor: int, call: str = "recvfrom") -> Wait:
    """Give a wait of this process on a descriptor."""
    return Wait(os.getpid(), threading.get_native_id(), call, descriptor, timed=False)


@contextmanager
def timer() -> Iterator[int]:
    """Make a timer that is a descriptor."""
    descriptor = _libc.timerfd_create(1, 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("option", [socket.SO_RCVTIMEO, socket.SO_SNDTIMEO])
def test_a_socket_with_a_time_limit_is_known(option: int) -> None:
    """The option is read from a copy of the other process's descriptor."""
    with socket.socket() as sock:
        assert not timers.has_limit(waiting(sock.fileno()))

        sock.setsockopt(socket.SOL_SOCKET, option, (1).to_bytes(8, sys.byteorder) + bytes(8))

        assert timers.has_limit(waiting(sock.fileno()))


def test_what_is_no_socket_has_no_limit() -> None:
    """A pipe, a descriptor that is not open and a call on no descriptor are left alone."""
    reader, writer = os.pipe()

    found = [timers.has_limit(one) for one in (waiting(reader, "read"), waiting(999), waiting(reader, "futex"))]
    for descriptor in (reader, writer):
        os.close(descriptor)

    assert found == [False, False, False]


def test_a_timer_is_found_among_descriptors() -> None:
    """A program that holds one may be woken by it."""
    before = timers.has_timer([os.getpid()])
    with timer():
        during = timers.has_timer([os.getpid()])

    assert (before, during) == (False, True)


def test_a_process_is_alive_then_a_zombie_then_gone() -> None:
    """One that has ended has no threads and no descriptors, and is a zombie until it is waited for."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        assert (holdings.threads(child.pid), holdings.is_zombie(child.pid)) == (1, False)

        assert child.stdin is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert (holdings.threads(child.pid), holdings.is_zombie(child.pid)) == (0, True)
        assert holdings.descriptors(child.pid) == {}
    assert not holdings.is_zombie(child.pid)


def test_descriptors_are_told_by_what_they_are_of() -> None:
    """A socket is shown with its number, as the kernel names it."""
    with socket.socket() as sock:
        assert holdings.descriptors(os.getpid())[sock.fileno()].startswith("socket:[")
