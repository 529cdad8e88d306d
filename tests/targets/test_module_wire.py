"""What travels between the grader and an agent: every value both ways, and nothing that is not ours."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.agent import wire as agent_wire
from grader.model.outcomes import Failed, Outcome, Raised, Succeeded, Unoffered
from grader.model.values import InetAddress, Plain, UnixAddress
from grader.targets import processes, wire

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
ADDRESSES = st.one_of(
    st.builds(InetAddress, TEXTS, st.integers(0, 65535), st.integers(0, 9)),
    st.builds(UnixAddress, TEXTS),
    st.builds(UnixAddress, st.none(), TEXTS),
    st.just(UnixAddress()),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXTS, st.binary(max_size=99), ADDRESSES
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=9)


@pytest.mark.slow
@given(VALUES)
def test_every_value_comes_back_as_it_went(value: Plain) -> None:
    """A plain value survives the wire."""
    line = wire.encode({"value": wire.to_wire(value)})

    assert wire.from_wire(wire.decode(line.strip())["value"]) == value


@given(VALUES)
def test_the_agent_gives_back_what_it_took(value: Plain) -> None:
    """A value that the agent reads and writes again is the same for us."""
    taken = agent_wire.decode(wire.encode({"value": wire.to_wire(value)}))

    given_back = wire.decode(agent_wire.encode(taken).strip())

    assert wire.from_wire(given_back["value"]) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_malformed(line: bytes) -> None:
    """Whatever a hostile process writes, decoding it raises nothing unexpected."""
    with contextlib.suppress(wire.MalformedError):
        assert isinstance(wire.decode(line), dict)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not one line of JSON"),
        (b"hello", "not one line of JSON"),
        (b"[1]", "not an object"),
        (b"\xff{}", "not one line of JSON"),
        (b'{"a": NaN}', "not finite"),
        (b'{"a": -Infinity}', "not finite"),
        (b'{"a": 1, "a": 2}', "given twice"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b'{"a": ' + b"9" * 30 + b"}", "too long"),
        (b"[" * 100_000, "not one line of JSON"),
        (b'{"a": "' + b"x" * wire.LINE_LIMIT + b'"}', "more than"),
    ],
    ids=["empty", "text", "list", "not-utf8", "nan", "infinity", "twice", "surrogate", "digits", "deep", "long"],
)
def test_a_line_that_no_agent_writes_is_refused(line: bytes, reason: str) -> None:
    """Each way of being wrong is named."""
    with pytest.raises(wire.MalformedError, match=reason):
        wire.decode(line)


def test_a_surrogate_pair_is_a_letter() -> None:
    """Two halves that belong together are text."""
    assert wire.decode(rb'{"a": "\ud83d\ude00"}') == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize(
    "value",
    [{"b64": "!"}, {"b64": 3}, {"b64": "", "more": 1}, {"ip": "::1"}, {"path": 3}, {"ip": 1, "port": 2}, {"x": 1}],
    ids=json.dumps,
)
def test_a_value_of_no_known_form_is_refused(value: object) -> None:
    """An object is bytes or an address, and nothing else."""
    with pytest.raises(wire.MalformedError):
        wire.from_wire(value)


@pytest.mark.parametrize(
    ("op", "message", "outcome"),
    [
        ("bind", {"ok": {}}, Succeeded({})),
        ("send", {"ok": {"count": 3}, "signals": ["SIGPIPE"]}, Succeeded({"count": 3}, ("SIGPIPE",))),
        ("bind", {"err": {"name": "EINVAL", "number": 22}}, Failed("EINVAL", 22)),
        ("bind", {"exc": {"type": "TypeError", "text": "no", "trace": ""}}, Raised("TypeError", "no")),
        ("poll", {"unsupported": "not here"}, Unoffered("not here")),
        (
            "accept",
            {"ok": {"sock": 4, "peer": {"ip": "::1", "port": 5, "scope": 0}}},
            Succeeded({"sock": 4, "peer": InetAddress("::1", 5)}),
        ),
        ("accept", {"ok": {"sock": 4, "peer": None}}, Succeeded({"sock": 4, "peer": None})),
    ],
    ids=["nothing", "signal", "errno", "exception", "unsupported", "address", "no-address"],
)
def test_each_answer_is_an_outcome(op: str, message: dict[str, Any], outcome: Outcome) -> None:
    """An answer of the agent becomes the outcome it speaks of."""
    assert wire.to_outcome(op, message) == outcome


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("bind", {}),
        ("bind", {"ok": {}, "err": {"name": "EINVAL", "number": 22}}),
        ("bind", {"ok": {"sock": 3}}),
        ("socket", {"ok": {}}),
        ("socket", {"ok": {"sock": True}}),
        ("recv", {"ok": {"data": "text", "count": 4, "eof": False}}),
        ("getsockname", {"ok": {"addr": 5}}),
        ("bind", {"err": {"name": "EINVAL"}}),
        ("bind", {"exc": "TypeError"}),
        ("bind", {"ok": {}, "signals": [13]}),
    ],
    ids=str,
)
def test_an_answer_that_the_operation_never_gives_is_refused(op: str, message: dict[str, Any]) -> None:
    """Fields and their kinds are those of the registry."""
    with pytest.raises(wire.MalformedError):
        wire.to_outcome(op, message)


def test_both_ends_mean_the_same() -> None:
    """The constants that stand at both ends, because neither may import the other, are equal."""
    assert wire.LINE_LIMIT == agent_wire.LINE_LIMIT
    assert processes.CLOSED_EXIT == agent_wire.CLOSED_EXIT
    assert processes.PROTOCOL == agent_wire.PROTOCOL
