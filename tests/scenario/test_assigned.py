"""What an assignment makes of the steps of a case: exchanges become calls, ends become expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.model.assignments import Assignment, Exchange, Place, Program
from grader.model.expectations import SUCCESS, Exactly, Success
from grader.model.marks import Mark
from grader.model.scenarios import Case, Step
from grader.scenario import Loaded, load

HEAD = """\
format: 1
suite: programs/x
scenarios:
  - id: a
    title: one fact
    vars: {domain: inet, type: stream}
    steps:
      - spawn: {program: server, as: server}
      - socket: {as: c}
"""


def assignment(exchange: Exchange | None, **program: object) -> Assignment:
    """Give an assignment with this exchange."""
    place = Place(type="dgram") if program.pop("datagrams", False) else Place()
    run = {"server": ("./server", "{port}")}
    return Assignment("x", "x", Mark("a", 1, 1), program=Program(run, **program), exchange=exchange, place=place)  # type: ignore[arg-type]  # what a test says


def loaded(folder: Path, steps: str, given: Assignment | None) -> Loaded:
    """Load a scenario with these steps after those that start a server and make the socket `c`."""
    path = folder / "x.yaml"
    path.write_text(HEAD + "".join(f"      {line}\n" for line in steps.splitlines()), encoding="utf-8")
    return load([path], root=folder, assignment=given)


def case(folder: Path, steps: str, given: Assignment | None) -> Case:
    """Give the case of a scenario that is right."""
    found = loaded(folder, steps, given)
    assert not found.errors, found.errors
    return found.cases[0]


def sent(found: Case) -> list[object]:
    """Give what each call of a case sends."""
    return [step.args["data"] for step in found.every_step if "data" in step.args]


def expected(step: Step) -> object:
    """Give the data that a receive must give."""
    pattern = step.expect.alternatives[0].pattern
    assert isinstance(pattern, Success)
    matcher = dict(pattern.fields)["data"]
    assert isinstance(matcher, Exactly)
    return matcher.value


@pytest.mark.parametrize(
    ("exchange", "request_bytes", "reply"),
    [
        (Exchange("same", "raw"), b"abc", b"abc"),
        (Exchange("upper", "line"), b"abc\n", b"ABC\n"),
        (Exchange("prefix", "nul", text=b"> "), b"abc\0", b"> abc\0"),
        (Exchange("text", "line", text=b"hello"), b"abc\n", b"hello\n"),
        (Exchange("same", "fixed", size=5), b"abc\0\0", b"abc\0\0"),
        (Exchange("table", "line", table=((b"2+2", b"4"),)), b"2+2\n", b"4\n"),
    ],
    ids=lambda value: value.reply + "-" + value.framing if isinstance(value, Exchange) else None,
)
def test_an_exchange_says_what_is_sent_and_what_comes_back(
    exchange: Exchange, request_bytes: bytes, reply: bytes, tmp_path: Path
) -> None:
    """The reply is made from the request, and both get what ends a message."""
    found = case(tmp_path, "- exchange: {sock: c, data: abc}", assignment(exchange))

    assert [step.op for step in found.steps[2:]] == ["send_all", "recv_exactly"]
    assert sent(found) == [request_bytes]
    assert expected(found.steps[-1]) == reply


def test_where_the_end_of_file_ends_a_message_our_side_is_ended(tmp_path: Path) -> None:
    """With `framing: close` the request ends with our side, and the reply with the program's."""
    found = case(tmp_path, "- exchange: {sock: c, data: abc}", assignment(Exchange(framing="close")))

    assert [step.op for step in found.steps[2:]] == ["send_all", "shutdown", "recv_until_eof"]


def test_between_two_pieces_the_program_is_seen_waiting(tmp_path: Path) -> None:
    """A request that is cut goes out in pieces, and none before the program waits for it."""
    found = case(tmp_path, "- exchange: {sock: c, data: abcde, segments: [2, 1]}", assignment(Exchange()))

    assert [step.op for step in found.steps[2:]] == [
        "send_all",
        "settled",
        "send_all",
        "settled",
        "send_all",
        "recv_exactly",
    ]
    assert sent(found) == [b"ab", b"c", b"de"]


def test_steps_meanwhile_stand_after_the_first_piece(tmp_path: Path) -> None:
    """What happens in the middle of a request happens when the program waits for the rest of it."""
    steps = (
        "- exchange:\n    sock: c\n    data: abcd\n    segments: [2]\n    meanwhile:\n      - getsockname: {sock: c}"
    )

    found = case(tmp_path, steps, assignment(Exchange()))

    assert [step.op for step in found.steps[2:]] == ["send_all", "settled", "getsockname", "send_all", "recv_exactly"]


def test_several_requests_go_out_together(tmp_path: Path) -> None:
    """Each request is framed, and the replies are expected one after the other."""
    found = case(tmp_path, "- exchange: {sock: c, requests: [a, b]}", assignment(Exchange("upper", "line")))

    assert sent(found) == [b"a\nb\n"]
    assert expected(found.steps[-1]) == b"A\nB\n"


def test_a_long_request_is_sent_while_its_reply_is_received(tmp_path: Path) -> None:
    """Where all buffers together are too small, somebody must read while the other writes."""
    found = case(tmp_path, "- exchange: {sock: c, data: {repeat: x, count: 50000}}", assignment(Exchange()))

    assert [step.op for step in found.steps[2:]] == ["send_all", "recv_exactly", "finish"]
    assert found.steps[2].start is not None
    assert "threads" in found.needs


def test_datagrams_are_sent_and_received_one_by_one(tmp_path: Path) -> None:
    """Each request is a datagram, and so is each reply."""
    found = case(tmp_path, "- exchange: {sock: c, requests: [a, b]}", assignment(Exchange(), datagrams=True))

    assert [step.op for step in found.steps[2:]] == ["send", "send", "recv", "recv"]


@pytest.mark.parametrize(
    ("exchange", "steps", "need"),
    [
        (
            Exchange(framing="close"),
            "- exchange: {sock: c, data: a}\n- exchange: {sock: c, data: b}",
            "exchange:several",
        ),
        (Exchange("text", "raw", text=b"x"), "- exchange: {sock: c, data: ab, segments: bytes}", "exchange:framed"),
        (Exchange("prefix", "line", text=b"> "), '- exchange: {sock: c, data: {hex: "610a62"}}', "exchange:any-bytes"),
        (Exchange("table", table=((b"a", b"b"),)), '- exchange: {sock: c, data: {hex: "ff"}}', "exchange:any-bytes"),
        (Exchange(framing="fixed", size=2), "- exchange: {sock: c, data: abc}", "exchange:any-length"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("exchange:") else "",
)
def test_what_an_assignment_cannot_say_is_needed(exchange: Exchange, steps: str, need: str, tmp_path: Path) -> None:
    """A scenario that does not go with the exchange needs what nothing offers, and says what that is."""
    assert need in case(tmp_path, steps, assignment(exchange)).needs


@pytest.mark.parametrize("given", [None, assignment(None)], ids=["no assignment", "no exchange"])
def test_without_an_exchange_the_step_stays_as_it_is(given: Assignment | None, tmp_path: Path) -> None:
    """Where nobody says what an exchange is, it is a step that no target offers; names inside are known."""
    steps = "- exchange:\n    sock: c\n    data: ab\n    meanwhile:\n      - socket: {as: d}\n- close: {sock: d}"

    found = case(tmp_path, steps, given)

    assert [step.op for step in found.steps[2:]] == ["exchange", "socket", "close"]
    assert "programs" in found.needs


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        (0, Success((("code", Exactly(0)),))),
        ("signal", Success((("signal", Exactly("SIGTERM")),))),
        ("any", SUCCESS.alternatives[0].pattern),
    ],
)
def test_the_assignment_says_how_a_signal_ends_the_program(end: int | str, wanted: Success, tmp_path: Path) -> None:
    """`wait_exit` after a signal expects the end that the assignment gives for it."""
    given = assignment(Exchange(), ends={"SIGTERM": end})

    found = case(tmp_path, "- wait_exit: {proc: server, after: SIGTERM}", given)

    assert found.steps[-1].expect.alternatives[0].pattern == wanted


def test_a_program_is_given_the_address_of_the_server_though_no_step_names_it(tmp_path: Path) -> None:
    """The arguments of a program may hold its port, so the case has it."""
    assert list(case(tmp_path, "- close: {sock: c}", assignment(Exchange())).addresses) == ["srv"]


def test_the_same_scenario_for_another_assignment_is_another_case(tmp_path: Path) -> None:
    """What was seen under one assignment is not judged by another."""
    steps = "- exchange: {sock: c, data: abc}"

    digests = {
        case(tmp_path, steps, given).digest for given in (None, assignment(Exchange()), assignment(Exchange("upper")))
    }

    assert len(digests) == 3


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ("- exchange: {sock: c}", "x.yaml:10:9: 'exchange' needs one of 'data' and 'requests' [schema]"),
        (
            "- exchange: {sock: c, data: a, segments: byte}",
            (
                "x.yaml:10:48: 'byte' is not a way to cut: whole, bytes, or a list of sizes "
                "(did you mean 'bytes'?) [schema]"
            ),
        ),
        ("- exchange: {sock: c, data: a, segments: [0]}", "x.yaml:10:49: expected 1 or more, not 0 [schema]"),
        (
            "- exchange: {sock: c, data: a}\n  expect: ok",
            "x.yaml:11:9: 'expect' is not allowed for 'exchange' (its calls are those of the assignment) [schema]",
        ),
        (
            '- exchange: {sock: c, data: ""}',
            "x.yaml:10:9: there is nothing to send (an exchange has at least one byte) [schema]",
        ),
        (
            "- recv: {sock: c, size: 1, as: got}\n- exchange: {sock: c, data: $got}",
            "x.yaml:11:29: the request of an exchange must be known when the file is loaded [schema]",
        ),
    ],
)
def test_each_wrong_exchange_gets_its_complaint(steps: str, complaint: str, tmp_path: Path) -> None:
    """What an exchange cannot be is said at its place."""
    errors = loaded(tmp_path, steps, assignment(Exchange())).errors

    assert [str(line).replace(f"{tmp_path}/", "") for error in errors for line in error.complaints] == [complaint]
