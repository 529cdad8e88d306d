"""Raw calls of libc: each against the kernel, with what it gives and with the errors it must give."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from grader.agent import kernel
from grader.agent.kernel import CALLS
from grader.ops import OPERATIONS, Group
from grader.sandbox import introspect

STREAM = {"domain": "unix", "type": "stream"}
DOMAINS = ("unix", "inet", "inet6")
LOOPBACK = {"inet": {"ip": "127.0.0.1", "port": 0}, "inet6": {"ip": "::1", "port": 0}}


class Sockets:
    """Makes sockets by raw calls and closes them at the end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Make names in this folder."""
        self._folder = folder
        self._stack = stack

    def keep(self, fd: int) -> int:
        """Close this at the end, unless a test has closed it."""
        self._stack.callback(self._close, fd)
        return fd

    @staticmethod
    def _close(fd: int) -> None:
        try:
            os.close(fd)
        except OSError as error:
            assert error.errno == errno.EBADF  # noqa: PT017 - closed by the test

    def new(self, domain: str = "inet", kind: str = "stream", **more: Any) -> int:
        """Make a socket."""
        return self.keep(CALLS["socket"]({"domain": domain, "type": kind, **more})["sock"])

    def pair(self, kind: str = "stream") -> tuple[int, int]:
        """Make two connected sockets."""
        made = CALLS["socketpair"]({"domain": "unix", "type": kind})
        return self.keep(made["sock"]), self.keep(made["other"])

    def name(self, domain: str, label: str = "srv") -> dict[str, Any]:
        """Give an address that can be bound."""
        return dict(LOOPBACK[domain]) if domain in LOOPBACK else {"path": str(self._folder / label)}

    def bound(self, domain: str, kind: str, label: str = "srv") -> tuple[int, dict[str, Any]]:
        """Make a bound socket and give its address."""
        sock = self.new(domain, kind)
        assert CALLS["bind"]({"sock": sock, "addr": self.name(domain, label)}) == {}
        return sock, CALLS["getsockname"]({"sock": sock})["addr"]

    def connected(self, domain: str) -> tuple[int, int]:
        """Make a client and what the server accepted."""
        server, addr = self.bound(domain, "stream")
        CALLS["listen"]({"sock": server, "backlog": 1})
        client = self.new(domain)
        assert CALLS["connect"]({"sock": client, "addr": addr}) == {}
        return client, self.keep(CALLS["accept"]({"sock": server})["sock"])


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Sockets]:
    """Make sockets, and close them."""
    with ExitStack() as stack:
        yield Sockets(tmp_path, stack)


def refused(number: int, op: str, **args: Any) -> None:
    """See that a call fails with this errno, and with its text."""
    with pytest.raises(OSError, match=r"\w") as error:
        CALLS[op](args)
    assert error.value.errno == number, errno.errorcode[error.value.errno or 0]
    assert error.value.strerror == os.strerror(number)


def test_every_call_of_the_language_is_there() -> None:
    """No more and no fewer."""
    assert set(CALLS) == {op.name for op in OPERATIONS.values() if op.group is Group.SOCKET}


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_server_and_a_client_meet(sockets: Sockets, domain: str) -> None:
    """The names of both ends are what each says of itself."""
    server, addr = sockets.bound(domain, "stream")
    CALLS["listen"]({"sock": server})
    client = sockets.new(domain)
    CALLS["connect"]({"sock": client, "addr": addr})

    accepted = CALLS["accept"]({"sock": server})
    sockets.keep(accepted["sock"])

    assert accepted["peer"] == CALLS["getsockname"]({"sock": client})["addr"]
    assert CALLS["getpeername"]({"sock": client}) == {"addr": addr}
    assert CALLS["getpeername"]({"sock": accepted["sock"]})["addr"] == accepted["peer"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_datagram_carries_its_sender(sockets: Sockets, domain: str) -> None:
    """By each of the calls that receive with an address."""
    receiver, addr = sockets.bound(domain, "dgram", "to")
    sender, own = sockets.bound(domain, "dgram", "from")

    assert CALLS["sendto"]({"sock": sender, "data": b"one", "addr": addr}) == {"count": 3}
    assert CALLS["sendmsg"]({"sock": sender, "parts": (b"t", b"", b"wo"), "addr": addr}) == {"count": 3}

    assert CALLS["recvfrom"]({"sock": receiver, "size": 9}) == {"data": b"one", "count": 3, "eof": False, "peer": own}
    assert CALLS["recvmsg"]({"sock": receiver, "size": 9}) == {
        "data": b"two",
        "count": 3,
        "eof": False,
        "peer": own,
        "flags": (),
    }


@pytest.mark.parametrize(("op", "more"), [("send", {"flags": ()}), ("send", {}), ("write", {})])
@pytest.mark.parametrize("receive", ["recv", "read", "recvfrom", "recvmsg"])
def test_bytes_go_through_unchanged(sockets: Sockets, op: str, more: dict[str, Any], receive: str) -> None:
    """Also those that are no text, and also none."""
    one, other = sockets.pair()

    assert CALLS[op]({"sock": one, "data": b"\0\xff\n", **more}) == {"count": 3}
    assert CALLS[op]({"sock": one, "data": b"", **more}) == {"count": 0}

    got = CALLS[receive]({"sock": other, "size": 2})
    assert (got["data"], got["count"], got["eof"]) == (b"\0\xff", 2, False)
    rest = CALLS[receive]({"sock": other, "size": 100})
    assert (rest["data"], rest["eof"]) == (b"\n", False)
    CALLS["close"]({"sock": one})
    end = CALLS[receive]({"sock": other, "size": 1})
    assert (end["data"], end["count"], end["eof"]) == (b"", 0, True)
    nothing = CALLS[receive]({"sock": other, "size": 0})
    assert (nothing["data"], nothing["eof"]) == (b"", False)


@pytest.mark.parametrize("kind", ["dgram", "seqpacket"])
def test_an_empty_message_is_no_end(sockets: Sockets, kind: str) -> None:
    """Only a stream ends with no bytes."""
    one, other = sockets.pair(kind)
    CALLS["send"]({"sock": one, "data": b""})

    assert CALLS["recv"]({"sock": other, "size": 5}) == {"data": b"", "count": 0, "eof": False}


def test_a_message_is_scattered_over_parts(sockets: Sockets) -> None:
    """In their order; what has no room is cut off, and said."""
    one, other = sockets.pair("dgram")
    CALLS["send"]({"sock": one, "data": b"abcdefgh"})
    CALLS["send"]({"sock": one, "data": b"abcdefgh"})

    whole = CALLS["recvmsg"]({"sock": other, "sizes": (3, 0, 5)})
    cut = CALLS["recvmsg"]({"sock": other, "sizes": (1, 4), "flags": ()})

    assert (whole["data"], whole["flags"]) == (b"abcdefgh", ())
    assert (cut["data"], cut["count"], cut["flags"]) == (b"abcde", 5, ("MSG_TRUNC",))


def test_more_was_there_than_the_buffer_holds(sockets: Sockets) -> None:
    """With MSG_TRUNC the count is that of the message, and the data is what fits."""
    one, other = sockets.pair("dgram")
    CALLS["send"]({"sock": one, "data": b"abcdef"})
    CALLS["send"]({"sock": one, "data": b"abcdef"})

    for op in ("recv", "recvfrom"):
        got = CALLS[op]({"sock": other, "size": 2, "flags": ("MSG_TRUNC",)})
        assert (got["data"], got["count"]) == (b"ab", 6)


def test_flags_are_joined(sockets: Sockets) -> None:
    """`MSG_PEEK` leaves the data, `MSG_DONTWAIT` does not wait."""
    one, other = sockets.pair()
    CALLS["send"]({"sock": one, "data": b"x"})

    peeked = CALLS["recv"]({"sock": other, "size": 5, "flags": ("MSG_PEEK", "MSG_DONTWAIT")})

    assert peeked["data"] == CALLS["recv"]({"sock": other, "size": 5})["data"] == b"x"
    refused(errno.EAGAIN, "recv", sock=other, size=5, flags=("MSG_DONTWAIT",))


@pytest.mark.parametrize("how", ["rd", "wr", "rdwr"])
def test_a_direction_is_shut_down(sockets: Sockets, how: str) -> None:
    """Nothing more is read, or nothing more is written, and the other direction is left."""
    one, other = sockets.connected("inet")
    assert CALLS["shutdown"]({"sock": one, "how": how}) == {}

    if how in {"rd", "rdwr"}:
        assert CALLS["recv"]({"sock": one, "size": 1})["eof"]
    if how in {"wr", "rdwr"}:
        refused(errno.EPIPE, "send", sock=one, data=b"x", flags=("MSG_NOSIGNAL",))
        assert CALLS["recv"]({"sock": other, "size": 1})["eof"]
    else:
        assert CALLS["send"]({"sock": one, "data": b"x"}) == {"count": 1}


def test_a_copy_is_another_descriptor_of_the_same_socket(sockets: Sockets) -> None:
    """It stays when the first is closed."""
    one, other = sockets.pair()
    copy = sockets.keep(CALLS["dup"]({"sock": one})["sock"])
    CALLS["close"]({"sock": one})

    CALLS["send"]({"sock": copy, "data": b"x"})

    assert CALLS["recv"]({"sock": other, "size": 1})["data"] == b"x"


def test_a_socket_is_made_with_numbers_too(sockets: Sockets) -> None:
    """A scenario may ask for what has no name."""
    sock = sockets.new(int(socket.AF_UNIX), int(socket.SOCK_DGRAM), proto=0)  # type: ignore[arg-type]

    assert CALLS["getsockopt"]({"sock": sock, "name": "SO_TYPE"}) == {"value": "dgram"}
    refused(errno.EAFNOSUPPORT, "socket", domain=250, type="stream")
    refused(errno.EINVAL, "socket", domain="inet", type=100)
    refused(errno.EPROTONOSUPPORT, "socket", domain="inet", type="stream", proto="udp")
    refused(errno.EOPNOTSUPP, "socketpair", domain="inet", type="stream")


def test_the_mode_is_set_and_taken_back(sockets: Sockets) -> None:
    """Later, at birth, or when it is accepted."""
    one, _ = sockets.pair()
    refused(errno.EAGAIN, "recv", sock=one, size=1, flags=("MSG_DONTWAIT",))
    CALLS["nonblock"]({"sock": one, "set": True})
    refused(errno.EAGAIN, "recv", sock=one, size=1)
    CALLS["nonblock"]({"sock": one, "set": False})
    assert os.get_blocking(one)
    assert not os.get_blocking(sockets.new(nonblock=True))

    server, addr = sockets.bound("inet", "stream")
    CALLS["listen"]({"sock": server})
    CALLS["connect"]({"sock": sockets.new(), "addr": addr})
    assert not os.get_blocking(sockets.keep(CALLS["accept"]({"sock": server, "nonblock": True})["sock"]))


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("bind", {"addr": {"ip": "127.0.0.1", "port": 0}}),
        ("listen", {"backlog": 1}),
        ("accept", {}),
        ("connect", {"addr": {"ip": "127.0.0.1", "port": 1}}),
        ("send", {"data": b"x"}),
        ("write", {"data": b"x"}),
        ("sendto", {"data": b"x", "addr": {"ip": "127.0.0.1", "port": 1}}),
        ("sendmsg", {"parts": (b"x",)}),
        ("recv", {"size": 1}),
        ("read", {"size": 1}),
        ("recvfrom", {"size": 1}),
        ("recvmsg", {"size": 1}),
        ("shutdown", {"how": "wr"}),
        ("close", {}),
        ("dup", {}),
        ("getsockname", {}),
        ("getpeername", {}),
        ("getsockopt", {"name": "SO_TYPE"}),
        ("getsockopt", {"name": "SO_LINGER"}),
        ("setsockopt", {"name": "SO_REUSEADDR", "value": True}),
        ("nonblock", {"set": True}),
        ("unread", {}),
    ],
)
def test_a_descriptor_that_is_closed_is_refused(op: str, args: dict[str, Any]) -> None:
    """Every call says EBADF."""
    refused(errno.EBADF, op, sock=900, **args)


@pytest.mark.parametrize(
    ("number", "op", "args"),
    [
        (errno.ENOTCONN, "recv", {"size": 1}),
        (errno.EPIPE, "send", {"data": b"x", "flags": ("MSG_NOSIGNAL",)}),
        (errno.ENOTCONN, "getpeername", {}),
        (errno.ENOTCONN, "shutdown", {"how": "wr"}),
        (errno.EINVAL, "accept", {}),
        (errno.EADDRNOTAVAIL, "bind", {"addr": {"ip": "192.0.2.1", "port": 0}}),
        (errno.EAFNOSUPPORT, "bind", {"addr": {"path": "/nowhere-at-all"}}),
        (errno.ECONNREFUSED, "connect", {"addr": {"ip": "127.0.0.1", "port": 1}}),
        (errno.EOPNOTSUPP, "getsockopt", {"name": "IPV6_V6ONLY"}),
        (errno.ENOPROTOOPT, "setsockopt", {"name": "SO_ERROR", "value": 1}),
    ],
)
def test_a_socket_that_is_not_in_the_right_state_is_refused(
    sockets: Sockets, number: int, op: str, args: dict[str, Any]
) -> None:
    """With the errno of the kernel, which nothing translates."""
    refused(number, op, sock=sockets.new(), **args)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_name_in_use_is_refused(sockets: Sockets, domain: str) -> None:
    """And so is a second name for the same socket."""
    sock, addr = sockets.bound(domain, "stream")
    CALLS["listen"]({"sock": sock})

    refused(errno.EADDRINUSE, "bind", sock=sockets.new(domain), addr=addr)
    refused(errno.EINVAL, "bind", sock=sock, addr=sockets.name(domain, "other"))


def test_a_broken_pipe_is_seen_with_its_signal(sockets: Sockets) -> None:
    """Held back, taken once, and only by the thread that caused it."""
    one, other = sockets.pair()
    CALLS["close"]({"sock": other})
    before = kernel.hold_signals()
    elsewhere: list[object] = []
    try:
        refused(errno.EPIPE, "send", sock=one, data=b"x")
        thread = threading.Thread(target=lambda: elsewhere.append(kernel.raised_signals()))
        thread.start()
        thread.join()

        assert elsewhere == [()]
        assert kernel.raised_signals() == ("SIGPIPE",)
        assert kernel.raised_signals() == ()
        refused(errno.EPIPE, "send", sock=one, data=b"x", flags=("MSG_NOSIGNAL",))
        assert kernel.raised_signals() == ()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_call_is_not_made_again_when_a_signal_comes(sockets: Sockets) -> None:
    """EINTR is seen, where Python's own sockets would hide it."""
    one, _ = sockets.pair()
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    mine, in_the_kernel = threading.get_ident(), threading.get_native_id()
    ended = threading.Event()

    def interrupt() -> None:
        """One signal, once the call is seen asleep: signals without end would nest their handlers."""
        while not ended.is_set():
            if introspect.look_at_thread(os.getpid(), in_the_kernel).call == "recvfrom":
                signal.pthread_kill(mine, signal.SIGUSR1)
                return

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        refused(errno.EINTR, "recv", sock=one, size=1)
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def test_behind_the_agent_each_outcome_has_a_form(sockets: Sockets) -> None:
    """Success, failure, failure with a signal, and what cannot be made at all."""
    implementation = kernel.Kernel()
    one, other = sockets.pair()
    CALLS["close"]({"sock": other})
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        assert implementation.call("dup", {"sock": 900}) == {"err": {"name": "EBADF", "number": errno.EBADF}}
        assert implementation.call("unread", {"sock": one}) == {"ok": {"value": 0}}
        assert implementation.call("write", {"sock": one, "data": b"x"}) == {
            "err": {"name": "EPIPE", "number": errno.EPIPE},
            "signals": ["SIGPIPE"],
        }
        quiet = implementation.call("send", {"sock": one, "data": b"x", "flags": ("MSG_NOSIGNAL",)})
        assert quiet == {"err": {"name": "EPIPE", "number": errno.EPIPE}}
        assert implementation.call("bind", {"sock": one})["unsupported"].startswith("bind(")
        assert implementation.call("recv", {"sock": "x", "size": 1})["unsupported"].startswith("recv(")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
