"""Calls that wait are parked, and time is virtual."""

from __future__ import annotations

import pytest

from reference import NotModelledError, Parked, Unix
from tests.reference.kernel import HERE, SECOND, THERE, Calls, ended


def test_a_receive_waits_for_data_and_says_so() -> None:
    """The parked call ends when the peer has sent."""
    do = Calls()
    _, client, server = do.connected()

    parked = do("recv", sock=server, size=8)
    assert isinstance(parked, Parked)
    assert (parked.outcome, parked.waits_for, parked.until) == (None, "data", None)
    do("send", sock=client, data=b"x")

    assert ended(parked) == {"data": b"x", "count": 1, "eof": False}
    assert list(do.system.ended) == [parked]


def test_the_first_to_wait_is_the_first_served() -> None:
    """One byte lets exactly one of two receives return."""
    do = Calls()
    _, client, server = do.connected()

    first, second = (do("recv", sock=server, size=8) for _ in range(2))
    do("send", sock=client, data=b"x")

    assert ended(first)["data"] == b"x"
    assert second.outcome is None


def test_a_receive_gives_up_at_its_time_limit() -> None:
    """SO_RCVTIMEO on virtual time."""
    do = Calls()
    _, _, server = do.connected()
    do("setsockopt", sock=server, name="SO_RCVTIMEO", value=250)

    parked = do("recv", sock=server, size=8)
    assert do.system.next_timer() == parked.until == SECOND // 4
    do.system.advance(SECOND // 4 - 1)
    assert parked.outcome is None
    do.system.advance(SECOND // 4)

    assert ended(parked) == "EAGAIN"
    assert do.system.next_timer() is None


def test_a_receive_of_everything_and_a_send_of_more_than_fits_finish_together() -> None:
    """Each makes room for the other again and again."""
    do = Calls()
    one, other = do("socketpair", domain="unix", type="stream").values()
    do("setsockopt", sock=one, name="SO_SNDBUF", value=4096)

    receiving = do("recv", sock=other, size=100_000, flags=("MSG_WAITALL",))
    sending = do("send", sock=one, data=bytes(100_000))

    assert sending == {"count": 100_000} or ended(sending) == {"count": 100_000}
    assert ended(receiving)["count"] == 100_000


def test_poll_returns_with_nothing_when_time_is_over() -> None:
    """And never before."""
    do = Calls()
    _, _, server = do.connected()

    parked = do("poll", watch=[(server, ("read",))], timeout=100)
    do.system.advance(SECOND)

    assert ended(parked) == {"ready": (), "count": 0}


def test_a_lost_request_is_sent_again_after_a_second() -> None:
    """The queue is full, so the SYN is dropped; accept makes room, and the next SYN finds it. RFC 6298 5."""
    do = Calls()
    listener, first, second = do.listening(backlog=0), do.new(), do.new()
    do("connect", sock=first, addr=HERE)

    parked = do("connect", sock=second, addr=HERE)
    do("accept", sock=listener)
    assert parked.outcome is None
    do.system.advance(SECOND)

    assert ended(parked) == {}


def test_a_request_that_is_never_answered_times_out() -> None:
    """After the last of its repetitions."""
    do = Calls()
    do.listening(backlog=0)
    do("connect", sock=do.new(), addr=HERE)

    parked = do("connect", sock=do.new(), addr=HERE)
    do.system.advance(126 * SECOND)
    assert parked.outcome is None
    do.system.advance(127 * SECOND)

    assert ended(parked) == "ETIMEDOUT"


def test_a_port_is_held_for_a_minute_after_an_active_close() -> None:
    """TIME-WAIT. RFC 9293 3.6.1."""
    do = Calls()
    listener, client, server = do.connected()
    for sock in (server, client, listener):
        do("close", sock=sock)

    again = do.new()
    assert do("bind", sock=again, addr=HERE) == "EADDRINUSE"
    do.system.advance(60 * SECOND)

    assert do("bind", sock=again, addr=HERE) == {}


def test_a_lingering_close_waits_for_the_peer_to_read() -> None:
    """The descriptor is gone at once, the call ends when the peer has taken enough. POSIX.1-2024 close()."""
    do = Calls()
    _, client, server = do.connected()
    do("setsockopt", sock=client, name="SO_LINGER", value=5)
    do("send", sock=client, data=bytes(200_000))

    parked = do("close", sock=client)
    assert do("getsockname", sock=client) == "EBADF"
    assert parked.until == 5 * SECOND
    do("recv", sock=server, size=200_000)

    assert ended(parked) == {}


def test_a_waiting_call_keeps_its_socket_open() -> None:
    """Its descriptor may be closed meanwhile. Linux close(2), multithreaded processes."""
    do = Calls()
    one, other = do("socketpair", domain="unix", type="stream").values()

    parked = do("recv", sock=one, size=8)
    do("close", sock=one)
    assert do("send", sock=other, data=b"x") == {"count": 1}

    assert ended(parked)["data"] == b"x"
    assert do("send", sock=other, data=b"x", flags=("MSG_NOSIGNAL",)) == "EPIPE"


def test_a_child_process_shares_sockets_and_not_descriptors() -> None:
    """The socket ends with the last descriptor of both. POSIX.1-2024 fork()."""
    do = Calls()
    one, other = do("socketpair", domain="unix", type="stream").values()
    child = Calls(do.process.fork())

    do("close", sock=one)
    assert child("send", sock=one, data=b"x") == {"count": 1}
    assert do("recv", sock=other, size=8)["data"] == b"x"
    child("close", sock=one)

    assert do("recv", sock=other, size=8)["eof"] is True


def test_what_is_not_imitated_is_refused_loudly() -> None:
    """Never guessed."""
    do = Calls()
    _, client, _ = do.connected()
    udp = do.new(kind="dgram")

    for op, args in (
        ("send", {"sock": client, "data": b"x", "flags": ("MSG_OOB",)}),
        ("recv", {"sock": client, "size": 1, "flags": ("MSG_TRUNC",)}),
        ("getsockopt", {"sock": client, "name": "TCP_MAXSEG"}),
        ("getsockopt", {"sock": client, "name": "SO_TYPE", "level": "IPPROTO_TCP"}),
        ("socket", {"domain": "inet", "type": "dgram", "proto": "icmp"}),
        ("connect", {"sock": udp, "addr": THERE._replace(port=0)}),
    ):
        with pytest.raises(NotModelledError):
            do(op, **args)


def test_a_path_needs_its_folder() -> None:
    """The pretend file system has folders too. POSIX.1-2024 bind() ENOENT."""
    do = Calls()
    sock = do.new("unix")

    assert do("bind", sock=sock, addr=Unix("/nowhere/name")) == "ENOENT"
    do.system.files.make_folder("/nowhere")

    assert do("bind", sock=sock, addr=Unix("/nowhere/name")) == {}
    assert do.system.files.type_of("/nowhere/name") == "socket"
