"""Makes a module in the shape of the standard library look like functions on descriptors.

A socket object is known by its `fileno()` where it has a real one, else by a number of ours. A closed
object stays known until its number is given out again, so that a call on it shows what the object does.
"""

from __future__ import annotations

import errno
import os
import select
from typing import Any

from grader.agent.forms import STRUCTURE_SIZES, Constants, shown
from grader.agent.implementation import UnsupportedError, WrongResultError

_FIRST_NUMBER_OF_OURS = 10_000
# function of ours: the method of the object behind it
_METHODS = {
    **{
        name: name
        for name in (
            "bind listen accept connect send sendto sendmsg recv recvfrom shutdown close dup "
            "getsockname getpeername getsockopt setsockopt"
        ).split()
    },
    "recvmsg": "recvmsg_into",
    "set_nonblocking": "setblocking",
    "poll": "fileno",
    "select": "fileno",
}
_NO_METHOD = "objects in the shape of the standard library have no such method"


class ObjectsAsFunctions:
    """Functions on descriptors over a module's class `socket`."""

    def __init__(self, module: Any) -> None:
        """Offer what the class has methods for."""
        self._module = module
        self._objects: dict[int, Any] = {}
        self._closed: set[int] = set()
        constants = Constants(module)
        self._structure_sizes = {constants.number(name): size for name, size in STRUCTURE_SIZES.items()}
        self._socket_level = constants.number("SOL_SOCKET")
        self.missing = dict.fromkeys(("read", "write", "unread"), _NO_METHOD)
        for name, method in _METHODS.items():
            if hasattr(module.socket, method):
                setattr(self, name, getattr(self, f"_{name}"))
            else:
                op = "nonblock" if name == "set_nonblocking" else name
                self.missing[op] = f"the class `socket` has no method `{method}`"
        if callable(getattr(module, "socketpair", None)):
            self.socketpair = self._socketpair

    def _object(self, fd: int) -> Any:
        try:
            return self._objects[fd]
        except KeyError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None

    def _enter(self, made: Any) -> int:
        number = made.fileno() if hasattr(made, "fileno") else -1
        if not isinstance(number, int) or number < 0:
            number = _FIRST_NUMBER_OF_OURS + len(self._objects)
        self._objects[number] = made
        self._closed.discard(number)
        return number

    def socket(self, domain: int, kind: int, protocol: int) -> int:
        """Make an object and give its number."""
        return self._enter(self._module.socket(domain, kind, protocol))

    def _socketpair(self, domain: int, kind: int, protocol: int) -> Any:
        pair = self._module.socketpair(domain, kind, protocol)
        if not isinstance(pair, (tuple, list)):
            raise WrongResultError(f"socketpair() gave {shown(pair)}, expected (socket, socket)")
        return tuple(self._enter(made) for made in pair)

    def _bind(self, fd: int, addr: Any) -> Any:
        return self._object(fd).bind(addr)

    def _listen(self, fd: int, backlog: int) -> Any:
        return self._object(fd).listen(backlog)

    def _accept(self, fd: int) -> Any:
        pair = self._object(fd).accept()
        if not isinstance(pair, tuple) or len(pair) != 2 or not hasattr(pair[0], "recv"):
            raise WrongResultError(f"accept() gave {shown(pair)}, expected (socket, address)")
        return self._enter(pair[0]), pair[1]

    def _connect(self, fd: int, addr: Any) -> Any:
        return self._object(fd).connect(addr)

    def _send(self, fd: int, data: bytes, flags: int) -> Any:
        return self._object(fd).send(data, flags)

    def _sendto(self, fd: int, data: bytes, addr: Any, flags: int) -> Any:
        return self._object(fd).sendto(data, flags, addr)

    def _sendmsg(self, fd: int, parts: list[bytes], addr: Any, flags: int) -> Any:
        return self._object(fd).sendmsg(parts, [], flags, *(() if addr is None else (addr,)))

    def _recv(self, fd: int, size: int, flags: int) -> Any:
        return self._object(fd).recv(size, flags)

    def _recvfrom(self, fd: int, size: int, flags: int) -> Any:
        return self._object(fd).recvfrom(size, flags)

    def _recvmsg(self, fd: int, sizes: list[int], flags: int) -> Any:
        buffers = [bytearray(size) for size in sizes]
        found = self._object(fd).recvmsg_into(buffers, 0, flags)
        if not isinstance(found, tuple) or len(found) != 4 or not isinstance(found[0], int):
            raise WrongResultError(f"recvmsg_into() gave {shown(found)}, expected (count, ancillary, flags, address)")
        return b"".join(buffers)[: found[0]], found[2], found[3]

    def _shutdown(self, fd: int, how: int) -> Any:
        return self._object(fd).shutdown(how)

    def _close(self, fd: int) -> Any:
        # Only a number cannot be closed twice. To answer EBADF here would be our answer, not the module's.
        if fd in self._closed:
            raise UnsupportedError("closing an object again does nothing by the custom of Python")
        result = self._object(fd).close()
        self._closed.add(fd)
        return result

    def _dup(self, fd: int) -> Any:
        return self._enter(self._object(fd).dup())

    def _getsockname(self, fd: int) -> Any:
        return self._object(fd).getsockname()

    def _getpeername(self, fd: int) -> Any:
        return self._object(fd).getpeername()

    def _getsockopt(self, fd: int, level: int, name: int) -> Any:
        size = self._structure_sizes.get(name) if level == self._socket_level else None
        return self._object(fd).getsockopt(level, name, *(() if size is None else (size,)))

    def _setsockopt(self, fd: int, level: int, name: int, value: int | bytes) -> Any:
        return self._object(fd).setsockopt(level, name, value)

    def _set_nonblocking(self, fd: int, on: bool) -> Any:  # noqa: FBT001 - the form of the function shape
        return self._object(fd).setblocking(not on)

    def _real(self, fd: int) -> int:
        number = self._object(fd).fileno()
        if not isinstance(number, int) or number < 0:
            raise UnsupportedError("the socket has no descriptor of the system to wait on")
        return number

    def _poll(self, watch: list[tuple[int, int]], timeout: int | None) -> Any:
        poller, names = select.poll(), {self._real(fd): fd for fd, _ in watch}
        for fd, events in watch:
            poller.register(self._real(fd), events)
        return [(names[number], events) for number, events in poller.poll(timeout)]

    def _select(self, read: list[int], write: list[int], exceptional: list[int], timeout: float | None) -> Any:
        names = {self._real(fd): fd for fd in (*read, *write, *exceptional)}
        readers, writers, others = ([self._real(fd) for fd in watched] for watched in (read, write, exceptional))
        found = select.select(readers, writers, others, timeout)
        return tuple([names[number] for number in numbers] for numbers in found)
