"""The sentences a student reads, word for word."""

from __future__ import annotations

import pytest

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
from grader.model.histories import Event, Returned
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Raised, Unoffered
from grader.model.scenarios import Step
from grader.model.values import InetAddress, Plain, Ref, SockRef, UnixAddress, Watch
from grader.model.verdicts import TraceLine
from grader.ops import OPERATIONS, Group
from grader.verdict import explain
from grader.verdict.judge import trace
from tests.model.build import case, err, history, issued, ok, step, wants

SRV = InetAddress("127.0.0.1", 4000)
WATCH = (Watch(SockRef("c"), ("read", "write")), Watch(SockRef("d"), ("read",)))
NAMES = Names({"srv": SRV}, {"c": 3, "d": 4, "n": 7})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("stream", "stream"),
        (b"hello", '"hello"'),
        (b"", '""'),
        (b"two\r\n\tlines\\", '"two\\r\\n\\tlines\\\\"'),
        (b"\x00\xff", "hex 00 ff"),
        (b"caf\xc3\xa9", "hex 63 61 66 c3 a9"),
        (b"\x1b[2J", "hex 1b 5b 32 4a"),
        (b"a" * 48, '"' + "a" * 48 + '"'),
        (b"a" * 49, '"' + "a" * 48 + '"... (49 bytes)'),
        (b"\x00" * 100, "hex " + "00 " * 47 + "00... (100 bytes)"),
        (b"a" * 48 + b"\x00", '"' + "a" * 48 + '"... (49 bytes)'),
        (("read", 3), "[read, 3]"),
        ((), "[]"),
        (SRV, "127.0.0.1:4000"),
        (InetAddress("::1", 1), "[::1]:1"),
        (UnixAddress("/s"), "unix:/s"),
    ],
)
def test_a_value_is_shown_as_a_student_would_write_it(value: Plain, text: str) -> None:
    """Text in quotes, other bytes in hex, and no more of either than a line takes."""
    assert explain.show(value) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("ECONNREFUSED", "ECONNREFUSED (Connection refused)"), ("E#4711", "E#4711"), ("__doc__", "__doc__")],
)
def test_an_errno_is_shown_with_its_meaning(name: str, text: str) -> None:
    """If it has one."""
    assert explain.show_errno(name) == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (step("0", "socket", domain="inet", type="stream"), "socket(AF_INET, SOCK_STREAM, 0)"),
        (step("0", "socket", domain="unix", type="dgram", proto="udp"), "socket(AF_UNIX, SOCK_DGRAM, udp)"),
        (
            step("0", "socket", domain="inet6", type="stream", nonblock=True),
            "socket(AF_INET6, SOCK_STREAM|SOCK_NONBLOCK, 0)",
        ),
        (step("0", "socket", domain="inet", type="seqpacket", proto=17), "socket(AF_INET, SOCK_SEQPACKET, 17)"),
        (step("0", "socket", domain="ax25", type="raw"), "socket(ax25, raw, 0)"),
        (step("0", "socketpair", domain="unix", type="stream"), "socketpair(AF_UNIX, SOCK_STREAM, 0)"),
        (step("0", "bind", sock="c", addr=Ref("srv")), "bind(c, 127.0.0.1:4000)"),
        (step("0", "listen", sock="c", backlog=4), "listen(c, 4)"),
        (step("0", "accept", sock="c"), "accept(c)"),
        (step("0", "connect", sock="c", addr=Ref("later")), "connect(c, $later)"),
        (step("0", "send", sock="c", data=b"hi", flags=("MSG_NOSIGNAL",)), 'send(c, "hi", MSG_NOSIGNAL)'),
        (step("0", "send", sock="c", data=b"hi", flags=()), 'send(c, "hi")'),
        (step("0", "recv", sock="c", size=9, flags=("MSG_PEEK", "MSG_DONTWAIT")), "recv(c, 9, MSG_PEEK|MSG_DONTWAIT)"),
        (step("0", "sendmsg", sock="c", parts=(b"a", b"b")), 'sendmsg(c, ["a", "b"])'),
        (step("0", "shutdown", sock="c", how="wr"), "shutdown(c, SHUT_WR)"),
        (step("0", "getsockopt", sock="c", name="SO_TYPE"), "getsockopt(c, SO_TYPE)"),
        (step("0", "setsockopt", sock="c", name="SO_REUSEADDR", value=True), "setsockopt(c, SO_REUSEADDR, true)"),
        (step("0", "nonblock", sock="c", set=True), "nonblock(c, on)"),
        (step("0", "nonblock", sock="c", set=False), "nonblock(c, off)"),
        (
            step(
                "0", "poll", watch=(Watch(SockRef("c"), ("read", "write")), Watch(SockRef("d"), ("read",))), timeout=0
            ),
            "poll(c for read+write, d for read, 0)",
        ),
        (step("0", "recv_exactly", sock="c", count=3), "recv_exactly(c, 3)"),
        (step("0", "path_type", addr=Ref("srv")), "path_type(127.0.0.1:4000)"),
        (step("0", "finish", call="r"), "finish r"),
        (step("0", "still_blocked", call="r"), "still_blocked r"),
        (step("0", "race", inner=(step("0.0", "recv"), step("0.1", "recv"))), "race of 2 calls"),
        (step("0", "collect", times=1, inner=(step("0.0", "recv"),)), "collect of 1 calls"),
        (step("0", "distinct", values=(SockRef("c"), Ref("d"))), "check distinct c, $d"),
    ],
)
def test_a_step_is_shown_as_c_would_write_it(made: Step, text: str) -> None:
    """Sockets by the names of the scenario, constants by the names of the standard."""
    assert explain.show_step(made, NAMES) == text


@pytest.mark.parametrize(
    ("matcher", "text"),
    [
        (Anything(), "of any value"),
        (Exactly(Ref("n")), "7"),
        (Exactly(b"x"), '"x"'),
        (Exactly(Ref("later")), "$later"),
        (OneOf((1, Ref("n"))), "one of 1, 7"),
        (Not(Exactly(1)), "not 1"),
        (Between(1, None), "at least 1"),
        (Between(None, Ref("n")), "at most 7"),
        (Between(1, 3), "from 1 to 3"),
        (BytesLike("starts", b"he"), 'that start with "he"'),
        (BytesLike("ends", b"lo"), 'that end with "lo"'),
        (BytesLike("prefix_of", b"hello"), 'that are a beginning of "hello"'),
        (BytesLike("length", 5), "of length 5"),
        (BytesLike("sha256", "00ff"), "with SHA-256 00ff"),
        (SetLike("exact", ("c.read",)), "exactly [c.read]"),
        (SetLike("has", ("c.read", "c.write")), "with [c.read, c.write]"),
        (SetLike("lacks", ("c.error",)), "without [c.error]"),
        (AddressLike(ip=Exactly("::1"), port=Not(Exactly(0))), "with ip ::1, port not 0"),
        (AddressLike(path=Exactly("/s")), "with path /s"),
        (Unnamed(), "unspecified (no name: wildcard and port 0, or an empty AF_UNIX name)"),
    ],
)
def test_a_matcher_is_said_in_words(matcher: Matcher, text: str) -> None:
    """Filled in where the value is known."""
    assert explain.show_matcher(matcher, NAMES) == text


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (Success(), "success"),
        (Success((("count", Exactly(3)), ("eof", Exactly(False)))), "success with count 3, eof false"),
        (Failure(), "failure"),
        (Failure(("EPIPE",)), "failure with EPIPE (Broken pipe)"),
        (Failure(("EPIPE", "E#9")), "failure with EPIPE (Broken pipe) or E#9"),
        (Failure(("EPIPE",), "none"), "failure with EPIPE (Broken pipe) and no signal"),
        (Failure((), "SIGPIPE"), "failure and SIGPIPE"),
        (Signalled("SIGPIPE"), "the signal SIGPIPE"),
        (StillPending(), "the call waits"),
        (Whatever(), "anything"),
    ],
)
def test_a_pattern_is_said_in_words(pattern: Pattern, text: str) -> None:
    """What an outcome of it looks like."""
    assert explain.show_pattern(pattern, NAMES) == text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (step("0", "close"), "success"),
        (
            step("0", "close", expect=wants(Success(), Failure(("EPIPE",)))),
            "success or failure with EPIPE (Broken pipe)",
        ),
        (step("0", "close", expect=wants(Failure(), negated=True)), "anything but failure"),
        (step("0", "recv", expect=Expectation((Alternative(StillPending()),), blocks=True)), "the call waits"),
        (step("0", "still_blocked", call="r"), "the call waits"),
        (step("0", "race", expect=Expectation(returned=1, pending=2)), "1 of the calls return and 2 go on waiting"),
        (
            step("0", "collect", expect=Expectation(in_any_order=(Success(), Failure()))),
            "in any order: success; failure",
        ),
        (step("0", "collect"), "success"),
        (step("0", "distinct", values=()), "all of them different"),
        (step("0", "same", values=()), "all of them equal"),
        (step("0", "equal", values=()), "both equal"),
        (step("0", "bytes_prefix", values=()), "the first is a beginning of the second"),
    ],
)
def test_an_expectation_is_said_in_a_sentence(made: Step, text: str) -> None:
    """Alternatives with `or`, a negation with `anything but`."""
    assert explain.show_expectation(made, NAMES) == text


def test_every_assertion_has_its_words() -> None:
    """A new one in the registry needs a sentence here."""
    names = [name for name, op in OPERATIONS.items() if op.group is Group.ASSERTION]

    assert all(explain.show_expectation(step("0", name, values=()), NAMES) for name in names)


@pytest.mark.parametrize(
    ("outcome", "sentence", "answer"),
    [
        (ok(), "success", "0"),
        (ok(sock=5, peer=SRV), "success with sock 5, peer 127.0.0.1:4000", "5, peer 127.0.0.1:4000"),
        (ok(data=b"\x00", eof=False), "success with data hex 00, eof false", "data hex 00, eof false"),
        (ok("SIGPIPE", count=1), "success with count 1 and the signal SIGPIPE", "count 1 and the signal SIGPIPE"),
        (err("EPIPE"), "failure with EPIPE (Broken pipe)", "-1 EPIPE (Broken pipe)"),
        (
            err("EPIPE", "SIGPIPE"),
            "failure with EPIPE (Broken pipe) and the signal SIGPIPE",
            "-1 EPIPE (Broken pipe) and the signal SIGPIPE",
        ),
        (err("E#9", data=b"a", calls=2), 'failure with E#9, after data "a", calls 2', "-1 E#9"),
        (Raised("ValueError", "no"), "the exception ValueError: no", None),
        (Raised("missing", "there is no accept"), "there is no accept", None),
        (Raised("wrong result", "send() took 9"), "send() took 9", None),
        (Ended("signal", "SIGSEGV"), "the process was ended by SIGSEGV during the call", None),
        (Ended("exit", code=3), "the process exited with status 3 during the call", None),
        (Ended("output"), "the process printed more than it may and was ended", None),
        (
            Ended("tampered", note="a line"),
            "the code wrote on, or closed, descriptors that belong to the grader (a line)",
            None,
        ),
        (Ended("lost"), "the call was lost when the process ended", None),
        (Ended("build", note="a.c:1: error"), "the code could not be built (a.c:1: error)", None),
        (Pending("blocked", "asleep in recv"), "no end: the call waits (asleep in recv)", None),
        (Pending("looping"), "no end: the call was still computing at its deadline", None),
        (Pending("unknown"), "no end before its deadline", None),
        (Unoffered("no such call"), "no such call", None),
        (Broken("no memory"), "no memory", None),
    ],
)
def test_an_outcome_is_said_in_a_sentence(outcome: Outcome, sentence: str, answer: str | None) -> None:
    """In a finding as a sentence, in the trace in the way of strace where there is one."""
    assert explain.show_outcome(outcome) == sentence
    assert explain.show_answer(outcome) == (sentence if answer is None else answer)


def test_the_trace_tells_every_call_and_marks_the_wrong_one() -> None:
    """The last call of a wrong step is marked; what has not come back is still waiting."""
    made = case(step("0", "send_all", sock="c", data=b"ab"), step("1", "recv", sock="c", size=1, actor="anon1"))
    events: list[Event] = [
        *(issued("0", 0, "send", data=b"ab"), Returned(0, ok(count=1))),
        *(issued("0", 1, "send", data=b"b"), Returned(1, err("EPIPE"))),
        issued("1", 2, "recv", "anon1", size=1),
    ]

    assert trace(made, history(*events), {"0"}) == (
        TraceLine("main", 'send(c, "ab")', "count 1"),
        TraceLine("main", 'send(c, "b")', "-1 EPIPE (Broken pipe)", wrong=True),
        TraceLine("anon1", "recv(c, 1)", "(still waiting)"),
    )
