"""Sockets as the kernel lists them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from grader.sandbox import netns, sockdiag
from grader.sandbox.sockdiag import CLOSE, ESTABLISHED, LISTEN, TIME_WAIT, SockDiag, states

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    """Open a line to the kernel."""
    with SockDiag() as line:
        yield line


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Collect sockets."""
    with ExitStack() as kept:
        yield kept


def listener(stack: ExitStack, port: int, ip: str = "127.0.0.1") -> socket.socket:
    """Listen."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return stack.enter_context(socket.create_server((ip, port), family=family, backlog=4))


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "::"])
def test_who_listens_is_seen_with_its_queue_and_its_process(stack: ExitStack, diag: SockDiag, ip: str) -> None:
    """The address, how many wait to be accepted, and whose it is."""
    server = listener(stack, 7000, ip)
    stack.enter_context(socket.create_connection(("::1" if ":" in ip else ip, 7000)))

    (seen,) = diag.inet(server.family, among=states(LISTEN))

    assert (seen.state, seen.local, seen.received) == (LISTEN, (ip, 7000), 1)
    assert seen.inode == os.fstat(server.fileno()).st_ino
    assert sockdiag.owners([seen.inode, 1], [os.getpid(), 1 << 22]) == {seen.inode: [os.getpid()], 1: []}
    assert sockdiag.is_listening(diag, 7000)
    assert not sockdiag.is_listening(diag, 7001)


def test_what_is_under_way_is_counted(stack: ExitStack, diag: SockDiag) -> None:
    """Bytes that nobody has read."""
    server = listener(stack, 7000)
    client = stack.enter_context(socket.create_connection(("127.0.0.1", 7000)))
    stack.enter_context(server.accept()[0])
    client.send(b"12345")

    seen = {sock.local[1]: sock for sock in diag.inet(socket.AF_INET, among=states(ESTABLISHED))}

    assert seen[7000].received == 5
    assert seen[7000].peer == client.getsockname()


def test_datagram_sockets_are_seen(stack: ExitStack, diag: SockDiag) -> None:
    """They are bound or they are not; nobody listens on them."""
    sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 7000))

    assert [seen.local for seen in diag.inet(socket.AF_INET, socket.IPPROTO_UDP)] == [("127.0.0.1", 7000)]


def test_names_in_the_file_system_and_abstract_ones_are_seen(stack: ExitStack, diag: SockDiag) -> None:
    """Nobody has to read a path to know it."""
    for name in (b"\0one", b"\0two"):
        sock = stack.enter_context(socket.socket(socket.AF_UNIX))
        sock.bind(name)
        sock.listen()

    seen = diag.unix(states(LISTEN))

    assert {sock.name for sock in seen} == {b"\0one", b"\0two"}
    assert {sock.type for sock in seen} == {socket.SOCK_STREAM}


def test_many_sockets_come_in_several_answers(stack: ExitStack, diag: SockDiag) -> None:
    """All of them."""
    for port in range(7000, 7300):
        listener(stack, port)

    assert len(diag.inet(socket.AF_INET, among=states(LISTEN))) == 300


def test_a_wiped_network_holds_no_connection(stack: ExitStack, diag: SockDiag) -> None:
    """Neither those of somebody who lives, which end with an error, nor what waits for its time."""
    server = listener(stack, 7000)
    for _ in range(3):
        client = socket.create_connection(("127.0.0.1", 7000))
        peer = server.accept()[0]
        client.close()
        peer.close()
    kept = stack.enter_context(socket.create_connection(("127.0.0.1", 7000)))
    assert len(diag.inet(socket.AF_INET, among=states(TIME_WAIT))) == 3

    assert sockdiag.wipe() >= 5

    assert {sock.state for sock in diag.inet(socket.AF_INET)} <= {CLOSE}  # as long as somebody holds it
    with pytest.raises((ConnectionAbortedError, ConnectionResetError)):  # whichever end was first
        kept.recv(1)


def test_a_network_can_be_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where making one is slow: wiped, and its settings as they were."""
    before = Path("/proc/thread-self/ns/net").stat().st_ino
    monkeypatch.setattr(netns, "_SLOW_MEDIAN_S", 0.0)
    netns.is_fresh_cheap.cache_clear()
    with closing(socket.create_server(("127.0.0.1", 7000))) as server:
        socket.create_connection(server.getsockname()).close()

        netns.renew_network({"ipv4/tcp_fin_timeout": "5"})

    netns.is_fresh_cheap.cache_clear()
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before
    with SockDiag() as diag:
        assert diag.inet(socket.AF_INET) == []


def test_the_settings_of_a_network_are_ours() -> None:
    """Whatever this host has; the lowest port is anybody's."""
    netns.pin_defaults({"ipv4/tcp_fin_timeout": "7"})

    assert read("ipv4/tcp_fin_timeout") == "7"
    assert read("ipv4/ip_unprivileged_port_start") == "0"
    assert read("ipv4/tcp_rmem").split() == ["4096", "131072", "6291456"]


def test_a_fresh_network_is_measured() -> None:
    """Twenty times, in a thread of its own."""
    here = Path("/proc/thread-self/ns/net").stat().st_ino

    assert len(netns.measure_creation()) == 20

    assert Path("/proc/thread-self/ns/net").stat().st_ino == here


def read(name: str) -> str:
    """Read a setting of this thread's network."""
    return Path("/proc/sys/net", name).read_text(encoding="ascii").strip()
