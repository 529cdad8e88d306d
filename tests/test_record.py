"""Histories on file: what is written is read back, and what is not whole is refused with its place."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.model.errors import UsageError
from grader.model.histories import Done, Event, History, Issued, Returned, SeenBlocked
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Raised, Succeeded, Unoffered
from grader.model.values import InetAddress, Plain, UnixAddress
from grader.record import Recorder, decode, encode, read
from grader.verdict.judge import judge
from tests.engine.anything import any_case, run, seeds
from tests.model.build import blocked, err, history, ok, one_call

TEXT = st.text(max_size=8)
NUMBER = st.integers(-(2**40), 2**40)
ADDRESS = st.one_of(
    st.builds(InetAddress, st.ip_addresses().map(str), st.integers(0, 65535), st.integers(0, 9)),
    st.builds(UnixAddress, st.none() | TEXT, st.none() | TEXT),
)
PLAIN: st.SearchStrategy[Plain] = st.recursive(
    st.none() | st.booleans() | NUMBER | st.floats(allow_nan=False) | TEXT | st.binary(max_size=8) | ADDRESS,
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
FIELDS = st.dictionaries(TEXT | st.just("t"), PLAIN, max_size=3)
WORDS = st.lists(TEXT, max_size=2).map(tuple)
OUTCOME: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Succeeded, FIELDS, WORDS),
    st.builds(Failed, TEXT, NUMBER, WORDS, FIELDS),
    st.builds(Raised, TEXT, TEXT, TEXT),
    st.builds(Ended, TEXT, TEXT, NUMBER, TEXT),
    st.builds(Pending, TEXT, TEXT),
    st.builds(Unoffered, TEXT),
    st.builds(Broken, TEXT, TEXT),
)
EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(Issued, TEXT, NUMBER, TEXT, TEXT, FIELDS, NUMBER),
    st.builds(Returned, NUMBER, OUTCOME, NUMBER),
    st.builds(SeenBlocked, TEXT, NUMBER, NUMBER, TEXT, NUMBER),
    st.builds(Done, TEXT, OUTCOME, st.none() | NUMBER, NUMBER),
)
HISTORY = st.builds(
    History,
    case=TEXT,
    target=TEXT,
    digest=TEXT,
    addresses=st.dictionaries(TEXT | st.just("t"), ADDRESS, max_size=2),
    events=st.lists(EVENT, max_size=4).map(tuple),
    complete=st.booleans(),
    unsupported=TEXT,
    fault=TEXT,
    fault_cause=TEXT,
    stdout=TEXT,
    seconds=st.floats(0, 1e6),
    isolation=TEXT,
)


def written(*histories: History) -> str:
    """Give the text of a whole file."""
    file = io.StringIO()
    recorder = Recorder(file, "host", "0.1")
    for one in histories:
        recorder.add(one)
    recorder.close()
    return file.getvalue()


def read_text(folder: Path, text: str) -> list[History]:
    """Read a text as a file of histories."""
    path = folder / "run.jsonl"
    path.write_text(text, encoding="utf-8")
    return list(read(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples of a property may share."""
    return tmp_path_factory.mktemp("histories")


@settings(max_examples=150, deadline=None)
@given(histories=st.lists(HISTORY, max_size=3))
def test_what_is_written_is_read_back(folder: Path, histories: list[History]) -> None:
    """Whatever was seen, to the byte and the type; names may be our own words, text any text."""
    text = written(*histories)

    assert read_text(folder, text) == histories
    assert text == written(*read_text(folder, text))
    assert text.isascii()


@given(PLAIN)
def test_a_value_keeps_its_type(value: Plain) -> None:
    """`1`, `1.0`, `true` and `"1"` stay apart."""
    back = decode(json.loads(json.dumps(encode(value))))

    assert (repr(back), back) == (repr(value), value)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_a_history_is_worth_the_same_when_it_is_read_back(folder: Path, seed: int) -> None:
    """Verdicts can be made again without running anything."""
    random = Random(seed)
    made = any_case(random)
    seen = history(*run(made, random))

    (again,) = read_text(folder, written(seen))

    assert judge(made, again) == judge(made, seen)


SEEN = history(*one_call("0", 0, "send", ok(count=1), data=b"x"), blocked("1", 1), Returned(1, err("EAGAIN")))
HEADER, BEGIN, FIRST, *_, END, FOOTER = WHOLE = written(SEEN).splitlines()


def line(**plain: Any) -> str:
    """Give a line of JSON."""
    return json.dumps(plain)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([], r"run\.jsonl: the history was cut short: its footer is missing", id="empty"),
        pytest.param(WHOLE[:-1], r"run\.jsonl: the history was cut short", id="no-footer"),
        pytest.param(WHOLE[:4], r"run\.jsonl: the history was cut short", id="no-end"),
        pytest.param([*WHOLE[:-1], FOOTER[:-2]], r"run\.jsonl:9: not a line of JSON", id="cut-in-a-line"),
        pytest.param(
            [BEGIN, *WHOLE], r"run\.jsonl:1: not a history of format 1: its first line is '\{", id="no-header"
        ),
        pytest.param([line(t="header", format=2), *WHOLE[1:]], r"run\.jsonl:1: not a history of format 1", id="format"),
        pytest.param(
            [HEADER, "hello", *WHOLE[1:]], r"run\.jsonl:2: not a line of JSON: Expecting value", id="not-json"
        ),
        pytest.param([HEADER, "", *WHOLE[1:]], r"run\.jsonl:2: not a line of JSON", id="empty-line"),
        pytest.param([HEADER, "[1]", *WHOLE[1:]], r"run\.jsonl:2: not a line of a history: '\[1\]'", id="a-list"),
        pytest.param([HEADER, "{}", *WHOLE[1:]], r"run\.jsonl:2: not a line of a history: '\{\}'", id="no-kind"),
        pytest.param([HEADER, line(t=7), *WHOLE[1:]], r"run\.jsonl:2: not a line of a history", id="a-kind-of-number"),
        pytest.param(
            [HEADER, BEGIN, line(t="Guess"), END, FOOTER], r"run\.jsonl:3: a history holds no 'Guess'", id="noun"
        ),
        pytest.param(
            [HEADER, BEGIN, line(t="Returned", call=1), END, FOOTER],
            r"run\.jsonl:3: a Returned of a history has other fields: .*'outcome'",
            id="a-field-is-missing",
        ),
        pytest.param(
            [HEADER, BEGIN, line(t="Done", step="0", outcome={"t": "Pending", "colour": 1}), END, FOOTER],
            r"run\.jsonl:3: a Pending of a history has other fields: .*'colour'",
            id="a-field-too-many",
        ),
        pytest.param(
            [HEADER, BEGIN, line(t="Pending"), END, FOOTER], r"run\.jsonl:3: a Pending is no event", id="no-event"
        ),
        pytest.param(
            [HEADER, BEGIN, line(t="bytes", b64="eA=="), END, FOOTER], r"run\.jsonl:3: a bytes is no event", id="raw"
        ),
        pytest.param(
            [HEADER, BEGIN, line(t="bytes", b64="x"), END, FOOTER], r"run\.jsonl:3: Invalid base64", id="base64"
        ),
        pytest.param([HEADER, BEGIN, line(t="bytes"), END, FOOTER], r"run\.jsonl:3: 'b64'", id="no-bytes"),
        pytest.param([HEADER, BEGIN, line(t="map", pairs=[1]), END, FOOTER], r"run\.jsonl:3: ", id="no-pairs"),
        pytest.param([HEADER, END, FOOTER], r"run\.jsonl:2: .*'case'", id="no-begin"),
        pytest.param([HEADER, BEGIN, line(t="end", colour=1), FOOTER], r"run\.jsonl:3: .*'colour'", id="end"),
        pytest.param(
            [*WHOLE[:-1], line(t="footer", cases=2)], r"run\.jsonl:9: it says 2 cases and holds 1", id="count"
        ),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    """The message says the file, the line and what is wrong there."""
    with pytest.raises(UsageError, match=message):
        read_text(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("depth", [200, 900, 5_000, 100_000])
def test_a_bomb_of_brackets_is_refused(tmp_path: Path, depth: int) -> None:
    """However deep, it is a complaint and no crash."""
    bomb = '{"t":"Done","step":"0","outcome":' + "[" * depth + "]" * depth + ',"colour":1}'

    with pytest.raises(UsageError, match=r"run\.jsonl:3: "):
        read_text(tmp_path, f"{HEADER}\n{BEGIN}\n{bomb}\n{END}\n{FOOTER}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """As is one that is not text."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    for name, reason in (("nothing", "No such file"), ("binary", "can't decode byte 0xff")):
        with pytest.raises(UsageError, match=rf"{name}: cannot be read as a history: .*{reason}"):
            list(read(tmp_path / name))


def test_each_history_is_on_file_before_the_next_begins() -> None:
    """A run that is killed has lost no case that had ended, and its file says that it was cut short."""
    file = io.StringIO()

    Recorder(file, "host", "0.1").add(SEEN)

    assert file.getvalue().splitlines() == WHOLE[:-1]
