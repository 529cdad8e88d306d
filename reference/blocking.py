"""The model behind calls that block: a module of functions on descriptors, as a student hands one in.

The model never waits. It answers a call with its result, with the error that it fails with, or with `Parked`: this
call would wait, and here is where its outcome will stand. Everything that makes a *blocking* call of it is in the
forty lines of `_call` and what they use, and is what any library does that lets threads wait for each other:

* **One lock.** The model is a plain data structure, and two threads in it at once would see each other's half-done
  work. So a thread takes the lock, makes its call, and gives the lock back. This is what a *monitor* is.
* **One condition.** A thread whose call is parked may not keep the lock, or nobody could make the call that it waits
  for; and it may not give the lock back and *then* go to sleep, or the news could come in between and be missed for
  ever. `Condition.wait` does both at once: it gives up the lock and sleeps, and holds the lock again when it returns.
* **A loop around the wait.** Being woken says that something has changed, not that it has changed for me. The
  call of another thread may have ended, or another thread may have been faster. So each looks at its own outcome
  and goes back to sleep if there is none: `while`, never `if`.
* **Everybody is woken.** Who has sent a byte does not know who waits for it, so all are woken when any wait has
  ended; the others look and sleep on. A condition for each socket would wake fewer and say no more.

Time is the last thing. That of the model is virtual and stands still; here it follows the real clock: before each
call, and whenever a sleeper wakes, as much of it passes as has really passed. A sleeper sets its alarm only if the
model says that something will happen by itself, such as the end of a receive with SO_RCVTIMEO. Otherwise it sleeps
without a limit, which whoever looks at the thread can see, and know that only a call of another can wake it.

The rest is spelling: numbers, tuples and bytes are Python's here, and words and names are the model's there.
What this cannot be is shared by processes: it lies in the memory of one, and fork() would copy it.
"""

from __future__ import annotations

import errno
import os
import select as polling
import socket as spelling
import stat
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from reference import PARTS, Inet, Parked, Refused, System, Unix
from reference.errors import Error
from reference.files import Files, Owner

Address: TypeAlias = Any  # (ip, port), (ip, port, flow, scope), a path, or an abstract name: bytes that begin with 0
Fields: TypeAlias = Mapping[str, Any]


class RealFiles(Files):
    """The names of AF_UNIX sockets in the real file system, where others see them, and remove them.

    The model only remembers which socket is behind which path. Whether the path is there, it looks up.
    """

    def type_of(self, path: str) -> str:
        """Give what really stands there."""
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            return "none"
        return "socket" if stat.S_ISSOCK(mode) else "directory" if stat.S_ISDIR(mode) else "file"

    def has_folder_for(self, path: str) -> bool:
        """Whether the folder exists that the path lies in."""
        return Path(path).parent.is_dir()

    def make_socket(self, path: str, owner: Owner) -> None:
        """Put the file of a socket there. Any process may make one with mknod(); only bind() gives it an owner."""
        try:
            os.mknod(path, stat.S_IFSOCK | 0o777)
        except OSError as error:
            raise Error(errno.errorcode[error.errno or errno.EIO]) from error
        super().make_socket(path, owner)

    def owner_of(self, path: str) -> Owner | None:
        """Give the socket behind the path, unless its file was removed meanwhile."""
        return super().owner_of(path) if self.type_of(path) == "socket" else None


# -- waiting -----------------------------------------------------------------------------------------------

_BEGINNING = time.monotonic_ns()
_NS_PER_S = 1_000_000_000

_system = System(parts={**PARTS, "files": RealFiles})
_process = _system.process()
_news = threading.Condition()


def _call(op: str, **args: object) -> Fields:
    """Make a call of the model, and wait until it has an outcome."""
    with _news:
        _let_time_pass()
        alarm = _system.next_timer()
        result = _process.call(op, args)
        if _system.next_timer() != alarm:
            _news.notify_all()  # who sleeps has set the alarm to another time
        _tell()
        outcome = _wait_for(result) if isinstance(result, Parked) else result
    if isinstance(outcome, Refused):
        number = getattr(errno, outcome.errno)
        raise OSError(number, os.strerror(number))
    return outcome


def _wait_for(parked: Parked) -> Fields | Refused:
    while parked.outcome is None:
        _news.wait(_seconds_to_next_timer())
        _let_time_pass()
        _tell()
    return parked.outcome


def _let_time_pass() -> None:
    _system.advance(time.monotonic_ns() - _BEGINNING)


def _seconds_to_next_timer() -> float | None:
    due = _system.next_timer()
    return None if due is None else max(0, _BEGINNING + due - time.monotonic_ns()) / _NS_PER_S


def _tell() -> None:
    """Wake who waits if any wait has ended; each finds its outcome by itself, so the list of them is not needed."""
    if _system.ended:
        _system.ended.clear()
        _news.notify_all()


# -- spelling ----------------------------------------------------------------------------------------------

_WORDS: Mapping[str, Mapping[str, int]] = {
    "domain": {"unix": spelling.AF_UNIX, "inet": spelling.AF_INET, "inet6": spelling.AF_INET6},
    "type": {"stream": spelling.SOCK_STREAM, "dgram": spelling.SOCK_DGRAM, "seqpacket": spelling.SOCK_SEQPACKET},
    "proto": {"tcp": spelling.IPPROTO_TCP, "udp": spelling.IPPROTO_UDP, "icmp": spelling.IPPROTO_ICMP},
    "how": {"rd": spelling.SHUT_RD, "wr": spelling.SHUT_WR, "rdwr": spelling.SHUT_RDWR},
}
_FLAGS = {
    name: int(getattr(spelling, name))
    for name in (
        "MSG_PEEK MSG_DONTWAIT MSG_WAITALL MSG_TRUNC MSG_CTRUNC MSG_NOSIGNAL MSG_OOB MSG_EOR MSG_DONTROUTE"
    ).split()
}
_EVENTS = {"read": polling.POLLIN, "write": polling.POLLOUT, "except": polling.POLLPRI}
_FOUND = {**_EVENTS, "hangup": polling.POLLHUP, "error": polling.POLLERR, "invalid": polling.POLLNVAL}
# level and number of an option: its name
_OPTIONS = {
    (level, int(getattr(spelling, name))): name
    for level, names in {
        spelling.SOL_SOCKET: "SO_TYPE SO_DOMAIN SO_PROTOCOL SO_ERROR SO_ACCEPTCONN SO_REUSEADDR SO_REUSEPORT "
        "SO_KEEPALIVE SO_BROADCAST SO_OOBINLINE SO_DONTROUTE SO_SNDBUF SO_RCVBUF SO_RCVLOWAT SO_SNDLOWAT SO_LINGER "
        "SO_RCVTIMEO SO_SNDTIMEO",
        spelling.IPPROTO_TCP: "TCP_NODELAY TCP_MAXSEG",
        spelling.IPPROTO_IPV6: "IPV6_V6ONLY",
    }.items()
    for name in names.split()
}
_WORD_OPTIONS = {"SO_DOMAIN": "domain", "SO_TYPE": "type", "SO_PROTOCOL": "proto"}
_TIMES = ("SO_RCVTIMEO", "SO_SNDTIMEO")
_LINGER = struct.Struct("ii")  # struct linger, <sys/socket.h>: whether it is on, seconds
_TIMEVAL = struct.Struct("ll")  # struct timeval, <sys/time.h>: seconds, microseconds


def _word(kind: str, number: int) -> str | int:
    """Give the word for a number; a number without one goes to the model as it is, to be refused there."""
    return next((word for word, known in _WORDS[kind].items() if known == number), number)


def _flags(number: int) -> tuple[str, ...]:
    return tuple(name for name, bit in _FLAGS.items() if number & bit)


def _name(addr: Address) -> Inet | Unix:
    """Give an address as the model spells it."""
    if isinstance(addr, tuple):
        return Inet(*addr[:2], *addr[3:4])
    text = os.fsdecode(addr)
    if text.startswith("\0"):
        return Unix(abstract=text[1:])
    return Unix(path=text or None)


def _address(name: Inet | Unix | None) -> Address:
    """Give a name as Python spells it."""
    if isinstance(name, Inet):
        return (name.ip, name.port, 0, name.scope) if ":" in name.ip else (name.ip, name.port)
    if name is None or name.abstract is None:
        return "" if name is None or name.path is None else name.path
    return b"\0" + os.fsencode(name.abstract)


def _option(level: int, number: int) -> str:
    if (level, number) not in _OPTIONS:
        raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
    return _OPTIONS[level, number]


def _value(option: str, raw: int | bytes) -> int:
    """Give the value of an option as the model holds it: seconds to linger or -1, milliseconds, a number."""
    if isinstance(raw, int):
        return raw
    if option in _TIMES:
        seconds, microseconds = _TIMEVAL.unpack(raw)
        return int(seconds * 1000 + microseconds // 1000)
    is_on, seconds = _LINGER.unpack(raw)
    return int(seconds) if is_on else -1


def _raw(option: str, value: str | int) -> int | bytes:
    """Give the value of an option as getsockopt() gives it."""
    if isinstance(value, str):
        return _WORDS[_WORD_OPTIONS[option]][value] if option in _WORD_OPTIONS else int(getattr(errno, value))
    if option == "SO_LINGER":
        return _LINGER.pack(value >= 0, max(value, 0))
    return _TIMEVAL.pack(value // 1000, value % 1000 * 1000) if option in _TIMES else int(value)


# -- the calls ---------------------------------------------------------------------------------------------


def socket(domain: int, type: int, protocol: int) -> int:  # noqa: A002 - as in socket(2)
    """Create a socket and give its descriptor."""
    kind = {"domain": _word("domain", domain), "type": _word("type", type), "proto": _word("proto", protocol)}
    return int(_call("socket", **kind)["sock"])


def socketpair(domain: int, type: int, protocol: int) -> tuple[int, int]:  # noqa: A002 - as in socketpair(2)
    """Create two connected sockets."""
    kind = {"domain": _word("domain", domain), "type": _word("type", type), "proto": _word("proto", protocol)}
    pair = _call("socketpair", **kind)
    return pair["sock"], pair["other"]


def bind(fd: int, addr: Address) -> None:
    """Give the socket a local address."""
    _call("bind", sock=fd, addr=_name(addr))


def listen(fd: int, backlog: int) -> None:
    """Let connections in."""
    _call("listen", sock=fd, backlog=backlog)


def accept(fd: int) -> tuple[int, Address]:
    """Take the first connection from the queue; give its socket and the address of its peer."""
    accepted = _call("accept", sock=fd)
    return accepted["sock"], _address(accepted["peer"])


def connect(fd: int, addr: Address) -> None:
    """Connect to the address, or make it the peer of a datagram socket."""
    _call("connect", sock=fd, addr=_name(addr))


def send(fd: int, data: bytes, flags: int) -> int:
    """Send to the peer and give the number of bytes taken."""
    return int(_call("send", sock=fd, data=data, flags=_flags(flags))["count"])


def write(fd: int, data: bytes) -> int:
    """Send to the peer without flags."""
    return int(_call("write", sock=fd, data=data)["count"])


def sendto(fd: int, data: bytes, addr: Address, flags: int) -> int:
    """Send to the address and give the number of bytes taken."""
    return int(_call("sendto", sock=fd, data=data, addr=_name(addr), flags=_flags(flags))["count"])


def sendmsg(fd: int, parts: Sequence[bytes], addr: Address | None, flags: int) -> int:
    """Send the parts as one message, to the peer if there is no address."""
    to = {} if addr is None else {"addr": _name(addr)}
    return int(_call("sendmsg", sock=fd, parts=tuple(parts), flags=_flags(flags), **to)["count"])


def recv(fd: int, size: int, flags: int) -> bytes:
    """Receive what is there, at most `size` bytes; wait until there is something."""
    return bytes(_call("recv", sock=fd, size=size, flags=_flags(flags))["data"])


def read(fd: int, size: int) -> bytes:
    """Receive without flags."""
    return bytes(_call("read", sock=fd, size=size)["data"])


def recvfrom(fd: int, size: int, flags: int) -> tuple[bytes, Address]:
    """Receive, and give also the address of the sender."""
    received = _call("recvfrom", sock=fd, size=size, flags=_flags(flags))
    return received["data"], _address(received["peer"])


def recvmsg(fd: int, sizes: Sequence[int], flags: int) -> tuple[bytes, int, Address]:
    """Receive into buffers of these sizes, filled in order; give the bytes, the flags and the sender."""
    received = _call("recvmsg", sock=fd, sizes=tuple(sizes), flags=_flags(flags))
    return received["data"], sum(_FLAGS[name] for name in received["flags"]), _address(received["peer"])


def shutdown(fd: int, how: int) -> None:
    """End one or both directions."""
    _call("shutdown", sock=fd, how=_word("how", how))


def close(fd: int) -> None:
    """Give the descriptor back; the last one ends the socket."""
    _call("close", sock=fd)


def dup(fd: int) -> int:
    """Give a second descriptor for the same socket."""
    return int(_call("dup", sock=fd)["sock"])


def getsockname(fd: int) -> Address:
    """Give the local address."""
    return _address(_call("getsockname", sock=fd)["addr"])


def getpeername(fd: int) -> Address:
    """Give the address of the peer."""
    return _address(_call("getpeername", sock=fd)["addr"])


def getsockopt(fd: int, level: int, name: int) -> int | bytes:
    """Give the value of an option: a number, or the bytes of a structure."""
    option = _option(level, name)
    return _raw(option, _call("getsockopt", sock=fd, name=option)["value"])


def setsockopt(fd: int, level: int, name: int, value: int | bytes) -> None:
    """Set an option to a number, or to the bytes of a structure."""
    option = _option(level, name)
    _call("setsockopt", sock=fd, name=option, value=_value(option, value))


def set_nonblocking(fd: int, on: bool) -> None:  # noqa: FBT001 - called by position, as every call here
    """Let calls fail with EAGAIN where they would wait, or wait again."""
    _call("nonblock", sock=fd, set=on)


def poll(watch: Sequence[tuple[int, int]], timeout: int | None) -> list[tuple[int, int]]:
    """Wait until a descriptor is ready, at most `timeout` milliseconds; give those that are, with their events."""
    wanted = tuple((fd, tuple(event for event, bit in _EVENTS.items() if events & bit)) for fd, events in watch)
    found: dict[int, int] = {}
    for fd, event in _ready("poll", wanted, timeout):
        found[fd] = found.get(fd, 0) | _FOUND[event]
    return list(found.items())


def select(
    readers: Sequence[int], writers: Sequence[int], exceptional: Sequence[int], seconds: float | None
) -> tuple[list[int], list[int], list[int]]:
    """Wait until a descriptor is ready for what it is listed under; give three such lists."""
    lists = {"read": readers, "write": writers, "except": exceptional}
    fds = sorted({fd for listed in lists.values() for fd in listed})
    watch = tuple((fd, tuple(event for event, listed in lists.items() if fd in listed)) for fd in fds)
    ready = _ready("select", watch, None if seconds is None else round(seconds * 1000))
    read, written, others = ([fd for fd, found in ready if found == event] for event in lists)
    return read, written, others


def _ready(op: str, watch: Sequence[tuple[int, tuple[str, ...]]], timeout: int | None) -> list[tuple[int, str]]:
    limit = {} if timeout is None else {"timeout": timeout}
    words = (word.partition(".") for word in _call(op, watch=watch, **limit)["ready"])
    return [(int(fd), event) for fd, _, event in words]


def unread(fd: int) -> int:
    """Give how many bytes the next receive could take."""
    return int(_call("unread", sock=fd)["value"])
