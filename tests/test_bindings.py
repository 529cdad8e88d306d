"""Names to values: what a step binds, and what a reference then stands for."""

from __future__ import annotations

import pytest

from grader.bindings import Names
from grader.model.errors import InternalError
from grader.model.values import Concat, InetAddress, InetParts, Plain, Ref, SockRef, UnixAddress, Value, Watch
from tests.model.build import ok, step

SRV = InetAddress("127.0.0.1", 4000)


def names() -> Names:
    """Give the names of a case that has an address of each family and two variables."""
    return Names({"srv": SRV, "path": UnixAddress("/s")}, {"type": "stream", "where": Ref("srv", "port")})


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        (7, 7),
        (None, None),
        (b"x", b"x"),
        (Ref("srv"), SRV),
        (Ref("srv", "addr"), SRV),
        (Ref("srv", "port"), 4000),
        (Ref("srv", "ip"), "127.0.0.1"),
        (Ref("path", "path"), "/s"),
        (Ref("type"), "stream"),
        (Ref("where"), 4000),
        (Concat((b"a", "b", Ref("type"))), b"abstream"),
        (InetParts("127.0.0.2", Ref("srv", "port")), InetAddress("127.0.0.2", 4000)),
        ((1, Ref("type")), (1, "stream")),
    ],
)
def test_a_value_is_filled_in(value: Value, resolved: Plain) -> None:
    """References give what they stand for, at any depth; all else gives itself."""
    assert names().resolve(value) == resolved


def test_the_arguments_of_a_call_are_filled_in() -> None:
    """Each as its value alone would be, in their order."""
    table = names()
    table.bind(step("0", "socket", binds=("s",)), ok(sock=5))

    filled = table.arguments({"sock": SockRef("s"), "addr": Ref("srv"), "size": 4, "flags": ("MSG_PEEK",)})

    assert list(filled.items()) == [("sock", 5), ("addr", SRV), ("size", 4), ("flags", ("MSG_PEEK",))]
    with pytest.raises(InternalError, match="the name nobody is used but nothing bound it"):
        table.arguments({"sock": SockRef("nobody")})


def test_a_step_binds_its_main_field_and_the_others_by_name() -> None:
    """`$s` is the socket of an accept, `$s.peer` its peer."""
    table = names()

    table.bind(step("0", "accept", binds=("s",)), ok(sock=5, peer=SRV))

    assert (table.resolve(SockRef("s")), table.resolve(Ref("s")), table.resolve(Ref("s", "peer"))) == (5, 5, SRV)
    assert table.resolve((Watch(SockRef("s"), ("read",)),)) == ((5, ("read",)),)


def test_a_pair_binds_two_names() -> None:
    """`as: [a, b]` of socketpair names both ends."""
    table = names()

    table.bind(step("0", "socketpair", binds=("a", "b")), ok(sock=5, other=6))

    assert [table.resolve(Ref(name, part)) for name in "ab" for part in (None, "sock")] == [5, 5, 6, 6]


def test_an_address_that_is_a_result_has_parts() -> None:
    """`$name.port` works for getsockname as it does for a placeholder."""
    table = names()

    table.bind(step("0", "getsockname", binds=("here",)), ok(addr=SRV))

    assert (table.resolve(Ref("here")), table.resolve(Ref("here", "port"))) == (SRV, 4000)


def test_a_step_without_as_binds_nothing() -> None:
    """What is not named cannot be used."""
    table = names()

    table.bind(step("0", "recv"), ok(data=b"x"))

    with pytest.raises(InternalError, match=r"the name data is used but nothing bound it"):
        table.resolve(Ref("data"))


def test_the_winner_of_a_race_needs_no_name_of_its_own() -> None:
    """`$winner` is bound whatever the call itself is called."""
    table = names()

    table.bind_winner(step("0", "accept"), ok(sock=5, peer=SRV))

    assert table.resolve(SockRef("winner")) == 5


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Ref("nobody"), r"the name nobody is used but nothing bound it"),
        (Ref("srv", "colour"), r"the name srv\.colour is used but nothing bound it"),
        (Concat((1,)), r"1 is not bytes and cannot be part of data"),
        (InetParts(Ref("srv", "port"), 1), r"4000:1 is not an Internet address"),
    ],
)
def test_what_the_loader_must_not_let_through_is_our_fault(value: Value, message: str) -> None:
    """An unbound name or a wrong type here means that a check of ours is missing."""
    with pytest.raises(InternalError, match=message):
        names().resolve(value)
