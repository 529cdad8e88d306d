"""The forms of values on the student's side: addresses, words, options."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from grader.agent.forms import Constants, address_in, address_out
from grader.agent.implementation import WrongResultError

STANDARD = Constants(socket)


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ({"ip": "127.0.0.1", "port": 80, "scope": 0}, ("127.0.0.1", 80)),
        ({"ip": "::1", "port": 80, "scope": 2}, ("::1", 80, 0, 2)),
        ({"path": "/tmp/x"}, "/tmp/x"),
        ({"abstract": "name"}, b"\0name"),
        ({}, ""),
    ],
    ids=str,
)
def test_an_address_goes_and_comes_in_pythons_form(address: dict[str, Any], form: Any) -> None:
    """Every kind of address has one form on the student's side and comes back the same."""
    assert address_out(address) == form
    assert address_in("accept", form) == address


@pytest.mark.parametrize(
    ("form", "address"),
    [
        (b"/tmp/x", {"path": "/tmp/x"}),
        (b"", {}),
        (None, {}),
        ("\0auto", {"abstract": "auto"}),
        (b"\0\xff", {"abstract": "\\xff"}),
        (("0:0:0::1", 5, 0, 0), {"ip": "::1", "port": 5, "scope": 0}),
        (("fe80::1%2", 5, 0, 2), {"ip": "fe80::1", "port": 5, "scope": 2}),
    ],
    ids=str,
)
def test_other_spellings_mean_the_same(form: Any, address: dict[str, Any]) -> None:
    """An address has one spelling on our side, however the module spells it."""
    assert address_in("getsockname", form) == address


@pytest.mark.parametrize(
    "form", [5, ("::1",), ("1.2.3.4", "80"), (b"1.2.3.4", 80), ("1.2.3", 80), ("a\0b", 1)], ids=str
)
def test_what_is_no_address_is_refused(form: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(WrongResultError, match=r"getsockname\(\) gave"):
        address_in("getsockname", form)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("SO_TYPE", socket.SOCK_DGRAM, "dgram"),
        ("SO_DOMAIN", socket.AF_INET6, "inet6"),
        ("SO_PROTOCOL", socket.IPPROTO_UDP, "udp"),
        ("SO_PROTOCOL", 0, 0),
        ("SO_TYPE", 99, 99),
        ("SO_ERROR", 0, 0),
        ("SO_ERROR", errno.ECONNREFUSED, "ECONNREFUSED"),
        ("SO_REUSEADDR", 4, True),
        ("SO_KEEPALIVE", 0, False),
        ("SO_RCVBUF", 2304, 2304),
        ("SO_LINGER", 3, 3),
    ],
)
def test_an_option_is_what_it_holds(name: str, raw: int, value: int | str | bool) -> None:  # noqa: FBT001 - a value
    """Numbers of the system become words, truth values or numbers, by the option."""
    read = STANDARD.option_in(name, raw)

    assert read == value
    assert isinstance(read, bool) is isinstance(value, bool)


def test_flags_are_put_together_and_told_apart() -> None:
    """Words to a number, and a number to the words that a message can carry."""
    number = STANDARD.flags(["MSG_PEEK", "MSG_TRUNC"])

    assert number == socket.MSG_PEEK | socket.MSG_TRUNC
    assert STANDARD.flag_words(number) == ["MSG_TRUNC"]
    assert STANDARD.flags(None) == 0


@pytest.mark.parametrize(
    ("name", "level", "number"),
    [
        ("SO_TYPE", None, socket.SOL_SOCKET),
        ("TCP_NODELAY", None, socket.IPPROTO_TCP),
        ("IPV6_V6ONLY", None, socket.IPPROTO_IPV6),
        ("SO_TYPE", "IPPROTO_TCP", socket.IPPROTO_TCP),
    ],
)
def test_a_level_follows_from_the_name(name: str, level: str | None, number: int) -> None:
    """An option's level is that of its name unless another is asked for."""
    assert STANDARD.level(name, level) == number
