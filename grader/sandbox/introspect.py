"""Says whether a thread is asleep in a call, by reading /proc; the thread is not disturbed.

Two scans of every thread with equal switch counters, all asleep in a system call, prove that there was a
moment at which all of them slept: had one run in between, its counter would have moved. For sockets of the
kernel the scan of one thread is enough; for sockets that student code builds itself, every thread of every
process counts, because any of them may be about to wake the caller.

Source: Linux proc_pid_syscall(5), proc_pid_status(5), proc_pid_stat(5).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

# call: its number. Calls that can sleep; others are shown by number.
_CALLS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "read": 0, "write": 1, "poll": 7, "readv": 19, "writev": 20, "select": 23, "nanosleep": 35, "sendfile": 40,
        "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "wait4": 61,
        "fcntl": 72, "flock": 73, "rt_sigtimedwait": 128, "futex": 202, "clock_nanosleep": 230, "epoll_wait": 232,
        "waitid": 247, "pselect6": 270, "ppoll": 271, "splice": 275, "epoll_pwait": 281, "accept4": 288,
        "recvmmsg": 299, "sendmmsg": 307, "epoll_pwait2": 441, "futex_waitv": 449, "futex_wait": 455,
        "pause": 34, "rt_sigsuspend": 130,
    },
    "aarch64": {
        "epoll_pwait": 22, "fcntl": 25, "flock": 32, "read": 63, "write": 64, "readv": 65, "writev": 66,
        "sendfile": 71, "pselect6": 72, "ppoll": 73, "splice": 76, "waitid": 95, "futex": 98, "nanosleep": 101,
        "clock_nanosleep": 115, "rt_sigtimedwait": 137, "accept": 202, "connect": 203, "sendto": 206,
        "recvfrom": 207, "sendmsg": 211, "recvmsg": 212, "accept4": 242, "recvmmsg": 243, "wait4": 260,
        "sendmmsg": 269, "epoll_pwait2": 441, "futex_waitv": 449, "futex_wait": 455, "rt_sigsuspend": 133,
    },
}  # fmt: skip
_NAMES = {number: name for name, number in _CALLS.get(os.uname().machine, {}).items()}


def _always(_: int) -> bool:
    return True


def _milliseconds(argument: int) -> bool:
    """Whether a time-out in milliseconds is one: the kernel takes an int, and less than 0 is for ever."""
    return argument & 0xFFFFFFFF < 1 << 31


# call: which argument ends the wait, and how to tell that it does; a pointer does unless it is null
_TIMEOUTS: Mapping[str, tuple[int, Callable[[int], bool]]] = {
    "poll": (2, _milliseconds),
    "epoll_wait": (3, _milliseconds),
    "epoll_pwait": (3, _milliseconds),
    "nanosleep": (0, _always),
    "clock_nanosleep": (0, _always),
    **{name: (index, bool) for name, index in (("ppoll", 2), ("rt_sigtimedwait", 2))},
    **dict.fromkeys(("futex", "futex_waitv", "epoll_pwait2"), (3, bool)),
    **dict.fromkeys(("select", "pselect6", "recvmmsg", "futex_wait"), (4, bool)),
}
# Signals that end a wait without anybody's doing: a handler for one means that a timer may be armed.
# Source: signal(7): SIGALRM, SIGVTALRM, SIGPROF, SIGIO, by bit of SigCgt.
_TIMER_SIGNALS = sum(1 << number - 1 for number in (14, 26, 27, 29))


@dataclass(frozen=True, slots=True)
class Sight:
    """What a thread was seen doing.

    `state` is `blocked`, `busy`, or `unknown` where /proc does not say. `timed` means that a wait ends by
    itself, so being blocked now does not mean staying so. `call` is what a blocked thread sleeps in.
    """

    state: str
    evidence: str = ""
    timed: bool = False
    call: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """A thread asleep in a call; `argument` is its first one, for most calls the descriptor."""

    process: int
    thread: int
    call: str
    argument: int
    timed: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """What all threads of several processes were seen doing.

    `state` is `blocked` if there was a moment at which all of them slept in `waits`, `busy` or `unknown`.
    """

    state: str
    waits: tuple[Wait, ...] = ()

    @property
    def is_for_good(self) -> bool:
        """Whether all of them sleep and no wait ends by itself."""
        return self.state == "blocked" and not any(wait.timed for wait in self.waits)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One thread asleep in a system call. Two equal snapshots mean that it has not run in between."""

    switches: int
    call: int
    arguments: tuple[int, ...]

    @property
    def name(self) -> str:
        return _NAMES.get(self.call, "a system call")

    @property
    def timed(self) -> bool:
        """Whether the wait ends by itself; one that is not known may, such as restart_syscall after a stop signal."""
        if self.call not in _NAMES:
            return True
        index, ends = _TIMEOUTS.get(self.name, (0, None))
        return ends is not None and ends(self.arguments[index])


def look_at_thread(pid: int, tid: int) -> Sight:
    """Look at one thread alone: enough where its call is one of the kernel's."""
    return _look(tid, lambda: [(pid, tid)], "the thread did not run between two looks")


def look_at_process(pid: int, tid: int) -> Sight:
    """Look at a thread and at every thread of its process and of the processes that came from it."""
    return _look(tid, lambda: _every_thread(pid), "nothing in the process ran between two looks", timers_of=pid)


def look_at_all(processes: Iterable[int]) -> Rest:
    """Look at every thread of these processes; those that have ended, and zombies, do not matter."""
    processes = list(processes)
    try:
        threads = [(process, tid) for process in processes if _is_alive(process) for tid in _tasks(process)]
        first, second = _scan(threads), _scan(threads)
        has_timer = any(_may_have_timer(process) for process in {process for process, _ in threads})
    except PermissionError:
        return Rest("unknown")
    except (FileNotFoundError, ProcessLookupError):
        return Rest("busy")
    if first != second or None in second.values():
        return Rest("busy")
    waits = tuple(
        Wait(process, tid, seen.name, seen.arguments[0], seen.timed or has_timer)
        for process, tid in threads
        if (seen := second[tid]) is not None
    )
    return Rest("blocked", waits)


def network_is_quiet(folder: str) -> bool:
    """Say whether no TCP socket of a network has anything under way that may still wake a call.

    Args:
        folder: `/proc/PID/net` of a process in that network, or `/proc/thread-self/net`.

    Source: Linux proc_pid_net(5): column `st` (02 and 03 are handshakes), `tr` (01 sends again, 04 asks whether
    a closed window has opened).
    """
    rows = (row.split() for name in ("tcp", "tcp6") for row in _rows(f"{folder}/{name}"))
    return not any(row[3] in _HANDSHAKES or row[5][:2] in _RETRIES for row in rows)


_HANDSHAKES = frozenset({"02", "03"})
_RETRIES = frozenset({"01", "04"})


def _rows(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as table:
            return table.read().splitlines()[1:]
    except FileNotFoundError:  # a kernel without that protocol
        return []


def cpu_seconds(pid: int) -> float:
    """Give the CPU time that a process and those that came from it have used, in seconds."""
    ticks = sum(sum(map(int, _stat_fields(process)[11:13])) for process in _tree(pid))
    return ticks / os.sysconf("SC_CLK_TCK")


def _look(tid: int, threads: Callable[[], list[tuple[int, int]]], quiet: str, *, timers_of: int = 0) -> Sight:
    try:
        first, second = _scan(threads()), _scan(threads())
        has_timer = bool(timers_of) and _may_have_timer(timers_of)
    except PermissionError:
        return Sight("unknown", "this host does not let us see what the process is doing")
    except (FileNotFoundError, ProcessLookupError):
        return Sight("busy", f"thread {tid}, or another of its process, came or went while we looked")
    mine = second.get(tid)
    if mine is None:
        return Sight("busy", f"thread {tid} is running")
    if first != second or None in second.values():
        return Sight("busy", f"thread {tid} is asleep in {mine.name} (system call {mine.call}), but others run")
    timed = [number for number, thread in second.items() if thread is not None and thread.timed]
    evidence = f"thread {tid} asleep in {mine.name} (system call {mine.call}), {quiet}"
    if has_timer:
        return Sight("blocked", f"{evidence}; the process handles a timer's signal", timed=True, call=mine.name)
    if timed:
        return Sight("blocked", f"{evidence}; the wait of thread {timed[0]} ends by itself", timed=True, call=mine.name)
    return Sight("blocked", evidence, call=mine.name)


def _scan(threads: Iterable[tuple[int, int]]) -> dict[int, _Snapshot | None]:
    return {tid: _snapshot(f"/proc/{pid}/task/{tid}") for pid, tid in threads}


def _snapshot(folder: str) -> _Snapshot | None:
    """Give what a thread sleeps in, or None if it runs, is about to, or sleeps outside of a call."""
    switches = _switches(_read(f"{folder}/status"))
    words = _read(f"{folder}/syscall").split()
    # `running`, or -1 for a thread that sleeps on a page; numbers only if it stayed off the CPU meanwhile.
    if not words[0].isdigit() or _state(_read(f"{folder}/stat")) != "S":
        return None
    return _Snapshot(switches, int(words[0]), tuple(int(word, 16) for word in words[1:7]))


def _switches(status: str) -> int:
    return sum(int(line.split()[1]) for line in status.splitlines() if "voluntary_ctxt_switches:" in line)


def _state(stat: str) -> str:
    return stat.rpartition(")")[2].split()[0]


def _every_thread(pid: int) -> list[tuple[int, int]]:
    return [(process, tid) for process in _tree(pid) for tid in _tasks(process)]


def _is_alive(pid: int) -> bool:
    try:
        return _state(_read(f"/proc/{pid}/stat")) not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _tasks(pid: int) -> list[int]:
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def _tree(pid: int) -> list[int]:
    """Give the process and all that came from it, without those that have ended."""
    found, left = [], [pid]
    while left:
        process = left.pop()
        try:
            if _state(_read(f"/proc/{process}/stat")) == "Z":
                continue
            found.append(process)
            left += [child for tid in _tasks(process) for child in _children(process, tid)]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _children(pid: int, tid: int) -> list[int]:
    try:
        return [int(child) for child in _read(f"/proc/{pid}/task/{tid}/children").split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN: the process alone is seen
        return []


def _may_have_timer(pid: int) -> bool:
    caught = next(line for line in _read(f"/proc/{pid}/status").splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & _TIMER_SIGNALS)


def _stat_fields(pid: int) -> list[str]:
    """Give the fields of stat from the third on; empty-handed if the process has ended."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 13


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 13).decode("ascii", "replace")
    finally:
        os.close(descriptor)
