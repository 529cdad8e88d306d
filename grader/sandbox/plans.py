"""How a program is started at each level, as a plan for the keeper: numbers, paths and descriptors.

A plan is JSON beside a list of descriptors; where it speaks of one, it gives its place in that list.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.model.errors import InternalError
from grader.sandbox import bubblewrap, seccomp
from grader.sandbox.policy import Limits, Policy

_FIRST_UID, _UIDS = 61000, 4000  # belong to nobody: below the dynamic users of systemd end, above those of people
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_READABLE = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/proc/self", "/etc/alternatives", "/etc/ld.so.cache"),
    *("/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/passwd", "/etc/group"),
)


class Level(enum.StrEnum):
    """How well this host can wall a program off. See `levels` for what each one promises."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"

    @property
    def has_namespaces(self) -> bool:
        """Whether bubblewrap builds the wall."""
        return self in {Level.A, Level.B}


@dataclass(slots=True)
class Plan:
    """What the keeper is sent: `text` with `descriptors`. `ours` are closed when it has them."""

    text: dict[str, Any]
    descriptors: list[int] = field(default_factory=list)
    ours: list[int] = field(default_factory=list)

    def add(self, descriptor: int) -> int:
        """Put a descriptor of somebody's on the list; gives its place."""
        self.descriptors.append(descriptor)
        return len(self.descriptors) - 1

    def add_file(self, content: bytes) -> int:
        """Put a file in memory on the list; gives its place."""
        self.ours.append(memory_file(content))
        return self.add(self.ours[-1])

    def close(self) -> None:
        """Close what was opened for the plan."""
        for descriptor in self.ours:
            os.close(descriptor)
        self.ours = []


def draw(level: Level, argv: Sequence[str], policy: Policy, fds: Mapping[int, int], line: int) -> Plan:
    """Plan a program; `fds` are those that it gets (number inside -> here), `line` the keeper's end of its line.

    Raises:
        SandboxError: what the level needs is not there.
        InternalError: a word or a variable has a zero byte in it.
    """
    for word in (*argv, *policy.environment, *policy.environment.values()):
        if "\0" in word:  # would end a word of ours and begin another
            raise InternalError(f"a word for a program has a zero byte in it: {word!r}")
    plan = Plan({"uid": uid(), "limits": []})
    plan.add(-1)  # the text itself, when it is known
    plan.add(line)
    _add_network(plan)
    plan.text["fds"] = {number: plan.add(here) for number, here in fds.items()}
    if level.has_namespaces:
        _through_bubblewrap(plan, argv, policy, has_proc=level is Level.A)
    else:
        _bare(plan, argv, policy)
    plan.ours.append(memory_file(json.dumps(plan.text).encode()))
    plan.descriptors[0] = plan.ours[-1]
    return plan


def memory_file(content: bytes) -> int:
    """Make a file in memory that is read from its beginning."""
    descriptor = os.memfd_create("sockgrade")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def uid() -> int | None:
    """Give the user that programs of ours run as, None if it is our own: only who really is root must change.

    Root's processes are not counted (RLIMIT_NPROC), and root owns files everywhere. In a user namespace that
    a plain user has made there is nobody else to become.
    """
    if os.geteuid() != 0 or not _is_mapped(_FIRST_UID + _UIDS):
        return None
    return _FIRST_UID + os.getpid() % _UIDS


def _is_mapped(number: int) -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        spans = (line.split() for line in file)
        return any(int(first) <= number < int(first) + int(count) for first, _, count in spans)


def _add_network(plan: Plan) -> None:
    """Let the program share the network of this thread."""
    plan.ours.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    plan.text["network"] = plan.add(plan.ours[-1])


def _through_bubblewrap(plan: Plan, argv: Sequence[str], policy: Policy, *, has_proc: bool) -> None:
    told = bubblewrap.options(policy, has_proc=has_proc)
    fds = plan.text["fds"]
    fds[bubblewrap.OPTIONS_FD] = plan.add_file(b"".join(os.fsencode(word) + b"\0" for word in told.options))
    fds[bubblewrap.FILTER_FD] = plan.add_file(seccomp.program(may_trace=policy.may_trace))
    for number, content in enumerate(told.files, bubblewrap.FIRST_FILE_FD):
        fds[number] = plan.add_file(content)
    program = bubblewrap.find()
    plan.text |= {
        "kind": "bubblewrap",
        "argv": [program, "--args", str(bubblewrap.OPTIONS_FD), "--", *argv],
        "env": {},
        "status": bubblewrap.STATUS_FD,
        "gate": bubblewrap.GATE_FD,
        "limits": _limits(policy.limits),
    }


def _bare(plan: Plan, argv: Sequence[str], policy: Policy) -> None:
    work = str(policy.work or "/")
    variables = {"PATH": bubblewrap.PATH, "HOME": work, "TMPDIR": work, "LC_ALL": "C.UTF-8"}
    plan.text |= {
        "kind": "bare",
        "argv": list(argv),
        "env": {**variables, **policy.environment},
        "cwd": work,
        "filter": plan.add_file(seccomp.program()),
        "own_limits": _limits(policy.limits, others=0 if uid() else _threads_of(os.getuid())),
        "readable": [*_READABLE, *map(str, policy.read_only.values()), *([work] if policy.is_work_read_only else [])],
        "writable": [work] if policy.work and not policy.is_work_read_only else [],
        "devices": _DEVICES,
    }


def _limits(limits: Limits, others: int = 0) -> list[tuple[int, int]]:
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_NOFILE: limits.descriptors,
        resource.RLIMIT_NPROC: limits.processes + others,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_DATA: limits.data_bytes,
        resource.RLIMIT_STACK: limits.stack_bytes,
        resource.RLIMIT_CORE: limits.core_bytes,
        resource.RLIMIT_MEMLOCK: limits.locked_bytes,
        resource.RLIMIT_SIGPENDING: limits.pending_signals,
        resource.RLIMIT_MSGQUEUE: limits.queue_bytes,
    }
    return [(number, limit) for number, limit in wanted.items() if limit is not None]


def _threads_of(user: int) -> int:
    """Count what a user runs: without a namespace of its own a program is counted among it."""
    count = 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count
