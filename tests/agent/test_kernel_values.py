"""What travels in raw calls: addresses, values of options, and the words of poll and select."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.agent.kernel import CALLS
from grader.agent.structures import OPTIONS, decode_address, encode_address

PORTS = st.integers(0, 65535)
# A path ends at the first zero byte; any other byte may be in it, also those that are no text.
PATHS = st.binary(min_size=1, max_size=100).map(lambda raw: raw.replace(b"\0", b"x")).map(os.fsdecode)
ABSTRACT = st.binary(min_size=1, max_size=100).map(os.fsdecode)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Collect sockets."""
    with ExitStack() as collected:
        yield collected


def make(stack: ExitStack, family: socket.AddressFamily = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> int:
    """Make a socket and give its descriptor."""
    return stack.enter_context(socket.socket(family, kind)).fileno()


def pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Make two connected sockets."""
    one, other = socket.socketpair()
    return stack.enter_context(one), stack.enter_context(other)


@given(st.ip_addresses(v=4).map(str), PORTS)
def test_an_address_of_ipv4_comes_back(ip: str, port: int) -> None:
    """As it was, and in 16 bytes."""
    raw = encode_address({"ip": ip, "port": port})

    assert len(raw) == 16
    assert decode_address(raw) == {"ip": ip, "port": port}


@given(st.ip_addresses(v=6), PORTS, st.integers(0, 2**32 - 1))
def test_an_address_of_ipv6_comes_back(ip: ipaddress.IPv6Address, port: int, scope: int) -> None:
    """With its scope, in 28 bytes, and in the text that inet_ntop gives."""
    text = socket.inet_ntop(socket.AF_INET6, ip.packed)

    raw = encode_address({"ip": text, "port": port, "scope": scope})

    assert len(raw) == 28
    assert decode_address(raw) == {"ip": text, "port": port, "scope": scope}


@given(PATHS)
def test_a_path_comes_back(path: str) -> None:
    """With the zero byte that ends it, or without, as kernels differ."""
    raw = encode_address({"path": path})

    assert decode_address(raw) == decode_address(raw[:-1]) == decode_address(raw + bytes(5)) == {"path": path}


@given(ABSTRACT)
def test_an_abstract_name_comes_back(name: str) -> None:
    """Whatever bytes it has, zeros too."""
    assert decode_address(encode_address({"abstract": name})) == {"abstract": name}


@pytest.mark.parametrize("raw", [b"", b"\0", encode_address({})])
def test_no_name_is_no_address(raw: bytes) -> None:
    """That of an unnamed socket, or none at all as of a connected stream."""
    assert decode_address(raw) == {}


@given(st.binary(min_size=1, max_size=60))
def test_the_kernel_reads_what_is_written(name: bytes) -> None:
    """It gives an abstract name back as it was bound."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        CALLS["bind"]({"sock": sock.fileno(), "addr": {"abstract": os.fsdecode(b"sockgrade-test" + name)}})

        assert sock.getsockname() == b"\0sockgrade-test" + name
        assert CALLS["getsockname"]({"sock": sock.fileno()})["addr"] == {
            "abstract": os.fsdecode(b"sockgrade-test" + name)
        }


@pytest.mark.parametrize("name", [name for name, (_, _, form) in OPTIONS.items() if form == "bool"])
def test_an_option_that_is_on_or_off(stack: ExitStack, name: str) -> None:
    """Is true or false, whatever number the kernel keeps."""
    sock = make(stack, socket.AF_INET6)
    if name == "SO_ACCEPTCONN":
        assert CALLS["getsockopt"]({"sock": sock, "name": name}) == {"value": False}
        CALLS["listen"]({"sock": sock})
        assert CALLS["getsockopt"]({"sock": sock, "name": name}) == {"value": True}
        return
    for value in (True, False):
        assert CALLS["setsockopt"]({"sock": sock, "name": name, "value": value}) == {}
        assert CALLS["getsockopt"]({"sock": sock, "name": name}) == {"value": value}


@pytest.mark.parametrize("seconds", [5, 0, -1])
def test_lingering_is_in_seconds(stack: ExitStack, seconds: int) -> None:
    """And -1 is not to linger, which is something else than for 0 seconds."""
    sock = make(stack)
    CALLS["setsockopt"]({"sock": sock, "name": "SO_LINGER", "value": 9})

    CALLS["setsockopt"]({"sock": sock, "name": "SO_LINGER", "value": seconds})

    assert CALLS["getsockopt"]({"sock": sock, "name": "SO_LINGER"}) == {"value": seconds}


@pytest.mark.parametrize("name", ["SO_RCVTIMEO", "SO_SNDTIMEO"])
@pytest.mark.parametrize("milliseconds", [0, 20, 999, 1000, 61_500])
def test_time_limits_are_in_milliseconds(stack: ExitStack, name: str, milliseconds: int) -> None:
    """Rounded by the kernel to its ticks, which are no longer than 10 of them."""
    sock = make(stack)

    CALLS["setsockopt"]({"sock": sock, "name": name, "value": milliseconds})

    kept = CALLS["getsockopt"]({"sock": sock, "name": name})["value"]
    assert 0 <= kept - milliseconds < 10
    assert (kept == 0) == (milliseconds == 0)


def test_a_time_limit_ends_a_receive(stack: ExitStack) -> None:
    """With EAGAIN, in a blocking socket."""
    one, _ = pair(stack)
    CALLS["setsockopt"]({"sock": one.fileno(), "name": "SO_RCVTIMEO", "value": 10})

    with pytest.raises(BlockingIOError):
        CALLS["recv"]({"sock": one.fileno(), "size": 1})


@pytest.mark.parametrize(
    ("family", "kind", "words"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, ("inet", "stream", "tcp")),
        (socket.AF_INET6, socket.SOCK_DGRAM, ("inet6", "dgram", "udp")),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET, ("unix", "seqpacket", 0)),
    ],
)
def test_what_a_socket_is_is_said_in_words(
    stack: ExitStack, family: socket.AddressFamily, kind: int, words: tuple[str | int, ...]
) -> None:
    """Domain, type and protocol; a number without a name stays one."""
    sock = make(stack, family, kind)

    assert (
        tuple(
            CALLS["getsockopt"]({"sock": sock, "name": f"SO_{name}"})["value"]
            for name in ("DOMAIN", "TYPE", "PROTOCOL")
        )
        == words
    )


def test_a_pending_error_is_a_symbol_and_is_fetched_once(stack: ExitStack) -> None:
    """0 is none."""
    sock = make(stack, socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        name = gone.getsockname()
    CALLS["connect"]({"sock": sock, "addr": {"ip": name[0], "port": name[1]}})
    CALLS["send"]({"sock": sock, "data": b"x"})

    assert CALLS["getsockopt"]({"sock": sock, "name": "SO_ERROR"}) == {"value": "ECONNREFUSED"}
    assert CALLS["getsockopt"]({"sock": sock, "name": "SO_ERROR"}) == {"value": 0}


def test_sizes_are_numbers(stack: ExitStack) -> None:
    """The kernel may make them larger; a level can be named."""
    sock = make(stack)

    CALLS["setsockopt"]({"sock": sock, "name": "SO_RCVBUF", "value": 8192, "level": "SOL_SOCKET"})

    assert CALLS["getsockopt"]({"sock": sock, "name": "SO_RCVBUF", "level": "SOL_SOCKET"})["value"] >= 8192
    assert CALLS["getsockopt"]({"sock": sock, "name": "TCP_MAXSEG", "level": "IPPROTO_TCP"})["value"] > 0


def test_unread_bytes_are_counted(stack: ExitStack) -> None:
    """Those that a receive would find."""
    one, other = pair(stack)
    one.send(b"four")

    assert CALLS["unread"]({"sock": other.fileno()}) == {"value": 4}


@pytest.mark.parametrize("op", ["poll", "select"])
def test_what_is_ready_is_said_in_words(stack: ExitStack, op: str) -> None:
    """By descriptor and event, in the order of the watch list."""
    one, other = pair(stack)
    a, b = one.fileno(), other.fileno()
    watch = ((b, ("read", "write")), (a, ("read",)))

    nothing = CALLS[op]({"watch": ((a, ("read", "except")),), "timeout": 0})
    before = CALLS[op]({"watch": watch, "timeout": 0})
    one.send(b"x")
    after = CALLS[op]({"watch": watch})
    in_time = CALLS[op]({"watch": ((a, ("read",)),), "timeout": 5})

    assert nothing == in_time == {"ready": (), "count": 0}
    assert before == {"ready": (f"{b}.write",), "count": 1}
    assert set(after["ready"]) == {f"{b}.read", f"{b}.write"}
    assert after["count"] == (1 if op == "poll" else 2)  # descriptors, or bits in the sets


def test_an_end_is_ready_unasked(stack: ExitStack) -> None:
    """Hang-up and error are told by poll whether they were asked for or not."""
    one, other = pair(stack)
    other.close()
    refused = socket.socket()
    stack.enter_context(refused)
    refused.setblocking(False)
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        name = gone.getsockname()
    refused.connect_ex(name)

    hung_up = CALLS["poll"]({"watch": ((one.fileno(), ("read",)),)})
    failed = CALLS["poll"]({"watch": ((refused.fileno(), ()),)})

    assert set(hung_up["ready"]) == {f"{one.fileno()}.read", f"{one.fileno()}.hangup"}
    assert set(failed["ready"]) == {f"{refused.fileno()}.error", f"{refused.fileno()}.hangup"}


def test_urgent_data_is_an_exception(stack: ExitStack) -> None:
    """In both calls, by its own word."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    client = stack.enter_context(socket.create_connection(server.getsockname()))
    peer = stack.enter_context(server.accept()[0])
    CALLS["send"]({"sock": client.fileno(), "data": b"!", "flags": ("MSG_OOB",)})

    for op in ("poll", "select"):
        ready = CALLS[op]({"watch": ((peer.fileno(), ("except",)),)})
        assert ready == {"ready": (f"{peer.fileno()}.except",), "count": 1}


def test_a_closed_descriptor_is_told_by_poll_and_refused_by_select() -> None:
    """`invalid` for the one, EBADF for the other."""
    one, other = socket.socketpair()
    fd = one.fileno()
    one.close()
    with other:
        assert CALLS["poll"]({"watch": ((fd, ("read",)),), "timeout": 0}) == {"ready": (f"{fd}.invalid",), "count": 1}
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            CALLS["select"]({"watch": ((fd, ("read",)),), "timeout": 0})


def test_watching_nothing_is_waiting(stack: ExitStack) -> None:
    """A time limit alone."""
    for op in ("poll", "select"):
        assert CALLS[op]({"watch": (), "timeout": 1}) == {"ready": (), "count": 0}
