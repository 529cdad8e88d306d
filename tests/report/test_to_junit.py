"""Results as JUnit XML, read back by a parser of XML as CI would read them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.model.verdicts import Cause, Result, TraceLine, Verdict
from grader.report.to_junit import to_junit
from grader.report.to_text import explanation
from tests.model.build import finding, result

# Every character there is, the forbidden ones often.
FORBIDDEN = "\x00\x08\t\n\r\x0b\x1b\x7f\x85\x9f\ud800\ufdd0\uffff\U0001fffe<>&\"'"
ANY_TEXT = st.text(st.characters() | st.sampled_from(FORBIDDEN))


def parsed(*results: Result, name: str = "host") -> ET.Element:
    """Give the root of the XML of these results."""
    return ET.fromstring(to_junit(results, name))  # noqa: S314 - our own text


def only_case(told: Result) -> ET.Element:
    """Give the one case of the XML of this result."""
    (case,) = parsed(told).iter("testcase")
    return case


def test_a_run_is_one_suite() -> None:
    """A second one, or one inside another, becomes part of every name for some readers."""
    root = parsed(
        result(), result(Verdict.FAIL, Cause.CRASH), result(Verdict.UNRESOLVED, Cause.HOST), name="their code"
    )

    (suite,) = root
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "their code")
    assert [suite.get(kind) for kind in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "0"]
    assert not suite.findall("testsuite")


def test_a_run_of_nothing_is_a_suite_too() -> None:
    """CI wants a file whatever happened."""
    assert [suite.get("tests") for suite in parsed()] == ["0"]


@pytest.mark.parametrize(
    ("case", "classname"),
    [
        ("api/listen-accept/one[inet-stream]", "api.listen-accept"),
        ("api/t/one", "api.t"),
        ("api/t/one[a/b]", "api.t"),
        ("one", ""),
    ],
)
def test_a_case_is_named_by_its_id_and_classed_by_its_suite(case: str, classname: str) -> None:
    """Ids are unique, and readers drop the second of two equal names."""
    told = only_case(result(case=case))

    assert (told.get("name"), told.get("classname") or "") == (case, classname)


@pytest.mark.parametrize(
    ("verdict", "cause", "tag"),
    [
        (Verdict.FAIL, Cause.MISMATCH, "failure"),
        (Verdict.FAIL, Cause.TIMEOUT, "failure"),
        (Verdict.UNRESOLVED, Cause.HOST, "error"),
        (Verdict.UNSUPPORTED, Cause.NEEDS, "skipped"),
        (Verdict.UNTESTED, None, "skipped"),
        (Verdict.PASS, None, None),
        (Verdict.PASS, Cause.TOLERATED, None),
    ],
)
def test_a_failure_is_the_students_and_an_error_is_ours(verdict: Verdict, cause: Cause | None, tag: str | None) -> None:
    """Never mixed: CI shows them differently, and people act on that."""
    told = only_case(result(verdict, cause))

    assert [kind for kind in ("failure", "error", "skipped") if told.find(kind) is not None] == ([tag] if tag else [])
    if tag in {"failure", "error"}:
        assert told.find(str(tag)).get("type") == cause  # type: ignore[union-attr]  # it was found above


def test_the_text_of_a_failure_is_message_and_body() -> None:
    """Some readers show the one, some the other; lines stay lines in both."""
    failed = result(Verdict.FAIL, Cause.MISMATCH, findings=(finding(),))

    told = only_case(failed).find("failure")

    assert told is not None
    assert told.get("message") == told.text == explanation(failed)
    assert "\n" in str(told.text)


def test_the_reason_of_a_skip_is_its_message() -> None:
    """A skip without a reason is a lie."""
    told = only_case(result(Verdict.UNSUPPORTED, Cause.NEEDS, reason="needs inet6: none here")).find("skipped")

    assert told is not None
    assert told.get("message") == "needs inet6: none here"


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNRESOLVED, Verdict.UNSUPPORTED])
def test_no_text_is_longer_than_readers_keep(verdict: Verdict) -> None:
    """More than 20,000 characters would be cut by a reader, who knows not where."""
    told = only_case(result(verdict, Cause.MISMATCH, reason="\x00" * 30_000))

    longest = [len(text) for one in told.iter() for text in (one.get("message"), one.text) if text]
    assert max(longest) == 20_000


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x00\x1b[2J", "\\x00\\x1b[2J"),
        ("one\r\ntwo", "one\\x0d\ntwo"),
        ("\x7f\x80\x85\x9f", "\\x7f\\x80\x85\\x9f"),
        ("\ud800\ufdd0\ufffe\U0010ffff", "\\xd800\\xfdd0\\xfffe\\x10ffff"),
        ("<&>]]>\"'", "<&>]]>\"'"),
        ("снег \U0001f600", "снег \U0001f600"),
    ],
)
def test_what_xml_cannot_hold_is_shown_in_hex(printed: str, shown: str) -> None:
    """Nothing that was printed is lost, and nothing breaks the file."""
    assert only_case(result(stdout=printed)).findtext("system-out") == shown


def test_the_facts_of_a_case_are_its_properties() -> None:
    """For readers that keep them, before everything else in the case."""
    told = only_case(
        result(
            Verdict.FAIL,
            Cause.CRASH,
            points=0.5,
            level="standard",
            claims=("lecture.a", "lecture.b"),
            spec=("POSIX.1-2024 recv()", "RFC 9293"),
        )
    )

    assert told[0].tag == "properties"
    assert {one.get("name"): one.get("value") for one in told[0]} == {
        "verdict": "FAIL",
        "cause": "crash",
        "points": "0.5",
        "level": "standard",
        "section": "t",
        "claims": "lecture.a lecture.b",
        "spec": "POSIX.1-2024 recv(); RFC 9293",
        "target": "host",
    }


def test_the_time_of_a_case_is_in_seconds() -> None:
    """To the microsecond."""
    assert only_case(result(seconds=0.12345678)).get("time") == "0.123457"


@given(printed=ANY_TEXT, verdict=st.sampled_from(Verdict))
def test_whatever_is_printed_the_file_is_well_formed(printed: str, verdict: Verdict) -> None:
    """In every place where a text of a student can get to, message and body stay equal and nothing vanishes."""
    told = result(
        verdict,
        Cause.MISMATCH,
        title=printed,
        reason=printed,
        findings=(finding(got=printed),),
        trace=(TraceLine("main", printed, printed),),
        stdout=printed,
        target=printed,
    )

    text = to_junit([told], printed)
    (case,) = ET.fromstring(text).iter("testcase")  # noqa: S314 - our own text

    assert text.encode("utf-8")
    shown = case.find("failure") if verdict is Verdict.FAIL else case.find("error")
    if shown is not None:
        assert (shown.get("message") or "") == shown.text
    plain = "".join(char for char in printed if char.isprintable())
    assert all(char in (case.findtext("system-out") or "") for char in plain)


def test_the_same_results_give_the_same_bytes() -> None:
    """No clock and no host name gets in."""
    assert to_junit([result(Verdict.FAIL)], "host") == to_junit([result(Verdict.FAIL)], "host")
    assert "timestamp" not in to_junit([result()], "host")
