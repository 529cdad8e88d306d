"""How a cell is kept apart: namespaces, limits, privileges. Linux; asked by doing, never by version.

The judge has the same for its own use in another room; this copy stands alone behind the wall.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
from collections.abc import Callable, Mapping

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_CAPABILITY_VERSION_3 = 0x20080522
# A submission may belong to another user; reading it is all that is left of being root.
_CAP_DAC_READ_SEARCH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise _last_error("prctl")


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), call)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """End this process when its parent ends, also if that has happened already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def drop_privileges() -> None:
    """Give up every capability for good, and every way to get one back."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    kept = 1 << _CAP_DAC_READ_SEARCH if _has_capability(_CAP_DAC_READ_SEARCH) else 0
    sets = struct.pack("=6I", kept, kept, 0, 0, 0, 0)
    if _libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(sets)) != 0:
        raise _last_error("capset")


def _has_capability(number: int) -> bool:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        line = next((line for line in status if line.startswith("CapPrm:")), "CapPrm: 0")
    return bool(int(line.split()[1], 16) >> number & 1)


def limit(limits: Mapping[str, int]) -> None:
    """Set the resource limits of this process for good: name without RLIMIT_ to number.

    A CORE of 1 and not 0: the smallest that also stops a core handler behind a pipe (core(5)).
    """
    for name, number in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        most = number if hard == resource.RLIM_INFINITY else min(number, hard)
        # One second more for CPU, so that the soft limit's SIGXCPU names the reason before SIGKILL does not.
        resource.setrlimit(kind, (most, most + 1 if name == "CPU" and hard == resource.RLIM_INFINITY else most))


def enter_network() -> None:
    """Move this process into a network of its own, with nothing in it but a loopback that is up."""
    _unshare(_CLONE_NEWNET)
    _loopback_up()


def _unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        raise _last_error("unshare")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def _become_owner() -> None:
    """Enter a user namespace in which this process may make networks; its ids stay what they are."""
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as table:
            table.write(text)


def _become_owner_of_network() -> None:
    _become_owner()
    enter_network()


def prepare_network() -> str:
    """Bring this single-threaded process where each child can have a network of its own.

    Returns:
        The empty text, or the reason why networks must be shared with the host.
    """
    if not (reason := _try(enter_network)):
        enter_network()
        return ""
    if not _try(_become_owner_of_network):
        _become_owner_of_network()
        return ""
    return f"this host allows no network namespaces ({reason})"


def _try(step: Callable[[], None]) -> str:
    """Try a step in a child first: one that fails half-way would leave this process without its ids."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            step()
        except OSError as error:
            os.write(writer, str(error.strerror).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        text = answer.read().decode("utf-8", "replace")
    os.waitpid(pid, 0)
    return text


def network_features() -> list[str]:
    """Give the features of the network that this process is in, found by binding."""
    places = (("inet6", socket.AF_INET6, "::1"), ("loopback-net", socket.AF_INET, "127.0.0.2"))
    return [name for name, family, ip in places if _can_bind(family, ip)]


def _can_bind(family: socket.AddressFamily, ip: str) -> bool:
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((ip, 0))
        return True
    return False
