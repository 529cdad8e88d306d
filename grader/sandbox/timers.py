"""Waits that end by themselves although their call does not say so: time limits of sockets, and timer descriptors.

Source: Linux pidfd_getfd(2), timerfd_create(2); POSIX.1-2024 2.10.16 SO_RCVTIMEO, SO_SNDTIMEO.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterable

from grader.sandbox.holdings import descriptors
from grader.sandbox.introspect import Wait

_PIDFD_GETFD = 438  # on every architecture
_LIMITS = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)
_OF_SOCKETS = frozenset(
    "read readv recvfrom recvmsg recvmmsg accept accept4 connect write writev sendto sendmsg sendmmsg sendfile".split()
)

_libc = ctypes.CDLL(None, use_errno=True)


def has_limit(wait: Wait) -> bool:
    """Say whether a call on a socket waits at most as long as an option of that socket says."""
    if wait.call not in _OF_SOCKETS:
        return False
    with contextlib.suppress(OSError), _copy(wait.process, wait.argument) as copy:
        return any(any(copy.getsockopt(socket.SOL_SOCKET, name, 16)) for name in _LIMITS)
    return False  # no socket, or it has gone: the next look will tell


def has_timer(processes: Iterable[int]) -> bool:
    """Say whether any of these processes has a timer as a descriptor."""
    return any("timerfd" in target for process in processes for target in descriptors(process).values())


def _copy(process: int, descriptor: int) -> socket.socket:
    pidfd = os.pidfd_open(process)
    try:
        copied: int = _libc.syscall(_PIDFD_GETFD, pidfd, descriptor, 0)
    finally:
        os.close(pidfd)
    if copied < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "pidfd_getfd")
    try:
        return socket.socket(fileno=copied)
    except OSError:
        os.close(copied)
        raise
