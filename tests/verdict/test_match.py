"""Does an outcome fit? Every matcher and every pattern, both ways."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.bindings import Names
from grader.model.expectations import (
    AddressLike,
    Alternative,
    Anything,
    Between,
    BytesLike,
    Exactly,
    Expectation,
    Failure,
    Matcher,
    Not,
    OneOf,
    Pattern,
    SetLike,
    Signalled,
    StillPending,
    Success,
    Unnamed,
    Whatever,
)
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Raised, Unoffered
from grader.model.values import InetAddress, Plain, Ref, UnixAddress
from grader.model.verdicts import Decision
from grader.verdict.match import (
    alternative_for,
    canonical_errno,
    decide,
    fits_collected,
    fits_in_any_order,
    fits_pattern,
    fits_step,
    fits_value,
    is_unnamed,
    same,
)
from tests.model.build import err, ok, step, wants

SRV = InetAddress("127.0.0.1", 4000)
LOOPBACK6 = InetAddress("::1", 9)
NAMES = Names({"srv": SRV}, {"n": 3})
SHA = hashlib.sha256(b"hello").hexdigest()


@pytest.mark.parametrize(
    ("matcher", "seen", "fits"),
    [
        (Anything(), None, True),
        (Exactly(3), 3, True),
        (Exactly(Ref("n")), 3, True),
        (Exactly(3), 4, False),
        (Exactly(3), "3", False),
        (Exactly(1), True, False),
        (Exactly(0), False, False),
        (Exactly(True), True, True),
        (Exactly(None), None, True),
        (Exactly("hello"), b"hello", True),
        (Exactly(b"hello"), "hello", True),
        (Exactly(b"hello"), b"hell", False),
        (Exactly(Ref("srv")), SRV, True),
        (Exactly(Ref("srv")), UnixAddress("/s"), False),
        (Exactly((1, 2)), (1, 2), True),
        (OneOf((1, 2)), 2, True),
        (OneOf((1, 2)), 3, False),
        (OneOf((1, 2)), True, False),
        (Not(Exactly(3)), 4, True),
        (Not(Exactly(3)), 3, False),
        (Not(Not(Exactly(3))), 3, True),
        (Between(1, 3), 1, True),
        (Between(1, 3), 3, True),
        (Between(1, Ref("n")), 3, True),
        (Between(1, 3), 0, False),
        (Between(1, 3), 4, False),
        (Between(1, None), 10**9, True),
        (Between(1, None), 0, False),
        (Between(None, 3), -5, True),
        (Between(None, 3), 4, False),
        (Between(0, 1), True, False),
        (Between(0, 1), False, False),
        (Between(0, 1), "1", False),
        (Between(0, 1), None, False),
        (BytesLike("starts", "he"), b"hello", True),
        (BytesLike("starts", "lo"), b"hello", False),
        (BytesLike("ends", b"lo"), b"hello", True),
        (BytesLike("ends", b"he"), b"hello", False),
        (BytesLike("prefix_of", "hello"), b"he", True),
        (BytesLike("prefix_of", "hello"), b"", True),
        (BytesLike("prefix_of", "hello"), b"hello!", False),
        (BytesLike("length", 5), b"hello", True),
        (BytesLike("length", Ref("n")), b"hello", False),
        (BytesLike("sha256", SHA), b"hello", True),
        (BytesLike("sha256", SHA), b"hullo", False),
        (BytesLike("starts", "he"), "hello", True),
        (BytesLike("starts", "lo"), "hello", False),
        (BytesLike("ends", "lo\n"), "hello\n", True),
        (BytesLike("ends", "he"), "hello", False),
        (BytesLike("ends", "é"), "café", True),
        (BytesLike("starts", "1"), 1, False),
        (SetLike("exact", ("a", "b")), ("b", "a"), True),
        (SetLike("exact", ("a", "a")), ("a",), True),
        (SetLike("exact", ("a", "b")), ("a",), False),
        (SetLike("exact", ("a",)), ("a", "b"), False),
        (SetLike("exact", ()), (), True),
        (SetLike("has", ("a",)), ("a", "b"), True),
        (SetLike("has", ("a", "c")), ("a", "b"), False),
        (SetLike("has", ()), (), True),
        (SetLike("lacks", ("c",)), ("a", "b"), True),
        (SetLike("lacks", ("a", "c")), ("a", "b"), False),
        (SetLike("has", ("ell", "o")), "hello", True),
        (SetLike("has", ("ell", "x")), "hello", False),
        (SetLike("lacks", ("x", "y")), "hello", True),
        (SetLike("lacks", ("x", "ell")), "hello", False),
        (SetLike("exact", ("hello",)), "hello", True),
        (SetLike("exact", ("hell",)), "hello", False),
        (SetLike("has", ("a",)), 1, False),
        (AddressLike(ip=Exactly("127.0.0.1")), SRV, True),
        (AddressLike(ip=Exactly("127.0.0.2")), SRV, False),
        (AddressLike(ip=Exactly(Ref("srv", "ip")), port=Exactly(Ref("srv", "port"))), SRV, True),
        (AddressLike(ip=Exactly("0:0:0:0:0:0:0:1")), LOOPBACK6, True),
        (AddressLike(ip=OneOf(("127.0.0.1", "0::1"))), LOOPBACK6, True),
        (AddressLike(ip=OneOf(("127.0.0.1", "::2"))), LOOPBACK6, False),
        (AddressLike(ip=Not(Exactly("0::1"))), LOOPBACK6, False),
        (AddressLike(ip=Not(Exactly("::2"))), LOOPBACK6, True),
        (AddressLike(ip=Exactly("::1")), InetAddress("localhost", 9), False),
        (AddressLike(ip=Anything()), SRV, True),
        (AddressLike(port=Between(1, None)), SRV, True),
        (AddressLike(port=Exactly(0)), SRV, False),
        (AddressLike(path=Exactly("/s")), SRV, False),
        (AddressLike(path=Exactly("/s")), UnixAddress("/s"), True),
        (AddressLike(path=Exactly("/t")), UnixAddress("/s"), False),
        (AddressLike(port=Anything()), UnixAddress("/s"), False),
        (AddressLike(), UnixAddress("/s"), True),
        (AddressLike(), None, False),
        (AddressLike(), "127.0.0.1", False),
        (Unnamed(), InetAddress("0.0.0.0", 0), True),
        (Unnamed(), InetAddress("::", 0), True),
        (Unnamed(), InetAddress("0.0.0.0", 1), False),
        (Unnamed(), InetAddress("127.0.0.1", 0), False),
        (Unnamed(), InetAddress("anywhere", 0), False),
        (Unnamed(), UnixAddress(), True),
        (Unnamed(), UnixAddress(""), True),
        (Unnamed(), UnixAddress("/s"), False),
        (Unnamed(), UnixAddress(abstract=""), False),
        (Unnamed(), None, False),
    ],
)
def test_a_matcher_says_what_a_field_may_hold(matcher: Matcher, seen: Plain, *, fits: bool) -> None:
    """A value fits or does not, and a value of another kind never does."""
    assert fits_value(matcher, seen, NAMES) is fits


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (InetAddress("::1", 9), InetAddress("0:0:0:0:0:0:0:1", 9), True),
        (InetAddress("::1", 9), InetAddress("::1", 8), False),
        (InetAddress("fe80::1", 9, 1), InetAddress("fe80::1", 9, 2), False),
        (InetAddress("127.0.0.1", 9), InetAddress("::ffff:127.0.0.1", 9), False),
        (InetAddress("nonsense", 9), InetAddress("nonsense", 9), True),
        (InetAddress("nonsense", 9), InetAddress("::1", 9), False),
        (UnixAddress("/s"), UnixAddress("/s"), True),
        (UnixAddress("s"), UnixAddress(abstract="s"), False),
        (1, 1.0, False),
        (1, True, False),
    ],
)
def test_values_are_compared_by_what_they_mean(one: Plain, other: Plain, *, equal: bool) -> None:
    """Addresses by family, address, port and scope, never by their text; numbers never with booleans."""
    assert same(one, other) is same(other, one) is equal


@given(st.ip_addresses(v=6), st.integers(0, 65535))
def test_an_address_is_the_same_however_it_is_spelt(ip: object, port: int) -> None:
    """The long and the short text of an IPv6 address are one address."""
    long = str(getattr(ip, "exploded", ""))

    assert same(InetAddress(str(ip), port), InetAddress(long, port))
    assert fits_value(AddressLike(ip=Exactly(long)), InetAddress(str(ip), port), NAMES)


@pytest.mark.parametrize("text", ["", "nonsense", "127.1", "::1%", "\x00"])
def test_no_text_that_student_code_gives_for_an_address_breaks_the_judge(text: str) -> None:
    """What is no address is unequal to every address."""
    strange = InetAddress(text, 0)

    assert not is_unnamed(strange)
    assert not same(strange, SRV)
    assert not fits_value(AddressLike(ip=Exactly("::1")), strange, NAMES)


@pytest.mark.parametrize(
    ("pattern", "outcome", "fits"),
    [
        (Success(), ok(), True),
        (Success(), ok("SIGPIPE"), True),
        (Success(), err("EPIPE"), False),
        (Success((("count", Exactly(3)),)), ok(count=3, calls=9), True),
        (Success((("count", Exactly(3)),)), ok(count=2), False),
        (Success((("count", Anything()),)), ok(), False),
        (Failure(), err("EPIPE"), True),
        (Failure(), ok(), False),
        (Failure(("EPIPE",)), err("EPIPE"), True),
        (Failure(("EPIPE", "EINVAL")), err("EINVAL"), True),
        (Failure(("EPIPE",)), err("EINVAL"), False),
        (Failure(("EAGAIN",)), err("EWOULDBLOCK"), True),
        (Failure(("EWOULDBLOCK",)), err("EAGAIN"), True),
        (Failure(("ENOTSUP",)), err("EOPNOTSUPP"), True),
        (Failure(("EPIPE",)), err("EPIPE", "SIGPIPE"), True),
        (Failure(("EPIPE",), "none"), err("EPIPE"), True),
        (Failure(("EPIPE",), "none"), err("EPIPE", "SIGPIPE"), False),
        (Failure(("EPIPE",), "SIGPIPE"), err("EPIPE", "SIGPIPE"), True),
        (Failure(("EPIPE",), "SIGPIPE"), err("EPIPE"), False),
        (Failure((), "SIGPIPE"), err("EPIPE", "SIGPIPE"), True),
        (Failure(), Raised("ValueError", ""), False),
        (Failure(), Ended("signal", "SIGSEGV"), False),
        (Signalled("SIGPIPE"), err("EPIPE", "SIGPIPE"), True),
        (Signalled("SIGPIPE"), ok("SIGPIPE"), True),
        (Signalled("SIGPIPE"), err("EPIPE"), False),
        (Signalled("SIGPIPE"), Ended("signal", "SIGPIPE"), True),
        (Signalled("SIGPIPE"), Ended("signal", "SIGSEGV"), False),
        (Signalled("SIGPIPE"), Ended("exit", "SIGPIPE"), False),
        (Signalled("SIGPIPE"), Pending(), False),
        (StillPending(), Pending("looping"), True),
        (StillPending(), ok(), False),
        (Whatever(), ok(), True),
        (Whatever(), Raised("ValueError", ""), True),
        (Whatever(), Ended("exit"), True),
        (Whatever(), Pending(), True),
    ],
)
def test_a_pattern_says_what_an_outcome_may_be(pattern: Pattern, outcome: Outcome, *, fits: bool) -> None:
    """Signals are asked about only where the pattern names one, or none."""
    assert fits_pattern(pattern, outcome, NAMES) is fits


def test_names_of_one_number_are_one() -> None:
    """Source: POSIX.1-2024 <errno.h>."""
    assert canonical_errno("EWOULDBLOCK") == canonical_errno("EAGAIN") != canonical_errno("EPIPE")


@pytest.mark.parametrize(
    ("outcome", "fits"),
    [
        (ok(), True),
        (err("EPIPE"), True),
        (err("EAGAIN"), False),
        (Raised("TypeError", ""), False),
        (Ended("signal", "SIGSEGV"), False),
        (Pending(), False),
    ],
)
def test_anything_but_one_outcome_is_still_a_call_that_came_back(outcome: Outcome, *, fits: bool) -> None:
    """A crash, an exception or a hang is not `{not: {errno: EAGAIN}}`."""
    negated = step("0", "recv", sock="c", expect=wants(Failure(("EAGAIN",)), negated=True))

    assert fits_step(negated, outcome, NAMES) is fits


@pytest.mark.parametrize("op", ["recv", "still_blocked"])
def test_a_call_that_must_wait_fits_by_waiting(op: str) -> None:
    """`expect: blocks` and `still_blocked` want the call pending and nothing else."""
    waits = step("0", op, call="r", expect=Expectation(blocks=op == "recv"))

    assert fits_step(waits, Pending(), NAMES)
    assert not fits_step(waits, ok(), NAMES)


@pytest.mark.parametrize(
    ("returned", "pending", "fits"), [(1, 1, True), (None, 1, True), (None, None, True), (2, 0, False), (1, 0, False)]
)
def test_a_race_fits_by_its_counts(returned: int | None, pending: int | None, *, fits: bool) -> None:
    """A count that is not given is not asked for."""
    race = step("0", "race", expect=Expectation(returned=returned, pending=pending))

    assert fits_step(race, ok(returned=1, pending=1), NAMES) is fits


@pytest.mark.parametrize(
    ("op", "values", "fits"),
    [
        ("distinct", (3, 4, 5), True),
        ("distinct", (3, 4, 3), False),
        ("distinct", (InetAddress("::1", 9), InetAddress("0::1", 9)), False),
        ("same", (SRV, SRV, SRV), True),
        ("same", (SRV, SRV, LOOPBACK6), False),
        ("equal", (b"x", "x"), True),
        ("equal", (1, True), False),
        ("bytes_prefix", (b"he", b"hello"), True),
        ("bytes_prefix", (b"hello", b"he"), False),
    ],
)
def test_assertions_compare_values(op: str, values: tuple[Plain, ...], *, fits: bool) -> None:
    """By the same rules as expectations."""
    assert fits_step(step("0", op, values=values), ok(values=values), NAMES) is fits


def test_alternatives_are_tried_in_order() -> None:
    """The first that fits is the one that counts."""
    first, second = Alternative(Failure(("EPIPE",))), Alternative(Failure(), because="rule", tolerated=True)
    either = step("0", "send", sock="c", expect=Expectation((first, second)))

    assert alternative_for(either, err("EPIPE"), NAMES) is first
    assert alternative_for(either, err("EINVAL"), NAMES) is second
    assert alternative_for(either, ok(), NAMES) is None


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (ok(), Decision.MATCHED),
        (err("EAGAIN"), Decision.DIFFERENT),
        (Raised("TypeError", ""), Decision.DIFFERENT),
        (err("EINVAL"), Decision.HOPELESS),
        (Ended("exit"), Decision.HOPELESS),
        (Pending(), Decision.HOPELESS),
        (Broken("no memory"), Decision.HOPELESS),
        (Unoffered("none"), Decision.HOPELESS),
    ],
)
def test_the_engine_is_told_whether_to_go_on(outcome: Outcome, decision: Decision) -> None:
    """Hopeless is what `give_up_on` names, and what leaves nobody to try again."""
    tried = step("0", "unread", sock="c", give_up_on=Failure(("EINVAL",)))

    assert decide(tried, outcome, NAMES) is decision


A, B = Success((("data", Exactly("a")),)), Success((("data", Exactly("b")),))


@pytest.mark.parametrize(
    ("patterns", "outcomes", "fits"),
    [
        ([A, B], [ok(data=b"a"), ok(data=b"b")], True),
        ([A, B], [ok(data=b"b"), ok(data=b"a")], True),
        ([Success(), A], [ok(data=b"a"), ok(data=b"b")], True),  # the first pattern must leave `a` to the second
        ([A, B], [ok(data=b"a"), ok(data=b"a")], False),
        ([A, B], [ok(data=b"a")], False),
        ([A], [ok(data=b"a"), ok(data=b"b")], False),
        ([], [], True),
    ],
)
def test_outcomes_may_come_in_any_order(patterns: list[Pattern], outcomes: list[Outcome], *, fits: bool) -> None:
    """Each outcome is paired with one pattern, and each pattern with one outcome."""
    assert fits_in_any_order(patterns, outcomes, NAMES) is fits


@pytest.mark.parametrize(
    ("expect", "outcomes", "fits"),
    [
        (Expectation(in_any_order=(A, B)), [ok(data=b"b"), ok(data=b"a")], True),
        (Expectation(in_any_order=(A, B)), [ok(data=b"b"), ok(data=b"b")], False),
        (Expectation(), [ok(), ok()], True),
        (Expectation(), [ok(), err("EAGAIN")], False),
        (Expectation(), [ok()], False),
        (wants(Whatever()), [ok(), err("EAGAIN")], True),
    ],
)
def test_a_collection_without_an_order_has_only_good_outcomes(
    expect: Expectation, outcomes: list[Outcome], *, fits: bool
) -> None:
    """Where nothing is listed, each call must give what the step says of all."""
    inner = (step("0.0", "recv", sock="c"), step("0.1", "recv", sock="c"))

    assert fits_collected(step("0", "collect", times=2, inner=inner, expect=expect), outcomes, NAMES) is fits
