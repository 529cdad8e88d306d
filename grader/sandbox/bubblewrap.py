"""The wall as bubblewrap builds it: a policy in, its options out.

The order of the options is the order in which it builds. Nothing of this host is in them that the program may
not know, and they go through a descriptor all the same: the first process of the namespace shows its command
line to the program.

Source: bwrap(1), 0.8.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.model.errors import SandboxError
from grader.sandbox.policy import Policy

# Numbers of descriptors that bubblewrap reads and closes; those of a program lie below.
OPTIONS_FD, FILTER_FD, STATUS_FD, GATE_FD, FIRST_FILE_FD = 200, 201, 202, 203, 210
PATH = "/usr/local/bin:/usr/bin:/bin"
_USER = 1000  # of the program, inside
_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # links into /usr, or directories of their own
_TAKEN = ("/etc/alternatives", "/etc/ld.so.cache")  # `cc` is a link into the first; the second saves a search
_ETC = {
    "group": "root:x:0:\nstudent:x:1000:\nnogroup:x:65534:\n",
    "host.conf": "multi on\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
    "protocols": "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n",
    "resolv.conf": "",
    "services": "echo 7/tcp\necho 7/udp\ndaytime 13/tcp\ndaytime 13/udp\nftp 21/tcp\nssh 22/tcp\nsmtp 25/tcp\n"
    "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\n",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What bubblewrap is told: options, and the content of the files it makes, from `FIRST_FILE_FD` on."""

    options: tuple[str, ...]
    files: tuple[bytes, ...]


@functools.cache
def find() -> str:
    """Give the path of the program.

    Raises:
        SandboxError: it is not installed.
    """
    if path := shutil.which("bwrap"):
        return os.path.abspath(path)
    raise SandboxError("bwrap was not found on PATH: install the package bubblewrap (0.8 or newer)")


def options(policy: Policy, *, has_proc: bool = True) -> Options:
    """Say how to build the wall for a policy; without /proc where this host masks its own."""
    files = {f"/etc/{name}": text for name, text in _etc(policy).items()}
    parts: Iterable[Sequence[str]] = (
        _system(),
        ("--proc", "/proc") if has_proc else (),
        ("--dev", "/dev", *_memory("/dev/shm", policy.limits.tmp_bytes), "--remount-ro", "/dev"),  # noqa: S108
        _memory("/tmp", policy.limits.tmp_bytes),  # noqa: S108
        *(("--perms", "0644", "--file", str(FIRST_FILE_FD + i), path) for i, path in enumerate(files)),
        *(("--ro-bind-try", path, path) for path in _TAKEN),
        _work(policy),
        *(("--ro-bind", str(here), inside) for inside, here in policy.read_only.items()),
        ("--chdir", policy.home, "--remount-ro", "/"),
        _apart(policy),
        _environment(policy),
        ("--seccomp", str(FILTER_FD), "--json-status-fd", str(STATUS_FD), "--block-fd", str(GATE_FD)),
    )
    return Options(tuple(word for part in parts for word in part), tuple(text.encode() for text in files.values()))


def _etc(policy: Policy) -> dict[str, str]:
    names = {"localhost": "127.0.0.1", **policy.hosts}
    lines = [f"{address} {name}\n" for name, address in names.items()]
    return {
        **_ETC,
        "hosts": "".join([*lines, "::1 localhost ip6-localhost\n"]),
        "passwd": f"root:x:0:0::/:/bin/sh\nstudent:x:{_USER}:{_USER}::{policy.home}:/bin/sh\n"
        "nobody:x:65534:65534::/:/bin/false\n",
    }


@functools.cache
def _system() -> tuple[str, ...]:
    """Give /usr, and beside it what this system has: links into it, or directories."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in _LINKED:
        path = f"/{name}"
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    return tuple(words)


def _memory(place: str, size: int) -> tuple[str, ...]:
    return ("--perms", "1777", "--size", str(size), "--tmpfs", place)


def _work(policy: Policy) -> tuple[str, ...]:
    if policy.work is None:
        return ("--perms", "0700", "--size", str(policy.limits.tmp_bytes), "--tmpfs", policy.home)
    return ("--ro-bind" if policy.is_work_read_only else "--bind", str(policy.work), policy.home)


def _apart(policy: Policy) -> tuple[str, ...]:
    names = ("user", "pid", "ipc", "uts", "cgroup-try", *(() if policy.has_network else ("net",)))
    user = str(_USER)
    return (
        *(f"--unshare-{name}" for name in names),
        *("--hostname", "box", "--uid", user, "--gid", user),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent"),
    )


def _environment(policy: Policy) -> tuple[str, ...]:
    variables = {"PATH": PATH, "HOME": policy.home, "LC_ALL": "C.UTF-8", **policy.environment}
    return ("--clearenv", *(word for name, value in variables.items() for word in ("--setenv", name, value)))
