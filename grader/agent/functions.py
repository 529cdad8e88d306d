"""Calls a module of functions on descriptors, and holds its results to the form that each call has.

A result of another form (`accept()` that gives a number, `recv()` that gives text) is reported as a
wrong result, in words; a wrong value in the right form is nobody's business here.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

from grader.agent.forms import Constants, address_in, address_out, is_number, shown
from grader.agent.implementation import UnsupportedError, WrongResultError, answer_of
from grader.agent.objects import ObjectsAsFunctions

# operation: the function of the module that carries it out
FUNCTIONS = {
    **{
        name: name
        for name in (
            "socket socketpair bind listen accept connect send write sendto sendmsg recv read recvfrom recvmsg "
            "shutdown close dup getsockname getpeername getsockopt setsockopt poll select unread"
        ).split()
    },
    "nonblock": "set_nonblocking",
}
_EVENTS = {"read": select.POLLIN, "write": select.POLLOUT, "except": select.POLLPRI}
_REVENTS = {**_EVENTS, "hangup": select.POLLHUP, "error": select.POLLERR, "invalid": select.POLLNVAL}
_DEFAULT_BACKLOG = 16
# What an answer may hold, with room for base64 and the rest of the line.
_DATA_LIMIT = 700_000

Fields = dict[str, Any]


class Functions:
    """A module of functions as an implementation of sockets."""

    features = ("closed-descriptors", "processes", "threads")

    def __init__(self, module: object, constants: object) -> None:
        """Find out what the module has; `constants` is where its numbers are looked up."""
        self._module = module
        self._constants = Constants(constants)
        self._types: dict[int, str] = {}
        self.ops = frozenset(op for op, name in FUNCTIONS.items() if callable(getattr(module, name, None)))
        reasons = module.missing if isinstance(module, ObjectsAsFunctions) else {}
        self.missing = {
            op: reasons.get(op, f"the module has no function `{name}`")
            for op, name in FUNCTIONS.items()
            if op not in self.ops
        }

    def call(self, op: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation."""
        if op not in self.ops:
            return {"unsupported": self.missing.get(op, f"there is no call {op}")}
        return answer_of(lambda: _CALLS[op](self, args))

    def _raw(self, op: str, *args: object) -> Any:
        return getattr(self._module, FUNCTIONS[op])(*args)

    def _nothing(self, op: str, *args: object) -> Fields:
        """Make a call that gives nothing back; a 0, as in C, is nothing too."""
        result = self._raw(op, *args)
        if result is not None and not (is_number(result) and result == 0):
            raise WrongResultError(f"{op}() gave {shown(result)}, expected nothing: an error is raised as OSError")
        return {}

    def _count(self, op: str, *args: object) -> Fields:
        result = self._raw(op, *args)
        if not is_number(result) or result < 0:
            raise WrongResultError(f"{op}() gave {shown(result)}, expected the number of bytes taken")
        return {"count": int(result)}

    def _flags(self, args: Fields) -> int:
        return self._constants.flags(args.get("flags"))

    def _new(self, op: str, descriptor: object, kind: str, *, nonblock: bool = False) -> int:
        if not isinstance(descriptor, int) or isinstance(descriptor, bool) or descriptor < 0:
            raise WrongResultError(f"{op}() gave {shown(descriptor)}, expected a descriptor: a number from 0 up")
        self._types[descriptor] = kind
        if nonblock:
            if "nonblock" not in self.ops:
                raise UnsupportedError(self.missing["nonblock"])
            self._raw("nonblock", descriptor, True)  # noqa: FBT003 - the student's function is called by position
        return int(descriptor)

    def socket(self, args: Fields) -> Fields:
        """Call `socket(domain, type, protocol) -> fd`."""
        word = self._constants.word
        descriptor = self._raw("socket", word(args["domain"]), word(args["type"]), word(args.get("proto")))
        return {"sock": self._new("socket", descriptor, args["type"], nonblock=bool(args.get("nonblock")))}

    def socketpair(self, args: Fields) -> Fields:
        """Call `socketpair(domain, type, protocol) -> (fd, fd)`."""
        word = self._constants.word
        domain = args.get("domain") or "unix"
        pair = self._raw("socketpair", word(domain), word(args["type"]), word(args.get("proto")))
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise WrongResultError(f"socketpair() gave {shown(pair)}, expected (descriptor, descriptor)")
        sock, other = (self._new("socketpair", end, args["type"]) for end in pair)
        return {"sock": sock, "other": other}

    def bind(self, args: Fields) -> Fields:
        """Call `bind(fd, addr)`."""
        return self._nothing("bind", args["sock"], address_out(args["addr"]))

    def listen(self, args: Fields) -> Fields:
        """Call `listen(fd, backlog)`."""
        return self._nothing("listen", args["sock"], args.get("backlog", _DEFAULT_BACKLOG))

    def accept(self, args: Fields) -> Fields:
        """Call `accept(fd) -> (fd, addr)`."""
        pair = self._raw("accept", args["sock"])
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise WrongResultError(f"accept() gave {shown(pair)}, expected (descriptor, address)")
        kind = self._types.get(args["sock"], "stream")
        sock = self._new("accept", pair[0], kind, nonblock=bool(args.get("nonblock")))
        return {"sock": sock, "peer": address_in("accept", pair[1])}

    def connect(self, args: Fields) -> Fields:
        """Call `connect(fd, addr)`."""
        return self._nothing("connect", args["sock"], address_out(args["addr"]))

    def send(self, args: Fields) -> Fields:
        """Call `send(fd, data, flags) -> int`."""
        return self._count("send", args["sock"], args["data"], self._flags(args))

    def write(self, args: Fields) -> Fields:
        """Call `write(fd, data) -> int`."""
        return self._count("write", args["sock"], args["data"])

    def sendto(self, args: Fields) -> Fields:
        """Call `sendto(fd, data, addr, flags) -> int`."""
        return self._count("sendto", args["sock"], args["data"], address_out(args["addr"]), self._flags(args))

    def sendmsg(self, args: Fields) -> Fields:
        """Call `sendmsg(fd, parts, addr, flags) -> int`; the address may be None."""
        parts, addr = list(args["parts"]), address_out(args.get("addr"))
        return self._count("sendmsg", args["sock"], parts, addr, self._flags(args))

    def recv(self, args: Fields) -> Fields:
        """Call `recv(fd, size, flags) -> bytes`."""
        data = self._raw("recv", args["sock"], args["size"], self._flags(args))
        return self._received("recv", args, data, args["size"])

    def read(self, args: Fields) -> Fields:
        """Call `read(fd, size) -> bytes`."""
        return self._received("read", args, self._raw("read", args["sock"], args["size"]), args["size"])

    def recvfrom(self, args: Fields) -> Fields:
        """Call `recvfrom(fd, size, flags) -> (data, addr)`."""
        pair = self._raw("recvfrom", args["sock"], args["size"], self._flags(args))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise WrongResultError(f"recvfrom() gave {shown(pair)}, expected (data, address)")
        fields = self._received("recvfrom", args, pair[0], args["size"])
        return {**fields, "peer": address_in("recvfrom", pair[1])}

    def recvmsg(self, args: Fields) -> Fields:
        """Call `recvmsg(fd, sizes, flags) -> (data, flags, addr)`."""
        sizes = _sizes(args)
        triple = self._raw("recvmsg", args["sock"], sizes, self._flags(args))
        if not isinstance(triple, tuple) or len(triple) != 3:
            raise WrongResultError(f"recvmsg() gave {shown(triple)}, expected (data, flags, address)")
        fields = self._received("recvmsg", args, triple[0], sum(sizes))
        flags, peer = self._constants.flag_words(triple[1]), address_in("recvmsg", triple[2])
        return {**fields, "peer": peer, "flags": flags}

    def _received(self, op: str, args: Fields, data: object, size: int) -> Fields:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise WrongResultError(f"{op}() gave {shown(data)} as the data, expected bytes")
        data = bytes(data)
        if len(data) > max(size, 0):
            raise WrongResultError(f"{op}() gave {len(data)} bytes where at most {size} were asked for")
        if len(data) > _DATA_LIMIT:
            raise UnsupportedError(f"{op}() gave {len(data)} bytes, more than one answer can carry")
        is_eof = not data and size > 0 and self._types.get(args["sock"]) == "stream"
        return {"data": data, "count": len(data), "eof": is_eof}

    def shutdown(self, args: Fields) -> Fields:
        """Call `shutdown(fd, how)`."""
        return self._nothing("shutdown", args["sock"], self._constants.word(args["how"]))

    def close(self, args: Fields) -> Fields:
        """Call `close(fd)`."""
        return self._nothing("close", args["sock"])

    def dup(self, args: Fields) -> Fields:
        """Call `dup(fd) -> fd`."""
        descriptor = self._raw("dup", args["sock"])
        return {"sock": self._new("dup", descriptor, self._types.get(args["sock"], ""))}

    def getsockname(self, args: Fields) -> Fields:
        """Call `getsockname(fd) -> addr`."""
        return {"addr": address_in("getsockname", self._raw("getsockname", args["sock"]))}

    def getpeername(self, args: Fields) -> Fields:
        """Call `getpeername(fd) -> addr`."""
        return {"addr": address_in("getpeername", self._raw("getpeername", args["sock"]))}

    def getsockopt(self, args: Fields) -> Fields:
        """Call `getsockopt(fd, level, name) -> int or bytes`."""
        name = args["name"]
        level, number = self._constants.level(name, args.get("level")), self._constants.number(name)
        return {"value": self._constants.option_in(name, self._raw("getsockopt", args["sock"], level, number))}

    def setsockopt(self, args: Fields) -> Fields:
        """Call `setsockopt(fd, level, name, value)`."""
        name = args["name"]
        level, number = self._constants.level(name, args.get("level")), self._constants.number(name)
        value = self._constants.option_out(name, args["value"])
        return self._nothing("setsockopt", args["sock"], level, number, value)

    def nonblock(self, args: Fields) -> Fields:
        """Call `set_nonblocking(fd, on)`."""
        return self._nothing("nonblock", args["sock"], args["set"])

    def poll(self, args: Fields) -> Fields:
        """Call `poll([(fd, events)], timeout_ms or None) -> [(fd, events)]`."""
        watch = [(fd, sum(_EVENTS[event] for event in events)) for fd, events in args["watch"]]
        found = self._raw("poll", watch, args.get("timeout"))
        if not isinstance(found, list) or not all(_is_pair_of_numbers(item) for item in found):
            raise WrongResultError(f"poll() gave {shown(found)}, expected a list of (descriptor, events)")
        ready = [f"{fd}.{word}" for fd, events in found for word, bit in _REVENTS.items() if events & bit]
        return {"ready": ready, "count": len(found)}

    def select(self, args: Fields) -> Fields:
        """Call `select(readers, writers, exceptional, seconds or None)`, which gives three such lists."""
        watched = [[fd for fd, events in args["watch"] if event in events] for event in _EVENTS]
        timeout = args.get("timeout")
        found = self._raw("select", *watched, None if timeout is None else timeout / 1000)
        if not isinstance(found, tuple) or len(found) != len(_EVENTS):
            raise WrongResultError(f"select() gave {shown(found)}, expected three lists of descriptors")
        ready = [f"{fd}.{event}" for event, descriptors in zip(_EVENTS, found, strict=True) for fd in descriptors]
        return {"ready": ready, "count": len(ready)}

    def unread(self, args: Fields) -> Fields:
        """Call `unread(fd) -> int`."""
        value = self._raw("unread", args["sock"])
        if not is_number(value):
            raise WrongResultError(f"unread() gave {shown(value)}, expected a number of bytes")
        return {"value": int(value)}


def _sizes(args: Fields) -> list[int]:
    sizes = args.get("sizes") or args.get("size")
    return list(sizes) if isinstance(sizes, list) else [int(sizes or 0)]


def _is_pair_of_numbers(item: object) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and all(map(is_number, item))


_CALLS: dict[str, Callable[[Functions, Fields], Fields]] = {op: getattr(Functions, op) for op in FUNCTIONS}
