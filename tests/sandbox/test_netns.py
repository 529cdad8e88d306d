"""Networks of one's own, and whether anything is under way in one."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.model.errors import SandboxError
from grader.sandbox.introspect import network_is_quiet
from grader.sandbox.netns import CLONE_NEWNET, enter_fresh_network, prepare_process, unshare
from tests.shell import same_network

HERE = "/proc/thread-self/net"


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Collect sockets in a network that nobody else is in."""
    with same_network(), ExitStack() as stack:
        try:
            enter_fresh_network()
        except SandboxError as error:
            pytest.skip(str(error))
        yield stack


def network() -> str:
    """Give the name of the network that this thread is in."""
    return str(Path("/proc/thread-self/ns/net").readlink())


def stream(stack: ExitStack, family: socket.AddressFamily) -> socket.socket:
    """Make a socket."""
    return stack.enter_context(socket.socket(family, socket.SOCK_STREAM))


def listener(stack: ExitStack, family: socket.AddressFamily, backlog: int) -> socket.socket:
    """Make a socket that listens on loopback."""
    sock = stream(stack, family)
    sock.bind(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0))
    sock.listen(backlog)
    return sock


def connect(stack: ExitStack, server: socket.socket) -> socket.socket:
    """Begin to connect without waiting for the end of it."""
    sock = stream(stack, server.family)
    sock.setblocking(False)
    assert sock.connect_ex(server.getsockname()) == errno.EINPROGRESS
    return sock


def wait_until_quiet() -> None:
    """Look until nothing is under way; what is acknowledged at once takes the kernel a moment."""
    for _ in range(1_000_000):
        if network_is_quiet(HERE):
            return
    raise AssertionError(Path(f"{HERE}/tcp").read_text() + Path(f"{HERE}/tcp6").read_text())


FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])


def test_a_fresh_network_is_another_and_has_loopback(sockets: ExitStack) -> None:
    """Each time a new one, in which 127.0.0.0/8 and ::1 work at once."""
    first = network()

    enter_fresh_network()

    assert network() != first
    for family in (socket.AF_INET, socket.AF_INET6):
        server = listener(sockets, family, 1)
        client = stream(sockets, family)
        client.connect(server.getsockname())
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


def test_only_the_calling_thread_moves(sockets: ExitStack) -> None:
    """The others stay, and those that it starts afterwards follow."""
    here = network()
    seen: list[str] = []

    def move() -> None:
        enter_fresh_network()
        follower = threading.Thread(target=lambda: seen.append(network()))
        follower.start()
        follower.join()
        seen.append(network())

    thread = threading.Thread(target=move)
    thread.start()
    thread.join()

    assert network() == here
    assert seen[0] == seen[1] != here


def test_preparing_leaves_the_network_as_it_is() -> None:
    """Where nothing has to be prepared, as for root; a plain user enters a user namespace at once."""
    if os.geteuid() != 0:
        pytest.skip("this account has to enter a user namespace, and could not leave it")
    before = network()

    reason = prepare_process()

    assert reason == "" or reason.startswith(("a plain user's process", "user namespaces are refused"))
    assert network() == before


def test_a_namespace_that_does_not_exist_is_an_error() -> None:
    """With the errno of unshare()."""
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)) as refused:
        unshare(CLONE_NEWNET | 0x1)

    assert refused.value.errno == errno.EINVAL


def test_a_fresh_network_is_quiet(sockets: ExitStack) -> None:
    """Nothing is there that could wake anybody."""
    assert network_is_quiet(HERE)


@FAMILIES
def test_who_waits_for_others_keeps_no_network_busy(sockets: ExitStack, family: socket.AddressFamily) -> None:
    """Listening, connected, half-closed, closed: nothing happens before somebody does something."""
    server = listener(sockets, family, 4)
    client = stream(sockets, family)
    client.connect(server.getsockname())
    peer = sockets.enter_context(server.accept()[0])
    wait_until_quiet()

    client.send(b"unread")
    client.shutdown(socket.SHUT_WR)
    wait_until_quiet()
    peer.recv(6)
    peer.close()
    client.close()
    wait_until_quiet()


@FAMILIES
def test_a_connect_that_is_tried_again_keeps_the_network_busy(sockets: ExitStack, family: socket.AddressFamily) -> None:
    """The backlog is full, so the kernel drops the SYN and will send it again: not before that ends is it quiet."""
    server = listener(sockets, family, 0)
    stream(sockets, family).connect(server.getsockname())
    retried = connect(sockets, server)

    assert not any(network_is_quiet(HERE) for _ in range(50))

    retried.close()
    wait_until_quiet()


@FAMILIES
def test_a_connect_that_is_let_in_late_ends_quietly(sockets: ExitStack, family: socket.AddressFamily) -> None:
    """Once there is room, the SYN that is sent again is answered; until then a call may still be woken."""
    server = listener(sockets, family, 0)
    stream(sockets, family).connect(server.getsockname())
    retried = connect(sockets, server)
    sockets.enter_context(server.accept()[0])

    assert not network_is_quiet(HERE)
    select.select([], [retried], [], 20.0)

    assert retried.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    wait_until_quiet()


@FAMILIES
def test_a_sender_that_asks_for_room_keeps_the_network_busy(sockets: ExitStack, family: socket.AddressFamily) -> None:
    """The window is closed and the kernel asks from time to time whether it has opened."""
    server = listener(sockets, family, 1)
    sender = stream(sockets, family)
    sender.connect(server.getsockname())
    reader = sockets.enter_context(server.accept()[0])
    sender.setblocking(False)
    total = 0
    while select.select([], [sender], [], 0.2)[1]:
        total += sender.send(bytes(1 << 16))

    assert not network_is_quiet(HERE)

    while total:
        total -= len(reader.recv(1 << 20))
    wait_until_quiet()


def test_a_kernel_without_that_protocol_is_quiet(tmp_path: Path) -> None:
    """No table, nothing under way."""
    assert network_is_quiet(str(tmp_path))
