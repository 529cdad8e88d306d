"""What holds for a whole case: each invariant kept and broken."""

from __future__ import annotations

import pytest

from grader.model.histories import Event
from grader.model.outcomes import Outcome
from grader.ops import INVARIANTS
from grader.verdict.invariants import findings
from tests.model.build import case, err, history, issued, ok, one_call, step

Made = tuple[str, Outcome] | tuple[str, Outcome, int]


def broken(invariant: str, made: list[Made]) -> list[tuple[str, str, str]]:
    """Give step, expectation and sight of each finding for these calls, one after another."""
    steps = [step(str(n), op, sock="c") for n, (op, *_) in enumerate(made)]
    events: list[Event] = []
    for n, (op, outcome, *sock) in enumerate(made):
        events += one_call(str(n), n, op, outcome, sock=sock[0] if sock else None)
    found = findings(case(*steps, invariants=(invariant,)), history(*events))
    return [(one.step, one.expected, one.got) for one in found]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ([("socket", ok(sock=3)), ("socket", ok(sock=4))], []),
        ([("socket", ok(sock=3)), ("close", ok(), 3), ("socket", ok(sock=3))], []),
        ([("socket", ok(sock=3)), ("close", ok(), 3), ("socket", ok(sock=4))], [("2", 3, 4)]),
        ([("socket", ok(sock=9)), ("close", ok(), 9), ("socket", ok(sock=4))], []),
        ([("socket", ok(sock=3)), ("close", err("EIO"), 3), ("socket", ok(sock=4))], []),
        ([("socketpair", ok(sock=3, other=4)), ("close", ok(), 3), ("dup", ok(sock=3))], []),
        ([("socketpair", ok(sock=3, other=4)), ("close", ok(), 4), ("accept", ok(sock=5, peer=None))], [("2", 4, 5)]),
        ([("socket", ok(sock=3)), ("close", ok(), 3), ("socketpair", ok(sock=3, other=4))], []),
        ([("socket", ok(sock=3)), ("close", ok(), 3), ("getsockname", ok(sock=9))], []),
        ([("socket", ok(sock="three")), ("socket", ok(sock=None))], []),
    ],
)
def test_a_new_descriptor_takes_the_lowest_closed_number(made: list[Made], found: list[tuple[str, int, int]]) -> None:
    """Numbers that the case did not close say nothing: others may have them."""
    told = [(path, f"the lowest free descriptor, {low}", f"descriptor {high}") for path, low, high in found]

    assert broken("lowest-descriptor", made) == told


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ([("socket", ok(sock=3)), ("socket", ok(sock=4))], []),
        ([("socket", ok(sock=3)), ("socket", ok(sock=3))], [("1", 3)]),
        ([("socket", ok(sock=3)), ("close", ok(), 3), ("socket", ok(sock=3))], []),
        ([("socket", ok(sock=3)), ("close", err("EIO"), 3), ("socket", ok(sock=3))], [("2", 3)]),
        ([("socketpair", ok(sock=3, other=3))], [("0", 3)]),
        ([("socket", ok(sock=3)), ("dup", ok(sock=3))], [("1", 3)]),
    ],
)
def test_no_two_open_sockets_share_a_descriptor(made: list[Made], found: list[tuple[str, int]]) -> None:
    """The first that is handed out twice is told."""
    told = [(path, "a descriptor that no open socket has", f"descriptor {fd}, which is open") for path, fd in found]

    assert broken("distinct-descriptors", made) == told


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_a_call_without_an_end_breaks_nothing(invariant: str) -> None:
    """What has not come back has made nothing."""
    made = case(step("0", "accept", sock="c"), invariants=(invariant,))

    assert not list(findings(made, history(issued("0", 0, "accept"))))
