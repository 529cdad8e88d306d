"""The system calls that a program behind the wall is refused, as a program for the kernel's filter.

A list of what is denied, not of what is allowed: student code may call what it likes, except what no namespace
contains (other address families, io_uring, keyrings), what opens new namespaces, and what only plays with
privileges. Calls of a foreign architecture kill, because their numbers mean other things.

Source: Linux seccomp(2), bpf(4) as in Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import errno
import functools
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from grader.model.errors import SandboxError

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST, _THIRD = 0, 4, 16, 32  # offsets in struct seccomp_data; arguments by their low half

_Instruction: TypeAlias = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_FAMILIES = (_AF_UNIX, _AF_INET, _AF_INET6)
_NETLINK_ROUTE = 0  # getifaddrs() and getaddrinfo() ask the kernel by it; it changes nothing without privileges
_PR_SET_DUMPABLE = 4  # would hide the program from /proc, and so from the proof that it is asleep
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; clone3 hides them in memory: see below
_NEW_NAMESPACES = 0x80 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_X32 = 0x40000000  # numbers from here on are the x32 ABI's; Source: x86 unistd.h, __X32_SYSCALL_BIT


@dataclass(frozen=True, slots=True)
class _Machine:
    """The numbers of an architecture. `absent` calls answer as on a kernel without them, `refused` with EPERM.

    clone3 is absent because its flags are behind a pointer, where no filter can look; the C library falls
    back to clone.
    """

    architecture: int  # AUDIT_ARCH_* of linux/audit.h
    absent: Mapping[str, int]
    refused: Mapping[str, int]
    clone: int
    prctl: int
    socket: int
    socketpair: int


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        absent={
            "keyctl": 250, "add_key": 248, "request_key": 249, "io_uring_setup": 425, "io_uring_enter": 426,
            "io_uring_register": 427, "clone3": 435, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
            "open_by_handle_at": 304, "name_to_handle_at": 303, "kexec_load": 246, "kexec_file_load": 320,
            "quotactl": 179, "quotactl_fd": 443, "lookup_dcookie": 212, "fanotify_init": 300,
        },
        refused={
            "mount": 165, "umount2": 166, "pivot_root": 155, "move_mount": 429, "open_tree": 428, "fsopen": 430,
            "fsmount": 432, "fsconfig": 431, "fspick": 433, "mount_setattr": 442, "open_tree_attr": 467,
            "unshare": 272, "setns": 308, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
            "kcmp": 312, "init_module": 175, "finit_module": 313, "delete_module": 176, "swapon": 167,
            "swapoff": 168, "reboot": 169, "acct": 163, "sethostname": 170, "setdomainname": 171, "iopl": 172,
            "ioperm": 173, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305,
            "nfsservctl": 180, "syslog": 103, "chroot": 161,
        },
        clone=56,
        prctl=157,
        socket=41,
        socketpair=53,
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        absent={
            "keyctl": 219, "add_key": 217, "request_key": 218, "io_uring_setup": 425, "io_uring_enter": 426,
            "io_uring_register": 427, "clone3": 435, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
            "open_by_handle_at": 265, "name_to_handle_at": 264, "kexec_load": 104, "kexec_file_load": 294,
            "quotactl": 60, "quotactl_fd": 443, "lookup_dcookie": 18, "fanotify_init": 262,
        },
        refused={
            "mount": 40, "umount2": 39, "pivot_root": 41, "move_mount": 429, "open_tree": 428, "fsopen": 430,
            "fsmount": 432, "fsconfig": 431, "fspick": 433, "mount_setattr": 442, "open_tree_attr": 467,
            "unshare": 97, "setns": 268, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
            "kcmp": 272, "init_module": 105, "finit_module": 273, "delete_module": 106, "swapon": 224,
            "swapoff": 225, "reboot": 142, "acct": 89, "sethostname": 161, "setdomainname": 162,
            "settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266,
            "nfsservctl": 42, "syslog": 116, "chroot": 51,
        },
        clone=220,
        prctl=167,
        socket=198,
        socketpair=199,
    ),
}  # fmt: skip


@functools.cache
def program(name: str = os.uname().machine, *, may_trace: bool = False) -> bytes:
    """Give the filter for a machine, as bubblewrap and prctl(PR_SET_SECCOMP) take it: 8 bytes per instruction.

    Args:
        name: of the machine, as uname(2) gives it.
        may_trace: whether ptrace() is let through; behind namespaces it reaches the program's own processes alone.

    Raises:
        SandboxError: the system calls of that machine are not known here.
    """
    if name not in _MACHINES:
        raise SandboxError(f"no list of system calls for {name}: only {' and '.join(_MACHINES)} are known")
    machine = _MACHINES[name]
    refused = [number for call, number in machine.refused.items() if not (may_trace and call == "ptrace")]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _instructions(machine, refused))


def _instructions(machine: _Machine, refused: list[int]) -> list[_Instruction]:
    """Put the blocks one after another. Each begins and, unless its call was meant, ends with the number loaded."""
    blocks = [
        [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, machine.architecture), (_RETURN, 0, 0, _KILL)],
        [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)],
        *([(_EQUAL, 0, 1, number), _refuse(errno.ENOSYS)] for number in machine.absent.values()),
        *([(_EQUAL, 0, 1, number), _refuse(errno.EPERM)] for number in refused),
        _only_for(machine.prctl, [_load(_FIRST), (_EQUAL, 0, 1, _PR_SET_DUMPABLE), _refuse(errno.EPERM)]),
        _only_for(machine.clone, [_load(_FIRST), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refuse(errno.EPERM)]),
        _only_for(machine.socket, _families()),
        _only_for(machine.socketpair, _families()),
        [(_RETURN, 0, 0, _ALLOW)],
    ]
    return [instruction for block in blocks for instruction in block]


def _families() -> list[_Instruction]:
    """Let the families through that a network namespace contains, and the one kind of netlink."""
    last = len(_FAMILIES) + 4  # how far behind the first comparison the block ends
    known = [(_EQUAL, last - at, 0, family) for at, family in enumerate(_FAMILIES)]
    is_route = (_EQUAL, 2, 0, _NETLINK_ROUTE)
    netlink = [(_EQUAL, 0, 3, _AF_NETLINK), _load(_THIRD), is_route, _refuse(errno.EPROTONOSUPPORT)]
    return [_load(_FIRST), *known, *netlink, _refuse(errno.EAFNOSUPPORT)]


def _only_for(number: int, block: list[_Instruction]) -> list[_Instruction]:
    """Run a block for one call; what it lets fall through at its end is allowed."""
    return [(_EQUAL, 0, len(block) + 1, number), *block, (_RETURN, 0, 0, _ALLOW)]


def _load(offset: int) -> _Instruction:
    return _LOAD, 0, 0, offset


def _refuse(number: int) -> _Instruction:
    return _RETURN, 0, 0, _REFUSE | number
