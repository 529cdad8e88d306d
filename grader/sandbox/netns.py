"""Network namespaces with nothing but loopback in them.

`unshare(CLONE_NEWNET)` moves the calling *thread*; threads it starts afterwards follow it. So a worker
gives each case a network of its own by unsharing before the case, and never needs to look back: the
old namespace goes when its last socket and thread are gone. Networks are not made ahead by another
thread: it would open descriptors while a case looks at which are free. Source: Linux network_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import socket
import statistics
import struct
import threading
import time
from collections.abc import Mapping

from grader.model.errors import SandboxError
from grader.sandbox import sockdiag

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

# What programs may count on, below /proc/sys/net: the kernel's own defaults, which a distribution, the size of
# the memory or an administrator may have changed; but every port is everybody's. Source: Linux ip-sysctl.
DEFAULTS: Mapping[str, str] = {
    "core/somaxconn": "4096",
    "ipv4/ip_local_port_range": "32768 60999",
    "ipv4/ip_nonlocal_bind": "0",
    "ipv4/ip_unprivileged_port_start": "0",
    "ipv4/tcp_abort_on_overflow": "0",
    "ipv4/tcp_fin_timeout": "60",
    "ipv4/tcp_keepalive_time": "7200",
    "ipv4/tcp_max_syn_backlog": "2048",
    "ipv4/tcp_max_tw_buckets": "131072",
    "ipv4/tcp_retries2": "15",
    "ipv4/tcp_rmem": "4096 131072 6291456",
    "ipv4/tcp_syn_retries": "6",
    "ipv4/tcp_synack_retries": "5",
    "ipv4/tcp_syncookies": "1",
    "ipv4/tcp_tw_reuse": "2",
    "ipv4/tcp_wmem": "4096 16384 4194304",
    "ipv6/bindv6only": "0",
    "unix/max_dgram_qlen": "10",
}
_SAMPLE = 20  # networks made to see how long one takes
_SLOW_MEDIAN_S, _SLOW_WORST_S = 0.003, 0.020  # beyond these wiping is cheaper; usual is a tenth of the first

_libc = ctypes.CDLL(None, use_errno=True)
_HERE = "/proc/thread-self/ns/net"
_FIRST = os.stat(_HERE).st_ino  # the network that this process was started in: somebody else's


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


def is_own() -> bool:
    """Say whether this thread has left the network that the process was started in, which leads anywhere."""
    return os.stat(_HERE).st_ino != _FIRST


def pin_defaults(changes: Mapping[str, str] | None = None) -> None:
    """Set what programs may count on in the network of this thread, and what a case wants otherwise.

    Raises:
        SandboxError: this process does not own the network.
    """
    for name, value in {**DEFAULTS, **(changes or {})}.items():
        try:
            with contextlib.suppress(FileNotFoundError), open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            raise SandboxError(f"net.{name.replace('/', '.')} cannot be set to {value}: {error.strerror}") from error


def renew_network(changes: Mapping[str, str] | None = None) -> None:
    """Give this thread a network with nothing left in it of what was before: a new one, or the same one wiped.

    To be called when the programs of the case before have ended: what they hold cannot be wiped.

    Raises:
        SandboxError: namespaces are refused here.
    """
    if is_fresh_cheap():
        enter_fresh_network()
    else:
        try:
            sockdiag.wipe()
        except OSError as error:
            raise SandboxError(f"connections of the case before cannot be ended: {error.strerror}") from error
    pin_defaults(changes)


@functools.cache
def is_fresh_cheap() -> bool:
    """Say whether making networks is fast here: on some machines every one waits for all processors."""
    times = measure_creation()
    return statistics.median(times) <= _SLOW_MEDIAN_S and times[-2] <= _SLOW_WORST_S


def measure_creation() -> list[float]:
    """Make some networks in a thread of its own; gives the seconds that each took, sorted.

    Raises:
        SandboxError: namespaces are refused here.
    """
    times: list[float] = []
    faults: list[SandboxError] = []

    def make() -> None:
        try:
            for _ in range(_SAMPLE):
                before = time.perf_counter()
                enter_fresh_network()
                times.append(time.perf_counter() - before)
        except SandboxError as error:
            faults.append(error)

    thread = threading.Thread(target=make, name="namespace-sample")
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return sorted(times)


def prepare_process() -> str:
    """Make this process able to make networks; gives the reason why not, or an empty text.

    A plain user needs a user namespace first, and only a process with one thread may enter one.
    """
    if _can_unshare():
        return ""
    if len(os.listdir("/proc/self/task")) > 1:  # also those that Python does not know, such as faulthandler's
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
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        os.sched_yield()  # a thread that was joined may not be gone yet, and would be counted
    return answers == [True]
