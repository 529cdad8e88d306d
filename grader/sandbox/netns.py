"""Network namespaces with nothing but loopback in them.

`unshare(CLONE_NEWNET)` moves the calling *thread*; threads it starts afterwards follow it. So a worker
gives each case a network of its own by unsharing before the case, and never needs to look back: the
old namespace goes when its last socket and thread are gone. Networks are not made ahead by another
thread: it would open descriptors while a case looks at which are free. Source: Linux network_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading

from grader.model.errors import SandboxError

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for fresh ones.

    Raises:
        OSError: this host does not allow it. Source: Linux unshare(2).
    """
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def raise_loopback() -> None:
    """Bring `lo` up in the network of the calling thread; 127.0.0.0/8 and ::1 work at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def enter_fresh_network() -> None:
    """Put the calling thread into a new network with only loopback.

    Raises:
        SandboxError: namespaces are refused here; says which call failed and why.
    """
    try:
        unshare(CLONE_NEWNET)
        raise_loopback()
    except OSError as error:
        raise SandboxError(f"a network namespace cannot be made: {error.strerror}") from error


def prepare_process() -> str:
    """Make this process able to make networks; gives the reason why not, or an empty text.

    A plain user needs a user namespace first, and only a process with one thread may enter one.
    """
    if _can_unshare():
        return ""
    if threading.active_count() > 1:
        return "a plain user's process with several threads cannot enter a user namespace"
    number = _try_in_a_child()
    if number:
        return f"user namespaces are refused: {os.strerror(number)}"
    _enter_user_namespace()
    return ""


def _try_in_a_child() -> int:
    """Give the errno with which a user namespace is refused, or 0.

    Some hosts let a process in and then refuse it everything, and there is no way back: its network would have
    no loopback. So a child goes first. Source: Ubuntu 24.04, kernel.apparmor_restrict_unprivileged_userns.
    """
    pid = os.fork()
    if pid == 0:
        number = errno.EIO
        try:
            _enter_user_namespace()
            number = 0
        except OSError as error:
            number = error.errno or number
        finally:
            os._exit(number)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    raise_loopback()


def _can_unshare() -> bool:
    """Try in a thread of its own, so that the caller's network stays as it is."""
    answers: list[bool] = []

    def attempt() -> None:
        try:
            unshare(CLONE_NEWNET)
            raise_loopback()
        except OSError:
            answers.append(False)
        else:
            answers.append(True)

    thread = threading.Thread(target=attempt, name="namespace-probe")
    thread.start()
    thread.join()
    return answers == [True]
