"""Starting what stands above a program, from inside the keeper.

bubblewrap is spawned without a copy of the keeper's memory, which a fork would make; the keeper itself goes where
it shall be, into the owner's network and out of root's shoes. On hosts without namespaces a child of the keeper
stays as the monitor, above a program that walls itself off as well as it can.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import struct
from typing import Any, Never

from grader.sandbox import landlock, reaping

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 8, 22, 38
_CAPABILITY_VERSION_3 = 0x20080522
_SECCOMP_MODE_FILTER = 2
_ASIDE = 300  # where descriptors wait before they get their numbers: above every number that a plan may name
_CANNOT_START = 127  # as shells say it
CANNOT_START = "sockgrade: "  # so begins what is said on the program's standard error if it cannot be executed

# Nobody can change the first two.
_OF_THE_LIBRARY = {signal.SIGKILL, signal.SIGSTOP, 32, 33}
_libc = ctypes.CDLL(None, use_errno=True)


def start(plan: dict[str, Any], descriptors: list[int], *, status: int, gate: int) -> int:
    """Start what stands above a program, with these ends of the keeper's pipes; gives the child's number.

    Raises:
        OSError: it cannot be started.
    """
    enter_network(descriptors[plan["network"]])
    if plan["kind"] == "bare":
        pid = os.fork()
        if pid == 0:
            _monitor(plan, descriptors, status, gate)
        return pid
    shed_root(plan["uid"])
    numbers = {int(number): descriptors[index] for number, index in plan["fds"].items()}
    numbers |= {plan["status"]: status, plan["gate"]: gate}
    aside = _aside(numbers)
    moves = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in aside.items()]
    try:
        signals = signal.valid_signals() - _OF_THE_LIBRARY
        return os.posix_spawn(
            plan["argv"][0], plan["argv"], plan["env"], file_actions=moves, setsigdef=signals, setsigmask=()
        )
    finally:
        for descriptor in aside.values():
            os.close(descriptor)


def enter_network(descriptor: int) -> None:
    """Move this process into a network."""
    if not os.path.samestat(os.fstat(descriptor), os.stat("/proc/self/ns/net")):  # a plain user may not, nor need
        _check(_libc.setns(descriptor, _CLONE_NEWNET), "setns")


def shed_root(uid: int | None) -> None:
    """Become another user for good, but keep what root may do: programs of ours inherit the user alone.

    Above a namespace of processes only. Elsewhere a program of the same user could kill this process.
    """
    if uid is None or os.getuid() == uid:
        return
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        kept = int(next(line for line in file if line.startswith("CapPrm:")).split()[1], 16)
    _prctl(_PR_SET_KEEPCAPS, 1)
    _give_up_root(uid)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    _check(_libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)), "capset")


def set_limit(pid: int, number: int, limit: int) -> None:
    """Set a resource limit of a process, for good; never above what it has.

    Raises:
        OSError: there is no such process, or it is not ours.
    """
    _, hard = resource.prlimit(pid, number)
    most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    # One second more for CPU, so that the soft limit's SIGXCPU names the reason before SIGKILL does not.
    spare = number == resource.RLIMIT_CPU and most != hard
    resource.prlimit(pid, number, (most, most + spare))


def read_whole(descriptor: int) -> bytes:
    """Give everything that a file in memory holds."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _aside(numbers: dict[int, int]) -> dict[int, int]:
    """Copy descriptors to where none of their future numbers lie."""
    return {number: fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for number, descriptor in numbers.items()}


def _monitor(plan: dict[str, Any], descriptors: list[int], status: int, gate: int) -> Never:
    """Stand above a program without namespaces: start it, wait for it, leave nothing of it."""
    code = _CANNOT_START
    try:
        reaping.adopt_orphans()
        keeper = os.getppid()
        pid = os.fork()
        if pid == 0:
            _become_program(plan, descriptors, gate)
        status = fcntl.fcntl(status, fcntl.F_DUPFD_CLOEXEC, _ASIDE)
        os.closerange(3, _ASIDE)  # the keeper's own: who waits for the end of one must not wait for us
        signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != keeper:
            os.kill(pid, signal.SIGKILL)
        _tell(status, {"child-pid": os.getpid(), "main": pid})
        while (ended := os.waitpid(-1, 0))[0] != pid:
            pass
        reaping.sweep()
        _tell(status, {"status": ended[1]})
        code = 0
    finally:
        os._exit(code)


def _become_program(plan: dict[str, Any], descriptors: list[int], gate: int) -> Never:
    try:
        os.setsid()
        os.read(gate, 1)
        os.chdir(plan["cwd"])
        program = read_whole(descriptors[plan["filter"]])
        _place({int(number): descriptors[index] for number, index in plan["fds"].items()})
        for number, limit in plan["own_limits"]:
            set_limit(os.getpid(), number, limit)
        _give_up_root(plan["uid"])
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict(plan["readable"], plan["writable"], plan["devices"])
        _reset_signals()
        _filter(program)
        os.execve(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606 - no shell is the point
    except BaseException as error:  # noqa: BLE001 - nothing may run on as a second monitor
        os.write(2, f"{CANNOT_START}{plan['argv'][0]}: {getattr(error, 'strerror', None) or error}\n".encode())
    finally:
        os._exit(_CANNOT_START)


def _give_up_root(uid: int | None) -> None:
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def _place(numbers: dict[int, int]) -> None:
    """Give descriptors their numbers; what else is below them was the keeper's, what is above is closed by exec."""
    aside = _aside(numbers)
    os.closerange(3, _ASIDE)
    for number, descriptor in aside.items():
        os.dup2(descriptor, number)


def _reset_signals() -> None:
    """Give every signal back its default: Python ignores SIGPIPE, and that would be inherited."""
    for number in signal.valid_signals() - _OF_THE_LIBRARY:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _filter(program: bytes) -> None:
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(described))


def _prctl(option: int, value: int, pointer: ctypes.c_char_p | None = None) -> None:
    none = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(value), pointer or none, none, none), "prctl")


def _check(answer: int, call: str) -> None:
    if answer != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), call)


def _tell(status: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the keeper is gone
        os.write(status, json.dumps(message).encode() + b"\n")
