"""What a program behind the wall may have and see. Data only: `wall` carries it out, `levels` says how well.

Sizes are in bytes, times in seconds. What a policy does not name, the program does not get: its environment,
its /etc and its file system are built from nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MIB = 1 << 20

HOME = "/w"  # where a program finds its working directory, unless its policy says otherwise


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a program may use before it is stopped.

    The first group holds for each process and is the kernel's to keep (setrlimit(2)); None means no limit. The
    second holds for all its processes together and is looked after by whoever calls `Walled.attend`.

    `descriptors` is 64, not more: each may hold buffers of the kernel's that no other limit counts; 256 of them
    took a gigabyte. `core_bytes` is 1, not 0: the smallest that also keeps a core handler behind a pipe from
    being started (core(5)). A program built with AddressSanitizer reserves terabytes that it never touches: it
    needs `address_space_bytes` and `data_bytes` None, and `Policy.may_trace` if it shall find leaks.
    """

    cpu_s: int = 10
    descriptors: int = 64
    processes: int = 64  # threads count
    file_bytes: int = 16 * _MIB
    address_space_bytes: int | None = 1024 * _MIB
    data_bytes: int | None = None
    stack_bytes: int = 8 * _MIB
    core_bytes: int = 1
    locked_bytes: int = 64 << 10
    pending_signals: int = 256
    queue_bytes: int = 0  # POSIX message queues

    tree_cpu_s: float = 20.0
    resident_bytes: int = 512 * _MIB
    output_bytes: int = _MIB  # both streams together
    tmp_bytes: int = 16 * _MIB  # /tmp, and /dev/shm as much again
    work_bytes: int = 64 * _MIB
    work_files: int = 4096


@dataclass(frozen=True, slots=True)
class Policy:
    """What one program sees.

    Attributes:
        work: the directory of this host that it may write in, or None for one in memory (`tmp_bytes`) that goes
            with it. As root, give one made by `wall.fresh_directory`: the program runs as somebody else.
        home: where it finds `work`; also its working directory and HOME. Give `str(work)` if paths must read the
            same on both sides.
        read_only: further files and directories of this host that it may read, and where: inside -> here.
        environment: added to PATH, HOME and LC_ALL, which is all there is.
        hosts: names that resolve, beside `localhost`: name -> address.
        is_work_read_only: the program may not write in `work` either.
        has_network: it shares the network of the thread that launches it; otherwise it has one with nobody else
            in it, as a build should.
        may_trace: it may trace its own processes, as LeakSanitizer does at the end (levels A and B only).
        limits: how much it may use.
    """

    work: Path | None = None
    home: str = HOME
    read_only: Mapping[str, Path] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    is_work_read_only: bool = False
    has_network: bool = True
    may_trace: bool = False
    limits: Limits = field(default_factory=Limits)
